// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: registration of a vCPU, from what it is offered
 * until the registration ends.
 */
#include <linux/slab.h>

#include "mmu.h"
#include "x86.h"
#include "paravirt.h"
#include "paravirt_compat.h"

static_assert(KVMPV_CR3_KEEP == X86_CR3_PCID_NOFLUSH);

DEFINE_STATIC_KEY_DEFERRED_FALSE(kvmpv_has_registered_vcpu, HZ);

/* Can this vCPU register, now? If not, the error that says why. */
static int kvmpv_check_vcpu(struct kvm_vcpu *vcpu)
{
	int r;

	if (!kvmpv_vendor_shadows())
		return -KVMPV_ENODEV;
	r = kvmpv_vendor_check(vcpu);
	if (r)
		return r;
	if (is_smm(vcpu))
		return -KVMPV_EAGAIN;
	if (!is_long_mode(vcpu) || !is_paging(vcpu))
		return -KVMPV_ENOEXEC;
	return 0;
}

/**
 * kvmpv_host_features() - what a 64-bit vCPU of this host is offered
 *
 * On Hyper-V with eVMCS no vCPU may register, whatever this says.
 *
 * Context: any.
 * Return: KVMPV_F_* of the host.
 */
unsigned long kvmpv_host_features(void)
{
	unsigned long bits;
	const char *text;

	if (!kvmpv_vendor_shadows())
		return kvmpv_populate_offered() ?
		       kvmpv_allowed & KVMPV_F_POPULATE : 0;
	bits = KVMPV_F_FLUSHES | KVMPV_F_RELEASE | KVMPV_F_LOADS;
	if (!kvmpv_vendor_targets(&text))
		bits |= KVMPV_F_CR3_CACHE;
	return bits & kvmpv_allowed;
}

/**
 * kvmpv_features_offered() - what this vCPU is offered now
 * @vcpu: the vCPU
 *
 * Context: the vCPU is loaded.
 * Return: KVMPV_F_*; without what needs a registration if it cannot register.
 */
unsigned long kvmpv_features_offered(struct kvm_vcpu *vcpu)
{
	unsigned long bits = kvmpv_host_features();

	if (kvmpv_check_vcpu(vcpu))
		bits &= ~(KVMPV_F_LOADS | KVMPV_F_CR3_CACHE);
	return bits;
}

/* Under the VM's lock: is a page in use as a state or table page of a vCPU? */
static bool kvmpv_page_in_use(struct kvm *kvm, gpa_t gpa)
{
	struct kvm_vcpu *other;
	struct kvmpv_vcpu *p;
	unsigned long i;

	kvm_for_each_vcpu(i, other, kvm) {
		p = *kvmpv_vendor_vcpu(other);
		if (p && (p->state_gpa == gpa || p->table_gpa == gpa))
			return true;
	}
	return false;
}

static int kvmpv_install(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(vcpu->kvm);
	int r = 0;

	mutex_lock(&vm->lock);
	if (p->state_gpa == p->table_gpa ||
	    kvmpv_page_in_use(vcpu->kvm, p->state_gpa) ||
	    (p->cache && kvmpv_page_in_use(vcpu->kvm, p->table_gpa)))
		r = -KVMPV_EBUSY;
	else
		*kvmpv_vendor_vcpu(vcpu) = p;
	mutex_unlock(&vm->lock);
	return r;
}

static int kvmpv_prepare(struct kvm_vcpu *vcpu, const struct kvmpv_state *st,
			 u64 gpa, u64 size, struct kvmpv_vcpu *p)
{
	const char *text;
	int r = kvmpv_check_state(st, size, kvmpv_features_offered(vcpu),
				  kvmpv_vendor_targets(&text));

	if (r)
		return r;
	p->state_gpa = gpa;
	p->table_gpa = INVALID_GPA;
	p->features = st->features_accepted;
	p->in_run = true;
	if (kvm_gfn_to_hva_cache_init(vcpu->kvm, &p->state, gpa, sizeof(*st)))
		return -KVMPV_EFAULT;

	if (st->features_accepted & KVMPV_F_CR3_CACHE) {
		p->cache = true;
		p->table_gpa = st->table_gpa;
		/* What the guest left in the table does not matter: the next entry empties it. */
		p->shown = true;
		r = kvmpv_check_ram(vcpu, st->table_gpa);
		if (!r)
			r = kvmpv_check_windows(st, &p->windows);
		if (r)
			return r;
		if (kvm_gfn_to_hva_cache_init(vcpu->kvm, &p->table, st->table_gpa,
					      sizeof(struct kvmpv_entry) *
					      KVMPV_NR_ENTRIES))
			return -KVMPV_EFAULT;
	}
	p->stash = kvmpv_stash_alloc();
	return p->stash ? kvmpv_install(vcpu, p) : -KVMPV_ENOMEM;
}

/*
 * REGISTER. VMCALL handler context: sleepable, SRCU held. @st is a copy: the
 * guest's other vCPUs may write to the page at any time.
 */
static int kvmpv_register_state(struct kvm_vcpu *vcpu, u64 gpa, u64 size,
				struct kvmpv_state *st)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(vcpu->kvm);
	struct kvmpv_vcpu *p;
	bool busy;
	int r;

	/* If the page is another vCPU's, not even the error is written to it. */
	mutex_lock(&vm->lock);
	busy = kvmpv_page_in_use(vcpu->kvm, gpa);
	mutex_unlock(&vm->lock);
	if (busy)
		return -KVMPV_EBUSY;
	if (kvm_read_guest(vcpu->kvm, gpa, st, sizeof(*st)))
		return -KVMPV_EFAULT;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	r = p ? kvmpv_prepare(vcpu, st, gpa, size, p) : -KVMPV_ENOMEM;
	if (r && p) {
		kfree(p->stash);
		kfree(p);
	}
	st->host_version = KVMPV_ABI_VERSION;
	st->features_offered = kvmpv_features_offered(vcpu);
	st->ret = r;
	kvm_write_guest(vcpu->kvm, gpa, st,
			offsetof(struct kvmpv_state, features_accepted));
	return r;
}

/**
 * kvmpv_hc_register() - REGISTER
 * @vcpu: the vCPU, loaded
 * @gpa: of its state page
 * @size: of that, in bytes
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: 0, or an error of those that abi/README.md has for the call.
 */
int kvmpv_hc_register(struct kvm_vcpu *vcpu, u64 gpa, u64 size)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	struct kvmpv_state *st;
	int r = kvmpv_check_vcpu(vcpu);

	if (r)
		return r;
	if (p && p->dead)
		kvmpv_unregister(vcpu);
	else if (p)
		return -KVMPV_EEXIST;
	r = kvmpv_check_size(size);
	if (!r)
		r = kvmpv_check_page(gpa);
	if (!r)
		r = kvmpv_check_ram(vcpu, gpa);
	if (r)
		return r;

	st = kmalloc(sizeof(*st), GFP_KERNEL_ACCOUNT);
	if (!st)
		return -KVMPV_ENOMEM;
	r = kvmpv_register_state(vcpu, gpa, size, st);
	kfree(st);
	if (r)
		return r;

	/* Deferred: a guest cannot make the host patch its text in a loop. */
	static_branch_deferred_inc(&kvmpv_has_registered_vcpu);
	kvmpv_vendor_attach(vcpu);
	kvmpv_count(KVMPV_STAT_REGISTERED);
	kvmpv_vm_list_add(vcpu);
	return 0;
}

static void kvmpv_free(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vcpu **slot = kvmpv_vendor_vcpu(vcpu), *p = *slot;
	struct kvmpv_vm *vm = kvmpv_vendor_vm(vcpu->kvm);

	kvmpv_stash_free(vcpu, p->stash);
	mutex_lock(&vm->lock);
	*slot = NULL;
	mutex_unlock(&vm->lock);
	kfree(p);
	static_branch_slow_dec_deferred(&kvmpv_has_registered_vcpu);
	kvmpv_count(KVMPV_STAT_UNREGISTERED);
}

/**
 * kvmpv_unregister() - forget a vCPU's registration
 * @vcpu: the vCPU, loaded
 *
 * The table is emptied unless userspace may have made another guest of it.
 * Nothing is written into guest memory afterwards. Nothing to do if the vCPU
 * is not registered. If the CPU's list cannot be emptied now, the registration
 * is dead, and is dropped when KVM_RUN returns after an entry that emptied it.
 *
 * Context: sleepable, in the vCPU's thread.
 */
void kvmpv_unregister(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	int idx;

	if (!p)
		return;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	if (p->shown && p->in_run && !p->dead)
		kvmpv_clear_table(vcpu, p);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	if (kvmpv_vendor_detach(vcpu)) {
		kvmpv_free(vcpu);
	} else {
		p->dead = true;
		p->settled = false;
	}
}

/**
 * kvmpv_vcpu_free() - vcpu_free()
 * @vcpu: any vCPU
 *
 * Drops its registration if there is one. Neither guest memory nor the VMCS may
 * be touched any more, so the table stays as it is.
 *
 * Context: sleepable; the vCPU will not run again.
 */
void kvmpv_vcpu_free(struct kvm_vcpu *vcpu)
{
	kvmpv_vm_list_del(vcpu->kvm);
	if (*kvmpv_vendor_vcpu(vcpu))
		kvmpv_free(vcpu);
}

/**
 * kvmpv_clear_table() - empty the guest's table
 * @vcpu: the vCPU
 * @p: its registration
 *
 * Faults the page in, and marks it dirty. If the page is gone the table stays
 * marked as shown, and nothing is published before it could be written.
 *
 * Context: sleepable, SRCU held.
 */
void kvmpv_clear_table(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p)
{
	static const struct kvmpv_list none;
	struct kvmpv_entry entry[KVMPV_NR_ENTRIES];
	unsigned int i;

	p->settled = false;
	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		entry[i] = kvmpv_list_entry(&none, i, 0);
	p->fault_in = kvm_write_guest_cached(vcpu->kvm, &p->table, entry, sizeof(entry));
	if (!p->fault_in)
		p->shown = false;
}

static struct kvmpv_place kvmpv_place(struct kvm_vcpu *vcpu)
{
	return (struct kvmpv_place){
		.cr3 = kvmpv_vendor_cr3(vcpu),
		.nested = is_guest_mode(vcpu),
		.smm = is_smm(vcpu),
	};
}

/**
 * kvmpv_left() - get_if_flag(), as post_kvm_run_save() calls it
 * @vcpu: a registered vCPU
 *
 * Userspace may read, save or replace guest memory and registers from here
 * on: it finds an empty table.
 *
 * That it is get_if_flag() has no meaning of its own. It is the one operation of the
 * vendor module that KVM calls whenever KVM_RUN is about to return, and at no
 * other time. vcpu_put() is called as well when the thread is preempted, and may
 * neither sleep nor write to guest memory.
 *
 * Context: sleepable, SRCU held, KVM_RUN is about to return.
 */
void kvmpv_left(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	u64 told[2] = { p->publishes, p->restarts };

	if (p->dead) {
		kvmpv_unregister(vcpu);
		return;
	}
	/* If KVM_RUN never got to an entry, nobody has judged what userspace has set. */
	if (!p->in_run)
		return;
	p->in_run = false;
	p->settled = false;
	p->left = kvmpv_place(vcpu);
	if (p->shown)
		kvmpv_clear_table(vcpu, p);
	kvmpv_stash_trim(vcpu, p->stash);
	if (p->publishes == p->told_publishes &&
	    p->restarts == p->told_restarts)
		return;
	if (!kvm_write_guest_offset_cached(vcpu->kvm, &p->state, told,
					   offsetof(struct kvmpv_state, publishes),
					   sizeof(told))) {
		p->told_publishes = p->publishes;
		p->told_restarts = p->restarts;
	}
}

/**
 * kvmpv_entered() - the guest is about to run
 * @vcpu: a registered vCPU, not in_run
 *
 * Called for the first entry of a KVM_RUN: userspace may have restored another
 * state. Nothing has been written into guest memory since KVM_RUN returned,
 * whatever is about to run: the guest itself, its nested guest, or SMM.
 *
 * Context: preemption off.
 */
void kvmpv_entered(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	struct kvmpv_place now;

	p->in_run = true;
	now = kvmpv_place(vcpu);
	/* It has restored another state, so the table's page may have another use now. */
	if (kvmpv_is_elsewhere(&p->left, &now))
		p->dead = true;
}

/**
 * kvmpv_end_unpaged() - the guest is about to run without paging
 * @vcpu: a registered vCPU
 *
 * RSM clears PG on its way back, but sets it again before an entry. So here the
 * guest that has registered does not exist any more.
 *
 * Context: preemption off.
 */
void kvmpv_end_unpaged(struct kvm_vcpu *vcpu)
{
	if (!is_smm(vcpu))
		(*kvmpv_vendor_vcpu(vcpu))->dead = true;
}

/**
 * kvmpv_paging_off() - set_cr0() with PG clear
 * @vcpu: a registered vCPU
 *
 * From userspace (KVM_SET_SREGS) it is a reset or the start of a restore, also
 * of a vCPU that is in SMM. In KVM_RUN the next entry decides: RSM clears PG and
 * sets it again.
 *
 * Before the first entry of a KVM_RUN the two look alike when an SMI is taken
 * that userspace has raised (KVM_SMI): enter_smm() is in SMM already when it
 * clears PG. Then the vCPU has to be in SMM at that entry, too, as if it had left
 * there; else it was a restore.
 *
 * Context: sleepable.
 */
void kvmpv_paging_off(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);

	if (p->in_run)
		return;
	if (is_smm(vcpu) && !p->left.smm)
		p->left.smm = true;
	else
		kvmpv_unregister(vcpu);
}
