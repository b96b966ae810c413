# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A guest is stopped at random instructions, saved, restored: ../tiny/README.md. Settings (run -e):
#   CYCLES=1000          default 100; a tenth of it with two vCPUs

kvm_load ours
tiny snapshots -c "${CYCLES:-100}"
tiny snapshots -n 2 -c $((${CYCLES:-100} / 10))
kvm_unload

# The same host without the cache.
kvm_load ours paravirt=load-cr3,flush
tiny snapshots -c $((${CYCLES:-100} / 10))
kvm_unload
dmesg_clean
