# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# What "make bench" measures and the demo does not: memory management and system calls. In native mode
# "run" takes WORKS alone from here.
CLOCK="instructions"
WORKS="forkexec:300,munmap33:1200,mmapchurn:1000,syscall:500000"
GUEST_MEM=384

compare "$WORKS" stock paravirt
dmesg_clean
