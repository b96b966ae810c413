# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_MEM
# What the paravirtual interface saves: the same works, the same guest kernel, on the stock module
# and on ours. In native mode "run" takes WORKS alone from here.
WORKS="pipe:4000,hackbench1:400,hackbench5:80"

# KVM keeps shadow pages for 2 % of a guest's memory: with 96 MiB, 200 tasks have it recycle them all the time.
GUEST_MEM=384

# demo CONFIG MODULE kvm_paravirt=0|1
demo() {
	config=$1
	kvm_load "$2" || return
	guest m nopti "$3" "lab=pass:insns,null,$WORKS,pass:exits,null,$WORKS"
	if [ "$3" = kvm_paravirt=1 ]; then
		check "$config guest uses the interface" guest_expect m 'G: kvm-paravirt: host ABI v1: cr3-cache(4)*' 60
	fi
	measure m "$config" 120
	guest_wait m 30 || not_ok "$config guest powers off" "still there after 30 s"
	kvm_unload
}

demo stock stock kvm_paravirt=0
demo paravirt ours kvm_paravirt=1
dmesg_clean
