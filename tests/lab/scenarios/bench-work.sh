# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_* and WORK_SUFFIX
# What guests do all day: switch between more tasks than the cache holds, fork, execute programs, run shells and
# compilers, fault memory in. "run -e" gives these lines other values: fewer works, other configurations.
CLOCK="instructions"
WORKS="ring2:1000,ring3:600,ring4:500,ring6:300,ring8:250,ring16:120,ring32:60,fork:60,forkexec:60,forkexec_aslr:40,shell:8,touch:15,build:2"
CONFIGS="stock paravirt"
WORK_SUFFIX=""
GUEST_SMP="1"
GUEST_MEM=384

# shellcheck disable=SC2086 # a list
compare "$WORKS" $CONFIGS
dmesg_clean
