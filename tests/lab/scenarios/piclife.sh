# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# The light 8259A driver beyond boot: suspend, kexec to and from the stock one, a crash kernel that is
# started from a handler, all handlers threaded, two CPUs; and pv_ops, which nothing writes meanwhile.
IRQ=/sys/kernel/debug/kvmpv_irq
PARAM=/sys/module/kvmpv_irq/parameters
SERIAL="-device isa-serial,index=1,irq=3 -device isa-serial,index=2,iobase=0x3e8,irq=10"
WORDS="nopti noapic lab=serve"
CONSOLE="console=ttyS0 quiet reboot=t panic=-1"

kexec_root /run/nested.cpio

# up: waits until the guest p is ready, for the first time or again.
up() {
	guest_expect p 'G: ready' 120 && guest_sh p 60 'insmod /bin/kvmpv_irq.ko'
}

pic_guest() {	# WORD...
	GUEST_QEMU="$SERIAL $GUEST_QEMU"
	# shellcheck disable=SC2086 # words are meant
	guest p $WORDS "$@"
	check "guest is up with $*" up
}

driver_is() {	# TEXT light|stock
	case $2 in
	light) driver='XT-PIC-light *cascade' ;;
	stock) driver='XT-PIC *cascade' ;;
	esac
	check "$1: the driver is $2" guest_sh p 60 "grep -q '$driver' /proc/interrupts"
}

# lines_work TEXT: checks hard and threaded handlers, on a line of either 8259A, with edges (the scenario pic has levels);
# nothing may be spurious.
ISA_LINES="3 0x2f8,10 0x3e8"
lines_work() {
	lines_text=$1
	IFS=,
	for line in $ISA_LINES; do
		unset IFS
		for how in "0 0 0" "0 1 10"; do
			# shellcheck disable=SC2086 # words are meant
			set -- "$lines_text" $line $how
			guest_say p "echo $2 >$PARAM/irq; echo $3 >$PARAM/base; echo $4 >$PARAM/level; echo $5 >$PARAM/threaded; echo 10 >$PARAM/count; echo G: got \$(cat $IRQ/uart)"
			guest_expect p 'G: got *' 60
			# shellcheck disable=SC2153 # lib.sh sets LINE
			check "$1: IRQ$2, level=$4, threaded=$5" [ "$LINE" = "G: got hard 10 thread $6 lost 0" ]
			guest_expect p 'G: rc=*' 60
		done
	done
	check "$lines_text: nothing is spurious" guest_sh p 60 "awk '\$1 == \"ERR:\" { exit \$2 != 0 }' /proc/interrupts"
	check "$lines_text: pv_ops is read-only" guest_sh p 60 "grep -q ro $IRQ/pv_ops"
}

kvm_load stock
MICROVM=$GUEST_MACHINE
GUEST_MEM=256

GUEST_MACHINE=$MICROVM
ISA_LINES="3 0x2f8,10 0x3e8"
GUEST_QEMU="-initrd /run/nested.cpio"
pic_guest acpi=off kvm_paravirt=1
# kexec_to TEXT light|stock OPTION
kexec_to() {
	guest_say p "kexec load /boot/bzImage /boot/initramfs.cpio '$CONSOLE $WORDS acpi=off $3'"
	check "$1: the next kernel is up" up
	driver_is "$1" "$2"
	lines_work "$1"
}
driver_is "first kernel" light
lines_work "first kernel"
kexec_to "kexec from the light driver to the stock one" stock kvm_paravirt=0
guest_kill p

GUEST_QEMU="-initrd /run/nested.cpio"
pic_guest acpi=off kvm_paravirt=0
kexec_to "kexec from the stock driver to the light one" light kvm_paravirt=1
guest_kill p

GUEST_QEMU="-initrd /run/nested.cpio"
pic_guest acpi=off kvm_paravirt=1
kexec_to "kexec from the light driver to the light one" light kvm_paravirt=1
guest_kill p

# The crash is in a handler, which does not return, so its interrupt stays in service on the slave.
GUEST_QEMU="-initrd /run/nested.cpio"
pic_guest acpi=off kvm_paravirt=1 crashkernel=80M
check "crash kernel is loaded" guest_sh p 60 \
	"kexec panic /boot/bzImage /boot/initramfs.cpio '$CONSOLE $WORDS acpi=off kvm_paravirt=0'"
guest_crashes p
guest_say p "echo 10 >$PARAM/irq; echo 0x3e8 >$PARAM/base; cat $IRQ/crash; cat $IRQ/uart"
check "crash kernel is up" up
driver_is "crash kernel" stock
lines_work "crash kernel"
guest_kill p

pic_guest acpi=off kvm_paravirt=1 threadirqs
driver_is "threaded" light
lines_work "threaded"
guest_kill p

# The guest suspends to RAM, but for the last step, in which the firmware would take the state of devices along.
GUEST_MACHINE=q35
GUEST_QEMU="-bios /usr/share/qemu/bios-microvm.bin"
# Not IRQ 10, which is PCI's, since nobody handles its interrupts.
ISA_LINES="3 0x2f8"
pic_guest kvm_paravirt=pic
driver_is "before suspend" light
check "suspend and resume" guest_sh p 60 \
	'echo 1 >/sys/module/suspend/parameters/pm_test_delay; echo core >/sys/power/pm_test; echo deep >/sys/power/mem_sleep; echo mem >/sys/power/state'
driver_is "after resume" light
lines_work "after resume"
guest_kill p

# With ACPI's tables two CPUs come up, and both go through suspend.
GUEST_SMP=2
GUEST_MACHINE=q35
ISA_LINES="3 0x2f8"
GUEST_QEMU="-bios /usr/share/qemu/bios-microvm.bin"
pic_guest kvm_paravirt=1
check "two CPUs" guest_sh p 60 'grep -c ^processor /proc/cpuinfo | grep -qx 2'
driver_is "two CPUs" light
lines_work "two CPUs"
check "CPU hotplug" guest_sh p 60 'echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online'
lines_work "after hotplug"
guest_kill p
kvm_unload
dmesg_clean
