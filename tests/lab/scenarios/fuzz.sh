# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What a guest can do, and what it must not, at random: ../tiny/README.md. Settings (run -e):
#   FORMS="asked block"  the host has EPT or NPT, and populate=1 or populate=64
#   LENGTH=long          10^6 hypercalls and more, 10^7 CR3 operations
#   TINY="fuzz -s 3"     this instead, to repeat what has failed; with FORMS=asked and "fuzz -h asked -s 3"
FORMS="shadow"

HOST=/sys/kernel/debug/kvm_paravirt_host

# fuzzed VCPUS...: fuzzes for as long as LENGTH says. OPTIONS are those of the form.
fuzzed() {
	if [ -n "${TINY:-}" ]; then
		# shellcheck disable=SC2086 # words are meant
		tiny $TINY
	elif [ "${LENGTH:-}" = long ]; then
		for seed in 1 2 3 4; do
			tiny fuzz -h "$host" -n 1 -s $seed -c 60000 -t 100000
			tiny fuzz -h "$host" -n "$1" -s $seed -c 30000 -t 100000
		done
	else
		tiny fuzz -h "$host" -n 1 -c 3000
		tiny fuzz -h "$host" -n "$1" -c 1500
	fi
}

for form in $(echo "$FORMS" | tr , ' '); do
	case $form in
	shadow)
		kvm_load ours
		host=load
		[ "$MACHINE" != vmx ] || host=cache
		fuzzed 2
		;;
	asked)
		kvm_load ours "$PAGING=1" populate=1
		host=asked
		fuzzed 4
		;;
	block)
		kvm_load ours "$PAGING=1" populate=64
		host=block
		fuzzed 4
		;;
	esac
	for counter in "$HOST"/*; do
		read -r count <"$counter"
		case $count in
		'' | 0 | *[!0-9]*) ;;
		*) say "note: $form: ${counter##*/} $count" ;;
		esac
	done
	# Without these the stash was not tried.
	if [ "$form" = shadow ] && [ -z "${TINY:-}" ]; then
		read -r count <$HOST/stash_switches
		check "roots beyond four were loaded from the stash ($count)" [ "$count" -gt 100 ]
	fi
	# When the module is unloaded, KVM complains of shadow pages to which there are references left.
	kvm_unload
done
dmesg_clean
