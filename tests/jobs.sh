# shellcheck shell=bash
# Jobs, two at a time, and their sum: for check and check-long. They set $top and $logs, and have a function
# list_jobs.
#
# A job says "ok - text" or "not ok - text # reason". One that says nothing, skips something, runs
# into its timeout or fails without saying what has failed, too.
: "${top:?}" "${logs:?}"

lab=$top/tests/lab/run
# The status of tests/lab/run for that.
EX_TEMPFAIL=75
lab_out=$top/build/lab

# shellcheck source-path=SCRIPTDIR source=setup/about.sh
. "$top/tests/setup/about.sh"
# shellcheck source-path=SCRIPTDIR source=setup/roots.sh
. "$top/tests/setup/roots.sh"

# Hosts with Linux 7.x have a root of their own: only the backports of that release have these kernels. Their packages have the
# ABI in their names, and those of earlier ones stay there: the root has those that the hooks were made for, since dkms builds
# for each kernel that it has.
make_root7() {
	local packages=linux-base/$debian13-backports series abi
	for series in "$top"/host-dkms/patches/7.*; do
		abi=$(sed 's/-.*/+deb13/' "$series/BASE")
		packages+=",linux-image-$abi-cloud-amd64,linux-headers-$abi-cloud-amd64"
	done
	"$top/tests/setup/make-root" -s $debian13 -b root7 "$packages,dkms,kmod,openssl" &&
		"$top/tests/setup/install-module" root7
}

# The lines of tests/scenarios: name, seconds, pairs of series, arguments of tests/lab/run.
scenarios() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$top/tests/scenarios"
}

# The oldest series that this Debian has.
default_series=$("$top/guest-patches/tools/default-series")

# pairs_here PAIR,...: pairs of series in tests/scenarios, with the oldest series that this Debian has where one names an older one.
pairs_here() {
	local pair host guest
	for pair in ${1//,/ }; do
		[ "$pair" != - ] || continue
		host=$(series_here "${pair%/*}") guest=$(series_here "${pair#*/}")
		echo "$host/$guest"
	done | uniq
}

series_here() {
	# No number: that of a package.
	[ "$1" != deb ] || { echo deb; return; }
	printf '%s\n' "$1" "$default_series" | sort -V | tail -n 1
}

# scenario_job NAME SECONDS HOST/GUEST ARGUMENT...: the line of a scenario in a list of jobs.
scenario_job() {
	local job=$1-${3/\//-} seconds=$2 host=${3%/*} kernel=$top/build/guest-${3#*/}/bzImage settings=
	job=${job%-"$default_series-$default_series"}
	[ "${3#*/}" != deb ] || kernel=$top/build/packaged/vmlinuz
	[[ $host != 7.* ]] || settings="HOST_ROOT=$top/build/root7 "
	shift 3
	echo "$job $((seconds + 60)) env ${settings}GUEST_KERNEL=$kernel $lab -t $seconds -k $host $* -o $lab_out/$job"
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
	# The lab has seen its emulator fail, which says nothing about what was tested: it is run again, at most
	# twice, and the run says so. Nothing else is run again: a test that fails now and then has failed.
	for again in 1 2; do
		[ "$rc" = "$EX_TEMPFAIL" ] || break
		echo "== $name: the emulator failed, once more: $(sed -n 's/^FAILED: //p' "$log.err" | tail -n 1); that run is in ${logs#"$top/"}/$name.$again"
		mv "$log" "$logs/$name.$again"
		once "$@"
	done
	case $rc in
	124|137) echo "not ok - $name # no end after $1 s" >>"$log" ;;
	0) grep -q '^ok - ' "$log" || echo "not ok - $name # ran no test" >>"$log" ;;
	*) grep -q '^not ok - ' "$log" || echo "not ok - $name # exit status $rc" >>"$log" ;;
	esac
	sed -i 's/^ok - \(.*# SKIP\)/not ok - \1/' "$log"
	# What a job takes of it does not depend on what runs beside it, so it tells where a run's time goes. A job has a
	# shell of its own, whose children all are the job's.
	times >"$log.times"
	{
		awk -v what="== $name: $((SECONDS - start)) s" 'NR == 2 {
			gsub(/[ms]/, " ")
			print what ", " int($1 * 60 + $2 + $3 * 60 + $4) " s of CPU time"
		}' "$log.times"
		grep -E '^(not )?ok - ' "$log" | sed "s/ - / - $name: /"
		if grep -q '^not ok - ' "$log"; then
			echo "-- last lines of ${logs#"$top/"}/$name.log.err:"
			tail -n 15 "$log.err"
		fi
	} >"$log.shown"
	cat "$log.shown"
}

# run_jobs [NAME...]: those named, else all, of what list_jobs prints: name, timeout in seconds, command. The long ones
# come first; without VMX in the machine each emulator takes one core.
# left SECONDS: for how much longer the jobs will run that have "name timeout ..." on stdin, after so many seconds. A job's
# timeout is in proportion to what it takes, as nearly as an estimate needs.
left() {
	local name timeout all=0 ended=0
	while read -r name timeout _; do
		all=$((all + timeout))
		[ ! -e "$logs/$name.log.shown" ] || ended=$((ended + timeout))
	done
	[ $((ended * 20)) -lt $all ] || echo "; $(about $(($1 * (all - ended) / ended))) left"
}

run_jobs() {
	local name timeout command list wanted=" $* " number=0 start=$SECONDS
	list=$(list_jobs | while read -r name timeout command; do
		[ $# = 0 ] || [[ $wanted == *" $name "* ]] || continue
		echo "$name $timeout $command"
	done)
	echo "== tests, two at a time; logs in ${logs#"$top/"}"
	rm -rf "$logs"
	mkdir -p "$logs"
	while read -r name timeout command; do
		number=$((number + 1))
		while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || :; done
		echo "== $name: starts after $((SECONDS - start)) s, number $number of $(wc -l <<<"$list")$(left $((SECONDS - start)) <<<"$list")"
		# shellcheck disable=SC2086 # a command and its arguments
		run_job "$name" "$timeout" $command &
	done <<<"$list"
	wait
}

# choose [ARGUMENT...]: what check and check-long are called with. "--list" prints the names of all jobs; a name that is
# not among them ends it, before an hour goes into building what no test then uses.
choose() {
	local names name
	names=$(list_jobs | awk '{ print $1 }')
	if [ "${1:-}" = --list ]; then
		echo "$names"
		exit
	fi
	for name; do
		grep -qxF -e "$name" <<<"$names" ||
			{ echo "${0##*/}: no test is called '$name'; '$0 --list' has the names" >&2; exit 2; }
	done
}

# sum_up: what has failed, and the last line; false if anything has.
sum_up() {
	local passed failed
	passed=$(cat "$logs"/*.log | grep -c '^ok - ') || :
	failed=$(cat "$logs"/*.log | grep -c '^not ok - ') || :
	if [ "$failed" != 0 ]; then
		echo "== failed; logs in ${logs#"$top/"}:"
		grep -h '^not ok - ' "$logs"/*.log.shown
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" != 0 ]
}
