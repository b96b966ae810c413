# shellcheck shell=sh disable=SC2034
# Sourced by the tests of packages for rpm, of repositories and of the role; they
# set $top. What they need goes into $work, which goes with them.
: "${top:?}"

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/host-dkms/dkms.conf")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
out=$work
# shellcheck source-path=SCRIPTDIR source=../checks.sh
. "$top/tests/checks.sh"

# refused TEXT PATTERN COMMAND...: the command must fail, and say why.
refused() {
	text=$1 pattern=$2
	shift 2
	if "$@" >"$work/log" 2>&1; then
		echo "not ok - $text # accepted"
		failed=1
	elif ! grep -qE -- "$pattern" "$work/log"; then
		echo "not ok - $text # says: $(tail -n 1 "$work/log")"
		failed=1
	else
		echo "ok - $text"
	fi
}
