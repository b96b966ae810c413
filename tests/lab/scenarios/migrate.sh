# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# Live migration, savevm and loadvm, pause, a snapshot that is restored again and again, by unmodified QEMU, amid a
# storm of switches on two vCPUs: on ours, to the stock module and back. The guest notices by itself.
# migrate-long does it at random, many times.
# shellcheck source=SCRIPTDIR/../l1/moved.sh
. /lab/moved.sh
CLOCK="instructions"
HOST=/sys/kernel/debug/kvm_paravirt_host
GUEST_SMP=2

kvm_load ours
check "guest is in a storm" moved_start

before_move
check "live migration" move
say "note: $SYNCS rounds of dirty pages"
took_up "live migration" 400 1

before_move
check "paused and continued" pause
kept "paused"
check "paused: no load without help" [ "$NATIVE" = "$was_native" ]

before_move
check "savevm" monitor savevm s
check "savevm: the storm goes on, memory is right" storm_goes_on
trace_begin
check "loadvm" load_snapshot s
took_up "loadvm" 400 1

before_move
check "guest is saved" snapshot /run/saved
for time in first second; do
	trace_begin
	check "restored, $time time" restore /run/saved
	took_up "restored, $time time" 400 1
	guest_kill $G
done
kvm_unload

kvm_load stock
check "saved on ours, restored on stock" restore /run/saved
goes_native "ours to stock"
guest_status "ours to stock" 3 'not offered: the host does not know kvm-paravirt'
check "guest is saved on stock" snapshot /run/saved
kvm_unload

kvm_load ours
was_registered=$REGISTERED was_native=$NATIVE was_loads=$LOADS
trace_begin
check "saved on stock, restored on ours" restore /run/saved
took_up "stock to ours" 900 100000
guest_status "stock to ours" 0 'in use: .*load-cr3'
check "the storm ends, its memory was right" storm_end

# A guest that does not switch does not register again; its first switch is enough.
before_move
check "live migration of an idle guest" move
check "idle guest: alive" guest_sh $G 60 'LAB_MARKS=0 pipe 20'
trace_registered kvmpv_hypercall
check "idle guest: registers at its first switch ($VCPUS vCPUs, $WITHIN us)" [ "$VCPUS" -ge 1 -a "$WITHIN" -lt 20000 ]
guest_kill $G
check "every registration is gone" [ "$(cat $HOST/registered)" = "$(cat $HOST/unregistered)" ]
kvm_unload
dmesg_clean
