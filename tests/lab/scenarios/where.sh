# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154,SC2016 # lib.sh reads CLOCK and GUEST_MEM; triggers have $ of their own
# Where the host's instructions go: what it executes between an exit and the next entry, by exit reason, and for page
# faults by the error code, too. Prints a table for each work; the two events of an exit are counted with it, about
# 1,100 instructions.
CLOCK="instructions"
WORKS="${WORKS:-fork:40,forkexec:40,forkexec_aslr:40,shell:8}"
GUEST_MEM=384

# trigger EVENT TEXT: sets a trigger, or ends it if TEXT begins with "!".
trigger() { echo "$2" >>"$EVENTS/$1"/trigger; }

# span ON NAME EVENT FIELD: counts the instructions from EVENT to the next kvm_entry, by FIELD. ON is empty, or "!" to end that.
span() {
	at="hist:keys=common_pid:$2_at=common_timestamp,$2_of=$4"
	to="hist:keys=common_pid:$2_insns=common_timestamp-\$$2_at,$2_was=\$$2_of"
	to="$to:onmatch(kvm.$3).trace($2,\$$2_was,\$$2_insns)"
	[ -z "$1" ] || trigger kvm_entry "!$to"
	trigger "$3" "$1$at"
	[ -n "$1" ] || trigger kvm_entry "$to"
	trigger "../synthetic/$2" "$1hist:keys=of:vals=insns"
}

hist_clear() {
	span '' reason kvm_exit exit_reason
	span '' fault kvm_page_fault error_code
}

hist_stop() {
	span ! fault kvm_page_fault error_code
	span ! reason kvm_exit exit_reason
}

# "{ of: 14 } hitcount: 3 insns: 9000" to "reason:14 3" and "insns:reason:14 9000".
hist_read() {
	for name in reason fault; do
		awk -v name=$name '$1 == "{" {
			gsub(/[^0-9 ]/, "")
			print name ":" $1, $2
			print "insns:" name ":" $1, $3
		}' "$EVENTS/../synthetic/$name"/hist
	done
}

# lib.sh calls this for each work, in $config, which did $ops operations.
exits() {
	[ "$pass" = exits ] || return 0
	check "$work: exits by reason" grep -q '^reason:' "$RUN"/counted
	awk -v ops="$ops" -v work="$work" -v config="$config" '
		/^insns:/ { sum[substr($1, 7)] = $2; next }
		/^(reason|fault):/ { count[$1] = $2 }
		END {
			for (name in count)
				printf "note: %s %s %s: %.2f exits of %d, %d in all\n", work, config, name,
					count[name] / ops, sum[name] / count[name], sum[name] / ops
		}' "$RUN"/counted | sort | while read -r line; do say "$line"; done
}

echo x86-tsc >"$SYS"/kernel/tracing/trace_clock
echo 'reason unsigned int of; u64 insns' >>"$SYS"/kernel/tracing/synthetic_events
echo 'fault u64 of; u64 insns' >>"$SYS"/kernel/tracing/synthetic_events
compare "$WORKS" stock paravirt
dmesg_clean
