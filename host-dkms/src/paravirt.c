// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: hypercalls, registration, the module parameter,
 * counters. Nothing here knows VMX from SVM.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "hyperv.h"
#include "mmu.h"
#include "x86.h"
#include "xen.h"
#include "paravirt.h"
#include "paravirt_compat.h"

#define CREATE_TRACE_POINTS
#include "paravirt_trace.h"

static_assert(KVMPV_CR3_KEEP == X86_CR3_PCID_NOFLUSH);

/*
 * dkms replaces a module of the distribution only if the versions can be
 * compared, and the stock module has none.
 */
MODULE_VERSION(KVMPV_MODULE_VERSION);

DEFINE_STATIC_KEY_DEFERRED_FALSE(kvmpv_used, HZ);
DEFINE_PER_CPU(u64 [KVMPV_NR_STATS], kvmpv_stats);

/* Bits of the module parameter and of FEATURES that this version implements. */
#define KVMPV_F_ALL	(KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3 |		\
			 KVMPV_F_FLUSHES | KVMPV_F_RELEASE | KVMPV_F_POPULATE)

/*
 * paravirt=: 0 switches everything off, then the module behaves like the stock
 * one; a list of names offers only those.
 */
static const struct {
	const char *name;
	unsigned long bit;
} kvmpv_names[] = {
	{ "cr3-cache",	KVMPV_F_CR3_CACHE },
	{ "load-cr3",	KVMPV_F_LOAD_CR3 },
	{ "flush",	KVMPV_F_FLUSHES },
	{ "release",	KVMPV_F_RELEASE },
	{ "populate",	KVMPV_F_POPULATE },
};

static unsigned long kvmpv_allowed = KVMPV_F_ALL;

static int kvmpv_param_set(const char *val, const struct kernel_param *kp)
{
	unsigned long bits = 0;
	char *list, *rest, *word;
	int i;

	/* Not kstrtobool(): to that any word with an "n" in front means no. */
	if (!strcmp(val, "0") || !strcmp(val, "1")) {
		kvmpv_allowed = *val == '1' ? KVMPV_F_ALL : 0;
		return 0;
	}
	list = kstrdup(val, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	rest = list;
	while ((word = strsep(&rest, ",")) != NULL) {
		for (i = 0; i < ARRAY_SIZE(kvmpv_names); i++)
			if (!strcmp(word, kvmpv_names[i].name))
				break;
		if (i == ARRAY_SIZE(kvmpv_names)) {
			pr_err("%s: paravirt=: '%s' is neither 0, 1 nor one of cr3-cache, load-cr3, flush, release, populate\n",
			       THIS_MODULE->name, word);
			kfree(list);
			return -EINVAL;
		}
		bits |= kvmpv_names[i].bit;
	}
	kfree(list);
	/* /etc/modprobe.d is for all kernels: a feature that this one lacks is no error. */
	kvmpv_allowed = bits & KVMPV_F_ALL;
	return 0;
}

/**
 * kvmpv_list_names() - features as the module parameter names them
 * @buf: KVMPV_NAMES_SIZE bytes, or more
 * @bits: KVMPV_F_*; "0" if there are none
 *
 * Return: length of the string.
 */
int kvmpv_list_names(char *buf, unsigned long bits)
{
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(kvmpv_names); i++)
		if (bits & kvmpv_names[i].bit)
			n += scnprintf(buf + n, KVMPV_NAMES_SIZE - n, "%s%s",
				       n ? "," : "", kvmpv_names[i].name);
	return n ?: scnprintf(buf, KVMPV_NAMES_SIZE, "0");
}

static int kvmpv_param_get(char *buf, const struct kernel_param *kp)
{
	int n = kvmpv_list_names(buf, kvmpv_allowed);

	return n + sysfs_emit_at(buf, n, "\n");
}

static const struct kernel_param_ops kvmpv_param_ops = {
	.set = kvmpv_param_set,
	.get = kvmpv_param_get,
};

module_param_cb(paravirt, &kvmpv_param_ops, NULL, 0444);
MODULE_PARM_DESC(paravirt,
		 "0, 1 (default) or a list of cr3-cache,load-cr3,flush,release,populate: what guests are offered");

/* Refusals by reason; the order of the debugfs files and counters. */
static const struct {
	const char *name;
	int err;
} kvmpv_errors[] = {
	{ "EPERM", KVMPV_EPERM },	{ "ENOENT", KVMPV_ENOENT },
	{ "EIO", KVMPV_EIO },
	{ "ENXIO", KVMPV_ENXIO },	{ "E2BIG", KVMPV_E2BIG },
	{ "ENOEXEC", KVMPV_ENOEXEC },	{ "EAGAIN", KVMPV_EAGAIN },
	{ "ENOMEM", KVMPV_ENOMEM },	{ "EFAULT", KVMPV_EFAULT },
	{ "EBUSY", KVMPV_EBUSY },	{ "EEXIST", KVMPV_EEXIST },
	{ "EXDEV", KVMPV_EXDEV },	{ "ENODEV", KVMPV_ENODEV },
	{ "EINVAL", KVMPV_EINVAL },	{ "ENOSPC", KVMPV_ENOSPC },
	{ "EROFS", KVMPV_EROFS },	{ "ERANGE", KVMPV_ERANGE },
	{ "ELOOP", KVMPV_ELOOP },	{ "ENODATA", KVMPV_ENODATA },
	{ "EPROTO", KVMPV_EPROTO },	{ "EBADMSG", KVMPV_EBADMSG },
	{ "EOPNOTSUPP", KVMPV_EOPNOTSUPP }, { "ENOSYS", KVMPV_ENOSYS },
};

static_assert(ARRAY_SIZE(kvmpv_errors) <= KVMPV_NR_STATS - KVMPV_STAT_REFUSED_FIRST);

static void kvmpv_count_refusal(int err)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvmpv_errors); i++)
		if (kvmpv_errors[i].err == err)
			kvmpv_count(KVMPV_STAT_REFUSED_FIRST + i);
}

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

/* What a vCPU is offered that may register; on Hyper-V with eVMCS none may. */
static unsigned long kvmpv_offered_most(void)
{
	unsigned long bits;
	const char *text;

	if (!kvmpv_vendor_shadows())
		return kvmpv_populate_offered() ?
		       kvmpv_allowed & KVMPV_F_POPULATE : 0;
	bits = KVMPV_F_FLUSHES | KVMPV_F_RELEASE | KVMPV_F_LOAD_CR3;
	if (!kvmpv_vendor_targets(&text))
		bits |= KVMPV_F_CR3_CACHE;
	return bits & kvmpv_allowed;
}

/* What this vCPU is offered, now. */
static unsigned long kvmpv_offered(struct kvm_vcpu *vcpu)
{
	unsigned long bits = kvmpv_offered_most();

	if (kvmpv_check_vcpu(vcpu))
		bits &= ~(KVMPV_F_LOAD_CR3 | KVMPV_F_CR3_CACHE);
	return bits;
}

/**
 * kvmpv_check_slot() - is it RAM that the host may write?
 * @slot: what gfn_to_memslot() has found, or NULL
 *
 * Context: SRCU held.
 * Return: 0 if it is of a slot that userspace made, -KVMPV_EFAULT, -KVMPV_EROFS.
 */
int kvmpv_check_slot(const struct kvm_memory_slot *slot)
{
	/* As kvm_is_visible_memslot(): the slots behind are KVM's own. */
	if (!slot || slot->id >= KVM_USER_MEM_SLOTS ||
	    (slot->flags & KVM_MEMSLOT_INVALID))
		return -KVMPV_EFAULT;
	return slot->flags & KVM_MEM_READONLY ? -KVMPV_EROFS : 0;
}

static int kvmpv_check_ram(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return kvmpv_check_slot(gfn_to_memslot(vcpu->kvm, gpa_to_gfn(gpa)));
}

/**
 * kvmpv_read_buffer() - read what a call's argument points to, once
 * @vcpu: the vCPU
 * @gpa: guest physical address
 * @to: where to
 * @size: bytes, not beyond the page
 *
 * Not from the slots that are KVM's own: only from what userspace has made.
 *
 * Context: sleepable, SRCU held.
 * Return: 0 or -KVMPV_EFAULT.
 */
int kvmpv_read_buffer(struct kvm_vcpu *vcpu, u64 gpa, void *to, size_t size)
{
	return !kvm_is_visible_gfn(vcpu->kvm, gpa_to_gfn(gpa)) ||
	       kvm_read_guest(vcpu->kvm, gpa, to, size) ? -KVMPV_EFAULT : 0;
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
	int r = kvmpv_check_state(st, size, kvmpv_offered(vcpu),
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
	st->features_offered = kvmpv_offered(vcpu);
	st->ret = r;
	kvm_write_guest(vcpu->kvm, gpa, st,
			offsetof(struct kvmpv_state, features_accepted));
	return r;
}

static int kvmpv_register(struct kvm_vcpu *vcpu, u64 gpa, u64 size)
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
	static_branch_deferred_inc(&kvmpv_used);
	kvmpv_vendor_attach(vcpu);
	kvmpv_count(KVMPV_STAT_REGISTERED);
	kvmpv_called(vcpu);
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
	static_branch_slow_dec_deferred(&kvmpv_used);
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
	if (kvmpv_vendor_detach(vcpu))
		kvmpv_free(vcpu);
	else
		p->dead = true;
}

/* vcpu_free(): neither guest memory nor the VMCS may be touched any more. */
void kvmpv_vcpu_free(struct kvm_vcpu *vcpu)
{
	kvmpv_unlist(vcpu->kvm);
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

	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		entry[i] = kvmpv_list_entry(&none, i, 0);
	if (kvm_write_guest_cached(vcpu->kvm, &p->table, entry, sizeof(entry)))
		return;
	p->shown = false;
	p->fault_in = false;
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

static void kvmpv_count_load_cr3(struct kvmpv_vcpu *p, bool cached)
{
	p->load_cr3[cached]++;
	kvmpv_count(cached ? KVMPV_STAT_LOAD_CR3_CACHED :
			     KVMPV_STAT_LOAD_CR3_MISSED);
}

/*
 * LOAD_CR3. kvm_set_cr3() has a "no flush" only for PCIDE=1. With PCIDE=0 the
 * same is done here without kvm_invalidate_pcid(): an unsynced root is right
 * because the guest's own tlb_gen for this CR3 says so. The CPU's TLB has to be
 * flushed: its entries are of PCID 0 for every root, and a VM entry with VPID
 * drops none.
 */
static int kvmpv_load_cr3(struct kvm_vcpu *vcpu, u64 cr3, u64 flags)
{
	struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	bool noflush = flags & KVMPV_LOAD_CR3_NOFLUSH, cached;

	if (!p || p->dead)
		return -KVMPV_ENOENT;
	if (!is_long_mode(vcpu) || !is_paging(vcpu))
		return -KVMPV_ENOEXEC;
	if (kvmpv_check_load_cr3(cr3, flags) || !kvmpv_is_legal_cr3(vcpu, cr3))
		return -KVMPV_EINVAL;

	p->hold = false;
	if (p->fault_in)
		kvmpv_clear_table(vcpu, p);

	kvmpv_stash_evicted(vcpu, p->stash, cr3);
	if (!noflush || kvmpv_pcid_enabled(vcpu)) {
		if (kvm_set_cr3(vcpu, cr3 | (noflush ? X86_CR3_PCID_NOFLUSH : 0)))
			return -KVMPV_EINVAL;
	} else if (cr3 != kvm_read_cr3(vcpu)) {
		kvm_mmu_new_pgd(vcpu, cr3);
		kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
		vcpu->arch.cr3 = cr3;
		kvm_register_mark_dirty(vcpu, VCPU_REG_CR3);
	}
	cached = VALID_PAGE(vcpu->arch.mmu->root.hpa);
	kvmpv_count_load_cr3(p, cached);
	return 0;
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

/* kvm_xen_enabled is not exported, hence no kvm_xen_hypercall_enabled(). */
static bool kvmpv_foreign_hypercalls(struct kvm_vcpu *vcpu)
{
	return (kvmpv_xen_config(vcpu->kvm)->flags &
		KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL) ||
	       kvm_hv_hypercall_enabled(vcpu);
}

/* The feature that a call which needs no registration belongs to. */
static unsigned long kvmpv_feature_of(u32 nr)
{
	switch (nr) {
	case KVMPV_HC_RELEASE:
		return KVMPV_F_RELEASE;
	case KVMPV_HC_POPULATE:
		return kvmpv_populate_offered() ? KVMPV_F_POPULATE : 0;
	default:
		return KVMPV_F_FLUSHES;
	}
}

/* Calls that need no registration. @last: last byte of the address space */
static long kvmpv_dispatch_unregistered(struct kvm_vcpu *vcpu, u32 nr,
					const u64 *a, u64 last)
{
	bool populate;
	long r;

	if (!(kvmpv_allowed & kvmpv_feature_of(nr)))
		return -KVMPV_ENOSYS;
	/* POPULATE is for hosts with EPT or NPT, the others for those without. */
	populate = nr == KVMPV_HC_POPULATE;
	if (kvmpv_vendor_shadows() == populate)
		return -KVMPV_ENODEV;
	switch (nr) {
	case KVMPV_HC_FLUSH:
		r = kvmpv_flush(vcpu, a[0]);
		break;
	case KVMPV_HC_FLUSH_RANGE:
		r = kvmpv_flush_range(vcpu, a[0], a[1], a[2], a[3], last);
		break;
	case KVMPV_HC_FLUSH_VCPUS:
		r = kvmpv_flush_vcpus(vcpu, a[0], last);
		break;
	case KVMPV_HC_RELEASE:
		r = kvmpv_release(vcpu, a[0], a[1]);
		break;
	default:
		r = kvmpv_populate(vcpu, a[0], a[1]);
		break;
	}
	if (r >= 0) {
		/* The number is the guest's, also while the CPU speculates. */
		nr = array_index_nospec(nr - KVMPV_HC_FLUSH,
					KVMPV_HC_LAST - KVMPV_HC_FLUSH + 1);
		kvmpv_vendor_flush_queue(vcpu)->calls[nr]++;
		kvmpv_called(vcpu);
	}
	return r;
}

static long kvmpv_dispatch(struct kvm_vcpu *vcpu, u32 nr, const u64 *a,
			   u64 last)
{
	switch (nr) {
	case KVMPV_HC_PROBE:
		return (u32)a[0] ? KVMPV_ABI_VERSION : -KVMPV_EPROTO;
	case KVMPV_HC_FEATURES:
		return (u32)a[0] ? 0 : kvmpv_offered(vcpu);
	case KVMPV_HC_REGISTER:
		return kvmpv_register(vcpu, a[0], a[1]);
	case KVMPV_HC_UNREGISTER:
		kvmpv_unregister(vcpu);
		return 0;
	case KVMPV_HC_LOAD_CR3:
		if (kvmpv_allowed & KVMPV_F_LOAD_CR3)
			return kvmpv_load_cr3(vcpu, a[0], a[1]);
		return -KVMPV_ENOSYS;
	case KVMPV_HC_FLUSH:
	case KVMPV_HC_FLUSH_RANGE:
	case KVMPV_HC_FLUSH_VCPUS:
	case KVMPV_HC_RELEASE:
	case KVMPV_HC_POPULATE:
		return kvmpv_dispatch_unregistered(vcpu, nr, a, last);
	default:
		return -KVMPV_ENOSYS;
	}
}

static void kvmpv_answer(struct kvm_vcpu *vcpu, u32 nr, u64 a0, u64 a1, long ret,
			 u64 last)
{
	trace_kvmpv_hypercall(vcpu->vcpu_id, nr, a0, a1, ret);
	kvm_rax_write_raw(vcpu, ret & last);
	++vcpu->stat.hypercalls;
}

/* Handles one of our calls. */
static int kvmpv_call(struct kvm_vcpu *vcpu, u32 nr, u64 last)
{
	u64 a[] = {
		kvm_rbx_read_raw(vcpu) & last, kvm_rcx_read_raw(vcpu) & last,
		kvm_rdx_read_raw(vcpu) & last, kvm_rsi_read_raw(vcpu) & last,
	};
	long ret;

	if (kvmpv_vendor_cpl(vcpu))
		ret = -KVMPV_EPERM;
	else
		ret = kvmpv_dispatch(vcpu, nr, a, last);
	if (ret < 0)
		kvmpv_count_refusal(-ret);
	kvmpv_answer(vcpu, nr, a[0], a[1], ret, last);
	return kvmpv_vendor_skip(vcpu, last);
}

/* Perhaps a number of ours: bits 31 to 16 are. */
static noinline int kvmpv_maybe_call(struct kvm_vcpu *vcpu)
{
	u64 last = is_64_bit_hypercall(vcpu) ? ~0ull : (u32)~0;
	u64 nr = kvm_rax_read_raw(vcpu) & last;

	/*
	 * A nested guest's call gets here if KVM, going by its number alone,
	 * takes it for Hyper-V's TLB flush. It is not the one to say what the
	 * outer guest has in use.
	 */
	if (nr > KVMPV_HC_LAST || !kvmpv_allowed || is_guest_mode(vcpu) ||
	    kvmpv_foreign_hypercalls(vcpu))
		return kvm_emulate_hypercall(vcpu);
	return kvmpv_call(vcpu, nr, last);
}

/**
 * kvmpv_hypercall() - exit handler of VMCALL and VMMCALL
 * @vcpu: the vCPU
 *
 * KVM handles numbers that are not ours. It handles all numbers when Xen's or
 * Hyper-V's hypercalls are in use, with paravirt=0, or if a nested guest has
 * called. A number that is not ours costs one comparison, of 16 bits: the number
 * is in EAX in every mode.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: as any exit handler.
 */
int kvmpv_hypercall(struct kvm_vcpu *vcpu)
{
	static_assert(!(KVMPV_HC_BASE & 0xffff) &&
		      KVMPV_HC_LAST >> 16 == KVMPV_HC_BASE >> 16);

	if ((u32)kvm_rax_read_raw(vcpu) >> 16 == KVMPV_HC_BASE >> 16)
		return kvmpv_maybe_call(vcpu);
	return kvm_emulate_hypercall(vcpu);
}

/**
 * kvmpv_fast_call() - is this exit a LOAD_CR3 for the exit fastpath?
 * @vcpu: a registered vCPU that has called, from 64-bit code of ring 0
 * @cr3: set to the argument
 * @noflush: set to the flag
 *
 * Context: IRQs off.
 * Return: false also for all that kvmpv_hypercall() would refuse.
 */
bool kvmpv_fast_call(struct kvm_vcpu *vcpu, u64 *cr3, bool *noflush)
{
	u64 flags = kvm_rcx_read_raw(vcpu);

	*cr3 = kvm_rbx_read_raw(vcpu);
	*noflush = flags & KVMPV_LOAD_CR3_NOFLUSH;
	return kvm_rax_read_raw(vcpu) == KVMPV_HC_LOAD_CR3 &&
	       (kvmpv_allowed & KVMPV_F_LOAD_CR3) &&
	       !kvmpv_check_load_cr3(*cr3, flags) &&
	       !kvmpv_foreign_hypercalls(vcpu);
}

/**
 * kvmpv_fast_called() - a LOAD_CR3 was done in the exit fastpath
 * @vcpu: a registered vCPU that has called
 *
 * Context: IRQs off.
 */
void kvmpv_fast_called(struct kvm_vcpu *vcpu)
{
	kvmpv_count_load_cr3(*kvmpv_vendor_vcpu(vcpu), true);
	kvmpv_answer(vcpu, KVMPV_HC_LOAD_CR3, kvm_rbx_read_raw(vcpu),
		     kvm_rcx_read_raw(vcpu), 0, ~0ull);
}

static int kvmpv_stat_get(void *data, u64 *val)
{
	unsigned long stat = (unsigned long)data;
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(kvmpv_stats[stat], cpu));
	*val = sum;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(kvmpv_stat_fops, kvmpv_stat_get, NULL, "%llu\n");

/* What a 64-bit guest is offered: the parameter, and what the CPU has. */
static int kvmpv_offered_show(struct seq_file *m, void *v)
{
	char names[KVMPV_NAMES_SIZE];

	kvmpv_list_names(names, kvmpv_offered_most());
	seq_printf(m, "%s\n", names);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kvmpv_offered);

/* Why the cache is not offered, if the CPU is the reason. */
static int kvmpv_targets_show(struct seq_file *m, void *v)
{
	const char *text;

	kvmpv_vendor_targets(&text);
	seq_printf(m, "%s\n", text);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kvmpv_targets);

static struct dentry *kvmpv_debugfs;

static void kvmpv_stat_file(const char *name, unsigned long stat)
{
	debugfs_create_file(name, 0444, kvmpv_debugfs, (void *)stat,
			    &kvmpv_stat_fops);
}

/**
 * kvmpv_module_init() - counters in debugfs, what dmesg says
 *
 * Context: module init.
 */
void __init kvmpv_module_init(void)
{
	char name[32];
	int i;

	/* A guest that is a host itself has "kvm_paravirt" as well. */
	kvmpv_debugfs = debugfs_create_dir("kvm_paravirt_host", NULL);
	kvmpv_vcpus_init(kvmpv_debugfs);
	debugfs_create_file("offered", 0444, kvmpv_debugfs, NULL,
			    &kvmpv_offered_fops);
	debugfs_create_file("cr3_targets", 0444, kvmpv_debugfs, NULL,
			    &kvmpv_targets_fops);
	kvmpv_stat_file("registered", KVMPV_STAT_REGISTERED);
	kvmpv_stat_file("unregistered", KVMPV_STAT_UNREGISTERED);
	kvmpv_stat_file("publishes", KVMPV_STAT_PUBLISHES);
	kvmpv_stat_file("switches", KVMPV_STAT_SWITCHES);
	kvmpv_stat_file("stash_switches", KVMPV_STAT_STASH_SWITCHES);
	kvmpv_stat_file("restarts", KVMPV_STAT_RESTARTS);
	kvmpv_stat_file("load_cr3_cached", KVMPV_STAT_LOAD_CR3_CACHED);
	kvmpv_stat_file("load_cr3_missed", KVMPV_STAT_LOAD_CR3_MISSED);
	kvmpv_stat_file("flush", KVMPV_STAT_FLUSH);
	kvmpv_stat_file("flush_range", KVMPV_STAT_FLUSH_RANGE);
	kvmpv_stat_file("flush_vcpus", KVMPV_STAT_FLUSH_VCPUS);
	kvmpv_stat_file("flush_kicks", KVMPV_STAT_FLUSH_KICKS);
	kvmpv_stat_file("release", KVMPV_STAT_RELEASE);
	kvmpv_stat_file("populate", KVMPV_STAT_POPULATE);
	kvmpv_stat_file("populate_pages", KVMPV_STAT_POPULATE_PAGES);
	kvmpv_stat_file("kernel_fills", KVMPV_STAT_KERNEL_FILLS);
	kvmpv_stat_file("populate_faults", KVMPV_STAT_POPULATE_FAULTS);
	kvmpv_stat_file("populate_mapped", KVMPV_STAT_POPULATE_MAPPED);
	kvmpv_stat_file("populate_allocated", KVMPV_STAT_POPULATE_ALLOCATED);
	kvmpv_stat_file("populate_short", KVMPV_STAT_POPULATE_SHORT);
	kvmpv_stat_file("populate_given_back", KVMPV_STAT_POPULATE_GIVEN_BACK);
	for (i = 0; i < ARRAY_SIZE(kvmpv_errors); i++) {
		snprintf(name, sizeof(name), "refused_%s", kvmpv_errors[i].name);
		kvmpv_stat_file(name, KVMPV_STAT_REFUSED_FIRST + i);
	}
	pr_info("%s: kvm-paravirt " KVMPV_MODULE_VERSION ", ABI version %d\n",
		THIS_MODULE->name, KVMPV_ABI_VERSION);
}

/**
 * kvmpv_module_exit() - undo kvmpv_module_init()
 *
 * Context: module exit; no VM is left.
 */
void kvmpv_module_exit(void)
{
	debugfs_remove(kvmpv_debugfs);
	static_key_deferred_flush(&kvmpv_used);
	static_key_deferred_flush(&kvmpv_flush_used);
}
