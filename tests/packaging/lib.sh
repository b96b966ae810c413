# shellcheck shell=sh disable=SC2034
# Sourced by the tests of packages for rpm, of repositories and of the role; they
# set $top. What they need goes into $work, which goes with them.
: "${top:?}"

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/host-dkms/dkms.conf")
series=$("$top/guest-patches/tools/default-series")
guest=$top/build/guest-$series
work=$(mktemp -d)
cleanup() {
	[ -z "${GNUPGHOME:-}" ] || gpgconf --kill all
	awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
	# /proc is no place to remove anything from, should it still be mounted.
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
out=$work
. "$top/tests/checks.sh"

# A key of the test's own; its name is an address.
new_key() {
	export GNUPGHOME="$work/gnupg"
	mkdir -p "$GNUPGHOME"
	chmod 700 "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-generate-key "$1" rsa2048 sign never 2>/dev/null
}

# deb NAME FOLDER: a package, in $work/deb, of what FOLDER's Makefile installs. The real ones take
# the real distribution along.
deb() {
	make -s -C "$top/$2" install DESTDIR="$work/$1" >/dev/null
	mkdir -p "$work/deb" "$work/$1/DEBIAN"
	printf '%s\n' "Package: $1" "Version: $version" "Architecture: all" "Description: test" \
		"Maintainer: test <test@example.org>" >"$work/$1/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$work/$1" "$work/deb/" >/dev/null
}
