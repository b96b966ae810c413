# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What Secure Boot does to modules: signatures are required, and dkms's key is not enrolled. The
# emulated machine has no firmware that could do it; the kernel's switch is the same.
# shellcheck disable=SC2034 # read by run
FILES="/usr/bin/kmod"

refused() {
	ln -sf /usr/bin/kmod /tmp/insmod
	! /tmp/insmod "$1" 2>/tmp/refused && grep -q "$2" /tmp/refused
}

kvm_load stock
kvm_unload
echo Y >/sys/module/module/parameters/sig_enforce
check "our module is refused with the message that the documents explain" \
	refused "/modules/ours/$VENDOR_MODULE.ko" 'Key was rejected by service'
check "the kernel's log says that it is the key" eval \
	'dmesg | grep -q "Loading of module with unavailable key is rejected"'
kvm_load stock
guest a nopti lab=memsum:1
check "the distribution's module is taken, and runs guests" guest_expect a 'G: PASS memsum' 120
check "guest powers off" guest_wait a 60
kvm_unload
