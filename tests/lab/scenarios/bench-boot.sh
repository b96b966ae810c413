# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# A guest from power-on to its init: exits, INVLPG, port 0x80 (IO delay). What the series changes for
# every boot is on without the option, too, hence stock boots a kernel without the series.
#
# QEMU's usual machine with its usual firmware: in microvm's the MP table is found at once.
CLOCK="instructions"
FILES="/usr/bin/qemu-system-x86_64 /usr/share/seabios/bios-256k.bin /usr/share/qemu/linuxboot_dma.bin
	/usr/share/qemu/kvmvapic.bin"
GUEST_VMM=/usr/bin/qemu-system-x86_64
GUEST_MACHINE=pc
: >"$RUN"/null

boot() {	# CONFIG MODULE KERNEL WORD [PARAM=VALUE...]
	config=$1 module=$2 word=$4 GUEST_BZIMAGE=$3
	shift 4
	if [ ! -e "$GUEST_BZIMAGE" ]; then
		not_ok "$config boots" "no ${GUEST_BZIMAGE#/lab/}: no kernel without the series was given to run, STOCK_KERNEL"
		return
	fi
	kvm_load "$module" "$@" || return
	# Once with tracing and once without, as tracing costs instructions.
	for pass in insns exits; do
		hist_clear
		counters >"$RUN"/before
		GUEST_QEMU="-L /usr/share/seabios"
		guest b nopti "$word" lab=pass:boot
		check "$config boots, $pass" guest_expect b 'G: pass boot' 240
		counted "$RUN"/before >"$RUN"/counted
		hist_stop
		booted
		guest_say b ""
		guest_wait b 60 || not_ok "$config guest powers off" "still there after 60 s"
	done
	kvm_unload
}

booted() {
	ops=1
	work=boot
	fields="work=$work config=$config ops=$ops switches=0"
	exits
	if [ "$pass" = insns ]; then
		metric insns_per_op $(($(gained now) - $(gained idle))) $ops
	else
		fields="work=iodelay config=$config ops=$ops switches=0"
		metric io_exits "$(gained 'port:128:.*')" $ops
	fi
}

boot stock stock /lab/guest/stock/bzImage kvm_paravirt=0
boot paravirt ours /lab/guest/bzImage kvm_paravirt=1
boot ept stock /lab/guest/stock/bzImage kvm_paravirt=0 "$PAGING=1"
dmesg_clean
