# shellcheck shell=bash
# Modules of ours that are built for the lab alone: from changed source, for code that needs KVM, which no unit test runs; and for
# the kernel of ./debug-kernel. Sourced by the scripts that say what the changes are, and by that one; they set $top.
: "${top:?}"

# copy_source DIR: what a module is built of, to be changed there.
copy_source() {
	rm -rf "$1"
	mkdir -p "$1"
	cp -r "$top/host-dkms" "$top/abi" "$1"
}

# change DIR FILE SED-ARGUMENT...: changes a file of src/ there, and fails if nothing has changed.
change() {
	local file=$1/host-dkms/src/$2
	cp "$file" "$1/before"
	sed -i -E "${@:3}" "$file"
	! cmp -s "$1/before" "$file"
}

# build_module DIR: kvm-intel.ko of that source, to stdout, by way of dkms's build, for the kernel that the lab boots where none
# is named.
build_module() {
	# shellcheck disable=SC2016 # for the shell in the root
	"$top/tests/setup/in-root" -s "$top/build/root" sh -euc '
		kernel=$(basename "/lib/modules/$2".*-cloud-amd64)
		cd /tmp
		cp -r "/mnt/$1/host-dkms" "/mnt/$1/abi" .
		host-dkms/build "$kernel" "/lib/modules/$kernel/build" >&2
		cat host-dkms/tree/arch/x86/kvm/kvm-intel.ko' sh "${1#"$top/"}" "$("$top/guest-patches/tools/default-series")"
}

# build_debug_modules SERIES SOURCE OUT: kvm-intel.ko and kvm-amd.ko of the folder SOURCE, host-dkms or a changed copy of it (with abi/
# beside it), for the kernel that ./debug-kernel has built, in the way of dkms.
build_debug_modules() (
	tree=$top/build/debug-$1/linux
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$3"
	{
		make -s -C "$2" install DESTDIR="$work" && mv "$work"/usr/src/kvm-paravirt-* "$work/source" &&
			"$work/source/build" "$(make -s -C "$tree" LOCALVERSION= kernelrelease)" "$tree" &&
			cp "$work"/source/tree/arch/x86/kvm/kvm-*.ko "$3/"
	} >"$3/build.log" 2>&1 || { echo "our modules do not build, see $3/build.log" >&2; exit 1; }
)

# changed_module TEXT DIR [FILE SED]...: DIR/kvm-intel.ko, of source in DIR/source whose files of src/ are changed, and to which $patch is
# applied if that is set. If any of this cannot be done, a check TEXT fails.
changed_module() {
	local text=$1 dir=$2
	shift 2
	rm -rf "$dir"
	copy_source "$dir/source"
	while [ $# != 0 ]; do
		change "$dir/source" "$1" "$2" || { not_ok "$text" "a change of $1 did not apply"; return 1; }
		shift 2
	done
	[ -z "${patch:-}" ] || patch -s -p1 --fuzz=0 -d "$dir/source" <"$patch" >"$dir/patch.log" ||
		{ not_ok "$text" "$patch: $(tail -n 1 "$dir/patch.log")"; return 1; }
	build_module "$dir/source" >"$dir/kvm-intel.ko" 2>"$dir/build.log" ||
		{ not_ok "$text" "does not build: $(grep -m 1 error: "$dir/build.log" || tail -n 1 "$dir/build.log")"; return 1; }
}
