# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# Where the instructions go that a switch costs more than natively: the guest without kvmclock
# (sched_clock() is then the TSC, as natively), and without the PV features of KVM altogether.
GUEST_MEM=384

overhead() {	# TEXT CMDLINE WORD...
	text=$1
	shift
	guest m nopti "$@" lab=pass:insns,pipe:4000
	say "note: $text"
	measure m "$text" 120
	guest_wait m 30
}

kvm_load ours
overhead paravirt kvm_paravirt=1
overhead paravirt-no-kvmclock kvm_paravirt=1 no-kvmclock
overhead paravirt-hz-off kvm_paravirt=1 nohz=off
overhead stock-no-kvmclock no-kvmclock
kvm_unload
dmesg_clean
