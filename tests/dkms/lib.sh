# shellcheck shell=sh disable=SC2034
# Sourced by the tests, which ./run starts as root in a throw-away copy of
# build/root, with the source tree at /mnt.

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' /mnt/host-dkms/dkms.conf)
module=kvm-paravirt/$version
kernel=$(basename /lib/modules/*-cloud-amd64)
# Another flavour, of which only the headers are there.
other=$(basename /usr/src/linux-headers-*[0-9]-amd64 | sed 's/^linux-headers-//')
headers=/lib/modules/$kernel/build
# Built, installed and removed together.
modules="kvm-intel kvm-amd"
stock=/lib/modules/$kernel/kernel/arch/x86/kvm
ours=/lib/modules/$kernel/updates/dkms
make_log=/var/lib/dkms/$module/build/make.log
# What the last command said.
out=/tmp/out
failed=0

ok() { echo "ok - $1"; }

not_ok()
{
	echo "not ok - $1 # $2"
	failed=1
}

# check TEXT COMMAND...: the command must succeed; when it fails, its last
# line, or the one that dkms has put into make.log, is the reason.
check()
{
	text=$1
	shift
	if "$@" >"$out" 2>&1; then
		ok "$text"
	else
		not_ok "$text" "$( (cat "$out"; cat "$make_log" 2>/dev/null) | tail -n 1)"
	fi
}

# same GOT WANTED, for check.
same()
{
	[ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }
}

# The folder that modprobe takes the modules from; more than one if it is not the same for all.
in_use()
{
	for m in $modules; do
		dirname "$(modinfo -k "$kernel" -n "$m")"
	done | sort -u
}

# A folder that looks like the headers of kernel $1, made of those of $kernel.
fake_headers()
{
	mkdir -p "/lib/modules/$1"
	cp -r "/usr/src/linux-headers-$kernel" "/usr/src/linux-headers-$1"
	sed -i "s/$kernel/$1/" "/usr/src/linux-headers-$1/include/generated/utsrelease.h"
	ln -s "/usr/src/linux-headers-$1" "/lib/modules/$1/build"
}

# dpkg forgets linux-source-6.1.
forget_source()
{
	sed -i '/^Package: linux-source-6.1$/,/^$/s/^Status: .*/Status: deinstall ok config-files/' \
		/var/lib/dpkg/status
}

# The files that prepare takes from a full kernel source tree, unchanged.
pristine_tree()
{
	mkdir -p "$1"
	tar -xf /usr/src/linux-source-6.1.tar.xz -C "$1" --strip-components=1 \
		linux-source-6.1/Makefile linux-source-6.1/arch/x86/kvm
}

# The lab installs the module in build/root for good.
start_clean()
{
	dpkg --purge kvm-paravirt-dkms >/dev/null 2>&1
	if [ -d /var/lib/dkms/kvm-paravirt ]; then
		dkms remove "$module" --all >/dev/null 2>&1
	fi
	rm -rf /var/lib/dkms/kvm-paravirt /usr/src/kvm-paravirt-*
	[ "$(in_use)" = "$stock" ] || { not_ok "start with the stock modules" "$(in_use)"; exit 1; }
}
