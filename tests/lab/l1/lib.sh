# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # the files of lib/ and scenarios read the variables
# Functions for scenarios; ../WRITING.md has the table. It runs in busybox ash inside the emulated host, and "run" reads
# what it prints. Here are the settings and how a scenario reports; the rest is in lib/, a file for each subject.
#
# From /lab/env: MACHINE (vmx or svm), HOST_SERIES (of its Linux), VENDOR_MODULE (kvm-intel or kvm-amd), MODULE_DEPS,
# HOST_DEBUG and GUEST_DEBUG (1: KASAN, lockdep and the like in the kernel of the host, of its guests). What has a
# default here is set by ../../hardware, which uses these functions on a real host.

LIB=${LIB:-/lab/lib}
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

say() { echo "LAB: $*"; }
ok() { say "ok - $*"; }
not_ok() { say "not ok - $1 # ${2:-}"; }
# rec KEY=VALUE...: a record, of which "run" makes JSON. Also kept, one a line, for what compares them.
rec() {
	rec_line=$(printf '\t%s' "$@")
	say "rec$rec_line"
	echo "$rec_line" >>"$RUN"/records
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

for lib_part in host guest monitor kinds measure compare; do
	# shellcheck source=/dev/null # each file is checked by itself
	. "$LIB/$lib_part.sh"
done
