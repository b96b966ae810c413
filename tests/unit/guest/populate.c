// SPDX-License-Identifier: GPL-2.0
/*
 * What guest-patches/src/arch/x86/kernel/kvm_paravirt_populate.c asks the host for: each chunk once, no more than a call can
 * name, nothing outside of the zone; again after it was given back; and what it makes of a refusal.
 */
#include <stdio.h>

#define NR_PAGES	4096UL
#define CHUNKS		(NR_PAGES / 64)

struct list_head { struct list_head *next, *prev; };
struct page { struct list_head pcp_list; };
struct zone { unsigned long zone_start_pfn, end; };

static struct page pages[NR_PAGES];
/* As in a VM, the zone begins above pages that are in none, and ends in the middle of a chunk. */
static struct zone zone = { 256 + 70, NR_PAGES - 10 };
static unsigned long max_pfn = NR_PAGES - 10, max_possible_pfn;
static long answer = -1;	/* what the host returns; -1 stands for as many pages as were asked for */
static unsigned int asked[NR_PAGES], calls, ranges, most, wrong;
static bool refill;		/* the pages are for the CPU's own list */
static bool gained;		/* what the refill has returned to the allocator */

#define zone_end_pfn(z)		((z)->end)
#define page_zone(page)		(&zone)
#define page_to_pfn(page)	((unsigned long)((page) - pages))
#define PFN_PHYS(pfn)		((__u64)(pfn) << PAGE_SHIFT)
#define SZ_1M			0x100000
#define BIT(n)			(1UL << (n))
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, 64)
#define max(a, b)		((a) > (b) ? (a) : (b))
#undef min
#define min(a, b)		((a) < (b) ? (a) : (b))
#define memblock_alloc(size, align)	calloc(1, size)
#define slow_virt_to_phys(p)	((unsigned long)(p))
#undef test_bit
#define test_bit(n, map)	((map)[(n) / 64] >> (n) % 64 & 1)
#define clear_bit(n, map)	((void)((map)[(n) / 64] &= ~BIT((n) % 64)))

/* There is one CPU, so this need not be atomic. */
static bool test_and_set_bit(unsigned long n, unsigned long *map)
{
	bool was = test_bit(n, map);

	map[n / 64] |= BIT(n % 64);
	return was;
}

#define list_entry_is_head(pos, head, member)	(&(pos)->member == (head))
#define unit_page(list)		((struct page *)(list))
#define list_for_each_entry(pos, head, member)					\
	for ((pos) = unit_page((head)->next); &(pos)->member != (head); (pos) = unit_page((pos)->member.next))
#define list_for_each_entry_from(pos, head, member)				\
	for (; &(pos)->member != (head); (pos) = unit_page((pos)->member.next))

static long host(const struct kvmpv_page_range *range, unsigned long nr);
#undef kvmpv_hypercall2
#define kvmpv_hypercall2(nr, a0, a1)	host((const void *)(a0), a1)

/* In the kernel, kvm_paravirt.c has it. */
unsigned long kvmpv_used = KVMPV_F_POPULATE;
struct kvmpv_populate_counters kvmpv_populate_counters;

#include "kvm_paravirt_populate.c"

bool unit_irqs_off, unit_nmi;
int unit_no_preempt;
unsigned long jiffies = 1000;

void unit_read(const volatile void *p) { }
void unit_pinned(void) { wrong += !unit_irqs_off; }

/* Refuses as the specification says, whatever else it answers. */
static long host(const struct kvmpv_page_range *range, unsigned long nr)
{
	unsigned long i, j, pfn, sum = 0;

	calls++;
	ranges = nr;
	wrong += (refill && !unit_irqs_off) || !nr || nr > KVMPV_POPULATE_RANGES;
	wrong += (unsigned long)range % 8 ||
		 (unsigned long)range / 4096 != ((unsigned long)(range + nr) - 1) / 4096;
	for (i = 0; i < nr; i++) {
		pfn = range[i].gpa / 4096;
		sum += range[i].pages;
		if (range[i].gpa % 4096 || !range[i].pages || pfn < zone.zone_start_pfn ||
		    pfn + range[i].pages > zone.end) {
			wrong++;
			continue;
		}
		for (j = 0; j < range[i].pages && answer == -1; j++)
			asked[pfn + j]++;
	}
	most = max(most, sum);
	wrong += sum > KVMPV_POPULATE_PAGES;
	return answer == -1 ? (long)sum : answer;
}

static bool bad;
static unsigned int judged;

static void judge(const char *text, bool right)
{
	judged++;
	printf("%sok - populate: %s\n", right && !wrong && !unit_irqs_off ? "" : "not ", text);
	bad = bad || !right || wrong || unit_irqs_off;
	wrong = 0;
}

static void forget_all(void)
{
	memset(asked, 0, sizeof(asked));
	memset(kvmpv_asked, 0, CHUNKS / 8);
	calls = most = 0;
}

/* How many pages were asked for, each once; ~0 if one was asked for twice. */
static unsigned int total(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_PAGES; i++) {
		if (asked[i] > 1)
			return ~0u;
		n += asked[i];
	}
	return n;
}

static void take(unsigned int order, unsigned int nr, const unsigned int *pfn)
{
	struct list_head head = { &head, &head };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct list_head *entry = &pages[pfn[i]].pcp_list;

		entry->next = &head;
		entry->prev = head.prev;
		head.prev->next = entry;
		head.prev = entry;
	}
	refill = true;
	gained = __kvmpv_take_pages(&head, order);
	refill = false;
}

int main(void)
{
	unsigned int pfn[63], i;

	kvmpv_populate_init();
	judge("a bit for each chunk", kvmpv_asked && kvmpv_nr_chunks == CHUNKS);

	__kvmpv_take_page(&pages[386], 0);
	judge("one page: its chunk", calls == 1 && total() == 64 && asked[384] && asked[447]);
	__kvmpv_take_page(&pages[447], 0);
	judge("another page of it: nothing", calls == 1 && total() == 64);
	__kvmpv_take_page(&pages[446], 1);
	judge("a page of two chunks: the other", calls == 1 && total() == 64);
	__kvmpv_take_page(&pages[444], 3);
	judge("one that reaches beyond it: the next", calls == 2 && total() == 128 && asked[511]);

	forget_all();
	__kvmpv_take_page(&pages[326], 0);
	__kvmpv_take_page(&pages[NR_PAGES - 20], 0);
	judge("not beyond the zone", total() == 58 + 54 && !asked[325] && asked[326]);

	forget_all();
	__kvmpv_take_page(&pages[512], 9);
	judge("512 pages: one call, one range", calls == 1 && ranges == 1 && total() == 512 && most == 512);
	__kvmpv_take_page(&pages[1024], 10);
	judge("1024 pages: none", calls == 1);

	forget_all();
	for (i = 0; i < 63; i++)
		pfn[i] = 700 + i;
	take(0, 63, pfn);
	judge("a refill: one call for all its chunks", calls == 1 && total() == 128);
	judge("the allocator learns that the host did something", gained);
	take(0, 63, pfn);
	judge("and that it was not", calls == 1 && !gained);
	for (i = 0; i < 63; i++)
		pfn[i] = 3900 - 50 * i;
	take(0, 63, pfn);
	judge("two for more, and no third", calls == 3 && most == 512 && total() == 128 + 1024 && gained);
	take(0, 63, pfn);
	judge("what did not fit is not asked for later: it may be gone by then", calls == 3 && !gained);

	forget_all();
	pfn[0] = 1024;
	pfn[1] = 2048;
	take(9, 2, pfn);
	judge("a refill of two pages of 2 MiB: all of both", calls == 2 && most == 512 && total() == 1024);

	forget_all();
	unit_nmi = true;
	__kvmpv_take_page(&pages[1024], 0);
	take(0, 2, pfn);
	unit_nmi = false;
	judge("in an NMI: nothing", !calls && !gained);
	__kvmpv_take_page(&pages[200], 0);
	judge("below 1 MiB: nothing", !calls);
	take(0, 2, pfn);
	judge("and what came in the NMI is asked for later", calls == 1 && total() == 128);

	forget_all();
	__kvmpv_take_page(&pages[512], 9);
	__kvmpv_forget_page(&pages[576], 6);
	__kvmpv_take_page(&pages[512], 9);
	judge("what was given back: again", calls == 2 && asked[575] == 1 && asked[576] == 2 &&
	      asked[639] == 2 && asked[640] == 1);
	__kvmpv_forget_page(&pages[640], 5);
	__kvmpv_take_page(&pages[640], 0);
	judge("less than a chunk: not", calls == 2);
	__kvmpv_forget_page(&pages[0], 12);
	__kvmpv_take_page(&pages[NR_PAGES - 20], 0);
	/* Pages that are beyond the end of memory as it was known at boot. */
	__kvmpv_forget_page(&pages[NR_PAGES - 64], 7);
	judge("all of it, up to the last bit and not beyond", !kvmpv_asked[0]);

	forget_all();
	answer = -KVMPV_ENOSYS;
	__kvmpv_take_page(&pages[512], 0);
	__kvmpv_take_page(&pages[1024], 0);
	pfn[0] = 2048;
	take(0, 1, pfn);
	judge("a host that refuses is left alone", calls == 1 && !gained && kvmpv_populate_counters.populate_refused == 1);
	jiffies += KVMPV_RETRY;
	answer = -1;
	__kvmpv_take_page(&pages[1024], 0);
	take(0, 1, pfn);
	judge("and asked again after a while", calls == 3 && total() == 128);
	__kvmpv_take_page(&pages[512], 0);
	judge("but not for the same", calls == 3);
	answer = 0;
	__kvmpv_take_page(&pages[3000], 0);
	__kvmpv_take_page(&pages[3000], 0);
	judge("nor if it has done nothing", calls == 4);
	pfn[0] = 2560;
	take(0, 1, pfn);
	judge("the allocator learns that it has done nothing for a refill", calls == 5 && !gained);
	answer = -KVMPV_ENOSYS;
	pfn[0] = 2688;
	take(0, 1, pfn);
	judge("or refused one", calls == 6 && !gained);
	answer = 0;
	jiffies += KVMPV_RETRY;

	/*
	 * The host maps nothing, as where it has huge pages. Of 56 pages these are asked for: 1, 2, 3, 4, 5, 7, 11,
	 * then each fourth, 15 to 55.
	 */
	forget_all();
	kvmpv_in_vain = kvmpv_skip = 0;
	for (i = 0; i < 56; i++)
		__kvmpv_take_page(&pages[512 + 64 * i], 0);
	judge("in vain again and again: ever more seldom", calls == 18);
	forget_all();
	answer = -1;
	for (i = 0; i < 2; i++)
		__kvmpv_take_page(&pages[512 + 64 * i], 0);
	judge("so far", !calls);
	for (i = 2; i < 6; i++)
		__kvmpv_take_page(&pages[512 + 64 * i], 0);
	judge("until it is worth it again", calls == 4);

	kvmpv_used = 0;
	kvmpv_nr_chunks = 0;
	kvmpv_populate_init();
	judge("a host that does not offer it: no bits", !kvmpv_nr_chunks);
	printf("1..%u\n", judged);
	return bad;
}
