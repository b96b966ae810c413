# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_SMP
# Two vCPUs, with PCID and with software ASIDs. Not on CPU models without VMX preemption timer: bochs
# holds the host's interrupts back while a guest has them off, and a vCPU that waits for the other
# would wait forever.
COUNT=/sys/kernel/debug/kvm_paravirt
GUEST_SMP=2

two_vcpus() {	# TEXT CMDLINE WORD...
	text=$1
	shift
	guest s nopti kvm_paravirt=1 "$@" lab=serve
	guest_expect s 'G: ready' 240
	check "$text: two vCPUs have registered" guest_sh s 60 "[ \$(cat $COUNT/registered) = 2 ]"
	check "$text: memory of 8 processes is right" guest_sh s 480 'memsum 2'
	for cpu in 0 1; do
		check "$text: CPU $cpu switches two tasks by the table" guest_hits s 500 taskset $((cpu + 1))
	done
	check "$text: a CPU goes offline and comes back" \
		guest_sh s 120 'echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online'
	check "$text: it has registered again" guest_sh s 60 "[ \$(cat $COUNT/registered) = 3 ]"
	check "$text: memory is right after that" guest_sh s 480 'memsum 1'
	guest_clean s "$text"
	guest_kill s
}

kvm_load ours
two_vcpus PCID
two_vcpus "software ASIDs" nopcid
kvm_unload
dmesg_clean
