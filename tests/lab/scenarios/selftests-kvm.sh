# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads IMAGES and the like
# The kernel's own tests of KVM, on the stock module and on ours: the same verdicts, test by test.
IMAGES="peers/kvm-SERIES.cpio"
MEGABYTES="1536"
CLOCK="instructions"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh

on_host "kvm-$MACHINE.list" 0 1
