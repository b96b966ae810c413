# shellcheck shell=bash
# Modules of ours that are built from changed source, for the lab alone: the code that they change needs KVM, and no unit
# test runs it. Sourced by the scripts that say what the changes are; they set $top.
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

# why_not_built LOG: the line of the build's log that says it.
why_not_built() { grep -m 1 error: "$1" || tail -n 1 "$1"; }
