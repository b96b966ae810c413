// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: page tables of a process that ends, for one that starts.
 *
 * A host that shadows page tables learns of each page that becomes one, or
 * ceases to be one, by exits: a fork(), exec() and exit() spends most of its
 * time like that. So the tables of a dying mm are left as they are: linked, its
 * half of the page directory that is the kernel's in place, and no entry in them
 * but those that link them. The next mm gets the whole tree from pgd_alloc(),
 * and the host finds it shadowed already.
 *
 * That makes a new kind of page table: one that is linked where nothing is
 * mapped, a spare one. The rules:
 *
 *  - A tree is given away only after each table of it was read, and found to
 *    have no entry: kvmpv_collect(). By then no VMA, no CPU and nobody else
 *    refers to it, so that none can come.
 *  - A new mm has a new ctx_id. So each CPU flushes when it first loads the mm,
 *    what it had cached of the tables is gone by then, and a host syncs.
 *  - Tables are spare only where nothing is mapped or where the mapping does not
 *    span what they span: kvmpv_new_mapping(). Whoever puts a huge page, or a
 *    whole table, into an upper entry finds it none, as ever.
 *  - An upper table is freed with all spare ones below it: kvmpv_leave_range()
 *    makes free_pgd_range() go through all that such a table spans.
 *  - What a process had no mapping at when it ended is freed, so that a tree
 *    has no more than its last user needed. Who is laid out in another way gets
 *    none of it: kvmpv_init_layout().
 *
 * mm->context.kvmpv_tree is NULL in an mm that has no spare tables.
 */
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/personality.h>
#include <linux/pgalloc.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

#include <asm/kvm_paravirt.h>
#include <asm/paravirt.h>
#include <asm/tlb.h>

/* More than that is no small program's: its end is dear anyway. */
#define KVMPV_TREE_TABLES	40

/*
 * All trees together: this share of memory, and no more than so many pages. KVM
 * has shadow pages for a 50th of a guest's memory.
 */
#define KVMPV_KEEP_SHARE	128
#define KVMPV_KEEP_PAGES	4096

enum kvmpv_level { KVMPV_PTES, KVMPV_PMDS, KVMPV_PUDS, KVMPV_P4DS, KVMPV_PGDS };

struct kvmpv_tree {
	struct list_head list;		/* in kvmpv_trees */
	pgd_t *pgd;
	unsigned long layout;		/* kvmpv_init_layout() of whose it was */
	unsigned long bytes;		/* for mm->pgtables_bytes */
	bool exiting;			/* in exit_mmap() before kvmpv_exit_pgtables() */
	bool keep;			/* it is worth trying */
	bool empty;			/* kvmpv_collect() has seen to it */
	u8 nr;
	u8 level[KVMPV_TREE_TABLES];	/* enum kvmpv_level */
	struct page *table[KVMPV_TREE_TABLES];	/* but for the page directory */
};

struct kvmpv_walk {
	struct kvmpv_tree *tree;
	struct mmu_gather *tlb;		/* NULL: leave all tables, mapped or not */
	struct vma_iterator *vmi;
	struct vm_area_struct *vma;	/* the first that ends behind where we are */
};

/* Newest first. As pgd_lock, never taken with interrupts off or in an interrupt. */
static LIST_HEAD(kvmpv_trees);
static DEFINE_SPINLOCK(kvmpv_trees_lock);
static unsigned long kvmpv_trees_pages;
static unsigned long kvmpv_trees_max;	/* 0 until there is a shrinker */

static void (*kvmpv_exit_mmap_before)(struct mm_struct *mm) __ro_after_init;

static unsigned int kvmpv_tree_pages(const struct kvmpv_tree *tree)
{
	return tree->nr + (1 << kvmpv_pgd_order());
}

/*
 * Index of the first entry that is not zero, @i or later, or PTRS_PER_PTE. All
 * tables have as many entries, most of them zero. An entry that has nothing but
 * an accessed bit (see pte_none()) is not zero.
 */
static int kvmpv_next_entry(const void *table, int i)
{
	const unsigned long *e = table;

	while (i < PTRS_PER_PTE) {
		if (!(i & 7) && !(e[i] | e[i + 1] | e[i + 2] | e[i + 3] |
				  e[i + 4] | e[i + 5] | e[i + 6] | e[i + 7])) {
			i += 8;
			continue;
		}
		if (e[i])
			break;
		i++;
	}
	return i;
}

/*
 * A table counts in NR_PAGETABLE of whom it is charged to, and of its node. While
 * it is kept it is charged to nobody; of the node it stays one. So does the page
 * directory, of one page or two, where Linux counts it (not yet in 6.12).
 */
static void kvmpv_uncharge(struct page *page, unsigned int order)
{
	if (!PageMemcgKmem(page))
		return;
	if (PageTable(page)) {
		mod_lruvec_page_state(page, NR_PAGETABLE, -(1 << order));
		mod_node_page_state(page_pgdat(page), NR_PAGETABLE, 1 << order);
	}
	memcg_kmem_uncharge_page(page, order);
}

static bool kvmpv_charge(struct page *page, unsigned int order)
{
	if (memcg_kmem_charge_page(page, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
				   order))
		return false;
	if (PageMemcgKmem(page) && PageTable(page)) {
		mod_node_page_state(page_pgdat(page), NR_PAGETABLE, -(1 << order));
		mod_lruvec_page_state(page, NR_PAGETABLE, 1 << order);
	}
	return true;
}

static void kvmpv_tree_uncharge(struct kvmpv_tree *tree)
{
	int i;

	kvmpv_uncharge(virt_to_page(tree->pgd), kvmpv_pgd_order());
	for (i = 0; i < tree->nr; i++)
		kvmpv_uncharge(tree->table[i], 0);
}

/* To whoever forks or executes, as new tables are. False: its limit is reached. */
static bool kvmpv_tree_charge(struct kvmpv_tree *tree)
{
	int i;

	if (!kvmpv_charge(virt_to_page(tree->pgd), kvmpv_pgd_order()))
		return false;
	for (i = 0; i < tree->nr; i++) {
		if (!kvmpv_charge(tree->table[i], 0)) {
			kvmpv_tree_uncharge(tree);
			return false;
		}
	}
	return true;
}

static struct vm_area_struct *kvmpv_next_vma(struct kvmpv_walk *w)
{
	struct vm_area_struct *vma = vma_next(w->vmi);

	/* A fork that failed got no further: 6.12 marks the place, 7.2 cuts the rest off. */
	return xa_is_zero(vma) ? NULL : vma;
}

/* Was something mapped there? Addresses go up from call to call. */
static bool kvmpv_mapped(struct kvmpv_walk *w, unsigned long start, unsigned long end)
{
	if (!w->tlb)
		return true;
	while (w->vma && w->vma->vm_end <= start)
		w->vma = kvmpv_next_vma(w);
	return w->vma && w->vma->vm_start < end;
}

static bool kvmpv_add(struct kvmpv_walk *w, const void *table, enum kvmpv_level level)
{
	struct kvmpv_tree *tree = w->tree;

	if (tree->nr == KVMPV_TREE_TABLES)
		return false;
	/* One that another mm has a share in, as hugetlbfs may, is not this one's to keep. */
	if (level == KVMPV_PMDS && hugetlb_pmd_shared((pte_t *)table))
		return false;
	tree->table[tree->nr] = virt_to_page(table);
	tree->level[tree->nr++] = level;
	if (level != KVMPV_P4DS)
		tree->bytes += PAGE_SIZE;
	return true;
}

/* The table that entry @e of a table links, or NULL if it is something else. */
static const void *kvmpv_below(enum kvmpv_level level, unsigned long e)
{
	switch (level) {
	case KVMPV_PMDS:
		return pmd_bad(__pmd(e)) ? NULL : (void *)pmd_page_vaddr(__pmd(e));
	case KVMPV_PUDS:
		return pud_bad(__pud(e)) ? NULL : pud_pgtable(__pud(e));
	case KVMPV_P4DS:
		return p4d_bad(__p4d(e)) ? NULL : p4d_pgtable(__p4d(e));
	case KVMPV_PGDS:
		return pgd_bad(__pgd(e)) ? NULL : (void *)pgd_page_vaddr(__pgd(e));
	default:
		/* Whatever a page of the process was, it is unmapped. */
		this_cpu_inc(kvmpv_counters.unclean);
		return NULL;
	}
}

/*
 * @table and all tables below it: what had nothing mapped in its range is freed,
 * the others are listed. False if there is anything but tables.
 */
static bool kvmpv_collect_table(struct kvmpv_walk *w, const unsigned long *table,
				unsigned long base, enum kvmpv_level level)
{
	static const unsigned long sizes[] = { PAGE_SIZE, PMD_SIZE, PUD_SIZE, P4D_SIZE };
	int i = -1;

	while ((i = kvmpv_next_entry(table, i + 1)) < PTRS_PER_PTE) {
		unsigned long start = base + i * sizes[level];
		unsigned long end = start + sizes[level];
		const void *below = kvmpv_below(level, table[i]);

		if (!below)
			return false;
		if (!kvmpv_mapped(w, start, end))
			free_pgd_range(w->tlb, start, end, start, end);
		else if (!kvmpv_collect_table(w, below, start, level - 1))
			return false;
	}
	return kvmpv_add(w, table, level);
}

/* The same for the page directory, of which only a half is the user's. */
static bool kvmpv_collect_pgd(struct kvmpv_walk *w, pgd_t *pgd)
{
	enum kvmpv_level level = pgtable_l5_enabled() ? KVMPV_PGDS : KVMPV_P4DS;
	int i = -1;

	while ((i = kvmpv_next_entry(pgd, i + 1)) < KERNEL_PGD_BOUNDARY) {
		unsigned long start = (unsigned long)i << PGDIR_SHIFT;
		unsigned long end = start + PGDIR_SIZE;
		const void *below = kvmpv_below(level, pgd_val(pgd[i]));

		/* Between the user's half and what all have of the kernel: an LDT */
		if (!below || i >= PTRS_PER_PGD / 2)
			return false;
		if (!kvmpv_mapped(w, start, end))
			free_pgd_range(w->tlb, start, end, start, end);
		else if (!kvmpv_collect_table(w, below, start, level - 1))
			return false;
	}
	return true;
}

/* What user mode runs on has the same, but for the bit that keeps the kernel off. */
static bool kvmpv_user_pgd_ok(pgd_t *pgd)
{
	pgd_t *user;
	int i;

	if (!cpu_feature_enabled(X86_FEATURE_PTI))
		return true;
	user = kernel_to_user_pgdp(pgd);
	for (i = 0; i < KERNEL_PGD_BOUNDARY; i++)
		if ((pgd_val(pgd[i]) ^ pgd_val(user[i])) & ~_PAGE_NX)
			return false;
	return true;
}

/*
 * List the tables of @mm in its tree, make sure that they are empty, and free
 * those that the process had no use for, by @tlb. If @tlb is NULL that was done.
 *
 * Nobody else gets at them: the last user is gone, and each VMA is unlinked from
 * rmap, so that nobody comes by way of a page. A CPU that has the mm loaded,
 * lazily, only reads.
 *
 * Return: true if @mm can leave its tables to another.
 */
static bool kvmpv_collect(struct mm_struct *mm, struct mmu_gather *tlb)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct kvmpv_tree *tree = mm->context.kvmpv_tree;
	struct kvmpv_walk w = { .tree = tree, .tlb = tlb, .vmi = &vmi };

	if (tlb)
		w.vma = kvmpv_next_vma(&w);
	tree->nr = 0;
	tree->bytes = 0;
	if (!kvmpv_collect_pgd(&w, mm->pgd) || !kvmpv_user_pgd_ok(mm->pgd) ||
	    tree->bytes != mm_pgtables_bytes(mm))
		return false;
	tree->pgd = mm->pgd;
	tree->empty = true;
	kvmpv_tree_uncharge(tree);
	return true;
}

static void kvmpv_tree_free_tables(struct kvmpv_tree *tree)
{
	struct mm_struct *mm = &init_mm;	/* nobody looks at whose they are */
	int i;

	for (i = 0; i < tree->nr; i++) {
		void *table = page_address(tree->table[i]);

		switch ((enum kvmpv_level)tree->level[i]) {
		case KVMPV_PTES:
			pte_free(mm, tree->table[i]);
			break;
		case KVMPV_PMDS:
			pmd_free(mm, table);
			break;
		case KVMPV_PUDS:
			pud_free(mm, table);
			break;
		case KVMPV_P4DS:
			p4d_free(mm, table);
			break;
		case KVMPV_PGDS:	/* pgd_free()'s */
			break;
		}
	}
}

/* One that is in no mm: no CPU has it in CR3, and what they cached is not used. */
static void kvmpv_tree_free(struct kvmpv_tree *tree)
{
	this_cpu_inc(kvmpv_counters.dropped);
	kvmpv_release_tables(tree->pgd, tree->table, tree->nr);
	kvmpv_tree_free_tables(tree);
	pgd_free(&init_mm, tree->pgd);
	kfree(tree);
}

static void kvmpv_trees_del(struct kvmpv_tree *tree)
{
	lockdep_assert_held(&kvmpv_trees_lock);
	list_del(&tree->list);
	kvmpv_trees_pages -= kvmpv_tree_pages(tree);
}

static bool kvmpv_trees_add(struct kvmpv_tree *tree)
{
	bool fits;

	spin_lock(&kvmpv_trees_lock);
	fits = kvmpv_trees_pages + kvmpv_tree_pages(tree) <= kvmpv_trees_max;
	if (fits) {
		list_add(&tree->list, &kvmpv_trees);
		kvmpv_trees_pages += kvmpv_tree_pages(tree);
	}
	spin_unlock(&kvmpv_trees_lock);
	return fits;
}

/* One whose last user had its mappings where the next will have them. */
static struct kvmpv_tree *kvmpv_trees_get(unsigned long layout)
{
	struct kvmpv_tree *tree;

	spin_lock(&kvmpv_trees_lock);
	list_for_each_entry(tree, &kvmpv_trees, list) {
		if (tree->layout == layout) {
			kvmpv_trees_del(tree);
			spin_unlock(&kvmpv_trees_lock);
			return tree;
		}
	}
	spin_unlock(&kvmpv_trees_lock);
	return NULL;
}

static struct kvmpv_tree *kvmpv_trees_get_oldest(void)
{
	struct kvmpv_tree *tree = NULL;

	spin_lock(&kvmpv_trees_lock);
	if (!list_empty(&kvmpv_trees)) {
		tree = list_last_entry(&kvmpv_trees, struct kvmpv_tree, list);
		kvmpv_trees_del(tree);
	}
	spin_unlock(&kvmpv_trees_lock);
	return tree;
}

/* Who has random addresses: a number for each exec(), so that nobody has another's. */
static atomic64_t kvmpv_layouts;

/**
 * __kvmpv_pick_layout() - exec() decides where the mappings of a program will be
 * @mm: of the new program
 *
 * A tree is left to those who have the same layout: all programs whose addresses
 * are not random, 0; else the children of one exec(). So nobody learns by the tables
 * that there are where another's random mappings were. dup_mm() copies the number.
 * A program with random addresses leaves no tree itself: its number does not come
 * again.
 *
 * Context: arch_pick_mmap_layout(), in the task, whose personality and PF_RANDOMIZE
 * are final.
 */
void __kvmpv_pick_layout(struct mm_struct *mm)
{
	bool random = current->flags & PF_RANDOMIZE;

	mm->context.kvmpv_layout = random ? atomic64_inc_return(&kvmpv_layouts) : 0;
	mm->context.kvmpv_keep = !random;
}

/*
 * Is there a layout to look for? A child has its parent's. For exec() it is a
 * guess, as __kvmpv_pick_layout() comes later, and does no harm: what matters is
 * under which layout a tree is left.
 */
static bool kvmpv_init_layout(struct mm_struct *mm)
{
	if (mm->mmap_base) {
		mm->context.kvmpv_keep = true;
		return true;
	}
	mm->context.kvmpv_layout = 0;
	mm->context.kvmpv_keep = false;
	return !randomize_va_space || (current->personality & ADDR_NO_RANDOMIZE);
}

/**
 * __kvmpv_pgd_alloc() - page tables for a new mm
 * @mm: has none yet
 *
 * Context: process context, may sleep.
 * Return: a page directory with empty tables below it, or NULL: make a new one.
 */
pgd_t *__kvmpv_pgd_alloc(struct mm_struct *mm)
{
	struct kvmpv_tree *tree;

	/* These may be copies of the parent's. */
	mm->context.kvmpv_tree = NULL;
	if (!kvmpv_init_layout(mm))
		return NULL;
	tree = kvmpv_trees_get(mm->context.kvmpv_layout);
	if (!tree)
		return NULL;
	if (!kvmpv_tree_charge(tree)) {
		if (!kvmpv_trees_add(tree))
			kvmpv_tree_free(tree);
		return NULL;
	}
	tree->empty = false;
	atomic_long_set(&mm->pgtables_bytes, tree->bytes);
	mm->context.kvmpv_tree = tree;
	this_cpu_inc(kvmpv_counters.reused);
	return tree->pgd;
}

/**
 * __kvmpv_has_tree() - does pgd_free() have to ask __kvmpv_pgd_free()?
 * @mm: the last reference to it is gone
 *
 * Context: any.
 */
bool __kvmpv_has_tree(struct mm_struct *mm)
{
	return mm->context.kvmpv_tree;
}

/**
 * __kvmpv_pgd_free() - keep the page tables of an mm
 * @mm: the last reference to it is gone, no CPU has it loaded
 *
 * Context: as pgd_free(), may be with preemption off.
 * Return: false if the page directory is the caller's to free, all below it is.
 */
bool __kvmpv_pgd_free(struct mm_struct *mm)
{
	struct kvmpv_tree *tree = mm->context.kvmpv_tree;
	struct mmu_gather tlb;

	tree->exiting = false;
	/* exit_mmap() finds nothing mapped if a fork failed early. */
	if (!tree->empty && !kvmpv_collect(mm, NULL)) {
		mm->context.kvmpv_tree = NULL;
		kfree(tree);
		tlb_gather_mmu(&tlb, mm);
		free_pgd_range(&tlb, 0, TASK_SIZE_MAX, 0, 0);
		tlb_finish_mmu(&tlb);
		return false;
	}
	mm->context.kvmpv_tree = NULL;
	atomic_long_set(&mm->pgtables_bytes, 0);
	if (kvmpv_trees_add(tree)) {
		this_cpu_inc(kvmpv_counters.kept);
		return true;
	}
	this_cpu_inc(kvmpv_counters.dropped);
	kvmpv_tree_free_tables(tree);
	kfree(tree);
	return false;
}

/*
 * Room for so many pages more? What does not fit any more is what was not used
 * for longest, as its layout may never come again; but not for one of that layout.
 */
static bool kvmpv_trees_room(unsigned long layout, unsigned long pages)
{
	struct kvmpv_tree *oldest;
	bool fits, other;

	for (;;) {
		spin_lock(&kvmpv_trees_lock);
		fits = kvmpv_trees_pages + pages <= kvmpv_trees_max;
		oldest = NULL;
		if (!fits && !list_empty(&kvmpv_trees))
			oldest = list_last_entry(&kvmpv_trees, struct kvmpv_tree, list);
		other = oldest && oldest->layout != layout;
		if (other)
			kvmpv_trees_del(oldest);
		spin_unlock(&kvmpv_trees_lock);
		if (!other)
			return fits;
		kvmpv_tree_free(oldest);
	}
}

/*
 * Are the page tables of @mm to be kept? They will be then, unless something is
 * found in them. Not those of a large process; nor of one with an LDT, which page
 * table isolation maps by an entry of the page directory that is its own.
 */
static bool kvmpv_keep_tables(struct mm_struct *mm)
{
	struct kvmpv_tree *tree = mm->context.kvmpv_tree;
	unsigned long pages = mm_pgtables_bytes(mm) >> PAGE_SHIFT;
	bool keep = mm->context.kvmpv_keep && pages && pages <= KVMPV_TREE_TABLES;

#ifdef CONFIG_MODIFY_LDT_SYSCALL
	keep = keep && !mm->context.ldt;
#endif
	keep = keep && kvmpv_trees_room(mm->context.kvmpv_layout,
					pages + (1 << kvmpv_pgd_order()));
	if (keep && !tree) {
		tree = kzalloc(sizeof(*tree), GFP_NOWAIT | __GFP_NOWARN);
		mm->context.kvmpv_tree = tree;
	}
	if (!tree)
		return false;
	tree->layout = mm->context.kvmpv_layout;
	tree->keep = keep;
	tree->exiting = true;
	return keep;
}

/* What is not kept goes as ever, in the way that pv_ops had for it before. */
static void kvmpv_keep_exit_mmap(struct mm_struct *mm)
{
	kvmpv_leave_mm(mm);
	if (!kvmpv_keep_tables(mm))
		kvmpv_exit_mmap_before(mm);
}

/*
 * The largest table that @at lies in and that will be freed: all that it spans is
 * from @floor to @ceiling, of which 0 is the end of all. As free_pgd_range() and
 * those below it decide.
 */
static void kvmpv_widen(unsigned long at, struct kvmpv_span *span,
			unsigned long floor, unsigned long ceiling)
{
	/* What a table of P4Ds, PUDs, PMDs spans; the first two are one with 4 levels. */
	const unsigned long spans[] = { PGDIR_SIZE, P4D_SIZE, PUD_SIZE };
	unsigned long start;
	int i;

	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		start = ALIGN_DOWN(at, spans[i]);
		if (start >= floor && start + spans[i] - 1 <= ceiling - 1) {
			span->start = min(span->start, start);
			span->end = max(span->end, start + spans[i]);
			return;
		}
	}
}

/**
 * __kvmpv_leave_range() - free_pgd_range() of an mm that may have spare tables
 * @mm: the mm
 * @addr: first address that something was mapped at
 * @end: its end
 * @floor: nothing is mapped from here on, or 0
 * @ceiling: to here, or 0
 *
 * An upper table is freed if all that it spans is between @floor and @ceiling,
 * and with it all tables below it have to be. Only for the tables that the two
 * ends lie in that makes the range larger.
 *
 * Return: the range to free; empty if nothing is to be freed now, as exit_mmap() does
 * it later.
 */
struct kvmpv_span __kvmpv_leave_range(struct mm_struct *mm, unsigned long addr,
				      unsigned long end, unsigned long floor,
				      unsigned long ceiling)
{
	struct kvmpv_tree *tree = mm->context.kvmpv_tree;
	struct kvmpv_span span = { .start = addr, .end = end };

	/* The other half has the LDT. */
	if (!tree || addr >= TASK_SIZE_MAX)
		return span;
	if (tree->exiting)
		return (struct kvmpv_span){ };
	kvmpv_widen(span.start, &span, floor, ceiling);
	kvmpv_widen(span.end - 1, &span, floor, ceiling);
	return span;
}

/**
 * __kvmpv_exit_pgtables() - the page tables of a dying mm
 * @tlb: of its exit_mmap(); all pages are unmapped, all VMAs unlinked
 *
 * Context: mmap_lock is held for writing.
 */
void __kvmpv_exit_pgtables(struct mmu_gather *tlb)
{
	struct mm_struct *mm = tlb->mm;
	struct kvmpv_tree *tree = mm->context.kvmpv_tree;

	if (!tree)
		return;
	tree->exiting = false;
	if (tree->keep && kvmpv_collect(mm, tlb))
		return;
	mm->context.kvmpv_tree = NULL;
	kfree(tree);
	free_pgd_range(tlb, 0, TASK_SIZE_MAX, 0, 0);
}

/**
 * __kvmpv_new_mapping() - something will be mapped where nothing is
 * @mm: where
 * @start: first address
 * @end: end
 *
 * Frees spare tables of what is wholly in there, so that huge pages can go there,
 * and mremap() can move a table there.
 *
 * Context: mmap_lock is held for writing, no VMA is in that range yet, so that
 * nobody but gup-fast can be looking at its tables, which are freed as any.
 */
void __kvmpv_new_mapping(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct mmu_gather tlb;

	if (!mm->context.kvmpv_tree)
		return;
	tlb_gather_mmu(&tlb, mm);
	free_pgd_range(&tlb, start, end, start, end);
	tlb_finish_mmu(&tlb);
}

/**
 * kvmpv_trees_count() - pages that are kept
 *
 * Context: any.
 */
unsigned long kvmpv_trees_count(void)
{
	return READ_ONCE(kvmpv_trees_pages);
}

/**
 * kvmpv_trees_shrink() - give trees back
 * @pages: at least as many pages, if there are
 *
 * Context: as the shrinker's; none of the reserves is allocated.
 * Return: number of pages that were given back.
 */
unsigned long kvmpv_trees_shrink(unsigned long pages)
{
	struct kvmpv_tree *tree;
	unsigned long freed = 0;

	while (freed < pages) {
		tree = kvmpv_trees_get_oldest();
		if (!tree)
			break;
		freed += kvmpv_tree_pages(tree);
		kvmpv_tree_free(tree);
		cond_resched();
	}
	return freed;
}

/**
 * kvmpv_trees_start() - keep page tables from now on
 *
 * Context: there is a shrinker that calls the above.
 */
void __init kvmpv_trees_start(void)
{
	unsigned long max = totalram_pages() / KVMPV_KEEP_SHARE;

	WRITE_ONCE(kvmpv_trees_max, min_t(unsigned long, max, KVMPV_KEEP_PAGES));
}

/**
 * kvmpv_keep_init() - page tables are to be kept
 *
 * Context: boot CPU, before alternatives are applied, after kvmpv_mm_init().
 */
void __init kvmpv_keep_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_KVM_KEEP);
	kvmpv_exit_mmap_before = pv_ops.mmu.exit_mmap;
	pv_ops.mmu.exit_mmap = kvmpv_keep_exit_mmap;
}
