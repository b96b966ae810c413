# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2086 # STORM is a list of words
# What a guest pays that does not use the interface: next to nothing while nobody does; beside one that
# does, a test of a pointer per hook.
STORM="cpuid:1000 pio:1000 uio:600 vmcall:1000 switch:600 fault:600"

# up CONFIG TEXT
up() {
	guest m nopti kvm_paravirt=0 lab=serve
	check "$2 guest is up" guest_expect m 'G: ready' 120
	storm "$1" $STORM
}

kvm_load stock
up stock "stock module:"
guest_kill m
kvm_unload

kvm_load ours
up ours "our module:"
guest n nopti kvm_paravirt=1 lab=serve
check "a neighbour is up" guest_expect n 'G: ready' 120
check "it is registered" grep -qx 1 /sys/kernel/debug/kvm_paravirt_host/registered
storm beside $STORM
check "it still is" grep -qx 0 /sys/kernel/debug/kvm_paravirt_host/unregistered
guest_kill n
guest_kill m
kvm_unload

no_dearer "nobody registered" ours 2 $STORM
no_dearer "beside a registered guest" beside 10 $STORM
dmesg_clean
