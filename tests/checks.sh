# shellcheck shell=sh disable=SC2034
# Sourced by tests that run on the machine itself; they set $out, a folder of theirs.
: "${out:?}"

failed=0

# check TEXT COMMAND...
check() {
	text=$1
	shift
	if "$@" >"$out/log" 2>&1; then
		echo "ok - $text"
	else
		echo "not ok - $text # $(tail -n 1 "$out/log")"
		tail -n 15 "$out/log" >&2
		failed=1
	fi
}

# same GOT WANTED, for check.
same() {
	[ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }
}
