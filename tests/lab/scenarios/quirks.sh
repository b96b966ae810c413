# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_SMP
# A CPU whose CR3 targets are not as the cache needs them: ../quirks makes it, by a changed module, and says which
# one by QUIRK=. The host finds out by itself, says so, and nobody but the cache is the worse for it.

HOST=/sys/kernel/debug/kvm_paravirt_host
COUNT=/sys/kernel/debug/kvm_paravirt
GUEST_SMP=2
KEEP="the CPU compares them without bit 63 of the operand"

# told N PATTERN: checks that so many lines of the host's log have it.
told() {
	check "the log says so, $1 times: $2" [ "$(dmesg | grep -c "kvm-paravirt: .*$2")" = "$1" ]
}

# linux NAME: a Linux guest that begins with the cache, and always sees right memory. It knows PCID, which tiny does not, and has
# two CPUs; the second registers when the first has been running for a while.
linux() {
	guest "$1" nopti kvm_paravirt=1 lab=serve
	guest_expect "$1" 'G: ready' 240
	check "Linux: two vCPUs have registered" guest_sh "$1" 60 "[ \$(cat $COUNT/registered) = 2 ]"
	check "Linux: memory of 8 processes is right" guest_sh "$1" 480 'memsum 2'
}

# only_calls NAME: checks that all switches without a flush are calls, and none is a MOV.
only_calls() {
	for cpu in 1 2; do
		check "Linux, CPU $cpu of 2: each switch is a call" guest_sh "$1" 120 \
			"h=\$(cat $COUNT/hit); m=\$(cat $COUNT/miss); LAB_MARKS=0 taskset $cpu pipe 500; [ \$(cat $COUNT/hit) = \$h ] && [ \$((\$(cat $COUNT/miss) - m)) -gt 980 ] && [ \$(cat $COUNT/native) = 0 ]"
	done
	guest_kill "$1"
}

# without_cache WHY: checks that guests register for everything but the cache, and see right memory, and that the host's files say why.
without_cache() {
	# Guests that start later are not even offered the cache.
	tiny storm -h load -n 2 -c 400 -s 1
	tiny storm -h load -c 200 -s 2
	check "debugfs says why" grep -qx "not usable: $1" $HOST/cr3_targets
	check "the cache is not offered" eval "! grep -q cr3-cache $HOST/offered"
	check "LOAD_CR3 is" grep -q load-cr3 $HOST/offered
	told 1 "not usable: $1"
}

kvm_load ours
check "before anybody has tried: usable" grep -qx usable $HOST/cr3_targets
case $QUIRK in
no-tag)
	linux a
	only_calls a
	without_cache "the CPU does not keep bit 10 of CR3"
	;;
unlisted)
	# shellcheck disable=SC2016 # it is eval that expands it
	# Not by the function that hands on what it says: this VM is to fail.
	check "the VM is ended" eval '! command tiny storm -n 2 -c 4000 >"$RUN"/ended'
	check "its VMM is told EIO" grep -q "KVM runs the guest.*Input/output error" "$RUN"/ended
	told 1 "was not listed: its VM is ended"
	check "the targets are as good as before" grep -qx usable $HOST/cr3_targets
	# shellcheck disable=SC2016
	check "the host makes and ends VMs as before" eval '! command tiny storm -c 4000 >"$RUN"/ended'
	;;
no-keep)
	linux a
	for cpu in 1 2; do
		check "Linux: CPU $cpu of 2 switches two tasks by the table" guest_hits a 500 taskset $cpu
	done
	guest_kill a
	check "debugfs says how it is used" grep -qx "usable: $KEEP" $HOST/cr3_targets
	told 1 "are usable: $KEEP"
	told 0 "not usable"
	tiny storm -n 2 -c 400 -s 1
	;;
exits)
	linux a
	only_calls a
	# What may be at fault is tried first, once.
	told 1 "are usable: $KEEP"
	without_cache "the CPU exits on values that are listed"
	;;
*)	not_ok "a quirk that scenarios/quirks.sh knows" "QUIRK=$QUIRK" ;;
esac
kvm_unload
dmesg_clean
