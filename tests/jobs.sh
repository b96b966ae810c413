# shellcheck shell=bash
# Jobs, two at a time, and their sum: for check, check-quick, check-long and bench. They set $top and $logs, and have a
# function list_jobs.
#
# prove runs ./job for each, and judges. A job has failed if a check has, if it says nothing, skips something, has more or
# fewer checks than its tests have planned, runs into its timeout, or ends with a status that is not 0.
: "${top:?}" "${logs:?}"
# If a part of a list of jobs cannot be made, there must be no list at all.
set -o pipefail
shopt -s inherit_errexit

lab=$top/tests/lab/run
proved=true
lab_out=$top/build/lab
settings=

. "$top/tests/setup/roots.sh"

# An interrupt of the terminal does not reach what bash runs in the background: end the whole process group.
trap 'trap - TERM; kill 0; exit 130' INT TERM

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

# The lines of tests/scenarios without the names of the keys: name, seconds, pairs of series or "-", arguments of lab/run.
scenarios() {
	local line number=0
	while read -r line; do
		number=$((number + 1))
		line=${line%%#*}
		[ -n "$line" ] || continue
		[[ $line =~ ^([^ ]+)\ +seconds=([0-9]+)(\ +pairs=([^ ]+))?\ +(-.*)$ ]] ||
			{ echo "tests/scenarios: line $number: NAME seconds=N [pairs=HOST/GUEST,...] ARGUMENT..." >&2; exit 1; }
		echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[4]:--} ${BASH_REMATCH[5]}"
	done <"$top/tests/scenarios"
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
	# A guest kernel out of its package has no number.
	[ "$1" != deb ] || { echo deb; return; }
	printf '%s\n' "$1" "$default_series" | sort -V | tail -n 1
}

# lab_job NAME SECONDS ARGUMENT...: the line of a run of the lab in a list of jobs. $settings is its environment.
lab_job() {
	echo "$1 $(($2 + 60)) ${settings:+env $settings }$lab -t $2 ${*:3} -o $lab_out/$1"
}

# scenario_job NAME SECONDS HOST/GUEST ARGUMENT...: the same for a pair of series.
scenario_job() {
	local job=$1-${3/\//-} host=${3%/*} settings=GUEST_KERNEL=$top/build/guest-${3#*/}/bzImage
	[ "${3#*/}" != deb ] || settings=GUEST_KERNEL=$top/build/packaged/vmlinuz
	[[ $host != 7.* ]] || settings="HOST_ROOT=$top/build/root7 $settings"
	lab_job "${job%-"$default_series-$default_series"}" "$2" -k "$host" "${@:4}"
}

# chosen_jobs [NAME...]: those named, else all, of what list_jobs prints: name, timeout in seconds, command.
chosen_jobs() {
	list_jobs | awk -v wanted=" $* " 'wanted == "  " || index(wanted, " " $1 " ")'
}

# run_jobs [NAME...]: runs chosen_jobs, in the order of the list, which has long ones first. Two at a time, as each emulator takes a core.
run_jobs() {
	rm -rf "$logs"
	mkdir -p "$logs"
	export START=$EPOCHSECONDS
	chosen_jobs "$@" >"$logs/jobs"
	echo "== tests, two at a time; logs in ${logs#"$top/"}"
	# shellcheck disable=SC2046 # names are words
	prove_jobs $(cut -d "$(printf '\t')" -f 1 "$logs/jobs" | cut -d ' ' -f 1)
}

# prove_jobs NAME...: runs jobs of the file $logs/jobs. In that folder, since prove takes a name for that of a file, and would look for
# tests in a folder of that name, of which the top of the tree has some.
prove_jobs() {
	(
		cd "$logs" || exit
		prove --norc -Q -j2 --exec "$top/tests/job" "$@" 2>&1 3>&1 | tee -a "$logs/shown"
	) &
	# In the background, since bash runs its traps only when a command in the foreground has ended.
	wait $! || proved=false
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
	{
		grep -H '^not ok - ' "$logs"/*.log | sed 's,^.*/\(.*\)\.log:not ok - ,not ok - \1: ,' || :
		# Jobs in which no check has failed, but of which prove tells that something is wrong.
		sed -n 's/^\([^ ]*\) *(Wstat: .* Failed: 0)$/not ok - \1: the job/p' "$logs/shown"
	} >"$logs/failed"
	$proved || [ -s "$logs/failed" ] || echo "not ok - prove" >"$logs/failed"
	failed=$(wc -l <"$logs/failed")
	[ "$failed" = 0 ] || { echo "== failed:"; cat "$logs/failed"; }
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" != 0 ]
}
