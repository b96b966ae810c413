# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads IMAGES and the like
# Those of the kernel's tests of KVM that are about memory, with EPT or NPT, on the stock module and on ours with populate=:
# the same verdicts, test by test.
IMAGES="peers/kvm-SERIES.cpio"
MEGABYTES="1536"
VALUES="present 64"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh

memory='access_tracking_perf|demand_paging|dirty_log|kvm_page_table|memslot|mmu_stress|nx_huge_pages|set_memory_region|smm|pre_fault|vmx_dirty_log'
grep -E "^($memory)" "/peers/kvm-$MACHINE.list" >/peers/memory.list
check "there are such tests" [ "$(grep -c . /peers/memory.list)" -ge 8 ]
for value in $VALUES; do
	OURS=populate=$value
	on_host memory.list 1
done
dmesg_clean
