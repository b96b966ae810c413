# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The lab itself: stock KVM with shadow paging boots a guest whose memory stays as it should.
kvm_load stock
guest a nopti lab=memsum:2
check "guest boots" guest_expect a 'G: up *' 60
check "memory of 8 processes is right" guest_expect a 'G: PASS memsum' 120
check "guest powers off" guest_wait a 60
kvm_unload
dmesg_clean
