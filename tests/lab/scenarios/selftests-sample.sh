# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What of selftests-kvm and selftests-guest is quick: less than a second each, and no 32-bit programs.
IMAGES="peers/kvm-SERIES.cpio peers/x86-6.1.cpio"
MEGABYTES="1024"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh

slow='dirty_log_test|hyperv_clock|hyperv_features|kvm_create_max_vcpus|set_memory_region_test|xapic_ipi_test'
grep -vE "^($slow)" "/peers/kvm-$MACHINE.list" >/peers/sample.list
on_host sample.list 0

kvm_load ours
grep -v '^[^ ]*_32 ' "/peers/x86-$MACHINE.list" >/peers/x86-sample.list
GUEST_MEM=192
off_and_on x86 x86-sample.list nopti
dmesg_clean
