# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# The works of the demo and of bench on stock KVM with EPT or NPT: what one would use where the CPU has it.
CLOCK="instructions"
WORKS="pipe:4000,hackbench1:400,hackbench5:80,forkexec:2000,munmap33:1200,mmapchurn:10000,syscall:500000"
GUEST_MEM=384

compare "$WORKS" ept
dmesg_clean
