# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A CPU whose CR3 targets are not as the cache needs them: ../quirks makes it, by a changed module, and says which
# one by QUIRK=. The host finds out by itself, says so, and nobody but the cache is the worse for it.

HOST=/sys/kernel/debug/kvm_paravirt_host

# told N PATTERN: so many lines of the host's log have it.
told() {
	check "the log says so, $1 times: $2" [ "$(dmesg | grep -c "kvm-paravirt: .*$2")" = "$1" ]
}

# without_cache WHY: guests register for the rest, and see right memory; the host's files say why.
without_cache() {
	# The first vCPU finds out; later ones are not even offered it.
	tiny storm -h load -n 2 -c 400 -s 1
	tiny storm -h load -c 200 -s 2
	check "debugfs says why" grep -qx "not usable: $1" $HOST/cr3_targets
	check "the cache is not offered" eval "! grep -q cr3-cache $HOST/offered"
	check "LOAD_CR3 is" grep -q load-cr3 $HOST/offered
	told 1 "not usable: $1"
}

kvm_load ours
check "before anybody has tried: usable" grep -qx usable $HOST/cr3_targets
case $QUIRK in
no-tag)
	without_cache "the CPU does not keep bit 10 of CR3"
	;;
unlisted)
	# shellcheck disable=SC2016 # it is eval that expands it
	# Not by the function that hands on what it says: this VM is to fail.
	check "the VM is ended" eval '! command tiny storm -n 2 -c 4000 >"$RUN"/ended'
	check "its VMM is told EIO" grep -q "KVM runs the guest.*Input/output error" "$RUN"/ended
	told 1 "was not listed: its VM is ended"
	check "the targets are as good as before" grep -qx usable $HOST/cr3_targets
	# shellcheck disable=SC2016
	check "the host makes and ends VMs as before" eval '! command tiny storm -c 4000 >"$RUN"/ended'
	;;
*)	not_ok "a quirk that scenarios/quirks.sh knows" "QUIRK=$QUIRK" ;;
esac
kvm_unload
dmesg_clean
