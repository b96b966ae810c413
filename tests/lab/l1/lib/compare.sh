# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # measure.sh reads pass, ops, fields
# Measures the same works on several modules or with several parameters, and compares what was recorded.

# works CONFIG MODULE WORKS [PARAM=VALUE...] -- WORD...: measure WORKS in a guest booted with WORDs, on that module.
works() {
	works_config=$1 works_module=$2 works_list=$3 works_params=
	shift 3
	while [ "$1" != -- ]; do
		works_params="$works_params $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # words are meant
	kvm_load "$works_module" $works_params || return
	# What is done several times, to know how far it differs, is traced once.
	guest m nopti "$@" "lab=pass:insns,null,$works_list,pass:exits,null,$(echo "$works_list" | sed 's/\(:[0-9]*\)x[0-9]*/\1/g')"
	if [ "$works_config" = paravirt ]; then
		# SVM has no CR3 targets, but all the rest; GUEST_WORDS may leave them out.
		works_offer='*'
		case $MACHINE:${GUEST_WORDS:-} in
		*kvm_paravirt=*) ;;
		vmx:*) works_offer='cr3-cache(4)*' ;;
		esac
		check "$works_config guest uses the interface" guest_expect m "G: kvm-paravirt: host ABI v1: $works_offer" 60
	fi
	measure m "$works_config" 240 "$SILENCE"
	guest_wait m 60 || not_ok "$works_config guest powers off" "still there after 60 s"
	kvm_unload
}

# compare WORKS CONFIG... [-- WORD...]: measure WORKS in each configuration, in guests booted with WORDs.
compare() {
	compare_works=$1 compare_configs=
	shift
	while [ $# != 0 ] && [ "$1" != -- ]; do
		compare_configs="$compare_configs $1"
		shift
	done
	[ $# = 0 ] || shift
	for config in $compare_configs; do
		case $config in
		stock) works stock stock "$compare_works" -- kvm_paravirt=0 "$@" ;;
		paravirt) works paravirt ours "$compare_works" -- kvm_paravirt=1 "$@" ;;
		ept) works ept stock "$compare_works" "$PAGING=1" -- kvm_paravirt=0 "$@" ;;
		*) not_ok "measure $config" "no configuration of that name" ;;
		esac
	done
}

# boot_mark, and booted NAME CONFIG: records of what happened between them, the boot of guest NAME.
boot_mark() {
	pass=insns
	: >"$RUN"/null
	counters >"$RUN"/before
}

booted() {
	counted "$RUN"/before >"$RUN"/counted
	work=boot_ept ops=1
	fields="work=$work config=$2 ops=1 switches=0"
	exits
	metric "$CLOCK_METRIC" $(($(gained now) - $(gained idle))) 1
	resident "$1"
}

# served NAME CONFIG ITEM...: measures ITEMs in guest NAME, which runs "serve".
served() {
	served_name=$1 served_config=$2
	shift 2
	guest_say "$served_name" "item pass:insns; item null; for w in $*; do item \$w; done; echo G: done"
	measure "$served_name" "$served_config" 240 && guest_expect "$served_name" 'G: rc=*' 60
}

# touched NAME CONFIG ITEM...: the same, and how much memory its QEMU has in the end.
touched() { served "$@" && resident "$1"; }

# storm CONFIG WORK...: what exits cost in guest "m"; see guest/exits.c.
storm() { served m "$@"; }

# rss_kb NAME: KiB of memory that its QEMU has.
rss_kb() {
	read -r rss_pid <"$RUN/$1.pid"
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$rss_pid/status"
}

# resident NAME: a record of the last work, of how much memory QEMU then has.
resident() { metric resident_kb "$(rss_kb "$1")" 1; }

# recorded CONFIG METRIC WORK
recorded() {
	sed -n "s/^\twork=$3\tconfig=$1\t.*\tmetric=$2\tvalue=//p" "$RUN"/records
}

# no_dearer TEXT CONFIG BASE MORE WORK...: of CONFIG against BASE. MORE instructions an operation, or N/1000 of those of BASE.
# Exits an operation are rounded: a clock ticks.
no_dearer() {
	dearer_text=$1 dearer_config=$2 dearer_base=$3 dearer_bar=$4
	shift 4
	for work; do
		work=${work%%:*}
		set -- "$(recorded "$dearer_base" exits_per_op "$work")" "$(recorded "$dearer_config" exits_per_op "$work")" \
			"$(recorded "$dearer_base" least_insns "$work")" "$(recorded "$dearer_config" least_insns "$work")"
		check "$dearer_text: $work: as many exits an operation, $1, $2" \
			awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0.5 && int(a + 0.5) == int(b + 0.5)) }'
		check "$dearer_text: $work: at most $dearer_bar instructions more, $3, $4" \
			awk -v a="$3" -v b="$4" -v bar="$dearer_bar" 'BEGIN {
				more = bar ~ /\/1000$/ ? a * bar / 1000 : bar + 0
				exit !(a > 0 && b > 0 && b - a <= more)
			}'
	done
}
