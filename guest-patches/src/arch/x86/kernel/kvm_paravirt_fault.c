// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: anonymous memory, with fewer page faults.
 *
 * Under shadow paging a page that is touched for the first time is two exits: the
 * host hands the fault to the guest, which maps a page, and the next try faults
 * again, in the host's own page table. For that second one KVM goes through the
 * group of eight entries that the page is in, aligned, and takes over those that
 * are present and accessed, up to the first that is not.
 *
 * So a process that touches one page after the other is given the rest of the group
 * as soon as that shows: when the two pages below the one that it writes to are there,
 * or the one, if a VMA begins with it. It then faults twice for eight pages. One that
 * leaves gaps gets what it touches.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include <asm/kvm_paravirt.h>

/* KVM's PTE_PREFETCH_NUM: more entries would be another fault in the host. */
#define KVMPV_FAULT_PAGES	8

/* As for a huge page, what nobody has asked for is not worth looking for memory. */
#define KVMPV_FAULT_GFP		((GFP_HIGHUSER_MOVABLE | __GFP_ZERO | __GFP_NOMEMALLOC | \
				  __GFP_NORETRY | __GFP_NOWARN) & ~__GFP_RECLAIM)

/*
 * May pages of @vma be there before they are touched?
 *
 *  - Whoever has userfaultfd wants to hear of each page.
 *  - VM_NOHUGEPAGE asks for the pages that are touched and no more, and with
 *    VM_RAND_READ it says nothing that the page below was.
 *  - Locked memory is there already; with MLOCK_ONFAULT only touched pages are to
 *    be locked, and these could never be reclaimed.
 *  - PR_SET_THP_DISABLE asks for the same for all of a process' memory.
 *  - A write to what is not writable is a debugger's, as is one to another mm.
 *  - A driver's VMA is the driver's.
 */
static bool kvmpv_fault_vma(struct vm_area_struct *vma)
{
	unsigned long flags = VM_WRITE | VM_NOHUGEPAGE | VM_RAND_READ | VM_LOCKED | VM_SPECIAL;

	return (vma->vm_flags & flags) == VM_WRITE && vma->vm_mm == current->mm &&
	       !kvmpv_thp_disabled(vma->vm_mm) && !userfaultfd_armed(vma);
}

/* So many pages right below @addr are there, in the same VMA and page table. */
static unsigned int kvmpv_fault_below(struct vm_area_struct *vma, unsigned long addr, pte_t *pte)
{
	unsigned long max = min((addr - vma->vm_start) / PAGE_SIZE, pte_index(addr));
	unsigned int nr;

	for (nr = 0; nr < min(max, KVMPV_FAULT_PAGES - 1UL); nr++)
		if (!pte_present(ptep_get(pte - 1 - nr)))
			break;
	return nr;
}

/* So many of the entries that follow @pte, of @addr, are to be filled. */
static unsigned int kvmpv_fault_pages(struct vm_area_struct *vma, unsigned long addr, pte_t *pte,
				      unsigned int below)
{
	unsigned long end = ALIGN(addr + PAGE_SIZE, KVMPV_FAULT_PAGES * PAGE_SIZE);
	unsigned int nr, max = (min(end, vma->vm_end) - addr) / PAGE_SIZE - 1;

	/*
	 * malloc() begins with a few pages of the heap, and most processes end there.
	 * A fork() copies an entry for each page, touched or not.
	 */
	if (addr >= vma->vm_mm->start_brk && addr < vma->vm_mm->brk)
		max = min(max, below);
	for (nr = 0; nr < max; nr++)
		if (!pte_none(ptep_get(pte + 1 + nr)))
			break;
	return nr;
}

/**
 * __kvmpv_fault_around() - map what follows a page that was faulted in
 * @vmf: the fault, which do_anonymous_page() has handled
 *
 * Context: page fault, mmap_lock or the lock of the VMA is held for reading.
 */
void __kvmpv_fault_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long addr = vmf->address;
	struct folio *folio[KVMPV_FAULT_PAGES - 1];
	unsigned int below, nr = 0, got, i;
	pte_t *pte;

	/* Reads get the zero page. No entry: somebody else has made a huge page of it. */
	if (!(vmf->flags & FAULT_FLAG_WRITE) || !vmf->pte || !kvmpv_fault_vma(vma))
		return;
	/*
	 * The table that do_anonymous_page() has used: whatever holds the VMA holds it,
	 * too, where MADV_DONTNEED frees no tables. Where it does, RCU holds it while it
	 * is looked at. Without its lock, as nearly always there is nothing to do.
	 */
	if (IS_ENABLED(CONFIG_PT_RECLAIM)) {
		pte = pte_offset_map(vmf->pmd, addr);
		if (!pte)
			return;
	} else {
		pte = pte_offset_kernel(vmf->pmd, addr);
	}
	below = kvmpv_fault_below(vma, addr, pte);
	/* Two make a stretch, and the first page of a VMA together with the next. */
	if (below > 1 || (below && addr - PAGE_SIZE == vma->vm_start))
		nr = kvmpv_fault_pages(vma, addr, pte, below);
	if (IS_ENABLED(CONFIG_PT_RECLAIM))
		pte_unmap(pte);

	for (got = 0; got < nr; got++) {
		folio[got] = kvmpv_alloc_folio(KVMPV_FAULT_GFP, vma,
					       addr + (got + 1) * PAGE_SIZE);
		if (!folio[got])
			break;
		if (mem_cgroup_charge(folio[got], mm, KVMPV_FAULT_GFP)) {
			folio_put(folio[got]);
			break;
		}
		/* Zeroes are seen before the entry is. */
		__folio_mark_uptodate(folio[got]);
	}
	if (!got)
		return;

	nr = 0;
	if (IS_ENABLED(CONFIG_PT_RECLAIM)) {
		/* Another table may be there by now, or none; what is not none stays. */
		pte = pte_offset_map_lock(mm, vmf->pmd, addr, &vmf->ptl);
		if (!pte)
			goto out;
	} else {
		spin_lock(vmf->ptl);
	}
	/* The OOM killer's reaper may have been here. */
	if (!check_stable_address_space(mm))
		for (; nr < got && pte_none(ptep_get(pte + 1 + nr)); nr++)
			do_set_anon_pte(vma, addr + (nr + 1) * PAGE_SIZE, pte + 1 + nr, folio[nr]);
	if (IS_ENABLED(CONFIG_PT_RECLAIM))
		pte_unmap_unlock(pte, vmf->ptl);
	else
		spin_unlock(vmf->ptl);
	this_cpu_add(kvmpv_counters.fault_around, nr);
out:
	for (i = nr; i < got; i++)
		folio_put(folio[i]);

	/*
	 * KVM would stop at the beginning of the group, where nothing is. A flush it
	 * takes for a hint: it maps what the entry says.
	 */
	if (below < pte_index(addr) % KVMPV_FAULT_PAGES) {
		local_irq_disable();
		kvmpv_flush_tlb_range(addr, addr + (nr + 1) * PAGE_SIZE, PAGE_SHIFT);
		local_irq_enable();
	}
}

/**
 * kvmpv_fault_init() - do so from now on
 *
 * Context: boot CPU, before alternatives are applied.
 */
void __init kvmpv_fault_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_KVM_FAULT);
}
