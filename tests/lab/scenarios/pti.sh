# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads CLOCK
# Page table isolation in a guest: how often its system calls leave for an access to CR3, and what they cost, and that
# nothing is wrong with what runs under it.
CLOCK="instructions"
PTI=/sys/devices/system/cpu/vulnerabilities/meltdown
COUNT=/sys/kernel/debug/kvm_paravirt STATE=/sys/kernel/kvm_paravirt
WORKS="syscall:50000,pipe:1000"

# cr_exits CONFIG SYSCALL PIPE: a system call of an unchanged kernel reads CR3 and writes it on the way in and on the way
# out: 4. A pipe: two calls a switch, and the switch: 9. Without the reads: 2 and 5. An interrupt takes as many as a system
# call, unless it comes in the kernel; since 7.x a timer ends the time slice of each task, which is several times the number of ticks.
cr_exits() {
	for work in syscall pipe; do
		most=$2
		[ $work = syscall ] || most=$3
		found=$(recorded "$1" cr_exits_per_op $work) irqs=$(recorded "$1" irqs_per_op $work)
		check "$1, $work: $found accesses to CR3 an operation exit, $most, with $irqs interrupts" \
			awk -v n="$found" -v most="$most" -v entry="$2" -v irqs="$irqs" \
			'BEGIN { exit !(n != "" && irqs != "" && n > most - 0.1 && n <= most + 0.05 + entry * irqs) }'
	done
}

# Counts are of a kernel without DEBUG_ENTRY, lockdep and KASAN.
if [ "$GUEST_DEBUG" = 0 ]; then
	works stock stock "$WORKS" -- pti=on kvm_paravirt=0
	cr_exits stock 4 9
	works reads stock "$WORKS" -- pti=on kvm_paravirt=pti
	cr_exits reads 2 5
fi
if [ "$MACHINE:$GUEST_DEBUG" = vmx:0 ]; then
	works paravirt ours "$WORKS" -- pti=on kvm_paravirt=1
	cr_exits paravirt 0 0
	works nopti ours "$WORKS" -- kvm_paravirt=1
	with=$(recorded paravirt insns_per_op syscall) without=$(recorded nopti insns_per_op syscall)
	check "a system call takes $with instructions, at most 1.2 of $without, what it takes without isolation" \
		awk -v a="$with" -v b="$without" 'BEGIN { exit !(b > 0 && a <= 1.2 * b) }'
fi

# walk NAME WORD...: writes the kernel's half of the user page tables of a guest with these words to $RUN/NAME.
walk() {
	name=$1
	shift
	: >"$RUN/$name"
	guest w pti=on "$@" lab=serve
	guest_expect w 'G: ready' 120 || return
	guest_say w "insmod /lib/modules/\$(uname -r)/kvmpv_ptwalk.ko && sed 's/^/W: /' /sys/kernel/debug/kvmpv_ptwalk"
	while guest_read w 60; do
		case $LINE in
		"W: "*) echo "${LINE#W: }" >>"$RUN/$name" ;;
		"G: rc="*) break ;;
		esac
	done
	[ "$name" != off ] || check "off: sysfs says so" guest_sh w 60 "grep -qx stock $STATE/pti"
	check "$name: a user cannot read any of it" guest_sh w 60 'probe </sys/kernel/debug/kvmpv_ptwalk'
	check "$name: what a user can read is found" guest_sh w 60 '! echo 400000 | probe'
	guest_clean w "$name"
	guest_kill w
}

kvm_load ours
GUEST_SMP=2
walk off kvm_paravirt=0
walk reads kvm_paravirt=pti
walk on kvm_paravirt=1
check "user page tables map some of the kernel ($(grep -c . "$RUN/off") places), none of it for users" \
	eval "[ \$(grep -c . $RUN/off) -ge 4 ] && ! grep 'u\$' $RUN/off $RUN/on"
check "without reads they map the same" cmp "$RUN/off" "$RUN/reads"
check "with the cache all of that, too" eval "! grep -vxFf $RUN/on $RUN/off"
grep -vxFf "$RUN/off" "$RUN/on" >"$RUN/more"
# With the option, users see the table of each CPU besides, and nothing else. SVM has no such table.
if [ "$MACHINE" = vmx ]; then
	check "and a page more for each CPU, read-only: $(tr '\n' ' ' <"$RUN/more")" \
		eval "[ \$(grep -c . $RUN/more) = 2 ] && [ \$(grep -c '^[0-9a-f]* 1 ---\$' $RUN/more) = 2 ]"
else
	check "and no more" [ ! -s "$RUN/more" ]
fi

# Both with PCID and with software ASIDs are tried with two vCPUs: the one on Linux 6.12, the other on 6.1.
for GUEST_SMP in 1 2; do
	words=''
	case $HOST_SERIES-$GUEST_SMP in
	6.1-2 | 6.12-1) words=nopcid ;;
	esac
	text="$GUEST_SMP vCPUs${words:+, $words}"
	# shellcheck disable=SC2086 # words are meant
	guest p pti=on kvm_paravirt=1 $words lab=serve
	check "$text: guest is up" guest_expect p 'G: ready' 120
	check "$text: page tables are isolated" guest_sh p 60 "grep PTI $PTI || dmesg | grep 'page tables isolation: *enabled'"
	check "$text: sysfs says so" guest_sh p 60 "grep -qx no-reads $STATE/pti"
	check "$text: memory of 8 processes is right" guest_sh p 120 'memsum 4'
	check "$text: forks and unmapped pages" guest_sh p 120 'LAB_MARKS=0 forkexec forkexec 20 && LAB_MARKS=0 munmap33 50'
	# Anywhere in entry and exit; paranoid entries ask CR3, in a window, too. Linux says of each, as an
	# emergency, that it is dazed and confused: amid a line of the answer.
	check "$text: says nothing of NMIs" guest_sh p 60 'echo 0 >/proc/sys/kernel/printk'
	for _ in $(seq 100); do
		guest_tell p nmi
		sleep 0.01
	done &
	check "$text: the same while NMIs come" guest_sh p 120 'memsum 4 && LAB_MARKS=0 syscall 20000 && LAB_MARKS=0 pipe 500'
	wait $!
	check "$text: they came" guest_sh p 60 "[ \$(sed -n 's/^ *NMI: *\([0-9]*\) .*/\1/p' /proc/interrupts) -gt 20 ]"
	check "$text: says what goes wrong again" guest_sh p 60 'echo 4 >/proc/sys/kernel/printk'
	[ "$MACHINE" != vmx ] ||
		check "$text: registered" guest_sh p 60 \
			"dmesg | grep pti-cr3 && [ \$(cat $COUNT/registered) = $GUEST_SMP ]"
	check "$text: suspended and resumed but for the firmware" guest_sh p 60 \
		'echo core >/sys/power/pm_test; echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo mem >/sys/power/state; memsum 1'
	guest_clean p "$text"
	guest_kill p
done
kvm_unload
dmesg_clean
