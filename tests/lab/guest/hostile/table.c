// SPDX-License-Identifier: GPL-2.0
/* LOAD_CR3, the table as the host fills it, and as the guest must not. */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/processor.h>
#include <linux/string.h>

#include <asm/cpufeature.h>
#include <asm/invpcid.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#include "hostile.h"

/* Linux uses no PCID as large as this one, in which the tag bit is clear. */
#define OTHER_PCID	0x7f

static struct kvmpv_table *table(void)
{
	return hostile_mine()->table;
}

/* READ_ONCE(): the host writes to the table without the compiler knowing. */
static u64 guest_cr3(const struct kvmpv_table *t, unsigned int i)
{
	return READ_ONCE(t->entry[i].guest_cr3);
}

static u64 host_cr3(const struct kvmpv_table *t, unsigned int i)
{
	return READ_ONCE(t->entry[i].host_cr3);
}

/* The host's value for a CR3, or 0. */
u64 hostile_find(const struct kvmpv_table *t, u64 cr3)
{
	unsigned int i;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		if (guest_cr3(t, i) == cr3)
			return host_cr3(t, i);
	return 0;
}

bool hostile_empty(const struct kvmpv_table *t)
{
	unsigned int i;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		if (guest_cr3(t, i) != KVMPV_CR3_NONE || host_cr3(t, i))
			return false;
	return true;
}

void hostile_forge(struct kvmpv_table *t, u64 cr3, u64 host)
{
	unsigned int i;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		WRITE_ONCE(t->entry[i].host_cr3, host);
		WRITE_ONCE(t->entry[i].guest_cr3, cr3);
	}
}

static bool pcide(void)
{
	return __read_cr4() & X86_CR4_PCIDE;
}

/* --- LOAD_CR3 */

static void refused(const char *name, u64 cr3, u64 flags)
{
	u64 was = hostile_cr3();
	long got = hostile_call(KVMPV_HC_LOAD_CR3, cr3, flags);

	if (hostile_cr3() != was) {
		hostile_mov_cr3(was);
		got = 1;
	}
	hostile_case(name, -KVMPV_EINVAL, got);
}

static void try_load(void)
{
	u64 cr3 = hostile_cr3();

	hostile_case("register", 0, hostile_register());
	refused("load-flag-1", cr3, 2);
	refused("load-flag-32", cr3, KVMPV_LOAD_CR3_NOFLUSH | 1ull << 32);
	refused("load-flag-63", cr3, 1ull << 63);
	refused("load-bit-63", cr3 | 1ull << 63, 0);
	refused("load-bit-63-noflush", cr3 | 1ull << 63, KVMPV_LOAD_CR3_NOFLUSH);
	refused("load-tag", cr3 | CR3_TAG, 0);
	refused("load-tag-noflush", cr3 | CR3_TAG, KVMPV_LOAD_CR3_NOFLUSH);
	refused("load-reserved", cr3 | CR3_RESERVED, 0);
	refused("load-reserved-noflush", cr3 | CR3_RESERVED,
		KVMPV_LOAD_CR3_NOFLUSH);
	refused("load-reserved-51", cr3 | 1ull << 51, 0);
	refused("load-all-ones", ~0ull, 0);
	hostile_case("load-flush", 0,
		     hostile_call(KVMPV_HC_LOAD_CR3, cr3, 0));
	hostile_case("load-flush-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("load-noflush", 0, hostile_load_cr3(cr3));
	hostile_case("load-noflush-cr3", 0, hostile_cr3() ^ cr3);
}

void hostile_load(void)
{
	hostile_on(0, try_load);
}

/* --- the table */

static void *pgd;

/* A CR3 for a copy of the current page table's top level. */
u64 hostile_copy_pgd(void *copy)
{
	memcpy(copy, __va(hostile_cr3() & PAGE_MASK & ~(1ul << 63)), PAGE_SIZE);
	return __pa(copy) | (pcide() ? OTHER_PCID : 0);
}

static u64 other_cr3(void)
{
	return hostile_copy_pgd(pgd);
}

/* The host's restarts, which it tells when KVM_RUN returns. */
static u64 restarts(void)
{
	hostile_leave();
	return READ_ONCE(hostile_mine()->state->restarts);
}

static void form(void)
{
	struct kvmpv_table *t = table();
	unsigned int i, bad = 0;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		if (guest_cr3(t, i) == KVMPV_CR3_NONE)
			bad += host_cr3(t, i) != 0;
		else
			bad += (guest_cr3(t, i) & (1ull << 63 | CR3_TAG)) ||
			       !(host_cr3(t, i) & CR3_TAG);
	}
	hostile_case("entries-well-formed", 0, bad);
}

static void switching(void)
{
	struct kvmpv_table *t = table();
	u64 cr3 = hostile_cr3(), other = other_cr3(), after;
	struct hostile_run run;
	long r;

	hostile_case("register", 0, hostile_register());
	hostile_case("current-is-published", 1, !!hostile_find(t, cr3));
	form();
	hostile_case("lookup-current", 1, hostile_lookup(t, cr3, &run));
	hostile_case("lookup-current-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("lookup-none", 0, hostile_lookup(t, other, &run));

	r = hostile_call(KVMPV_HC_LOAD_CR3, other, 0);
	after = hostile_cr3();
	hostile_case("load-other", 0, r);
	hostile_case("load-other-cr3", 0, after ^ other);
	form();
	hostile_case("both-published", 1,
		     hostile_find(t, cr3) && hostile_find(t, other));

	/* Nothing but the CPU takes part in these; nothing is read between. */
	r = hostile_lookup(t, cr3, &run);
	after = hostile_cr3();
	hostile_case("switch-back", 1, r);
	hostile_case("switch-back-cr3", 0, after ^ cr3);
	r = hostile_lookup(t, other, &run) + hostile_lookup(t, cr3, &run) +
	    hostile_lookup(t, other, &run);
	after = hostile_cr3();
	hostile_case("switch-three-times", 3, r);
	hostile_case("switch-three-times-cr3", 0, after ^ other);

	hostile_mov_cr3(cr3);
	hostile_case("native-cr3", 0, hostile_cr3() ^ cr3);
}

/*
 * KVM_RUN may return at any time, and then the host fills the table anew, so that the
 * lookup hits in place of the forged value. In that case it is tried again.
 */
static long forged(u64 cr3, u64 host, struct hostile_run *run)
{
	unsigned int tries;
	long r = 1;

	for (tries = 0; r == 1 && tries < 5; tries++) {
		hostile_forge(table(), cr3, host);
		r = hostile_lookup(table(), cr3, run);
	}
	return r;
}

static void forge_case(const char *name, u64 host)
{
	struct kvmpv_table *t = table();
	u64 cr3 = hostile_cr3(), after, were = restarts();
	struct hostile_run run = {};
	char text[80];
	bool empty, told, held;
	long r;

	r = forged(cr3, host, &run);
	/* Read before another exit. The table has to stay empty until the next real load. */
	empty = hostile_empty(t);
	after = hostile_cr3();
	if (after != cr3)
		hostile_mov_cr3(cr3);
	told = restarts() > were;
	held = hostile_empty(t);
	snprintf(text, sizeof(text), "miss=%d,empty=%d,again=%d,told=%d,cr3=%d,held=%d",
		 r == 0, empty, run.starts > 1, told, after == cr3, held);
	hostile_text(name, "miss=1,empty=1,again=1,told=1,cr3=1,held=1", text);
	hostile_case("and-then-load", 0, hostile_load_cr3(cr3));
	hostile_case("and-then-hit", 1, hostile_lookup(t, cr3, &run));
}

static void forging(void)
{
	struct kvmpv_table *t = table();
	u64 cr3 = hostile_cr3(), host, were, cr0;
	struct hostile_run run;

	hostile_case("register", 0, hostile_register());
	host = hostile_find(t, cr3);
	forge_case("forged-0", 0);
	forge_case("forged-deadb000", 0xdeadb000);
	forge_case("forged-tagged", 0xdeadb000 | CR3_TAG);
	forge_case("forged-noflush", 0xdeadb000 | CR3_TAG | 1ull << 63);
	forge_case("forged-all-ones", ~0ull);
	forge_case("forged-highest-page", ((1ull << 36) - 1) & PAGE_MASK);
	forge_case("forged-guest-cr3", cr3);
	forge_case("forged-guest-cr3-tagged", cr3 | CR3_TAG);
	forge_case("forged-next-page", host + PAGE_SIZE);
	forge_case("forged-untagged", host ^ CR3_TAG);
	forge_case("forged-bit-63", host ^ 1ull << 63);
	forge_case("forged-bit-60", host ^ 1ull << 60);
	if (pcide())
		forge_case("forged-pcid", host ^ 0x80);

	/* After the first forgery the host lists nothing, so a MOV of the right value exits, too. */
	hostile_case("forged-first", 0, forged(cr3, 0, &run));
	hostile_case("forged-while-held", 0, forged(cr3, host, &run));
	hostile_case("forged-while-held-cr3", 0, hostile_cr3() ^ cr3);

	/* A value that was listed, and is not any more: with another CR0.WP its root has another role. */
	hostile_load_cr3(cr3);
	host = hostile_find(t, cr3);
	cr0 = read_cr0();
	asm volatile("mov %0, %%cr0" : : "r" (cr0 & ~X86_CR0_WP) : "memory");
	forge_case("forged-stale", host);
	asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");

	/* The host works with a copy of the state page: what the guest writes into it has no effect. */
	hostile_load_cr3(cr3);
	were = restarts();
	memset(hostile_mine()->state, 0xff, PAGE_SIZE);
	hostile_case("without-state-miss", 0, forged(cr3, 0, &run));
	hostile_case("without-state-load", 0, hostile_load_cr3(cr3));
	hostile_case("without-state-hit", 1, hostile_lookup(t, cr3, &run));
	host = restarts();
	hostile_case("without-state-told", 1, host > were && host < were + 1000);
}

/* The kernel's own function would refuse to clear bits that it has pinned. */
void hostile_write_cr4(u64 cr4)
{
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

/* Switches to and fro between two page tables; each time CR3 must read as the guest has loaded it. */
static void alternate(const char *name, u64 cr3, u64 other)
{
	struct kvmpv_table *t = table();
	struct hostile_run run;
	unsigned int i, bad = 0;
	long r = 0;

	/* The first lookup is in the table as the change of mode has left it. */
	if (hostile_lookup(t, cr3, &run) < 0 || hostile_cr3() != cr3)
		bad++;
	for (i = 0; i < 20; i++) {
		bad += hostile_load_cr3(other) || hostile_cr3() != other;
		r |= hostile_lookup(t, cr3, &run);
		if (hostile_cr3() != cr3) {
			/* A miss is no failure: the guest then loads the CR3 by a call, which must work. */
			bad += hostile_load_cr3(cr3) || hostile_cr3() != cr3;
			r |= hostile_lookup(t, cr3, &run) << 1;
		}
	}
	hostile_case(name, 0, bad + (r <= 0));
}

/* Changes the modes that page tables depend on, without telling the host by a call. */
static void modes(void)
{
	static const struct {
		const char *name;
		u64 bit;
	} bits[] = {
		{ "cr4-pge", X86_CR4_PGE },
		{ "cr4-smep", X86_CR4_SMEP },
		{ "cr4-smap", X86_CR4_SMAP },
	};
	u64 cr3 = hostile_cr3(), other = other_cr3(), cr4 = __read_cr4();
	unsigned int i;

	hostile_case("register", 0, hostile_register());
	hostile_call(KVMPV_HC_LOAD_CR3, other, 0);
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!(cr4 & bits[i].bit))
			continue;
		hostile_write_cr4(cr4 & ~bits[i].bit);
		alternate(bits[i].name, cr3, other);
		hostile_write_cr4(cr4);
	}
	alternate("cr4-restored", cr3, other);
	if (cr4 & X86_CR4_PCIDE) {
		/*
		 * The PCID stays in the low bits of CR3 when PCIDE is cleared. From then on these bits
		 * are PWT, PCD and bits that the CPU ignores, yet they are part of the guest's CR3.
		 */
		hostile_write_cr4(cr4 & ~X86_CR4_PCIDE);
		alternate("pcide-off", cr3, other);
		hostile_mov_cr3(cr3 & PAGE_MASK);
		alternate("pcide-off-0", cr3 & PAGE_MASK, other & PAGE_MASK);
		hostile_write_cr4(cr4);
		hostile_mov_cr3(cr3);
		alternate("pcide-on", cr3, other);
	}
	if (boot_cpu_has(X86_FEATURE_INVPCID)) {
		invpcid_flush_all();
		alternate("invpcid", cr3, other);
	}
	hostile_mov_cr3(cr3);
}

/* A guest may move listed values to CR3 outside of a window, too, at its own risk. */
static void try_bare(void)
{
	struct kvmpv_table *t = table();
	u64 cr3 = hostile_cr3(), other = other_cr3(), entry[2], after, guest;
	unsigned int i, moved = 0, bad = 0;

	hostile_case("register", 0, hostile_register());
	hostile_case("bare-reserved", -1, hostile_mov_cr3(cr3 | CR3_RESERVED));
	hostile_case("bare-reserved-51", -1, hostile_mov_cr3(cr3 | 1ull << 51));
	hostile_case("bare-reserved-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("bare-reserved-registered", 0, hostile_load_cr3(cr3));

	hostile_call(KVMPV_HC_LOAD_CR3, other, 0);
	hostile_load_cr3(cr3);
	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		guest = guest_cr3(t, i);
		/* Only these two surely have the kernel mapped. */
		if (guest != cr3 && guest != other)
			continue;
		entry[0] = host_cr3(t, i);
		entry[1] = hostile_mov_cr3(entry[0]);
		after = hostile_cr3();
		hostile_mov_cr3(cr3);
		moved++;
		bad += entry[1] || after != guest;
	}
	hostile_case("bare-listed", 2, moved);
	hostile_case("bare-listed-cr3", 0, bad);
	hostile_case("bare-restored", 0, hostile_cr3() ^ cr3);
}

void hostile_table(void)
{
	pgd = (void *)get_zeroed_page(GFP_KERNEL);
	if (!pgd)
		return;
	hostile_on(0, switching);
	hostile_on(0, hostile_unregister);
	hostile_on(0, forging);
	hostile_on(0, hostile_unregister);
	hostile_on(0, modes);
	hostile_on(0, hostile_unregister);
	hostile_on(0, try_bare);
	hostile_on(0, hostile_unregister);
	free_page((unsigned long)pgd);
}

/* --- one page table under two CR3s, beside a long row of loads from the stash */

#define ROW_TABLES	12
#define ROW_ROUNDS	64
/* The PCIDs of the row begin here: Linux uses none so large, and the tag bit is clear in all. */
#define ROW_PCID	0x40

static void *row_pgds[ROW_TABLES + 1];

static u64 row_cr3(unsigned int i)
{
	return __pa(row_pgds[i]) | (pcide() ? ROW_PCID + i : 0);
}

/* Loads the guest's own value, which is never listed, so that this exits. */
static void row_load(u64 cr3)
{
	hostile_mov_cr3(cr3 | (pcide() ? 1ull << 63 : 0));
}

/* The next in the ring that is neither in the table nor the current one. */
static unsigned int row_next(unsigned int i, u64 current_one)
{
	do
		i = (i + 1) % ROW_TABLES;
	while (hostile_find(table(), row_cr3(i)) || row_cr3(i) == current_one);
	return i;
}

/*
 * The guest leaves a listed page table by a load from the stash, after which the host must not
 * list it any longer. The root that is loaded is one that the host keeps already under the same
 * CR3, because it was stashed under the other CR3 of the same page table.
 */
static void aliased(void)
{
	struct kvmpv_table *t = table();
	u64 cr3 = hostile_cr3(), one = row_cr3(ROW_TABLES), other, listed, at = 0;
	unsigned int round, n, i = 0, hits = 0, bad = 0;
	struct hostile_run run;

	other = pcide() ? one + 1 : one | X86_CR3_PWT;
	for (n = 0; n <= ROW_TABLES; n++)
		hostile_copy_pgd(row_pgds[n]);
	hostile_case("register", 0, hostile_register());
	/* The host stashes a root when it gives it up for the second time. */
	for (n = 0; n < 3 * ROW_TABLES; n++)
		row_load(row_cr3(n % ROW_TABLES));
	for (round = 0; round < ROW_ROUNDS; round++) {
		row_load(other);
		row_load(one);
		for (n = 0; n < 12 + round % 8; n++) {
			i = row_next(i, at);
			at = row_cr3(i);
			row_load(at);
		}
		listed = 0;
		for (n = 0; n < ROW_TABLES && !listed; n++)
			if (row_cr3(n) != at && hostile_find(t, row_cr3(n)))
				listed = row_cr3(n);
		if (!listed || hostile_lookup(t, listed, &run) != 1)
			continue;
		hits++;
		row_load(other);
		if (hostile_lookup(t, listed, &run) == 1)
			bad += hostile_cr3() != listed;
		else
			bad += hostile_cr3() != other;
	}
	row_load(cr3);
	hostile_case("aliased-listed", 1, hits > ROW_ROUNDS / 2);
	hostile_case("aliased-cr3", 0, bad);
}

void hostile_aliased(void)
{
	unsigned int i;
	bool all = true;

	for (i = 0; i < ARRAY_SIZE(row_pgds); i++) {
		row_pgds[i] = (void *)get_zeroed_page(GFP_KERNEL);
		all &= !!row_pgds[i];
	}
	if (all)
		hostile_on(0, aliased);
	hostile_on(0, hostile_unregister);
	for (i = 0; i < ARRAY_SIZE(row_pgds); i++)
		free_page((unsigned long)row_pgds[i]);
}

/* --- another vCPU forges entries meanwhile */

#define ROUNDS	300
#define LOOKUPS	10

static u64 current_cr3;
static unsigned long hits, misses, failures;

static void race_begin(void)
{
	hostile_case("register", 0, hostile_register());
}

static void race_round(void)
{
	struct hostile_run run;
	unsigned int i;
	long r;

	WRITE_ONCE(current_cr3, hostile_cr3());
	for (i = 0; i < LOOKUPS; i++) {
		r = hostile_lookup(table(), current_cr3, &run);
		if (hostile_cr3() != current_cr3) {
			hostile_mov_cr3(current_cr3);
			failures++;
		} else if (r == 1) {
			hits++;
		} else if (r || hostile_load_cr3(current_cr3)) {
			failures++;
		} else {
			misses++;
		}
	}
}

static void race_end(void)
{
	hostile_case("race-restarts", 1, restarts() > 0);
}

static int writer(void *victim)
{
	u64 random = 88172645463325252ull;

	while (!kthread_should_stop()) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* The address is above all memory of the host, so it is never listed by accident. */
		hostile_forge(victim, READ_ONCE(current_cr3),
			      random | 1ull << 45 | CR3_TAG);
		cond_resched();
	}
	return 0;
}

void hostile_race(void)
{
	struct task_struct *task;
	unsigned int i;

	hits = 0;
	misses = 0;
	failures = 0;
	hostile_on(0, race_begin);
	task = kthread_create_on_cpu(writer, hostile_pages[0].table, 1,
				     "hostile/%u");
	if (IS_ERR(task)) {
		hostile_case("race-writer", 0, PTR_ERR(task));
		return;
	}
	wake_up_process(task);
	for (i = 0; i < ROUNDS; i++) {
		hostile_on(0, race_round);
		/* Both vCPUs may share one CPU, so let the other one run. */
		usleep_range(50, 100);
	}
	kthread_stop(task);
	hostile_case("race-failures", 0, failures);
	hostile_case("race-lookups", ROUNDS * LOOKUPS, hits + misses);
	hostile_case("race-hits", 1, hits > 0);
	hostile_case("race-misses", 1, misses > 0);
	hostile_on(0, race_end);
}
