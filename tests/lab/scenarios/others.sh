# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2086 # lists of words
# What a guest pays that does not use the interface: next to nothing while nobody does; beside one that
# does, a test of a pointer per hook.
# With PARAMS=ept=1 or npt=1 it is about guests to which nothing is offered.
CLOCK="instructions"
PARAMS=${PARAMS:-}
EXITS="cpuid:5000 pio:5000 uio:5000"
# With two-dimensional paging these works do not exit.
[ -n "$PARAMS" ] || EXITS="$EXITS switch:2000 fault:2000"
STORM="vmcall:5000 $EXITS"
COUNT=/sys/kernel/debug/kvm_paravirt_host

# sizes: of the structures of a vCPU, in bytes, and of a VM, in bytes and in whole pages.
sizes() {
	echo "$(awk '$1 == "kvm_vcpu" { print $4 }' /proc/slabinfo)" \
		"$(awk '/ kvm_(dev_ioctl|create_vm|arch_alloc_vm)/ { print $2; exit }' /proc/vmallocinfo)"
}

# both MODULE: measures a guest by itself, and beside one with kvm_paravirt=1. A guest beside costs something on any module.
both() {
	kvm_load "$1" $PARAMS
	guest m nopti kvm_paravirt=0 lab=serve
	check "$1 module: guest is up" guest_expect m 'G: ready' 120
	storm "$1" $STORM
	sizes >"$RUN/sizes.$1"
	guest n nopti kvm_paravirt=1 lab=serve
	check "$1 module: a neighbour is up" guest_expect n 'G: ready' 120
	storm "$1-beside" $STORM
}

both stock
guest_kill n
guest_kill m
kvm_unload

both ours
registered=1
[ -z "$PARAMS" ] || registered=0
check "vCPUs that have registered: $registered" grep -qx $registered $COUNT/registered
check "none was unregistered" grep -qx 0 $COUNT/unregistered
guest_kill n
guest_kill m
kvm_unload

# A hypercall also pays the comparison that tells it from ours: its instructions are counted, not their share.
# One tick of the host's timer more among 5,000 exits is two instructions for each, and two thousandths of a CPUID on VMX.
no_dearer "nobody registered" ours stock 4/1000 $EXITS
no_dearer "nobody registered" ours stock 10 vmcall
no_dearer "beside a guest with kvm_paravirt=1" ours-beside stock-beside 10/1000 $EXITS
no_dearer "beside a guest with kvm_paravirt=1" ours-beside stock-beside 15 vmcall
stock_sizes=$(cat "$RUN/sizes.stock") ours_sizes=$(cat "$RUN/sizes.ours")
say "note: bytes of a vCPU and a VM: stock module $stock_sizes, ours $ours_sizes"
# shellcheck disable=SC2317 # called through check
within() { [ $# = 4 ] && [ $(($3 - $1)) -le "$VCPU_BYTES" ] && [ "$4" = "$2" ]; }
VCPU_BYTES=192
check "a vCPU is at most $VCPU_BYTES bytes larger, a VM no page" within $stock_sizes $ours_sizes
dmesg_clean
