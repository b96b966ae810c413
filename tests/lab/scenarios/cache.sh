# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154 # run reads CLOCK; stash_reads sets $stashed
# The cache in use: what the guest sees and counts, that its memory is right; and that a guest that
# did not ask for it exits as often as on the stock module. For CPU models with and without PCID.
CLOCK="instructions"
STATE=/sys/kernel/kvm_paravirt
COUNT=/sys/kernel/debug/kvm_paravirt
HOST=/sys/kernel/debug/kvm_paravirt_host

# exits_of CONFIG: how often a guest without the option exits for pipe:1000, by what the module of ours has to do with: CR
# accesses in CRS, INVLPG in INVLPGS, hypercalls in CALLS (the last two are 0 in a switch). All exits together would tell
# of timers: on some CPU models those of the stock module alone differ by 0.03 from run to run.
exits_of() {
	kvm_load "$1" || return
	guest o nopti lab=pass:insns,null,pipe:1000,pass:exits,null,pipe:1000
	measure o "$1" 120 >/run/lab/measured
	guest_wait o 30
	CRS=$(metric_of cr_exits_per_op)
	INVLPGS=$(metric_of invlpg_exits)
	CALLS=$(metric_of exits_per_op:18)
	[ -n "$CALLS" ] || CALLS=0
}

metric_of() { sed -n "s/.*\tmetric=$1\tvalue=//p" /run/lab/measured | head -n 1; }

near() {	# TEXT A B: both measured, less than a hundredth of an exit per operation apart
	check "$1 ($2, $3)" awk -v a="$2" -v b="$3" \
		'BEGIN { exit !(a != "" && b != "" && a - b < 0.01 && b - a < 0.01) }'
}

# These counts are about our module. They are not made of a guest's kernel that watches itself.
if [ "$GUEST_DEBUG" = 0 ]; then
	exits_of stock
	stock_crs=$CRS stock_invlpgs=$INVLPGS
	# If nothing exited, the comparisons below would show nothing.
	near "on the stock module each switch is a CR access" "$CRS" 1
	kvm_unload
	exits_of ours
	near "without the option: CR accesses per switch as on the stock module" "$CRS" "$stock_crs"
	near "without the option: INVLPG exits per switch as on the stock module" "$INVLPGS" "$stock_invlpgs"
	near "without the option: no hypercalls" "$CALLS" 0
else
	kvm_load ours
fi
check "the host says that it is ours" eval 'dmesg | grep -q "kvm-paravirt .*, ABI version 1"'
check "nothing has registered" grep -qx 0 $HOST/registered

# The number of shadow pages goes by the memory: 200 processes need a thousand, and the stash has an eighth.
GUEST_MEM=384
guest a nopti kvm_paravirt=1 lab=serve
check "guest says that the cache is in use" guest_expect a 'G: kvm-paravirt: host ABI v1: cr3-cache(4)*' 120
guest_expect a 'G: ready' 60
check "so does $STATE" guest_sh a 60 "grep -qx on $STATE/cr3_cache && grep -qx 1 $STATE/host_version"
check "memory of 8 processes is right" guest_sh a 240 'memsum 2'
check "the module cannot be unloaded under it" eval '! rmmod kvm_intel 2>/dev/null'
check "guest has registered, and lost nothing" \
	guest_sh a 60 "[ \$(cat $COUNT/registered) = 1 ] && [ \$(cat $COUNT/native) = 0 ]"
read -r before <$HOST/switches
check "2-task switches" guest_sh a 120 'LAB_MARKS=0 pipe 500'
check "hit rate of these is over 99 %" \
	guest_sh a 60 "h=\$(cat $COUNT/hit); m=\$(cat $COUNT/miss); LAB_MARKS=0 pipe 1000; [ \$((\$(cat $COUNT/hit) - h)) -gt 1980 ] && [ \$((\$(cat $COUNT/miss) - m)) -lt 20 ]"
read -r after <$HOST/switches
check "host has learnt switches ($before, $after)" [ "$after" -gt "$before" ]

uses_stash a
check "memory is right beside a ring of 8, forks and execs" \
	guest_sh a 240 "($RING8; $RING8) & r=\$!; LAB_MARKS=0 forkexec forkexec 10 && memsum 1 && wait \$r"
# Nearly as many as the stash holds. The first 100 of 120 rounds are the program's own, and two rounds fill the stash.
RING200="LAB_MARKS=0 pipe 20 200"
check "memory is right beside a ring of 200" guest_sh a 240 "$RING200 & r=\$!; memsum 1 && wait \$r"
stash_reads
before=$stashed
check "a ring of 200" guest_sh a 120 "$RING200"
stash_reads
check "most of its 24,000 loads come from the stash ($before, $stashed)" [ $((stashed - before)) -gt 20000 ]

# Dirty logging write-protects all page tables, and changes the memory slots when it begins and when it ends.
guest_tell a "migrate_set_parameter max-bandwidth 64k"
guest_tell a 'migrate -d "exec:cat >/dev/null"'
check "dirty logging is on" guest_until a "info migrate" "Migration status: *" "*active"
check "memory is right with it" guest_sh a 240 "$RING8 && memsum 1"
guest_tell a migrate_cancel
check "dirty logging is off" guest_until a "info migrate" "Migration status: *" "*cancelled"
check "memory is right without it" guest_sh a 240 "$RING8 && memsum 1"

# Without PCID, Linux counts on the flush of each task switch to see later whether a page is still in use.
if ! guest_sh a 60 'grep -qw pcid /proc/cpuinfo'; then
	check "pages in constant use are seen to be accessed" guest_sh a 120 'aged 100'
fi
guest_clean a
guest_kill a

GUEST_MEM=96
guest p pti=on kvm_paravirt=cr3 lab=memsum:1
check "under page table isolation, left out of the list, the guest says why not" \
	guest_expect p 'G: kvm-paravirt: host ABI v1: cr3-cache off, page table isolation is on*' 120
check "and its memory is right" guest_expect p 'G: PASS memsum' 240
guest_wait p 60

read -r registered <$HOST/registered
read -r unregistered <$HOST/unregistered
check "every registration is gone with its guest ($registered)" [ "$registered" = "$unregistered" ]
kvm_unload
check "the module is unloaded after its guests are gone" [ ! -d /sys/module/kvm_intel ]
dmesg_clean
