# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_REBOOT
# What becomes of a registration when its guest is reset, saved and restored (on ours, on the stock
# module and back), or killed. By the hostile module, so that it needs no guest that uses what it
# registers for: VMX and SVM.
HOST=/sys/kernel/debug/kvm_paravirt_host

kvm_load ours
GUEST_REBOOT=1
hostile_guest
hostile keep
hostile kept
check "the host lists it" grep -q '^vcpu 0 features [a-z0-9,-]*load-cr3' $HOST/vcpus
guest_tell h system_reset
check "guest is up after a reset" guest_expect h 'G: ready' 120
check "reset has unregistered it" [ "$(cat $HOST/registered) $(cat $HOST/unregistered)" = "1 1" ]
hostile_insmod
GUEST_REBOOT=0

hostile keep
hostile kept
check "guest is saved" guest_save h /run/saved
check "the registration is gone with it" [ "$(cat $HOST/unregistered)" = 2 ]
check "guest is restored" guest_restore h /run/saved
hostile lost
hostile keep
hostile kept
check "guest is saved again" guest_save h /run/saved
kvm_unload

kvm_load stock
check "saved on ours, restored on stock" guest_restore h /run/saved
hostile off
check "guest is saved on stock" guest_save h /run/saved
kvm_unload

kvm_load ours
check "back on ours" guest_restore h /run/saved
hostile flushed
hostile keep
guest_kill h
check "killed, and no registration is left" [ "$(cat $HOST/registered)" = "$(cat $HOST/unregistered)" ]
kvm_unload
check "the module is unloaded after its guests are gone" [ ! -d "/sys/module/$(echo "$VENDOR_MODULE" | tr - _)" ]
dmesg_clean
