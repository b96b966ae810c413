# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM and WORK_SUFFIX
# What page table isolation in the guest costs, on the stock module and with ours.
CLOCK="instructions"
WORKS="syscall:100000,pipe:4000,hackbench1:200,forkexec:200"
WORK_SUFFIX=_pti
GUEST_MEM=384

compare "$WORKS" ept stock paravirt -- pti=on
dmesg_clean
