# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# QEMU without KVM, which translates the guest's code: the first row of the table in the announcement of 2007. There are fewer
# iterations than in the other rows, as each takes so much longer.
CLOCK="instructions"
WORKS="pipe:200,hackbench1:8,hackbench5:2,forkexec:10,munmap33:20,mmapchurn:50,syscall:20000"
# Programs of the host's root that "run" adds to the image. The usual machine, as Linux needs its timers where there is no kvmclock.
FILES="/usr/bin/qemu-system-x86_64 /usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so
	/usr/share/seabios/bios-256k.bin /usr/share/qemu/linuxboot_dma.bin /usr/share/qemu/kvmvapic.bin"
GUEST_VMM=/usr/bin/qemu-system-x86_64
GUEST_MACHINE=pc
GUEST_QEMU="-L /usr/share/seabios"
GUEST_ACCEL="-accel tcg,tb-size=32"
GUEST_CPU=max

guest m nopti kvm_paravirt=0 "lab=pass:insns,null,$WORKS"
measure m tcg 1000
guest_wait m 120 || not_ok "guest powers off" "still there after 120 s"
dmesg_clean
