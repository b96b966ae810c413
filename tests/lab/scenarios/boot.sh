# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What a guest exits for from power-on to init, firmware included: writes to port 0x80, and INVLPGs for
# the search for an MP table.
CLOCK="instructions"
PIO=/sys/kernel/tracing/events/kvm/kvm_pio
ROM=/usr/share/qemu/bios-microvm.bin

delays_so_far() {
	awk '$1 == "{" { sub(/.*hitcount: */, ""); n += $0 } END { print n + 0 }' $PIO/hist
}

# boot WORD...: boots a guest, and counts in DELAYS and INVLPGS. GUEST_QEMU is as for guest.
boot() {
	DELAYS=none INVLPGS=none
	before=$(delays_so_far)
	guest b nopti "$@" lab=pass:init
	if guest_expect b 'G: pass init' 120; then
		DELAYS=$(($(delays_so_far) - before))
		read -r INVLPGS </sys/kernel/debug/kvm/invlpg
	else
		not_ok "guest boots with $*" "last line: $LINE"
	fi
	guest_kill b
}

delays() {	# OPERATOR TEXT WORD...: a check of the number of writes to port 0x80
	delays_op=$1 delays_text=$2
	shift 2
	boot "$@"
	check "$delays_text: $DELAYS writes to port 0x80" [ "$DELAYS" "$delays_op" 0 ]
}

kvm_load stock
echo 'hist:keys=port if port == 0x80' >$PIO/trigger
delays -gt "without the option" kvm_paravirt=0
stock=$DELAYS
delays -eq "kvm_paravirt=1" kvm_paravirt=1
delays -eq "in a list" kvm_paravirt=cr3,iodelay
delays -gt "not in the list" kvm_paravirt=cr3,iodelays,pic
delays -eq "the last option counts" kvm_paravirt=0 kvm_paravirt=1
delays -gt "an io_delay= counts more" kvm_paravirt=1 io_delay=0x80

# With a timer that is programmed through inb_p() and outb_p(), on a host that does not say that delays
# are of no use: the kernel proper has its own then.
pit="acpi=off noapic nolapic_timer clearcpuid=tsc_deadline_timer"
bare="-cpu host,kvm-nopiodelay=off"
GUEST_QEMU=$bare
# shellcheck disable=SC2086 # words are meant
delays -gt "host says nothing of delays, without the option" $pit
check "host says nothing of delays: more than in real mode" [ "$DELAYS" -gt "$stock" ]
GUEST_QEMU=$bare
# shellcheck disable=SC2086 # words are meant
delays -eq "host says nothing of delays, kvm_paravirt=iodelay" $pit kvm_paravirt=iodelay

# The firmware's MP table is in the second place that is looked at. Without it 64 KiB are searched.
sed 's/_MP_/_XX_/' $ROM >/run/no-mp-table
check "firmware differs in two bytes" [ "$(cmp -l $ROM /run/no-mp-table | wc -l)" = 2 ]
boot
with=$INVLPGS
GUEST_QEMU="-bios /run/no-mp-table"
boot
say "note: INVLPG exits up to init: $with with an MP table, $INVLPGS without"
check "without an MP table: less than 200 INVLPG exits more ($with, $INVLPGS)" \
	[ "$INVLPGS" -lt $((with + 200)) ]
kvm_unload
dmesg_clean
