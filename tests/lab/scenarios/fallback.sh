# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A guest that asks for the cache where there is none: it says so, and runs on.

# no_cache TEXT WORDS: what the guest says, and that its memory is right.
no_cache() {
	guest f nopti kvm_paravirt=1 lab=serve
	check "$1: guest says \"$2\"" guest_expect f "G: kvm-paravirt: $2*" 120
	guest_expect f 'G: ready' 60
	check "$1: $2, in sysfs too" guest_sh f 60 "grep -q '^off: ' /sys/kernel/kvm_paravirt/cr3_cache"
	check "$1: memory of 8 processes is right" guest_sh f 240 'memsum 1'
	guest_kill f
}
none='not offered by the host, full emulation'
off='host ABI v1: cr3-cache off, the host does not offer it'
release=
! offers_release || release=release

case $MACHINE in
vmx)
	kvm_load ours paravirt=load-cr3
	check "the parameter is readable" grep -qx load-cr3 /sys/module/kvm_intel/parameters/paravirt
	no_cache "table switched off" "host ABI v1: load-cr3"
	kvm_unload
	kvm_load ours paravirt=flush,release
	# A name that this kernel has nothing for is accepted, and not offered.
	check "the parameter shows what is offered" \
		grep -qx "flush${release:+,$release}" /sys/module/kvm_intel/parameters/paravirt
	no_cache "CR3 loads switched off" "$off"
	kvm_unload
	kvm_load ours paravirt=0
	check "the parameter is readable, off" grep -qx 0 /sys/module/kvm_intel/parameters/paravirt
	no_cache "all switched off" "$none"
	kvm_unload
	check "a parameter that makes no sense is refused" \
		eval '! insmod /modules/ours/kvm-intel.ko ept=0 paravirt=nonsense 2>/dev/null'
	kvm_load ours ept=1
	if grep -qx Y /sys/module/kvm_intel/parameters/ept; then
		no_cache "EPT" "$off"
	else
		not_ok "EPT" "this CPU model has none: choose another"
	fi
	kvm_unload
	;;
svm)
	kvm_load ours
	no_cache "no CR3 targets" "host ABI v1: load-cr3 tlb-flush ${release:+$release }io-delay"
	kvm_unload
	kvm_load ours paravirt=0
	check "the parameter is readable, off" grep -qx 0 /sys/module/kvm_amd/parameters/paravirt
	no_cache "all switched off" "$none"
	kvm_unload
	check "a parameter that makes no sense is refused" \
		eval '! insmod /modules/ours/kvm-amd.ko npt=0 paravirt=nonsense 2>/dev/null'
	kvm_load ours npt=1
	no_cache "NPT" "$off"
	kvm_unload
	;;
esac
kvm_load stock
no_cache "stock module" "$none"
kvm_unload
dmesg_clean
