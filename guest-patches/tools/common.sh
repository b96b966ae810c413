# shellcheck shell=sh
# What the tools share; read with `.` after $tools is set.

patches=$(cd "${tools:?}/.." && pwd)
abi=$patches/../abi
abi_path=arch/x86/include/uapi/asm/kvm_paravirt.h

# The user's settings (diff.noprefix, commit.gpgsign, ...) must not leak into
# what is generated.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The real file behind a path of the kernel that the series adds.
own_file() {
	case $1 in
	"$abi_path") echo "$abi/kvm_paravirt.h" ;;
	*) echo "$patches/src/$1" ;;
	esac
}

# What goes over the small configuration for flavour $1; over the distribution's
# for "cloud".
fragments() {
	case $1 in
	"") ;;
	cloud) echo "$patches/config/cloud.config" ;;
	i386) echo "$patches/config/i386.config $patches/config/i386-nopae.config" ;;
	i386-pae) echo "$patches/config/i386.config $patches/config/i386-pae.config" ;;
	debug) echo "$patches/config/debug.config $patches/config/debug-guest.config" ;;
	hz1000|peers|up|size|cpus) echo "$patches/config/$1.config" ;;
	*) die "no flavour $1: cloud, i386, i386-pae, debug, hz1000, peers, up, size, cpus, or none" ;;
	esac
}

# Patch names of series $1, in order.
series() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$patches/$1/series"
}

# What patch file $1 adds, one path per line.
adds() {
	sed -n -e '/^---$/q' -e 's/^Adds: *//p' "$1"
}

# Everything that `tree` makes the commits of series $1 from.
inputs() {
	echo "$patches/$1/series"
	for name in $(series "$1"); do
		patch=$patches/$1/$name
		echo "$patch"
		[ ! -f "$patch" ] || for path in $(adds "$patch"); do own_file "$path"; done
	done
}

# Checksum of all that.
stamp() {
	files=$(inputs "$1")
	for file in $files; do
		[ -f "$file" ] || die "series $1 needs $file, which does not exist"
	done
	# shellcheck disable=SC2086 # a list of files
	sha256sum $files | cut -d " " -f 1 | sha256sum
}

# Nothing of the build machine, the time or the git state in the kernel of
# tree $1.
kernel_env() {
	KBUILD_BUILD_TIMESTAMP=$(git -C "$1" log -1 --format=%cD)
	export KBUILD_BUILD_TIMESTAMP
	export KBUILD_BUILD_USER=kvm-paravirt KBUILD_BUILD_HOST=localhost
	export KBUILD_BUILD_VERSION=1 LOCALVERSION=
}
