# shellcheck shell=sh
# What demo, bench and check share. Sourced; they set $top.
: "${top:?}"

# shellcheck source-path=SCRIPTDIR source=setup/about.sh
. "$top/tests/setup/about.sh"

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

# How long it takes from the end of the step to that of the whole, in seconds; 0 if nobody says.
later=0

# estimate SECONDS DONE COMMAND...: runs COMMAND, and says every 20 seconds how far it is, and for how much longer it will go on.
# SECONDS is what it takes on an idle machine of 2023 with two cores. DONE, a function, prints the thousandths that are done,
# from which follows this machine's own pace, and what they are, in words.
estimate() {
	# Without the lock: it outlives an interrupt until it looks for the shell again.
	tell_estimate "$1" "$2" 9>&- &
	teller=$!
	shift 2
	estimated=0
	"$@" || estimated=$?
	# A signal that a shell could handle gets lost if it comes when the subshell has just begun.
	{
		kill -KILL "$teller"
		wait "$teller"
	} 2>/dev/null || :
	return "$estimated"
}

tell_estimate() {
	began=$(date +%s)
	left=$1
	first=$($2)
	first=${first%% *}
	last=$first
	at=0
	# An orphaned sleep must not keep the caller's pipe open.
	while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		gone=$(($(date +%s) - began))
		words=$($2)
		done=${words%% *}
		# The first thousandths say little of the others.
		if [ $((done - first)) -ge 50 ] && [ "$done" != "$last" ]; then
			left=$((gone * (1000 - done) / (done - first)))
			last=$done
		else
			left=$((left - gone + at))
		fi
		at=$gone
		[ "$left" -gt 0 ] || left=0
		of=" of this step"
		[ "$later" = 0 ] || of=
		echo "== $gone s, ${words#* }; $(about $((left + later))) left$of"
	done
}

# What "make" of a guest kernel compiles, about.
OBJECTS=1160

build_done() {
	objects=$(find "$top/build/guest-$("$top/guest-patches/tools/default-series")/obj" -name '*.o' -newer "$top/build/begun" \
		2>/dev/null | wc -l)
	guest=$((objects < OBJECTS ? objects * 480 / OBJECTS : 480))
	host="makes a clean Debian"
	thousandths=$guest
	if [ -e "$top/build/root.stamp" ]; then
		host="builds the module"
		thousandths=$((thousandths + 300))
	fi
	if [ -e "$top/build/root/var/lib/dkms/kvm-paravirt.sha256" ]; then
		host="is done"
		thousandths=$((thousandths + 200))
	fi
	echo "$thousandths guest kernel: $objects of about $OBJECTS objects; host: $host"
}

# Both halves of what has to be built; together, because each waits a lot.
build_both() {
	{
		"$top/tests/setup/make-root" && "$top/tests/setup/install-module"
	} >"$top/build/host.log" 2>&1 &
	host=$!
	guest=0
	make -s -C "$top/guest-patches" kernel >"$top/build/guest.log" 2>&1 || guest=$?
	if ! wait "$host"; then
		tail -n 15 "$top/build/host.log" >&2
		echo "the host module was not built: all of it is in build/host.log" >&2
		return 1
	fi
	if [ "$guest" != 0 ]; then
		tail -n 15 "$top/build/guest.log" >&2
		echo "the guest kernel was not built: all of it is in build/guest.log" >&2
		return 1
	fi
}

build_all() {
	touch "$top/build/begun"
	step "build the host module (Debian root, dkms) and the guest kernel" estimate 300 build_done build_both
}
