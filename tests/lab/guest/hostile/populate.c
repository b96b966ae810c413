// SPDX-License-Identifier: GPL-2.0
/*
 * POPULATE, on a host with EPT or NPT: what is refused, that nothing is mapped then, and that
 * otherwise what is named is mapped, once, and keeps what is in it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "hostile.h"

#define FRESH_ORDER	9
#define RAM_END		__pa(high_memory)	/* lowmem is all there is */

static struct kvmpv_page_range *list;	/* a page of its own */
static struct page *fresh;		/* free memory, and where the tests need it such that nobody has ever touched */
static struct page *blocks[64];
static unsigned int nr_blocks;

static const struct {
	const char *name;
	u64 gpa, offset, nr;	/* in list if gpa is 0 */
	long want;
} arrays[] = {
	{ "populate-0", 0, 0, 0, -KVMPV_EINVAL },
	{ "populate-33", 0, 0, 33, -KVMPV_E2BIG },
	{ "populate-high-half", 0, 0, 1ull << 32 | 1, -KVMPV_E2BIG },
	{ "populate-all-ones", 0, 0, ~0ull, -KVMPV_E2BIG },
	{ "populate-33-unaligned", 0, 1, 33, -KVMPV_E2BIG },
	{ "populate-unaligned-4", 0, 4, 1, -KVMPV_EINVAL },
	{ "populate-unaligned-1", 0, 1, 1, -KVMPV_EINVAL },
	{ "populate-crosses", 0, PAGE_SIZE - 8, 1, -KVMPV_EINVAL },
	{ "populate-crosses-32", 0, PAGE_SIZE - 504, 32, -KVMPV_EINVAL },
	{ "populate-array-hole", GPA_HOLE, 0, 1, -KVMPV_EFAULT },
	{ "populate-array-far", GPA_FAR, 0, 32, -KVMPV_EFAULT },
	{ "populate-array-farthest", GPA_FARTHEST, 0, 1, -KVMPV_EFAULT },
	{ "populate-array-apic", GPA_APIC, 0, 1, -KVMPV_EFAULT },
	{ "populate-array-tss", GPA_TSS, 0, 1, -KVMPV_EFAULT },
};

static const struct {
	const char *name;
	u64 gpa, pages;
	long want;
} ranges[] = {
	{ "populate-range-unaligned", 8, 1, -KVMPV_EINVAL },
	{ "populate-range-unaligned-512", 512, 1, -KVMPV_EINVAL },
	{ "populate-range-none", 0, 0, -KVMPV_ERANGE },
	{ "populate-range-none-far", GPA_FAR, 0, -KVMPV_ERANGE },
	{ "populate-range-513", 0, 513, -KVMPV_E2BIG },
	{ "populate-range-high-half", 0, 1ull << 32 | 1, -KVMPV_E2BIG },
	{ "populate-range-all", 0, 1ull << 52, -KVMPV_E2BIG },
	{ "populate-range-all-ones", 0, ~0ull, -KVMPV_ERANGE },
	{ "populate-range-wraps", GPA_FARTHEST, 2, -KVMPV_ERANGE },
	{ "populate-range-wraps-far", GPA_FARTHEST, 1ull << 52, -KVMPV_ERANGE },
	{ "populate-range-farthest", GPA_FARTHEST, 1, -KVMPV_EFAULT },
	{ "populate-range-hole", GPA_HOLE, 1, -KVMPV_EFAULT },
	{ "populate-range-far", GPA_FAR, 511, -KVMPV_EFAULT },
	{ "populate-range-apic", GPA_APIC, 1, -KVMPV_EFAULT },
	{ "populate-range-tss", GPA_TSS, 3, -KVMPV_EFAULT },
};

static long populate(unsigned int nr)
{
	return hostile_call(KVMPV_HC_POPULATE, __pa(list), nr);
}

/* The range is the second of the list; if it is refused, nothing may happen to the first. */
static long populate_after(u64 first, u64 gpa, u64 pages)
{
	list[0] = (struct kvmpv_page_range){ PFN_PHYS(page_to_pfn(fresh)), first };
	list[1] = (struct kvmpv_page_range){ gpa, pages };
	return populate(2);
}

static long populate_second(u64 gpa, u64 pages)
{
	return populate_after(1, gpa, pages);
}

/* How many pages of the fresh memory are mapped by calls that name all of it. */
static long populate_fresh(void)
{
	long mapped = 0, got;
	unsigned int i;

	list[0] = (struct kvmpv_page_range){ PFN_PHYS(page_to_pfn(fresh)),
					     1 << FRESH_ORDER };
	/* A call ends early if another task of the host is to run. */
	for (i = 0; i < 100; i++) {
		got = populate(1);
		if (got < 0)
			return got;
		mapped += got;
	}
	return mapped;
}

static void try_refused(void)
{
	unsigned int i;

	memset(list, 0, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(arrays); i++)
		hostile_case(arrays[i].name, arrays[i].want,
			     hostile_call(KVMPV_HC_POPULATE,
					  (arrays[i].gpa ?: __pa(list)) + arrays[i].offset,
					  arrays[i].nr));
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		hostile_case(ranges[i].name, ranges[i].want,
			     populate_second(ranges[i].gpa, ranges[i].pages));
	hostile_case("populate-past-ram", -KVMPV_EFAULT,
		     populate_second(RAM_END - PAGE_SIZE, 2));
	hostile_case("populate-513-in-two", -KVMPV_E2BIG, populate_second(0, 512));
	for (i = 0; i < 32; i++)
		list[i] = (struct kvmpv_page_range){ 0, 17 };
	hostile_case("populate-544-in-32", -KVMPV_E2BIG, populate(32));
}

/*
 * The guest does not know which memory has never been touched. It takes what the allocator gives last; if a call maps
 * all of it, none was mapped before, neither by a touch nor by the call that was refused first.
 */
static void try_mapped(void)
{
	unsigned int i = nr_blocks, refused = 0;
	long mapped = 0;
	void *va;

	while (i-- && mapped != 1 << FRESH_ORDER) {
		fresh = blocks[i];
		refused += populate_after(1 << FRESH_ORDER, GPA_HOLE, 1) == -KVMPV_E2BIG &&
			   populate_after(256, GPA_HOLE, 1) == -KVMPV_EFAULT;
		mapped = populate_fresh();
	}
	hostile_case("populate-refused-before", nr_blocks - 1 - i, refused);
	hostile_case("populate-maps", 1 << FRESH_ORDER, mapped);
	va = page_address(fresh);
	hostile_case("populate-zeroes", 1, !memchr_inv(va, 0, PAGE_SIZE << FRESH_ORDER));
	memset(va, 0x5a, PAGE_SIZE << FRESH_ORDER);
	hostile_case("populate-again", 0, populate_fresh());
	hostile_case("populate-keeps", 1, !memchr_inv(va, 0x5a, PAGE_SIZE << FRESH_ORDER));
	/* The same page many times, and the list itself. */
	list[0] = list[1] = (struct kvmpv_page_range){ __pa(list), 1 };
	hostile_case("populate-itself", 0, populate(2));
	hostile_case("populate-itself-kept", 1, list[1].gpa == __pa(list));
	hostile_case("populate-last-page", 1, populate_second(RAM_END - PAGE_SIZE, 1) <= 1);
}

static void with_rom(struct pci_dev *dev)
{
	hostile_case("populate-rom-enabled", 0, pci_enable_rom(dev));
	hostile_case("populate-rom", -KVMPV_EROFS,
		     populate_second(pci_resource_start(dev, PCI_ROM_RESOURCE), 1));
	pci_disable_rom(dev);
}

void hostile_populate(void)
{
	list = (void *)get_zeroed_page(GFP_KERNEL);
	/* Not by the allocator: this guest was started without the option. */
	while (nr_blocks < ARRAY_SIZE(blocks) &&
	       (fresh = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, FRESH_ORDER)))
		blocks[nr_blocks++] = fresh;
	if (!list || !nr_blocks) {
		hostile_text("memory", "yes", "no");
		return;
	}
	hostile_case("populate-features", KVMPV_F_POPULATE,
		     hostile_call(KVMPV_HC_FEATURES, 0, 0));
	fresh = blocks[0];
	hostile_on(0, try_refused);
	hostile_on(0, try_mapped);
	/* KVM forgets what it has mapped when a memory slot goes, so this comes last. */
	hostile_with_rom(with_rom);
	while (nr_blocks)
		__free_pages(blocks[--nr_blocks], FRESH_ORDER);
	free_page((unsigned long)list);
}
