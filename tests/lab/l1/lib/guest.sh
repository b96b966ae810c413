# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # monitor.sh reads GUEST_MIGRATE
# A guest from its start to its end: QEMU's arguments, what is read from the guest's serial console, and what it is
# told there.

# Settings for the next guest; a scenario changes them before it calls guest().
GUEST_SMP=1
GUEST_MEM=96
# What a guest's kernel that watches itself takes besides: a larger image, KASAN's shadow, objects that it keeps from being
# used again, lockdep's tables.
DEBUG_MEM=256
GUEST_REBOOT=0	# 1: QEMU starts the guest again when it reboots
GUEST_QEMU=	# more QEMU arguments
GUEST_MIGRATE=	# see guest_migrate
GUEST_BZIMAGE=${GUEST_BZIMAGE:-/lab/guest/bzImage}
GUEST_INITRAMFS=${GUEST_INITRAMFS:-/lab/guest/initramfs.cpio}
GUEST_VMM=${GUEST_VMM:-qemu-system-x86_64-microvm}
# Without ERMS (the kernel of an emulated host has cleared it, but QEMU 10 asks the CPU itself), since an emulator counts each
# of the 4,096 steps of a REP STOSB, with which a guest would clear a page.
GUEST_CPU=host,-erms
GUEST_ACCEL='-accel kvm'
GUEST_MACHINE=microvm,x-option-roms=off,pit=on,pic=on,rtc=on,isa-serial=on

# guest NAME [CMDLINE WORD...]: start a guest in the background. GUEST_WORDS: for all guests of a run, after theirs.
guest() {
	guest_name=$1
	shift
	[ $GUEST_REBOOT = 1 ] || GUEST_QEMU="$GUEST_QEMU -no-reboot"
	rm -f "$RUN/$guest_name".*
	mkfifo "$RUN/$guest_name.in" "$RUN/$guest_name.out" "$RUN/$guest_name.mon.in" "$RUN/$guest_name.mon.out"
	# Keeps what the guest has written until it is read, even after QEMU has ended.
	sleep 1000000 <>"$RUN/$guest_name.in" >&0 3<>"$RUN/$guest_name.out" \
		4<>"$RUN/$guest_name.mon.in" 5<>"$RUN/$guest_name.mon.out" &
	echo $! >"$RUN/$guest_name.holder"
	# shellcheck disable=SC2086 # GUEST_QEMU and GUEST_ACCEL are lists of words
	$GUEST_VMM -M "$GUEST_MACHINE" $GUEST_ACCEL -cpu "$GUEST_CPU" -smp "$GUEST_SMP" -m $((GUEST_MEM + (GUEST_DEBUG ? DEBUG_MEM : 0))) \
		-name "$guest_name,debug-threads=on" -nodefaults -no-user-config -display none \
		-L /usr/share/qemu -kernel "$GUEST_BZIMAGE" -initrd "$GUEST_INITRAMFS" \
		-chardev pipe,id=serial,path="$RUN/$guest_name" -serial chardev:serial \
		-chardev pipe,id=mon,path="$RUN/$guest_name.mon" -mon chardev=mon $GUEST_QEMU \
		-append "console=ttyS0 quiet reboot=t panic=-1 $* ${GUEST_WORDS:-}" >>"$RUN/qemu.log" 2>&1 &
	echo $! >"$RUN/$guest_name.pid"
	GUEST_QEMU=
}

guest_alive() {
	# No fork: this also runs every two seconds of a measurement.
	read -r alive_pid <"$RUN/$1.pid" && kill -0 "$alive_pid" 2>/dev/null
}

# read_line FIFO SECONDS: the next line, in LINE, if it begins within so many seconds. busybox's read
# throws away what it has of a line when its time is over; hence the first character by itself.
# shellcheck disable=SC3045 # busybox has -n and -t
read_line() {
	IFS= read -r -n 1 -t "$2" LINE <"$1" || return
	[ -n "$LINE" ] || return 0
	IFS= read -r -t 10 line_rest <"$1" || return
	LINE=$LINE$line_rest
	LINE=${LINE%"$CR"}
}

# guest_line NAME: writes LINE, of the console of this guest, to the log, and to the file that consoles_clean looks at.
guest_line() {
	echo "$1| $LINE"
	[ -e "$RUN/$1.crashes" ] || echo "$1| $LINE" >>"$RUN"/consoles
}

# guest_crashes NAME: it is to crash. consoles_clean does not look at what its console says from now on.
guest_crashes() { : >"$RUN/$1.crashes"; }

# guest_read NAME SECONDS [BUSY]: next line of the guest's serial console, in LINE and in the log; it is waited for
# SECONDS, or BUSY seconds in which the host was not idle.
guest_read() {
	host_seconds
	read_until=$((now + $2 * SLOW))
	read_busy=$((busy + ${3:-$2} * SLOW))
	while :; do
		if read_line "$RUN/$1.out" 2; then
			guest_line "$1"
			return 0
		fi
		if ! guest_alive "$1"; then
			say "note: guest $1 has ended: $(tail -n 1 "$RUN/qemu.log")"
			return 1
		fi
		host_seconds
		if [ "$now" -ge $read_until ] || [ "$busy" -ge $read_busy ]; then
			# Should it have the CPU before all others, its monitor cannot answer.
			vcpu_last "$1"
			say "note: guest $1 wrote nothing for $((now - read_until + $2 * SLOW)) s"
			! interrupted_twice "$1" || say "emulator - guest $1 got one interrupt twice and spins for ever"
			return 1
		fi
	done
}

# Seconds since the host's boot, in $now, and those in which its CPU was not idle, in $busy; without a fork, as this runs amid
# measurements. With several CPUs idle times are those of all.
host_seconds() {
	read -r now host_idle <"$PROC/uptime"
	now=${now%.*}
	busy=$((now - ${host_idle%.*}))
}

# guest_expect NAME PATTERN SECONDS: read until a line matches the shell pattern (LINE holds it).
guest_expect() {
	while guest_read "$1" "$3"; do
		# shellcheck disable=SC2254 # it is a pattern
		case $LINE in
		$2) return 0 ;;
		"G: FAIL"*) return 1 ;;
		esac
	done
	return 1
}

# guest_say NAME TEXT: one line of input; the answer to a mark is an empty one.
guest_say() { echo "$2" >"$RUN/$1.in"; }

# guest_sh NAME SECONDS COMMAND: run it in a guest that has printed "G: ready"; its status.
guest_sh() {
	guest_say "$1" "$3"
	guest_expect "$1" 'G: rc=*' "$2" || return 1
	return "${LINE#G: rc=}"
}

# guest_clean NAME [TEXT]: its kernel has reported nothing, and if it is one that watches itself, it still does: lockdep
# stops at its first report. Its log has warnings that the console is spared.
guest_clean() {
	clean_text=${2:-guest $1}
	check "$clean_text: its kernel's log is clean" guest_sh "$1" 60 "! dmesg | grep -E '$COMPLAINTS'"
	[ "$GUEST_DEBUG" = 0 ] ||
		check "$clean_text: lockdep is on" guest_sh "$1" 60 "grep -q 'debug_locks: *1\$' /proc/lockdep_stats"
}

# guest_hits NAME ROUNDTRIPS [COMMAND...]: two tasks switch, started by COMMAND, 99 of 100 times by the table.
# With more tasks than the CPU has targets for, hits are chance.
guest_hits() {
	hits_guest=$1 hits_trips=$2
	shift 2
	guest_sh "$hits_guest" 120 \
		"h=\$(cat /sys/kernel/debug/kvm_paravirt/hit); LAB_MARKS=0 $* pipe $hits_trips; [ \$((\$(cat /sys/kernel/debug/kvm_paravirt/hit) - h)) -gt $((hits_trips * 198 / 100)) ]"
}

# guest_wait NAME SECONDS: until its QEMU has ended.
guest_wait() {
	wait_left=$(($2 * 10 * SLOW))
	while guest_alive "$1"; do
		[ "$wait_left" -gt 0 ] || return 1
		sleep 0.1
		wait_left=$((wait_left - 1))
	done
	guest_kill "$1"
}

# guest_kill NAME: end its QEMU, whatever it does, and read what nobody has read of its console.
guest_kill() {
	read -r kill_pid <"$RUN/$1.pid"
	read -r kill_holder <"$RUN/$1.holder"
	kill -9 "$kill_pid" 2>/dev/null
	wait "$kill_pid" 2>/dev/null
	# In the background: the pipe may be full. The holder keeps it open until that has been read.
	printf '\nLAB: end\n' >"$RUN/$1.out" &
	while read_line "$RUN/$1.out" 10 && [ "$LINE" != "LAB: end" ]; do
		[ -z "$LINE" ] || guest_line "$1"
	done
	kill -9 "$kill_holder" 2>/dev/null
	wait "$kill_holder" $! 2>/dev/null
	rm -f "$RUN/$1.pid" "$RUN/$1.holder"
}
