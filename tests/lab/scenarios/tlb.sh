# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# The flush calls, and page tables that are released, in use: what the guest counts, and that no CPU
# reads by a mapping that was replaced.
COUNT=/sys/kernel/debug/kvm_paravirt
HOST=/sys/kernel/debug/kvm_paravirt_host

# grown NAME...: checks that each of these counters of the guest has grown. none NAME...: that none has.
grown() {
	for counter; do
		check "$text: guest counts $counter" guest_sh t 60 "[ \$(cat $COUNT/$counter) -gt 0 ]"
	done
}

none() {
	for counter; do
		check "$text: no $counter" guest_sh t 60 "[ \$(cat $COUNT/$counter) = 0 ]"
	done
}

# flushes TEXT SAYS WORD...: starts a guest with two vCPUs; SAYS is what it says of what is in use.
flushes() {
	text=$1 says=$2
	shift 2
	GUEST_SMP=2
	guest t "$@" lab=serve
	check "$text: guest says \"$says\"" guest_expect t "G: kvm-paravirt: *$says*" 240
	guest_expect t 'G: ready' 60
	check "$text: no CPU reads by an old mapping" guest_sh t 480 'remap 300'
	check "$text: nor by one of a single page" guest_sh t 480 'remap 300 1'
	check "$text: nor by one of many pages" guest_sh t 480 'remap 60 200'
	check "$text: memory of 8 processes is right" guest_sh t 480 'memsum 1'
}

offered="tlb-flush release keep cow fault io-delay"

kvm_load ours
flushes "all" " $offered" nopti kvm_paravirt=1
grown tlb_vcpus release
none tlb_refused
# On one CPU no other vCPU is ever in guest mode.
if [ "$(nproc)" -gt 1 ]; then
	read -r kicks <$HOST/flush_kicks
	check "host has made vCPUs leave guest mode ($kicks)" [ "$kicks" -gt 0 ]
fi
check "a CPU goes offline and comes back" \
	guest_sh t 120 'echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online'
check "no CPU reads by an old mapping after that" guest_sh t 480 'remap 100'
guest_clean t "$text"
guest_kill t

flushes "flushes alone" " tlb-flush" nopti nopcid noinvpcid kvm_paravirt=tlb
grown tlb_vcpus
none release registered tlb_refused
guest_clean t "$text"
guest_kill t

# Flushes must reach what entry code loads CR3 from. On SVM entry code does without reads of CR3, and no more.
if [ "$MACHINE" = vmx ]; then
	entry=pti-cr3 registers=grown
else
	entry=pti registers=none
fi
flushes "page table isolation" " ${offered% *} $entry io-delay" pti=on kvm_paravirt=1
grown tlb_vcpus release
$registers registered
none tlb_refused
guest_clean t "$text"
guest_kill t

flushes "page table isolation, no PCID" " ${offered% *} $entry io-delay" pti=on nopcid noinvpcid kvm_paravirt=1
grown tlb_vcpus release
none tlb_refused
guest_clean t "$text"
guest_kill t

# With one vCPU there is no other CPU to ask, so processes flush ranges.
GUEST_SMP=1
text="one vCPU"
guest t nopti kvm_paravirt=1 lab=serve
guest_expect t 'G: ready' 120
check "$text: memory of 8 processes is right" guest_sh t 240 'memsum 1'
grown tlb_range release
none tlb_refused
guest_clean t "$text"
guest_kill t

for c in flush_range flush_vcpus kernel_fills release; do
	read -r n <"$HOST/$c"
	check "host counts $c ($n)" [ "$n" -gt 0 ]
done
kvm_unload

# A host that offers less is asked for nothing.
kvm_load ours paravirt=load-cr3
flushes "not offered" "host ABI v1: load-cr3" nopti kvm_paravirt=1
none tlb_range tlb_vcpus tlb_all tlb_refused release
guest_clean t "$text"
guest_kill t
kvm_unload
dmesg_clean
