# shellcheck shell=sh
# The Debian roots in build/, sourced by what needs one of another release than the machine's. It sets $top.
: "${top:?}"

# The release besides the machine's own that hosts are tested with, in build/root13.
debian13=trixie
make_root13() { "$top/tests/setup/make-root" -s "$debian13" root13; }

# The last release whose QEMU has an SVM that the lab can use, in build/root-svm; see tests/lab/EMULATORS.md.
make_root_svm() { "$top/tests/setup/make-root" -s bookworm root-svm qemu-system-x86; }

# The release of the machine, whose root is build/root.
# shellcheck source=/dev/null
own_suite() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }
