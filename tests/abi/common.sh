# shellcheck shell=sh disable=SC2034
# Sourced by the scripts beside it. KVMPV_HEADER and KVMPV_HISTORY let
# selfcheck point them at changed copies.

LC_ALL=C
export LC_ALL

top=$(cd "$(dirname "$0")/../.." && pwd)
header=${KVMPV_HEADER:-$top/abi/kvm_paravirt.h}
history=${KVMPV_HISTORY:-$top/abi/history}
here=$top/tests/abi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
out=$tmp
. "$top/tests/checks.sh"

# The first line that names an error, or else the first.
reason() { sed -n '/error/{p;q}' "$check_log" | grep . || head -n 1 "$check_log"; }

abi_version()
{
	awk '$2 == "KVMPV_ABI_VERSION" { print $3 }' "$header"
}

# The structures without what depends on pahole's version (comments on
# cachelines and holes).
layout()
{
	printf '#include "%s"\n' "$header" >"$tmp/layout.c"
	sed -n 's/^struct \(kvmpv_[a-z0-9_]*\) {$/struct \1 *p_\1;/p' "$header" >>"$tmp/layout.c"
	gcc -m64 -g -gdwarf-4 -c -o "$tmp/layout.o" "$tmp/layout.c"
	pahole "$tmp/layout.o" |
		sed -n '/^struct kvmpv_/,/^};/p' |
		sed -e '/^[[:space:]]*\/\*.*\*\/$/d' -e '/^[[:space:]]*$/d' |
		tr -s ' \t' ' '
}
