# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # run reads CLOCK
# Page table isolation in a guest: how often its system calls leave for an access to CR3, and that nothing is wrong with
# what runs under it, 32-bit programs and NMIs in between included.
CLOCK="instructions"
PTI=/sys/devices/system/cpu/vulnerabilities/meltdown

# A system call of the kernel without the series reads CR3 and writes it on the way in and on the way out: 4. A pipe:
# two calls a switch, and the switch: 9.
works pti stock "syscall:20000,pipe:1000" -- pti=on kvm_paravirt=0

# exits_are WORK MOST
exits_are() {
	set -- "$1" "$2" "$(recorded pti cr_exits_per_op "$1")"
	check "$1: $3 accesses to CR3 an operation exit, $2" \
		awk -v n="$3" -v most="$2" 'BEGIN { exit !(n > most - 0.1 && n < most + 0.1) }'
}
exits_are syscall 2
exits_are pipe 5

kvm_load ours
for smp in 1 2; do
	GUEST_SMP=$smp
	for words in "" nopcid; do
		text="$smp vCPUs${words:+, $words}"
		# shellcheck disable=SC2086 # words are meant
		guest p pti=on kvm_paravirt=1 $words lab=serve
		check "$text: guest is up" guest_expect p 'G: ready' 120
		check "$text: page tables are isolated" guest_sh p 60 "grep PTI $PTI || dmesg | grep 'page tables isolation: *enabled'"
		check "$text: memory of 8 processes is right" guest_sh p 120 'memsum 4'
		check "$text: suspended and resumed but for the firmware" guest_sh p 60 \
			'echo core >/sys/power/pm_test; echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo mem >/sys/power/state; memsum 1'
		guest_kill p
	done
done
kvm_unload
dmesg_clean
