# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2016 # check takes awk programs
# What a guest can make the host do with one call, and what a registration leaves behind.
# MANY: registrations of each of 64 vCPUs. COUNT: calls of each kind.
CLOCK="instructions"
MANY=${MANY:-5}
COUNT=${COUNT:-3}

# kvmpv_sums: what our functions have allocated and freed, as lines "SIZE ALLOCATED CALLS" and "freed - CALLS".
kvmpv_sums() {
	sed -n 's/^{ call_site:.* kvmpv_.*, bytes_req: *\([0-9]*\), bytes_alloc: *\([0-9]*\) } hitcount: *\([0-9]*\).*/\1 \2 \3/p' \
		/sys/kernel/tracing/events/kmem/kmalloc/hist
	sed -n 's/^{ call_site:.* kvmpv_.* hitcount: *\([0-9]*\).*/freed - \1/p' /sys/kernel/tracing/events/kmem/kfree/hist
}

slab() { awk '$1 == "Slab:" { print $2 }' /proc/meminfo; }

kvm_load ours
tiny many -c 2
before=$(slab)
echo 'hist:keys=call_site.sym,bytes_req,bytes_alloc:size=4096' >/sys/kernel/tracing/events/kmem/kmalloc/trigger
echo 'hist:keys=call_site.sym:size=4096' >/sys/kernel/tracing/events/kmem/kfree/trigger
tiny many -c "$MANY"
kvmpv_sums >"$RUN"/sums
echo '!hist:keys=call_site.sym,bytes_req,bytes_alloc:size=4096' >/sys/kernel/tracing/events/kmem/kmalloc/trigger
echo '!hist:keys=call_site.sym:size=4096' >/sys/kernel/tracing/events/kmem/kfree/trigger
after=$(slab)
say "note: our kmalloc (asked, got, times) and kfree: $(tr '\n' ';' <"$RUN"/sums)"
# Each REGISTER allocates three: the copy of the state page, which is freed at once, the registration, and the stash.
check "$((64 * MANY)) registrations of 64 vCPUs: all that was allocated is freed" \
	awk -v want=$((3 * 64 * MANY)) '$1 == "freed" { freed += $3; next } { got += $3 }
		END { exit !(got >= want && got == freed) }' "$RUN"/sums
# The copy of the page is asked for as 4096 bytes, and the stash as fewer.
check "a registration keeps a KiB, and its stash a page" \
	awk '$1 == "freed" || $1 == 4096 { next } { kib += $2 <= 1024; page += $2 > 1024; bad += $2 > 4096 }
		END { exit !(kib == 1 && page == 1 && !bad) }' "$RUN"/sums
check "slabs have not grown: $before KiB, $after KiB" [ $((after - before)) -le 256 ]
check "as many ended as began" \
	[ "$(cat /sys/kernel/debug/kvm_paravirt_host/registered)" = "$(cat /sys/kernel/debug/kvm_paravirt_host/unregistered)" ]

# The host's text is patched once a second at most, however often one vCPU registers.
probe=/sys/kernel/tracing/events/kprobes/kvmpv_key
echo 'p:kvmpv_key jump_label_update key=%di:u64' >/sys/kernel/tracing/kprobe_events
echo 'hist:keys=key' >$probe/trigger
echo 1 >$probe/enable
began=$(date +%s)
tiny many -n 1 -c 200
most=$((2 * ($(date +%s) - began + 2)))
patched=$(sed -n 's/.*hitcount: *\([0-9]*\).*/\1/p' $probe/hist | sort -n | tail -n 1)
check "200 registrations in a loop: a key was switched ${patched:-0} times, at most $most" \
	[ "${patched:-0}" -ge 1 -a "${patched:-0}" -le $most ]
echo 0 >$probe/enable
echo '!hist:keys=key' >$probe/trigger

# most NAME: instructions, of what "tiny cost" has measured.
most() { sed -n "s/^cost: $1: .* max //p" "$RUN"/tiny; }

least() { sed -n "s/^cost: $1: min \([0-9]*\) .*/\1/p" "$RUN"/tiny; }

# bounded PER_CENT THAN NAME...: each costs at most so many per cent of what the exit THAN costs.
bounded() {
	bounded_than=$2 bounded_part=$1
	shift 2
	for name; do
		set -- "$(most "$name")" "$(most "$bounded_than")"
		check "$name: $1, at most $bounded_part % of $bounded_than: $2" \
			[ -n "$1" -a -n "$2" -a "${1:-0}" -le $((${2:-0} * bounded_part / 100)) ]
	done
}

# The measure is what stock KVM does in one exit of a guest that has the same page tables.
tiny cost -c "$COUNT"
bounded 150 "CPUID, an exit that does nothing" PROBE FEATURES
# These read a page of the guest's.
bounded 225 "CPUID, an exit that does nothing" "REGISTER, refused"
# This writes to the VMCS, has the root loaded anew, and looks for roots to give back at 224 places.
bounded 400 "CPUID, an exit that does nothing" UNREGISTER
bounded 125 "MOV to CR4, PGE toggled" "REGISTER with FEATURES" "LOAD_CR3, no flush, recent" \
	"LOAD_CR3, no flush, not kept" "LOAD_CR3, recent" "FLUSH USER" "FLUSH ALL" "FLUSH_RANGE, 64 page tables" \
	"FLUSH_RANGE, 2^40 pages" "FLUSH_VCPUS, all, 64 page tables" "FLUSH_VCPUS, all, ALL"
# The same operation on the stock module looks at nothing, so the measure is another exit that goes through page tables.
bounded 50 "MOV to CR4, PGE toggled" "MOV to CR3, kernel half without a leaf"
full="MOV to CR4, PGE toggled, 64 full page tables"
bounded 125 "$full" "FLUSH ALL, 64 full page tables" "FLUSH_RANGE, 64 full page tables" "RELEASE, 64 full page tables"
# Compared is the least of each, as a clock may tick amid others. One exit more would be more than a hundredth of it.
kept=$(least "writes to 64 page tables") released=$(least "writes to 64 released page tables")
check "writes to page tables that are released do not exit: $kept, $released" \
	[ -n "$kept" -a "${released:-0}" -gt 0 -a $((${released:-0} * 100)) -lt "${kept:-0}" ]

# Here there are 63 more vCPUs, which sleep. With so many KVM has more to do for an INVLPG, and a call for 64 pages does 64 of them.
tiny cost -c 1 -n 64
bounded 125 "MOV to CR4, PGE toggled" "FLUSH_VCPUS, all, ALL" "LOAD_CR3, recent" "FLUSH ALL"
bounded 500 "MOV to CR4, PGE toggled" "RELEASE, 64 page tables"
bounded 6400 INVLPG "FLUSH_RANGE, 64 page tables" "FLUSH_VCPUS, all, 64 page tables"
kvm_unload
dmesg_clean
