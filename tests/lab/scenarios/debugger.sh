# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# QEMU's gdb stub, while memory is verified in the guest: breakpoints and single-stepping in the window, where table and
# list are empty as long as that lasts. The client is a few lines: gdb is too large for the emulated host.

# gdb PACKET: sends it; the answer is in REPLY.
gdb() {
	printf "+\$%s#%s" "$1" "$(printf %s "$1" | od -An -v -tu1 |
		awk '{ for (i = 1; i <= NF; i++) sum += $i } END { printf "%02x", sum % 256 }')" >/run/gdb.in
	[ "$1" = c ] || gdb_reply
}

# Two digits of a checksum and acknowledgements come before the packet.
gdb_reply() {
	# shellcheck disable=SC3045 # busybox has -t and -d
	IFS= read -r -t "${1:-20}" -d '#' REPLY </run/gdb.out || REPLY=none
	REPLY=${REPLY##*\$}
	say "gdb: $REPLY"
}

# RIP of the stopped vCPU, as hexadecimal digits: the 17th register, its bytes in reverse. (QEMU answers "p" only to who
# has asked for its list of registers.)
gdb_rip() {
	gdb g
	RIP=$(echo "$REPLY" | cut -c 257-272 | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\8\7\6\5\4\3\2\1/')
}

# symbol NAME: its address in the guest, in ADDRESS.
symbol() {
	guest_say d "awk '\$3 == \"$1\" { print \"G: symbol\", \$1 }' /proc/kallsyms"
	guest_expect d 'G: symbol *' 60
	ADDRESS=${LINE##* }
	guest_expect d 'G: rc=0' 60
}

# above A B: is A greater? They are hexadecimal numbers of equally many digits.
above() { expr "x$1" \> "x$2" >/dev/null; }

kvm_load ours
GUEST_SMP=2
mkfifo /run/gdb.in /run/gdb.out
sleep 1000000 <>/run/gdb.in >&0 3<>/run/gdb.out &
holder=$!
GUEST_QEMU="-chardev pipe,id=gdb,path=/run/gdb"
busy_guest d
symbol kvmpv_cr3_start
start=$ADDRESS
symbol kvmpv_cr3_commit
commit=$ADDRESS
symbol kvmpv_cr3_miss
miss=$ADDRESS
# The first instruction of the window is "mov %rdi, %rax".
inside=$(printf %x $((0x$start + 3)))

guest_ask d "gdbserver chardev:gdb" "Waiting for gdb*"
gdb '?'
check "attached, the guest is stopped" [ "${REPLY#T05}" != "$REPLY" ]
for kind in "0 software" "1 hardware"; do
	text="${kind#* } breakpoint in the window"
	gdb "Z${kind% *},$inside,1"
	check "$text is set" [ "$REPLY" = OK ]
	gdb c
	gdb_reply
	check "$text: stops" [ "${REPLY#T05}" != "$REPLY" ]
	gdb_rip
	check "$text: there" [ "$RIP" = "$inside" ]
	gdb "z${kind% *},$inside,1"
	steps=0 back=0
	while [ "$steps" -lt 20 ] && above "$miss" "$RIP"; do
		was=$RIP steps=$((steps + 1))
		gdb s
		gdb_rip
		above "$RIP" "$was" || back=$((back + 1))
	done
	check "$text: $steps steps to the miss path, $back of them backwards" [ "$RIP" = "$miss" -a $back = 0 -a $steps -gt 2 ]
done

# In an empty table no lookup hits, so the guest runs on, and never gets to the MOV.
gdb "Z0,$commit,1"
check "breakpoint at the MOV is set" [ "$REPLY" = OK ]
gdb c
goes_on d "debugger attached" suspended
printf '\003' >/run/gdb.in
gdb_reply
check "the guest was stopped by the debugger and by nothing else" [ "${REPLY#T02}" != "$REPLY" ]
gdb D
check "detached" [ "$REPLY" = OK ]
goes_on d "debugger detached"
guest_tell d "gdbserver none"
guest_kill d
kill $holder
kvm_unload
dmesg_clean
