# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # scenarios tell SYNCS
# QEMU's monitor: asks about a guest, and moves it to a file or to another QEMU.

# guest_tell NAME COMMAND: to QEMU's monitor, whatever it answers.
guest_tell() { echo "$2" >"$RUN/$1.mon.in"; }

# guest_ask NAME COMMAND PATTERN: to QEMU's monitor; reads until a line of the answer matches the shell
# pattern (LINE holds it).
guest_ask() {
	guest_tell "$1" "$2"
	ask_left=60
	while guest_alive "$1" && [ $ask_left -gt 0 ]; do
		if ! read_line "$RUN/$1.mon.out" 1; then
			ask_left=$((ask_left - 1))
			continue
		fi
		# shellcheck disable=SC2254 # it is a pattern
		case $LINE in
		$3) return 0 ;;
		esac
	done
	return 1
}

# guest_until NAME COMMAND PATTERN GOOD: asks again and again until what has matched matches GOOD, too.
guest_until() {
	for _ in $(seq 200); do
		guest_ask "$1" "$2" "$3" || return
		# shellcheck disable=SC2254 # it is a pattern
		case $LINE in
		$4) return 0 ;;
		*failed*) break ;;
		esac
		sleep 0.05
	done
	say "note: $1, $2: $LINE"
	return 1
}

# interrupted_twice NAME: has QEMU's TCG, the SVM machine's emulator, delivered one interrupt twice? README.md says
# how that comes about. It leaves a state that nothing else does: three times in a row the vCPU is found waiting for
# a spin lock with interrupts off (RFLAGS bit 9) while an interrupt is in service at the 8259A or the LAPIC. SPIN_FROM and SPIN_TO are the
# addresses of native_queued_spin_lock_slowpath() in the guest's kernel, which is not relocated.
interrupted_twice() {
	[ "$MACHINE" = svm ] && [ -n "${SPIN_FROM:-}" ] || return
	for _ in 1 2 3; do
		guest_ask "$1" 'info registers' 'RIP=*' || return
		echo "$LINE" | awk -v from="RIP=$SPIN_FROM" -v to="RIP=$SPIN_TO" \
			'{ flags = substr($2, 10, 1); exit !($1 >= from && $1 < to && index("014589cd", flags)) }' || return
		guest_ask "$1" 'info pic' 'pic0:*' || return
		in_service=$LINE
		guest_ask "$1" 'info lapic' 'ISR*' || return
		case $in_service/$LINE in
		*isr=00*/*none*) return 1 ;;
		esac
	done
}

# guest_migrate NAME URI: its state goes there while it runs on; at the end it is paused. GUEST_MIGRATE is one more
# command, when it has begun.
guest_migrate() {
	guest_tell "$1" "migrate -d \"$2\""
	[ -z "$GUEST_MIGRATE" ] || guest_tell "$1" "$GUEST_MIGRATE"
	GUEST_MIGRATE=
	guest_until "$1" 'info migrate' 'Migration status: *' '*completed'
}

# guest_running NAME: waits until the guest runs. Input that comes before the state of its serial port has been restored is lost.
guest_running() { guest_until "$1" 'info status' 'VM status: *' '*: running'; }

# guest_save NAME FILE: its state into a file, and the end of its QEMU. guest_restore NAME FILE
# [WORD...] is guest() from there on; the words are not read again unless it reboots.
guest_save() {
	guest_migrate "$1" "exec:cat >$2" || return
	# That waits for cat.
	guest_tell "$1" quit
	guest_wait "$1" 60
}

guest_restore() {
	restore_name=$1 GUEST_QEMU="$GUEST_QEMU -incoming exec:cat<$2"
	shift 2
	guest "$restore_name" "$@"
	guest_running "$restore_name"
}

# guest_move FROM TO [WORD...]: live migration to a second QEMU, and the end of the first; how often it has
# looked for pages written meanwhile, in SYNCS.
guest_move() {
	move_from=$1 move_to=$2 GUEST_QEMU="$GUEST_QEMU -incoming unix:$RUN/$2.sock"
	shift 2
	guest "$move_to" "$@"
	# Its monitor answers when it listens.
	guest_ask "$move_to" 'info status' 'VM status: *' &&
		guest_migrate "$move_from" "unix:$RUN/$move_to.sock" &&
		guest_ask "$move_from" 'info status' 'VM status: *' &&
		guest_ask "$move_from" 'info migrate' 'dirty sync count: *' || return
	SYNCS=${LINE##* }
	guest_kill "$move_from"
	guest_running "$move_to"
}
