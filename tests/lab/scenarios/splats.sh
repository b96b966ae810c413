# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Does a guest's kernel that watches itself report what it is there for, and does the lab notice? LKDTM, which is in that
# kernel, makes the mistakes. For run -D only.
PROVOKE=/sys/kernel/debug/provoke-crash/DIRECT

# fresh: starts a guest, with nothing left of the mistakes before. It makes its own ones on purpose.
fresh() {
	guest s nopti kvm_paravirt=1 lab=serve
	check "guest is up" guest_expect s 'G: ready' 120
	guest_clean s
}

# logged TEXT: checks that guest_clean finds the mistake.
logged() {
	guest_clean s >"$RUN"/said
	check "$1: guest_clean says so" grep -q "^LAB: not ok - guest s: its kernel's log" "$RUN"/said
}

# shown TEXT PATTERN: checks that consoles_clean finds the mistake, also in what the scenario had not read when the guest was gone.
shown() {
	guest_kill s
	check "$1: the console tells" grep -qE "$2" "$RUN"/consoles
	consoles_clean >"$RUN"/said
	check "$1: consoles_clean says so" grep -q '^LAB: not ok - ' "$RUN"/said
	rm "$RUN"/consoles
}

kvm_load ours
fresh
guest_sh s 60 "sh -c 'echo WARNING >$PROVOKE'"
logged "a warning"
# A report of KASAN switches lockdep off.
guest_sh s 60 "sh -c 'echo READ_AFTER_FREE >$PROVOKE'"
logged "memory used after it was freed"
shown "memory used after it was freed" 'BUG: KASAN: (slab-)?use-after-free'

fresh
# This mistake returns to user mode with a lock held.
guest_say s "sh -c 'echo SPINLOCKUP >$PROVOKE'; grep . /proc/lockdep_stats"
check "a lock held in user mode: lockdep is off" guest_expect s '*debug_locks: *0' 60
shown "a lock held in user mode" 'BUG: scheduling while atomic|lock held when returning to user space'
kvm_unload
dmesg_clean
