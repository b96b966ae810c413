# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_* and STATS
# What memory costs that a guest touches first, with EPT or NPT: its boot; 96 MiB that no guest has touched; the same in a VM
# that was restored from a file, where the host has the pages and has mapped none.
#
# FORMS: see kvm_form. "run -e" gives others.
CLOCK="instructions"
FORMS="stock,huge,present,block64,asked"
MEGABYTES="1024"
GUEST_MEM=320
STATS="violations_per_op:pf_taken"

# The first guest of all takes more instructions than any other: it is not measured.
kvm_form stock
guest w nopti kvm_paravirt=0 lab=serve
check "a first guest is up" guest_expect w 'G: ready' 240
guest_kill w
kvm_unload

for form in $(echo "$FORMS" | tr , ' '); do
	kvm_form "$form" || continue
	boot_mark
	if [ "$form" = asked ]; then
		guest m nopti kvm_paravirt=populate lab=serve
		check "$form: the guest asks" guest_expect m 'G: kvm-paravirt: host ABI v1:*populate' 240
	else
		guest m nopti kvm_paravirt=0 lab=serve
	fi
	check "$form: guest is up" guest_expect m 'G: ready' 240
	booted m "$form"
	touched m "$form" touch_ept:96
	check "$form: guest is saved" guest_save m /tmp/saved
	check "$form: guest is restored" guest_restore r /tmp/saved
	touched r "$form" restore_ept:96
	guest_kill r
	rm /tmp/saved
	kvm_unload
done
dmesg_clean
