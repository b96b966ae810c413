# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# munmap while another vCPU has the same memory in use. Both share one CPU: exits can be compared,
# instructions cannot.
CLOCK="instructions"
WORKS="munmap33_smp:100"
GUEST_MEM=384
GUEST_SMP=2

compare "$WORKS" stock paravirt ept
dmesg_clean
