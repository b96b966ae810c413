// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: shadow roots beyond those that KVM keeps.
 *
 * KVM keeps four roots referenced for a vCPU, mmu->root and mmu->prev_roots[].
 * When a guest goes round more address spaces than that, each root has been given
 * up by the time it is needed:
 * KVM looks its page up again, under mmu_lock, and syncs it. The stash holds
 * references to more of them, so that a load of CR3 is an exchange of two
 * array elements, which needs no lock and can be done in the exit fastpath. Where
 * there is no table, that is also done with the four.
 *
 * A root is stashed when it is pushed out for the second time: one that is
 * not loaded again between the two, as of a process that lives for a moment,
 * is not worth a reference. The first time only its gfn is remembered.
 *
 * A stashed root gets no INVLPG, and is in no array that KVM looks through. So
 * it is used only if there is nothing that it could have missed:
 *  - no table below it is unsync: what is write-protected is up to date. A
 *    guest that changes a table makes it unsync first, see kvm_mmu_sync_roots()
 *    and mmu_try_to_unsync_pages() for why that is seen without mmu_lock;
 *  - it is neither zapped nor of a generation before the last change of
 *    memslots. Who zaps it or starts a generation requests of all vCPUs to drop
 *    such roots (KVM_REQ_MMU_FREE_OBSOLETE_ROOTS), which this vCPU finds before
 *    it enters the guest if it was too early to see the mark itself;
 *  - it is of the vCPU's current role.
 * Any other load takes the path that it took without a stash.
 *
 * That is about tables. What the TLB has of a stashed root's PCID is another
 * matter: KVM flushes nothing for an INVPCID of a PCID that no root in its arrays
 * has, as it will when it loads such a root (kvm_mmu_load()), which is not done
 * for these. So INVPCID flushes, see __kvmpv_exit() (VMX) and the hook in
 * invpcid_interception() (SVM). All else that flushes a
 * TLB flushes it for all PCIDs of the vCPU.
 *
 * A page with a root count is not reclaimed when a VM is short of shadow pages.
 * So all vCPUs of a VM together hold no more than an eighth of what it may have
 * beside the roots that KVM keeps, and those of a VM that may have less than
 * before are given back.
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "mmu.h"
#include "x86.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"

#define KVMPV_STASH_SHARE	8
/* However large the VM is: KVM looks at them when it searches for a page to reclaim. */
#define KVMPV_STASH_MOST	1024

static_assert(INVALID_PAGE == KVMPV_NO_ROOT);

/**
 * kvmpv_stash_alloc() - make an empty stash
 *
 * Context: sleepable.
 * Return: the stash; NULL if there is no memory.
 */
struct kvmpv_stash *kvmpv_stash_alloc(void)
{
	struct kvmpv_stash *stash = kzalloc(sizeof(*stash), GFP_KERNEL_ACCOUNT);

	static_assert(sizeof(*stash) <= PAGE_SIZE);
	if (stash)
		kvmpv_stash_init(stash);
	return stash;
}

static bool kvmpv_is_obsolete(struct kvm_vcpu *vcpu,
			      const struct kvm_mmu_page *sp)
{
	return sp->role.invalid ||
	       sp->mmu_valid_gen != vcpu->kvm->arch.mmu_valid_gen;
}

/* Can a root, in the stash or in prev_roots[], be loaded, but for a sync? */
static bool kvmpv_is_usable(struct kvm_vcpu *vcpu, hpa_t hpa)
{
	const struct kvm_mmu_page *sp = kvmpv_root_to_sp(hpa);

	return sp && sp->role.word == vcpu->arch.mmu->root_role.word &&
	       !kvmpv_is_obsolete(vcpu, sp);
}

/* Is a usable root as if it had been synced now? */
static bool kvmpv_is_synced(hpa_t hpa)
{
	return !READ_ONCE(kvmpv_root_to_sp(hpa)->unsync_children);
}

/*
 * Gives back all references, or those of obsolete roots, three at a time, because
 * KVM exports only a function that frees the roots of an array. Gfns stay
 * remembered. Sleepable.
 */
static void kvmpv_stash_drop(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash,
			     unsigned int from, unsigned int to, bool all)
{
	struct kvm_mmu_root_info kept[KVM_MMU_NUM_PREV_ROOTS];
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	unsigned long mask = 0;
	unsigned int k = 0;

	memcpy(kept, mmu->prev_roots, sizeof(kept));
	for (; from < to; from++) {
		if (!VALID_PAGE(stash->hpa[from]) ||
		    (!all && !kvmpv_is_obsolete(vcpu, kvmpv_root_to_sp(stash->hpa[from]))))
			continue;
		mmu->prev_roots[k].hpa = stash->hpa[from];
		mask |= KVM_MMU_ROOT_PREVIOUS(k);
		stash->hpa[from] = INVALID_PAGE;
		atomic_dec(&kvmpv_vendor_vm(vcpu->kvm)->stashed);
		if (++k == KVM_MMU_NUM_PREV_ROOTS) {
			kvm_mmu_free_roots(vcpu->kvm, mmu, mask);
			mask = 0;
			k = 0;
		}
	}
	if (mask)
		kvm_mmu_free_roots(vcpu->kvm, mmu, mask);
	memcpy(mmu->prev_roots, kept, sizeof(kept));
}

/**
 * kvmpv_stash_free() - give back all references, and the stash
 * @vcpu: a registered vCPU
 * @stash: its stash, or NULL
 *
 * Context: sleepable, in the vCPU's thread or when it is freed.
 */
void kvmpv_stash_free(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash)
{
	if (!stash)
		return;
	kvmpv_stash_drop(vcpu, stash, 0, KVMPV_STASH, true);
	kfree(stash);
}

/* How many roots all stashes of a VM may hold now. */
static long kvmpv_stash_limit(struct kvm *kvm)
{
	long kept = (KVM_MMU_NUM_PREV_ROOTS + 1L) * atomic_read(&kvm->online_vcpus);
	long most = READ_ONCE(kvm->arch.n_max_mmu_pages);

	return min((most - kept) / KVMPV_STASH_SHARE, KVMPV_STASH_MOST + 0L);
}

static bool kvmpv_stash_has_room(struct kvm *kvm)
{
	atomic_t *stashed = &kvmpv_vendor_vm(kvm)->stashed;

	if (atomic_inc_return(stashed) <= kvmpv_stash_limit(kvm))
		return true;
	atomic_dec(stashed);
	return false;
}

/**
 * kvmpv_stash_trim() - give back what must not be held any longer
 * @vcpu: a registered vCPU
 * @stash: its stash
 *
 * All if the VM has more than it may have: userspace has set a smaller limit, or
 * taken memory away. What is of an old generation of memslots; one by one, with
 * each call, what was zapped otherwise: only its own page is left of that.
 *
 * Context: sleepable, SRCU held, in the vCPU's thread.
 */
void kvmpv_stash_trim(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash)
{
	unsigned int gen = READ_ONCE(vcpu->kvm->arch.mmu_valid_gen);

	if (unlikely(atomic_read(&kvmpv_vendor_vm(vcpu->kvm)->stashed) >
		     kvmpv_stash_limit(vcpu->kvm)))
		kvmpv_stash_drop(vcpu, stash, 0, KVMPV_STASH, true);
	if (gen != stash->gen) {
		stash->gen = gen;
		kvmpv_stash_drop(vcpu, stash, 0, KVMPV_STASH, false);
	}
	stash->hand = (stash->hand + 1) % KVMPV_STASH;
	kvmpv_stash_drop(vcpu, stash, stash->hand, stash->hand + 1, false);
}

/**
 * kvmpv_stash_evicted() - a root is about to be loaded the slow way
 * @vcpu: a registered vCPU
 * @stash: its stash
 * @pgd: what will be the guest's CR3, bit 63 clear
 *
 * Takes the root that KVM is about to push out of prev_roots[] for it.
 *
 * Context: exit handler, sleepable, SRCU held.
 */
void kvmpv_stash_evicted(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash,
			 gpa_t pgd)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info *last;
	struct kvm_mmu_page *sp;
	unsigned int k;
	int i;

	if (mmu != &vcpu->arch.root_mmu || mmu->root.pgd == pgd)
		return;
	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++)
		if (VALID_PAGE(mmu->prev_roots[k].hpa) &&
		    mmu->prev_roots[k].pgd == pgd)
			return;

	/* KVM is going to hold it itself. */
	i = kvmpv_stash_index(stash, pgd >> PAGE_SHIFT);
	if (i >= 0)
		kvmpv_stash_drop(vcpu, stash, i, i + 1, true);
	kvmpv_stash_trim(vcpu, stash);

	last = &mmu->prev_roots[KVM_MMU_NUM_PREV_ROOTS - 1];
	if (!VALID_PAGE(last->hpa))
		return;
	sp = kvmpv_root_to_sp(last->hpa);
	if (!sp || sp->role.word != mmu->root_role.word || sp->role.direct)
		return;
	i = kvmpv_stash_index(stash, last->pgd >> PAGE_SHIFT);
	if (i < 0) {
		i = stash->next;
		stash->next = (i + 1) % KVMPV_STASH;
		kvmpv_stash_drop(vcpu, stash, i, i + 1, true);
		kvmpv_stash_assign(stash, i, last->pgd >> PAGE_SHIFT);
	} else if (!VALID_PAGE(stash->hpa[i]) &&
		   kvmpv_stash_has_room(vcpu->kvm)) {
		stash->hpa[i] = last->hpa;
		last->hpa = INVALID_PAGE;
	}
}

/*
 * Which roots a flush of a PCID frees, see kvm_invalidate_pcid(): one bit for each,
 * mmu->root first, then prev_roots[]. In the stash such a root does no harm.
 */
static unsigned int kvmpv_flushed(const struct kvm_mmu *mmu, gpa_t pgd,
				  u64 pcid_mask)
{
	unsigned int k, flushed = !((mmu->root.pgd ^ pgd) & pcid_mask);

	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++)
		if (VALID_PAGE(mmu->prev_roots[k].hpa) &&
		    !((mmu->prev_roots[k].pgd ^ pgd) & pcid_mask))
			flushed |= 2u << k;
	return flushed;
}

/*
 * With page table isolation a process has two page directories side by side. This
 * is how Linux places them (kernel_to_user_pgdp()); where it is not so, nothing but
 * the choice of a victim depends on it.
 */
static bool kvmpv_is_other_half(gpa_t pgd, gpa_t other)
{
	return (pgd ^ other) >> PAGE_SHIFT == 1;
}

/* Which root makes room, as kvmpv_flushed() counts; -1: more than one would have to. */
static int kvmpv_victim(const struct kvm_mmu *mmu, struct kvmpv_stash *stash,
			gpa_t pgd, unsigned int flushed)
{
	unsigned int k;

	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS && !flushed; k++)
		if (!VALID_PAGE(mmu->prev_roots[k].hpa))
			return k + 1;
	return kvmpv_stash_victim(stash, KVMPV_NR_ENTRIES, flushed,
				  kvmpv_root_to_sp(mmu->root.hpa)->unsync_children,
				  kvmpv_is_other_half(mmu->root.pgd, pgd));
}

/**
 * kvmpv_make_current() - another root becomes mmu->root
 * @vcpu: a registered vCPU, mmu->root valid and of root_mmu
 * @info: the root
 * @gone: what is no longer among those that KVM keeps: 0: mmu->root, which it
 *	replaces; else prev_roots[@gone - 1], and what was mmu->root becomes the first
 *
 * As cached_root_find_and_keep_current() rotates: that is KVM's LRU. And the rest
 * of what kvm_set_cr3() and kvm_mmu_new_pgd() would have done.
 *
 * Context: IRQs off. Everything here is the vCPU's own.
 */
void kvmpv_make_current(struct kvm_vcpu *vcpu, struct kvm_mmu_root_info info,
			unsigned int gone)
{
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;

	if (gone) {
		memmove(mmu->prev_roots + 1, mmu->prev_roots,
			(gone - 1) * sizeof(info));
		mmu->prev_roots[0] = mmu->root;
	}
	mmu->root = info;

	vcpu->arch.cr3 = info.pgd;
	kvm_register_mark_dirty(vcpu, VCPU_REG_CR3);
	vcpu_clear_mmio_info(vcpu, MMIO_GVA_ANY);
	atomic_set(&kvmpv_root_to_sp(info.hpa)->write_flooding_count, 0);
}

/**
 * kvmpv_stash_switch() - make a kept root the current one
 * @vcpu: a registered vCPU, mmu->root valid
 * @stash: its stash
 * @pgd: what will be the guest's CR3, bit 63 clear, another one than now
 * @flush: the load is to flush the TLB of this PCID, or of all if CR4.PCIDE=0
 * @pcid_mask: X86_CR3_PCID_MASK if CR4.PCIDE=1, else 0
 * @gone: set to the root that is no longer in the arrays, if there is one
 *
 * This replaces kvm_mmu_new_pgd(), and kvm_mmu_sync_roots() if @flush.
 *
 * Context: IRQs off. Takes no lock: everything that is written is the vCPU's.
 * Return: false if that cannot be done here; nothing has changed.
 */
bool kvmpv_stash_switch(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash,
			gpa_t pgd, bool flush, u64 pcid_mask,
			struct kvm_mmu_root_info *gone)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info info = { .pgd = pgd };
	int i = kvmpv_stash_index(stash, pgd >> PAGE_SHIFT);
	unsigned int flushed = 0;
	int victim;

	if (i < 0)
		return false;
	/* The word before the roots is a gfn, which the guest chooses. */
	i = array_index_nospec(i, KVMPV_STASH);
	if (!VALID_PAGE(stash->hpa[i]) ||
	    !kvmpv_is_usable(vcpu, stash->hpa[i]) ||
	    !kvmpv_is_synced(stash->hpa[i]))
		return false;
	if (flush && pcid_mask)
		flushed = kvmpv_flushed(mmu, pgd, pcid_mask);
	victim = kvmpv_victim(mmu, stash, pgd, flushed);
	if (victim < 0)
		return false;

	info.hpa = stash->hpa[i];
	*gone = victim ? mmu->prev_roots[victim - 1] : mmu->root;
	if (!kvmpv_stash_exchange(stash, i, gone->pgd >> PAGE_SHIFT, gone->hpa))
		return false;
	if (!VALID_PAGE(gone->hpa))
		atomic_dec(&kvmpv_vendor_vm(vcpu->kvm)->stashed);
	kvmpv_make_current(vcpu, info, victim);
	return true;
}

/*
 * Make one of prev_roots[] the current one, as kvmpv_stash_switch() does it with one
 * of the stash. KVM looks for what is obsolete in these, and for INVLPG unless the guest
 * has promised not to rely on that: one that is unsync is as good as it was when the
 * guest last flushed this CR3, which is all that a load without a flush asks for.
 */
static bool kvmpv_prev_switch(struct kvm_vcpu *vcpu, gpa_t pgd, bool flush,
			      u64 pcid_mask)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	const struct kvm_mmu_root_info *info;
	unsigned int k;

	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++) {
		info = &mmu->prev_roots[k];
		if (info->pgd != pgd || !VALID_PAGE(info->hpa) ||
		    !kvmpv_is_usable(vcpu, info->hpa))
			continue;
		/* KVM syncs this one, and drops all others of its PCID. */
		if (flush && !kvmpv_is_synced(info->hpa))
			return false;
		if (flush && pcid_mask &&
		    kvmpv_flushed(mmu, pgd, pcid_mask) != 2u << k)
			return false;
		kvmpv_make_current(vcpu, *info, k + 1);
		return true;
	}
	return false;
}

/**
 * kvmpv_fast_switch() - a load of CR3 in the exit fastpath, without a table
 * @vcpu: a registered vCPU that has exited for it
 * @pgd: as for kvmpv_stash_switch()
 * @flush: as for kvmpv_stash_switch()
 * @pcid_mask: as for kvmpv_stash_switch()
 * @stashed: set to whether the root was in the stash
 *
 * Of a root that KVM keeps, or the stash. The caller loads it into the CPU, and
 * flushes. While a nested guest or SMM runs, or userspace debugs the guest, it is
 * left to KVM; so is all that follows a CR3 that is no RAM, whose root must not
 * become a previous one.
 *
 * Context: IRQs off. Takes no lock: everything that is written is the vCPU's.
 * Return: false if that cannot be done here; nothing has changed.
 */
bool kvmpv_fast_switch(struct kvm_vcpu *vcpu, gpa_t pgd, bool flush,
		       u64 pcid_mask, bool *stashed)
{
	const struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	const struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info gone;

	if (p->dead || is_guest_mode(vcpu) || is_smm(vcpu) ||
	    vcpu->guest_debug || mmu != &vcpu->arch.root_mmu ||
	    mmu->root_role.level < PT64_ROOT_4LEVEL ||
	    !kvmpv_root_to_sp(mmu->root.hpa) || pgd == vcpu->arch.cr3)
		return false;
	*stashed = false;
	if (kvmpv_prev_switch(vcpu, pgd, flush, pcid_mask))
		return true;
	*stashed = true;
	if (!kvmpv_stash_switch(vcpu, p->stash, pgd, flush, pcid_mask, &gone))
		return false;
	kvmpv_count(KVMPV_STAT_STASH_SWITCHES);
	return true;
}
