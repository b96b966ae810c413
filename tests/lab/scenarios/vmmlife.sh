# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What QEMU does to a guest while memory is verified in it: reset, dirty logging, memory slots that come and go, system
# management mode.
FILES="/usr/share/seabios/bios-256k.bin /usr/share/qemu/linuxboot_dma.bin"
HOST=/sys/kernel/debug/kvm_paravirt_host

kvm_load ours
GUEST_SMP=2
GUEST_MEM=128
GUEST_REBOOT=1
# Q35 with SeaBIOS has system management mode; a PCI expansion ROM is a memory slot while it is enabled.
GUEST_MACHINE=q35
GUEST_QEMU="-bios /usr/share/seabios/bios-256k.bin -device ich9-ahci,addr=2,romfile=/usr/share/qemu/bios-microvm.bin"
busy_guest v
registrations "guest is up" 2

# A migration with dirty logging of all memory, at a bandwidth at which it never ends.
guest_tell v "migrate_set_parameter max-bandwidth 64k"
for _ in 1 2 3; do
	guest_tell v 'migrate -d "exec:cat >/dev/null"'
	check "dirty logging is on" guest_until v "info migrate" "Migration status: *" "*active"
	goes_on v "dirty logging is on"
	guest_tell v migrate_cancel
	# Until the migration has ended, the next one is refused.
	check "dirty logging is off" guest_until v "info migrate" "Migration status: *" "*cancelled"
done
goes_on v "dirty logging is off"

# Each write to the ROM's base register makes a memory slot or removes it, and with that all shadow pages.
ROM=/sys/bus/pci/devices/0000:00:02.0
rom() { echo "printf '\\00$1\\000\\000\\376' | dd of=$ROM/config bs=4 seek=12 conv=notrunc 2>/dev/null"; }
event_clear kvmmmu/kvm_mmu_zap_all_fast
guest_sh v 60 "echo 1 >$ROM/enable"
check "memory slots come and go" guest_sh v 60 "for i in \$(seq 50); do $(rom 1); $(rom 0); done"
hits=$(event_hits kvmmmu/kvm_mmu_zap_all_fast)
check "$hits times" [ "${hits:-0}" -ge 100 ]
goes_on v "memory slots"

# A write to port 0xb2 of the chipset is a SMI on the CPU that writes. SeaBIOS moves SMBASE of the first CPU only; another one
# would execute what is at 0x38000.
event_clear kvm/kvm_smm_transition
guest_sh v 60 "printf '\\000' >/tmp/zero"
# shellcheck disable=SC2016 # for the guest's shell
check "system management interrupts" guest_sh v 60 \
	'for i in $(seq 200); do taskset 1 dd if=/tmp/zero of=/dev/port bs=1 seek=178 conv=notrunc 2>/dev/null; done'
hits=$(event_hits kvm/kvm_smm_transition)
check "$hits transitions" [ "${hits:-0}" -ge 400 ]
goes_on v "SMIs"
check "no registration was lost in all this" grep -qx 0 $HOST/unregistered

guest_tell v system_reset
get_busy v "reset"
check "reset has unregistered both vCPUs" grep -qx 2 $HOST/unregistered
guest_kill v
registrations "all guests are gone" 0
kvm_unload
check "the module is unloaded after its guests are gone" [ ! -d "/sys/module/$(echo "$VENDOR_MODULE" | tr - _)" ]
dmesg_clean
