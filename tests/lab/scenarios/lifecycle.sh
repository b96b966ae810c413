# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What happens to guests apart from running: reset, power off, a neighbour, two vCPUs, saved to a
# file and restored; on the stock module, on ours, and from one to the other.

# start NAME ITEMS
start() { guest "$1" nopti kvm_paravirt=1 "lab=$2"; }

lives() {
	check "$1" guest_expect a 'G: ready' 120
	check "$1, memory is right" guest_sh a 120 'memsum 1'
}

lifecycle() {
	kvm_load "$1" || return
	GUEST_REBOOT=1
	start a serve
	lives "$1: guest boots"
	guest_say a 'reboot -f'
	lives "$1: guest reboots"

	GUEST_REBOOT=0 GUEST_SMP=2
	start b memsum:2
	check "$1: two vCPUs beside it" guest_expect b 'G: PASS memsum' 240
	check "$1: they power off" guest_wait b 60
	GUEST_SMP=1
	check "$1: first guest unharmed" guest_sh a 120 'memsum 1'

	check "$1: guest is saved" guest_save a /run/saved
	check "$1: guest is restored" guest_restore a /run/saved
	check "$1: restored, memory is right" guest_sh a 120 'memsum 1'
	check "$1: guest is saved again" guest_save a /run/saved
	kvm_unload
}

# carry MODULE TEXT: the guest in /run/saved, on another module.
carry() {
	kvm_load "$1" || return
	check "$2" guest_restore a /run/saved
	check "$2, memory is right" guest_sh a 120 'memsum 1'
	guest_kill a
	kvm_unload
}

lifecycle stock
carry ours "saved on stock, restored on ours"
lifecycle ours
carry stock "saved on ours, restored on stock"
dmesg_clean
