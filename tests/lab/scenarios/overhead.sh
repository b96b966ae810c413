# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# Where the instructions go that a switch costs more than natively. Under EPT a CR3 load does not
# exit: what is more there than natively is what being a KVM guest costs (kvmclock, ticks), what is
# more with ours than there is what looking CR3 up costs.
CLOCK="instructions"
GUEST_MEM=384

overhead() {	# CONFIG CMDLINE WORD...
	config=$1
	shift
	guest m nopti "$@" lab=pass:insns,null,pipe:4000
	measure m "$config" 120
	guest_wait m 30
	kvm_unload
}

kvm_load ours
overhead paravirt kvm_paravirt=1
kvm_load stock ept=1
overhead ept
dmesg_clean
