# shellcheck shell=sh disable=SC2034
# What a test says, in the Test Anything Protocol, which prove reads: for each check a line "ok - TEXT" or
# "not ok - TEXT # REASON", and at the end a plan, "1..N". Without the plan, a test that ended too early would look like
# one that passed. Sourced by tests, also by those in a Debian root; they set $out, a folder of theirs, or
# $check_log, a file. checks.py is the same for Python.
: "${check_log:=${out:?}/log}"

checks=0 failed=0
# What the text of each check begins with.
prefix=

ok() {
	checks=$((checks + 1))
	# Not by echo, which in dash takes a backslash of the text for its own.
	printf 'ok - %s\n' "$prefix$1"
}

# not_ok TEXT [REASON]
not_ok() {
	checks=$((checks + 1)) failed=1
	printf 'not ok - %s\n' "$prefix$1${2:+ # $2}"
}

# check TEXT COMMAND...: the command must succeed. What it says is kept in $check_log.
check() {
	check_text=$1
	shift
	if "$@" >"$check_log" 2>&1; then
		ok "$check_text"
	else
		not_ok "$check_text" "$(reason)"
		tail -n 15 "$check_log" >&2
	fi
}

# The line of $check_log that says why the command failed. Some tests know better which one that is.
reason() { tail -n 1 "$check_log" | tr -d '#'; }

# refused TEXT PATTERN COMMAND...: the command must fail, and say why.
refused() {
	check_text=$1 pattern=$2
	shift 2
	if "$@" >"$check_log" 2>&1; then
		not_ok "$check_text" "accepted"
	elif grep -qE -- "$pattern" "$check_log"; then
		ok "$check_text"
	else
		not_ok "$check_text" "says: $(reason)"
	fi
}

# same GOT WANTED, for check.
same() {
	[ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }
}

# The last line of a test.
finish() {
	echo "1..$checks"
	exit "$failed"
}
