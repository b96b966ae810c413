# shellcheck shell=sh disable=SC2034
# Sourced by the scripts beside it.

top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/unit
src=$top/host-dkms/src
out=$top/build/unit
flags="-std=gnu11 -g -Wall -Wextra -Werror -fno-sanitize-recover=all -I$here/include -I$top/abi"
bad=0
mkdir -p "$out"
