# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2016 # scenarios read what is set here; guests expand what is in single quotes
# For scenarios that move a guest about, or take it back to a snapshot, amid a storm of switches between
# processes that verify their memory. The guest is the one named in $G.
TRACE=$SYS/kernel/tracing
COUNT=/sys/kernel/debug/kvm_paravirt
G=a

# For savevm and loadvm: QEMU makes a qcow2 image of its own over this file, and has it for as long as it runs.
truncate -s 96M "$RUN/disk"
mkdir -p /var/tmp
DISK="-drive if=none,id=disk,file=$RUN/disk,format=raw,snapshot=on"
# Not microvm: its loadvm changes no memory slot at all, see load_snapshot.
GUEST_MACHINE=q35,smm=off,hpet=off
Q35="-bios bios-microvm.bin $DISK"

storm_begin() {
	guest_sh $G 60 '>/tmp/rounds; while [ ! -e /tmp/stop ]; do memsum 1 >/tmp/round || cp /tmp/round /tmp/bad; echo . >>/tmp/rounds; done 2>>/tmp/bad &'
}

# Two more rounds begin and end, with nothing wrong.
storm_goes_on() {
	guest_sh $G 240 'n=$(($(wc -l </tmp/rounds) + 2)) i=0; while [ $(wc -l </tmp/rounds) -lt $n ] && [ $i -lt 400 ]; do sleep 0.02; i=$((i + 1)); done; cat /tmp/bad; [ $i -lt 400 ] && [ ! -s /tmp/bad ]'
}

storm_end() {
	guest_sh $G 240 'touch /tmp/stop; wait; cat /tmp/bad; [ $(wc -l </tmp/rounds) -gt 2 ] && [ ! -s /tmp/bad ]'
}

# What the guest counts, in REGISTERED, REFUSED, NATIVE, LOADS (all that the host had a part in), and its
# time in UPTIME, in hundredths of a second.
guest_counts() {
	guest_say $G "cd $COUNT; echo G: counts \$(cat registered refused native) \$((\$(cat hit) + \$(cat miss))) \$(cat /proc/uptime)"
	guest_expect $G 'G: counts *' 60 || return
	# shellcheck disable=SC2086 # words are meant
	set -- ${LINE#G: counts }
	REGISTERED=$1 REFUSED=$2 NATIVE=$3 LOADS=$4 UPTIME=$(echo "$5" | awk '{ print int($1 * 100) }')
	guest_expect $G 'G: rc=*' 60
}

# guest_status TEXT STATUS PATTERN: what kvm-paravirt status says in the guest
guest_status() {
	check "$1: the guest's status is $2, $3" guest_sh $G 60 \
		"/usr/sbin/kvm-paravirt status >/tmp/status; [ \$? = $2 ] && head -n 1 /tmp/status && head -n 1 /tmp/status | grep -q '^$3'"
}

# before_move: remember what is counted; the host traces, if it is ours, what vCPUs ask for when they
# register or are not registered.
before_move() {
	guest_counts || return
	was_registered=$REGISTERED was_refused=$REFUSED was_native=$NATIVE was_loads=$LOADS was_uptime=$UPTIME
	trace_begin
}

trace_begin() {
	echo >"$TRACE"/trace
	echo 1 >"$TRACE"/events/kvm/kvm_pvclock_update/enable
	[ -d "$TRACE"/events/kvmpv ] || return 0
	echo 'nr == 0x70760002 || ret == -2' >"$TRACE"/events/kvmpv/kvmpv_hypercall/filter
	echo 1 >"$TRACE"/events/kvmpv/kvmpv_hypercall/enable
}

# trace_registered FROM: in VCPUS how many vCPUs have registered, in WITHIN the longest time that this
# took one of them, in us: FROM kvm_pvclock_update, which comes with its first entry, or from its call that was told
# "not registered" (kvmpv_hypercall). The guest's clock is the host's while it runs.
trace_registered() {
	# A line is "CPU 0/KVM-155 [000] ..... 3.205391: EVENT: ... ret 0".
	# shellcheck disable=SC2046 # words are meant
	set -- $(awk -v from="$1:" '
		$6 == from && !($2 in first) && (from ~ /pvclock/ || $NF == -2) { first[$2] = $5 + 0 }
		/ nr 0x70760002 .* ret 0$/ && ($2 in first) && !($2 in done) {
			done[$2] = 1
			n++
			us = ($5 - first[$2]) * 1e6
			if (us > most) most = us
		}
		END { printf "%d %d", n, most }' "$TRACE"/trace)
	VCPUS=$1 WITHIN=$2
}

# took_up TEXT MS NATIVE: each vCPU has registered again by itself within MS ms of guest time, and loads go through the
# host; at most NATIVE a vCPU did not meanwhile.
took_up() {
	check "$1: the storm goes on, memory is right" storm_goes_on
	# Two rounds can be over before a vCPU that was told "no" asks again.
	guest_sh $G 60 "i=0; while [ \$(cat $COUNT/registered) -lt $((was_registered + GUEST_SMP)) ] && [ \$i -lt 100 ]; do sleep 0.02; i=\$((i + 1)); done"
	trace_registered kvm_pvclock_update
	check "$1: each of $GUEST_SMP vCPUs has registered again ($VCPUS), within $2 ms ($WITHIN us)" \
		[ "$VCPUS" = "$GUEST_SMP" -a "$WITHIN" -lt $(($2 * 1000)) ]
	guest_counts
	check "$1: the guest has counted that ($was_registered, $REGISTERED)" \
		[ "$REGISTERED" = $((was_registered + GUEST_SMP)) ]
	check "$1: loads without help: $((NATIVE - was_native))" [ $((NATIVE - was_native)) -le $(($3 * GUEST_SMP)) ]
	check "$1: loads with help: $((LOADS - was_loads))" [ $((LOADS - was_loads)) -gt 20 ]
}

# goes_native TEXT: where the host offers nothing, the guest loads CR3 itself, and does not ask all the time.
goes_native() {
	check "$1: the storm goes on, memory is right" storm_goes_on
	guest_counts
	check "$1: nothing has registered ($was_registered, $REGISTERED)" [ "$REGISTERED" = "$was_registered" ]
	check "$1: loads without help: $((NATIVE - was_native))" [ $((NATIVE - was_native)) -gt 20 ]
	native_loads=$LOADS
	guest_sh $G 60 'sleep 0.1'
	guest_counts
	check "$1: none with help meanwhile ($native_loads, $LOADS)" [ "$LOADS" = "$native_loads" ]
	# Each vCPU asks twice a second. Two more are for the first call, and for rounding.
	native_most=$((GUEST_SMP * (2 + (UPTIME - was_uptime) / 50)))
	check "$1: asked $((REFUSED - was_refused)) times, at most $native_most" [ $((REFUSED - was_refused)) -le $native_most ]
}

# kept TEXT: the guest has not been moved, and has lost no registration.
kept() {
	check "$1: the storm goes on, memory is right" storm_goes_on
	guest_counts
	check "$1: nothing has registered anew ($was_registered, $REGISTERED)" [ "$REGISTERED" = "$was_registered" ]
}

# Prints the other one of two names: a QEMU that comes and one that goes have different names.
other() { [ $G = a ] && echo b || echo a; }

moved_start() {	# WORD...
	GUEST_QEMU=$Q35
	guest $G nopti kvm_paravirt=1 "$@" lab=serve
	guest_expect $G 'G: ready' 240 && storm_begin && storm_goes_on
}

move() {	# ARGUMENTS OF QEMU
	GUEST_QEMU="$Q35 $*"
	guest_move $G "$(other)" || return
	G=$(other)
}

snapshot() { guest_save $G "$1"; }

restore() {	# FILE
	GUEST_QEMU=$Q35
	guest_restore $G "$1"
}

# monitor WORD...: a command that has no answer; true when the guest runs after it.
monitor() {
	guest_tell "$G" "$*"
	guest_running $G
}

# loadvm, in place. QEMU writes guest memory without KVM knowing, and with shadow paging KVM goes on with what it knows of
# page tables that are others now: on the stock module guests stood still or lost processes at the first or second of 30 times,
# and at none when all shadow pages were dropped in between, as here.
load_snapshot() {	# NAME
	guest_tell "$G" stop
	guest_tell "$G" "loadvm $1"
	guest_until $G 'info status' 'VM status: *' '*paused*' || return
	read -r nx <"$SYS"/module/kvm/parameters/nx_huge_pages
	case $nx in
	Y) echo off ;;
	N) echo force ;;
	esac >"$SYS"/module/kvm/parameters/nx_huge_pages
	monitor cont
}

# stopped and continued, time enough between for nothing to be in flight
pause() {
	guest_tell "$G" stop
	guest_until $G 'info status' 'VM status: *' '*paused' || return
	sleep 0.1
	monitor cont
}
