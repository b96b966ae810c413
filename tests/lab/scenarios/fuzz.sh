# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What a guest can do, and what it must not, at random: ../tiny/README.md. Settings (run -e):
#   LENGTH=long          10^6 hypercalls and more, 10^7 CR3 operations
#   TINY="fuzz -s 3"     this instead, to repeat what has failed

HOST=/sys/kernel/debug/kvm_paravirt_host

kvm_load ours
if [ -n "${TINY:-}" ]; then
	# shellcheck disable=SC2086 # words are meant
	tiny $TINY
elif [ "${LENGTH:-}" = long ]; then
	for seed in 1 2 3 4; do
		tiny fuzz -n 1 -s $seed -c 60000 -t 100000
		tiny fuzz -n 2 -s $seed -c 30000 -t 100000
	done
else
	tiny fuzz -n 1 -c 3000
	tiny fuzz -n 2 -c 1500
fi
for counter in "$HOST"/*; do
	read -r count <"$counter"
	case $count in
	'' | 0 | *[!0-9]*) ;;
	*) say "note: ${counter##*/} $count" ;;
	esac
done
# Else nothing of the stash was tried.
if [ -z "${TINY:-}" ]; then
	read -r count <$HOST/stash_switches
	check "roots beyond four were loaded from the stash ($count)" [ "$count" -gt 100 ]
fi
# KVM then tells of shadow pages that somebody still refers to.
kvm_unload
dmesg_clean
