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
