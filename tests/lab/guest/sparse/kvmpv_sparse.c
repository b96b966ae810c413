// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to one free page of so many, all over the guest's memory; see README.md.
 */
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: one free page of so many is written to");

static unsigned int step = 64;
module_param(step, uint, 0444);
MODULE_PARM_DESC(step, "how many pages, of which one is written to");

static unsigned int written;
module_param(written, uint, 0444);
MODULE_PARM_DESC(written, "how many pages were written to");

/*
 * On one CPU nobody takes the page meanwhile, so nobody minds what is in it. A plain write: what
 * reads first is not followed by a block.
 */
static void touch(struct page *page)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!PageReserved(page) && !page_count(page)) {
		WRITE_ONCE(*(u8 *)page_address(page), 0);
		written++;
	}
	local_irq_restore(flags);
}

static int __init kvmpv_sparse_init(void)
{
	unsigned long pfn;

	if (!step || num_online_cpus() > 1)
		return -EINVAL;
	/* The lab's guests end below the devices, at 3 GiB. */
	for (pfn = SZ_16M >> PAGE_SHIFT; pfn < 3 * (SZ_1G >> PAGE_SHIFT); pfn += step) {
		if (pfn_valid(pfn))
			touch(pfn_to_page(pfn));
		cond_resched();
	}
	return 0;
}

static void __exit kvmpv_sparse_exit(void)
{
}

module_init(kvmpv_sparse_init);
module_exit(kvmpv_sparse_exit);
