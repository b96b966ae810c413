# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads NESTED, lib.sh GUEST_* and STATS
# Three levels: the emulated host (L0) runs a guest that is a host itself (L1: the same Debian, with KVM), which runs a guest
# (L2). What of L0 does it take to boot L2, to touch memory in it for the first time, to start programs there?
#
# PAIRS: FORM/FORM,..., of L0 and L1, see kvm_form. "run -e" gives others. The console of L1 is that of L2 as soon as there is
# one, see l1/nested.sh.
NESTED="nested.sh"
CLOCK="instructions"
PAIRS="stock/stock,stock/block64,block64/stock,block64/block64"
WORKS="touch_ept:96,forkexec:60"
# With less memory, L0 would be short of what L1 may still take, and so allocate no blocks for it; likewise L1 for L2.
MEGABYTES="1536"
GUEST_MEM=512
L2_MEM=192
# Entries of L1 into L2: one for each exit of L2 that is L1's to handle.
STATS="violations_per_op:pf_taken l2_entries_per_op:nested_run"
# On the SVM machine the emulator's time is the real one, so it cannot count instructions.
[ "$MACHINE" != svm ] || CLOCK_METRIC=ns_per_op
GUEST_BZIMAGE=/lab/l1/vmlinux
GUEST_INITRAMFS=/lab/l1/initramfs.cpio

pair() {	# L0 L1
	kvm_form "$1" nested=1 || return
	guest m tsc=reliable no_timer_check cryptomgr.notests "l1_form=$2" l2_mem=$L2_MEM l2=nopti l2=kvm_paravirt=0 l2=lab=serve
	check "$1/$2: the guest that is a host is up" guest_expect m 'G: L1' 300 || return
	[ "$MACHINE" != vmx ] || say "note: VMCS shadowing: $(cat /sys/module/kvm_intel/parameters/enable_shadow_vmcs)"
	boot_mark
	guest_say m ''
	check "$1/$2: its guest is up" guest_expect m 'G: ready' 300 || return
	booted m "$1/$2"
	# shellcheck disable=SC2046 # a list
	touched m "$1/$2" $(echo "$WORKS" | tr , ' ')
	check "$1/$2: memory of the guest's guest is right" guest_sh m 120 "memsum 1"
	[ "$1" = stock ] || check "$1/$2: L0 has never been short of memory" grep -qx 0 /sys/kernel/debug/kvm_paravirt_host/populate_short
	guest_say m "done"
	[ "$2" = stock ] || check "$1/$2: nor has L1" guest_expect m 'G: L1 populate_short 0' 60
	check "$1/$2: both end" guest_wait m 60
	kvm_unload
}

for both in $(echo "$PAIRS" | tr , ' '); do
	pair "${both%/*}" "${both#*/}"
	[ ! -e "$RUN"/m.pid ] || guest_kill m
done
dmesg_clean
