# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The emulated host: loads and unloads KVM's modules, and says what the host's kernel has reported and counted.

# dmesg_clean: a check that neither the host's kernel nor QEMU has complained.
dmesg_clean() {
	dmesg >"$RUN"/dmesg
	# Where no QEMU ran there is no log of it, and grep fails whatever it has found. QEMU 10 calls it an error that there is
	# no kvmvapic.bin, which these guests do without.
	grep -hE "$COMPLAINTS" "$RUN"/dmesg "$RUN"/qemu.log 2>/dev/null | grep -v '^rom: file kvmvapic[.]bin ' >"$RUN"/bad || :
	if [ -s "$RUN"/bad ]; then
		not_ok "logs of host kernel and QEMU are clean" "$(head -n 1 "$RUN"/bad)"
		tail -n 40 "$RUN"/dmesg "$RUN"/qemu.log
	else
		ok "logs of host kernel and QEMU are clean"
	fi
}

# consoles_clean: a check that no guest's kernel has complained on its console. Only lines with a time are the kernel's.
consoles_clean() {
	check "consoles of guests are clean" eval "! grep -E '\\[ *[0-9]+\\.[0-9]+\\] .*($COMPLAINTS)' '$RUN/consoles'"
}

# debug_clean: on a kernel that watches itself, nothing was reported to the end, nothing was left behind in
# memory, and it still watches: lockdep stops at its first report, also at one from before init.
debug_clean() {
	dmesg_clean
	check "lockdep is on" grep -q 'debug_locks: *1$' /proc/lockdep_stats
	# What is younger than five seconds is not told.
	sleep 6
	check "kmemleak scans" sh -c 'for _ in 1 2; do echo scan >/sys/kernel/debug/kmemleak || exit; done'
	cat /sys/kernel/debug/kmemleak >"$RUN"/leaks
	if [ -s "$RUN"/leaks ]; then
		not_ok "no memory leaks" "$(grep -c '^unreferenced' "$RUN"/leaks) objects"
		head -n 100 "$RUN"/leaks
	else
		ok "no memory leaks"
	fi
}

# kvm_load stock|ours [PARAM=VALUE...]: shadow paging unless a parameter says otherwise.
kvm_load() {
	kvm_kind=$1
	shift
	for module in $MODULE_DEPS; do
		grep -q "^$(echo "$module" | tr - _) " /proc/modules || insmod "/modules/$module.ko" || return 1
	done
	set -- "$PAGING=0" "$@"
	if [ ! -e "/modules/$kvm_kind/$VENDOR_MODULE.ko" ]; then
		not_ok "load $kvm_kind $VENDOR_MODULE" "the module is not in the image: build it, or give run -j"
		return 1
	fi
	insmod "/modules/$kvm_kind/$VENDOR_MODULE.ko" "$@" && ok "load $kvm_kind $VENDOR_MODULE $*" && return
	not_ok "load $kvm_kind $VENDOR_MODULE $*" "$(dmesg | tail -n 1)"
	return 1
}

kvm_unload() {
	# A QEMU that has just ended holds /dev/kvm a moment longer.
	for _ in 1 2 3 4 5; do
		rmmod "$VENDOR_MODULE" 2>/dev/null && return
		sleep 1
	done
	not_ok "unload $VENDOR_MODULE" "still in use"
	return 1
}

# kvm_form FORM [PARAM=VALUE...]: KVM with EPT or NPT: the stock module, which is to use huge pages (huge) or none (stock); ours
# without huge pages, which maps around a fault what is present, or blocks of so many pages (blockN), or nothing (ours), or only what the
# guest asks for (asked).
kvm_form() {
	form=$1
	shift
	echo never >"$SYS"/kernel/mm/transparent_hugepage/enabled
	case $form in
	stock) kvm_load stock "$PAGING=1" "$@" ;;
	huge) echo always >"$SYS"/kernel/mm/transparent_hugepage/enabled && kvm_load stock "$PAGING=1" "$@" ;;
	ours) kvm_load ours "$PAGING=1" "$@" ;;
	asked) kvm_load ours "$PAGING=1" populate=1 "$@" ;;
	*) kvm_load ours "$PAGING=1" "populate=${form#block}" "$@" ;;
	esac
}

# registrations TEXT N: so many vCPUs are registered with the host.
registrations() {
	read -r reg <"$SYS"/kernel/debug/kvm_paravirt_host/registered
	read -r unreg <"$SYS"/kernel/debug/kvm_paravirt_host/unregistered
	check "$1: registered vCPUs: $2" [ $((reg - unreg)) = "$2" ]
}

# event_clear NAME: count anew how often KVM's tracepoint was passed; event_hits NAME prints it.
event_clear() {
	echo 'hist:keys=common_pid' >"$SYS/kernel/tracing/events/$1/trigger"
	echo 'hist:keys=common_pid:clear' >>"$SYS/kernel/tracing/events/$1/trigger"
}

event_hits() { awk '$1 == "Hits:" { print $2 }' "$SYS/kernel/tracing/events/$1/hist"; }
