// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, VMX: the CR3-target list and the guest's table.
 *
 * Under shadow paging a MOV to CR3 exits unless its operand is one of up to
 * four values in the VMCS (SDM 26.1.3, "CR3-target list"). The values are the
 * shadow roots that KVM keeps referenced for this vCPU anyway: mmu->root and
 * mmu->prev_roots[]. The guest reads from its table which value to move for
 * which CR3 of its own; after each exit GUEST_CR3 tells what it did.
 */
#include <linux/uaccess.h>

#include "vmx/capabilities.h"
#include "mmu.h"
#include "x86.h"
#include "vmx/nested.h"
#include "vmx/vmx.h"
#include "vmx/vmx_ops.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"
#include "paravirt_trace.h"

/* mmu->root and all of mmu->prev_roots[] fit, and stay referenced. */
static_assert(KVM_MMU_NUM_PREV_ROOTS + 1 == KVMPV_NR_ENTRIES);

struct kvmpv_vcpu **kvmpv_vendor_vcpu(struct kvm_vcpu *vcpu)
{
	return &to_vmx(vcpu)->kvmpv;
}

struct kvmpv_vm *kvmpv_vendor_vm(struct kvm *kvm)
{
	return &to_kvm_vmx(kvm)->kvmpv;
}

struct kvmpv_flush_queue *kvmpv_vendor_flush_queue(struct kvm_vcpu *vcpu)
{
	return &to_vmx(vcpu)->kvmpv_flush;
}

bool kvmpv_vendor_shadows(void)
{
	return !enable_ept;
}

/* What is known of the CPU, for all vCPUs; the first to find out logs it. */
static enum kvmpv_targets kvmpv_targets;

static const char *const kvmpv_targets_text[] = {
	[KVMPV_TARGETS_WHOLE] = "usable",
	[KVMPV_TARGETS_NO_KEEP] =
		"usable: the CPU compares them without bit 63 of the operand",
	[KVMPV_TARGETS_UNUSED] = "not usable: the CPU exits on values that are listed",
	[KVMPV_TARGETS_NO_TAG] = "not usable: the CPU does not keep bit 10 of CR3",
};

bool kvmpv_vendor_tracks_accesses(void)
{
	return enable_ept_ad_bits;
}

/* KVM, Xen and Hyper-V tell their guests that there are 0. */
int kvmpv_vendor_targets(const char **text)
{
	enum kvmpv_targets found = READ_ONCE(kvmpv_targets);
	unsigned int nr = vmx_misc_cr3_count(vmcs_config.misc);

	*text = nr < KVMPV_NR_ENTRIES ? "none" : kvmpv_targets_text[found];
	return kvmpv_check_targets(nr, found);
}

int kvmpv_vendor_check(struct kvm_vcpu *vcpu)
{
	if (kvmpv_is_using_evmcs())
		return -KVMPV_EXDEV;
	if (to_vmx(vcpu)->nested.vmxon)
		return -KVMPV_ELOOP;
	return 0;
}

int kvmpv_vendor_cpl(struct kvm_vcpu *vcpu)
{
	return vmx_get_cpl(vcpu);
}

/* The VMCS has the instruction's length, and KVM wraps by the mode. */
int kvmpv_vendor_skip(struct kvm_vcpu *vcpu, u64 last)
{
	return kvm_skip_emulated_instruction(vcpu);
}

/* While a nested guest runs, the CR3 to which the guest comes back when that one exits. */
u64 kvmpv_vendor_cr3(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) ? get_vmcs12(vcpu)->host_cr3 :
				     kvm_read_cr3(vcpu);
}

/* The tag bit changes the hardware PCID: flush the entries of the old one. */
static void kvmpv_reload(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
	kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, vcpu);
}

void kvmpv_vendor_attach(struct kvm_vcpu *vcpu)
{
	kvmpv_reload(vcpu);
}

/*
 * Never forget a vCPU while its VMCS lists targets: the roots behind them may
 * be freed. False if the VMCS with the list is not the loaded one.
 */
bool kvmpv_vendor_detach(struct kvm_vcpu *vcpu)
{
	if (to_vmx(vcpu)->loaded_vmcs != &to_vmx(vcpu)->vmcs01)
		return false;
	vmcs_write32(CR3_TARGET_COUNT, 0);
	kvmpv_reload(vcpu);
	return true;
}

/**
 * __kvmpv_load_pgd() - vmx_load_mmu_pgd(), EPT off
 * @vmx: a registered vCPU
 * @hw: root hpa | active PCID
 * @level: of the root
 *
 * Adds the tag, so that no CR3 value of the guest's own can equal a target.
 *
 * Context: sleepable, SRCU held.
 * Return: what to load into GUEST_CR3.
 */
unsigned long __kvmpv_load_pgd(struct vcpu_vmx *vmx, unsigned long hw,
			       int level)
{
	vmx->kvmpv->settled = false;
	if (vmx->loaded_vmcs != &vmx->vmcs01)
		return hw;
	if (level < PT64_ROOT_4LEVEL) {
		vmx->kvmpv->loaded = hw;
		return hw;
	}
	if (hw & KVMPV_CR3_TAG) {
		/* A guest PCID with the tag bit: against the ABI. */
		kvmpv_unregister(&vmx->vcpu);
		return hw;
	}
	kvmpv_fill_kernel(&vmx->vcpu);
	vmx->kvmpv->loaded = hw | KVMPV_CR3_TAG;
	return vmx->kvmpv->loaded;
}

static noinline void kvmpv_restart(struct vcpu_vmx *vmx, const struct kvmpv_window *w)
{
	trace_kvmpv_restart(vmx->vcpu.vcpu_id, kvm_rip_read(&vmx->vcpu));
	kvm_rip_write(&vmx->vcpu, w->start);
	vmx->kvmpv->restarts++;
	kvmpv_count(KVMPV_STAT_RESTARTS);
}

/* What has been found out is true of every vCPU, and is logged once. */
static void kvmpv_found(enum kvmpv_targets was, enum kvmpv_targets is)
{
	if (cmpxchg(&kvmpv_targets, was, is) == was)
		pr_warn("%s: kvm-paravirt: CR3 targets are %s\n",
			THIS_MODULE->name, kvmpv_targets_text[is]);
}

/*
 * The one assumption about the CPU, tried before anything is listed: that bit
 * 10, which it ignores in CR3, is still there in GUEST_CR3 after an exit. Without
 * targets each MOV to CR3 exits, so the guest has left CR3 as it was loaded.
 */
static noinline void kvmpv_prove(struct vcpu_vmx *vmx)
{
	struct kvmpv_vcpu *p = vmx->kvmpv;
	u64 hw;

	if (p->dead || p->found == KVMPV_TARGETS_NO_TAG ||
	    !(p->loaded & KVMPV_CR3_TAG))
		return;
	hw = vmcs_readl(GUEST_CR3);
	if (hw == p->loaded) {
		p->proven = true;
		return;
	}
	/*
	 * A difference is the CPU's doing only if the missing bit alone explains it:
	 * KVM itself writes GUEST_CR3 when userspace restores nested state, and that
	 * may fail halfway. Then the next load of CR3 gives another chance.
	 */
	if (hw == (p->loaded & ~KVMPV_CR3_TAG) && !vmx->nested.vmxon)
		kvmpv_found(p->found, KVMPV_TARGETS_NO_TAG);
}

/*
 * KVM_BUG_ON() without its wait for other CPUs, which must not be done with
 * IRQs off: two CPUs in it would wait for each other. The other vCPUs end when
 * they next leave guest mode. No WARN, either: panic_on_warn is for the
 * host's mistakes.
 */
static void kvmpv_end_vm(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm->vm_bugged = true;
	kvm->vm_dead = true;
	kvm_for_each_vcpu(i, vcpu, kvm)
		kvm_make_request(KVM_REQ_VM_DEAD, vcpu);
}

static u64 kvmpv_kept(const struct vcpu_vmx *vmx)
{
	const struct kvm_mmu_root_info *prev = vmx->vcpu.arch.root_mmu.prev_roots;

	return kvmpv_sum_roots(prev[0].hpa, prev[1].hpa, prev[2].hpa);
}

/* The guest runs on another of the listed roots: make it KVM's current one. */
static noinline void kvmpv_handle_switch(struct vcpu_vmx *vmx, u64 hw)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;
	const struct kvmpv_root *root;
	int k = KVM_MMU_NUM_PREV_ROOTS;

	root = kvmpv_list_find(&vmx->kvmpv->list, hw);
	if (root)
		for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++)
			if (mmu->prev_roots[k].hpa == root->hpa &&
			    mmu->prev_roots[k].pgd == root->pgd)
				break;
	/* The CPU has taken a value that was not listed: nobody knows its page tables. */
	if (unlikely(k == KVM_MMU_NUM_PREV_ROOTS)) {
		pr_err_ratelimited("%s: kvm-paravirt: vCPU %d runs on a CR3 that was not listed: its VM is ended\n",
				   THIS_MODULE->name, vcpu->vcpu_id);
		kvmpv_end_vm(vcpu->kvm);
		return;
	}

	kvmpv_make_current(vcpu, mmu->prev_roots[k], k + 1);
	/* The same roots in another order are published as they were. */
	vmx->kvmpv->kept = kvmpv_kept(vmx);
	vmx->kvmpv->loaded = hw;
	vmx->kvmpv->misses = 0;
	vmx->kvmpv->switches++;
	kvmpv_count(KVMPV_STAT_SWITCHES);
	trace_kvmpv_switch(vcpu->vcpu_id, mmu->root.pgd);
}

/* kvm_rip_read() without the calls that lead to vmx_cache_reg(). */
static __always_inline unsigned long kvmpv_rip(struct kvm_vcpu *vcpu)
{
	if (!kvm_register_is_available(vcpu, VCPU_REG_RIP)) {
		kvm_register_mark_available(vcpu, VCPU_REG_RIP);
		*kvmpv_cached_rip(vcpu) = vmcs_readl(GUEST_RIP);
	}
	return *kvmpv_cached_rip(vcpu);
}

static noinline void kvmpv_leave_window(struct vcpu_vmx *vmx)
{
	const struct kvmpv_window *w = kvmpv_find_window(&vmx->kvmpv->windows,
							 kvm_rip_read(&vmx->vcpu));

	if (w && !vmx_get_cpl(&vmx->vcpu)) {
		kvmpv_restart(vmx, w);
		vmx->kvmpv->restarted = true;
	}
}

/*
 * Must the guest not run on listed roots now? Not while KVM emulates, for one: the
 * emulator's MOV to CR3 does not pass __kvmpv_mov_to_cr3().
 */
static bool kvmpv_is_barred(struct vcpu_vmx *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;

	return vcpu->arch.mmu != &vcpu->arch.root_mmu || is_smm(vcpu) ||
	       vcpu->guest_debug || vmx->nested.vmxon ||
	       kvmpv_emulation_required(vmx);
}

static struct kvmpv_root kvmpv_root(struct kvm_vcpu *vcpu,
				    const struct kvm_mmu_root_info *info)
{
	return (struct kvmpv_root){
		.pgd = info->pgd,
		.hpa = info->hpa,
		.hw = info->hpa | kvm_get_pcid(vcpu, info->pgd) |
		      kvmpv_lam_bits(info->pgd) | KVMPV_CR3_TAG,
	};
}

/*
 * Is it a root of the vCPU's role? prev_roots[] outlive a change of role, and hold roots
 * of this guest's nested guests: only the current role is the CPU's. The invalid bit of
 * a zapped root is in the role, too.
 */
static bool kvmpv_is_current_role(const struct kvm_mmu *mmu, hpa_t hpa)
{
	const struct kvm_mmu_page *sp;

	if (!VALID_PAGE(hpa))
		return false;
	sp = kvmpv_root_to_sp(hpa);
	return sp && sp->role.word == mmu->root_role.word;
}

/* May roots be published, as far as the state of the CPU is concerned? */
static bool kvmpv_may_list(struct vcpu_vmx *vmx)
{
	return !kvmpv_is_barred(vmx) &&
	       vmx->vcpu.arch.mmu->root_role.level >= PT64_ROOT_4LEVEL;
}

/* The roots that may be published now, the current one first. */
static unsigned int kvmpv_collect_roots(struct vcpu_vmx *vmx, struct kvmpv_root *out)
{
	struct kvmpv_root cand[KVMPV_NR_ENTRIES] = {};
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	struct kvm_mmu_root_info *info;
	unsigned int i;

	if (!kvmpv_may_list(vmx))
		return 0;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		info = i ? &mmu->prev_roots[i - 1] : &mmu->root;
		if (kvmpv_is_current_role(mmu, info->hpa))
			cand[i] = kvmpv_root(vcpu, info);
	}
	return kvmpv_select_roots(cand, KVMPV_NR_ENTRIES, vmx->kvmpv->loaded,
				  out);
}

static void kvmpv_write_targets(struct kvmpv_vcpu *p)
{
	u64 target[KVMPV_NR_ENTRIES];
	unsigned int i, n = kvmpv_list_targets(&p->list,
					       kvmpv_target_flag(p->found, p->flag),
					       target);

	for (i = 0; i < n; i++)
		vmcs_writel(CR3_TARGET_VALUE0 + 2 * i, target[i]);
	vmcs_write32(CR3_TARGET_COUNT, n);
	p->listed = n;
}

/* Where the guest's table is now in the VMM's memory; NULL if it is not there. */
static struct kvmpv_entry __user *kvmpv_table(struct kvm_vcpu *vcpu,
					      struct gfn_to_hva_cache *ghc)
{
	if (ghc->generation != kvm_memslots(vcpu->kvm)->generation &&
	    kvm_gfn_to_hva_cache_init(vcpu->kvm, ghc, ghc->gpa, ghc->len))
		return NULL;
	if (kvm_is_error_hva(ghc->hva) || !ghc->memslot)
		return NULL;
	return (struct kvmpv_entry __user *)ghc->hva;
}

/* The caller has disabled page faults. */
static __always_inline bool kvmpv_put_entry(struct kvmpv_entry __user *to,
					    struct kvmpv_entry entry)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_user(entry.guest_cr3, &to->guest_cr3, failed);
	unsafe_put_user(entry.host_cr3, &to->host_cr3, failed);
	user_write_access_end();
	return true;

failed:
	user_write_access_end();
	return false;
}

/*
 * Writes @nr entries of the guest's table, from @first on, as the list has them, and marks
 * the page dirty. It neither sleeps nor faults pages in.
 */
static bool kvmpv_write_table(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p,
			      unsigned int first, unsigned int nr)
{
	struct kvmpv_entry __user *to = kvmpv_table(vcpu, &p->table);
	bool failed = !to;
	unsigned int i;

	pagefault_disable();
	for (i = first; i < first + nr && !failed; i++)
		failed = !kvmpv_put_entry(to + i, kvmpv_list_entry(&p->list, i, p->flag));
	pagefault_enable();
	if (failed)
		return false;
	/* mark_page_dirty_in_slot() would look at this itself, but it is a call. */
	if (kvm_slot_dirty_track_enabled(p->table.memslot))
		mark_page_dirty_in_slot(vcpu->kvm, p->table.memslot,
					gpa_to_gfn(p->table.gpa));
	return true;
}

static __always_inline void kvmpv_count_publish(struct kvm_vcpu *vcpu,
						struct kvmpv_vcpu *p)
{
	p->publishes++;
	kvmpv_count(KVMPV_STAT_PUBLISHES);
	trace_kvmpv_publish(vcpu->vcpu_id, p->list.used);
}

/* Lists @n roots, or nothing if the guest's table cannot be written to say the same. */
static void kvmpv_write(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p,
			unsigned int n, bool changed)
{
	if (!p->dead && !p->fault_in) {
		p->shown = true;
		if (kvmpv_write_table(vcpu, p, 0, KVMPV_NR_ENTRIES)) {
			p->shown = n;
		} else {
			p->fault_in = true;
			p->list.used = 0;
		}
	}
	if (changed || p->listed != !!p->list.used)
		kvmpv_write_targets(p);
	if (changed)
		kvmpv_count_publish(vcpu, p);
}

/*
 * Shows @root in the slot of one that has gone, in the list and in the table; the other
 * slots stay as they are. SRCU is held; it does not sleep.
 *
 * If it returns false the caller must call kvmpv_publish(): the list may have changed
 * and the targets not, as the table's page is not there.
 */
static __always_inline bool kvmpv_replace(struct vcpu_vmx *vmx,
					  const struct kvmpv_root *gone,
					  const struct kvmpv_root *root)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvmpv_vcpu *p = vmx->kvmpv;
	int slot = kvmpv_list_replace(&p->list, gone, root);

	if (slot < 0)
		return false;
	if (!kvmpv_write_table(vcpu, p, slot, 1)) {
		/* A table that cannot be written: nothing is listed then. */
		p->fault_in = true;
		return false;
	}
	vmcs_writel(CR3_TARGET_VALUE0 + 2 * slot,
		    root->hw | kvmpv_target_flag(p->found, p->flag));
	p->kept = kvmpv_kept(vmx);
	kvmpv_count_publish(vcpu, p);
	return true;
}

/*
 * Would kvmpv_publish() find everything as it has left it? That is so at most
 * entries. What it looks at changes in four ways:
 *
 *  - A root comes, or roots change places, or the vCPU's role changes. KVM then
 *    calls load_mmu_pgd() before it enters the guest, at once (kvm_mmu_load()) or by
 *    way of KVM_REQ_LOAD_MMU_PGD (kvm_mmu_new_pgd()); an entry with a request
 *    pending is cancelled. __kvmpv_load_pgd() clears @settled. A change of the role
 *    (CR0, CR4, EFER, SMM) empties the arrays (kvm_mmu_reset_context()), so that the
 *    next root is one that comes. What is moved by ourselves, in the exit fastpath, is
 *    published there. Only there, where nothing can have gone since the entry, may
 *    @kept be set without a look at all roots.
 *  - A root of prev_roots[] goes: for an INVPCID, a flush, or because it is obsolete.
 *    Nobody is called for that. It is the only change that the sum has to find. A
 *    root that is zapped is invalid while it is referenced, but who zaps it
 *    requests of all vCPUs to drop it (KVM_REQ_MMU_FREE_OBSOLETE_ROOTS:
 *    kvm_mmu_zap_all_fast(), __kvm_mmu_prepare_zap_page()) before it lets go of
 *    mmu_lock: it has gone by this entry, or the entry is cancelled.
 *  - The registration itself is to show nothing: who decides that clears @settled.
 *    So does the return of KVM_RUN, before userspace can set anything (a
 *    debugger, nested state, registers).
 *  - What is looked at here: CR4.PCIDE, VMXON, a state that KVM has to emulate, and
 *    what another vCPU has found out about the CPU. Without VMXON no nested guest runs.
 */
static bool kvmpv_is_unchanged(struct vcpu_vmx *vmx)
{
	const struct kvmpv_vcpu *p = vmx->kvmpv;

	return p->settled && p->kept == kvmpv_kept(vmx) &&
	       p->found == READ_ONCE(kvmpv_targets) &&
	       !((kvmpv_pcid_enabled(&vmx->vcpu) ^ !!p->flag) |
		 vmx->nested.vmxon | kvmpv_emulation_required(vmx));
}

/*
 * kvmpv_publish() for what is mostly the case after a load of CR3 that KVM has handled:
 * the roots have only changed places, or one of those that are listed has gone, and one
 * has come. The caller knows that neither CR4.PCIDE nor what is known of the CPU has
 * changed since something was listed, so the targets can be used.
 *
 * As there, all roots are looked at, which allows @kept to be set. False if it is
 * another case.
 */
static bool kvmpv_publish_loaded(struct vcpu_vmx *vmx)
{
	const struct kvm_mmu *mmu = vmx->vcpu.arch.mmu;
	struct kvmpv_root root, others[KVM_MMU_NUM_PREV_ROOTS];
	struct kvmpv_vcpu *p = vmx->kvmpv;
	const struct kvmpv_root *gone;
	unsigned int k;
	int slot;

	if (!p->listed || !p->shown || p->hold || p->dead || !kvmpv_may_list(vmx) ||
	    !kvmpv_is_current_role(mmu, mmu->root.hpa))
		return false;
	for (k = 0; k < KVM_MMU_NUM_PREV_ROOTS; k++) {
		if (!kvmpv_is_current_role(mmu, mmu->prev_roots[k].hpa))
			return false;
		others[k].pgd = mmu->prev_roots[k].pgd;
		others[k].hpa = mmu->prev_roots[k].hpa;
	}
	root = kvmpv_root(&vmx->vcpu, &mmu->root);
	slot = kvmpv_list_gone(&p->list, others, KVM_MMU_NUM_PREV_ROOTS);
	if (slot < 0 || root.hw != p->loaded)
		return false;
	gone = &p->list.slot[slot];
	if (kvmpv_same_root(gone, &root))
		p->kept = kvmpv_kept(vmx);
	else if (!kvmpv_replace(vmx, gone, &root))
		return false;
	p->settled = true;
	return true;
}

/* Make table and list show what may be published now. */
static noinline void kvmpv_publish(struct vcpu_vmx *vmx, u64 flag,
				   enum kvmpv_targets found)
{
	struct kvmpv_root want[KVMPV_NR_ENTRIES];
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvmpv_vcpu *p = vmx->kvmpv;
	unsigned int n = 0;
	bool changed;

	/* With CR4.PCIDE=1 bit 10 is part of the PCID, with 0 it is ignored. */
	if (flag != p->flag)
		p->proven = false;
	/*
	 * If the targets turn out to be unusable, also by another vCPU's doing,
	 * the table stays empty from now on: the guest calls LOAD_CR3.
	 */
	if (p->proven && !p->dead && !p->hold && !p->fault_in &&
	    !kvmpv_check_targets(KVMPV_NR_ENTRIES, found))
		n = kvmpv_collect_roots(vmx, want);
	changed = kvmpv_list_update(&p->list, want, n);
	if (flag != p->flag || found != p->found) {
		p->flag = flag;
		p->found = found;
		p->misses = 0;
		changed = true;
	}
	if (changed || p->listed != !!n || (p->shown != !!n && !p->fault_in))
		kvmpv_write(vcpu, p, n, changed);
	p->settled = p->shown && p->listed && !p->fault_in;
	p->kept = kvmpv_kept(vmx);
}

/**
 * __kvmpv_maps_host_mmio() - __vmx_vcpu_enter_flags(), on CPUs that leak stale data by MMIO
 * @vmx: a registered vCPU
 *
 * KVM clears CPU buffers at entries with a root that maps MMIO of the host. From there
 * the guest can go on to any root that is listed, without an exit.
 *
 * No mark is copied to another root, and none is read before now: who sets one makes
 * those vCPUs exit whose mode is IN_GUEST_MODE, and does so only if it was not set
 * (make_spte(), kvm_track_host_mmio_mapping()).
 *
 * Context: vcpu->mode is IN_GUEST_MODE, interrupts off.
 * Return: true if a listed root maps MMIO of the host.
 */
bool __kvmpv_maps_host_mmio(struct vcpu_vmx *vmx)
{
	const struct kvmpv_list *list = &vmx->kvmpv->list;
	unsigned int i;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		if ((list->used & BIT(i)) &&
		    kvmpv_maps_host_mmio(kvmpv_root_to_sp(list->slot[i].hpa)))
			return true;
	return false;
}

static noinline void kvmpv_enter_changed(struct vcpu_vmx *vmx)
{
	struct kvmpv_vcpu *p = vmx->kvmpv;
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	enum kvmpv_targets found;
	u64 flag;

	p->settled = false;
	if (!p->in_run)
		kvmpv_entered(vcpu);
	/* CR0 and the list are the nested guest's. */
	if (vmx->loaded_vmcs != &vmx->vmcs01)
		return;
	flag = kvmpv_pcid_enabled(vcpu) ? X86_CR3_PCID_NOFLUSH : 0;
	found = READ_ONCE(kvmpv_targets);
	if (!p->cache)
		p->flag = flag;
	else if (flag != p->flag || found != p->found || !kvmpv_publish_loaded(vmx))
		kvmpv_publish(vmx, flag, found);
	if (unlikely(!is_paging(vcpu))) {
		p->settled = false;
		kvmpv_end_unpaged(vcpu);
	}
}

/**
 * __kvmpv_enter() - vmx_prepare_switch_to_guest()
 * @vcpu: a registered vCPU
 *
 * Publishes the roots as they are now, in the guest's table and in the VMCS.
 * Every entry passes here but those that re-enter from the exit fastpath, where
 * who changes a root publishes it. If the entry is cancelled after this, the next one
 * passes here again.
 *
 * Context: preemption off, SRCU held, roots and requests final.
 */
void __kvmpv_enter(struct kvm_vcpu *vcpu)
{
	if (unlikely(!kvmpv_is_unchanged(to_vmx(vcpu))))
		kvmpv_enter_changed(to_vmx(vcpu));
}

/*
 * The CPU has exited on a MOV of a value that it was told not to exit on: the
 * guest restarts the window, calls, and would do so at each switch, for two
 * exits instead of one.
 */
static void kvmpv_missed(struct kvmpv_vcpu *p)
{
	if (++p->misses < KVMPV_MISSES_MAX)
		return;
	p->misses = 0;
	kvmpv_found(p->found, kvmpv_targets_worse(p->found, p->flag));
}

/**
 * __kvmpv_mov_to_cr3() - handle_cr(), a MOV to CR3 that did exit
 * @vmx: a registered vCPU
 * @operand: what it moves
 *
 * In a window it is not the guest's CR3 that was moved, but a host value that
 * is not (any longer) listed, or whatever the guest wrote into its table. The
 * guest runs the window again, on an empty table, which stays empty until its
 * next real load: this cannot happen twice in a row.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: true if the instruction is not to be emulated.
 */
bool __kvmpv_mov_to_cr3(struct vcpu_vmx *vmx, u64 operand)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvmpv_vcpu *p = vmx->kvmpv;
	const struct kvmpv_window *w = NULL;

	if (is_guest_mode(vcpu) || is_smm(vcpu) || p->dead)
		return false;
	if (unlikely(kvmpv_list_missed(&p->list, p->flag, operand)) && p->listed)
		kvmpv_missed(p);
	if (!p->restarted) {
		w = kvmpv_find_window(&p->windows, kvm_rip_read(vcpu));
		if (w && kvm_rip_read(vcpu) == w->commit)
			kvmpv_restart(vmx, w);
		else
			w = NULL;
	}
	if (!p->restarted && !w) {
		p->hold = false;
		if (p->fault_in)
			kvmpv_clear_table(vcpu, p);
		kvmpv_stash_evicted(vcpu, p->stash, operand & ~p->flag);
		return false;
	}
	kvmpv_clear_table(vcpu, p);
	p->hold = true;
	p->settled = false;
	return true;
}

/* SDM vol. 3, "Guest Register State": long mode, DPL, and conforming in the type. */
#define KVMPV_AR_RING0_64BIT_MASK	(VMX_AR_L_MASK | 3 << VMX_AR_DPL_SHIFT | 1 << 2)

/* Is this exit a load of CR3? MOV and LOAD_CR3 alike; @cr3 without bit 63. */
static bool kvmpv_is_load(struct vcpu_vmx *vmx, u64 *cr3, bool *noflush)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	unsigned long what;

	/*
	 * Ring 0 and 64-bit code, as kvmpv_hypercall() has it from other words: the
	 * DPL of code that is not conforming is the CPL.
	 */
	if (vmx_get_exit_reason(&vmx->vcpu).basic == EXIT_REASON_VMCALL)
		return (vmcs_read32(GUEST_CS_AR_BYTES) & KVMPV_AR_RING0_64BIT_MASK) ==
		       VMX_AR_L_MASK &&
		       kvmpv_fast_call(vcpu, cr3, noflush) &&
		       !kvmpv_pmu_counts(vcpu);

	/* SDM vol. 3, "Exit Qualification for Control-Register Accesses" */
	what = vmx_get_exit_qual(vcpu);
	if ((what & 0x3f) != 3 || kvmpv_pmu_counts(vcpu))
		return false;
	*cr3 = kvm_register_read(vcpu, (what >> 8) & 15);
	*noflush = *cr3 & vmx->kvmpv->flag;
	*cr3 &= ~vmx->kvmpv->flag;
	return true;
}

/* What is left to do when another root has become mmu->root, with a table or without. */
static __always_inline void kvmpv_loaded(struct vcpu_vmx *vmx,
					 const struct kvmpv_root *root,
					 bool noflush)
{
	/* Without PCID all entries are of PCID 0, whatever the root. */
	if (!noflush || !vmx->kvmpv->flag)
		vpid_sync_context(vmx->vpid);
	vmcs_writel(GUEST_CR3, root->hw);
	vmx->kvmpv->loaded = root->hw;
}

/*
 * Does what kvm_skip_emulated_instruction() does for an instruction of 64-bit code after
 * which nothing else is due, as is nearly always the case, and calls it in all others. A
 * single step of the instruction becomes a request, which the next check finds.
 */
static void kvmpv_skip_load(struct kvm_vcpu *vcpu)
{
	unsigned long rip = kvmpv_rip(vcpu);
	unsigned long next = rip + vmcs_read32(VM_EXIT_INSTRUCTION_LEN);

	/* Outside of 64-bit code RIP wraps at 4 GiB. */
	if (unlikely((next ^ rip) >> 31 == 3 ||
		     (vmcs_readl(GUEST_RFLAGS) & X86_EFLAGS_TF))) {
		kvm_skip_emulated_instruction(vcpu);
		return;
	}
	kvm_rip_write(vcpu, next);
	if (unlikely(vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
		     (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		vmx_set_interrupt_shadow(vcpu, 0);
	kvmpv_pmu_count_instruction(vcpu);
}

/* The guest's PMU counts the instruction, and its filter is read under SRCU. */
static void kvmpv_fast_done(struct vcpu_vmx *vmx)
{
	if (vmx_get_exit_reason(&vmx->vcpu).basic == EXIT_REASON_VMCALL)
		kvmpv_fast_call_done(&vmx->vcpu);
	kvmpv_skip_load(&vmx->vcpu);
}

/*
 * A load of CR3 whose root is in the stash, done here. All else takes the slow
 * path, as if this had not been called: also what the guest must not do, what is
 * to be restarted, and a load of the value that is there already.
 */
static bool kvmpv_fastpath(struct vcpu_vmx *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvmpv_vcpu *p = vmx->kvmpv;
	struct kvm_mmu_root_info gone;
	struct kvmpv_root root, left;
	bool noflush;
	u64 cr3;
	int idx;

	if (!p->settled || p->restarted)
		return false;
	/* A ring of dirty pages can become full, which KVM checks only before an entry. */
	if (vcpu->kvm->dirty_ring_size)
		return false;
	if (!kvmpv_is_load(vmx, &cr3, &noflush) || (cr3 & KVMPV_CR3_TAG) ||
	    cr3 == vcpu->arch.cr3 ||
	    !kvmpv_stash_switch(vcpu, p->stash, cr3, !noflush,
				p->flag ? X86_CR3_PCID_MASK : 0, &gone))
		return false;

	root = kvmpv_root(vcpu, &vcpu->arch.mmu->root);
	kvmpv_loaded(vmx, &root, noflush);
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	left.pgd = gone.pgd;
	left.hpa = gone.hpa;
	if (!kvmpv_replace(vmx, &left, &root))
		kvmpv_publish(vmx, p->flag, READ_ONCE(kvmpv_targets));
	kvmpv_count(KVMPV_STAT_STASH_SWITCHES);
	kvmpv_fast_done(vmx);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return true;
}

/*
 * The same without a table: a host that is a VM itself has no CR3 targets. No guest
 * memory is written, so a ring of dirty pages cannot have become full.
 */
static bool kvmpv_fastpath_untabled(struct vcpu_vmx *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	struct kvmpv_root root;
	bool noflush, stashed;
	u64 cr3;
	int idx;

	if (kvmpv_is_barred(vmx) || !kvmpv_is_load(vmx, &cr3, &noflush) ||
	    (cr3 & KVMPV_CR3_TAG) ||
	    !kvmpv_fast_switch(vcpu, cr3, !noflush,
			       vmx->kvmpv->flag ? X86_CR3_PCID_MASK : 0,
			       &stashed))
		return false;
	root = kvmpv_root(vcpu, &vcpu->arch.mmu->root);
	kvmpv_loaded(vmx, &root, noflush);
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	kvmpv_fast_done(vmx);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return true;
}

/* Bits of the exit reasons after which there is more to do. */
#define KVMPV_EXITS_OF_INTEREST	(BIT_ULL(EXIT_REASON_VMCALL) |		\
				 BIT_ULL(EXIT_REASON_CR_ACCESS) |	\
				 BIT_ULL(EXIT_REASON_INVPCID))

/* A function of its own, so that other exits need no stack frame. */
static noinline bool kvmpv_exit_of_interest(struct vcpu_vmx *vmx)
{
	switch (vmx_get_exit_reason(&vmx->vcpu).basic) {
	case EXIT_REASON_VMCALL:
	case EXIT_REASON_CR_ACCESS:
		return vmx->kvmpv->cache ? kvmpv_fastpath(vmx) :
					   kvmpv_fastpath_untabled(vmx);
	case EXIT_REASON_INVPCID:
		/* KVM would flush nothing for a PCID whose roots are all in the stash. */
		kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, &vmx->vcpu);
		return false;
	default:
		return false;
	}
}

/* __kvmpv_exit() for a registration in whatever state. */
static noinline bool kvmpv_exit_unsettled(struct vcpu_vmx *vmx)
{
	struct kvmpv_vcpu *p = vmx->kvmpv;
	u64 hw;

	if (is_guest_mode(&vmx->vcpu))
		return false;
	if (unlikely(!p->proven) && p->cache)
		kvmpv_prove(vmx);
	if ((p->listed || p->shown) &&
	    unlikely(kvmpv_near_window(&p->windows, kvmpv_rip(&vmx->vcpu))))
		kvmpv_leave_window(vmx);
	if (p->listed) {
		hw = vmcs_readl(GUEST_CR3);
		if (hw != p->loaded)
			kvmpv_handle_switch(vmx, hw);
	}
	return kvmpv_exit_of_interest(vmx);
}

/**
 * __kvmpv_exit() - vmx_exit_handlers_fastpath(): the guest has run
 * @vmx: a registered vCPU
 *
 * RIP is set back at every exit, not only when the table changes: userspace
 * can have registers copied out (KVM_CAP_SYNC_REGS) before any later hook, and
 * so nobody ever sees a RIP in a window. Nor does an event that is injected at
 * the next entry, NMI, #MC and #DB among them: all of them exit first. While
 * neither list nor table hold anything a window cannot have read a host value:
 * debuggers can step through it. (A table that could not be emptied counts.)
 * An entry that fails does not come here: no instruction of the guest was
 * executed, and what is in the VMCS is what was there before (SDM vol. 3,
 * "VM-Entry Failures During or After Loading Guest State").
 *
 * Context: IRQs off, no SRCU held. Everything here is the vCPU's own.
 * Return: true if the exit was a load of CR3 and is done: the guest can go on.
 */
bool __kvmpv_exit(struct vcpu_vmx *vmx)
{
	struct kvmpv_vcpu *p = vmx->kvmpv;
	u64 hw;

	p->restarted = false;
	/* Settled at the entry, so listed, shown, proven, and no nested guest. */
	if (unlikely(!p->settled))
		return kvmpv_exit_unsettled(vmx);
	if (unlikely(kvmpv_near_window(&p->windows, kvmpv_rip(&vmx->vcpu))))
		kvmpv_leave_window(vmx);
	hw = vmcs_readl(GUEST_CR3);
	if (hw != p->loaded)
		kvmpv_handle_switch(vmx, hw);

	/* The shift is by the number modulo 64, so the reason is looked at again there. */
	if (likely(!(KVMPV_EXITS_OF_INTEREST >>
		     (vmx_get_exit_reason(&vmx->vcpu).basic & 63) & 1)))
		return false;
	return kvmpv_exit_of_interest(vmx);
}
