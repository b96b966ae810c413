# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Guests in a storm of switches that verify memory, with PCID and without, one vCPU and two, are moved at random:
# live, by precopy with dirty logging or dirty rings and by postcopy; into a file and back; to a snapshot and back by
# loadvm; paused; each to a host with all of it, without the CR3 cache, with paravirt=0, or the stock module. Numbers
# come from a seed, the moments are of the emulated machine's clock: a run can be repeated. STEPS: for each of the four guests.
# shellcheck source=SCRIPTDIR/../l1/moved.sh
. /lab/moved.sh
CLOCK="instructions"
SEED=20261122
STEPS=${STEPS:-14}

# random N: 0 to N-1, in RANDOM_IS
random() {
	SEED=$(((SEED * 1103515245 + 12345) % 2147483648))
	RANDOM_IS=$((SEED / 65536 % $1))
}

# Chooses what the next host offers; it is in HOST_KIND.
host_load() {
	random 4
	case $RANDOM_IS in
	0) HOST_KIND=stock ;;
	1) HOST_KIND=ours ;;
	2) HOST_KIND="ours paravirt=load-cr3,flush" ;;
	3) HOST_KIND="ours paravirt=0" ;;
	esac
	# shellcheck disable=SC2086 # words are meant
	kvm_load $HOST_KIND
	case $MACHINE:$HOST_KIND in
	*:ours|svm:*load-cr3*) GIVES=all ;;
	# A guest that has the cache registers for it, or does not register.
	*) GIVES=nothing ;;
	esac
}

# moved TEXT: checks what must be after a move from the host that it was on to this one.
moved() {
	case $from,$GIVES in
	all,all) took_up "$1, $HOST_KIND" 400 1 ;;
	# The guest asks twice a second.
	nothing,all) took_up "$1, $HOST_KIND" 900 100000 ;;
	*,nothing) goes_native "$1, $HOST_KIND" ;;
	esac
}

# Postcopy: the memory follows when the guest runs there already. Both sides have to know of it beforehand.
postcopy() {
	monitor migrate_set_capability postcopy-ram on || return
	GUEST_MIGRATE=migrate_start_postcopy
	move -global migration.x-postcopy-ram=on &&
		monitor migrate_set_capability postcopy-ram off
}

copied() { guest_migrate $G 'exec:cat >/dev/null' && monitor cont; }

# A background snapshot saves memory as it was at one moment: QEMU write-protects it while the guest goes on.
background() {
	monitor migrate_set_capability background-snapshot on &&
		guest_migrate $G 'exec:cat >/run/saved' &&
		monitor migrate_set_capability background-snapshot off
}

step() {	# TEXT
	random 300
	sleep "0.$(printf %03d $RANDOM_IS)"
	from=$GIVES
	before_move || return
	random 10
	case $RANDOM_IS in
	0)
		check "$1: live" move
		say "note: $SYNCS rounds of dirty pages"
		moved "$1: live"
		;;
	1)
		GUEST_ACCEL="-accel kvm,dirty-ring-size=4096"
		check "$1: live, to a dirty ring" move
		GUEST_ACCEL="-accel kvm"
		moved "$1: live, to a dirty ring"
		;;
	2)
		check "$1: savevm" monitor savevm s
		check "$1: the storm goes on" storm_goes_on
		trace_begin
		check "$1: loadvm" load_snapshot s
		moved "$1: loadvm"
		;;
	3)
		check "$1: live, by postcopy" postcopy
		moved "$1: live, by postcopy"
		;;
	4)
		check "$1: copied while it runs, and continued" copied
		kept "$1: copied"
		;;
	5)
		check "$1: saved behind its back" background
		kept "$1: saved behind its back"
		guest_kill $G
		trace_begin
		check "$1: restored from there" restore /run/saved
		moved "$1: restored from there"
		;;
	6)
		check "$1: paused and continued" pause
		kept "$1: paused"
		;;
	*)
		check "$1: saved" snapshot /run/saved
		kvm_unload
		host_load
		for time in first second; do
			[ $time = first ] || guest_kill $G
			trace_begin
			check "$1: restored, $time time" restore /run/saved
			moved "$1: restored, $time time"
		done
		;;
	esac
}

for GUEST_SMP in 1 2; do
	for words in "" nopcid; do
		kvm_load ours
		HOST_KIND=ours GIVES=all
		variant="$GUEST_SMP vCPUs, ${words:-PCID}"
		# shellcheck disable=SC2086 # words are meant
		check "$variant: guest is in a storm" moved_start $words
		for n in $(seq "$STEPS"); do
			step "$variant, $n"
		done
		check "$variant: the storm ends, its memory was right" storm_end
		guest_kill $G
		kvm_unload
	done
done
dmesg_clean
