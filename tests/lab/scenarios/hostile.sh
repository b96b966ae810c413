# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# A guest that does what it must not (../guest/hostile/README.md): what it is told, what becomes of
# it, of the host, and of a guest beside it.

DEBUGFS=/sys/kernel/debug/kvm_paravirt_host

# hostile_dies [GROUP]: a guest that loads a page table without a page dies as it would on any machine.
hostile_dies() {
	guest_crashes h
	guest_say h "cat /sys/kernel/debug/kvmpv_hostile/${1:-die}"
	if guest_wait h 60; then
		ok "hostile guest dies of a CR3 of its own (${1:-die})"
	else
		not_ok "hostile guest dies of a CR3 of its own (${1:-die})" "still there after 60 s"
		guest_kill h
	fi
	dmesg_clean
}

# counted COUNTER...: checks that the host has counted each of these refusals.
counted() {
	for counter; do
		read -r count <$DEBUGFS/"$counter"
		check "host counted $counter ($count)" [ "$count" -gt 0 ]
	done
}

# The host offers everything, and a well-behaved guest runs beside. That one is told when to end, since SIGCHLD makes the shell's
# read forget what it has of a line.
kvm_load ours populate=1
GUEST_SMP=1
guest good nopti kvm_paravirt=1 lab=memsum:6,serve
GUEST_SMP=2
# A PCI expansion ROM is a read-only memory slot, which microvm's firmware is not.
ROM="-M pcie=on -device ich9-ahci,romfile=/usr/share/qemu/bios-microvm.bin"
GUEST_QEMU=$ROM
# What needs CR3 targets is Intel's alone.
case $MACHINE in
vmx)
	groups="calls register owners rom load table aliased race window life loop flush flushed shootdown release"
	counters="publishes switches restarts"
	refusals="EBUSY EROFS ERANGE"
	;;
svm)
	groups="calls register load life loop flush flushed shootdown release nested"
	counters=""
	refusals="ENXIO"
	;;
esac
if hostile_guest; then
	hostile user usercall
	for g in $groups; do
		hostile "$g"
	done
	# shellcheck disable=SC2086 # words are meant
	counted registered unregistered load_cr3_cached load_cr3_missed flush flush_range flush_vcpus release $counters
	for e in EPERM ENOENT E2BIG EFAULT EEXIST EINVAL ENOSPC ENODATA EPROTO EBADMSG EOPNOTSUPP \
		$refusals; do
		counted "refused_$e"
	done
	# One vCPU runs while the other makes it leave.
	[ "$(nproc)" = 1 ] || counted flush_kicks
	hostile_dies
fi
check "well-behaved guest: memory is right" guest_expect good 'G: PASS memsum' 600
check "well-behaved guest: it goes on" guest_expect good 'G: ready' 60
guest_say good "done"
check "well-behaved guest powers off" guest_wait good 60

# On a CPU without PCIDs the list has other values, and the tag bit other rules.
if [ "$MACHINE" = vmx ] && hostile_guest nopcid; then
	for g in table aliased window life flushed; do
		hostile $g
	done
	hostile_dies
fi
kvm_unload

# less GROUP PARAMETER...: a host that offers less.
less() {
	less_group=$1
	shift
	kvm_load ours "$@" || return
	GUEST_SMP=1
	[ "$less_group" != populate ] || GUEST_QEMU=$ROM
	if hostile_guest; then
		hostile user usercall
		hostile "$less_group"
		case $less_group in
		off) ;;
		ept) counted refused_ENODEV ;;
		populate) counted populate populate_pages refused_E2BIG refused_ERANGE ;;
		*) counted refused_ENOSYS ;;
		esac
		if [ "$less_group" = nocache ]; then
			# A guest with one vCPU has its new roots filled beforehand, and this root maps nothing.
			hostile_dies diehole
		else
			guest_say h "done"
			guest_wait h 60 || not_ok "hostile guest powers off" "still there after 60 s"
		fi
	fi
	kvm_unload
}

less off paravirt=0
case $MACHINE in
vmx)
	less ept ept=1 populate=present
	less noload paravirt=cr3-cache
	less nocache paravirt=load-cr3
	;;
svm)
	less ept npt=1 populate=present
	less populate npt=1 populate=1
	;;
esac
less flushonly paravirt=flush
dmesg_clean
