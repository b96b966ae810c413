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

#include <asm/kvm_paravirt.h>

/* 256 KiB: few exits, and little that is asked for and not used. */
#define KVMPV_CHUNK_ORDER	6
#define KVMPV_CHUNK_PAGES	BIT(KVMPV_CHUNK_ORDER)

static_assert(KVMPV_POPULATE_PAGES % KVMPV_CHUNK_PAGES == 0);

/* What the next call names: 512-byte aligned, so that it is within a page. */
static DEFINE_PER_CPU(struct kvmpv_page_range [KVMPV_POPULATE_RANGES],
		      kvmpv_wanted_pages) __aligned(512);

static_assert(sizeof(struct kvmpv_page_range) * KVMPV_POPULATE_RANGES <= 512);

/* What kvmpv_wanted_pages has, while a list is made. */
struct kvmpv_wish {
	struct kvmpv_page_range *range;
	unsigned int nr;
	unsigned int pages;
};

/* A bit for each chunk of the memory that there can be: it has been asked for. */
static unsigned long *kvmpv_asked __ro_after_init;
static unsigned long kvmpv_nr_chunks __ro_after_init;
static unsigned long kvmpv_populate_retry;

/* True for one of those who come at the same time. */
static bool kvmpv_claim(unsigned long chunk)
{
	return chunk < kvmpv_nr_chunks && !test_bit(chunk, kvmpv_asked) &&
	       !test_and_set_bit(chunk, kvmpv_asked);
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
		if (chunk < kvmpv_nr_chunks && !test_bit(chunk, kvmpv_asked))
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
 * What does not fit any more is left to who touches it. It counts as asked for all the
 * same: a balloon may take the page, and who takes the next one must not ask for both.
 */
static void kvmpv_add_page(struct kvmpv_wish *wish, struct page *page,
			   unsigned int order)
{
	unsigned long chunk = kvmpv_first_chunk(page);
	unsigned long last = kvmpv_last_chunk(page, order);

	for (; chunk <= last; chunk++)
		if (kvmpv_claim(chunk) && wish->nr < KVMPV_POPULATE_RANGES &&
		    wish->pages <= KVMPV_POPULATE_PAGES - KVMPV_CHUNK_PAGES)
			kvmpv_add_chunk(wish, page_zone(page), chunk);
}

/*
 * Without the zone's lock, so that others need not wait. Interrupts are off, as the list
 * is this CPU's. The host may take as long as it would when the page is touched,
 * where locks may be held and interrupts be off as well.
 */
static void kvmpv_ask(const struct kvmpv_wish *wish)
{
	long done;

	if (!wish->nr)
		return;
	done = kvmpv_hypercall2(KVMPV_HC_POPULATE,
				slow_virt_to_phys(wish->range), wish->nr);
	if (done < 0) {
		/* Perhaps it is another host by now. */
		WRITE_ONCE(kvmpv_populate_retry, jiffies + KVMPV_RETRY);
		this_cpu_inc(kvmpv_populate_counters.populate_refused);
		return;
	}
	this_cpu_inc(kvmpv_populate_counters.populate);
	this_cpu_add(kvmpv_populate_counters.populate_pages, done);
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
 * Context: any but NMI, without the zone's lock.
 */
void __kvmpv_take_page(struct page *page, unsigned int order)
{
	struct kvmpv_wish wish = {};
	unsigned long flags;

	if (1UL << order > KVMPV_POPULATE_PAGES || !kvmpv_is_new(page, order) ||
	    !kvmpv_may_ask())
		return;
	local_irq_save(flags);
	wish.range = *this_cpu_ptr(&kvmpv_wanted_pages);
	kvmpv_add_page(&wish, page, order);
	kvmpv_ask(&wish);
	local_irq_restore(flags);
}

/**
 * __kvmpv_take_pages() - pages leave the free lists, for a CPU's own list
 * @list: of pages, by pcp_list
 * @order: log2 of the size of each, in pages of 4096 bytes
 *
 * However many they are, it is one call.
 *
 * Context: as __kvmpv_take_page(); nobody else takes pages off the list.
 */
void __kvmpv_take_pages(struct list_head *list, unsigned int order)
{
	struct kvmpv_wish wish = {};
	unsigned long flags;
	struct page *page;

	list_for_each_entry(page, list, pcp_list)
		if (kvmpv_is_new(page, order))
			break;
	if (list_entry_is_head(page, list, pcp_list) || !kvmpv_may_ask())
		return;
	local_irq_save(flags);
	wish.range = *this_cpu_ptr(&kvmpv_wanted_pages);
	list_for_each_entry_from(page, list, pcp_list)
		kvmpv_add_page(&wish, page, order);
	kvmpv_ask(&wish);
	local_irq_restore(flags);
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
