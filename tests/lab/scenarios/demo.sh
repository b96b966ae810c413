# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# What the paravirtual interface saves: the same works, the same guest kernel, on the stock module
# and on ours. In native mode "run" takes WORKS alone from here.
CLOCK="instructions"
WORKS="pipe:4000,hackbench1:400,hackbench5:80"

# KVM keeps shadow pages for 2 % of a guest's memory: with 96 MiB, 200 tasks have it recycle them all the time.
GUEST_MEM=384

compare "$WORKS" stock paravirt
dmesg_clean
