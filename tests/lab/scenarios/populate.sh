# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2016 # lib.sh reads GUEST_*, run CLOCK and MEGABYTES; the guest expands what is quoted
# populate=, for hosts with EPT or NPT: which pages around a fault are mapped, and what is left alone, by a VMM
# whose guest touches pages at its word (../populate/README.md); then a Linux guest in QEMU boots and writes to memory.
# TESTS: of that VMM. CONFIGS: of the Linux guest; the first is what the others are compared with; in "asked" it is the guest
# that asks for memory, and nothing else is mapped ahead. "huge", "64-huge", "asked-huge" are stock, 64 and asked on a host that backs
# guests by huge pages: as many must be mapped. MOVES: how a guest that verifies its memory moves from one QEMU to
# another. Each may be empty; lists are of blanks or commas. GUEST_MEM: of the Linux guest. TOUCH: what it writes to. Both are in MB.
CLOCK="instructions"
MEGABYTES="1024"
TESTS="parameter touch present read read_first given_back late dirty userfaultfd readonly cow shared idle huge ksm swap cgroup bounds far interrupt races"
CONFIGS="stock off present 64 asked"
MOVES="precopy postcopy"
GUEST_MEM="320"
TOUCH="96"
CGROUP=/run/cgroup
HUGE=/sys/kernel/mm/transparent_hugepage/enabled
pass=insns

vm_tests() {
	insmod /modules/brd.ko rd_nr=1 rd_size=65536
	check "there is a disk to swap to" eval 'mkswap /dev/ram0 >/dev/null && swapon /dev/ram0'
	mkdir -p $CGROUP
	mount -t cgroup2 none $CGROUP
	echo +memory >$CGROUP/cgroup.subtree_control
	mkdir $CGROUP/populate
	echo madvise >$HUGE
	kvm_load ours "$PAGING=1"
	# shellcheck disable=SC2046 # words are meant
	check "the VMM came to its end" checks_of populate $(echo "$TESTS" | tr , ' ')
	kvm_unload
	swapoff /dev/ram0
}

# record WHAT: writes faults and instructions since the last counters, and resident memory, to $RUN/what.CONFIG.
record() {
	counted "$RUN"/before >"$RUN"/gained
	read -r huge </sys/kernel/debug/kvm/pages_2m
	awk -v rss="$(($(rss_kb q) / 4))" -v huge="$huge" \
		'{ n[$1] = $2 } END { print n["pf_taken"] + 0, n["now"] - n["idle"], rss, huge }' "$RUN"/gained >"$RUN/$1.$config"
	read -r faults insns pages huge <"$RUN/$1.$config"
	say "note: $config, $1: $faults faults, $((insns / 1000000)) million instructions, $pages pages of QEMU resident, $huge mappings of 2 MiB"
	rec "work=${1}_$PAGING" "config=$config" ops=1 metric=faults "value=$faults"
	rec "work=${1}_$PAGING" "config=$config" ops=1 metric=insns "value=$insns"
	rec "work=${1}_$PAGING" "config=$config" ops=1 metric=resident "value=$pages"
}

linux_guest() {
	config=$1 word=kvm_paravirt=0
	case $config in
	off) kvm_form ours ;;
	huge) kvm_form huge ;;
	asked*) kvm_form asked && word=kvm_paravirt=1 ;;
	*) kvm_form "${config%-huge}" ;;
	esac
	# kvm_form has switched them off.
	case $config in
	*-huge) echo always >$HUGE ;;
	esac
	counters >"$RUN"/before
	guest q nopti "$word" lab=serve
	check "$config: guest is up" guest_expect q 'G: ready' 120
	record boot
	counters >"$RUN"/before
	# The program that writes has its buffer in memory that the kernel has not touched.
	check "$config: it writes to $TOUCH MB" guest_sh q 120 "dd if=/dev/zero of=/dev/null bs=${TOUCH}M count=1 2>/dev/null"
	record touch
	case $config in
	asked*)
		say "note: $config: $(guest_counts)"
		check "$config: the guest used it" guest_sh q 60 "dmesg | grep -q 'kvm-paravirt: .* populate$'"
		;;
	esac
	guest_kill q
	kvm_unload
}

# What the host has counted, and the exits of the touch, which are calls, too.
guest_counts() {
	for counter in populate populate_pages populate_allocated populate_short; do
		read -r count </sys/kernel/debug/kvm_paravirt_host/$counter
		printf '%s %s, ' "$counter" "$count"
	done
	awk '$1 ~ /^(hypercalls|exits)$/ { printf "%s %s of the touch, ", $1, $2 }' "$RUN"/gained
}

# compared WHAT CONFIG COLUMN AWK-CONDITION TEXT: checks the condition, of the value x and that of the base, b.
compared() {
	set -- "$1" "$2" "$3" "$4" "$5" "$(cat "$RUN/$1.$base")" "$(cat "$RUN/$1.$2")"
	check "$2, $1: $5" awk -v b="$6" -v x="$7" -v c="$3" \
		"BEGIN { split(b, bb); split(x, xx); b = bb[c]; x = xx[c]; exit !($4) }"
}

# verifies NAME TEXT: checks that it verifies its memory for two more rounds, with nothing wrong.
verifies() {
	check "$2: its memory is right" guest_sh "$1" 240 \
		'n=$(($(wc -l </tmp/rounds) + 2)); i=0; while [ $(wc -l </tmp/rounds) -lt $n ] && [ $i -lt 400 ]; do sleep 0.05; i=$((i + 1)); done; [ $i -lt 400 ] && [ ! -e /tmp/bad ]'
}

# moves_by HOW FROM TO: moves a guest. With postcopy its memory follows when it runs there already, of which both sides have to
# know beforehand.
moves_by() {
	GUEST_QEMU=
	if [ "$1" = postcopy ]; then
		guest_tell "$2" 'migrate_set_capability postcopy-ram on'
		GUEST_MIGRATE=migrate_start_postcopy
		GUEST_QEMU="-global migration.x-postcopy-ram=on"
	fi
	check "$1: the guest moves" guest_move "$2" "$3" nopti kvm_paravirt=0
	verifies "$3" "$1"
}

moving_guest() {
	kvm_load ours "$PAGING=1" populate=64
	GUEST_MEM=96
	from=m0 hop=0
	guest $from nopti kvm_paravirt=0 lab=serve
	check "a guest that is to move is up" guest_expect $from 'G: ready' 120
	guest_sh $from 60 \
		'>/tmp/rounds; while :; do memsum 1 >/dev/null 2>&1 || >/tmp/bad; echo . >>/tmp/rounds; done &'
	verifies $from "before it moves"
	for how in $(echo "$MOVES" | tr , ' '); do
		hop=$((hop + 1))
		moves_by "$how" "$from" m$hop
		from=m$hop
	done
	read -r allocated </sys/kernel/debug/kvm_paravirt_host/populate_allocated
	check "blocks were allocated for it ($allocated pages)" [ "$allocated" -gt 1000 ]
	guest_kill "$from"
	kvm_unload
}

[ -z "$TESTS" ] || vm_tests
echo never >$HUGE
CONFIGS=$(echo "$CONFIGS" | tr , ' ')
if [ -n "$CONFIGS" ]; then
	base=${CONFIGS%% *}
	for config in $CONFIGS; do linux_guest "$config"; done
	for config in $CONFIGS; do
		[ "$config" != "$base" ] || continue
		# Where memory is in huge pages that of QEMU itself is, too, which differs by some.
		most=1
		case $config in
		*-huge) most=5 ;;
		esac
		for what in boot touch; do
			compared $what "$config" 3 "x <= b * 1.0$most" "QEMU has at most $most % more in memory"
		done
		# The numbers of a boot differ from one to the next by some thousandths.
		# A look around a fault where there is nothing to map has a price.
		case $config in
		present) compared touch "$config" 2 'x <= b * 1.03' "3 % more instructions at most" ;;
		# A call in vain has a price, too; that of a mapping is that of 512.
		*-huge) compared touch "$config" 2 'x <= b * 1.03' "3 % more instructions at most" ;;
		*) compared touch "$config" 2 'x <= b * 1.01' "no more instructions" ;;
		esac
		case $config in
		off | present) compared touch "$config" 1 'x <= b * 1.01' "no more faults" ;;
		64)
			compared touch "$config" 1 'x * 50 <= b' "faults are 1/50 or less"
			compared boot "$config" 1 'x * 20 <= b' "faults are 1/20 or less"
			;;
		# A 59th, or a 49th: the guest asks for chunks of 64 pages, and one that it does not ask for is 64 faults.
		asked) compared touch "$config" 1 'x * 48 <= b' "faults are 1/48 or less" ;;
		*-huge)
			compared touch "$config" 4 'b >= 60 && x >= b * 0.98' "as many mappings are of 2 MiB"
			compared touch "$config" 1 'x <= b * 1.05 + 10' "no more faults"
			;;
		esac
	done
fi
[ -z "$MOVES" ] || moving_guest
dmesg_clean
