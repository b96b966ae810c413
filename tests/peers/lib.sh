# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh of the lab reads GUEST_*
# What the scenarios of peers' suites share: in the emulated host, after the lab's lib.sh.
PEERS=/peers
TAB=$(printf '\t')

# alike TEXT LIST CONFIG RESULTS CONFIG RESULTS: the check that both runs of LIST have the same verdicts, their
# records, and that the suite has run at all: a third of its tests pass.
alike() {
	alike_text=$1 alike_list=$2
	tests=$(grep -c . "$alike_list")
	shift 2
	$PEERS/compare "$alike_list" "$2" "$4" >"$RUN/differences"
	alike_status=$?
	sed 's/^/LAB: note: /' "$RUN/differences"
	check "$alike_text: $tests tests, the same verdicts ($1, $3)" [ $alike_status = 0 ]
	check "$alike_text: a third of them and more pass" [ "$(grep -c "${TAB}pass\$" "$4")" -ge $((tests / 3)) ]
	# What has been stopped on both sides was not compared.
	check "$alike_text: none was stopped by its timeout" eval "! grep ${TAB}timeout '$2' '$4'"
	while [ $# -gt 0 ]; do
		for verdict in pass skip fail timeout; do
			rec "work=$alike_text" "config=$1" "metric=$verdict" "value=$(grep -c "$TAB$verdict" "$2")"
		done
		shift 2
	done
	rec "work=$alike_text" config=both metric=differ "value=$(grep -c . "$RUN/differences")"
}

# on_host LIST VALUE...: LIST (a file of /peers) in the emulated host with each VALUE of the parameter ept or npt, stock module and ours.
# OURS: parameters of ours besides.
on_host() {
	host_list=$PEERS/$1
	shift
	# Named semaphores; gigabytes that are mapped and hardly used.
	mkdir -p /dev/shm
	echo 1 >/proc/sys/vm/overcommit_memory
	for value; do
		for kind in stock ours; do
			# shellcheck disable=SC2086 # words are meant
			case $kind in
			stock) kvm_load stock "$PAGING=$value" ;;
			ours) kvm_load ours "$PAGING=$value" ${OURS:-} ;;
			esac || return
			$PEERS/runner "$host_list" "$RUN/$kind"
			kvm_unload
		done
		alike "kvm $PAGING=$value${OURS:+ $OURS}" "$host_list" stock "$RUN/stock" ours "$RUN/ours"
	done
}

# in_guest SUITE LIST RESULTS WORD...: LIST in a guest that has SUITE in its initramfs.
in_guest() {
	suite=$1 guest_list=$2 results=$3
	shift 3
	: >"$results"
	echo - >"$results.log"
	# The list with it: a scenario may have made a shorter one.
	(cd / && echo "peers/$guest_list" | cpio -o -H newc) >"$RUN/list.cpio" 2>/dev/null
	cat /lab/guest/initramfs.cpio "/lab/guest/$suite.cpio" "$RUN/list.cpio" >"$RUN/initramfs"
	GUEST_INITRAMFS=$RUN/initramfs
	guest s "$@" lab=serve
	guest_expect s 'G: ready' 240 || return
	[ "$suite" != mm ] ||
		guest_sh s 60 'echo 140 >/proc/sys/vm/nr_hugepages; mkdir /peers/huge; mount -t hugetlbfs none /peers/huge'
	# The kernel's own lines would come between the results. RCU's stalls are left to the timeouts: on the emulator's real
	# clock a CPU is away for as long as the machine has other work.
	guest_say s "dmesg -n 1; /peers/runner /peers/$guest_list /tmp/results; sed 's/^/R: /' /tmp/results; dmesg | sed -n '/WARNING:\|BUG:\|Oops/s/^/L: /p'"
	while guest_read s 900; do
		case $LINE in
		"R: "*) echo "${LINE#R: }" >>"$results" ;;
		"L: "*) echo "$LINE" | sed 's/.*\(WARNING\|BUG\|Oops\)/\1/; s/0x[0-9a-f]*/X/g; s/[0-9][0-9]*/N/g' >>"$results.log" ;;
		"G: rc="*) break ;;
		esac
	done
	guest_kill s
}

# off_and_on SUITE LIST WORD...: LIST in guests without the option and with it.
off_and_on() {
	suite_name=$1 suite_list=$2
	shift 2
	in_guest "$suite_name" "$suite_list" "$RUN/off" "$@" kvm_paravirt=0
	in_guest "$suite_name" "$suite_list" "$RUN/on" "$@" kvm_paravirt=1
	# What the kernel warns of without the option is the emulated CPU's doing.
	check "$suite_name $*: with the option the kernel warns of nothing that it does not warn of without" \
		eval "! grep -vxFf $RUN/off.log $RUN/on.log"
	alike "$suite_name $*" "$PEERS/$suite_list" off "$RUN/off" on "$RUN/on"
}
