# shellcheck shell=sh
# Sourced by what estimates how long it will take.

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
