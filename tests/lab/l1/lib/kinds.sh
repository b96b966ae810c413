# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Guests that are there for one purpose: those that verify memory whatever happens to them, those that switch among more
# processes than the CPU has targets for, those that start another kernel, those that do what they must not, and the
# small ones without Linux.

# busy_guest NAME [WORD...]: starts a guest with the option that verifies memory all the time.
busy_guest() {
	busy_name=$1
	shift
	guest "$busy_name" nopti kvm_paravirt=1 "$@" lab=serve
	get_busy "$busy_name" "guest is up${*:+ with $*}"
}

# get_busy NAME TEXT: waits until the guest is up, for the first time or again, and has it begin to verify memory.
get_busy() {
	check "$2" guest_expect "$1" 'G: ready' 120
	guest_sh "$1" 60 busy
	goes_on "$1" "$2"
}

# goes_on NAME TEXT [suspended]: checks that its memory is right, and how its loads of CR3 are done from now on: some by the table,
# or, on AMD's CPUs and if the guest was suspended, all by a call.
goes_on() {
	goes=miss goes_not=hit
	if [ "$MACHINE:${3:-}" = vmx: ]; then
		goes=hit goes_not=native
	fi
	check "$2: memory is right" guest_sh "$1" 60 "still_busy 1"
	# How many loads hit is chance, as the guest switches more tasks than the table holds.
	check "$2: CR3 is loaded by a $goes, never by a $goes_not" guest_sh "$1" 60 \
		"gained 3 && [ \$((hit + miss)) -gt 20 ] && [ \$$goes -gt 0 ] && [ \$$goes_not = 0 ] && [ \$native = 0 ]"
}

# 2800 switches between 8 address spaces.
RING8="LAB_MARKS=0 pipe 250 8"

stash_reads() {
	read -r stashed <"$SYS"/kernel/debug/kvm_paravirt_host/stash_switches &&
		read -r missed <"$SYS"/kernel/debug/kvm_paravirt_host/load_cr3_missed
}

# uses_stash NAME: a guest with one vCPU, and the host answers its loads of CR3 from the stash. The ring takes 2,800 switches between
# 8 address spaces, or more: Linux 7.x mostly runs who is woken at once, and who has woken once more, so that these are 4,100. A
# load that is no hit mostly takes the place of the one that is left: were it always so, three of seven
# would be hits, and of 2,800 loads 1,600 come from the stash. One in eight takes the place of another, which is then no hit at its
# turn. Those that fill the stash are left for KVM.
uses_stash() {
	stash_reads
	guest_say "$1" "s=\$(grep ctxt /proc/stat); $RING8 && echo \"G: switches \$((\$(grep ctxt /proc/stat | cut -c 6-) - \${s#ctxt }))\""
	check "a ring of 8 processes" guest_expect "$1" "G: switches *" 120
	switches=0
	case $LINE in
	"G: switches "*)
		switches=${LINE##* }
		guest_expect "$1" "G: rc=0" 60
		;;
	esac
	stashed_before=$stashed missed_before=$missed
	stash_reads
	stashed=$((stashed - stashed_before)) missed=$((missed - missed_before))
	check "what is no hit comes from the stash ($stashed of $switches switches)" [ "$stashed" -gt 1500 ]
	check "a third and more of them are hits" [ $((3 * stashed)) -lt $((2 * switches)) ]
	check "hardly one is left for KVM ($missed)" [ "$missed" -lt 150 ]
}

# kexec_root FILE: the guest's root with kernel and root of the guest in /boot, and the host's kernel if the image has it.
kexec_root() {
	mkdir -p "$RUN"/kexec/boot
	ln /lab/guest/bzImage /lab/guest/initramfs.cpio "$RUN"/kexec/boot/
	[ ! -e /boot/vmlinuz ] || ln /boot/vmlinuz "$RUN"/kexec/boot/
	cat /lab/guest/initramfs.cpio >"$1"
	(cd "$RUN"/kexec && find . | cpio -o -H newc 2>/dev/null) >>"$1"
}

# hostile_guest [WORD...]: nobody in it registers but the module.
hostile_guest() {
	guest h nopti kvm_paravirt=0 "$@" lab=serve
	guest_expect h 'G: ready' 120 && hostile_insmod && return
	not_ok "hostile guest is up" "no module for this guest kernel? see make.log"
	guest_kill h
	return 1
}

hostile_insmod() {
	guest_sh h 60 "insmod /bin/kvmpv_hostile.ko cr4_update=0x\$(grep ' cr4_update_irqsoff\$' /proc/kallsyms | cut -c 1-16)"
}

# hostile GROUP [COMMAND]: each case of a group is a check.
hostile() {
	group=$1 cases=0 total=none
	guest_say h "${2:-cat /sys/kernel/debug/kvmpv_hostile/$1}"
	while guest_read h 240; do
		case $LINE in
		"G: case "*)
			cases=$((cases + 1))
			# shellcheck disable=SC2086 # words are meant
			set -- $LINE
			if [ "$4" = "$5" ]; then
				ok "$group: $3 ($4)"
			else
				not_ok "$group: $3" "wanted $4, got $5"
			fi
			;;
		"G: group $group "*) total=${LINE##* } ;;
		"G: rc="*) break ;;
		esac
	done
	check "$group: all $cases cases told" [ "$cases" = "$total" -a "$cases" != 0 ]
}

# checks_of PROGRAM [ARGUMENT...]: runs a VMM that checks; its checks and notes. All it has written is in $RUN/PROGRAM.
checks_of() {
	checks_file=$RUN/$1
	command "$@" >"$checks_file" 2>&1
	checks_status=$?
	sed -n 's/^\(ok - \|not ok - \|note: \|cost: \)/LAB: &/p' "$checks_file" | sed 's/^LAB: cost: /LAB: note: cost: /'
	grep -q '^\(not \)\?ok - ' "$checks_file" || not_ok "$*" "it ended without a word: $checks_status"
	return $checks_status
}

# tiny MODE [OPTION...]: ../tiny/README.md
tiny() { checks_of tiny "$@"; }
