// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: the guest's TLB flushes under shadow paging.
 *
 * A flush of this vCPU is what KVM does for INVLPG, a MOV to CR3 or CR4.PGE,
 * many of them in one exit. For other vCPUs it is queued, and done by each in
 * its own thread before it runs guest code again: only there its roots may be
 * touched. A vCPU that runs guest code now is made to leave it; one that
 * sleeps or waits for a CPU is left alone.
 */
#include <linux/cpumask.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "mmu.h"
#include "x86.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"

DEFINE_STATIC_KEY_DEFERRED_FALSE(kvmpv_has_flushing_vm, HZ);

/*
 * All roots that KVM keeps for this vCPU are synced or dropped. Never
 * KVM_REQ_MMU_SYNC for another vCPU: it syncs the current root alone, but the
 * guest may have switched to another one, and may come back without a flush.
 */
static void kvmpv_flush_all(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
	/* That flushes the TLB of the nested guest only, while it runs one. */
	if (is_guest_mode(vcpu))
		kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
}

/*
 * For which pages of a range each of prev_roots[] has a shadow entry, bit i of @mapped[k]
 * for page i. None that is outdated comes after that: a fault looks at the guest's page
 * table again under mmu_lock (FNAME(fetch)), after the guest has changed it; and an unsync
 * table that is linked below a root is synced first (kvm_mmu_find_shadow_page(),
 * mmu_sync_children()).
 */
static void kvmpv_look_up(struct kvm_vcpu *vcpu, const struct kvmpv_range *r,
			  u64 *mapped)
{
	const struct kvm_mmu *mmu = vcpu->arch.mmu;
	const struct kvm_mmu_page *root;
	unsigned int k;

	static_assert(KVMPV_FLUSH_PAGES <= BITS_PER_TYPE(*mapped));
	memset(mapped, 0xff, KVM_MMU_NUM_PREV_ROOTS * sizeof(*mapped));
	if (r->shift != PAGE_SHIFT || mmu->root_role.level < PT64_ROOT_4LEVEL)
		return;
	read_lock(&vcpu->kvm->mmu_lock);
	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++) {
		if (!VALID_PAGE(mmu->prev_roots[k].hpa))
			continue;
		root = kvmpv_root_to_sp(mmu->prev_roots[k].hpa);
		if (root)
			mapped[k] = kvmpv_mapped(root, r->va, r->pages);
	}
	read_unlock(&vcpu->kvm->mmu_lock);
}

/*
 * Is a flush of these pages for the current root alone? The guest that has registered
 * has promised to rely on nothing else for its half of the address space. A nested
 * guest, a handler of SMIs, and what userspace has restored have not.
 */
static bool kvmpv_is_current_only(struct kvm_vcpu *vcpu, u64 va, u64 pages, u64 shift)
{
	const struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);

	return p && !p->dead && (p->features & KVMPV_F_INVLPG_CURRENT) &&
	       kvmpv_in_lower_half(va, pages, shift) &&
	       !is_guest_mode(vcpu) && !is_smm(vcpu);
}

/*
 * kvm_mmu_invlpg() of each page. It goes through all roots that KVM keeps, because a
 * page may be global, and takes mmu_lock for each. Those that have no entry for the page,
 * mostly all but the current one, are taken out of prev_roots[] meanwhile, which belongs
 * to this thread; with @current_only all of them.
 */
static void kvmpv_invlpg(struct kvm_vcpu *vcpu, const struct kvmpv_range *r,
			 bool current_only)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info kept[KVM_MMU_NUM_PREV_ROOTS];
	u64 mapped[KVM_MMU_NUM_PREV_ROOTS];
	unsigned int i, k;

	if (current_only)
		memset(mapped, 0, sizeof(mapped));
	else
		kvmpv_look_up(vcpu, r, mapped);
	memcpy(kept, mmu->prev_roots, sizeof(kept));
	for (i = 0; i < r->pages; i++) {
		for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++)
			mmu->prev_roots[k].hpa = mapped[k] & BIT_ULL(i) ?
				kept[k].hpa : INVALID_PAGE;
		kvm_mmu_invlpg(vcpu, r->va + ((u64)i << r->shift));
	}
	memcpy(mmu->prev_roots, kept, sizeof(kept));
}

/*
 * A 32-bit guest has no previous roots but those of a nested guest with 64 bits, and a
 * BUG_ON of shadow_walk_init_using_root() is what kvm_mmu_invlpg() comes to with these.
 */
static bool kvmpv_has_longer_roots(const struct kvm_mmu *mmu)
{
	unsigned int k;

	if (mmu->root_role.level >= PT64_ROOT_4LEVEL)
		return false;
	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++)
		if (VALID_PAGE(mmu->prev_roots[k].hpa))
			return true;
	return false;
}

/* The ranges in the current root alone if @current_only, else in all that are kept. */
static void kvmpv_do_flushes(struct kvm_vcpu *vcpu,
			     const struct kvmpv_flushes *todo, bool current_only)
{
	const struct kvmpv_range *r;

	/* INVLPG acts on the TLB of the nested guest, while there is one. */
	if (todo->all || is_guest_mode(vcpu) || kvmpv_has_longer_roots(vcpu->arch.mmu)) {
		kvmpv_flush_all(vcpu);
		return;
	}
	for (r = todo->range; r < todo->range + todo->nr; r++) {
		kvmpv_invlpg(vcpu, r, current_only);
		/* The guest decides how much there is to do, so others get a chance in between. */
		cond_resched();
	}
}

/* As a MOV of the current value to CR3 does, but never reloads PDPTRs. */
static void kvmpv_flush_user(struct kvm_vcpu *vcpu)
{
	if (kvmpv_pcid_enabled(vcpu)) {
		kvm_set_cr3(vcpu, kvm_read_cr3(vcpu));
		return;
	}
	kvm_make_request(KVM_REQ_MMU_SYNC, vcpu);
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

/* The calling vCPU's own part of FLUSH_VCPUS, and all of FLUSH. */
static void kvmpv_flush_self(struct kvm_vcpu *vcpu, u64 scope, u64 va,
			     u64 pages, u64 shift)
{
	struct kvmpv_flushes todo = {};

	if (scope == KVMPV_FLUSH_ALL)
		todo.all = true;
	kvmpv_flushes_add(&todo, va, pages, shift);
	if (scope == KVMPV_FLUSH_USER && !todo.all)
		kvmpv_flush_user(vcpu);
	kvmpv_do_flushes(vcpu, &todo, false);
}

/**
 * kvmpv_hc_flush() - FLUSH
 * @vcpu: the vCPU
 * @scope: KVMPV_FLUSH_USER or KVMPV_FLUSH_ALL
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_hc_flush(struct kvm_vcpu *vcpu, u64 scope)
{
	int r = kvmpv_check_scope(scope);

	if (r)
		return r;
	kvmpv_count(KVMPV_STAT_FLUSH);
	kvmpv_flush_self(vcpu, scope, 0, 0, 0);
	return 0;
}

/**
 * kvmpv_hc_flush_range() - FLUSH_RANGE
 * @vcpu: the vCPU
 * @va: linear address
 * @pages: number of pages
 * @shift: log2 of bytes from one to the next: 12, 21, 30
 * @flags: none are defined
 * @last: last byte of the caller's address space
 *
 * A range of more than KVMPV_FLUSH_PAGES pages becomes a full flush.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_hc_flush_range(struct kvm_vcpu *vcpu, u64 va, u64 pages, u64 shift,
			 u64 flags, u64 last)
{
	struct kvmpv_flushes todo = {};
	int r = flags ? -KVMPV_EINVAL : kvmpv_check_range(va, pages, shift, last);

	if (r)
		return r;
	kvmpv_count(KVMPV_STAT_FLUSH_RANGE);
	kvmpv_flushes_add(&todo, va, pages, shift);
	kvmpv_do_flushes(vcpu, &todo, kvmpv_is_current_only(vcpu, va, pages, shift));
	return 0;
}

/**
 * __kvmpv_invlpg() - INVLPG exits: what kvm_mmu_invlpg() does, for a registered vCPU
 * @vcpu: the vCPU
 * @va: linear address
 *
 * Context: exit handler, sleepable, SRCU held.
 */
void __kvmpv_invlpg(struct kvm_vcpu *vcpu, gva_t va)
{
	const struct kvmpv_range page = { .va = va, .pages = 1, .shift = PAGE_SHIFT };

	if (kvmpv_is_current_only(vcpu, va, page.pages, page.shift))
		kvmpv_invlpg(vcpu, &page, true);
	else
		kvm_mmu_invlpg(vcpu, va);
}

/* Nothing is left to do: the interrupt alone has made the vCPU leave guest mode. */
static void kvmpv_ack_kick(void *unused)
{
}

/* Queue for a vCPU other than the calling one. */
static void kvmpv_queue(struct kvm_vcpu *vcpu,
			const struct kvmpv_flush_vcpus *desc)
{
	struct kvmpv_flush_queue *q = kvmpv_vendor_flush_queue(vcpu);

	raw_spin_lock(&q->lock);
	kvmpv_flushes_queue(&q->todo, desc);
	raw_spin_unlock(&q->lock);
	/* It makes the vCPU call __kvmpv_flush_queued(), and pairs with the entry's checks. */
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
}

/* From now on kvmpv_flush_queued() is not patched out. */
static void kvmpv_use_queues(struct kvm *kvm)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(kvm);

	if (READ_ONCE(vm->flushes))
		return;
	mutex_lock(&vm->lock);
	if (!vm->flushes) {
		/* Nobody must queue before the hook is patched in. */
		static_branch_deferred_inc(&kvmpv_has_flushing_vm);
		WRITE_ONCE(vm->flushes, true);
	}
	mutex_unlock(&vm->lock);
}

/* As kvm_make_vcpus_request_mask(), which is not exported. */
static void kvmpv_flush_others(struct kvm_vcpu *vcpu,
			       const struct kvmpv_flush_vcpus *desc,
			       struct cpumask *cpus)
{
	struct kvm_vcpu *other;
	int self = get_cpu(), cpu;
	unsigned long i;

	kvm_for_each_vcpu(i, other, vcpu->kvm) {
		if (other == vcpu || !kvmpv_in_mask(desc, other->vcpu_id))
			continue;
		kvmpv_queue(other, desc);
		/*
		 * If it is outside guest mode it sees the request before it
		 * enters. If it moves to another CPU after this, it has left.
		 */
		if (kvm_vcpu_exiting_guest_mode(other) == OUTSIDE_GUEST_MODE)
			continue;
		cpu = READ_ONCE(other->cpu);
		if (cpu != -1 && cpu != self)
			cpumask_set_cpu(cpu, cpus);
	}
	if (!cpumask_empty(cpus)) {
		kvmpv_count(KVMPV_STAT_FLUSH_KICKS);
		smp_call_function_many(cpus, kvmpv_ack_kick, NULL, true);
	}
	put_cpu();
}

/**
 * kvmpv_hc_flush_vcpus() - FLUSH_VCPUS
 * @vcpu: the calling vCPU
 * @gpa: of struct kvmpv_flush_vcpus; read once
 * @last: last byte of the caller's address space
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: 0, -KVMPV_EINVAL, -KVMPV_EFAULT or -KVMPV_ENOMEM.
 */
int kvmpv_hc_flush_vcpus(struct kvm_vcpu *vcpu, u64 gpa, u64 last)
{
	struct kvmpv_flush_vcpus desc;
	cpumask_var_t cpus;
	int r = kvmpv_check_flush_gpa(gpa);

	if (!r)
		r = kvmpv_read_buffer(vcpu, gpa, &desc, sizeof(desc));
	if (!r)
		r = kvmpv_check_flush(&desc, last);
	if (r)
		return r;
	if (!zalloc_cpumask_var(&cpus, GFP_KERNEL_ACCOUNT))
		return -KVMPV_ENOMEM;

	kvmpv_use_queues(vcpu->kvm);
	kvmpv_count(KVMPV_STAT_FLUSH_VCPUS);
	kvmpv_flush_others(vcpu, &desc, cpus);
	free_cpumask_var(cpus);
	if (kvmpv_in_mask(&desc, vcpu->vcpu_id))
		kvmpv_flush_self(vcpu, desc.scope, desc.va, desc.pages,
				 desc.stride_shift);
	return 0;
}

/**
 * __kvmpv_flush_queued() - do what other vCPUs have queued
 * @vcpu: the vCPU, loaded, its current root valid
 *
 * Called whenever the root is loaded. A vCPU that queues something requests that
 * (kvmpv_queue()).
 *
 * Context: sleepable, SRCU held, in the vCPU's thread.
 */
void __kvmpv_flush_queued(struct kvm_vcpu *vcpu)
{
	struct kvmpv_flush_queue *q = kvmpv_vendor_flush_queue(vcpu);
	struct kvmpv_flushes todo;

	raw_spin_lock(&q->lock);
	todo = q->todo;
	q->todo = (struct kvmpv_flushes){};
	raw_spin_unlock(&q->lock);
	kvmpv_do_flushes(vcpu, &todo, false);
}

/**
 * kvmpv_vm_destroy() - vm_destroy()
 * @vm: of the VM, none of whose vCPUs will run again
 *
 * Context: sleepable.
 */
void kvmpv_vm_destroy(struct kvmpv_vm *vm)
{
	if (vm->flushes)
		static_branch_slow_dec_deferred(&kvmpv_has_flushing_vm);
	kvmpv_populate_destroy_vm(&vm->populate);
}
