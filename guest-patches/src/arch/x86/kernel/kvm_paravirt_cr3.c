// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: CR3 loads without exits.
 *
 * The host keeps a table of up to four of its shadow roots in a page of each
 * CPU, and lets the CPU load them without an exit. load_new_mm_cr3() asks here
 * when no flush is due; a miss costs one exit, as any MOV to CR3 does.
 *
 * A host that has no table to give (AMD) is told by LOAD_CR3 that no flush is
 * due, which spares it a sync of its page tables; each load is an exit there.
 *
 * A page of a process is never global, and each CPU flushes it for the CR3 that it has
 * loaded. A host that is told so (F_INVLPG_CURRENT) looks at one root when a page is
 * flushed, not at all those that it keeps.
 *
 * A registration can be lost at any time (live migration, a restored snapshot,
 * a reset of the VM). The table is then empty, the next miss is told so, and
 * the CPU registers anew.
 */
#include <linux/build_bug.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/sort.h>
#include <linux/string.h>

#include <asm/kvm_paravirt.h>
#include <asm/pgtable_types.h>
#include <asm/tlbflush.h>

/* What a kernel uses without the cache is in two cache lines, as it would be without us. */
static_assert(offsetof(struct tlb_state, ctxs[TLB_NR_DYN_ASIDS]) <= 2 * 64);
static_assert(sizeof(struct kvmpv_state) == PAGE_SIZE);
static_assert(sizeof(struct kvmpv_table) == PAGE_SIZE);
static_assert(sizeof(struct kvmpv_entry) == KVMPV_ENTRY_SIZE);
static_assert(offsetof(struct kvmpv_entry, guest_cr3) == KVMPV_ENTRY_GUEST_CR3);
static_assert(offsetof(struct kvmpv_entry, host_cr3) == KVMPV_ENTRY_HOST_CR3);

enum kvmpv_mode {
	KVMPV_OFF,		/* not registered, and not to be */
	KVMPV_LOST,		/* the host did not want it: try later */
	KVMPV_ON,
};

struct kvmpv_cpu {
	enum kvmpv_mode mode;
	unsigned long retry;	/* jiffies */
	unsigned long features;	/* what to register for */
};

static DEFINE_PER_CPU(struct kvmpv_cpu, kvmpv_cpu);
/* With page table isolation user page tables map it, and nothing beside it. */
DEFINE_PER_CPU_PAGE_ALIGNED(struct kvmpv_table, kvmpv_table);
DEFINE_PER_CPU_PAGE_ALIGNED(struct kvmpv_state, kvmpv_state);
DEFINE_PER_CPU(struct kvmpv_counters, kvmpv_counters);

struct kvmpv_code kvmpv_code[KVMPV_NR_WINDOWS] __ro_after_init;
unsigned int kvmpv_nr_code __ro_after_init;

static int __init kvmpv_code_cmp(const void *a, const void *b)
{
	const struct kvmpv_code *l = a, *r = b;

	return l->start < r->start ? -1 : 1;
}

/**
 * kvmpv_cr3_init() - know the code that loads CR3 from the table
 * @entry: entry code does, too
 *
 * Context: boot CPU, before it registers.
 */
void __init kvmpv_cr3_init(bool entry)
{
	const struct kvmpv_code *c;

	for (c = __kvmpv_windows; c < __kvmpv_windows_end; c++) {
		if (!entry && c->start != (unsigned long)kvmpv_cr3_start)
			continue;
		kvmpv_code[kvmpv_nr_code++] = *c;
	}
	sort(kvmpv_code, kvmpv_nr_code, sizeof(*kvmpv_code), kvmpv_code_cmp, NULL);
}

static int kvmpv_register(unsigned long features)
{
	struct kvmpv_state *state = this_cpu_ptr(&kvmpv_state);
	unsigned long gpa = slow_virt_to_phys(state);
	unsigned int i;
	long r;

	memset(state, 0, sizeof(*state));
	state->guest_version = KVMPV_ABI_VERSION;
	state->size = sizeof(*state);
	state->features_accepted = features;
	if (features & KVMPV_F_CR3_CACHE) {
		state->table_gpa = slow_virt_to_phys(this_cpu_ptr(&kvmpv_table));
		state->nr_windows = kvmpv_nr_code;
		for (i = 0; i < kvmpv_nr_code; i++) {
			state->window[i].start = kvmpv_code[i].start;
			state->window[i].commit = kvmpv_code[i].commit;
		}
	}

	r = kvmpv_hypercall2(KVMPV_HC_REGISTER, gpa, sizeof(*state));
	if (r == -KVMPV_EEXIST) {
		/* Left over from the kernel that started this one. */
		kvmpv_hypercall2(KVMPV_HC_UNREGISTER, 0, 0);
		r = kvmpv_hypercall2(KVMPV_HC_REGISTER, gpa, sizeof(*state));
	}
	if (r)
		this_cpu_inc(kvmpv_counters.refused);
	else
		this_cpu_inc(kvmpv_counters.registered);
	return r;
}

/**
 * kvmpv_cr3_cpu_init() - register this CPU
 * @features: KVMPV_F_LOAD_CR3, KVMPV_F_CR3_CACHE if there is a table,
 *	KVMPV_F_INVLPG_CURRENT if the host takes that promise
 *
 * If the host refuses, it is asked again from time to time. If it has found out
 * since it offered the table that its CPUs cannot use one, this CPU does without,
 * as do those whose table stays empty for that reason.
 *
 * Context: interrupts off.
 * Return: 0 or the host's error, KVMPV_E*, negative.
 */
int kvmpv_cr3_cpu_init(unsigned long features)
{
	int r;

	r = kvmpv_register(features);
	if (r == -KVMPV_EIO && (features & KVMPV_F_CR3_CACHE)) {
		features &= ~KVMPV_F_CR3_CACHE;
		r = kvmpv_register(features);
	}
	/* After a migration the host may be older, and the next one may not be. */
	if (r == -KVMPV_EOPNOTSUPP && (features & KVMPV_F_INVLPG_CURRENT))
		r = kvmpv_register(features & ~KVMPV_F_INVLPG_CURRENT);
	this_cpu_write(kvmpv_cpu.features, features);
	this_cpu_write(kvmpv_cpu.retry, jiffies + KVMPV_RETRY);
	this_cpu_write(kvmpv_cpu.mode, r ? KVMPV_LOST : KVMPV_ON);
	return r;
}

/**
 * kvmpv_cr3_cpu_offline() - unregister this CPU
 *
 * The host writes nothing into this kernel's memory afterwards: offline CPUs,
 * suspend, kexec, crash dumps.
 *
 * Context: interrupts off.
 */
void kvmpv_cr3_cpu_offline(void)
{
	if (this_cpu_read(kvmpv_cpu.mode) == KVMPV_OFF)
		return;
	this_cpu_write(kvmpv_cpu.mode, KVMPV_OFF);
	kvmpv_hypercall2(KVMPV_HC_UNREGISTER, 0, 0);
}

static noinline bool kvmpv_load_cr3_miss(unsigned long cr3)
{
	enum kvmpv_mode mode = this_cpu_read(kvmpv_cpu.mode);
	long r;

	if (mode == KVMPV_ON) {
		r = kvmpv_hypercall2(KVMPV_HC_LOAD_CR3, cr3,
				     KVMPV_LOAD_CR3_NOFLUSH);
		if (!r) {
			this_cpu_inc(kvmpv_counters.miss);
			return true;
		}
		this_cpu_inc(kvmpv_counters.refused);
		/* A host that knows the call but not this vCPU: register now. */
		this_cpu_write(kvmpv_cpu.retry, r == -KVMPV_ENOENT ?
						jiffies : jiffies + KVMPV_RETRY);
		mode = KVMPV_LOST;
		this_cpu_write(kvmpv_cpu.mode, mode);
	}
	if (mode == KVMPV_LOST &&
	    time_after_eq(jiffies, this_cpu_read(kvmpv_cpu.retry)))
		kvmpv_cr3_cpu_init(this_cpu_read(kvmpv_cpu.features));
	this_cpu_inc(kvmpv_counters.native);
	return false;
}

/**
 * kvmpv_load_cr3() - load CR3, no flush needed
 * @cr3: the value, without CR3_NOFLUSH
 *
 * Context: interrupts off; as serializing as a MOV to CR3 if it returns true.
 * Return: false if the caller has to load it.
 */
bool kvmpv_load_cr3(unsigned long cr3)
{
	if (likely(__kvmpv_load_cr3(this_cpu_ptr(&kvmpv_table), cr3))) {
		this_cpu_inc(kvmpv_counters.hit);
		return true;
	}
	return kvmpv_load_cr3_miss(cr3);
}
