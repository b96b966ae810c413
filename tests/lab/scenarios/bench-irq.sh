# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Interrupts through the two 8259A: an idle guest with HZ=1000, the timer's (IRQ 0, master) and the RTC's
# (IRQ 8, slave). For a guest kernel with HZ=1000: GUEST_KERNEL=build/guest-6.1/hz1000/bzImage.
#
# Linux ticks with the PIT through the PIC if there is no ACPI, no IO-APIC, no local timer and no TSC
# deadline; highres=off leaves the PIT periodic, else each tick programs the next one.
#
# The 8259A and the PIT are KVM's, as in QEMU's machine "pc"; microvm would have those of QEMU, where each
# access costs several times as much.
CLOCK="instructions"
IRQCHIP="-M acpi=off,kernel-irqchip=on -bios bios-microvm.bin"
PIC="nohz=off highres=off noapic nolapic_timer lapic=notscdeadline"
# Seconds. Once in some 50,000 ticks the SVM machine's emulator delivers an interrupt twice, and the guest hangs (EMULATORS.md).
IDLE=60
[ "$MACHINE" != svm ] || IDLE=5

irq() {	# CONFIG MODULE WORD [PARAM=VALUE...]
	GUEST_QEMU=$IRQCHIP
	config=$1 module=$2 word=$3
	shift 3
	kvm_load "$module" "$@" || return
	# shellcheck disable=SC2086 # words are meant
	guest m nopti $PIC "$word" lab=pass:insns,null,idle:$IDLE,pass:exits,null,pic_timer:4,pic_slave:10
	measure m "$config" 240 "$SILENCE"
	guest_wait m 60 || not_ok "$config guest powers off" "still there after 60 s"
	kvm_unload
}

# A second or so after its boot the host corrects what it holds for the TSC's frequency. A guest started before
# that has other ticks, and how they lie to the host's own decides how often the host wakes up.
sleep 5

irq stock stock kvm_paravirt=0
irq paravirt ours kvm_paravirt=1
irq ept stock kvm_paravirt=0 "$PAGING=1"
dmesg_clean
