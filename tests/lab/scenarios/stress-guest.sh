# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# stress-ng's memory, fork and context switch classes in a guest of two vCPUs, on our module: with the option
# and without it the same verdicts, and no failure. For the guest kernel of guest-patches' flavour "peers".
IMAGES="peers/stress-6.1.cpio"
MEGABYTES="1024"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh
GUEST_SMP=2
GUEST_MEM=384

kvm_load ours
off_and_on stress "stress-$MACHINE.list" nopti
check "no stressor fails" eval "! grep '${TAB}fail' $RUN/off $RUN/on"
dmesg_clean
