# SPDX-License-Identifier: GPL-2.0
# Functions for scenarios; ../README.md has the table. Runs in busybox ash inside the emulated
# host. One line of output in ten thousand is looked at by a person, every one of them by "run".
# shellcheck shell=dash
#
# From /lab/env: MACHINE (vmx or svm), HOST_SERIES (of its Linux), VENDOR_MODULE (kvm-intel or kvm-amd), MODULE_DEPS,
# HOST_DEBUG and GUEST_DEBUG (1: KASAN, lockdep and the like in the kernel of the host, of its guests). What has a default here is set by
# ../../hardware, which uses these functions on a real host.

RUN=${RUN:-/run/lab}
SYS=${SYS:-/sys}
PROC=${PROC:-/proc}
HOST_DEBUG=${HOST_DEBUG:-0}
GUEST_DEBUG=${GUEST_DEBUG:-0}
# A kernel that watches itself is slower.
SLOW=$(((HOST_DEBUG ? 6 : 1) * (GUEST_DEBUG ? 6 : 1)))
# What a kernel writes when something is wrong with it: an extended regular expression.
COMPLAINTS='WARNING:|BUG:|INFO: trying to register|Objects remaining in|Oops|general protection|Call Trace|rcu.*stall|[Kk][Vv][Mm].*error'
CR=$(printf '\r')
# The module's parameter for two-dimensional paging.
case $MACHINE in
vmx) PAGING=ept ;;
svm) PAGING=npt ;;
esac
mkdir -p "$RUN"

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
GUEST_ACCEL='-accel kvm -cpu host'
GUEST_MACHINE=microvm,x-option-roms=off,pit=on,pic=on,rtc=on,isa-serial=on

say() { echo "LAB: $*"; }
ok() { say "ok - $*"; }
not_ok() { say "not ok - $1 # ${2:-}"; }
# Also kept, one a line, for what compares them.
rec() {
	say "rec $1"
	echo "$1" >>"$RUN"/records
}

# check TEXT COMMAND...: ok if the command succeeds, not ok otherwise.
check() {
	check_text=$1
	shift
	if "$@"; then ok "$check_text"; else not_ok "$check_text" "failed: $*"; fi
}

scenario_end() {
	for pid_file in "$RUN"/*.pid; do
		[ -e "$pid_file" ] || continue
		guest_kill "$(basename "$pid_file" .pid)"
	done
	[ ! -e "$RUN"/consoles ] || consoles_clean
	[ "$HOST_DEBUG" = 0 ] || debug_clean
	say "done"
}

# dmesg_clean: neither the host kernel nor QEMU has complained.
dmesg_clean() {
	dmesg >"$RUN"/dmesg
	# Where no QEMU ran there is no log of it, and grep fails whatever it has found.
	grep -hE "$COMPLAINTS" "$RUN"/dmesg "$RUN"/qemu.log >"$RUN"/bad 2>/dev/null || :
	if [ -s "$RUN"/bad ]; then
		not_ok "logs of host kernel and QEMU are clean" "$(head -n 1 "$RUN"/bad)"
		tail -n 40 "$RUN"/dmesg "$RUN"/qemu.log
	else
		ok "logs of host kernel and QEMU are clean"
	fi
}

# consoles_clean: nor has a guest's kernel, on its console. Its lines have a time, others' are not meant.
consoles_clean() {
	check "consoles of guests are clean" eval "! grep -E '\\[ *[0-9]+\\.[0-9]+\\] .*($COMPLAINTS)' '$RUN/consoles'"
}

# debug_clean: on a kernel that watches itself, nothing was reported to the end, nothing was left behind in
# memory, and it still watches: lockdep stops at its first report, also at one from before init.
debug_clean() {
	dmesg_clean
	check "lockdep is on" grep -q 'debug_locks: *1$' /proc/lockdep_stats
	# What is younger than five seconds is not told.
	sleep 6
	check "kmemleak scans" sh -c 'for _ in 1 2; do echo scan >/sys/kernel/debug/kmemleak || exit; done'
	cat /sys/kernel/debug/kmemleak >"$RUN"/leaks
	if [ -s "$RUN"/leaks ]; then
		not_ok "no memory leaks" "$(grep -c '^unreferenced' "$RUN"/leaks) objects"
		head -n 100 "$RUN"/leaks
	else
		ok "no memory leaks"
	fi
}

# --- modules

# kvm_load stock|ours [PARAM=VALUE...]: shadow paging unless a parameter says otherwise.
kvm_load() {
	kvm_kind=$1
	shift
	for module in $MODULE_DEPS; do
		grep -q "^$(echo "$module" | tr - _) " /proc/modules || insmod "/modules/$module.ko" || return 1
	done
	set -- "$PAGING=0" "$@"
	if [ ! -e "/modules/$kvm_kind/$VENDOR_MODULE.ko" ]; then
		not_ok "load $kvm_kind $VENDOR_MODULE" "the module is not in the image: build it, or give run -j"
		return 1
	fi
	insmod "/modules/$kvm_kind/$VENDOR_MODULE.ko" "$@" && ok "load $kvm_kind $VENDOR_MODULE $*" && return
	not_ok "load $kvm_kind $VENDOR_MODULE $*" "$(dmesg | tail -n 1)"
	return 1
}

kvm_unload() {
	# A QEMU that has just ended holds /dev/kvm a moment longer.
	for _ in 1 2 3 4 5; do
		rmmod "$VENDOR_MODULE" 2>/dev/null && return
		sleep 1
	done
	not_ok "unload $VENDOR_MODULE" "still in use"
	return 1
}

# --- guests

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
	$GUEST_VMM -M "$GUEST_MACHINE" $GUEST_ACCEL -smp "$GUEST_SMP" -m $((GUEST_MEM + (GUEST_DEBUG ? DEBUG_MEM : 0))) \
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

# guest_line NAME: LINE is of its console: into the log, and to what consoles_clean looks at.
guest_line() {
	echo "$1| $LINE"
	[ -e "$RUN/$1.crashes" ] || echo "$1| $LINE" >>"$RUN"/consoles
}

# guest_crashes NAME: on purpose. What its console says from now on is not for consoles_clean.
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

# Input that comes before the serial port's state has been read is lost.
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
	# shellcheck disable=SC2034 # scenarios tell it
	SYNCS=${LINE##* }
	guest_kill "$move_from"
	guest_running "$move_to"
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

# --- a guest that verifies memory whatever happens to it

# busy_guest NAME [WORD...]: starts a guest with both, the option and the work.
busy_guest() {
	busy_name=$1
	shift
	guest "$busy_name" nopti kvm_paravirt=1 "$@" lab=serve
	get_busy "$busy_name" "guest is up${*:+ with $*}"
}

# get_busy NAME TEXT: the guest comes up, for the first time or again; and then its work.
get_busy() {
	check "$2" guest_expect "$1" 'G: ready' 120
	guest_sh "$1" 60 busy
	goes_on "$1" "$2"
}

# goes_on NAME TEXT [suspended]: its work has gone on, and as from then on the host takes its CR3 loads: by the table,
# unless it is AMD's, or suspended.
goes_on() {
	goes=miss goes_not=hit
	if [ "$MACHINE:${3:-}" = vmx: ]; then
		goes=hit goes_not=native
	fi
	check "$2: memory is right" guest_sh "$1" 60 "still_busy 1"
	# How many of them hit is chance: it switches more tasks than the table holds.
	check "$2: CR3 is loaded by a $goes, never by a $goes_not" guest_sh "$1" 60 \
		"gained 3 && [ \$((hit + miss)) -gt 20 ] && [ \$$goes -gt 0 ] && [ \$$goes_not = 0 ] && [ \$native = 0 ]"
}

# registrations TEXT N: so many vCPUs are registered with the host.
registrations() {
	read -r reg <"$SYS"/kernel/debug/kvm_paravirt_host/registered
	read -r unreg <"$SYS"/kernel/debug/kvm_paravirt_host/unregistered
	check "$1: registered vCPUs: $2" [ $((reg - unreg)) = "$2" ]
}

# 2800 switches between 8 address spaces.
RING8="LAB_MARKS=0 pipe 250 8"

stash_reads() {
	read -r stashed <"$SYS"/kernel/debug/kvm_paravirt_host/stash_switches &&
		read -r missed <"$SYS"/kernel/debug/kvm_paravirt_host/load_cr3_missed
}

# uses_stash NAME: a guest with one vCPU, and the host answers its loads of CR3 from the stash. The ring takes 2,800 switches between
# 8 address spaces, or more: Linux 7.x mostly runs who is woken at once, and who has woken once more, so that these are 4,100. A
# load that is no hit mostly takes the place of the one that is left: were it always so, three of seven
# would be hits, and of 2,800 loads 1,600 come from the stash. One in eight takes the place of another, which is then no hit at its
# turn. Those that fill the stash are left for KVM.
uses_stash() {
	stash_reads
	guest_say "$1" "s=\$(grep ctxt /proc/stat); $RING8 && echo \"G: switches \$((\$(grep ctxt /proc/stat | cut -c 6-) - \${s#ctxt }))\""
	check "a ring of 8 processes" guest_expect "$1" "G: switches *" 120
	switches=0
	case $LINE in
	"G: switches "*)
		switches=${LINE##* }
		guest_expect "$1" "G: rc=0" 60
		;;
	esac
	stashed_before=$stashed missed_before=$missed
	stash_reads
	stashed=$((stashed - stashed_before)) missed=$((missed - missed_before))
	check "what is no hit comes from the stash ($stashed of $switches switches)" [ "$stashed" -gt 1500 ]
	check "a third and more of them are hits" [ $((3 * stashed)) -lt $((2 * switches)) ]
	check "hardly one is left for KVM ($missed)" [ "$missed" -lt 150 ]
}

# event_clear NAME: count anew how often KVM's tracepoint was passed; event_hits NAME prints it.
event_clear() {
	echo 'hist:keys=common_pid' >"$SYS/kernel/tracing/events/$1/trigger"
	echo 'hist:keys=common_pid:clear' >>"$SYS/kernel/tracing/events/$1/trigger"
}

event_hits() { awk '$1 == "Hits:" { print $2 }' "$SYS/kernel/tracing/events/$1/hist"; }

# kexec_root FILE: the guest's root with kernel and root of the guest in /boot, and the host's kernel if the image has it.
kexec_root() {
	mkdir -p "$RUN"/kexec/boot
	ln /lab/guest/bzImage /lab/guest/initramfs.cpio "$RUN"/kexec/boot/
	[ ! -e /boot/vmlinuz ] || ln /boot/vmlinuz "$RUN"/kexec/boot/
	cat /lab/guest/initramfs.cpio >"$1"
	(cd "$RUN"/kexec && find . | cpio -o -H newc 2>/dev/null) >>"$1"
}

# --- a guest that does what it must not

# hostile_guest [WORD...]: nobody in it registers but the module.
hostile_guest() {
	guest h nopti kvm_paravirt=0 "$@" lab=serve
	guest_expect h 'G: ready' 120 && hostile_insmod && return
	not_ok "hostile guest is up" "no module for this guest kernel? see make.log"
	guest_kill h
	return 1
}

hostile_insmod() {
	guest_sh h 60 "insmod /bin/kvmpv_hostile.ko cr4_update=0x\$(grep ' cr4_update_irqsoff\$' /proc/kallsyms | cut -c 1-16)"
}

# hostile GROUP [COMMAND]: each case of a group is a check.
hostile() {
	group=$1 cases=0 total=none
	guest_say h "${2:-cat /sys/kernel/debug/kvmpv_hostile/$1}"
	while guest_read h 240; do
		case $LINE in
		"G: case "*)
			cases=$((cases + 1))
			# shellcheck disable=SC2086 # words are meant
			set -- $LINE
			if [ "$4" = "$5" ]; then
				ok "$group: $3 ($4)"
			else
				not_ok "$group: $3" "wanted $4, got $5"
			fi
			;;
		"G: group $group "*) total=${LINE##* } ;;
		"G: rc="*) break ;;
		esac
	done
	check "$group: all $cases cases told" [ "$cases" = "$total" -a "$cases" != 0 ]
}

# --- the small guests

# checks_of PROGRAM [ARGUMENT...]: runs a VMM that checks; its checks and notes. All it has written is in $RUN/PROGRAM.
checks_of() {
	checks_file=$RUN/$1
	command "$@" >"$checks_file" 2>&1
	checks_status=$?
	sed -n 's/^\(ok - \|not ok - \|note: \|cost: \)/LAB: &/p' "$checks_file" | sed 's/^LAB: cost: /LAB: note: cost: /'
	grep -q '^\(not \)\?ok - ' "$checks_file" || not_ok "$*" "it ended without a word: $checks_status"
	return $checks_status
}

# tiny MODE [OPTION...]: ../tiny/README.md
tiny() { checks_of tiny "$@"; }

# --- measuring

EVENTS=$SYS/kernel/tracing/events/kvm
# What the TSC counts: in the emulators, instructions.
CLOCK_METRIC=${CLOCK_METRIC:-insns_per_op}

# Exit reasons that are CR accesses: VMX 28; SVM reads and writes of CR0, CR3, CR4.
cr_reasons() {
	case $MACHINE in
	vmx) echo 28 ;;
	svm) echo '(0|3|4|16|19|20|101)' ;;
	esac
}

# hist_clear: count anew, exits by reason and port accesses by port and value.
hist_clear() {
	echo 'hist:keys=exit_reason' >"$EVENTS"/kvm_exit/trigger
	echo 'hist:keys=exit_reason:clear' >>"$EVENTS"/kvm_exit/trigger
	echo 'hist:keys=port,val' >"$EVENTS"/kvm_pio/trigger
	echo 'hist:keys=port,val:clear' >>"$EVENTS"/kvm_pio/trigger
}

hist_stop() {
	echo '!hist:keys=exit_reason' >>"$EVENTS"/kvm_exit/trigger
	echo '!hist:keys=port,val' >>"$EVENTS"/kvm_pio/trigger
}

# Lines "{ exit_reason: 30 } hitcount: 7" and "{ port: 32, val: 96 } hitcount: 7", with more blanks, to
# "reason:30 7" and "port:32:96 7".
hist_read() {
	awk '$1 == "{" {
		count = $0
		sub(/.*hitcount: */, "", count)
		sub(/,/, "", $3)
		print $2 == "port:" ? "port:" $3 ":" $5 : "reason:" $3, count + 0
	}' "$EVENTS"/kvm_exit/hist "$EVENTS"/kvm_pio/hist
}

# counters: all that is counted, "NAME VALUE": KVM's statistics of the VMs that there are, this machine's
# time and its idle time in ns, in pass "exits" the histograms. Statistics are read without a fork.
counters() {
	for stat in "$SYS"/kernel/debug/kvm/*; do
		[ ! -f "$stat" ] || ! read -r count _ <"$stat" || echo "${stat##*/} $count"
	done
	awk '$1 == "now" { print "now", $3 } $1 == ".idle_sleeptime" { idle += $3 } END { print "idle", idle + 0 }' \
		"$PROC/timer_list"
	[ "$pass" != exits ] || hist_read
}

# counted FILE: what the counters have gained since FILE, "NAME COUNT".
counted() {
	counters | awk 'NR == FNR { was[$1] = $2; next } $2 != was[$1] { print $1, $2 - was[$1] }' "$1" -
}

# gained REGEX...: how much the counters with these names gained during the work, less what they gained
# during "null".
gained() {
	awk -v names="^($1)\$" '$1 ~ names { n += FILENAME ~ /null$/ ? -$2 : $2 } END { print n + 0 }' \
		"$RUN"/null "$RUN"/counted
}

# The directory in /proc of the thread that is the guest's vCPU 0, in VCPU.
find_vcpu() {
	read -r vcpu_pid <"$RUN/$1.pid"
	for VCPU in "/proc/$vcpu_pid/task"/*; do
		! grep -q '^CPU 0/' "$VCPU/comm" || return 0
	done
	not_ok "find the vCPU's thread" "no 'CPU 0/' in process $vcpu_pid"
	return 1
}

# The guest's clock does not stop while others have the CPU: they get it only while vCPU 0 sleeps, and, lest a guest that hangs
# does so unseen, for a tenth of a second when it has not slept for ten.
vcpu_first() {
	[ "$GUEST_SMP" = 1 ] || return 0
	echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	echo 10000000 >/proc/sys/kernel/sched_rt_period_us
	echo 9900000 >/proc/sys/kernel/sched_rt_runtime_us
	find_vcpu "$1" && chrt -f -p 1 "${VCPU##*/}"
}

vcpu_last() {
	[ "$GUEST_SMP" != 1 ] || { find_vcpu "$1" && chrt -o -p 0 "${VCPU##*/}"; }
}

# For how many ns the guest's vCPU 0 has waited for its CPU: what it was charged for others.
vcpu_waited() {
	find_vcpu "$1" >&2 || return
	read -r _ waited _ <"$VCPU/schedstat"
	echo "$waited"
}

# metric NAME COUNT OPS: a record of the work in $fields.
metric() { rec "$fields,\"metric\":\"$1\",\"value\":$(awk -v n="$2" -v ops="$3" 'BEGIN { printf "%.4f", n / ops }')"; }

# For how many seconds of the emulated host, those apart in which it is idle, a guest that measures may say nothing. No work
# takes two, of 10^9 instructions each; one that hangs is to be seen soon.
SILENCE=8

# METRIC:NAME...: further counters, of KVM's, that become records in the pass "insns".
STATS=

# measure NAME CONFIG SECONDS [BUSY]: answer the marks of a guest that runs
# lab=pass:insns,null,WORKS,pass:exits,null,WORKS and turn its results into records. "null", first in
# each pass, is what the marks cost by themselves. Exits and instructions are of the same run: what
# hackbench does differs from one to the next.
measure() {
	pass=''
	while guest_read "$1" "$3" "${4:-$3}"; do
		case $LINE in
		"G: pass "*)
			pass=${LINE#G: pass }
			vcpu_first "$1" || return
			guest_say "$1" ""
			;;
		"G: mark begin "*)
			[ "$pass" != exits ] || hist_clear
			counters >"$RUN"/before
			# Last here and first there: what is done to measure has the CPU, too.
			before=$(vcpu_waited "$1")
			guest_say "$1" ""
			;;
		"G: mark end "*)
			stolen=$(($(vcpu_waited "$1") - before))
			counted "$RUN"/before >"$RUN"/counted
			[ "$pass" != exits ] || hist_stop
			say "counted, ${LINE#G: mark end }: $(tr ' \n' ': ' <"$RUN"/counted)"
			guest_say "$1" ""
			;;
		"G: work="*) measured "$2" ;;
		"G: least "*) rec "$fields,\"metric\":\"least_insns\",\"value\":${LINE#G: least }" ;;
		"G: FAIL"*) not_ok "$2 guest" "$LINE" ;;
		"G: done") return 0 ;;
		esac
	done
	not_ok "$2 guest ran to its end" "last line: $LINE"
	return 1
}

# One result line, in LINE. WORK_SUFFIX: what a scenario adds to the works' names.
measured() {
	# shellcheck disable=SC2086 # words are meant
	set -- "$1" ${LINE#G: }
	work=${2#work=} ops=${3#ops=} tsc=${4#tsc=}
	if [ "$work" = null ]; then
		mv "$RUN"/counted "$RUN"/null
		return
	fi
	work=$work${WORK_SUFFIX:-}
	fields="\"work\":\"$work\",\"config\":\"$1\",\"ops\":$ops,\"switches\":${5#switches=}"
	case $1:$work in
	tcg:*) insns "$1" ;;
	*:idle|*:pic_timer|*:pic_slave) interrupts ;;
	*)
		exits
		[ "$pass" != insns ] || insns "$1"
		;;
	esac
}

exits() {
	case $pass in
	insns)
		[ "$(gained exits)" -gt 0 ] || not_ok "$work exits" "KVM has counted none"
		metric exits_per_op "$(gained exits)" "$ops"
		metric io_exits "$(gained io_exits)" "$ops"
		for stat in $STATS; do
			metric "${stat%%:*}" "$(gained "${stat#*:}")" "$ops"
		done
		;;
	exits)
		grep -q '^reason:' "$RUN"/counted || not_ok "$work exits" "the histogram is empty"
		metric cr_exits_per_op "$(gained "reason:$(cr_reasons)")" "$ops"
		# Not KVM's statistic: it counts the pages of a flush call, too.
		case $MACHINE in
		vmx) metric invlpg_exits "$(gained reason:14)" "$ops" ;;
		svm) metric invlpg_exits "$(gained reason:121)" "$ops" ;;
		esac
		sed -n 's/^reason:\([0-9]*\) .*/\1/p' "$RUN"/counted | while read -r reason; do
			metric "exits_per_op:$reason" "$(gained "reason:$reason")" "$ops"
		done
		ok "$work exits by reason"
		;;
	esac
}

insns() {
	if [ "$GUEST_SMP" != 1 ]; then
		# The TSC goes on while both vCPUs are idle: what counts is all that the machine executed meanwhile. A vCPU that
		# spins, waiting for the other's work, has no such number.
		[ "${work%_smp}" = munmap33 ] || metric insns_per_op $(($(gained now) - $(gained idle))) "$ops"
		return
	fi
	metric "$CLOCK_METRIC" "$tsc" "$ops"
	# Two per cent: more than that, and the machine measured something else as well.
	check "$1 $work instructions, CPU not shared ($stolen of $tsc ns)" [ $((stolen * 50)) -lt "$tsc" ]
}

# An operation is an interrupt. What the guest does meanwhile is sleep: not its instructions count, but
# all of the machine's that it did not idle away.
interrupts() {
	check "$work: interrupts came ($ops)" [ "$ops" -ge 9 ]
	case $pass in
	insns)
		seconds=$(awk -v ns="$tsc" 'BEGIN { print ns / 1e9 }')
		metric exits_per_tick "$(gained exits)" "$ops"
		metric exits_per_s "$(gained exits)" "$seconds"
		metric host_insns_per_s $(($(gained now) - $(gained idle))) "$seconds"
		;;
	exits)
		case $work in
		# The acknowledgements of the two controllers, or of the slave with what it costs at the master:
		# specific EOI 0x62, of the cascade.
		pic_slave) metric io_exits "$(gained 'port:(160|161):.*|port:32:98')" "$ops" ;;
		*) metric io_exits "$(gained 'port:(32|33|160|161):.*')" "$ops" ;;
		esac
		;;
	esac
}

# works CONFIG MODULE WORKS [PARAM=VALUE...] -- WORD...: measure WORKS in a guest booted with WORDs, on that module.
works() {
	works_config=$1 works_module=$2 works_list=$3 works_params=
	shift 3
	while [ "$1" != -- ]; do
		works_params="$works_params $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # words are meant
	kvm_load "$works_module" $works_params || return
	# What is done several times, to know how far it differs, is traced once.
	guest m nopti "$@" "lab=pass:insns,null,$works_list,pass:exits,null,$(echo "$works_list" | sed 's/\(:[0-9]*\)x[0-9]*/\1/g')"
	if [ "$works_config" = paravirt ]; then
		# SVM has no CR3 targets, but all the rest; GUEST_WORDS may leave them out.
		works_offer='*'
		case $MACHINE:${GUEST_WORDS:-} in
		*kvm_paravirt=*) ;;
		vmx:*) works_offer='cr3-cache(4)*' ;;
		esac
		check "$works_config guest uses the interface" guest_expect m "G: kvm-paravirt: host ABI v1: $works_offer" 60
	fi
	measure m "$works_config" 240 $SILENCE
	guest_wait m 60 || not_ok "$works_config guest powers off" "still there after 60 s"
	kvm_unload
}

# compare WORKS CONFIG... [-- WORD...]: measure WORKS in each configuration, in guests booted with WORDs.
compare() {
	compare_works=$1 compare_configs=
	shift
	while [ $# != 0 ] && [ "$1" != -- ]; do
		compare_configs="$compare_configs $1"
		shift
	done
	[ $# = 0 ] || shift
	for config in $compare_configs; do
		case $config in
		stock) works stock stock "$compare_works" -- kvm_paravirt=0 "$@" ;;
		paravirt) works paravirt ours "$compare_works" -- kvm_paravirt=1 "$@" ;;
		ept) works ept stock "$compare_works" "$PAGING=1" -- kvm_paravirt=0 "$@" ;;
		*) not_ok "measure $config" "no configuration of that name" ;;
		esac
	done
}

# --- memory that the host has not mapped yet

# kvm_form FORM [PARAM=VALUE...]: KVM with EPT or NPT: the stock module, which is to use huge pages (huge) or none (stock); ours
# without huge pages, which maps around a fault what is present, or blocks of so many pages (blockN), or nothing (ours), or only what the
# guest asks for (asked).
kvm_form() {
	form=$1
	shift
	echo never >"$SYS"/kernel/mm/transparent_hugepage/enabled
	case $form in
	stock) kvm_load stock "$PAGING=1" "$@" ;;
	huge) echo always >"$SYS"/kernel/mm/transparent_hugepage/enabled && kvm_load stock "$PAGING=1" "$@" ;;
	ours) kvm_load ours "$PAGING=1" "$@" ;;
	asked) kvm_load ours "$PAGING=1" populate=1 "$@" ;;
	*) kvm_load ours "$PAGING=1" "populate=${form#block}" "$@" ;;
	esac
}

# boot_mark, and booted NAME CONFIG: records of what happened between them, the boot of guest NAME.
boot_mark() {
	pass=insns
	: >"$RUN"/null
	counters >"$RUN"/before
}

booted() {
	counted "$RUN"/before >"$RUN"/counted
	work=boot_ept ops=1
	fields="\"work\":\"$work\",\"config\":\"$2\",\"ops\":1,\"switches\":0"
	exits
	metric "$CLOCK_METRIC" $(($(gained now) - $(gained idle))) 1
	resident "$1"
}

# touched NAME CONFIG ITEM...: measures ITEMs in guest NAME, which runs "serve".
touched() {
	touched_name=$1 touched_config=$2
	shift 2
	guest_say "$touched_name" "item pass:insns; item null; for w in $*; do item \$w; done; echo G: done"
	measure "$touched_name" "$touched_config" 240 && guest_expect "$touched_name" 'G: rc=*' 60 && resident "$touched_name"
}

# rss_kb NAME: KiB of memory that its QEMU has.
rss_kb() {
	read -r rss_pid <"$RUN/$1.pid"
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$rss_pid/status"
}

# resident NAME: a record of the last work, of how much memory QEMU then has.
resident() { metric resident_kb "$(rss_kb "$1")" 1; }

# --- guests that do not use the interface

# storm CONFIG WORK...: what exits cost in guest "m", which runs "serve"; see guest/exits.c.
storm() {
	storm_config=$1
	shift
	guest_say m "item pass:insns; item null; for w in $*; do item \$w; done; echo G: done"
	measure m "$storm_config" 240
	guest_expect m 'G: rc=*' 60
}

# recorded CONFIG METRIC WORK
recorded() {
	sed -n "s/^\"work\":\"$3\",\"config\":\"$1\",.*\"metric\":\"$2\",\"value\":\([0-9.]*\)\$/\1/p" "$RUN"/records
}

# no_dearer TEXT CONFIG BASE MORE WORK...: of CONFIG against BASE. MORE instructions an operation, or N/1000 of those of BASE.
# Exits an operation are rounded: a clock ticks.
no_dearer() {
	dearer_text=$1 dearer_config=$2 dearer_base=$3 dearer_bar=$4
	shift 4
	for work; do
		work=${work%%:*}
		set -- "$(recorded "$dearer_base" exits_per_op "$work")" "$(recorded "$dearer_config" exits_per_op "$work")" \
			"$(recorded "$dearer_base" least_insns "$work")" "$(recorded "$dearer_config" least_insns "$work")"
		check "$dearer_text: $work: as many exits an operation, $1, $2" \
			awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0.5 && int(a + 0.5) == int(b + 0.5)) }'
		check "$dearer_text: $work: at most $dearer_bar instructions more, $3, $4" \
			awk -v a="$3" -v b="$4" -v bar="$dearer_bar" 'BEGIN {
				more = bar ~ /\/1000$/ ? a * bar / 1000 : bar + 0
				exit !(a > 0 && b > 0 && b - a <= more)
			}'
	done
}
