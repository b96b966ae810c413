# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# What the host does to a guest's pages while memory is verified in it: takes them away and swaps them out, merges
# equal ones, moves them, makes them read-only; its own suspend; and unloading, when the last guest is gone.
CGROUP=/run/cgroup
KSM=/sys/kernel/mm/ksm

vmstat() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }

# meanwhile COMMAND: runs it again and again until meanwhile_ends, which tells in TIMES how often.
meanwhile() {
	: >/run/meanwhile
	while [ -e /run/meanwhile ]; do
		eval "$1"
		echo
		usleep 20000
	done >/run/times 2>/dev/null &
	meanwhile_pid=$!
}

meanwhile_ends() {
	rm /run/meanwhile
	wait $meanwhile_pid
	TIMES=$(grep -c '^$' /run/times)
}

kvm_load ours
insmod /modules/brd.ko rd_nr=1 rd_size=131072
check "there is a disk to swap to" eval 'mkswap /dev/ram0 >/dev/null && swapon /dev/ram0'
mkdir -p $CGROUP
mount -t cgroup2 none $CGROUP
echo +memory >$CGROUP/cgroup.subtree_control
mkdir $CGROUP/vm
# QEMU is started in the cgroup, since memory that a process has already is not charged anew when it moves.
echo $$ >$CGROUP/vm/cgroup.procs
GUEST_SMP=2
busy_guest h
echo $$ >$CGROUP/cgroup.procs
read -r vmm </run/lab/h.pid
registrations "guest is up" 2

out=$(vmstat pswpout) in=$(vmstat pswpin)
meanwhile "echo 32M >$CGROUP/vm/memory.reclaim"
goes_on h "reclaim"
goes_on h "reclaim goes on"
meanwhile_ends
out=$(($(vmstat pswpout) - out)) in=$(($(vmstat pswpin) - in))
check "$out pages were swapped out, $in in, by $TIMES reclaims" [ $out -gt 1000 -a $in -gt 1000 ]
goes_on h "after reclaim"

echo 1000 >$KSM/pages_to_scan
echo 10 >$KSM/sleep_millisecs
echo 1 >$KSM/run
goes_on h "KSM"
goes_on h "KSM goes on"
read -r merged <$KSM/pages_sharing
check "$merged pages are merged" [ "$merged" -gt 100 ]
echo 2 >$KSM/run
goes_on h "after KSM"

# 1 clears the accessed bits. 4 clears the soft-dirty bits, for which it write-protects.
meanwhile "echo 1 >/proc/$vmm/clear_refs; echo 4 >/proc/$vmm/clear_refs; echo 1 >/proc/sys/vm/compact_memory"
goes_on h "pages move and become read-only"
goes_on h "pages still do"
meanwhile_ends
# How long a compaction takes is not known, so there is one for each round of the check.
check "that $TIMES times" [ "$TIMES" -ge 2 ]
goes_on h "after that"

if [ "$(nproc)" -gt 1 ]; then
	host_cpu=/sys/devices/system/cpu/cpu1/online
	check "a CPU of the host goes offline and comes back" eval "echo 0 >$host_cpu && echo 1 >$host_cpu"
	goes_on h "CPU hotplug of the host"
fi
if grep -q deep /sys/power/mem_sleep; then
	check "the host suspends to RAM and resumes" eval 'echo +3 >/sys/class/rtc/rtc0/wakealarm && echo mem >/sys/power/state'
	goes_on h "suspend of the host"
else
	say "note: this emulated machine has no suspend to RAM: not tried"
fi
registrations "all that" 2
guest_kill h
registrations "guest is gone" 0
kvm_unload
check "the module is unloaded after its guests are gone" [ ! -d "/sys/module/$(echo "$VENDOR_MODULE" | tr - _)" ]
check "swapoff" swapoff /dev/ram0
dmesg_clean
