# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034 # lib.sh reads GUEST_*
# The kernel's own tests of entry code and memory management in a guest, on our module: with the option and
# without it the same verdicts, test by test. For the guest kernel of guest-patches' flavour "peers".
IMAGES="peers/x86-6.1.cpio peers/mm-6.1.cpio"
MEGABYTES="1536"
# shellcheck source=/dev/null # in the archive
. /peers/lib.sh
GUEST_SMP=2
GUEST_MEM=640

kvm_load ours
off_and_on x86 "x86-$MACHINE.list" nopti
# khugepaged's test counts the pages that it has touched, and the kernel those that are there: with "fault" some more.
grep -v '^khugepaged' "/peers/mm-$MACHINE.list" >/peers/mm-most.list
grep '^khugepaged' "/peers/mm-$MACHINE.list" >/peers/mm-khugepaged.list
off_and_on mm mm-most.list nopti
in_guest mm mm-khugepaged.list "$RUN/off" nopti kvm_paravirt=0
in_guest mm mm-khugepaged.list "$RUN/on" nopti kvm_paravirt=cr3,tlb,release,keep,cow,iodelay,pic
alike "khugepaged" /peers/mm-khugepaged.list off "$RUN/off" on "$RUN/on"
off_and_on x86 "x86-$MACHINE.list" pti=on

# A kprobe's breakpoint amid a lookup in the table would leave a host value on the guest's stack, where no restart
# reaches it. Linux refuses any in the sections that lookups are in.
probes=/sys/kernel/tracing/kprobe_events
guest k pti=on kvm_paravirt=1 lab=serve
check "kprobes: guest is up" guest_expect k 'G: ready' 240
check "kprobes: elsewhere" guest_sh k 60 \
	"mount -t tracefs tracefs /sys/kernel/tracing; echo p do_exit >$probes && grep do_exit $probes; echo >$probes"
check "kprobes: none where CR3 is looked up" guest_sh k 240 \
	"n=0; for s in kvmpv_cr3_start kvmpv_cr3_commit kvmpv_cr3_miss \$(sed -n '/ __entry_text_start\$/,/ __entry_text_end\$/s/.* [tT] //p' /proc/kallsyms); do [ \$s = __entry_text_end ] || { n=\$((n + 1)); echo p \$s >>$probes; }; done 2>/dev/null; echo \$n symbols; [ \$n -gt 50 ] && ! grep . $probes"
check "userfaultfd hears of each page" guest_sh k 60 'around on watched'
guest_kill k
dmesg_clean
