# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What happens to guests apart from running: reset, a neighbour, saved to a file and restored; on
# ours, and from the stock module to ours and back.
COUNT=/sys/kernel/debug/kvm_paravirt

start() { guest a nopti kvm_paravirt=1 lab=serve; }

lives() {
	check "$1" guest_expect a 'G: ready' 120
	check "$1, memory is right" guest_sh a 120 'memsum 1'
}

# carry MODULE TEXT: restores the guest in /run/saved on another module.
carry() {
	kvm_load "$1" || return
	check "$2" guest_restore a /run/saved
	check "$2, memory is right" guest_sh a 120 'memsum 1'
}

kvm_load stock
start
lives "stock: guest boots"
check "stock: guest is saved" guest_save a /run/saved
kvm_unload
carry ours "saved on stock, restored on ours"
guest_kill a

GUEST_REBOOT=1
start
lives "guest boots"
guest_say a 'reboot -f'
lives "guest reboots"
check "it has registered again" guest_sh a 60 "[ \$(cat $COUNT/registered) = 1 ]"
check "it switches two tasks by the table" guest_hits a 200
GUEST_REBOOT=0

GUEST_SMP=2
guest b nopti kvm_paravirt=1 lab=memsum:1
check "a neighbour with two vCPUs" guest_expect b 'G: PASS memsum' 240
check "powers off" guest_wait b 60
GUEST_SMP=1
check "first guest unharmed" guest_sh a 120 'memsum 1'

check "guest is saved" guest_save a /run/saved
check "guest is restored, memory is right" \
	eval 'guest_restore a /run/saved && guest_sh a 120 "memsum 1"'
check "it has noticed, and registered again" guest_sh a 60 "[ \$(cat $COUNT/registered) = 2 ]"
check "guest is saved again" guest_save a /run/saved
kvm_unload

carry stock "saved on ours, restored on stock"
check "the guest loads CR3 itself" \
	guest_sh a 60 "LAB_MARKS=0 pipe 200 && [ \$(cat $COUNT/native) -gt 390 ]"
check "guest is saved on stock" guest_save a /run/saved
kvm_unload

carry ours "back on ours"
# A guest that was told -ENOSYS asks again half a second later.
check "it has taken up the cache again" guest_sh a 60 \
	"sleep 0.6; memsum 1; [ \$(cat $COUNT/registered) = 3 ]"
check "and switches two tasks by it" guest_hits a 200
guest_kill a
kvm_unload
dmesg_clean
