# shellcheck shell=sh disable=SC2034
# Sourced by the tests of packages; they set $top.
: "${top:?}"

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/host-dkms/dkms.conf")
failed=0

ok() { echo "ok - $1"; }

not_ok() {
	echo "not ok - $1 # $2"
	failed=1
}

# scratch: a folder that goes with the test, in $work; what the last command
# said is in $work/log.
scratch() {
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM
}

# check TEXT COMMAND...: the command must succeed; its last line is the reason
# when it fails.
check() {
	text=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		ok "$text"
	else
		not_ok "$text" "$(tail -n 1 "$work/log")"
		tail -n 15 "$work/log" >&2
	fi
}

# refused TEXT PATTERN COMMAND...: the command must fail, and say why.
refused() {
	text=$1 pattern=$2
	shift 2
	if "$@" >"$work/log" 2>&1; then
		not_ok "$text" "accepted"
	elif ! grep -qE -- "$pattern" "$work/log"; then
		not_ok "$text" "says: $(tail -n 1 "$work/log")"
	else
		ok "$text"
	fi
}

# said PATTERN: the last command's output has such a line.
said() {
	grep -qE -- "$1" "$work/said" || { tail -n 5 "$work/said"; return 1; }
}

# same GOT WANTED
same() {
	[ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }
}

# A copy of what packages are made from, with version $2, in $1.
other_version() {
	mkdir -p "$1"
	(cd "$top" && cp -r abi host-dkms packaging LICENSES CHANGELOG "$1/")
	sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$2\"/" "$1/host-dkms/dkms.conf"
}
