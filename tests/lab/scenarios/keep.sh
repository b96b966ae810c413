# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Page tables that a process leaves to another: what the next one finds in them, that it can do with them whatever
# it can with new ones, and that none is lost, is too many, or is kept from those who need memory. Copy-on-write, and
# pages that a process has before it touches them.
COUNT=/sys/kernel/debug/kvm_paravirt
STATE=/sys/kernel/kvm_paravirt

# counts NAME OPERATOR NUMBER: compares a counter of the guest's.
counts() { check "$text: $1 $2 $3" guest_sh t 60 "[ \$(cat $COUNT/$1) $2 $3 ]"; }

# Checks that no table was forgotten, was in the way of another, or was freed twice.
no_complaint() {
	check "$text: its kernel does not complain" guest_sh t 60 \
		'! dmesg | grep -E "BUG|WARNING|non-zero pgtables|Bad page"'
}

# spares KIND...: runs "spare" of each kind, by processes that get each other's tables.
spares() {
	for kind; do
		check "$text: $kind" guest_sh t 240 "spare $kind 5"
	done
}

all="empty huge unmap move grow fork cow"

# kept TEXT WORD...: the checks of a guest that keeps page tables.
kept() {
	text=$1
	shift
	guest t "$@" lab=serve
	check "$text: guest says so" guest_expect t "G: kvm-paravirt: * keep*" 240
	guest_expect t 'G: ready' 60
	check "$text: so does sysfs" guest_sh t 60 "grep -qx kept $STATE/page_tables"
	# In so small a guest Linux has huge pages switched off.
	check "$text: huge pages" guest_sh t 60 'echo madvise >/sys/kernel/mm/transparent_hugepage/enabled'
	# shellcheck disable=SC2086 # a list of words
	spares $all
	counts kept -gt 50
	counts reused -gt 50
	counts unclean = 0
	check "$text: memory of 8 processes is right" guest_sh t 480 'memsum 1'
}

# flushed OPERATOR: has copy-on-write flushed single pages, or has it not? Page table isolation makes no difference.
flushed() {
	counts cow "$@" 0
	counts fork_ranges "$@" 0
}

# around on|off: checks which pages a process has, of those that it touched and of others.
around() {
	check "$text: pages that were not touched, $1" \
		guest_sh t 240 "around $1 upwards gaps reads ends filled only again forks secrets races"
	if [ "$1" = on ]; then
		counts fault_around -gt 500
		check "$text: sysfs says so of page faults" guest_sh t 60 "grep -qx around $STATE/anonymous_faults"
	else
		counts fault_around = 0
		check "$text: sysfs says so of page faults" guest_sh t 60 "grep -qx stock $STATE/anonymous_faults"
	fi
}

kvm_load ours

kept "one vCPU" nopti kvm_paravirt=1
flushed -gt
around on
check "one vCPU: an entry left behind" guest_sh t 120 'insmod /bin/kvmpv_plant.ko && spare planted 5'
counts unclean = 5
check "$text: some are kept now" guest_sh t 60 "[ \$(cat $STATE/kept_pages) -gt 0 ]"
check "one vCPU: memory that is asked for is given back" guest_sh t 60 \
	"for i in 1 2 3 4 5 6 7 8; do echo 2 >/proc/sys/vm/drop_caches; done; [ \$(cat $STATE/kept_pages) -lt 40 ]"
check "one vCPU: with addresses at random, too" guest_sh t 240 \
	'echo 2 >/proc/sys/kernel/randomize_va_space; for i in 1 2 3 4 5 6 7 8 9; do sh -c "echo a | cat | wc -c >/dev/null" || exit; done; memsum 1'
# The tables that are kept are bounded by a share of the 128 MB, whatever has run.
check "one vCPU: no more are kept than a 128th of memory" guest_sh t 60 \
	"[ \$(cat $STATE/kept_pages) -le \$((\$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 4 / 128 + 1)) ]"
no_complaint
guest_kill t

GUEST_SMP=2
kept "two vCPUs, page table isolation" pti=on kvm_paravirt=1
around on
check "two vCPUs: no CPU reads by an old mapping" guest_sh t 480 'remap 100'
check "two vCPUs: a CPU goes offline and comes back" \
	guest_sh t 120 'echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online'
check "two vCPUs: memory of 8 processes is right after that" guest_sh t 480 'memsum 1'
counts unclean = 0
no_complaint
guest_kill t
GUEST_SMP=1

text="left out of the list"
guest t nopti kvm_paravirt=cr3,tlb,release lab=serve
guest_expect t 'G: ready' 120
check "$text: sysfs says so" guest_sh t 60 "grep -qx stock $STATE/page_tables"
check "$text: huge pages" guest_sh t 60 'echo madvise >/sys/kernel/mm/transparent_hugepage/enabled'
# shellcheck disable=SC2086 # a list of words
spares $all
counts kept = 0
counts reused = 0
flushed -eq
around off
no_complaint
guest_kill t
kvm_unload

# "keep" needs nothing of the host. But a host that does not answer may shadow no page tables, where it is of no use.
kvm_load stock
text="stock module"
guest t nopti kvm_paravirt=1 lab=serve
guest_expect t 'G: ready' 120
check "$text: page tables are not kept unless asked for" guest_sh t 60 "grep -qx stock $STATE/page_tables"
around off
guest_kill t
kept "stock module, a list" nopti kvm_paravirt=keep,fault
around on
no_complaint
guest_kill t
kvm_unload
dmesg_clean
