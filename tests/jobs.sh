# shellcheck shell=bash
# Jobs, two at a time, and their sum: for check and check-long. They set $top, $logs, and
# $packaged if a scenario takes it.
#
# A job says "ok - text" or "not ok - text # reason". One that says nothing, skips something, runs
# into its timeout or fails without saying what has failed, too.
: "${top:?}" "${logs:?}"

lab=$top/tests/lab/run
lab_out=$top/build/lab

# The lines of tests/scenarios: name, seconds, pairs of series, arguments of tests/lab/run.
scenarios() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$top/tests/scenarios"
}

# scenario_job NAME SECONDS HOST/GUEST ARGUMENT...: the line of a scenario in a list of jobs.
scenario_job() {
	local job=$1-${3/\//-} seconds=$2 host=${3%/*} kernel=$top/build/guest-${3#*/}/bzImage
	job=${job%-6.1-6.1}
	[ "${3#*/}" != deb ] || kernel=${packaged:?}
	shift 3
	echo "$job $((seconds + 60)) env GUEST_KERNEL=$kernel $lab -t $seconds -k $host $* -o $lab_out/$job"
}

# once TIMEOUT COMMAND...: its output in $log; its status is rc.
once() {
	rc=0
	# In the foreground group, so that an interrupt ends it, too.
	timeout --foreground -k 30 "$@" >"$log" 2>"$log.err" </dev/null || rc=$?
}

# run_job NAME TIMEOUT COMMAND...
run_job() {
	local name=$1 log=$logs/$1.log rc again start=$SECONDS
	shift
	once "$@"
	# The emulator of the SVM machine loses a guest now and then, whatever runs
	# in it: tests/lab/README.md says why. Hence up to two more runs, and it is told.
	for again in 1 2; do
		if [ "$rc" = 0 ] || [[ " $* " != *" -m svm "* ]]; then
			break
		fi
		echo "== $name: failed, once more; run $again is in ${logs#"$top/"}/$name.$again"
		mv "$log" "$logs/$name.$again"
		once "$@"
	done
	case $rc in
	124|137) echo "not ok - $name # no end after $1 s" >>"$log" ;;
	0) grep -q '^ok - ' "$log" || echo "not ok - $name # ran no test" >>"$log" ;;
	*) grep -q '^not ok - ' "$log" || echo "not ok - $name # exit status $rc" >>"$log" ;;
	esac
	sed -i 's/^ok - \(.*# SKIP\)/not ok - \1/' "$log"
	{
		echo "== $name: $((SECONDS - start)) s"
		grep -E '^(not )?ok - ' "$log" | sed "s/ - / - $name: /"
		if grep -q '^not ok - ' "$log"; then
			echo "-- last lines of ${logs#"$top/"}/$name.log.err:"
			tail -n 15 "$log.err"
		fi
	} >"$log.shown"
	cat "$log.shown"
}

# run_jobs LIST [NAME...]: those named, else all, of the lines "name, timeout in seconds, command" in
# the file LIST. The long ones first; without VMX in the machine each emulator takes one core.
run_jobs() {
	local name timeout command wanted list=$1 number=0 start=$SECONDS
	shift
	wanted=" $* "
	while read -r name timeout command; do
		number=$((number + 1))
		[ $# = 0 ] || [[ $wanted == *" $name "* ]] || continue
		while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || :; done
		echo "== $name: starts after $((SECONDS - start)) s, number $number of $(wc -l <"$list")"
		# shellcheck disable=SC2086 # a command and its arguments
		run_job "$name" "$timeout" $command &
	done <"$list"
	wait
}

# sum_up: what has failed, and the last line; false if anything has.
sum_up() {
	local passed failed
	passed=$(cat "$logs"/*.log | grep -c '^ok - ') || :
	failed=$(cat "$logs"/*.log | grep -c '^not ok - ') || :
	if [ "$failed" != 0 ]; then
		echo "== failed:"
		grep -h '^not ok - ' "$logs"/*.log.shown
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" != 0 ]
}
