# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_SMP
# kvm-paravirt status on both sides: what it says and its exit status, in every state that a host and a
# guest can be in. Its JSON goes into records, which run parses.
COMMAND=/usr/sbin/kvm-paravirt
HOST=/sys/kernel/debug/kvm_paravirt_host
KERNEL=$(uname -r)

# Looks for a text, however the lines are broken.
says() { tr -s '\n ' '  ' </run/status | grep -qF -- "$1"; }

# host TEXT STATUS VERDICT [TEXT THAT IT SAYS, TOO]...
host() {
	host_text=$1 host_want=$2:$3
	shift 3
	$COMMAND status >/run/status
	host_status=$?:$(head -n 1 /run/status)
	check "host, $host_text: $host_want" [ "$host_status" = "$host_want" ]
	for text; do
		check "host, $host_text: says '$text'" says "$text"
	done
	json "host, $host_text" "$($COMMAND status --json | tr -d '\n')"
}

json() {	# CONFIG JSON
	rec work=status "config=$1" metric=json "value=$2"
	JSON=$2
}

contains() { case $1 in *"$2"*) ;; *) return 1 ;; esac; }

json_has() {	# TEXT PART
	check "JSON, $1: $2" contains "$JSON" "$2"
}

# start NAME WORD...: starts a guest that serves.
start() {
	guest "$@" lab=serve
	guest_expect "$1" 'G: ready' 240
}

# in_guest NAME TEXT STATUS VERDICT: as host, for the command in a guest.
in_guest() {
	guest_say "$1" "$COMMAND status >/tmp/s; echo \"G: status \$?:\$(head -n 1 /tmp/s)\"; echo \"G: json \$($COMMAND status --json | tr -d '\n')\""
	guest_expect "$1" 'G: status *' 60
	check "guest, $2: $3:$4" [ "${LINE#G: status }" = "$3:$4" ]
	guest_expect "$1" 'G: json *' 60
	json "guest, $2" "${LINE#G: json }"
	guest_expect "$1" 'G: rc=*' 60
}

# Reads the host's list of vCPUs all the time, to see whether that does any harm.
reader_start() {
	while :; do cat $HOST/vcpus; done >/dev/null &
	reader=$!
}

reader_stop() {
	kill $reader
	wait $reader 2>/dev/null
}

# --- the stock module

kvm_load stock
host "stock" 4 "nothing of kvm-paravirt here: kvm_intel is the distribution's, and no other is installed, and this is no guest kernel with it"
mkdir -p "/lib/modules/$KERNEL/updates/dkms"
ln -s /modules/ours/kvm-intel.ko "/lib/modules/$KERNEL/updates/dkms/"
echo updates/dkms/kvm-intel.ko: >"/lib/modules/$KERNEL/modules.dep"
host "stock, ours installed" 3 "not in use: installed, but the distribution's kvm_intel is loaded; unload it while no VM runs, or boot" \
	"modprobe takes /lib/modules/$KERNEL/updates/dkms/kvm-intel.ko (ours" "installed for $KERNEL"
start a nopti kvm_paravirt=1
in_guest a "stock host" 3 "not offered: the host does not know kvm-paravirt"
json_has "stock host" '"abi": null'
guest_kill a
kvm_unload
host "nothing loaded" 3 "not in use: installed, but kvm_intel is not loaded"

# --- ours

kvm_load ours
host "no guest" 3 "not in use: offered, but no running guest uses it" "loaded kvm_intel, ours" \
	"page tables shadowed, paravirt=cr3-cache,load-cr3,flush,release,populate" "offered cr3-cache load-cr3 flush release"
json_has "no guest" '"loaded": "ours"'
json_has "no guest" '"outdated": false'
json_has "no guest" '"vms": []'
check "the list of vCPUs is root's" [ "$(stat -c %a $HOST/vcpus)" = 400 ]

start a nopti kvm_paravirt=1
host "one guest" 0 "in use: 1 vCPU of 1 VM is registered" "VM process $(cat /run/lab/a.pid) (qemu-system-x86)" \
	"vCPU 0 cr3-cache,load-cr3, publishes"
guest_sh a 60 'LAB_MARKS=0 pipe 100'
in_guest a "cache in use" 0 "in use: cr3-cache, load-cr3, tlb-flush, release"
json_has "cache in use" '"option": "1"'
json_has "cache in use" '"pti": "page table isolation is off"'
json_has "cache in use" '"abi": 1'
json_has "cache in use" '"hit_rate": 0.'
hits=${JSON##*\"hit\": }
check "JSON, cache in use: hits are counted (${hits%%[,\}]*})" [ "${hits%%[,\}]*}" -gt 180 ]
check "metrics of the vCPU" eval "$COMMAND status --prometheus | grep -qx 'kvm_paravirt_vcpu_switches_total{pid=\"$(cat /run/lab/a.pid)\",vm=\"1\",vcpu=\"0\"} [1-9][0-9]*'"

reader_start
GUEST_SMP=2
start b nopti kvm_paravirt=1
host "two guests" 0 "in use: 3 vCPUs of 2 VMs are registered" "vCPU 1 cr3-cache,load-cr3, publishes"
guest_sh b 120 'echo 0 >/sys/devices/system/cpu/cpu1/online'
host "a vCPU has unregistered" 0 "in use: 2 vCPUs of 2 VMs are registered" "vCPU 1 not registered"
guest_kill b
host "the second guest is gone" 0 "in use: 1 vCPU of 1 VM is registered"
guest_kill a
host "both are gone" 3 "not in use: offered, but no running guest uses it"
json_has "both are gone" '"vms": []'
GUEST_SMP=1
hostile_guest
in_guest h "kvm_paravirt=0" 3 "not in use: booted without kvm_paravirt=1"
host "a guest that does not ask" 3 "not in use: offered, but no running guest uses it"
# A vCPU registers and unregisters 1000 times, while the list is read.
hostile loop
guest_kill h
reader_stop
host "a loop of registrations is gone" 3 "not in use: offered, but no running guest uses it"
check "every registration is gone" [ "$(cat $HOST/registered)" = "$(cat $HOST/unregistered)" ]

start p pti=on kvm_paravirt=1
in_guest p "page table isolation" 0 "in use: cr3-cache, load-cr3, tlb-flush, release"
host "page table isolation" 0 "in use: 1 vCPU of 1 VM is registered"
guest_kill p

start p pti=on kvm_paravirt=cr3,tlb,release
in_guest p "page table isolation, left out of the list" 0 "in use: tlb-flush, release; no CR3 cache, page table isolation is on, pti is not in the list of kvm_paravirt="
host "page table isolation, left out of the list" 0 "in use: 1 VM makes flush calls, no vCPU is registered"
guest_kill p
kvm_unload

kvm_load ours paravirt=0
host "switched off" 3 "not in use: switched off by the module parameter paravirt=0"
kvm_unload
kvm_load ours paravirt=flush
host "flush calls alone" 3 "not in use: offered, but no running guest uses it" \
	"not cr3-cache: the module parameter paravirt=flush leaves it out"
kvm_unload

kvm_load ours ept=1
host "EPT" 3 "not offered: EPT is on, guests need no help of the host"
json_has "EPT" '"shadow_paging": false'
json_has "EPT" '"offered": []'
start a nopti kvm_paravirt=1
in_guest a "EPT" 3 "not offered: the host has nothing to offer, as with EPT or NPT"
guest_kill a
kvm_unload
dmesg_clean
