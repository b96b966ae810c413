# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# A 32-bit guest: what it gets and says, that its memory is right, and what the host answers it. With
# GUEST_KERNEL and GUEST_INITRAMFS of i386 or i386-pae; not without VMX preemption timer, see smp.sh.
STATE=/sys/kernel/kvm_paravirt
COUNT=/sys/kernel/debug/kvm_paravirt
PIO=/sys/kernel/tracing/events/kvm/kvm_pio
off='host ABI v1: cr3-cache off, this kernel is 32-bit'
none='the host does not know kvm-paravirt, full emulation'

# start TEXT SMP "WORD..." LINE: starts a guest that serves, and checks that it says LINE. Its kernel's version is in KERNEL.
start() {
	GUEST_SMP=$2
	# shellcheck disable=SC2086 # words are meant
	guest g $3 lab=serve
	guest_expect g 'G: up *' 240
	KERNEL=${LINE#G: up }
	guest_expect g 'G: kvm-paravirt: *' 60
	check "$1: guest says \"$4\"" [ "${LINE#G: kvm-paravirt: }" = "$4" ]
	guest_expect g 'G: ready' 60
}

memory() {	# TEXT ROUNDS
	check "$1: memory of 8 processes is right" guest_sh g 480 "memsum $2"
	check "$1: a gigabyte comes and goes, on all CPUs" guest_sh g 480 'bigmap 8'
}

counted() {	# TEXT COUNTER...
	counted_text=$1
	shift
	for counter; do
		check "$counted_text: guest counts $counter" guest_sh g 60 "[ \$(cat $COUNT/$counter) -gt 0 ]"
	done
}

finish() {	# TEXT
	check "$1: the guest's kernel does not complain" \
		guest_sh g 60 "! dmesg | grep -E 'WARNING:|BUG:|Oops|rcu.*stall'"
	guest_kill g
}

# DELAYS is the number of exits for port 0x80 from delays_start to delays_stop. Two are no delays: on 32-bit PCs the 8250
# driver puts values on the bus, twice for each port that it probes.
delays_start() { echo 'hist:keys=port if port == 0x80' >$PIO/trigger; }
delays_stop() {
	DELAYS=$(awk '$1 == "{" { sub(/.*hitcount: */, ""); n += $0 } END { print n + 0 }' $PIO/hist)
	echo '!hist:keys=port if port == 0x80' >$PIO/trigger
}

calls() {
	guest_sh g 60 'insmod /bin/kvmpv_calls32.ko'
	guest_say g "dmesg | sed -n 's/.*kvm-paravirt: case /G: case /p'"
	cases=0
	while guest_read g 60; do
		case $LINE in
		"G: case "*)
			# shellcheck disable=SC2086 # words are meant
			set -- ${LINE#G: case }
			cases=$((cases + 1))
			check "call $1 answers $2 ($3)" [ "$2" = "$3" ]
			;;
		"G: rc="*) break ;;
		esac
	done
	check "calls were made ($cases)" [ $cases = 14 ]
}

kvm_load ours
# Without INVPCID, by which the kernel would flush everything.
start "2 vCPUs" 2 "nopti clearcpuid=invpcid kvm_paravirt=1" "$off; tlb-flush io-delay"
check "2 vCPUs: sysfs says so" guest_sh g 60 "grep -qx 'off: this kernel is 32-bit' $STATE/cr3_cache"
memory "2 vCPUs" 2
counted "2 vCPUs" tlb_range tlb_all tlb_vcpus
check "2 vCPUs: a CPU goes offline and comes back" \
	guest_sh g 120 'echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online'
memory "2 vCPUs, one is back" 1
calls
finish "2 vCPUs"

case $KERNEL in
*-686) ;;
*-686-pae)
	start PTI 2 "pti=on kvm_paravirt=1" "$off; tlb-flush io-delay"
	check "PTI: page tables are isolated" guest_sh g 60 "dmesg | grep -q 'page tables isolation: enabled'"
	memory PTI 2
	counted PTI tlb_range tlb_vcpus
	finish PTI
	;;
*) not_ok "a 32-bit kernel" "$KERNEL, see GUEST_KERNEL" ;;
esac

# With noapic, interrupts come through the 8259A. So they would with nolapic, but with that PAE guests hung, whichever driver they had.
legacy="nopti acpi=off noapic 8250.nr_uarts=1"
delays_start
start "1 vCPU" 1 "$legacy kvm_paravirt=1" "$off; tlb-flush io-delay pic"
delays_stop
check "1 vCPU: no I/O delay while it boots ($DELAYS writes to port 0x80)" [ "$DELAYS" = 2 ]
check "1 vCPU: the light 8259A is used" guest_sh g 60 'grep -q XT-PIC-light /proc/interrupts'
check "1 vCPU: sysfs says so" guest_sh g 60 "grep -qx light $STATE/pic && grep -qx none $STATE/io_delay"
memory "1 vCPU" 1
counted "1 vCPU" tlb_range tlb_vcpus
finish "1 vCPU"

delays_start
GUEST_SMP=1
# shellcheck disable=SC2086 # words are meant
guest g $legacy lab=serve
guest_expect g 'G: ready' 240
delays_stop
check "without the option: I/O delays ($DELAYS writes to port 0x80)" [ "$DELAYS" -gt 2 ]
check "without the option: the stock 8259A is used" guest_sh g 60 'grep -q "XT-PIC  " /proc/interrupts'
check "without the option: no call was made" \
	guest_sh g 60 "[ \$(cat $COUNT/tlb_range) = 0 ] && [ \$(cat $COUNT/tlb_vcpus) = 0 ]"
memory "without the option" 1
finish "without the option"
kvm_unload

# QEMU's emulation of NPT does not get a 32-bit guest through its boot: EMULATORS.md.
if [ "$MACHINE" = vmx ]; then
	kvm_load ours ept=1
	start EPT 2 "nopti kvm_paravirt=1" "$off; io-delay"
	memory EPT 1
	check "EPT: no call was made" \
		guest_sh g 60 "[ \$(cat $COUNT/tlb_range) = 0 ] && [ \$(cat $COUNT/tlb_vcpus) = 0 ]"
	finish EPT
	kvm_unload
fi

kvm_load stock
start "stock module" 2 "nopti kvm_paravirt=1" "$none; io-delay"
memory "stock module" 1
finish "stock module"
kvm_unload
dmesg_clean
