# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# The 8259A pair of a guest without IO-APIC: port accesses an interrupt, with the stock driver and with
# the light one, with KVM's 8259A and with QEMU's; ../guest/irq/README.md says where the interrupts come
# from. All the numbers are of exits to ports 0x20, 0x21, 0xa0, 0xa1.
CLOCK="instructions"
PIO=/sys/kernel/tracing/events/kvm/kvm_pio
IRQ=/sys/kernel/debug/kvmpv_irq
PARAM=/sys/module/kvmpv_irq/parameters
SERIAL="-device isa-serial,index=1,irq=3 -device isa-serial,index=2,iobase=0x3e8,irq=10"
PIC="acpi=off noapic"
MICROVM=$GUEST_MACHINE
N=40

# pic_guest [WORD...]: a guest without IO-APIC that has the module.
pic_guest() {
	GUEST_QEMU="$SERIAL $cpu"
	# shellcheck disable=SC2086 # words are meant
	guest p nopti $PIC "$@" lab=serve
	if guest_expect p 'G: ready' 120 && guest_sh p 60 'insmod /bin/kvmpv_irq.ko'; then
		guest_sh p 60 'cat /proc/interrupts'
		return 0
	fi
	not_ok "guest is up with $*" "no module for this guest kernel? see make.log"
	guest_kill p
	return 1
}

exits_so_far() {
	awk '$1 == "{" && $3 ~ /^(32|33|160|161)$/ { sub(/.*hitcount: */, ""); n += $0 } END { print n + 0 }' $PIO/hist
}

# counted COMMAND: runs it in the guest, which answers "G: got ..."; that in GOT, and the number of exits
# to the ports of the 8259A pair in EXITS.
counted() {
	GOT='' EXITS=none
	before=$(exits_so_far)
	guest_say p "$1"
	guest_expect p 'G: got *' 120 || return
	GOT=${LINE#G: got }
	EXITS=$(($(exits_so_far) - before))
	guest_expect p 'G: rc=*' 60
}

uart_set() {	# IRQ BASE LEVEL THREADED
	uart_params="echo $1 >$PARAM/irq; echo $2 >$PARAM/base; echo $3 >$PARAM/level; echo $4 >$PARAM/threaded"
}

# uart WHAT: has $N interrupts raised, and checks that none is lost. EXITS is their exits, and two for requesting and freeing the line.
# On the SVM machine one may come twice, with either driver, see Traps in ../README.md. An interrupt whose line is not masked
# when it has to be comes thousands of times.
uart() {
	counted "$uart_params; echo $N >$PARAM/count; echo \"G: got \$(cat $IRQ/uart)\""
	# shellcheck disable=SC2086 # words are meant
	set -- "$1" $GOT
	uart_threads=0
	case $uart_params in *"1 >$PARAM/threaded") uart_threads=$N ;; esac
	if [ "$3" -lt $N ] || [ "$3" -gt $((N + 2)) ] || [ "$5" != $uart_threads ] || [ "$7" != 0 ]; then
		not_ok "$1: $N interrupts" "$GOT"
	fi
}

# line NAME IRQ BASE OPERATOR EXITS MASKING: checks how many exits an interrupt takes, and how many more with a threaded handler,
# for edges and for levels.
line() {
	for level in 0 1; do
		uart_set "$2" "$3" $level 0
		uart "$1 $2, level=$level"
		check "$1, IRQ$2, level=$level: $((EXITS - 2)) exits for $N" [ $((EXITS - 2)) "$4" $((N * $5)) ]
		uart_set "$2" "$3" $level 1
		uart "$1 $2, one-shot thread, level=$level"
		check "$1, IRQ$2, one-shot thread, level=$level: $((EXITS - 2)) exits for $N" \
			[ $((EXITS - 2)) "$4" $((N * ($5 + $6))) ]
	done
}

# spurious NAME: raises spurious interrupts, and checks that the line ERR counts them.
spurious() {
	err="awk '\$1 == \"ERR:\" { print \$2 }' /proc/interrupts"
	counted "echo \"G: got \$($err)\""
	check "$1: no spurious interrupts so far" [ "$GOT" = 0 ]
	counted "cat $IRQ/spurious7; echo \"G: got \$($err)\""
	check "$1: a spurious IRQ7 is counted" [ "$GOT" = 1 ]
	uart_set 10 0x3e8 0 0
	counted "$uart_params; cat $IRQ/spurious15; cat $IRQ/spurious15; echo \"G: got \$($err)\""
	check "$1: so are two spurious IRQ15" [ "$GOT" = 3 ]
	# As an edge: nothing would clear the request of a level-triggered line that is down.
	uart_set 10 0x3e8 0 0
	uart "$1, IRQ10, afterwards"
}

# ticks NAME: counts timer interrupts in TICKS, and their exits in EXITS.
ticks() {
	irq0="awk '\$1 == \"0:\" { print \$2 }' /proc/interrupts"
	counted "a=\$($irq0); sleep 0.5; b=\$($irq0); echo \"G: got \$((b - a))\""
	TICKS=$GOT
	check "$1: timer ticks ($TICKS)" [ "${TICKS:-0}" -gt 50 ]
}

pit="nolapic_timer clearcpuid=tsc_deadline_timer nohz=off highres=off"
kvm_load stock
# The trace is switched on once, since to switch it takes the emulated host longer than the guest's work.
echo 'hist:keys=port' >$PIO/trigger
for irqchip in on split off; do
	GUEST_MACHINE=$MICROVM,kernel-irqchip=$irqchip
	# QEMU sets MSRs of "host" that KVM has only with its own local APIC; and since 8.0 it has none of its own for KVM.
	cpu=
	[ $irqchip != off ] || cpu="-cpu qemu64,-kvm-asyncpf,-kvm-asyncpf-int,-kvm-pv-eoi,-x2apic,-apic"
	# shellcheck disable=SC2086 # words are meant
	pic_guest $pit kvm_paravirt=0 && {
		name="irqchip $irqchip, stock"
		ticks "$name"
		check "$name: $EXITS exits for $TICKS timer interrupts" [ "$EXITS" -ge $((TICKS * 4)) ]
		stock=$EXITS/$TICKS
		spurious "$name"
		# Some more are of the timer and the console.
		line "$name" 3 0x2f8 -ge 4 0
		line "$name" 10 0x3e8 -ge 5 0
		guest_kill p
	}
	# shellcheck disable=SC2086 # words are meant
	pic_guest $pit kvm_paravirt=1 && {
		name="irqchip $irqchip, light"
		ticks "$name"
		check "$name: $EXITS exits for $TICKS timer interrupts (stock: $stock)" [ "$EXITS" = 0 ]
		check "$name: sysfs says so" guest_sh p 60 'grep -qx light /sys/kernel/kvm_paravirt/pic'
		spurious "$name"
		line "$name" 3 0x2f8 -le 0 2
		line "$name" 10 0x3e8 -le 1 2
		guest_kill p
	}
done
kvm_unload
dmesg_clean
