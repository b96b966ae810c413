# shellcheck shell=sh disable=SC2034
# Sourced by what ./run starts beside a throw-away copy of build/root, which is
# in $ROOT. $1: where the packages are.
top=$(realpath "$(dirname "$0")/../../..")
. "$top/tests/packaging/lib.sh"

packages=$1
newer=$version.1
kernel=$(basename "$ROOT"/lib/modules/"$series".*-cloud-amd64)
# Another flavour of the kernel, of which only the headers are there.
other=$(basename "$ROOT"/usr/src/linux-headers-"$series".*[0-9]-amd64 | sed 's/^linux-headers-//')
stock=/lib/modules/$kernel/kernel/arch/x86/kvm
ours=/lib/modules/$kernel/updates/dkms

# --nodeps: the root's packages are dpkg's.
rpm_() { rpm --root "$ROOT" --dbpath /var/lib/rpm "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }; }
in_root() { chroot "$ROOT" "$@"; }

# Debian 13's dkms adds what it has moved away.
dkms_status() { in_root dkms status kvm-paravirt | sed 's/ (Original modules exist)$//' | sort; }

# said PATTERN: rpm's last command, with the scriptlets', has such a line.
said() { grep -qE -- "$1" "$work/said" || { tail -n 5 "$work/said"; return 1; }; }

# package DIR NAME: the file.
package() { echo "$packages/packages$1/$2"-[0-9]*.rpm; }

# The folder that modprobe takes the modules from.
in_use() {
	for m in kvm-intel kvm-amd; do
		dirname "$(in_root modinfo -k "$kernel" -n $m)"
	done | sort -u
}

# Module versions of what modprobe takes.
versions() {
	for m in kvm-intel kvm-amd; do
		in_root modinfo -k "$kernel" -F version $m
	done | sort -u
}

# All that is in the root, but for rpm's database. In /tmp an installation leaves dkms's lock of
# --rpm_safe_upgrade behind, with every dkms package.
all_files() {
	(cd "$ROOT" && find . -xdev -path ./var/lib/rpm -prune -o -path ./tmp -prune -o -print | sort)
}
# Folders that rpm distributions have.
mkdir -p "$ROOT/usr/share/licenses" "$ROOT/usr/lib/kernel/install.d"
nothing_left() { all_files | diff "$work/before" - ; }

# borrow PROGRAM: the machine's, which is of the root's release, with its libraries. A script has none.
borrow() {
	for file in "$1" $(ldd "$1" | awk '$2 == "=>" { print $3 }'); do
		[ -e "$ROOT$file" ] || { mkdir -p "$ROOT${file%/*}" && cp -L "$file" "$ROOT$file"; }
	done
}
# dkms takes it for --rpm_safe_upgrade.
borrow /usr/bin/ps

# headers_of KERNEL...: takes the headers of all other kernels away, since modules are built for each kernel that has some.
headers_of() {
	for build in "$ROOT"/lib/modules/*/build; do
		k=$(basename "$(dirname "$build")")
		case " $* " in
		*" $k "*) ;;
		*) rm "$build" ;;
		esac
	done
}

# The lab installs the module in build/root for good.
start_clean() {
	for dir in "$ROOT"/var/lib/dkms/kvm-paravirt/[0-9]*; do
		[ ! -d "$dir" ] || in_root dkms remove "kvm-paravirt/$(basename "$dir")" --all >/dev/null 2>&1
	done
	rm -rf "$ROOT"/usr/src/kvm-paravirt-* "$ROOT"/var/lib/dkms/kvm-paravirt*
	check "start with the stock modules" same "$(in_use)" "$stock"
}
