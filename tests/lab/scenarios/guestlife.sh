# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What a guest with two vCPUs does to itself while memory is verified in it: CPUs off- and online, suspend, VMX
# operation, kexec to a kernel with the series and to one without, a crash kernel.
FILES="/usr/share/seabios/bios-256k.bin /usr/share/qemu/linuxboot_dma.bin /boot/vmlinuz"
CONSOLE="console=ttyS0 quiet reboot=t panic=-1"
CPU1=/sys/devices/system/cpu/cpu1/online

kexec_root /run/nested.cpio
kvm_load ours
GUEST_SMP=2
GUEST_MEM=256

# The machine Q35 with SeaBIOS has S3, and its firmware allows VMX operation.
MICROVM=$GUEST_MACHINE
GUEST_MACHINE=q35
GUEST_QEMU="-bios /usr/share/seabios/bios-256k.bin"
busy_guest h
registrations "guest is up" 2
check "CPU 1 goes offline and comes back, ten times" \
	guest_sh h 480 "for i in 1 2 3 4 5 6 7 8 9 10; do echo 0 >$CPU1 && echo 1 >$CPU1 || break; done; [ \$i = 10 ]"
goes_on h "CPU hotplug"
registrations "CPU hotplug" 2

guest_say h 'echo mem >/sys/power/state'
check "suspended to RAM" guest_until h "info status" "VM status: *" "*suspended*"
registrations "suspended to RAM" 0
guest_tell h system_wakeup
check "resume" guest_expect h 'G: rc=0' 120
goes_on h "suspend to RAM"
registrations "suspend to RAM" 2
guest_kill h

if [ "$MACHINE" = vmx ]; then
	# First with the registration that the module makes in a guest that has none, then in a guest that has registered itself.
	GUEST_SMP=1
	GUEST_QEMU="-bios /usr/share/seabios/bios-256k.bin"
	if hostile_guest; then
		hostile vmx
		guest_kill h
	fi
	GUEST_QEMU="-bios /usr/share/seabios/bios-256k.bin"
	busy_guest h
	hostile_insmod
	hostile vmxon
	goes_on h "in VMX operation" suspended
	hostile vmxoff
	goes_on h "out of VMX operation"
	guest_kill h
	GUEST_SMP=2
fi

GUEST_MACHINE=$MICROVM
GUEST_QEMU="-initrd /run/nested.cpio"
busy_guest h
guest_say h "kexec load /boot/bzImage /boot/initramfs.cpio '$CONSOLE nopti kvm_paravirt=1 lab=serve'"
get_busy h "kexec to a kernel with the series"
registrations "kexec to a kernel with the series" 2
guest_kill h

GUEST_QEMU="-initrd /run/nested.cpio"
busy_guest h
guest_say h "kexec load /boot/vmlinuz /boot/initramfs.cpio '$CONSOLE nopti lab=serve'"
check "kexec to the distribution's kernel" guest_expect h 'G: ready' 480
check "kexec to the distribution's kernel: memory is right" guest_sh h 480 'memsum 2'
registrations "kexec to the distribution's kernel" 0
guest_kill h

GUEST_QEMU="-initrd /run/nested.cpio"
busy_guest h crashkernel=80M
check "crash kernel is loaded" guest_sh h 60 \
	"kexec panic /boot/bzImage /boot/initramfs.cpio '$CONSOLE nopti nr_cpus=1 kvm_paravirt=1 lab=serve'"
guest_crashes h
guest_say h "echo c >/proc/sysrq-trigger"
get_busy h "crash kernel"
guest_kill h
kvm_unload
dmesg_clean
