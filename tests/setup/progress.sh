# shellcheck shell=sh
# Sourced by what says how far it is, and for how much longer it will take.

# about SECONDS: in words, as exactly as an estimate is.
about() {
	if [ "$1" -lt 55 ]; then
		echo "less than a minute"
	elif [ "$1" -lt 90 ]; then
		echo "about a minute"
	else
		echo "about $((($1 + 30) / 60)) minutes"
	fi
}

# time_left FOLDER SECONDS: for how much longer the jobs of ../jobs.sh in this folder will run, after so many seconds. A job's timeout
# is in proportion to what it takes, as nearly as an estimate needs; one that has ended has a file NAME.log.times.
time_left() {
	left_all=0 left_ended=0
	while read -r left_name left_timeout _; do
		left_all=$((left_all + left_timeout))
		[ ! -e "$1/$left_name.log.times" ] || left_ended=$((left_ended + left_timeout))
	done <"$1/jobs"
	[ $((left_ended * 20)) -lt $left_all ] || echo "; $(about $(($2 * (left_all - left_ended) / left_ended))) left"
}

# For how many seconds the whole command goes on after the step that is running; 0 if it does not say.
later=0

# estimate SECONDS DONE COMMAND...: runs COMMAND, and says every 20 seconds how far it is, and for how much longer it will go on.
# SECONDS is what it takes on an idle machine of 2023 with two cores. DONE, a function, prints the thousandths that are done,
# from which follows this machine's own pace, and what they are, in words.
estimate() {
	# Without the lock of ../steps.sh, descriptor 9. After an interrupt the teller lives until its next look for this
	# shell, and would have the lock for so long.
	tell_estimate "$1" "$2" 9>&- &
	teller=$!
	shift 2
	estimated=0
	"$@" || estimated=$?
	# By SIGKILL, since another signal gets lost if it comes while the subshell has just begun, and still has this shell's
	# traps.
	{
		kill -KILL "$teller"
		wait "$teller"
	} 2>/dev/null || :
	return "$estimated"
}

tell_estimate() {
	began=$(date +%s)
	due=$((began + $1))
	first=$($2)
	first=${first%% *}
	last=$first
	# The sleep may outlive this shell. Without its output it does not keep the caller's pipe open.
	while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		now=$(date +%s)
		words=$($2)
		done=${words%% *}
		# There is a pace when 50 thousandths are done: the first ones say little of the others.
		if [ $((done - first)) -ge 50 ] && [ "$done" != "$last" ]; then
			due=$((now + (now - began) * (1000 - done) / (done - first)))
			last=$done
		fi
		of=" of this step"
		[ "$later" = 0 ] || of=
		echo "== $((now - began)) s, ${words#* }; $(about $(((due > now ? due - now : 0) + later))) left$of"
	done
}
