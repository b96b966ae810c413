# shellcheck shell=sh
# What demo, bench and check share. Sourced; they set $top.
: "${top:?}"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die "needs root, for apt and for the Debian root in build/: sudo make ${0##*/}"

# Two at once, or one beside what an interrupted one left running, would spoil
# each other's files; what runs on keeps the lock.
mkdir -p "$top/build"
exec 9>"$top/build/lock"
flock -n 9 || die "another demo, bench or check is running, or what is left of one: see 'fuser -v $top/build/lock'"
trap 'exit 130' INT TERM

# step TEXT COMMAND...: says what is done now, and how long it took.
step() {
	step_text=$1
	shift
	step_start=$(date +%s)
	echo "== $step_text"
	"$@" || die "$step_text: failed, see above"
	echo "== $step_text: $(($(date +%s) - step_start)) s"
}

# Both halves of what has to be built; together, because each waits a lot.
build_all() {
	build_start=$(date +%s)
	echo "== build the host module (Debian root, dkms) and the guest kernel"
	{
		"$top/tests/setup/make-root" && "$top/tests/setup/install-module"
	} >"$top/build/host.log" 2>&1 &
	host=$!
	guest=0
	make -s -C "$top/guest-patches" kernel || guest=$?
	if ! wait "$host"; then
		tail -n 15 "$top/build/host.log" >&2
		die "the host module was not built: see above, all of it in build/host.log"
	fi
	[ "$guest" = 0 ] || die "the guest kernel was not built: see above"
	echo "== build the host module and the guest kernel: $(($(date +%s) - build_start)) s"
}
