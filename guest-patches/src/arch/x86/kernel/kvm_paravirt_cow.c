// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: copy-on-write, with fewer page faults in the host.
 *
 * A host that shadows page tables lets a guest write to a table of PTEs as it
 * likes until it flushes: the table is unsynced. A flush of everything makes the
 * host compare all such tables, and write-protect them again, so that the next
 * write to each is an exit. A flush of one page does that page, and, as KVM takes
 * it for a hint, maps what the guest has there now, in the page tables in use: with page
 * table isolation the kernel's.
 *
 *  - fork() write-protects the parent's pages, and flushes. The pages are noted
 *    where they are write-protected, ptep_set_wrprotect(), and if they are few,
 *    they are what is flushed.
 *  - A write to a shared page gives the process a copy. The new entry is set
 *    first, then the page is flushed: the host maps the copy then, and the
 *    process does not fault once more.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include <asm/kvm_paravirt.h>
#include <asm/tlbflush.h>

/* More pages are flushed as all: flush_tlb_mm_range() does, too. */
#define KVMPV_FORK_PAGES	32
#define KVMPV_FORK_RANGES	8
/* So many pages between two that are to be flushed are cheaper than another call. */
#define KVMPV_FORK_GAP		4

struct kvmpv_fork {
	unsigned int nr, pages;		/* pages > KVMPV_FORK_PAGES: flush all */
	struct {
		unsigned long start, end;
	} range[KVMPV_FORK_RANGES];
};

/**
 * __kvmpv_fork_begin() - pages of an mm will be write-protected
 * @mm: the parent's
 *
 * Context: dup_mmap(), mmap_lock is held for writing.
 */
void __kvmpv_fork_begin(struct mm_struct *mm)
{
	/* Without it all is flushed. */
	mm->context.kvmpv_fork = kzalloc(sizeof(*mm->context.kvmpv_fork),
					 GFP_KERNEL | __GFP_NOWARN);
}

/**
 * __kvmpv_wrprotected() - a page is write-protected
 * @mm: its mm; nothing is noted where no fork() is going on
 * @addr: its address
 * @huge: it is a huge page
 *
 * Context: with the lock of the page table.
 */
void __kvmpv_wrprotected(struct mm_struct *mm, unsigned long addr, bool huge)
{
	struct kvmpv_fork *f = mm->context.kvmpv_fork;
	unsigned long end = addr + PAGE_SIZE, gap;

	if (!f || f->pages > KVMPV_FORK_PAGES)
		return;
	if (huge)
		goto all;
	if (f->nr && addr >= f->range[f->nr - 1].end) {
		gap = (addr - f->range[f->nr - 1].end) >> PAGE_SHIFT;
		if (gap <= KVMPV_FORK_GAP) {
			f->range[f->nr - 1].end = end;
			f->pages += 1 + gap;
			return;
		}
	}
	if (f->nr == KVMPV_FORK_RANGES)
		goto all;
	f->range[f->nr].start = addr;
	f->range[f->nr++].end = end;
	f->pages++;
	return;
all:
	f->pages = KVMPV_FORK_PAGES + 1;
}

/* Else one flush of everything, for all CPUs at once, is less. */
static bool kvmpv_fork_here(struct mm_struct *mm)
{
	bool here;

	preempt_disable();
	here = cpumask_any_but(mm_cpumask(mm), smp_processor_id()) >= nr_cpu_ids;
	preempt_enable();
	return here;
}

/**
 * __kvmpv_fork_flush() - flush what was write-protected
 * @mm: the parent's
 *
 * Context: dup_mmap(), mmap_lock is held for writing.
 */
void __kvmpv_fork_flush(struct mm_struct *mm)
{
	struct kvmpv_fork *f = mm->context.kvmpv_fork;
	unsigned int i;

	mm->context.kvmpv_fork = NULL;
	/*
	 * Not nothing: reclaim on another CPU may have unmapped pages of this mm and
	 * left the flush to whoever comes next. That has raised tlb_gen, which makes
	 * of a range that is flushed here a flush of all.
	 */
	if (!f || !f->nr || f->pages > KVMPV_FORK_PAGES || !kvmpv_fork_here(mm)) {
		flush_tlb_mm(mm);
	} else {
		for (i = 0; i < f->nr; i++)
			flush_tlb_mm_range(mm, f->range[i].start, f->range[i].end,
					   PAGE_SHIFT, false);
		this_cpu_inc(kvmpv_counters.fork_ranges);
	}
	kfree(f);
}

/**
 * __kvmpv_cow_flush_last() - may the new entry be set before the old is flushed?
 * @mm: whose page is copied
 *
 * On another CPU a thread could then write to the copy while a second one still
 * reads the old page. Here there is no other thread, and none can come, as only a
 * user of @mm can start one. Other MMUs hear of an entry before it changes.
 *
 * Context: page fault.
 */
bool __kvmpv_cow_flush_last(struct mm_struct *mm)
{
	if (current->mm != mm || atomic_read(&mm->mm_users) != 1 || mm_has_notifiers(mm))
		return false;
	this_cpu_inc(kvmpv_counters.cow);
	return true;
}

/**
 * kvmpv_cow_init() - do so from now on
 *
 * Context: boot CPU, before alternatives are applied.
 */
void __init kvmpv_cow_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_KVM_COW);
}
