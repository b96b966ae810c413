// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: memory in blocks, for hosts with EPT or NPT.
 *
 * KVM maps one page for each EPT violation or nested page fault. Here the pages
 * around it are mapped, too, before the guest goes on: those that the VMM's page
 * tables hold already ("present"), or also some that are allocated for it
 * ("block"). Each is mapped by KVM's own fault path, so that whatever KVM takes
 * care of there it takes care of here. docs/populate.md says what is left alone,
 * and why.
 */
#include <linux/interval_tree.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>
#include <linux/xarray.h>

#include "mmu.h"
#include "x86.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"

/*
 * Values of kvmpv_populate_mode besides the size of a block in pages, which is 2 or
 * more. A block of one page is what KVM maps anyway, so 1 stands for memory that only
 * guests ask for.
 */
#define KVMPV_POPULATE_OFF	0
#define KVMPV_POPULATE_ASKED	1
#define KVMPV_POPULATE_PRESENT	(KVMPV_TABLE_PAGES + 1)
/* So many pages around a fault are looked at with "present". */
#define KVMPV_PRESENT_PAGES	64
/* After n looks in a row that found nothing, one fault of 2^n is followed; n ends here. */
#define KVMPV_IN_VAIN_MAX	5
/* What one page table maps, and so the largest block. */
#define KVMPV_TABLE_PAGES	PTRS_PER_PTE
/* So many regions of PMD_SIZE, of all slots together, are recorded at most by one notification. */
#define KVMPV_GIVEN_BACK_AT_ONCE	4096
/*
 * So many are recorded at most for a VM, as each may need a node of 576 bytes, which
 * stays when the slot goes: the regions of 512 GiB. A smaller VM has as many as its memory.
 */
#define KVMPV_GIVEN_BACK_MAX	BIT(18)
#define KVMPV_GIVEN_BACK_MIN	64
/* So many pages are allocated before kvmpv_has_room() is asked again. */
#define KVMPV_ROOM_PAGES	64
/* If there are more memory slots, their pages are not added up. */
#define KVMPV_ROOM_SLOTS	64

DEFINE_STATIC_KEY_FALSE(kvmpv_populates);

static unsigned int kvmpv_populate_mode;

/* Is more allocated around a fault than it needs? */
static bool kvmpv_is_block(unsigned int mode)
{
	return mode > KVMPV_POPULATE_ASKED && mode != KVMPV_POPULATE_PRESENT;
}

/* Counts how often the parameter was set to something else than a block; see kvmpv_watch(). */
static unsigned int kvmpv_populate_epoch = 1;

static int kvmpv_populate_set(const char *val, const struct kernel_param *kp)
{
	unsigned int mode;

	if (sysfs_streq(val, "present"))
		mode = KVMPV_POPULATE_PRESENT;
	else if (kstrtouint(val, 10, &mode) ||
		 (mode && (mode > KVMPV_TABLE_PAGES || !is_power_of_2(mode))))
		return -EINVAL;

	if (!kvmpv_is_block(mode))
		WRITE_ONCE(kvmpv_populate_epoch, kvmpv_populate_epoch + 1);
	/* Pairs with kvmpv_populate_init_vm(). */
	smp_wmb();
	WRITE_ONCE(kvmpv_populate_mode, mode);
	if (mode > KVMPV_POPULATE_ASKED)
		static_branch_enable(&kvmpv_populates);
	else
		static_branch_disable(&kvmpv_populates);
	return 0;
}

static int kvmpv_populate_get(char *buf, const struct kernel_param *kp)
{
	unsigned int mode = READ_ONCE(kvmpv_populate_mode);

	if (mode == KVMPV_POPULATE_PRESENT)
		return sysfs_emit(buf, "present\n");
	return sysfs_emit(buf, "%u\n", mode);
}

static const struct kernel_param_ops kvmpv_populate_ops = {
	.set = kvmpv_populate_set,
	.get = kvmpv_populate_get,
};

module_param_cb(populate, &kvmpv_populate_ops, NULL, 0644);
MODULE_PARM_DESC(populate,
		 "with EPT or NPT, what is mapped around a fault: 0 (default) nothing, present what the VMM has, 2 to 512 (a power of two) a block of so many pages of 4 KiB, allocated if need be; guests may ask for memory if it is 1 to 512");

/*
 * What was given back. A balloon or free page reporting has the VMM take pages away
 * from the guest, and the page tables then look as if they had never been there.
 * So a notifier records where pages were taken away, in granules of 64 KiB, and
 * no block is allocated there again. To record too much costs faults, and nothing else.
 */

/* From now on nothing is allocated, so what was recorded is of no use any more. */
static void kvmpv_lose_track(struct kvmpv_populate *p)
{
	xa_lock(&p->given_back);
	WRITE_ONCE(p->lost, true);
	xa_unlock(&p->given_back);
	xa_destroy(&p->given_back);
}

/* How many regions may be recorded for a VM. */
static unsigned long kvmpv_given_back_max(const struct kvm *kvm)
{
	unsigned long regions = READ_ONCE(kvm->nr_memslot_pages) / PTRS_PER_PTE;

	return min(regions + KVMPV_GIVEN_BACK_MIN, KVMPV_GIVEN_BACK_MAX);
}

/*
 * Records one region of PMD_SIZE, or a part of it.
 * Return: false if it cannot be recorded.
 */
static bool kvmpv_mark_region(struct kvmpv_populate *p, unsigned long start,
			      unsigned long end)
{
	u32 bits = kvmpv_granules(start, end - 1);
	unsigned long old;
	void *entry;
	bool good = true;

	xa_lock(&p->given_back);
	entry = xa_load(&p->given_back, start >> PMD_SHIFT);
	old = entry ? xa_to_value(entry) : 0;
	if (p->lost)
		good = false;
	else if ((old & bits) == bits)
		good = true;
	else if (!entry && p->nr_given_back >= kvmpv_given_back_max(p->kvm))
		good = false;
	/* Reclaim comes here as well, so this must neither start it nor take its reserves. */
	else if (xa_is_err(__xa_store(&p->given_back, start >> PMD_SHIFT,
				      xa_mk_value(old | bits),
				      GFP_NOWAIT | __GFP_NOMEMALLOC |
				      __GFP_NOWARN)))
		good = false;
	else if (!entry)
		p->nr_given_back++;
	xa_unlock(&p->given_back);
	return good;
}

/*
 * The same memory may be in many slots. So @left is for all of them together, as
 * whoever calls munmap() holds mmap_lock meanwhile.
 * Return: false if not all of it was recorded.
 */
static bool kvmpv_mark_given_back(struct kvmpv_populate *p, unsigned long start,
				  unsigned long end, unsigned int *left)
{
	unsigned long next;

	for (; start < end; start = next) {
		next = min(end, (start | ~PMD_MASK) + 1);
		if (!*left || !kvmpv_mark_region(p, start, next))
			return false;
		--*left;
	}
	return true;
}

/* Nothing may be allocated between @start and @end, in one region of PMD_SIZE. */
static bool kvmpv_was_given_back(struct kvmpv_populate *p, unsigned long start,
				 unsigned long end)
{
	void *entry = xa_load(&p->given_back, start >> PMD_SHIFT);

	return READ_ONCE(p->lost) ||
	       (entry && (xa_to_value(entry) & kvmpv_granules(start, end - 1)));
}

/*
 * Called before pages go. Only pages of memory slots matter, not the VMM's other memory.
 * What a vCPU does itself in KVM_RUN does not matter: it breaks COW, which takes nothing
 * away. Unless it reclaims memory: since Linux 6.12 the split of a huge page puts the
 * zero page in place of each page that has nothing but zeros in it.
 */
static int kvmpv_invalidate_range_start(struct mmu_notifier *mn,
					const struct mmu_notifier_range *range)
{
	struct kvmpv_populate *p = container_of(mn, struct kvmpv_populate, mn);
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	unsigned int left = KVMPV_GIVEN_BACK_AT_ONCE;
	struct interval_tree_node *node;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	bool good = true;
	int idx;

	if ((range->event != MMU_NOTIFY_UNMAP &&
	     range->event != MMU_NOTIFY_CLEAR) || READ_ONCE(p->lost) ||
	    (vcpu && vcpu->kvm == p->kvm && !(current->flags & PF_MEMALLOC)))
		return 0;

	idx = srcu_read_lock(&p->kvm->srcu);
	slots = kvm_memslots(p->kvm);
	for (node = interval_tree_iter_first(&slots->hva_tree, range->start,
					     range->end - 1);
	     node && good;
	     node = interval_tree_iter_next(node, range->start, range->end - 1)) {
		slot = container_of(node, struct kvm_memory_slot,
				    hva_node[slots->node_idx]);
		/* While blocks are switched off nothing is recorded, so track is lost. */
		good = kvmpv_is_block(READ_ONCE(kvmpv_populate_mode)) &&
		       kvmpv_mark_given_back(p,
					     max(range->start, slot->userspace_addr),
					     min(range->end, slot->userspace_addr +
							     slot->npages * PAGE_SIZE),
					     &left);
		if (!good)
			kvmpv_lose_track(p);
		/* A vCPU that has looked too early, and is about to allocate, stops for this. */
		smp_mb__before_atomic();
		atomic_inc(&p->seq);
		if (mmu_notifier_range_blockable(range))
			cond_resched();
	}
	srcu_read_unlock(&p->kvm->srcu, idx);
	return 0;
}

static const struct mmu_notifier_ops kvmpv_populate_notifier = {
	.invalidate_range_start = kvmpv_invalidate_range_start,
};

/**
 * kvmpv_populate_init_vm() - a VM is created
 * @p: its part
 *
 * Context: any; nothing of the guest has run yet.
 */
void kvmpv_populate_init_vm(struct kvmpv_populate *p)
{
	unsigned int epoch = READ_ONCE(kvmpv_populate_epoch);

	/* The array is charged to the VMM as far as the VMM takes the memory away itself. */
	xa_init_flags(&p->given_back, XA_FLAGS_ACCOUNT);
	/* If blocks are switched off and on meanwhile, @epoch is an old one. */
	smp_rmb();
	if (kvmpv_is_block(READ_ONCE(kvmpv_populate_mode)))
		p->epoch = epoch;
}

/**
 * kvmpv_populate_destroy_vm() - a VM is destroyed
 * @p: its part
 *
 * Context: sleepable; no vCPU runs any more. Memory slots are still there.
 */
void kvmpv_populate_destroy_vm(struct kvmpv_populate *p)
{
	if (p->watched)
		mmu_notifier_unregister(&p->mn, p->mn.mm);
	xa_destroy(&p->given_back);
}

/*
 * Is it known what the guest has given back? The notifier is registered at the
 * first fault of the guest, before which it can have given back nothing, provided
 * that blocks have been switched on all the time since the VM was created. A VM for
 * which they were not is never allocated a block.
 */
static bool kvmpv_watch(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(vcpu->kvm);
	struct kvmpv_populate *p = &vm->populate;

	/* Pairs with the release below. */
	if (smp_load_acquire(&p->watched))
		return true;
	if (READ_ONCE(p->epoch) != READ_ONCE(kvmpv_populate_epoch))
		return false;
	/* Registering waits for mmap_lock, so one vCPU does it, and the others go on. */
	if (!mutex_trylock(&vm->lock))
		return false;
	if (!p->watched && p->epoch) {
		p->kvm = vcpu->kvm;
		p->mn.ops = &kvmpv_populate_notifier;
		/* Without memory, or with a signal: at a later fault it would be too late. */
		if (mmu_notifier_register(&p->mn, current->mm))
			WRITE_ONCE(p->epoch, 0);
		else
			/* After all that the notifier uses, for those who do not take the lock. */
			smp_store_release(&p->watched, true);
	}
	mutex_unlock(&vm->lock);
	return READ_ONCE(p->watched);
}

/* Free pages of the nodes that a page of @vma may come from. */
static unsigned long kvmpv_free_pages(struct vm_area_struct *vma)
{
#ifdef CONFIG_NUMA
	struct mempolicy *policy = vma_policy(vma) ?: current->mempolicy;
	nodemask_t nodes = current->mems_allowed;
	unsigned long free = 0;
	struct zone *zone;
	int node, i;

	if (policy && !nodes_empty(policy->nodes))
		nodes_and(nodes, nodes, policy->nodes);
	if (!nodes_subset(node_states[N_MEMORY], nodes)) {
		for_each_node_mask(node, nodes) {
			for (i = 0; i < MAX_NR_ZONES; i++) {
				zone = &NODE_DATA(node)->node_zones[i];
				if (populated_zone(zone))
					free += zone_page_state(zone, NR_FREE_PAGES);
			}
		}
		return free;
	}
#endif
	return max(si_mem_available(), 0L);
}

static bool kvmpv_counter_has_room(struct page_counter *counter,
				   unsigned long need)
{
	unsigned long used, limit;

	for (; counter; counter = counter->parent) {
		limit = min(READ_ONCE(counter->max), READ_ONCE(counter->high));
		used = page_counter_read(counter);
		if (limit < used || limit - used < need)
			return false;
	}
	return true;
}

/*
 * An upper bound of the guest's pages that are in memory: what KVM maps. Among that are
 * the zero page and pages of KSM or of a private file, which are no memory of the guest's
 * own, and pages that are mapped twice, for a nested guest or SMM. Hence it is no more than
 * what the VMM has in memory that belongs to no file.
 */
static unsigned long kvmpv_in_memory(struct kvm *kvm)
{
	s64 mapped = atomic64_read(&kvm->stat.pages_4k) +
		     atomic64_read(&kvm->stat.pages_2m) * KVM_PAGES_PER_HPAGE(PG_LEVEL_2M) +
		     atomic64_read(&kvm->stat.pages_1g) * KVM_PAGES_PER_HPAGE(PG_LEVEL_1G);
	unsigned long rss = get_mm_counter(current->mm, MM_ANONPAGES) +
			    get_mm_counter(current->mm, MM_SHMEMPAGES);

	return min_t(unsigned long, max_t(s64, mapped, 0), rss);
}

/*
 * Pages that the guest may have. KVM's own count has those of all address spaces, and
 * QEMU gives SMM one of its own with the same memory in it: the larger one counts.
 */
static unsigned long kvmpv_slot_pages(struct kvm *kvm)
{
	unsigned long all = READ_ONCE(kvm->nr_memslot_pages), pages = 0;
	struct kvm_memslots *slots = __kvm_memslots(kvm, 0);
	struct kvm_memory_slot *slot;
	struct rb_node *node;
	unsigned int n = 0;

	for (node = rb_first(&slots->gfn_tree); node; node = rb_next(node)) {
		if (++n > KVMPV_ROOM_SLOTS)
			return all;
		slot = container_of(node, struct kvm_memory_slot,
				    gfn_node[slots->node_idx]);
		pages += slot->npages;
	}
	return max(pages, all - min(all, pages));
}

/*
 * Could the guest touch all of its memory now, without anything having to be taken
 * from somebody but the page cache? Then no page that it gets early can be what another
 * one is missing, and is reclaimed or killed for: not before the guest has everything
 * it may have, provided that nobody else grows meanwhile.
 */
static bool kvmpv_has_room(struct kvm *kvm, struct vm_area_struct *vma)
{
	unsigned long need = kvmpv_slot_pages(kvm);
	struct mem_cgroup *memcg;
	bool room;

	need -= min(need, kvmpv_in_memory(kvm));
	/* Each CPU may hold so many pages that are charged or allocated, but not used. */
	need += (atomic_read(&kvm->online_vcpus) + num_online_cpus()) *
		KVMPV_TABLE_PAGES;
	if (kvmpv_free_pages(vma) < need)
		return false;
	memcg = get_mem_cgroup_from_mm(current->mm);
	if (!memcg)
		return true;
	room = kvmpv_counter_has_room(&memcg->memory, need) &&
	       (cgroup_subsys_on_dfl(memory_cgrp_subsys) ||
		kvmpv_counter_has_room(&memcg->memsw, need));
	mem_cgroup_put(memcg);
	return room;
}

static bool kvmpv_has_to_stop(void)
{
	return signal_pending(current) || need_resched();
}

/*
 * A guest that asks may do so with interrupts off, and then has one to take as soon as
 * it can. An interrupt of its own timer is not seen here, nor is one that APICv delivers.
 */
static bool kvmpv_is_interrupted(struct kvm_vcpu *vcpu, bool asked)
{
	return asked && kvm_test_request(KVM_REQ_EVENT, vcpu);
}

/* Pages of a part of a memory slot, within what one page table of KVM's maps. */
struct kvmpv_block {
	const struct kvm_memory_slot *slot;
	gfn_t start;
	unsigned int n;
	DECLARE_BITMAP(unmapped, KVMPV_TABLE_PAGES);	/* by KVM */
	DECLARE_BITMAP(zero, KVMPV_TABLE_PAGES);	/* mapped by KVM, as the zero page */
	DECLARE_BITMAP(at_hand, KVMPV_TABLE_PAGES);	/* in the VMM's page tables */
	DECLARE_BITMAP(none, KVMPV_TABLE_PAGES);	/* nothing, or the zero page */
};

static unsigned long kvmpv_block_hva(const struct kvmpv_block *b)
{
	return __gfn_to_hva_memslot(b->slot, b->start);
}

/*
 * Which pages does KVM not map, and which as the zero page? Under mmu_lock, which is
 * held for writing by who frees page tables, and under RCU, which the TDP MMU relies on.
 * Return: false if there is nothing to do, as all is one huge page.
 */
static bool kvmpv_find_unmapped(struct kvm_vcpu *vcpu, struct kvmpv_block *b)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	int level = mmu->root_role.level;
	u64 *spt = __va(mmu->root.hpa), spte;
	unsigned int i;
	bool huge = false;

	bitmap_zero(b->unmapped, KVMPV_TABLE_PAGES);
	bitmap_zero(b->zero, KVMPV_TABLE_PAGES);
	read_lock(&vcpu->kvm->mmu_lock);
	rcu_read_lock();
	for (; level > PG_LEVEL_4K; level--) {
		spte = READ_ONCE(spt[((b->start << PAGE_SHIFT) >> SPTE_LEVEL_SHIFT(level)) &
				     (SPTE_ENT_PER_PAGE - 1)]);
		if (!is_shadow_present_pte(spte))
			break;
		huge = is_last_spte(spte, level);
		if (huge)
			break;
		spt = kvmpv_spt(spte);
	}
	if (level == PG_LEVEL_4K) {
		for (i = 0; i < b->n; i++) {
			spte = READ_ONCE(spt[(b->start + i) & (SPTE_ENT_PER_PAGE - 1)]);
			if (!is_shadow_present_pte(spte))
				__set_bit(i, b->unmapped);
			else if (!is_writable_pte(spte) &&
				 is_zero_pfn(spte_to_pfn(spte)))
				__set_bit(i, b->zero);
		}
	} else if (!huge) {
		bitmap_set(b->unmapped, 0, b->n);
	}
	rcu_read_unlock();
	read_unlock(&vcpu->kvm->mmu_lock);
	return !huge;
}

/*
 * May KVM map it without changing what the host knows of it? It is accessed, so
 * that no idle page ceases to be one. It is dirty, if it may be written to, as KVM
 * marks what it maps writable. It is no page that NUMA balancing waits for, and
 * neither the zero page nor a device's.
 */
static bool kvmpv_pte_is_at_hand(pte_t pte)
{
	return pte_present(pte) && !pte_protnone(pte) && !pte_special(pte) &&
	       pte_young(pte) && (!pte_write(pte) || pte_dirty(pte));
}

static bool kvmpv_pmd_is_at_hand(pmd_t pmd)
{
	return pmd_present(pmd) && !pmd_protnone(pmd) && pmd_young(pmd) &&
	       (!pmd_write(pmd) || pmd_dirty(pmd));
}

/*
 * Is it the zero page, which a read of new memory leaves? KSM (use_zero_pages) puts it
 * in place of a page that was in memory, too, and marks that as dirty since Linux 6.6.
 */
static bool kvmpv_pte_is_zero(pte_t pte)
{
	return pte_present(pte) && is_zero_pfn(pte_pfn(pte)) &&
	       !pte_write(pte) && !pte_dirty(pte);
}

/* What @mm has at @hva, the entry of the lowest table but one; none if there is no such table. */
static pmd_t kvmpv_read_pmd(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;

	if (pgd_none(pgd))
		return __pmd(0);
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d))
		return __pmd(0);
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return __pmd(0);
	return READ_ONCE(*pmd_offset(&pud, hva));
}

/*
 * Looks at the VMM's page tables, as get_user_pages_fast() does: with interrupts
 * off no table is freed.
 */
static void kvmpv_look(struct mm_struct *mm, struct kvmpv_block *b)
{
	unsigned long hva = kvmpv_block_hva(b), flags;
	unsigned int i, step, j;
	pte_t *ptep, pte;
	pmd_t pmd;

	bitmap_zero(b->at_hand, KVMPV_TABLE_PAGES);
	bitmap_zero(b->none, KVMPV_TABLE_PAGES);
	local_irq_save(flags);
	for (i = 0; i < b->n; i += step, hva += step * PAGE_SIZE) {
		step = min_t(unsigned int, b->n - i, PTRS_PER_PTE - pte_index(hva));
		pmd = kvmpv_read_pmd(mm, hva);
		if (pmd_none(pmd)) {
			bitmap_set(b->none, i, step);
			continue;
		}
		if (!pmd_present(pmd) || pmd_leaf(pmd)) {
			if (kvmpv_pmd_is_at_hand(pmd))
				bitmap_set(b->at_hand, i, step);
			continue;
		}
		ptep = pte_offset_kernel(&pmd, hva);
		for (j = 0; j < step; j++) {
			pte = READ_ONCE(ptep[j]);
			if (pte_none(pte) || kvmpv_pte_is_zero(pte))
				__set_bit(i + j, b->none);
			else if (kvmpv_pte_is_at_hand(pte))
				__set_bit(i + j, b->at_hand);
		}
	}
	local_irq_restore(flags);
}

/*
 * Allocates what has never been there, in anonymous memory, or has only been read.
 * Anything else is not for the guest alone (shared memory), is somewhere else (swap, a
 * file), or is someone else's to provide (userfaultfd). Where KVM maps the zero page,
 * KVM's own notifier unmaps it before the new page takes its place.
 * Context: mmap_lock held for reading.
 * Return: true if anything was allocated, so that the look has to be repeated.
 */
static bool kvmpv_allocate(struct kvm_vcpu *vcpu, struct vm_area_struct *vma,
			   struct kvmpv_block *b, bool asked)
{
	struct kvmpv_populate *p = &kvmpv_vendor_vm(vcpu->kvm)->populate;
	unsigned long hva = kvmpv_block_hva(b);
	unsigned int i, n = 0, seq = atomic_read(&p->seq);
	bool allocated = false;

	if (!vma_is_anonymous(vma) || !(vma->vm_flags & VM_WRITE) ||
	    bitmap_empty(b->none, b->n))
		return false;
	if (!asked) {
		/* Pairs with the barrier in kvmpv_invalidate_range_start(). */
		smp_rmb();
		if (kvmpv_was_given_back(p, hva, min(hva + b->n * PAGE_SIZE,
						     (hva | ~PMD_MASK) + 1)) ||
		    kvmpv_was_given_back(p, hva + (b->n - 1) * PAGE_SIZE,
					 hva + b->n * PAGE_SIZE)) {
			kvmpv_count(KVMPV_STAT_POPULATE_GIVEN_BACK);
			return false;
		}
	}
	for_each_set_bit(i, b->none, b->n) {
		if (kvmpv_has_to_stop() || kvmpv_is_interrupted(vcpu, asked) ||
		    (!asked && atomic_read(&p->seq) != seq))
			break;
		if (!(n++ % KVMPV_ROOM_PAGES) && !kvmpv_has_room(vcpu->kvm, vma)) {
			kvmpv_count(KVMPV_STAT_POPULATE_SHORT);
			break;
		}
		/*
		 * Without FAULT_FLAG_ALLOW_RETRY it keeps the lock, and waits for no
		 * userfaultfd. If somebody else has put a page there since the look, it
		 * may wait for that one, as any fault does.
		 */
		if (handle_mm_fault(vma, hva + i * PAGE_SIZE, FAULT_FLAG_WRITE,
				    NULL) & (VM_FAULT_ERROR | VM_FAULT_RETRY))
			break;
		allocated = true;
		kvmpv_count(KVMPV_STAT_POPULATE_ALLOCATED);
	}
	return allocated;
}

/*
 * Is the mitigation of iTLB multihit on? KVM's nx_huge_pages is not exported: this is
 * what "auto" makes of it. With "force" KVM maps huge pages without execution anyway,
 * and splits one when it is executed from. With "off" some pages stay small.
 */
static bool kvmpv_splits_huge(const struct kvm *kvm)
{
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) &&
	       !kvm->arch.disable_nx_huge_pages;
}

/*
 * As kvm_mmu_do_page_fault() has it for a fault that is none of the guest's, a
 * "prefetch". It is a read: what KVM finds writable it maps writable all the same,
 * and it breaks no COW.
 *
 * A prefetch leaves the accessed bit clear. On a CPU without such bits the entry is
 * then made so that the first access faults, which is what is to be spared. And if this
 * host is a guest itself, its own host shadows what is mapped here ahead of the faults,
 * but only if it is accessed. That it is, the VMM's page table says already, so nothing
 * is lost if the entry says so, too.
 */
static int kvmpv_map(struct kvm_vcpu *vcpu, const struct kvmpv_block *b,
		     unsigned int i, bool *huge)
{
	struct kvm_page_fault fault = {
		.addr = gfn_to_gpa(b->start + i),
		.is_tdp = true,
		.prefetch = kvmpv_vendor_tracks_accesses() &&
			    !boot_cpu_has(X86_FEATURE_HYPERVISOR),
		.nx_huge_page_workaround_enabled = kvmpv_splits_huge(vcpu->kvm),
		.max_level = KVM_MAX_HUGEPAGE_LEVEL,
		.req_level = PG_LEVEL_4K,
		.goal_level = PG_LEVEL_4K,
		.gfn = b->start + i,
		.slot = gfn_to_memslot(vcpu->kvm, b->start + i),
		.pfn = KVM_PFN_ERR_FAULT,
		KVMPV_FAULT_NO_HVA
	};
	u32 reason = vcpu->run->exit_reason;
	u64 signal_exits = vcpu->stat.signal_exits;
	int r;

	/* The slot is another one, or has other flags, since it was looked at. */
	if (fault.slot != b->slot)
		return RET_PF_RETRY;
	r = vcpu->arch.mmu->page_fault(vcpu, &fault);
	/* A signal leaves an exit reason for userspace, which is of no access of the guest's. */
	vcpu->run->exit_reason = reason;
	vcpu->stat.signal_exits = signal_exits;
	*huge = fault.goal_level > PG_LEVEL_4K;
	return r;
}

/* Before a look: what is taken away from now on counts. */
static unsigned long kvmpv_invalidate_seq(struct kvm *kvm)
{
	unsigned long seq = READ_ONCE(kvm->mmu_invalidate_seq);

	/* As in kvm_faultin_pfn(): the look comes afterwards. */
	smp_rmb();
	return seq;
}

/* Is memory being taken away, or has it been since @seq? As KVM's own handlers ask. */
static bool kvmpv_is_invalidated(struct kvm *kvm, unsigned long seq)
{
	if (READ_ONCE(kvm->mmu_invalidate_in_progress))
		return true;
	/* Pairs with the barrier of who counts mmu_invalidate_seq up first. */
	smp_rmb();
	return READ_ONCE(kvm->mmu_invalidate_seq) != seq;
}

/*
 * Maps @b, or as much of it as is in the VMA of the page @at, to which @b is cut. If @at
 * is in no VMA, or in one of which no pages may be mapped, nothing is mapped, and @b is cut
 * to the part of which that is true.
 * Return: how many pages were mapped.
 */
static unsigned int kvmpv_populate_block(struct kvm_vcpu *vcpu,
					 struct kvmpv_block *b, gfn_t at,
					 bool allocate, bool asked)
{
	unsigned long hva = __gfn_to_hva_memslot(b->slot, at), start, end, seq;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned int i, mapped = 0;
	bool plain, huge;
	int r;

	/* A fault does not wait for whoever is changing the address space. */
	if (!mmap_read_trylock(mm))
		return 0;
	vma = find_vma(mm, hva);
	plain = vma && vma->vm_start <= hva && !userfaultfd_armed(vma) &&
		!(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB));
	start = kvmpv_block_hva(b);
	end = start + b->n * PAGE_SIZE;
	if (plain && start < vma->vm_start) {
		i = (vma->vm_start - start) >> PAGE_SHIFT;
		bitmap_shift_right(b->unmapped, b->unmapped, i, KVMPV_TABLE_PAGES);
		bitmap_shift_right(b->zero, b->zero, i, KVMPV_TABLE_PAGES);
		b->start += i;
		b->n -= i;
	}
	if (vma && vma->vm_start > hva)
		b->n -= (end - min(end, vma->vm_start)) >> PAGE_SHIFT;
	else if (vma)
		b->n -= (end - min(end, vma->vm_end)) >> PAGE_SHIFT;
	if (!plain) {
		mmap_read_unlock(mm);
		return 0;
	}

	seq = kvmpv_invalidate_seq(vcpu->kvm);
	kvmpv_look(mm, b);
	if (allocate) {
		/* KVM unmaps the zero page when a page of its own takes its place. */
		bitmap_and(b->zero, b->zero, b->none, b->n);
		bitmap_or(b->unmapped, b->unmapped, b->zero, b->n);
		bitmap_and(b->none, b->none, b->unmapped, b->n);
		if (kvmpv_allocate(vcpu, vma, b, asked)) {
			seq = kvmpv_invalidate_seq(vcpu->kvm);
			kvmpv_look(mm, b);
		}
	}
	mmap_read_unlock(mm);

	bitmap_and(b->at_hand, b->at_hand, b->unmapped, b->n);
	for_each_set_bit(i, b->at_hand, b->n) {
		/* What was taken away since the look must not come back, nor be waited for. */
		if (kvmpv_has_to_stop() || kvmpv_is_interrupted(vcpu, asked) ||
		    kvmpv_is_invalidated(vcpu->kvm, seq))
			break;
		r = kvmpv_map(vcpu, b, i, &huge);
		if (r == RET_PF_FIXED)
			mapped++;
		else if (r != RET_PF_SPURIOUS)
			break;
		/* All that one page table could map is mapped by now. */
		if (huge)
			break;
	}
	kvmpv_count_more(KVMPV_STAT_POPULATE_MAPPED, mapped);
	return mapped;
}

/*
 * Is there a page that could be mapped, or, if pages are allocated, a zero page? Others
 * that are mapped read-only are not looked at: each write to a page table of a nested
 * guest, or to a page whose writes were logged, would pay for it.
 */
static bool kvmpv_has_more(const struct kvmpv_block *b, bool allocate)
{
	return !bitmap_empty(b->unmapped, b->n) ||
	       (allocate && !bitmap_empty(b->zero, b->n));
}

/* Memory of which pages may be mapped ahead: not KVM's own, and writes are not logged. */
static bool kvmpv_slot_is_plain(const struct kvm_memory_slot *slot)
{
	return !kvmpv_check_slot(slot) &&
	       !(slot->flags & (KVM_MEM_LOG_DIRTY_PAGES | KVMPV_MEM_GUEST_MEMFD));
}

/* Nested guests and SMM have other tables and slots; private memory has other rules. */
static bool kvmpv_may_populate(struct kvm_vcpu *vcpu)
{
	return !is_guest_mode(vcpu) && !is_smm(vcpu) &&
	       !kvmpv_has_private_mem(vcpu->kvm) &&
	       vcpu->arch.mmu->root_role.direct &&
	       VALID_PAGE(vcpu->arch.mmu->root.hpa);
}

/*
 * Where nothing is allocated and the VMM has nothing, as in memory that is new, a look
 * is a quarter of the fault's own price. vCPUs may race here: an estimate will do.
 */
static bool kvmpv_is_worth_a_look(struct kvmpv_populate *p)
{
	unsigned int skip = READ_ONCE(p->skip);

	if (skip)
		WRITE_ONCE(p->skip, skip - 1);
	return !skip;
}

static void kvmpv_looked(struct kvmpv_populate *p, bool found)
{
	unsigned int n = found ? 0 : min(READ_ONCE(p->in_vain) + 1,
					 (unsigned int)KVMPV_IN_VAIN_MAX);

	/* All vCPUs read it: it is written only if it changes. */
	if (READ_ONCE(p->in_vain) != n)
		WRITE_ONCE(p->in_vain, n);
	if (n)
		WRITE_ONCE(p->skip, BIT(n) - 1);
}

/*
 * A fault that is followed. Not inlined into kvmpv_follow(), which mostly has nothing to
 * do: Linux clears a function's variables on entry (CONFIG_INIT_STACK_ALL_ZERO), and the
 * block takes longer to clear than it takes to decide.
 */
static noinline void kvmpv_populate_around(struct kvm_vcpu *vcpu, gfn_t gfn,
					   unsigned int mode, bool allocate)
{
	unsigned int n = mode == KVMPV_POPULATE_PRESENT ? KVMPV_PRESENT_PAGES : mode;
	struct kvmpv_block b;
	gfn_t end;

	b.slot = gfn_to_memslot(vcpu->kvm, gfn);
	if (!kvmpv_slot_is_plain(b.slot))
		return;
	b.start = max(gfn & ~(gfn_t)(n - 1), b.slot->base_gfn);
	end = min((gfn | (n - 1)) + 1, b.slot->base_gfn + b.slot->npages);
	b.n = end - b.start;
	/* Has the fault ended in a page of 4 KiB, and is there another one to map? */
	if (!kvmpv_find_unmapped(vcpu, &b) ||
	    test_bit(gfn - b.start, b.unmapped) ||
	    !kvmpv_has_more(&b, allocate))
		return;
	kvmpv_count(KVMPV_STAT_POPULATE_FAULTS);
	/* A task that waits for this CPU already is first. */
	cond_resched();
	n = kvmpv_populate_block(vcpu, &b, gfn, allocate, false);
	if (!allocate)
		kvmpv_looked(&kvmpv_vendor_vm(vcpu->kvm)->populate, n);
}

/* Is a fault followed? */
static void kvmpv_follow(struct kvm_vcpu *vcpu, gfn_t gfn, bool write)
{
	unsigned int mode = READ_ONCE(kvmpv_populate_mode);
	bool allocate;

	if (mode <= KVMPV_POPULATE_ASKED || !kvmpv_may_populate(vcpu))
		return;
	/* What is only read need not be there: the zero page is as good, until it is written to. */
	allocate = write && kvmpv_is_block(mode) && kvmpv_watch(vcpu);
	if (allocate ||
	    kvmpv_is_worth_a_look(&kvmpv_vendor_vm(vcpu->kvm)->populate))
		kvmpv_populate_around(vcpu, gfn, mode, allocate);
}

/**
 * __kvmpv_page_fault() - kvm_mmu_page_fault(), and what is around
 * @vcpu: the vCPU
 * @gpa: guest physical address of the fault
 * @error_code: as KVM has made it from the exit
 * @insn: as kvm_mmu_page_fault()
 * @insn_len: as kvm_mmu_page_fault()
 *
 * Context: exit handler of EPT violations and nested page faults, sleepable, SRCU held.
 * Return: what kvm_mmu_page_fault() has returned.
 */
int __kvmpv_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code,
		       void *insn, int insn_len)
{
	/* A nested guest's fault may end in its hypervisor, to which @gpa means nothing. */
	bool nested = is_guest_mode(vcpu);
	int r = kvm_mmu_page_fault(vcpu, gpa, error_code, insn, insn_len);

	if (r > 0 && !nested)
		kvmpv_follow(vcpu, gpa_to_gfn(gpa), error_code & PFERR_WRITE_MASK);
	return r;
}

/**
 * kvmpv_populate_offered() - may guests ask for memory?
 *
 * Not with "present", by which no memory is allocated ahead: what a guest asks for is
 * memory that is not there yet.
 *
 * Context: any. It can change at any time.
 */
bool kvmpv_populate_offered(void)
{
	unsigned int mode = READ_ONCE(kvmpv_populate_mode);

	return mode != KVMPV_POPULATE_OFF && mode != KVMPV_POPULATE_PRESENT;
}

/**
 * kvmpv_check_mappable() - can the vCPU have a range of pages?
 * @vcpu: the vCPU
 * @gfn: first page
 * @npages: how many, at most KVMPV_POPULATE_PAGES
 *
 * A memory slot may be where a vCPU cannot get: beyond its MAXPHYADDR, which decides
 * how many levels its tables have. KVM's own functions would map it all the same, at
 * what is left of the address, where nobody would look for it when it is taken away.
 *
 * Context: exit handler.
 * Return: 0 or -KVMPV_EFAULT.
 */
int kvmpv_check_mappable(struct kvm_vcpu *vcpu, gfn_t gfn, u64 npages)
{
	return kvmpv_is_within(gfn, npages, vcpu->arch.mmu->root_role.level,
			       cpuid_maxphyaddr(vcpu)) ? 0 : -KVMPV_EFAULT;
}

/**
 * kvmpv_populate_range() - what the guest has asked for
 * @vcpu: the vCPU that asks
 * @start: first page
 * @npages: how many, at most KVMPV_POPULATE_PAGES
 *
 * Whether the pages were given back once does not matter: the guest wants them now.
 * Best effort: nothing is done where it cannot be, see docs/populate.md, and no more
 * when a signal is pending, another task is to run, or KVM has an interrupt to inject.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: how many pages were mapped, or -KVMPV_EINVAL for too many,
 * -KVMPV_EFAULT for a page that is no RAM of the guest's, -KVMPV_EROFS for one
 * that is read-only. Pages before it have been dealt with then.
 */
int kvmpv_populate_range(struct kvm_vcpu *vcpu, gfn_t start, u64 npages)
{
	struct kvmpv_block b;
	gfn_t end = start + npages, next;
	int mapped = 0, r;

	if (npages > KVMPV_POPULATE_PAGES || end < start)
		return -KVMPV_EINVAL;
	r = kvmpv_check_mappable(vcpu, start, npages);
	for (; !r && start < end; start = next) {
		b.slot = gfn_to_memslot(vcpu->kvm, start);
		r = kvmpv_check_slot(b.slot);
		if (r)
			break;
		next = min3(end, (start | (KVMPV_TABLE_PAGES - 1)) + 1,
			    b.slot->base_gfn + b.slot->npages);
		if (!kvmpv_slot_is_plain(b.slot) || !kvmpv_may_populate(vcpu) ||
		    kvmpv_has_to_stop() || kvmpv_is_interrupted(vcpu, true))
			continue;
		b.start = start;
		b.n = next - start;
		/* Nothing is left if the pages were asked for before, with their neighbours. */
		if (!kvmpv_find_unmapped(vcpu, &b) || !kvmpv_has_more(&b, true))
			continue;
		mapped += kvmpv_populate_block(vcpu, &b, start, true, true);
		/* What is beyond this VMA may be in another one. */
		next = start + b.n;
	}
	return r ?: mapped;
}
