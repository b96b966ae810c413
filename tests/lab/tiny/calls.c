// SPDX-License-Identifier: GPL-2.0
/* The small guest: modes many, cost, prices and storm. */
#include "guest.h"

/* Registers and unregisters ctl->count times; every other vCPU goes away registered. */
void many(struct cpu *c)
{
	u64 i;
	long r;

	for (c->op = 0; c->op < ctl->count; c->op++) {
		seed(c);
		counters(c)->op = c->op;
		r = do_register(c);
		if (r)
			fail(c, "REGISTER", 0, r);
		for (i = 0; i < 8; i++) {
			load(c, pick(c, NR_SPACES));
			check_slot(c, c->space, pick(c, NR_SLOTS));
		}
		if (c->op + 1 < ctl->count || c->id % 2) {
			r = call(c, KVMPV_HC_UNREGISTER, 0, 0, 0, 0);
			if (r)
				fail(c, "UNREGISTER", 0, r);
		}
	}
}

/*
 * Switches between address spaces, edits and flushes them, checks all the time;
 * registers again when the registration was lost. Until ctl->count operations,
 * or for ever if that is 0.
 */
void storm(struct cpu *c)
{
	u64 slot, i;

	do_register(c);
	move(c, 0);
	/* With interrupts on, one could come anywhere, in windows, too. Nothing raises any here. */
	asm volatile("sti");
	while (!ctl->count || c->op < ctl->count) {
		seed(c);
		counters(c)->op = ++c->op;
		for (i = 0; i < 16; i++) {
			load(c, pick(c, pick(c, 2) ? 3 : NR_SPACES));
			check_slot(c, c->space, pick(c, NR_SLOTS));
		}
		slot = pick(c, NR_SLOTS) / ctl->vcpus * ctl->vcpus + c->id;
		if (slot >= NR_SLOTS)
			slot = c->id;
		edit(c, pick(c, 2) ? c->space : pick(c, NR_SPACES), slot);
		flush_current(c, slot, pick(c, FLUSH_WAYS));
		check_slot(c, c->space, slot);
	}
}

/* --- what calls cost */

#define BIG	64	/* page tables of the address space that is costly to flush */

static u64 big_pt[BIG][512] __attribute__((aligned(4096)));
static u8 big_ram[BIG][PAGE_SIZE] __attribute__((aligned(4096)));
static u64 big_pd[512] __attribute__((aligned(4096)));
static u64 nr_costs;

#define BIG_VA(t)	(0x8040000000ul + (u64)(t) * 0x200000)

static void measured(const char *name, u64 cycles)
{
	volatile struct cost *m;
	u64 i;

	for (i = 0; i < nr_costs && ctl->cost[i].name != gpa(name); i++)
		;
	m = &ctl->cost[i];
	if (i == nr_costs) {
		nr_costs++;
		m->name = gpa(name);
		m->min = ~0ul;
	}
	m->calls++;
	m->sum += cycles;
	if (cycles < m->min)
		m->min = cycles;
	if (cycles > m->max)
		m->max = cycles;
}

/* Page tables that were written to since they were synced, of all spaces. */
static void make_dirty(struct cpu *c)
{
	u64 s, t;

	for (s = 0; s < 4; s++) {
		write_cr3(space_cr3(c, s));
		for (t = 0; t < BIG; t++) {
			*(volatile u64 *)&big_pt[t][0] = gpa(scratch) | PTE_P | PTE_W;
			*(volatile u64 *)BIG_VA(t) = t;
			*(volatile u64 *)&big_pt[t][0] = gpa(scratch + PAGE_SIZE) | PTE_P | PTE_W;
			*(volatile u64 *)&big_pt[t][1] = gpa(scratch) | PTE_P | PTE_W;
		}
	}
	c->space = 3;
	/* Touches the page in which call() counts, so that its page fault is not measured. */
	counters(c)->calls = counters(c)->calls;
}

/*
 * Makes page tables that cost KVM as much as any can: all of their 512 entries are in use, and those of one table map
 * the same page. So KVM's list of what maps that page is long, but not so long that KVM would empty
 * it (RMAP_RECYCLE_THRESHOLD).
 */
static void make_full(struct cpu *c)
{
	u64 t, i;

	make_dirty(c);
	for (t = 0; t < BIG; t++)
		for (i = 0; i < 512; i++)
			*(volatile u64 *)&big_pt[t][i] = gpa(big_ram[t]) | PTE_P | PTE_W | PTE_A | PTE_D;
	write_cr3(read_cr3());
	for (t = 0; t < BIG; t++)
		for (i = 0; i < 512; i++)
			*(volatile u64 *)(BIG_VA(t) + i * PAGE_SIZE) = i;
	for (t = 0; t < BIG; t++)
		*(volatile u64 *)&big_pt[t][0] = gpa(scratch + PAGE_SIZE) | PTE_P | PTE_W;
}

/* The same tables, and the one above them, as a guest has them that does not write to them. */
static void make_synced(struct cpu *c)
{
	u64 s, t;

	make_dirty(c);
	for (s = 0; s < 4; s++) {
		write_cr3(space_cr3(c, s));
		for (t = 0; t < BIG; t++)
			*(volatile u64 *)BIG_VA(t) = t;
	}
}

static void make_released(struct cpu *c)
{
	static u64 vas[BIG] __attribute__((aligned(4096)));
	u64 t;

	vas[0] = (u64)big_pd;
	for (t = 1; t < BIG; t++)
		vas[t] = (u64)big_pt[t];
	make_synced(c);
	call(c, KVMPV_HC_RELEASE, gpa(vas), BIG, 0, 0);
}

static void write_tables(void)
{
	u64 t;

	*(volatile u64 *)&big_pd[0] = big_pd[0];
	for (t = 1; t < BIG; t++)
		*(volatile u64 *)&big_pt[t][0] = big_pt[t][0];
}

#define MEASURE(c, name, what)		MEASURE_AFTER(make_dirty, c, name, what)
#define MEASURE_AFTER(make, c, name, what)				\
	do {								\
		make(c);						\
		then = rdtsc();						\
		what;							\
		measured(name, rdtsc() - then);				\
	} while (0)

#define FRESH	4
#define VOID_VA(i)	(~0ul << 48 | (u64)(i) << 39 | 0x7ffffff000)

/*
 * A load of CR3 whose root is new. The kernel's half of the last one, but for what this kernel runs in, is of page
 * tables that all lead to one without an entry, which is only found out by reading each whole: what the host looks
 * through, see kvmpv_fill_kernel().
 */
static void cost_void(struct cpu *c)
{
	static u64 fresh[FRESH][512] __attribute__((aligned(4096)));
	static u64 pdpt[512] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096)));
	static u64 pt[512] __attribute__((aligned(4096)));
	u64 then, i, n;

	pdpt[511] = gpa(pd) | PTE_P | PTE_W;
	pd[511] = gpa(pt) | PTE_P | PTE_W;
	pt[511] = gpa(scratch) | PTE_P | PTE_W;
	for (i = 256; i < 511; i++)
		spaces[0].pml4[i] = gpa(pdpt) | PTE_P | PTE_W;
	for (n = 0; n < FRESH; n++)
		for (i = 0; i < 512; i++)
			fresh[n][i] = spaces[0].pml4[i];
	write_cr3(space_cr3(c, 0));
	for (i = 256; i < 511; i++)
		(void)*(volatile u64 *)VOID_VA(i);
	*(volatile u64 *)&pt[511] = 0;
	invlpg(VOID_VA(510));
	for (n = 0; n < FRESH; n++) {
		write_cr3(space_cr3(c, 0));
		then = rdtsc();
		write_cr3(gpa(fresh[n]));
		measured("MOV to CR3, kernel half without a leaf", rdtsc() - then);
	}
	write_cr3(space_cr3(c, 0));
	c->space = 0;
	for (i = 256; i < 511; i++)
		spaces[0].pml4[i] = 0;
}

static void cost_full(struct cpu *c, const u64 *vas)
{
	u64 then;

	MEASURE_AFTER(make_full, c, "FLUSH ALL, 64 full page tables",
		      call(c, KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0, 0));
	MEASURE_AFTER(make_full, c, "MOV to CR4, PGE toggled, 64 full page tables",
		      write_cr4(read_cr4() ^ CR4_PGE));
	MEASURE_AFTER(make_full, c, "FLUSH_RANGE, 64 full page tables",
		      call(c, KVMPV_HC_FLUSH_RANGE, BIG_VA(0), 64, 21, 0));
	MEASURE_AFTER(make_full, c, "RELEASE, 64 full page tables",
		      call(c, KVMPV_HC_RELEASE, gpa(vas), 64, 0, 0));
}

/* vCPUs that have started, and have nothing to do. */
static volatile u64 asleep;

void cost(struct cpu *c)
{
	struct kvmpv_flush_vcpus *desc = (void *)scratch;
	u64 *vas = (void *)(scratch + PAGE_SIZE), i, t, then;
	u32 a, b, cx, d;

	/* The others sleep, so that FLUSH_VCPUS has to look at them. Wait for them to start, which is not to be measured. */
	if (c->id) {
		__atomic_fetch_add(&asleep, 1, __ATOMIC_SEQ_CST);
		return;
	}
	while (asleep < ctl->vcpus - 1)
		outb(PORT_YIELD);
	for (i = 0; i < 100; i++)
		outb(PORT_YIELD);
	for (t = 0; t < BIG; t++) {
		big_pd[t] = gpa(big_pt[t]) | PTE_P | PTE_W;
		vas[t] = (u64)big_pt[t];
	}
	for (i = 0; i < NR_SPACES; i++)
		spaces[i].pdpt[1] = gpa(big_pd) | PTE_P | PTE_W;
	desc = (void *)(scratch + 2 * PAGE_SIZE);
	desc->scope = KVMPV_FLUSH_ALL;
	desc->va = BIG_VA(0);
	desc->pages = 64;
	desc->stride_shift = 21;
	for (i = 0; i < 64; i++)
		desc->vcpu_mask[i] = ~0ul;
	move(c, 0);
	for (c->op = 0; c->op < ctl->count; c->op++) {
		seed(c);
		then = rdtsc();
		measured("nothing", rdtsc() - then);
		MEASURE(c, "CPUID, an exit that does nothing", cpuid(0, &a, &b, &cx, &d));
		MEASURE(c, "INVLPG", invlpg(BIG_VA(0)));
		MEASURE(c, "MOV to CR3, same", write_cr3(read_cr3()));
		MEASURE(c, "MOV to CR3, another", write_cr3(space_cr3(c, 4 + pick(c, 4))));
		MEASURE(c, "MOV to CR4, PGE toggled", write_cr4(read_cr4() ^ CR4_PGE));
		MEASURE(c, "PROBE", call(c, KVMPV_HC_PROBE, 1, 0, 0, 0));
		MEASURE(c, "FEATURES", call(c, KVMPV_HC_FEATURES, 0, 0, 0, 0));
		MEASURE(c, "REGISTER with FEATURES", do_register(c));
		MEASURE(c, "REGISTER, refused", call(c, KVMPV_HC_REGISTER, 0, 4096, 0, 0));
		MEASURE(c, "LOAD_CR3, no flush, recent",
			call(c, KVMPV_HC_LOAD_CR3, space_cr3(c, 2), KVMPV_LOAD_CR3_NOFLUSH, 0, 0));
		MEASURE(c, "LOAD_CR3, no flush, not kept",
			call(c, KVMPV_HC_LOAD_CR3, space_cr3(c, 4 + pick(c, 4)), KVMPV_LOAD_CR3_NOFLUSH, 0, 0));
		MEASURE(c, "LOAD_CR3, recent", call(c, KVMPV_HC_LOAD_CR3, space_cr3(c, 2), 0, 0, 0));
		MEASURE(c, "FLUSH USER", call(c, KVMPV_HC_FLUSH, KVMPV_FLUSH_USER, 0, 0, 0));
		MEASURE(c, "FLUSH ALL", call(c, KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0, 0));
		MEASURE(c, "FLUSH_RANGE, 64 page tables",
			call(c, KVMPV_HC_FLUSH_RANGE, BIG_VA(0), 64, 21, 0));
		MEASURE(c, "FLUSH_RANGE, 2^40 pages",
			call(c, KVMPV_HC_FLUSH_RANGE, 0, 1ul << 40, 12, 0));
		desc->scope = 0;
		MEASURE(c, "FLUSH_VCPUS, all, 64 page tables",
			call(c, KVMPV_HC_FLUSH_VCPUS, gpa(desc), 0, 0, 0));
		desc->scope = KVMPV_FLUSH_ALL;
		MEASURE(c, "FLUSH_VCPUS, all, ALL",
			call(c, KVMPV_HC_FLUSH_VCPUS, gpa(desc), 0, 0, 0));
		MEASURE(c, "RELEASE, 64 page tables",
			call(c, KVMPV_HC_RELEASE, gpa(vas), 64, 0, 0));
		MEASURE_AFTER(make_synced, c, "writes to 64 page tables", write_tables());
		MEASURE_AFTER(make_released, c, "writes to 64 released page tables",
			      write_tables());
		/* Only the first time these roots are new. */
		if (!c->op)
			cost_void(c);
		MEASURE(c, "UNREGISTER", call(c, KVMPV_HC_UNREGISTER, 0, 0, 0, 0));
		if (!c->op && ctl->vcpus == 1)
			cost_full(c, vas);
		counters(c)->op = c->op;
	}
}

/* --- what single events cost that guests cause all the time */

static void read_byte(const volatile u8 *p)
{
	(void)*p;
}

/* Goes to another address space, as a guest does that has nothing to flush. */
static void go(struct cpu *c, u64 space)
{
	u64 cr3 = space_cr3(c, space);

	c->space = space;
	if (c->cached && lookup(&tables[c->id], cr3))
		counters(c)->hits++;
	else if (!c->listens || call(c, KVMPV_HC_LOAD_CR3, cr3, KVMPV_LOAD_CR3_NOFLUSH, 0, 0))
		write_cr3(cr3 | (c->pcide ? CR3_NOFLUSH : 0));
}

#define PRICE(c, name, prepare, what)					\
	do {								\
		prepare;						\
		then = rdtsc();						\
		what;							\
		then = rdtsc() - then;					\
		/* The first round does not count: KVM keeps fewer roots then than later. */ \
		if (c->op)						\
			measured(name, then);				\
	} while (0)

void prices(struct cpu *c)
{
	volatile u64 *pt = spaces[0].pt, *pd = spaces[0].pd, mapped = pt[0];
	volatile u8 *page = (volatile u8 *)SLOT_VA(0);
	u64 then, i;
	u32 a, b, cx, d;

	cpuid(1, &a, &b, &cx, &d);
	move(c, 0);
	if (cx >> 17 & 1) {
		write_cr4(read_cr4() | CR4_PCIDE);
		c->pcide = 1;
	}
	for (i = 0; i < NR_SPACES; i++)
		move(c, i);
	do_register(c);
	for (c->op = 0; c->op < ctl->count; c->op++) {
		PRICE(c, "nothing", , );
		PRICE(c, "an exit that does nothing (CPUID)", , cpuid(0, &a, &b, &cx, &d));
		PRICE(c, "CR3 read", , read_cr3());
		PRICE(c, "switch between two address spaces", (go(c, 1), go(c, 0)), go(c, 1));
		/* The measured switch is to 1, since one to 0 would pay for changes of its page tables below. */
		for (i = 2; i < NR_SPACES; i++)
			go(c, i);
		PRICE(c, "switch among eight address spaces", , go(c, 1));
		check_slot(c, 1, 0);
		go(c, 0);
		PRICE(c, "INVLPG", read_byte(page), invlpg((u64)page));
		if (c->listens)
			PRICE(c, "FLUSH_RANGE of one page", read_byte(page),
			      call(c, KVMPV_HC_FLUSH_RANGE, (u64)page, 1, 12, 0));
		PRICE(c, "page fault of the guest's own", ,
		      guarded(read_byte, SLOT_VA(NR_SLOTS), 0, 0));
		PRICE(c, "fill of a shadow entry", (pt[0] = 0, invlpg((u64)page), pt[0] = mapped),
		      read_byte(page));
		PRICE(c, "write to a page table, upper level", , pd[7] = c->op << 12);
		PRICE(c, "write to a page table, lowest level, after a flush",
		      (write_cr3(space_cr3(c, 0)), read_byte(page)), pt[NR_SLOTS + 1] = c->op << 12);
		counters(c)->op = c->op;
	}
}
