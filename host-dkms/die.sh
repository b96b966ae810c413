# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by prepare and build, which set $kernel.

# dkms sends all output to make.log. The one line that says what to do must
# reach people: on their terminal, or in the system log for updates at night.
die()
{
	# shellcheck disable=SC2154
	line="kvm-paravirt: not built for $kernel: $*"
	echo "$line" >&2
	if (: >/dev/tty) 2>/dev/null; then
		printf '\n%s\n' "$line" >/dev/tty
	fi
	logger -t kvm-paravirt "$line" 2>/dev/null || :
	exit 1
}
