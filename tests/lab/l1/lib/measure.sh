# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # compare.sh reads SILENCE
# Measures what a guest does between its marks: exits by reason, instructions, and KVM's statistics become records.
# ../../WRITING.md, "Measuring", says how, and what the figures leave out.

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

# value METRIC VALUE: a record of the work in $fields; metric METRIC COUNT OPS: one of COUNT in OPS operations.
# shellcheck disable=SC2086 # words are meant
value() { rec $fields "metric=$1" "value=$2"; }
metric() { value "$1" "$(awk -v n="$2" -v ops="$3" 'BEGIN { printf "%.4f", n / ops }')"; }

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
			# Read last at this mark and first at the other one, since measuring takes the CPU from the guest, too.
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
		"G: least "*) value least_insns "${LINE#G: least }" ;;
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
	fields="work=$work config=$1 ops=$ops $5"
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
		# The marks' own exits are among these. A work may have none under EPT.
		grep -q '^exits [1-9]' "$RUN"/counted || not_ok "$work exits" "KVM has counted none"
		metric exits_per_op "$(gained exits)" "$ops"
		metric io_exits "$(gained io_exits)" "$ops"
		for stat in $STATS; do
			metric "${stat%%:*}" "$(gained "${stat#*:}")" "$ops"
		done
		;;
	exits)
		grep -q '^reason:' "$RUN"/counted || not_ok "$work exits" "the histogram is empty"
		metric cr_exits_per_op "$(gained "reason:$(cr_reasons)")" "$ops"
		metric irqs_per_op "$(gained irq_injections)" "$ops"
		# Not from KVM's statistic of INVLPGs, which also counts the pages of a flush call.
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
