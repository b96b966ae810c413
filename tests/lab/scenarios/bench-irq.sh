# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Interrupts through the two 8259A: an idle guest with HZ=1000, the timer's (IRQ 0, master) and the RTC's
# (IRQ 8, slave). For a guest kernel with HZ=1000: GUEST_KERNEL=build/guest-6.1/hz1000/bzImage.
#
# Linux ticks with the PIT through the PIC if there is no ACPI, no IO-APIC, no local timer and no TSC
# deadline; highres=off leaves the PIT periodic, else each tick programs the next one.
WORKS="idle:60,pic_timer:5,pic_slave:20"
PIC="nohz=off highres=off noapic nolapic_timer lapic=notscdeadline"

irq() {	# CONFIG MODULE WORD [PARAM=VALUE...]
	GUEST_QEMU="-M acpi=off -bios bios-microvm.bin"
	config=$1 module=$2 word=$3
	shift 3
	# shellcheck disable=SC2086 # words are meant
	works "$config" "$module" "$WORKS" "$@" -- $PIC "$word"
}

irq stock stock kvm_paravirt=0
irq paravirt ours kvm_paravirt=1
case $MACHINE in
vmx) irq ept stock kvm_paravirt=0 ept=1 ;;
svm) irq ept stock kvm_paravirt=0 npt=1 ;;
esac
dmesg_clean
