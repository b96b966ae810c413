# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2016 # lib.sh reads GUEST_*, run CLOCK and MEGABYTES; the guest expands what is quoted
# A Linux guest gives memory back, by QEMU's virtio-balloon: free page reporting, then the balloon. With EPT or NPT and
# populate= it must not come back with the blocks around what the guest touches later, only when the guest uses it.
# CONFIGS: as in populate.sh. With "64" what was given back comes page by page again, which "asked" is compared with.
CLOCK="instructions"
MEGABYTES="1024"
CONFIGS="64 asked"
GUEST_MEM=320
HELD=184	# MB of a file in the guest's memory
pass=insns

# in_memory: MB that QEMU has.
in_memory() { echo $(($(rss_kb b) / 1024)); }

# falls MB: waits, for a minute at most, until it has no more than that.
falls() {
	falls_left=60
	while [ "$(in_memory)" -gt "$1" ]; do
		falls_left=$((falls_left - 1))
		[ $falls_left -gt 0 ] || return 1
		sleep 1
	done
}

# Has the guest use memory. How much QEMU then has is in $used, how many faults that took in $faults.
uses() {
	counters >"$RUN"/before
	check "$config: $1" guest_sh b 120 "dd if=/dev/zero of=/held/file bs=1M count=$HELD 2>/dev/null"
	counted "$RUN"/before >"$RUN"/gained
	faults=$(awk '$1 == "pf_taken" { n = $2 } END { print n + 0 }' "$RUN"/gained)
	used=$(in_memory)
	say "note: $config: $1: $faults faults, $used MB of QEMU"
}

# touches_little WHAT: the guest writes to one page of 64 in memory that it has given back; how many come into memory with them?
# Some do, as blocks are right for memory that the guest has never used, of which it has some.
touches_little() {
	low=$(in_memory) spare=8
	[ "$config" != 64 ] || spare=32
	check "$config: $1, then one page of 64 is written to" guest_sh b 60 \
		'insmod /bin/kvmpv_sparse.ko && n=$(cat /sys/module/kvmpv_sparse/parameters/written) && rmmod kvmpv_sparse && [ "$n" -gt 500 ]'
	now_in_memory=$(in_memory)
	check "$config: $1: it does not come back around ($low MB, then $now_in_memory)" \
		[ "$now_in_memory" -le $((low + spare)) ]
}

# balloon_is MB: the balloon leaves the guest so much.
balloon_is() {
	guest_tell b "balloon $1"
	balloon_left=60
	until guest_ask b 'info balloon' '*balloon: actual=*' && [ "${LINE##*actual=}" = "$1" ]; do
		balloon_left=$((balloon_left - 1))
		[ $balloon_left -gt 0 ] || return 1
		sleep 1
	done
}

gives_back() {
	config=$1 word=kvm_paravirt=0
	[ "$config" != asked ] || word=kvm_paravirt=populate
	kvm_form "$config"
	GUEST_QEMU="-device virtio-balloon-device,free-page-reporting=on"
	guest b nopti "$word" lab=serve
	check "$config: guest is up" guest_expect b 'G: ready' 120

	check "$config: there is room for a file" guest_sh b 60 'mkdir /held && mount -t tmpfs -o size=90% none /held'
	uses "it fills $HELD MB"
	first=$used
	check "$config: it empties them" guest_sh b 60 'rm /held/file'
	check "$config: reported: QEMU gives them back" falls $((first - HELD * 3 / 4))
	touches_little reported
	uses "it fills them again"
	check "$config: reported: it comes back when it is used ($used MB of $first)" [ "$used" -ge $((first - 8)) ]
	echo "$faults" >"$RUN/faults.$config"

	check "$config: it empties them again" guest_sh b 60 'rm /held/file'
	check "$config: the balloon takes 144 MB" balloon_is $((GUEST_MEM - 144))
	check "$config: balloon: QEMU gives them back" falls $((first - HELD * 3 / 4))
	check "$config: the balloon gives all back" balloon_is "$GUEST_MEM"
	touches_little balloon
	uses "it fills them a third time"
	check "$config: balloon: it comes back when it is used ($used MB of $first)" [ "$used" -ge $((first - 8)) ]
	if [ "$config" = asked ]; then
		check "asked: the guest asked" [ "$(cat /sys/kernel/debug/kvm_paravirt_host/populate_pages)" -gt $((HELD * 256)) ]
	fi
	guest_kill b
	kvm_unload
}

CONFIGS=$(echo "$CONFIGS" | tr , ' ')
for config in $CONFIGS; do gives_back "$config"; done
# What was reported is asked for again.
if [ "$CONFIGS" = "64 asked" ]; then
	read -r unasked <"$RUN/faults.64"
	read -r asked <"$RUN/faults.asked"
	check "asked: reported memory that is used again takes 1/20 of the faults ($asked of $unasked)" \
		[ $((asked * 20)) -le "$unasked" ]
fi
dmesg_clean
