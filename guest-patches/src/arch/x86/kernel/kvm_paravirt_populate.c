// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: ask the host for memory that is about to be used.
 *
 * A host with EPT or NPT maps guest memory when it is touched first, and each page
 * of it is an exit. The page allocator knows beforehand: what it takes from its
 * free lists will be touched soon. So it asks for it, in chunks of 64 pages, by a
 * call that is one exit for all of them.
 *
 * Which chunks the host has been asked for is a bit each. A chunk is asked for when the first
 * page of it leaves the free lists, and then no more, unless the host is
 * told that it may take the memory away (free page reporting), or the memory is new
 * (hotplug). A bit is no promise: the host may have done less than it was
 * asked for, and may have taken memory away since. Then a page is an exit, as it
 * would be without all this. Nothing is asked for twice because of that.
 *
 * What a balloon takes it takes like everybody else, so the host is asked for it, and
 * told at once that it may have it back. While a balloon has a page the bit of its
 * chunk is set, so that nobody asks for it.
 */
#include <linux/bitops.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sizes.h>

#include <asm/kvm_paravirt.h>

/* 256 KiB: few exits, and little that is asked for and not used. */
#define KVMPV_CHUNK_ORDER	6
#define KVMPV_CHUNK_PAGES	BIT(KVMPV_CHUNK_ORDER)

static_assert(KVMPV_POPULATE_PAGES % KVMPV_CHUNK_PAGES == 0);

/* Below are the holes of the ISA bus, and nothing that is worth a call. */
#define KVMPV_FIRST_CHUNK	(SZ_1M >> PAGE_SHIFT >> KVMPV_CHUNK_ORDER)
/* Calls of one refill: interrupts are off. The rest is left to who touches it. */
#define KVMPV_CALLS_MAX		2
/*
 * After so many calls in a row for which nothing was done, only one of 2, then of 4 is
 * made. Not fewer: each that is left out is a fault a page if the host had none of them.
 */
#define KVMPV_IN_VAIN_MIN	4
#define KVMPV_IN_VAIN_MAX	2

/* What the next call of a refill names: 512-byte aligned, so that it is within a page. */
static DEFINE_PER_CPU(struct kvmpv_page_range [KVMPV_POPULATE_RANGES],
		      kvmpv_wanted_pages) __aligned(512);

static_assert(sizeof(struct kvmpv_page_range) * KVMPV_POPULATE_RANGES <= 512);

/* Chunks, and so ranges, of a page that a call can name. */
#define KVMPV_PAGE_CHUNKS	(KVMPV_POPULATE_PAGES / KVMPV_CHUNK_PAGES)

static_assert(sizeof(struct kvmpv_page_range) * KVMPV_PAGE_CHUNKS <= 128);

/* Calls in a row for which nothing was done, and those that are not made now. */
static DEFINE_PER_CPU(unsigned int, kvmpv_in_vain);
static DEFINE_PER_CPU(unsigned int, kvmpv_skip);

/* What the ranges have, while a list is made. */
struct kvmpv_wish {
	struct kvmpv_page_range *range;
	unsigned int nr;
	unsigned int pages;
	unsigned int calls;	/* have been made */
	bool done;		/* the host has done something for one of them */
};

/* A bit for each chunk of the memory that there can be: it has been asked for. */
static unsigned long *kvmpv_asked __ro_after_init;
static unsigned long kvmpv_nr_chunks __ro_after_init;
static unsigned long kvmpv_populate_retry;

static bool kvmpv_is_asked(unsigned long chunk)
{
	return chunk < KVMPV_FIRST_CHUNK || chunk >= kvmpv_nr_chunks ||
	       test_bit(chunk, kvmpv_asked);
}

/* True for one of those who come at the same time. */
static bool kvmpv_claim(unsigned long chunk)
{
	return !kvmpv_is_asked(chunk) && !test_and_set_bit(chunk, kvmpv_asked);
}

static unsigned long kvmpv_first_chunk(const struct page *page)
{
	return page_to_pfn(page) >> KVMPV_CHUNK_ORDER;
}

static unsigned long kvmpv_last_chunk(const struct page *page, unsigned int order)
{
	return (page_to_pfn(page) + (1UL << order) - 1) >> KVMPV_CHUNK_ORDER;
}

/* Has the host not been asked for all of it? Mostly it has. */
static bool kvmpv_is_new(const struct page *page, unsigned int order)
{
	unsigned long chunk = kvmpv_first_chunk(page);
	unsigned long last = kvmpv_last_chunk(page, order);

	for (; chunk <= last; chunk++)
		if (!kvmpv_is_asked(chunk))
			return true;
	return false;
}

/* A host that refuses one range refuses all: not beyond the zone, there may be no RAM. */
static void kvmpv_add_chunk(struct kvmpv_wish *wish, const struct zone *zone,
			    unsigned long chunk)
{
	unsigned long start = max(chunk << KVMPV_CHUNK_ORDER, zone->zone_start_pfn);
	unsigned long end = min((chunk + 1) << KVMPV_CHUNK_ORDER, zone_end_pfn(zone));
	struct kvmpv_page_range *range = &wish->range[wish->nr];

	wish->pages += end - start;
	if (wish->nr && range[-1].gpa + (range[-1].pages << PAGE_SHIFT) == PFN_PHYS(start)) {
		range[-1].pages += end - start;
		return;
	}
	range->gpa = PFN_PHYS(start);
	range->pages = end - start;
	wish->nr++;
}

/*
 * Where the host backs the guest by huge pages, or has mapped all of it before, each
 * call is one exit more than without. An estimate will do: the task may be moved to
 * another CPU in between.
 */
static bool kvmpv_is_worth_a_call(void)
{
	unsigned int skip = this_cpu_read(kvmpv_skip);

	if (skip)
		this_cpu_write(kvmpv_skip, skip - 1);
	return !skip;
}

static void kvmpv_asked_for(long done)
{
	unsigned int n = 0;

	if (!done)
		n = min(this_cpu_read(kvmpv_in_vain) + 1,
			(unsigned int)(KVMPV_IN_VAIN_MIN + KVMPV_IN_VAIN_MAX));
	this_cpu_write(kvmpv_in_vain, n);
	if (n > KVMPV_IN_VAIN_MIN)
		this_cpu_write(kvmpv_skip, BIT(n - KVMPV_IN_VAIN_MIN) - 1);
}

/*
 * Without the zone's lock, so that others need not wait. Interrupts may be off. The host
 * may take as long as it would when the page is touched, where locks may be held and
 * interrupts be off as well.
 */
static void kvmpv_ask(struct kvmpv_wish *wish)
{
	unsigned int nr = wish->nr;
	long done;

	wish->nr = 0;
	wish->pages = 0;
	if (!nr || wish->calls >= KVMPV_CALLS_MAX)
		return;
	wish->calls++;
	if (!kvmpv_is_worth_a_call())
		return;
	done = kvmpv_hypercall2(KVMPV_HC_POPULATE,
				slow_virt_to_phys(wish->range), nr);
	if (done < 0) {
		/* Perhaps it is another host by now. */
		WRITE_ONCE(kvmpv_populate_retry, jiffies + KVMPV_RETRY);
		this_cpu_inc(kvmpv_populate_counters.populate_refused);
		wish->calls = KVMPV_CALLS_MAX;
		return;
	}
	wish->done = wish->done || done;
	kvmpv_asked_for(done);
	this_cpu_inc(kvmpv_populate_counters.populate);
	this_cpu_add(kvmpv_populate_counters.populate_pages, done);
}

/*
 * What does not fit into a call any more is in the next one. After the last it is left to
 * who touches it, and counts as asked for all the same: a balloon may take the page, and
 * who takes the next one must not ask for both.
 */
static void kvmpv_add_page(struct kvmpv_wish *wish, struct page *page,
			   unsigned int order)
{
	unsigned long chunk = kvmpv_first_chunk(page);
	unsigned long last = kvmpv_last_chunk(page, order);

	for (; chunk <= last; chunk++) {
		if (!kvmpv_claim(chunk))
			continue;
		if (wish->nr >= KVMPV_POPULATE_RANGES ||
		    wish->pages > KVMPV_POPULATE_PAGES - KVMPV_CHUNK_PAGES)
			kvmpv_ask(wish);
		kvmpv_add_chunk(wish, page_zone(page), chunk);
	}
}

static bool kvmpv_may_ask(void)
{
	return !time_before(jiffies, READ_ONCE(kvmpv_populate_retry));
}

/**
 * __kvmpv_take_page() - a page leaves the free lists
 * @page: the page
 * @order: log2 of its size, in pages of 4096 bytes
 *
 * More than a call can name is left to who touches it. Such are hash tables at boot, and
 * what a balloon tells its host is free while a VM moves: that is not to be used at all.
 *
 * Context: any, without the zone's lock. Nothing is asked for in an NMI.
 */
void __kvmpv_take_page(struct page *page, unsigned int order)
{
	/* 128-byte aligned, so that they are within a page. */
	struct kvmpv_page_range range[KVMPV_PAGE_CHUNKS] __aligned(128);
	struct kvmpv_wish wish = { .range = range };

	if (1UL << order > KVMPV_POPULATE_PAGES || !kvmpv_is_new(page, order) ||
	    in_nmi() || !kvmpv_may_ask())
		return;
	kvmpv_add_page(&wish, page, order);
	kvmpv_ask(&wish);
}

/**
 * __kvmpv_take_pages() - pages leave the free lists, for a CPU's own list
 * @list: of pages, by pcp_list
 * @order: log2 of the size of each, in pages of 4096 bytes
 *
 * It is one call, or two if the pages are large or far apart. Interrupts are off meanwhile,
 * as the list of ranges is this CPU's.
 *
 * Since Linux 6.7 the allocator takes up to 32 times as many pages at once, the more the
 * longer nothing is freed. If all of these were asked for, the host would have memory for
 * pages that lie in the list of a CPU and that nobody has ever used; in a large guest they
 * are more than two calls can name, so that the rest would be an exit each. So the caller
 * begins anew with the smallest number when the host has got memory for a refill. Where
 * there was nothing to do, larger numbers spare it the zone's lock. (The first refill of
 * new memory after many of old memory may still be a large one.)
 *
 * Context: as __kvmpv_take_page(); nobody else takes pages off the list.
 * Return: true if the host did something for at least one of them.
 */
bool __kvmpv_take_pages(struct list_head *list, unsigned int order)
{
	struct kvmpv_wish wish = {};
	unsigned long flags;
	struct page *page;

	if (in_nmi())
		return false;
	list_for_each_entry(page, list, pcp_list)
		if (kvmpv_is_new(page, order))
			break;
	if (list_entry_is_head(page, list, pcp_list) || !kvmpv_may_ask())
		return false;
	local_irq_save(flags);
	wish.range = *this_cpu_ptr(&kvmpv_wanted_pages);
	list_for_each_entry_from(page, list, pcp_list)
		kvmpv_add_page(&wish, page, order);
	kvmpv_ask(&wish);
	local_irq_restore(flags);
	return wish.done;
}

/**
 * __kvmpv_forget_page() - the host is likely to have no memory for a page
 * @page: the page, which is free, or about to be
 * @order: log2 of its size, in pages of 4096 bytes
 *
 * Of a chunk the rest of which may be in use, or a balloon's, nothing is asked for.
 *
 * Context: nobody else can have the page meanwhile.
 */
void __kvmpv_forget_page(struct page *page, unsigned int order)
{
	unsigned long chunk = kvmpv_first_chunk(page);
	unsigned long last = kvmpv_last_chunk(page, order);

	if (order < KVMPV_CHUNK_ORDER)
		return;
	for (; chunk <= last && chunk < kvmpv_nr_chunks; chunk++)
		if (test_bit(chunk, kvmpv_asked))
			clear_bit(chunk, kvmpv_asked);
}

/**
 * kvmpv_populate_init() - ask for memory from now on, if kvm_paravirt= says so
 *
 * Context: boot CPU, memblock has all memory, the page allocator has none yet.
 */
void __init kvmpv_populate_init(void)
{
	unsigned long nr;

	if (!(kvmpv_used & KVMPV_F_POPULATE))
		return;
	/* What can be plugged in later is known by now, too. */
	nr = DIV_ROUND_UP(max(max_pfn, max_possible_pfn), KVMPV_CHUNK_PAGES);
	kvmpv_asked = memblock_alloc(BITS_TO_LONGS(nr) * sizeof(long), sizeof(long));
	if (!kvmpv_asked) {
		kvmpv_used &= ~KVMPV_F_POPULATE;
		return;
	}
	kvmpv_nr_chunks = nr;
	kvmpv_populate_retry = jiffies;
	setup_force_cpu_cap(X86_FEATURE_KVM_POPULATE);
}
