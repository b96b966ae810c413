// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: page faults of shadow paging that need not happen.
 *
 * Most exits of a fork() and exec() are page faults that KVM takes for its own
 * bookkeeping: each new root is filled again with the kernel's half, and each
 * page that was a page table stays write-protected until somebody writes to
 * it. Both can be done ahead of time, as KVM does for asynchronous page faults that
 * have completed: by a "prefetch" fault, which never injects one into the guest.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>

#include "mmu.h"
#include "x86.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"

/*
 * A prefetch fault leaves the accessed bit of an entry clear, also if it was set
 * before, in which case KVM flushes the TLBs of all vCPUs (make_spte(),
 * mmu_spte_update()). That is worth it only if there is one vCPU.
 */
static bool kvmpv_may_prefault(struct kvm_vcpu *vcpu)
{
	return atomic_read(&vcpu->kvm->online_vcpus) == 1;
}

/* As kvm_mmu_do_page_fault() calls it for a completed asynchronous fault. */
static void kvmpv_prefault(struct kvm_vcpu *vcpu, gva_t gva, u32 error_code)
{
	struct kvm_page_fault fault = {
		.addr = gva,
		.error_code = error_code,
		.write = error_code & PFERR_WRITE_MASK,
		.present = error_code & PFERR_PRESENT_MASK,
		.prefetch = true,
		.nx_huge_page_workaround_enabled = true,
		.max_level = KVM_MAX_HUGEPAGE_LEVEL,
		.req_level = PG_LEVEL_4K,
		.goal_level = PG_LEVEL_4K,
		.pfn = KVM_PFN_ERR_FAULT,
		KVMPV_FAULT_NO_HVA
	};
	u32 reason = vcpu->run->exit_reason;

	/*
	 * What cannot be done now is done when the guest gets there, and the
	 * reason that this leaves for userspace is of no access of the guest's.
	 */
	vcpu->arch.mmu->page_fault(vcpu, &fault);
	vcpu->run->exit_reason = reason;
}

/* Would a fault on it neither wait, nor break COW, nor end in a signal? */
static bool kvmpv_is_at_hand(struct kvm_vcpu *vcpu, gpa_t gpa,
			     unsigned int flags)
{
	unsigned long hva = kvm_vcpu_gfn_to_hva(vcpu, gpa_to_gfn(gpa));
	struct page *page;

	if (kvm_is_error_hva(hva) ||
	    !get_user_page_fast_only(hva, flags, &page))
		return false;
	put_page(page);
	return true;
}

/**
 * kvmpv_spt() - the page table behind an entry
 * @spte: an entry of KVM's that is present, and no leaf
 *
 * Context: whatever keeps that table, mmu_lock for one.
 * Return: its first entry.
 */
u64 *kvmpv_spt(u64 spte)
{
	return __va(spte_to_pfn(spte) << PAGE_SHIFT);
}

/*
 * A linear address that the shadow page table behind @spte maps, an entry for
 * @va at @level; 0 if it maps none, or @looks entries were read before one was
 * found. Each table is searched from where @near is in it, and round its end.
 * Under mmu_lock: tables stay.
 */
static u64 kvmpv_any_mapped(u64 spte, int level, u64 va, u64 near,
			    unsigned int *looks)
{
	unsigned int at, i;
	u64 *spt;

	while (!is_last_spte(spte, level)) {
		spt = kvmpv_spt(spte);
		level--;
		at = SPTE_INDEX(near, level);
		for (i = 0; i < SPTE_ENT_PER_PAGE; i++) {
			if (!*looks)
				return 0;
			--*looks;
			if (is_shadow_present_pte(spt[at]))
				break;
			at = (at + 1) % SPTE_ENT_PER_PAGE;
		}
		if (i == SPTE_ENT_PER_PAGE)
			return 0;
		spte = spt[at];
		va |= (u64)at << SPTE_LEVEL_SHIFT(level);
	}
	return va;
}

/*
 * The shadow page table of the lowest level for @va below @root; NULL if nothing is there, or
 * a @leaf above that level.
 */
static const u64 *kvmpv_lowest_table(const struct kvm_mmu_page *root, u64 va,
				     bool *leaf)
{
	int level = root->role.level;
	const u64 *spt = root->spt;
	u64 spte;

	for (; level > PG_LEVEL_4K; level--) {
		spte = READ_ONCE(spt[SPTE_INDEX(va, level)]);
		*leaf = spte != KVMPV_EMPTY_SPTE &&
			(!is_shadow_present_pte(spte) || is_last_spte(spte, level));
		if (spte == KVMPV_EMPTY_SPTE || *leaf)
			return NULL;
		spt = kvmpv_spt(spte);
	}
	return spt;
}

/**
 * kvmpv_mapped() - for which of some pages has a root a shadow entry?
 * @root: a root with four levels or more
 * @va: the first page's address
 * @pages: number of pages of 4 KiB, at most 64
 *
 * An entry is whatever is not empty: what KVM knows of MMIO, too, is in entries.
 *
 * Context: under mmu_lock.
 * Return: a bit for each page, the first page's is bit 0.
 */
u64 kvmpv_mapped(const struct kvm_mmu_page *root, u64 va, unsigned int pages)
{
	const u64 *spt = NULL;
	bool leaf = false;
	unsigned int i, at;
	u64 mapped = 0;

	for (i = 0; i < pages; i++, va += PAGE_SIZE) {
		at = SPTE_INDEX(va, PG_LEVEL_4K);
		if (!i || !at)
			spt = kvmpv_lowest_table(root, va, &leaf);
		if (leaf || (spt && READ_ONCE(spt[at]) != KVMPV_EMPTY_SPTE))
			mapped |= BIT_ULL(i);
	}
	return mapped;
}

/*
 * Entries of tables below the top that are read in search of them. A guest can
 * have tables without a leaf at every place, which would all be read whole.
 */
#define KVMPV_KERNEL_LOOKS	4096

/**
 * kvmpv_fill_kernel() - give a new root the kernel's half of the last one
 * @vcpu: a registered vCPU, its current root valid
 *
 * A new root is empty. Operating systems map the kernel alike in all address
 * spaces, hence its page tables are shadowed already and only the top has to
 * lead there: for each entry that the last root has, an address below it is
 * faulted in. Nothing is taken over from the last root but which ones.
 *
 * Context: load_mmu_pgd(): sleepable, SRCU held.
 */
void kvmpv_fill_kernel(struct kvm_vcpu *vcpu)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info *last = &mmu->prev_roots[0];
	u64 *va = (*kvmpv_vendor_vcpu(vcpu))->kernel_va;
	u64 top, found, *from, *to;
	unsigned int looks = KVMPV_KERNEL_LOOKS;
	struct kvm_mmu_page *sp, *new;
	int i, level = mmu->root_role.level, n = 0;
	gpa_t gpa;

	if (level < PT64_ROOT_4LEVEL || !VALID_PAGE(mmu->root.hpa))
		return;
	/* Mostly it has been used before: the last entry is there, where Linux has its text. */
	new = kvmpv_root_to_sp(mmu->root.hpa);
	if (!new || is_shadow_present_pte(READ_ONCE(new->spt[SPTE_ENT_PER_PAGE - 1])))
		return;
	/*
	 * Accessed bits are set in the guest's page tables: in a ring of dirty pages
	 * KVM has room for what one exit of the guest's does, not for that of eight.
	 */
	if (vcpu->kvm->dirty_ring_size)
		return;
	/* Both roots are such as KVM keeps: their pages stay, whatever becomes of the guest's. */
	if (!kvmpv_may_prefault(vcpu) || is_guest_mode(vcpu) ||
	    mmu->root_role.direct || !VALID_PAGE(last->hpa))
		return;
	sp = kvmpv_root_to_sp(last->hpa);
	if (!sp || sp->role.word != mmu->root_role.word)
		return;
	from = sp->spt;
	to = new->spt;

	for (i = SPTE_ENT_PER_PAGE - 1; i >= SPTE_ENT_PER_PAGE / 2; i--)
		if (is_shadow_present_pte(READ_ONCE(from[i])))
			break;
	if (i < SPTE_ENT_PER_PAGE / 2 || is_shadow_present_pte(READ_ONCE(to[i])))
		return;

	write_lock(&vcpu->kvm->mmu_lock);
	for (; i >= SPTE_ENT_PER_PAGE / 2 && n < KVMPV_KERNEL_ENTRIES && looks; i--) {
		/* Others come first: the guest's own faults do the rest. */
		if (need_resched() || rwlock_needbreak(&vcpu->kvm->mmu_lock))
			break;
		if (!is_shadow_present_pte(from[i]) || is_shadow_present_pte(to[i]))
			continue;
		top = ~0ull << (SPTE_LEVEL_SHIFT(level) + SPTE_LEVEL_BITS);
		found = kvmpv_any_mapped(from[i], level,
					 top | (u64)i << SPTE_LEVEL_SHIFT(level),
					 va[n], &looks);
		if (found)
			va[n++] = found;
	}
	write_unlock(&vcpu->kvm->mmu_lock);

	/* Page tables come with it that map what KVM sees no fault for any more. */
	if (n && kvmpv_maps_host_mmio(sp))
		kvmpv_set_maps_host_mmio(new);
	if (n)
		kvmpv_count(KVMPV_STAT_KERNEL_FILLS);
	while (n--) {
		gpa = kvm_mmu_gva_to_gpa_read(vcpu, va[n], NULL);
		/* A page that is gone or poisoned would be a SIGBUS. */
		if (gpa != INVALID_GPA && kvmpv_is_at_hand(vcpu, gpa, 0))
			kvmpv_prefault(vcpu, va[n], 0);
		cond_resched();
	}
}

/**
 * kvmpv_hc_release() - RELEASE
 * @vcpu: the vCPU
 * @gpa: of an array of u64, linear addresses
 * @nr: how many
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: 0, -KVMPV_EINVAL or -KVMPV_EFAULT.
 */
int kvmpv_hc_release(struct kvm_vcpu *vcpu, u64 gpa, u64 nr)
{
	u64 va[KVMPV_RELEASE_MAX];
	unsigned int i;
	gpa_t page;
	int r = kvmpv_check_release(gpa, nr);

	/* The guest says how much is copied to the stack: bounded also while the CPU speculates. */
	nr = array_index_nospec(nr, KVMPV_RELEASE_MAX + 1);
	if (!r)
		r = kvmpv_read_buffer(vcpu, gpa, va, nr * sizeof(*va));
	if (r)
		return r;
	kvmpv_count(KVMPV_STAT_RELEASE);
	/* As in kvmpv_fill_kernel(); and this writes to the pages themselves. */
	if (!is_paging(vcpu) || vcpu->kvm->dirty_ring_size)
		return 0;
	for (i = 0; i < nr && !signal_pending(current); i++) {
		page = kvm_mmu_gva_to_gpa_write(vcpu, va[i], NULL);
		if (page == INVALID_GPA ||
		    !kvmpv_is_at_hand(vcpu, page, FOLL_WRITE))
			continue;
		if (kvmpv_unshadow(vcpu, va[i], page & PAGE_MASK) &&
		    kvmpv_may_prefault(vcpu))
			kvmpv_prefault(vcpu, va[i],
				       PFERR_PRESENT_MASK | PFERR_WRITE_MASK);
		cond_resched();
	}
	return 0;
}
