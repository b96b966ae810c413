# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2153 # lib.sh reads and sets GUEST_*
# The scenario of a host that is a guest itself. It runs one guest, whose console is its own: who reads and writes that talks to the
# guest of the guest.
#
# From the command line of its kernel: l1_form=FORM, see kvm_form; l2_mem=MIB; l2=WORD, as often as there are words for the
# command line of the guest.
words=''
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	l1_form=*) form=${word#*=} ;;
	l2_mem=*) GUEST_MEM=${word#*=} ;;
	l2=*) words="$words ${word#*=}" ;;
	esac
done
kvm_form "$form"
echo "G: L1"
read -r _ </dev/ttyS0
# shellcheck disable=SC2086 # lists of words
$GUEST_VMM -M "$GUEST_MACHINE" $GUEST_ACCEL -cpu "$GUEST_CPU" -m "$GUEST_MEM" -nodefaults -no-user-config -display none -no-reboot \
	-L /usr/share/qemu -kernel "$GUEST_BZIMAGE" -initrd "$GUEST_INITRAMFS" -serial /dev/ttyS0 \
	-append "console=ttyS0 quiet reboot=t panic=-1 $words" 2>>"$RUN"/qemu.log
stty -opost </dev/ttyS0
dmesg_clean
# What ours has counted; the stock module has none.
for counter in "$SYS"/kernel/debug/kvm_paravirt_host/populate_*; do
	[ ! -e "$counter" ] || echo "G: L1 ${counter##*/} $(cat "$counter")"
done
reboot -f
