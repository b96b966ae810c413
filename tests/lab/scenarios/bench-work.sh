# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_* and WORK_SUFFIX
# What guests do all day: switch between more tasks than the cache holds, fork, execute programs, run shells and
# compilers, map and unmap memory, call the kernel. In native mode "run" takes WORKS alone from here.
#
# "run -e" gives these lines other values: fewer works; configurations, of stock, paravirt and ept (which is NPT on the SVM
# machine); page table isolation (GUEST_WORDS=pti=on); two vCPUs, on the machine's one CPU.
CLOCK="instructions"
WORKS="ring2:1000,ring3:600,ring4:500,ring6:300,ring8:250,ring16:120,ring32:60,fork:60,forkexec:60,forkexec_aslr:40,shell:8,build:2,touch:15,munmap33:400,mmapchurn:300,syscall:100000"
CONFIGS="stock,paravirt"
WORK_SUFFIX=""
GUEST_SMP="1"
# KVM keeps shadow pages for 2 % of a guest's memory: with 96 MiB, 200 tasks have it recycle them all the time.
GUEST_MEM=384

# shellcheck disable=SC2046 # a list
compare "$WORKS" $(echo "$CONFIGS" | tr , ' ')
dmesg_clean
