# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by prepare, build and install-for, which set $kernel.

# The one line that says why there are no modules for this kernel, and what to do.
# dkms sends all output to make.log, so the line must reach people on their
# terminal, or in the system log for updates at night. install-for passes it on by
# itself, and sets KVMPV_TOLD lest it is told twice.
die()
{
	# shellcheck disable=SC2154
	line="kvm-paravirt: not built for $kernel: $*"
	echo "$line" >&2
	[ -z "${KVMPV_TOLD:-}" ] || exit 1
	if (: >/dev/tty) 2>/dev/null; then
		printf '\n%s\n' "$line" >/dev/tty
	fi
	log_line "$line"
	exit 1
}

log_line() { logger -t kvm-paravirt "$1" 2>/dev/null || :; }

# Prints the version of the Debian package $1; nothing if it is not installed.
package_version()
{
	dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null |
		sed -n 's/^\(installed\|unpacked\|half-configured\|triggers-[a-z]*\) //p'
}

# Prints what tells kernel $1, with its headers in $2, from others of the same name: the version of the headers'
# package, or a sum of what modules are linked against, and of what they share structures with. Without
# CONFIG_MODVERSIONS, Module.symvers does not change when structures do; kvm.ko and vmlinux do.
headers_id()
{
	id=$(package_version "linux-headers-$1")
	[ -n "$id" ] ||
		id=$(cat "$2/Module.symvers" "/lib/modules/$1/kernel/arch/x86/kvm/kvm.ko"* "$2/vmlinux" 2>/dev/null | cksum)
	# A sum of nothing.
	[ "${id#* }" != 0 ] || id=unknown
	echo "$id"
}
