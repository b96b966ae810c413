# shellcheck shell=sh disable=SC2034
# Sourced by the tests, which ./run starts as root in a throw-away copy of
# build/root, with the source tree at /mnt.

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' /mnt/host-dkms/dkms.conf)
module=kvm-paravirt/$version
cloud_kernels() { find /lib/modules -mindepth 1 -maxdepth 1 -name '*-cloud-amd64' -printf '%f\n' | sort -V; }
kernel=$(cloud_kernels | head -n 1)
series=$(echo "$kernel" | cut -d . -f 1,2)
# The newest kernel, which is of the next series if this Debian has one.
newer=$(cloud_kernels | tail -n 1)
# Another flavour of the first kernel, of which only the headers are installed.
other=$(basename "/usr/src/linux-headers-$series".*[0-9]-amd64 | sed 's/^linux-headers-//')
headers_version=$(dpkg-query -W -f '${Version}' "linux-headers-$kernel")
headers=/lib/modules/$kernel/build
# Built, installed and removed together.
modules="kvm-intel kvm-amd"
stock=/lib/modules/$kernel/kernel/arch/x86/kvm
ours=/lib/modules/$kernel/updates/dkms
make_log=/var/lib/dkms/$module/build/make.log
# What the last command said.
out=/tmp/out
check_log=$out
# shellcheck source-path=SCRIPTDIR source=../checks.sh
. /mnt/tests/checks.sh

# regex TEXT: a regular expression for it. Versions have dots, and on Debian 13 kernels a plus.
regex() { echo "$1" | sed 's/[.+]/[&]/g'; }

# The reason may be in make.log, where dkms puts it. Debian 13's dkms ends that with a line of dashes.
reason() { cat "$out" "$make_log" 2>/dev/null | grep -v '^-*$' | tail -n 1; }

# The folder that modprobe takes the modules from; more than one if it is not the same for all.
in_use()
{
	for m in $modules; do
		dirname "$(modinfo -k "$kernel" -n "$m")"
	done | sort -u
}

# Has kernel $1 symbol CRCs?
has_crcs() { grep -qx CONFIG_MODVERSIONS=y "/lib/modules/$1/build/include/config/auto.conf"; }

# The module in file $1, which dkms compresses if the distribution does.
plain() { case $1 in *.xz) xz -dc "$1" ;; *) cat "$1" ;; esac; }

# What our module $2 for kernel $1 imports: CRC (0 in kernels that have none) and name.
imports()
{
	if has_crcs "$1"; then
		modprobe --dump-modversions "$(our_file "$1" "$2")"
		return
	fi
	plain "$(our_file "$1" "$2")" >/tmp/module.ko
	nm -u /tmp/module.ko | awk '{ print "0x00000000\t" $2 }'
}

# Every symbol that our module $2 imports is exported, with the same CRC, by
# kernel $1 or its kvm.ko.
imports_are_exported()
{
	imports "$1" "$2" | sort >/tmp/imports
	awk '{ print $1 "\t" $2 }' "/lib/modules/$1/build/Module.symvers" | sort >/tmp/exports
	[ "$(wc -l </tmp/imports)" -gt 100 ] && ! comm -23 /tmp/imports /tmp/exports | grep .
}

# The build for kernel $1 has proven that our module $2 shares no structure with the kernel that is laid out in another way.
layouts_were_compared()
{
	grep -E "^layouts: $2: all [0-9]{4,} types that it shares with the kernel are alike" \
		"/var/lib/dkms/$module/$1"/*/log/make.log
}

# Symbols that kernel $1's stock module $2 imports as well have the stock module's CRC.
crcs_are_stock()
{
	modprobe --dump-modversions "$(our_file "$1" "$2")" | awk '{ print $2, $1 }' | sort >/tmp/a
	modprobe --dump-modversions "$(stock_file "$1" "$2")" | awk '{ print $2, $1 }' | sort >/tmp/b
	[ "$(join /tmp/a /tmp/b | wc -l)" -gt 100 ] && ! join /tmp/a /tmp/b | awk '$2 != $3' | grep .
}

# Parameters that only one of ours and kernel $1's stock module $2 has.
new_parameters()
{
	modinfo -F parm "$(our_file "$1" "$2")" | sort >/tmp/a
	modinfo -F parm "$(stock_file "$1" "$2")" | sort >/tmp/b
	comm -3 /tmp/a /tmp/b | cut -d : -f 1
}

# Files of kernel $1's module $2.
our_file() { echo "/lib/modules/$1/updates/dkms/$2.ko"*; }
# Debian 12's dkms leaves the distribution's module where it is; later ones move it away for as long as ours is there.
moved=/var/lib/dkms/kvm-paravirt/original_module
stock_file()
{
	for file in "/lib/modules/$1/kernel/arch/x86/kvm/$2.ko" "$moved/$1/x86_64/$2.ko"; do
		for suffix in "" .xz; do
			[ ! -f "$file$suffix" ] || echo "$file$suffix"
		done
	done
}

# What is installed for kernel $1 fits it, and differs from stock in nothing else.
check_modules()
{
	for m in $modules; do
		check "$1: modprobe takes our $m" \
			same "$(modinfo -k "$1" -n "$m")" "$(our_file "$1" "$m")"
		check "$1: $m: MODULE_VERSION is the package's" \
			same "$(modinfo -F version "$(our_file "$1" "$m")")" "$version"
		check "$1: $m: vermagic is the stock module's" \
			same "$(modinfo -F vermagic "$(our_file "$1" "$m")")" \
			"$(modinfo -F vermagic "$(stock_file "$1" "$m")")"
		check "$1: $m: the only new parameters are paravirt and populate" \
			same "$(new_parameters "$1" "$m" | paste -s)" "$(printf 'paravirt\tpopulate')"
		check "$1: $m: every import is exported by this kernel, CRC included" \
			imports_are_exported "$1" "$m"
		if has_crcs "$1"; then
			check "$1: $m: every CRC is the stock module's" crcs_are_stock "$1" "$m"
		fi
		# Debian has BTF for modules in the headers of 6.12 and later.
		if ! has_crcs "$1" || [ -s "/lib/modules/$1/build/vmlinux" ]; then
			check "$1: $m: layouts are the kernel's, by BTF" layouts_were_compared "$1" "$m"
		fi
	done
	check "$1: kvm.ko stays the distribution's" \
		same "$(modinfo -k "$1" -n kvm)" "$(stock_file "$1" kvm)"
}

# A folder that looks like the headers of kernel $1, made of those of $kernel.
fake_headers()
{
	mkdir -p "/lib/modules/$1"
	cp -r "/usr/src/linux-headers-$kernel" "/usr/src/linux-headers-$1"
	sed -i "s/$kernel/$1/" "/usr/src/linux-headers-$1/include/generated/utsrelease.h"
	ln -s "/usr/src/linux-headers-$1" "/lib/modules/$1/build"
}

# dpkg forgets the kernel's source package.
forget_source()
{
	sed -i "/^Package: linux-source-$series\$/,/^\$/s/^Status: .*/Status: deinstall ok config-files/" \
		/var/lib/dpkg/status
}

# The files that prepare takes from a full kernel source tree, unchanged.
pristine_tree()
{
	mkdir -p "$1"
	tar -xf "/usr/src/linux-source-$series.tar.xz" -C "$1" --strip-components=1 \
		"linux-source-$series/Makefile" "linux-source-$series/arch/x86/kvm"
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

# Makes dpkg believe that the package $1 has version $2.
fake_version()
{
	sed -i "/^Package: $1\$/,/^\$/s/^Version: .*/Version: $2/" /var/lib/dpkg/status
}
