# shellcheck shell=sh
# What demo, bench and check share. Sourced; they set $top.
: "${top:?}"

. "$top/tests/setup/progress.sh"

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

# step TEXT COMMAND...: says what is done now, and how long it took.
step() {
	step_text=$1
	shift
	step_start=$(date +%s)
	echo "== $step_text"
	"$@" || die "$step_text: failed, see above"
	echo "== $step_text: $(($(date +%s) - step_start)) s"
}

# About how many objects are compiled for a guest kernel.
OBJECTS=1160

# For estimate. Of 1000, the guest kernel is 480, the host's root 300, and the module in it 200; the rest is for their ends.
build_done() {
	objects=$(find "$top/build/guest-$("$top/guest-patches/tools/default-series")/obj" -name '*.o' -newer "$top/build/begun" \
		2>/dev/null | wc -l)
	guest=$((objects < OBJECTS ? objects * 480 / OBJECTS : 480))
	host="makes a clean Debian" root=0
	[ ! -e "$top/build/root.stamp" ] || host="builds the module" root=300
	[ ! -e "$top/build/root/var/lib/dkms/kvm-paravirt.sha256" ] || host="is done" root=500
	echo "$((guest + root)) guest kernel: $objects of about $OBJECTS objects; host: $host"
}

# logged NAME COMMAND...: what it says is in build/NAME.log; if it fails, the end of that is shown.
logged() {
	name=$1
	shift
	"$@" >"$top/build/$name.log" 2>&1 || {
		tail -n 15 "$top/build/$name.log" >&2
		echo "all of it is in build/$name.log" >&2
		return 1
	}
}

build_host() { "$top/tests/setup/make-root" && "$top/tests/setup/install-module"; }

# Builds host and guest at the same time, because either waits a lot.
build_both() {
	logged host build_host &
	host=$!
	guest=0
	logged guest make -s -C "$top/guest-patches" kernel || guest=$?
	wait "$host" && [ "$guest" = 0 ]
}

build_all() {
	touch "$top/build/begun"
	step "build the host module (Debian root, dkms) and the guest kernel" estimate 300 build_done build_both
}
