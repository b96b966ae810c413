# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM and WORK_SUFFIX
# What page table isolation in the guest costs, on the stock module and with ours.
CLOCK="instructions"
WORKS="syscall:100000,pipe:4000,hackbench1:200,forkexec:200"
WORK_SUFFIX=_pti
GUEST_MEM=384

works ept stock "$WORKS" "$PAGING=1" -- pti=on kvm_paravirt=0
works stock stock "$WORKS" -- pti=on kvm_paravirt=0
works paravirt ours "$WORKS" -- pti=on kvm_paravirt=1
dmesg_clean
