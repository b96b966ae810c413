# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Those tests of selftests-kvm and selftests-guest that are quick: they take less than a second each, and are no 32-bit programs.
IMAGES="peers/kvm-SERIES.cpio peers/x86-DEFAULT.cpio"
MEGABYTES="1024"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh

slow='dirty_log_test|hyperv_clock|hyperv_features|kvm_create_max_vcpus|save_restore|set_memory_region_test|xapic_ipi_test'
grep -vE "^($slow)" "/peers/kvm-$MACHINE.list" >/peers/sample.list
on_host sample.list 0

kvm_load ours
# Of those with 64 bits some make system calls of 32-bit programs, too.
int80='ldt_gdt|mov_ss_trap|ptrace_syscall|single_step_syscall|sysret_rip'
grep -vE "_32 |^($int80)_64" "/peers/x86-$MACHINE.list" >/peers/x86-sample.list
GUEST_MEM=192
off_and_on x86 x86-sample.list nopti
dmesg_clean
