# shellcheck shell=sh
# Shared by the tests of the guest series; read with `.` from a test script.
# V selects the series; the one that is meant where none is named, unless told otherwise.

# shellcheck disable=SC2034 # used by the tests
{
	top=$(cd "$(dirname "$0")/../.." && pwd)
	tools=$top/guest-patches/tools
	V=${V:-$("$tools/default-series")}
	# Not the tree that people edit: the tests check out what they like.
	dir=$top/build/guest-$V/test
	linux=$dir/linux
}
mkdir -p "$dir"
# Two at once would check out different commits over each other.
exec 9>"$dir/lock"
flock 9

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

out=$work
. "$top/tests/checks.sh"

# The tree of the series, at its last patch.
open_tree() {
	if [ -d "$linux/.git" ]; then
		git -C "$linux" checkout -q -f main
	fi
	check "series $V applies without fuzz" "$tools/tree" "$V" "$linux"
	[ "$failed" = 0 ] || exit 1
}

# only_64: the objects of ours that a 32-bit kernel has none of, as the opened tree's Makefile says: all that needs
# the CR3 cache. One a line.
# shellcheck disable=SC2016 # make's variable
only_64() {
	sed -n 's/^obj-$(CONFIG_KVM_PARAVIRT_CR3)[[:space:]]*+=//p' "$linux/arch/x86/kernel/Makefile" | xargs -n 1
}
