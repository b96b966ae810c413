# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A guest that asks for the cache where there is none: it says so, and runs on.

# no_cache TEXT WORDS [WORD...]: what the guest says, and that its memory is right; it is booted with WORDs, else nopti.
no_cache() {
	no_cache_text=$1 no_cache_says=$2
	shift 2
	guest f kvm_paravirt=1 "${@:-nopti}" lab=serve
	set -- "$no_cache_text" "$no_cache_says"
	check "$1: guest says \"$2\"" guest_expect f "G: kvm-paravirt: $2*" 120
	guest_expect f 'G: ready' 60
	check "$1: $2, in sysfs too" guest_sh f 60 "grep -q '^off: ' /sys/kernel/kvm_paravirt/cr3_cache"
	check "$1: memory of 8 processes is right" guest_sh f 240 'memsum 1'
}
# Without a table the fastpath loads roots that KVM keeps, and roots of the stash.
ring_and_memory() {
	uses_stash f
	check "memory is right beside a ring of 8, forks and execs" \
		guest_sh f 240 "($RING8; $RING8) & r=\$!; LAB_MARKS=0 forkexec forkexec 10 && memsum 1 && wait \$r"
}
none='the host does not know kvm-paravirt, full emulation'
off='host ABI v1: cr3-cache off, the host does not offer it'

case $MACHINE in
vmx)
	kvm_load ours paravirt=load-cr3
	check "the parameter is readable" grep -qx load-cr3 /sys/module/kvm_intel/parameters/paravirt
	no_cache "table switched off" "host ABI v1: load-cr3"
	ring_and_memory
	guest_kill f
	kvm_unload
	kvm_load ours paravirt=flush,release
	# A name that this kernel has nothing for is accepted, and not offered.
	check "the parameter shows what is offered" \
		grep -qx flush,release /sys/module/kvm_intel/parameters/paravirt
	no_cache "CR3 loads switched off" "$off"
	guest_kill f
	kvm_unload
	kvm_load ours paravirt=0
	check "the parameter is readable, off" grep -qx 0 /sys/module/kvm_intel/parameters/paravirt
	no_cache "all switched off" "$none"
	guest_kill f
	kvm_unload
	check "a parameter that makes no sense is refused" \
		eval '! insmod /modules/ours/kvm-intel.ko ept=0 paravirt=nonsense 2>/dev/null'
	kvm_load ours ept=1
	if grep -qx Y /sys/module/kvm_intel/parameters/ept; then
		no_cache "EPT" "$off"
	else
		not_ok "EPT" "this CPU model has none: choose another"
	fi
	guest_kill f
	kvm_unload
	;;
svm)
	kvm_load ours
	no_cache "no CR3 targets" "host ABI v1: load-cr3 tlb-flush release keep cow fault io-delay"
	ring_and_memory
	guest_kill f
	kvm_unload
	kvm_load ours paravirt=0
	check "the parameter is readable, off" grep -qx 0 /sys/module/kvm_amd/parameters/paravirt
	no_cache "all switched off" "$none"
	guest_kill f
	kvm_unload
	check "a parameter that makes no sense is refused" \
		eval '! insmod /modules/ours/kvm-amd.ko npt=0 paravirt=nonsense 2>/dev/null'
	kvm_load ours npt=1
	no_cache "NPT" "$off"
	guest_kill f
	kvm_unload
	;;
esac
kvm_load stock
# Entry code that does not read CR3 costs an LFENCE, which gains nothing where no page tables are shadowed.
no_cache "stock module" "$none" pti=on
check "stock module: page table isolation is on, its entry code is as ever" \
	guest_sh f 60 'dmesg | grep -q "page tables isolation: enabled" && grep -qx stock /sys/kernel/kvm_paravirt/pti'
guest_kill f
no_cache "stock module, a list" "$none" pti=on kvm_paravirt=pti,nonsense
check "stock module: whoever names pti gets it" guest_sh f 60 'grep -qx no-reads /sys/kernel/kvm_paravirt/pti'
check "a word that is not known is answered with those that are" \
	guest_sh f 60 "dmesg | grep -q \"kvm_paravirt=: 'nonsense' is not known; it takes 0, 1 or a list of cr3,tlb,release,keep,cow,fault,pti,iodelay,pic,populate\""
guest_kill f
kvm_unload
dmesg_clean
