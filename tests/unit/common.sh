# shellcheck shell=sh disable=SC2034
# Sourced by the scripts beside it.

top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/unit
src=$top/host-dkms/src
# The files that need no kernel.
plain="paravirt_args.c paravirt_roots.c"
out=$top/build/unit
flags="-std=gnu11 -g -Wall -Wextra -Werror -fno-sanitize-recover=all -I$here/include -I$top/abi"
mkdir -p "$out"
. "$top/tests/checks.sh"

# build_fuzz: $out/fuzz, with sanitizers. Coverage is counted of the host's code
# alone: that of the model says nothing, and takes four fifths of the time.
build_fuzz()
{
	# shellcheck disable=SC2086 # a list of options
	set -- $flags -O2 -I"$src" -fsanitize=address,undefined
	clang "$@" -c -o "$out/fuzz.o" "$here/fuzz.c" || return
	for c in $plain; do
		clang "$@" -fsanitize=fuzzer-no-link -c -o "$out/fuzz-$c.o" "$src/$c" || return
	done
	clang "$@" -fsanitize=fuzzer -o "$out/fuzz" "$out/fuzz.o" "$out"/fuzz-*.c.o
}

# caught TEXT PROGRAM: a test with a mistake in what it tests, which it has to find: status 1, as of a check that fails and of
# the sanitizers.
caught()
{
	mutant_status=0
	timeout 20 "$2" >"$out/mutant.log" 2>&1 || mutant_status=$?
	if [ "$mutant_status" = 1 ]; then
		ok "$1"
	else
		not_ok "$1" "no test fails: status $mutant_status"
	fi
}

# What a fuzzer's log ($1) has to say of a failure.
fuzz_reason()
{
	grep -m 1 -E 'fuzz.c:[0-9]+: |runtime error:|ERROR' "$1" || tail -n 1 "$1"
}
