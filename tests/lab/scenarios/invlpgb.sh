# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# A guest with Linux 7.x that is told of INVLPGB: it does not use it where the host flushes, or keeps CR3s, for it. The
# CPU has no such instruction, so that one flush by it is the end of the guest's kernel.
kvm_load ours
GUEST_SMP=2
GUEST_VMM="env LD_PRELOAD=/bin/invlpgb.so $GUEST_VMM"

# If the guest did not know of INVLPGB, the rest would show nothing.
guest w nopti kvm_paravirt=0 lab=serve
guest_crashes w
check "without the option a guest uses INVLPGB, and that ends it" eval '! guest_expect w "G: ready" 8'
guest_kill w

for words in 1 cr3 tlb; do
	guest i nopti kvm_paravirt=$words lab=serve
	check "kvm_paravirt=$words: the guest comes up" guest_expect i 'G: ready' 240
	check "kvm_paravirt=$words: no CPU reads by an old mapping" guest_sh i 480 'remap 30'
	check "kvm_paravirt=$words: memory of 8 processes is right" guest_sh i 480 'memsum 1'
	guest_clean i "kvm_paravirt=$words"
	guest_kill i
done
kvm_unload
dmesg_clean
