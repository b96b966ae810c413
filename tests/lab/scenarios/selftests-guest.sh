# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# The kernel's own tests of entry code and memory management in a guest, on our module: with the option and
# without it the same verdicts, test by test. For the guest kernel of guest-patches' flavour "peers".
IMAGES="peers/x86-6.1.cpio peers/mm-6.1.cpio"
MEGABYTES="1536"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh
GUEST_SMP=2
GUEST_MEM=640

kvm_load ours
off_and_on x86 "x86-$MACHINE.list" nopti
off_and_on mm "mm-$MACHINE.list" nopti
off_and_on x86 "x86-$MACHINE.list" pti=on
dmesg_clean
