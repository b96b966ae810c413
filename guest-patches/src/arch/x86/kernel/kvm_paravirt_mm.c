// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: page tables that are about to go.
 *
 * A host that shadows page tables write-protects them. It cannot know when a
 * page ceases to be one: clearing its entries exits, and so do the first writes
 * of whatever the page is used for next, until the host gives its shadow up. A
 * fork() and exec() spends a third of its exits on that. So exit_mmap() tells the
 * host in one call, before it takes the tables apart. The call is a hint: the
 * host may ignore it, and the guest is right either way.
 */
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/kvm_paravirt.h>
#include <asm/paravirt.h>
#include <asm/tlbflush.h>

struct kvmpv_release {
	u64 va[KVMPV_RELEASE_MAX];	/* first: aligned as kmalloc() aligns */
	unsigned int nr;
};

/* A host that refused is left alone until then; jiffies. */
static unsigned long kvmpv_release_retry;

static void kvmpv_release_call(struct kvmpv_release *r)
{
	if (!r->nr)
		return;
	if (kvmpv_hypercall2(KVMPV_HC_RELEASE, __pa(r->va), r->nr))
		WRITE_ONCE(kvmpv_release_retry, jiffies + KVMPV_RETRY);
	else
		this_cpu_inc(kvmpv_counters.release);
	r->nr = 0;
}

static void kvmpv_release_add(struct kvmpv_release *r, const void *table)
{
	r->va[r->nr++] = (unsigned long)table;
	if (r->nr == KVMPV_RELEASE_MAX)
		kvmpv_release_call(r);
}

/*
 * The table of PMDs that @pud points to, and the tables of PTEs below it.
 *
 * A table of PMDs of hugetlbfs may be shared with another process, and a truncate
 * of the file takes it away from here and may free it, after an IPI to all CPUs:
 * huge_pmd_unshare_flush(). As in gup-fast, interrupts are off from reading @pud
 * to the last look at what it points to. The host is called with interrupts on
 * again: it takes its time.
 */
static void kvmpv_release_pmds(struct kvmpv_release *r, pud_t *pud)
{
	int i = -1;

	while (i < PTRS_PER_PMD) {
		pud_t table;
		pmd_t *pmd;

		local_irq_disable();
		table = READ_ONCE(*pud);
		if (!pud_present(table) || pud_leaf(table)) {
			local_irq_enable();
			return;
		}
		pmd = pud_pgtable(table);
		if (i < 0) {
			r->va[r->nr++] = (unsigned long)pmd;
			i = 0;
		}
		for (; i < PTRS_PER_PMD && r->nr < KVMPV_RELEASE_MAX; i++) {
			pmd_t val = READ_ONCE(pmd[i]);

			if (pmd_present(val) && !pmd_leaf(val))
				r->va[r->nr++] = pmd_page_vaddr(val);
		}
		local_irq_enable();
		if (r->nr == KVMPV_RELEASE_MAX)
			kvmpv_release_call(r);
	}
}

static void kvmpv_release_puds(struct kvmpv_release *r, pud_t *pud)
{
	int i;

	kvmpv_release_add(r, pud);
	for (i = 0; i < PTRS_PER_PUD; i++, pud++) {
		if (pud_none(READ_ONCE(*pud)))
			continue;
		kvmpv_release_pmds(r, pud);
		cond_resched();
	}
}

static void kvmpv_release_p4ds(struct kvmpv_release *r, pgd_t *pgd)
{
	p4d_t *p4d = p4d_offset(pgd, 0);
	int i;

	if (pgtable_l5_enabled())
		kvmpv_release_add(r, p4d);
	for (i = 0; i < PTRS_PER_P4D; i++, p4d++)
		if (p4d_present(*p4d))
			kvmpv_release_puds(r, p4d_pgtable(*p4d));
}

/**
 * kvmpv_leave_mm() - this CPU needs not keep an mm loaded
 * @mm: whose exit_mmap() begins
 *
 * A CPU that keeps the dying mm loaded, lazily, would only have its root built
 * again, or flush it. This one can do without; exec() has left it already.
 *
 * Context: preemptible.
 * Return: true if it has not.
 */
bool kvmpv_leave_mm(struct mm_struct *mm)
{
	bool left = true;

	preempt_disable();
	if (this_cpu_read(cpu_tlbstate.loaded_mm) == mm) {
		left = this_cpu_read(cpu_tlbstate_shared.is_lazy);
		if (left)
			switch_mm(NULL, &init_mm, NULL);
	}
	preempt_enable();
	return left;
}

static struct kvmpv_release *kvmpv_release_begin(void)
{
	struct kvmpv_release *r;

	if (!(kvmpv_used & KVMPV_F_RELEASE) ||
	    time_before(jiffies, READ_ONCE(kvmpv_release_retry)))
		return NULL;
	/* Also from a shrinker. */
	r = kmalloc(roundup_pow_of_two(sizeof(*r)),
		    GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC);
	if (r)
		r->nr = 0;
	return r;
}

static void kvmpv_release_end(struct kvmpv_release *r)
{
	kvmpv_release_call(r);
	kfree(r);
}

static void kvmpv_release_pgd(struct kvmpv_release *r, pgd_t *pgd)
{
	kvmpv_release_add(r, pgd);
	/* kernel_to_user_pgdp() */
	if (cpu_feature_enabled(X86_FEATURE_PTI))
		kvmpv_release_add(r, (void *)pgd + PAGE_SIZE);
}

/*
 * From exit_mmap(), under mmap_lock; nobody uses @mm any more but the
 * OOM reaper, which frees no page tables, khugepaged, which may take a table of
 * PTEs away: of these nothing but the address is looked at, and what
 * kvmpv_release_pmds() is careful about.
 */
static void kvmpv_release_mm(struct mm_struct *mm, bool left)
{
	struct kvmpv_release *r = kvmpv_release_begin();
	int i;

	if (!r)
		return;
	if (left)
		kvmpv_release_pgd(r, mm->pgd);
	for (i = 0; i < KERNEL_PGD_BOUNDARY; i++)
		if (pgd_present(mm->pgd[i]))
			kvmpv_release_p4ds(r, &mm->pgd[i]);
	kvmpv_release_end(r);
}

/**
 * kvmpv_release_tables() - tell the host of page tables that are in no mm
 * @pgd: the page directory
 * @table: the tables below it
 * @nr: number of these
 *
 * Context: any but NMI.
 */
void kvmpv_release_tables(pgd_t *pgd, struct page **table, unsigned int nr)
{
	struct kvmpv_release *r = kvmpv_release_begin();
	unsigned int i;

	if (!r)
		return;
	kvmpv_release_pgd(r, pgd);
	for (i = 0; i < nr; i++)
		kvmpv_release_add(r, page_address(table[i]));
	kvmpv_release_end(r);
}

static void kvmpv_exit_mmap(struct mm_struct *mm)
{
	kvmpv_release_mm(mm, kvmpv_leave_mm(mm));
}

/**
 * kvmpv_mm_init() - tell the host from now on
 *
 * Context: boot CPU, before alternatives are applied.
 */
void __init kvmpv_mm_init(void)
{
	kvmpv_release_retry = jiffies;
	pv_ops.mmu.exit_mmap = kvmpv_exit_mmap;
}
