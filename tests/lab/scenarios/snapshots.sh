# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A guest is stopped at random instructions, saved, restored: ../tiny/README.md. Settings (run -e):
#   CYCLES=1000          default 100; a tenth of it with two vCPUs, and on each other host

cycles=${CYCLES:-100}
kvm_load ours
tiny snapshots -n 2 -c $((cycles / 10))
tiny snapshots -c "$cycles" -w /run/snapshot
kvm_unload

# A guest that was saved goes on on a host without kvm-paravirt, on one without the cache, and again on one that has both.
kvm_load stock
tiny snapshots -h none -c $((cycles / 10)) -r /run/snapshot -w /run/snapshot
kvm_unload
kvm_load ours paravirt=load-cr3,flush
tiny snapshots -h load -c $((cycles / 10)) -r /run/snapshot -w /run/snapshot
kvm_unload
kvm_load ours
tiny snapshots -c $((cycles / 10)) -r /run/snapshot
kvm_unload
dmesg_clean
