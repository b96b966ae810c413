// SPDX-License-Identifier: GPL-2.0
/*
 * FLUSH, FLUSH_RANGE, FLUSH_VCPUS: what is refused, what it costs, and that they flush. RELEASE: what
 * is refused, and that it breaks nothing, whatever is released.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kvm_para.h>
#include <linux/string.h>

#include <asm/msr.h>
#include <asm/pgtable.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "hostile.h"

#define DESC_SIZE	sizeof(struct kvmpv_flush_vcpus)
#define LAST_IN_PAGE	(PAGE_SIZE - DESC_SIZE)
#define HOLE_BEGIN	0x0000800000000000ull

static struct kvmpv_flush_vcpus *desc;	/* a page of its own */

/* --- what is refused */

static const struct {
	const char *name;
	u64 nr, a[4];
	long want;
} calls[] = {
	{ "flush-user", KVMPV_HC_FLUSH, { KVMPV_FLUSH_USER, ~0, ~0, ~0 }, 0 },
	{ "flush-all", KVMPV_HC_FLUSH, { KVMPV_FLUSH_ALL }, 0 },
	{ "flush-none", KVMPV_HC_FLUSH, { 0 }, -KVMPV_EINVAL },
	{ "flush-both", KVMPV_HC_FLUSH, { 3 }, -KVMPV_EINVAL },
	{ "flush-4", KVMPV_HC_FLUSH, { 4 }, -KVMPV_EINVAL },
	{ "flush-user-4", KVMPV_HC_FLUSH, { 5 }, -KVMPV_EINVAL },
	{ "flush-high-half", KVMPV_HC_FLUSH, { 1ull << 32 | KVMPV_FLUSH_ALL }, -KVMPV_EINVAL },
	{ "flush-all-ones", KVMPV_HC_FLUSH, { ~0ull }, -KVMPV_EINVAL },
	{ "range-0-pages", KVMPV_HC_FLUSH_RANGE, { ~0ull, 0, 11, 0 }, 0 },
	{ "range-0-pages-2^64", KVMPV_HC_FLUSH_RANGE, { 0, 0, ~0ull, 0 }, 0 },
	{ "range-0-pages-flag", KVMPV_HC_FLUSH_RANGE, { 0, 0, 12, 1 }, -KVMPV_EINVAL },
	{ "range-flag-0", KVMPV_HC_FLUSH_RANGE, { 0, 1, 12, 1 }, -KVMPV_EINVAL },
	{ "range-flag-63", KVMPV_HC_FLUSH_RANGE, { 0, 1, 12, 1ull << 63 }, -KVMPV_EINVAL },
	{ "range-stride-0", KVMPV_HC_FLUSH_RANGE, { 0, 1, 0 }, -KVMPV_EINVAL },
	{ "range-stride-11", KVMPV_HC_FLUSH_RANGE, { 0, 1, 11 }, -KVMPV_EINVAL },
	{ "range-stride-12", KVMPV_HC_FLUSH_RANGE, { 0, 1, 12 }, 0 },
	{ "range-stride-20", KVMPV_HC_FLUSH_RANGE, { 0, 1, 20 }, -KVMPV_EINVAL },
	{ "range-stride-21", KVMPV_HC_FLUSH_RANGE, { 0, 1, 21 }, 0 },
	{ "range-stride-30", KVMPV_HC_FLUSH_RANGE, { 0, 64, 30 }, 0 },
	{ "range-stride-31", KVMPV_HC_FLUSH_RANGE, { 0, 1, 31 }, -KVMPV_EINVAL },
	{ "range-stride-64+12", KVMPV_HC_FLUSH_RANGE, { 0, 1, 64 + 12 }, -KVMPV_EINVAL },
	{ "range-stride-2^32+12", KVMPV_HC_FLUSH_RANGE, { 0, 1, 1ull << 32 | 12 }, -KVMPV_EINVAL },
	{ "range-64", KVMPV_HC_FLUSH_RANGE, { 1, 64, 12 }, 0 },
	{ "range-65", KVMPV_HC_FLUSH_RANGE, { 1, 65, 12 }, 0 },
	{ "range-2^52", KVMPV_HC_FLUSH_RANGE, { 0, 1ull << 52, 12 }, 0 },
	{ "range-2^52+1", KVMPV_HC_FLUSH_RANGE, { 0, (1ull << 52) + 1, 12 }, -KVMPV_EINVAL },
	{ "range-2^64-1", KVMPV_HC_FLUSH_RANGE, { 0, ~0ull, 12 }, -KVMPV_EINVAL },
	{ "range-last-byte", KVMPV_HC_FLUSH_RANGE, { ~0ull, 1, 12 }, 0 },
	{ "range-wraps", KVMPV_HC_FLUSH_RANGE, { ~0ull, 2, 12 }, -KVMPV_EINVAL },
	{ "range-wraps-1g", KVMPV_HC_FLUSH_RANGE, { 0 - (1ull << 30), 2, 30 }, -KVMPV_EINVAL },
	{ "range-across-hole", KVMPV_HC_FLUSH_RANGE, { HOLE_BEGIN - PAGE_SIZE, 2, 12 }, 0 },
	{ "range-in-hole", KVMPV_HC_FLUSH_RANGE, { HOLE_BEGIN, 64, 30 }, 0 },
	{ "vcpus-hole", KVMPV_HC_FLUSH_VCPUS, { GPA_HOLE }, -KVMPV_EFAULT },
	{ "vcpus-far", KVMPV_HC_FLUSH_VCPUS, { GPA_FAR }, -KVMPV_EFAULT },
	{ "vcpus-far-unaligned", KVMPV_HC_FLUSH_VCPUS, { GPA_FAR + 1 }, -KVMPV_EINVAL },
	{ "vcpus-far-crossing", KVMPV_HC_FLUSH_VCPUS, { GPA_FAR - 8 }, -KVMPV_EINVAL },
	{ "vcpus-farthest", KVMPV_HC_FLUSH_VCPUS, { GPA_FARTHEST }, -KVMPV_EFAULT },
	{ "vcpus-apic", KVMPV_HC_FLUSH_VCPUS, { GPA_APIC }, -KVMPV_EFAULT },
	{ "vcpus-tss", KVMPV_HC_FLUSH_VCPUS, { GPA_TSS }, -KVMPV_EFAULT },
	{ "vcpus-all-ones", KVMPV_HC_FLUSH_VCPUS, { ~0ull }, -KVMPV_EINVAL },
};

static const struct {
	const char *name;
	u64 offset, scope, va, pages, shift;
	long want;
} descs[] = {
	{ "desc-all", 0, KVMPV_FLUSH_ALL, ~0, 0, ~0, 0 },
	{ "desc-user", 8, KVMPV_FLUSH_USER, 0, 0, 0, 0 },
	{ "desc-range", LAST_IN_PAGE, 0, 0x1000, 1, 12, 0 },
	{ "desc-all-range", 0, KVMPV_FLUSH_ALL, 0, 1ull << 52, 12, 0 },
	{ "desc-user-range", 0, KVMPV_FLUSH_USER, HOLE_BEGIN - PAGE_SIZE, 64, 12, 0 },
	{ "desc-crosses", LAST_IN_PAGE + 8, KVMPV_FLUSH_ALL, 0, 0, 0, -KVMPV_EINVAL },
	{ "desc-unaligned-4", 4, KVMPV_FLUSH_ALL, 0, 0, 0, -KVMPV_EINVAL },
	{ "desc-unaligned-1", 1, KVMPV_FLUSH_ALL, 0, 0, 0, -KVMPV_EINVAL },
	{ "desc-nothing", 0, 0, 0x1000, 0, 12, -KVMPV_EINVAL },
	{ "desc-both", 0, 3, 0, 0, 0, -KVMPV_EINVAL },
	{ "desc-scope-4", 0, 4, 0x1000, 1, 12, -KVMPV_EINVAL },
	{ "desc-scope-63", 0, 1ull << 63 | KVMPV_FLUSH_ALL, 0, 0, 0, -KVMPV_EINVAL },
	{ "desc-stride-0", 0, 0, 0x1000, 1, 0, -KVMPV_EINVAL },
	{ "desc-stride-64+12", 0, KVMPV_FLUSH_ALL, 0x1000, 1, 64 + 12, -KVMPV_EINVAL },
	{ "desc-wraps", 0, KVMPV_FLUSH_ALL, ~0ull, 2, 12, -KVMPV_EINVAL },
	{ "desc-2^52+1", 0, 0, 0, (1ull << 52) + 1, 12, -KVMPV_EINVAL },
};

/* FLUSH_VCPUS, with a mask of all vCPUs that a VM could have. */
static long call_vcpus(struct kvmpv_flush_vcpus *d, u64 scope, u64 va, u64 pages, u64 shift)
{
	d->scope = scope;
	d->va = va;
	d->pages = pages;
	d->stride_shift = shift;
	return hostile_call(KVMPV_HC_FLUSH_VCPUS, __pa(d), ~0ull);
}

static void try_refusals(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		hostile_case(calls[i].name, calls[i].want,
			     hostile_call4(calls[i].nr, calls[i].a[0], calls[i].a[1],
					   calls[i].a[2], calls[i].a[3]));

	memset(desc, 0xff, 2 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(descs); i++)
		hostile_case(descs[i].name, descs[i].want,
			     call_vcpus((void *)desc + descs[i].offset, descs[i].scope,
					descs[i].va, descs[i].pages, descs[i].shift));

	/* It is only read. */
	memset(desc, 0xff, PAGE_SIZE);
	call_vcpus(desc, KVMPV_FLUSH_ALL, 0, 1, 12);
	hostile_case("desc-unchanged", 1,
		     desc->scope == KVMPV_FLUSH_ALL && !desc->va && desc->pages == 1 &&
		     desc->stride_shift == 12 &&
		     !memchr_inv(desc->vcpu_mask, 0xff, sizeof(desc->vcpu_mask)));

	memset(desc, 0, PAGE_SIZE);
	hostile_case("desc-nobody", 0, call_vcpus(desc, KVMPV_FLUSH_ALL, 0, 0, 0));
	desc->vcpu_mask[63] = 1ull << 63;
	hostile_case("desc-nobody-there", 0, call_vcpus(desc, KVMPV_FLUSH_ALL, 0, 0, 0));
}

/* --- what they cost: the least of some, for interrupts of the host */

static u64 cost(u64 nr, u64 a0, u64 a1, u64 a2)
{
	u64 least = ~0ull, begin;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		begin = rdtsc_ordered();
		hostile_call4(nr, a0, a1, a2, 0);
		least = min(least, rdtsc_ordered() - begin);
	}
	return least;
}

/* "yes", or by how much not. */
static void cheap(const char *name, u64 got, u64 most)
{
	char text[48] = "yes";

	if (got > most)
		snprintf(text, sizeof(text), "%llu>%llu", got, most);
	hostile_text(name, "yes", text);
}

static void try_costs(void)
{
	u64 all = cost(KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0), begin, one, i;

	begin = rdtsc_ordered();
	for (i = 0; i < 64; i++)
		asm volatile("invlpg (%0)" : : "r" (i << PAGE_SHIFT) : "memory");
	one = rdtsc_ordered() - begin;

	cheap("cost-2^52", cost(KVMPV_HC_FLUSH_RANGE, 0, 1ull << 52, 12), 4 * all);
	cheap("cost-65", cost(KVMPV_HC_FLUSH_RANGE, 0, 65, 12), 4 * all);
	cheap("cost-across-hole",
	      cost(KVMPV_HC_FLUSH_RANGE, HOLE_BEGIN - PAGE_SIZE, 1ull << 48, 12), 4 * all);
	cheap("cost-refused", cost(KVMPV_HC_FLUSH_RANGE, ~0ull, ~0ull, 12), 4 * all);
	/* As long as it is done page by page: less than the guest's own way. */
	cheap("cost-64", cost(KVMPV_HC_FLUSH_RANGE, 0, 64, 12), one);
}

void hostile_flush(void)
{
	desc = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);
	if (!desc)
		return;
	hostile_on(0, try_refusals);
	hostile_on(0, try_costs);
	free_pages((unsigned long)desc, 1);
}

/*
 * --- that they flush: a page that only one CR3 has, mostly the last of 64. It is also the first below a
 * page table while the others of a range are below another one, or below none.
 */

/* Entries of the top level of which Linux uses none, and the address of the one that is tried. */
#define LOWER		100
#define UPPER		260
#define BASE		((u64)((s64)((u64)slot << 55) >> 16))
#define INDEX		63
#define NEXT_TABLE	512
#define VA		(BASE + INDEX * PAGE_SIZE)

static unsigned long *pgd, *pud, *pmd, *pte, *page[2];
static u64 home, other;
static unsigned int stale, hits;
static unsigned int slot = LOWER;
static unsigned int at = INDEX;	/* which page of those from BASE on */

static bool make_tables(void)
{
	unsigned long **t[] = { &pgd, &pud, &pmd, &page[0], &page[1] };
	bool all = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		*t[i] = (void *)get_zeroed_page(GFP_KERNEL);
		all &= !!*t[i];
	}
	desc = (void *)get_zeroed_page(GFP_KERNEL);
	pte = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);
	return all && desc && pte;
}

static void free_tables(void)
{
	unsigned long *t[] = { pgd, pud, pmd, page[0], page[1], (void *)desc };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		free_page((unsigned long)t[i]);
	free_pages((unsigned long)pte, 1);
}

static void use_tables(void)
{
	home = hostile_cr3();
	other = hostile_copy_pgd(pgd);
	pgd[LOWER] = __pa(pud) | _KERNPG_TABLE_NOENC;
	pgd[UPPER] = __pa(pud) | _KERNPG_TABLE_NOENC;
	pud[0] = __pa(pmd) | _KERNPG_TABLE_NOENC;
	pmd[0] = __pa(pte) | _KERNPG_TABLE_NOENC;
	pmd[1] = __pa(pte + NEXT_TABLE) | _KERNPG_TABLE_NOENC;
	*page[1] = 1;
	memset(desc->vcpu_mask, 0xff, sizeof(desc->vcpu_mask));
}

/* Writes the entry, and flushes nothing. */
static void map(unsigned int i)
{
	WRITE_ONCE(pte[at], __pa(page[i]) | _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY);
}

static u64 which(void)
{
	return READ_ONCE(*(u64 *)(BASE + at * PAGE_SIZE));
}

/* Flushes everything, in a way that every CPU has. */
static void flush_natively(void)
{
	unsigned long cr4 = __read_cr4();

	hostile_write_cr4(cr4 ^ X86_CR4_PGE);
	hostile_write_cr4(cr4);
}

static void go(u64 cr3)
{
	struct hostile_run run;

	if (hostile_has_cache() && hostile_lookup(hostile_mine()->table, cr3, &run) == 1)
		hits++;
	else
		hostile_load_cr3(cr3);
}

static long by_user(void)
{
	return hostile_call(KVMPV_HC_FLUSH, KVMPV_FLUSH_USER, 0);
}

static long by_all(void)
{
	return hostile_call(KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0);
}

static long by_page(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, VA, 1, 12, 0);
}

/* Any address in the page names it: here the last byte. */
static long by_byte(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, VA + PAGE_SIZE - 1, 1, 12, 0);
}

static long by_range_64(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, BASE, 64, 12, 0);
}

/* Nothing is mapped below BASE. */
static long by_range_first(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, BASE - 63 * PAGE_SIZE, 64, 12, 0);
}

static long by_range_next(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, BASE + (NEXT_TABLE - 63) * PAGE_SIZE, 64, 12, 0);
}

static long by_range_65(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, BASE, 65, 12, 0);
}

static long by_range_2m(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, VA - (7ull << 21), 8, 21, 0);
}

static long by_range_1g(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, VA - (63ull << 30), 64, 30, 0);
}

static long by_everything(void)
{
	return hostile_call4(KVMPV_HC_FLUSH_RANGE, 0, 1ull << 52, 12, 0);
}

static long by_invlpg(void)
{
	asm volatile("invlpg (%0)" : : "r" (VA) : "memory");
	return 0;
}

static long by_vcpus_user(void)
{
	return call_vcpus(desc, KVMPV_FLUSH_USER, 0, 0, 0);
}

static long by_vcpus_all(void)
{
	return call_vcpus(desc, KVMPV_FLUSH_ALL, 0, 0, 0);
}

static long by_vcpus_page(void)
{
	return call_vcpus(desc, 0, VA, 1, 12);
}

static long by_vcpus_range_64(void)
{
	return call_vcpus(desc, 0, BASE, 64, 12);
}

static long by_vcpus_range_65(void)
{
	return call_vcpus(desc, 0, BASE, 65, 12);
}

static long by_vcpus_user_page(void)
{
	return call_vcpus(desc, KVMPV_FLUSH_USER, VA, 1, 12);
}

static const struct way {
	const char *name;
	long (*flush)(void);
	unsigned int at;
	bool current_only;	/* another CR3's entries may stay, on the calling vCPU */
	bool promised;		/* the same in the lower half, with F_INVLPG_CURRENT */
} ways[] = {
	{ "user", by_user, INDEX, true },
	{ "all", by_all, INDEX },
	{ "page", by_page, INDEX, false, true },
	{ "byte", by_byte, INDEX, false, true },
	{ "range-64", by_range_64, INDEX, false, true },
	{ "range-first", by_range_first, 0, false, true },
	{ "range-next", by_range_next, NEXT_TABLE, false, true },
	{ "range-65", by_range_65, INDEX },
	{ "range-2m", by_range_2m, INDEX, false, true },
	{ "range-1g", by_range_1g, INDEX, false, true },
	{ "invlpg", by_invlpg, INDEX, false, true },
	{ "everything", by_everything, INDEX },
	{ "vcpus-user", by_vcpus_user, INDEX, true },
	{ "vcpus-all", by_vcpus_all, INDEX },
	{ "vcpus-page", by_vcpus_page, INDEX },
	{ "vcpus-range-64", by_vcpus_range_64, INDEX },
	{ "vcpus-range-65", by_vcpus_range_65, INDEX },
	{ "vcpus-user-page", by_vcpus_user_page, INDEX },
};

/* The text of a case: what the call returned, and which page is seen before and after it. */
static void seen(const char *want, const char *group, const char *name, long r, u64 before, u64 after)
{
	char text[64], full[40];

	snprintf(full, sizeof(full), "%s-%s", group, name);
	snprintf(text, sizeof(text), "%ld,%llu,%llu", r, before, after);
	hostile_text(full, want, text);
}

/* If a stale entry was not seen before each flush of a group, its cases have shown nothing. */
static void seen_stale(const char *group, unsigned int n)
{
	char text[32];

	snprintf(text, sizeof(text), "stale-%s", group);
	hostile_case(text, n, stale);
}

static void flush_current(const char *group, const struct way *way)
{
	u64 before, after;
	long r;

	at = way->at;
	go(other);
	map(0);
	flush_natively();
	before = which();
	map(1);
	stale += which() == 0;
	r = way->flush();
	after = which();
	go(home);
	seen("0,0,1", group, way->name, r, before, after);
}

static void flush_all_current(const char *group)
{
	unsigned int i;

	stale = 0;
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		flush_current(group, &ways[i]);
	seen_stale(group, ARRAY_SIZE(ways));
}

static void flush_elsewhere(const char *want, const char *group, const struct way *way)
{
	u64 before, after;
	long r;

	at = way->at;
	go(other);
	map(0);
	flush_natively();
	before = which();
	go(home);
	map(1);
	r = way->flush();
	go(other);
	after = which();
	go(home);
	seen(want, group, way->name, r, before, after);
}

static void flush_not_current(const char *group, const struct way *way)
{
	flush_elsewhere("0,0,1", group, way);
}

/* Without a flush the old page is still seen: else the cases above would prove nothing. */
static bool stale_not_current(void)
{
	u64 before, after;

	go(other);
	map(0);
	flush_natively();
	before = which();
	go(home);
	map(1);
	go(other);
	after = which();
	flush_natively();
	go(home);
	return !before && !after;
}

static void try_ways(void)
{
	unsigned int i;

	use_tables();
	hostile_case("register", 0, hostile_register());
	flush_all_current("current");
	hits = 0;
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!ways[i].current_only)
			flush_not_current("not-current", &ways[i]);
	if (hostile_has_cache())
		hostile_case("by-table", 1, hits > 0);
	at = INDEX;
	for (stale = 0, i = 0; i < 4; i++)
		stale += stale_not_current();
	hostile_case("stale-not-current", 4, stale);
	hostile_case("home", 0, hostile_cr3() ^ home);
}

/*
 * Nothing in the lower half is global: a flush of a page there may leave what other CR3s
 * have of it, and does. It never leaves what the current one has, nor anything in the
 * upper half, and all other flushes are as before.
 */
static void try_promised(void)
{
	unsigned int i;

	hostile_unregister();
	hostile_case("register-promised", 0, hostile_register_promised());
	flush_all_current("promised-current");
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!ways[i].current_only && !ways[i].promised)
			flush_not_current("promised-not-current", &ways[i]);
	slot = UPPER;
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!ways[i].current_only)
			flush_not_current("promised-upper", &ways[i]);
	slot = LOWER;
	/* The lab's AMD CPU does not decode INVLPG for KVM, whose emulator then does it in all roots. */
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].promised && (ways[i].flush != by_invlpg || hostile_has_cache()))
			flush_elsewhere("0,0,0", "promised-stale", &ways[i]);
	at = INDEX;
	flush_natively();
}

void hostile_flushed(void)
{
	if (make_tables()) {
		hostile_on(0, try_ways);
		hostile_on(0, try_promised);
	} else {
		hostile_text("memory", "yes", "no");
	}
	hostile_on(0, hostile_unregister);
	free_tables();
}

/* --- the same for vCPU 1, which does @busy until it is told not to */

#define SECONDS		3000000000ull	/* TSC ticks, some */

static void (*busy)(void);
static u64 asked, answered, answer, rounds, failures;
static bool begun, stop, ended = true;

/* Both vCPUs may share one CPU, whose interrupts wait while ours are off. */
static void let_run(unsigned int cpu)
{
	kvm_hypercall1(KVM_HC_SCHED_YIELD, per_cpu(x86_cpu_to_apicid, cpu));
}

static void run_busy(void *unused)
{
	busy();
	smp_store_release(&ended, true);
}

static bool wait_for(const bool *flag)
{
	u64 begin = rdtsc();

	while (!smp_load_acquire(flag)) {
		if (rdtsc() - begin > SECONDS)
			return false;
		let_run(1);
	}
	return true;
}

/* Has vCPU 1 run @fn, without waiting for its end. May be called with interrupts off. */
static bool start(void (*fn)(void))
{
	static call_single_data_t csd = CSD_INIT(run_busy, NULL);

	if (!ended)
		return false;
	busy = fn;
	begun = false;
	stop = false;
	ended = false;
	rounds = 0;
	failures = 0;
	return !smp_call_function_single_async(1, &csd) && wait_for(&begun);
}

static bool end(void)
{
	WRITE_ONCE(stop, true);
	return wait_for(&ended);
}

/* Reads the page, mostly without an exit. */
static void read_page(void)
{
	u64 was = hostile_cr3(), question;

	hostile_mov_cr3(other);
	while (!READ_ONCE(stop)) {
		question = smp_load_acquire(&asked);
		WRITE_ONCE(answer, which());
		smp_store_release(&answered, question);
		smp_store_release(&begun, true);
		if (!(++rounds % 1024))
			let_run(0);
	}
	flush_natively();
	hostile_mov_cr3(was);
}

/*
 * Reads it by a CR3 that is not in use most of the time. This vCPU has promised to rely on
 * no flush of its own for that, but those of others still reach it.
 */
static void read_between(void)
{
	u64 was = hostile_cr3(), question;

	hostile_register_promised();
	while (!READ_ONCE(stop)) {
		question = smp_load_acquire(&asked);
		go(other);
		WRITE_ONCE(answer, which());
		go(was);
		smp_store_release(&answered, question);
		smp_store_release(&begun, true);
		let_run(0);
	}
	hostile_unregister();
	flush_natively();
}

/* What vCPU 1 sees in a read that begins after this call, or 9. */
static u64 ask(void)
{
	u64 begin = rdtsc();

	WRITE_ONCE(asked, asked + 1);
	while (smp_load_acquire(&answered) != asked) {
		if (rdtsc() - begin > SECONDS)
			return 9;
		let_run(1);
	}
	return READ_ONCE(answer);
}

static void flush_other(const char *group, const struct way *way)
{
	u64 before, after;
	long r;

	map(0);
	by_vcpus_all();
	before = ask();
	map(1);
	stale += ask() == 0;
	r = way->flush();
	after = ask();
	seen("0,0,1", group, way->name, r, before, after);
}

static void try_readers(const char *group, void (*reader)(void), bool current_too)
{
	unsigned int i, n = 0;

	use_tables();
	map(0);
	flush_natively();
	if (!start(reader)) {
		hostile_text("vcpu1-reads", "yes", "no");
		return;
	}
	stale = 0;
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strncmp(ways[i].name, "vcpus-", 6) || (ways[i].current_only && !current_too))
			continue;
		flush_other(group, &ways[i]);
		n++;
	}
	seen_stale(group, n);
	hostile_case("vcpu1-ends", 1, end());
}

static void try_other(void)
{
	try_readers("other", read_page, true);
}

static void try_between(void)
{
	try_readers("between", read_between, false);
}

/* Changes the descriptor all the time, also while the host reads it. */
static void scribble(void)
{
	static const u64 shifts[] = { 11, 12, 21, 30 };
	u64 random = 88172645463325252ull;

	smp_store_release(&begun, true);
	while (!READ_ONCE(stop)) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		WRITE_ONCE(desc->scope, random & 3);
		WRITE_ONCE(desc->va, random);
		WRITE_ONCE(desc->pages, random >> 40 & 127);
		WRITE_ONCE(desc->stride_shift, shifts[random >> 50 & 3]);
		WRITE_ONCE(desc->vcpu_mask[0], random >> 20);
		if (!(++rounds % 1024))
			let_run(0);
	}
}

static void try_scribbled(void)
{
	unsigned int i, bad = 0, good = 0;
	long r;

	if (!start(scribble)) {
		hostile_text("vcpu1-scribbles", "yes", "no");
		return;
	}
	for (i = 0; i < 1000; i++) {
		r = hostile_call(KVMPV_HC_FLUSH_VCPUS, __pa(desc), 0);
		good += r == 0;
		bad += r && r != -KVMPV_EINVAL;
		if (!(i % 16))
			let_run(1);
	}
	hostile_case("scribbled-results", 0, bad);
	hostile_case("scribbled-some-right", 1, good > 0);
	hostile_case("scribbled-ends", 1, end());
}

/* Both vCPUs flush each other, in turns and at the same time. */
static unsigned int flush_all_vcpus(struct kvmpv_flush_vcpus *d, unsigned int i)
{
	return i % 3 ? call_vcpus(d, 0, BASE, i % 70 + 1, 12) != 0 :
		       call_vcpus(d, KVMPV_FLUSH_ALL, 0, 0, 0) != 0;
}

static void flush_back(void)
{
	struct kvmpv_flush_vcpus *d = (void *)desc + PAGE_SIZE / 2;

	smp_store_release(&begun, true);
	while (!READ_ONCE(stop)) {
		failures += flush_all_vcpus(d, rounds);
		if (!(++rounds % 16))
			let_run(0);
	}
}

static void try_mutually(void)
{
	unsigned int i, bad = 0;

	memset(desc, 0xff, PAGE_SIZE);
	if (!start(flush_back)) {
		hostile_text("vcpu1-flushes", "yes", "no");
		return;
	}
	for (i = 0; i < 1000; i++) {
		bad += flush_all_vcpus(desc, i);
		if (!(i % 16))
			let_run(1);
	}
	hostile_case("mutual-ends", 1, end());
	hostile_case("mutual-failures", 0, bad + failures);
	hostile_case("mutual-both", 1, rounds > 0);
}

/* vCPU 1 is offline: halted, its interrupts off, for good. */
static void try_offline(void)
{
	u64 begin = rdtsc();
	unsigned int i, bad = 0;

	memset(desc, 0xff, PAGE_SIZE);
	for (i = 0; i < 100; i++)
		bad += flush_all_vcpus(desc, i);
	hostile_case("offline-flush", 0, bad);
	hostile_case("offline-not-waited-for", 1, rdtsc() - begin < SECONDS);
}

void hostile_shootdown(void)
{
	if (num_online_cpus() < HOSTILE_CPUS) {
		hostile_text("two-vcpus", "yes", "no");
		return;
	}
	if (make_tables()) {
		hostile_on(0, try_other);
		hostile_on(0, try_between);
		hostile_on(0, try_scribbled);
		hostile_on(0, try_mutually);
		hostile_case("vcpu1-off", 0, remove_cpu(1));
		hostile_on(0, try_offline);
		hostile_case("vcpu1-on", 0, add_cpu(1));
		/* Flushes that were queued for an offline vCPU are done before it runs again. */
		hostile_on(0, try_other);
	} else {
		hostile_text("memory", "yes", "no");
	}
	if (ended)
		free_tables();
}

/* --- RELEASE */

static const struct {
	const char *name;
	u64 gpa, offset, nr;	/* in desc if gpa is 0 */
	long want;
} releases[] = {
	{ "release-0", 0, 0, 0, -KVMPV_EINVAL },
	{ "release-1", 0, 0, 1, 0 },
	{ "release-64", 0, PAGE_SIZE - 512, 64, 0 },
	{ "release-65", 0, 0, 65, -KVMPV_EINVAL },
	{ "release-high-half", 0, 0, 1ull << 32 | 1, -KVMPV_EINVAL },
	{ "release-all-ones", 0, 0, ~0ull, -KVMPV_EINVAL },
	{ "release-unaligned-4", 0, 4, 1, -KVMPV_EINVAL },
	{ "release-unaligned-1", 0, 1, 1, -KVMPV_EINVAL },
	{ "release-last", 0, PAGE_SIZE - 8, 1, 0 },
	{ "release-crosses", 0, PAGE_SIZE - 8, 2, -KVMPV_EINVAL },
	{ "release-crosses-64", 0, PAGE_SIZE - 504, 64, -KVMPV_EINVAL },
	{ "release-hole", GPA_HOLE, 0, 1, -KVMPV_EFAULT },
	{ "release-far", GPA_FAR, 0, 64, -KVMPV_EFAULT },
	{ "release-far-unaligned", GPA_FAR, 1, 1, -KVMPV_EINVAL },
	{ "release-apic", GPA_APIC, 0, 1, -KVMPV_EFAULT },
	{ "release-tss", GPA_TSS, 0, 1, -KVMPV_EFAULT },
};

/* Fills the array with whatever a guest could name, its own page tables among it. */
static unsigned int fill_release(void)
{
	u64 names[] = {
		0, ~0ull, 1, HOLE_BEGIN, HOLE_BEGIN - PAGE_SIZE, VA, BASE,
		(u64)__va(home & CR3_ADDR_MASK), (u64)pgd, (u64)pud, (u64)pmd, (u64)pte,
		(u64)page[0], (u64)page[1] + 8, (u64)desc, (u64)fill_release,
		(u64)&asked, (u64)current, (u64)__builtin_frame_address(0),
		(u64)hostile_mine()->state, (u64)hostile_mine()->table,
		(u64)__va(GPA_APIC), (u64)__va(0),
	};

	memcpy(desc, names, sizeof(names));
	return ARRAY_SIZE(names);
}

/* It is a failure if a wrong page is seen twice, or CR3 is not what was loaded. */
static unsigned int wrong_after_release(unsigned int i)
{
	unsigned int n = fill_release(), wrong = 0;

	go(other);
	wrong += hostile_call(KVMPV_HC_RELEASE, __pa(desc), n) != 0;
	map(i & 1);
	wrong += by_page() != 0;
	wrong += which() != (i & 1);
	wrong += hostile_cr3() != other;
	go(home);
	wrong += hostile_call(KVMPV_HC_RELEASE, __pa(desc), n) != 0;
	wrong += hostile_cr3() != home;
	return wrong;
}

/*
 * Releases an address that KVM remembers as MMIO, but at which the guest has mapped a page
 * table since, without a flush: the host must not complain of that.
 */
static void try_release_mmio(void)
{
	go(other);
	WRITE_ONCE(pte[INDEX], GPA_HOLE | _KERNPG_TABLE);
	flush_natively();
	which();
	WRITE_ONCE(pte[INDEX], __pa(pmd) | _KERNPG_TABLE);
	*(u64 *)desc = VA;
	hostile_case("release-was-mmio", 0, hostile_call(KVMPV_HC_RELEASE, __pa(desc), 1));
	flush_natively();
	hostile_case("release-was-mmio-page", 1, which() == pmd[0]);
	go(home);
}

/*
 * Releases an address of KVM's own memory, the local APIC, writes to which KVM emulates. Whatever
 * the call does, the guest must go on with the instruction after it.
 */
static void try_release_apic(void)
{
	u64 ret = KVMPV_HC_RELEASE, next = 0;

	go(other);
	WRITE_ONCE(pte[INDEX], GPA_APIC | _KERNPG_TABLE);
	flush_natively();
	*(u64 *)desc = VA;
	/* MOV $0x90909090, %edx: if RIP were a byte too far, it would be NOPs, and EDX stay as it is. */
	asm volatile(KVM_HYPERCALL "\n\t"
		     ".byte 0xba, 0x90, 0x90, 0x90, 0x90"
		     : "+a" (ret), "+d" (next)
		     : "b" (__pa(desc)), "c" (1ull)
		     : "memory");
	hostile_case("release-apic-page", 0, ret);
	hostile_case("release-apic-page-goes-on", 0x90909090, next);
	go(home);
}

static void try_release(void)
{
	unsigned int i, wrong = 0;

	use_tables();
	memset(desc, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(releases); i++)
		hostile_case(releases[i].name, releases[i].want,
			     hostile_call(KVMPV_HC_RELEASE,
					  (releases[i].gpa ?: __pa(desc)) + releases[i].offset,
					  releases[i].nr));
	hostile_case("register", 0, hostile_register());
	for (i = 0; i < 100; i++)
		wrong += wrong_after_release(i);
	hostile_case("released", 0, wrong);
	try_release_mmio();
	try_release_apic();
}

/* Releases the tables that the other vCPU runs on. */
static void release_on(void)
{
	unsigned int n = fill_release();

	smp_store_release(&begun, true);
	while (!READ_ONCE(stop)) {
		failures += hostile_call(KVMPV_HC_RELEASE, __pa(desc), n) != 0;
		if (!(++rounds % 16))
			let_run(0);
	}
}

static void try_release_both(void)
{
	unsigned int i, wrong = 0;

	if (!start(release_on)) {
		hostile_text("vcpu1-releases", "yes", "no");
		return;
	}
	for (i = 0; i < 300; i++) {
		wrong += wrong_after_release(i);
		if (!(i % 16))
			let_run(1);
	}
	hostile_case("released-by-both", 0, wrong);
	hostile_case("vcpu1-ends", 1, end());
	hostile_case("vcpu1-released", 1, rounds && !failures);
}

void hostile_release(void)
{
	if (make_tables()) {
		hostile_on(0, try_release);
		hostile_on(0, try_release_both);
	} else {
		hostile_text("memory", "yes", "no");
	}
	hostile_on(0, hostile_unregister);
	if (ended)
		free_tables();
}
