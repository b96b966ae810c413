// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: hypercalls, from the exit to the answer. Nothing
 * here knows VMX from SVM.
 */
#include <linux/nospec.h>

#include "hyperv.h"
#include "mmu.h"
#include "x86.h"
#include "xen.h"
#include "paravirt.h"
#include "paravirt_compat.h"
#include "paravirt_trace.h"

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
static int kvmpv_hc_load_cr3(struct kvm_vcpu *vcpu, u64 cr3, u64 flags)
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
		r = kvmpv_hc_flush(vcpu, a[0]);
		break;
	case KVMPV_HC_FLUSH_RANGE:
		r = kvmpv_hc_flush_range(vcpu, a[0], a[1], a[2], a[3], last);
		break;
	case KVMPV_HC_FLUSH_VCPUS:
		r = kvmpv_hc_flush_vcpus(vcpu, a[0], last);
		break;
	case KVMPV_HC_RELEASE:
		r = kvmpv_hc_release(vcpu, a[0], a[1]);
		break;
	default:
		r = kvmpv_hc_populate(vcpu, a[0], a[1]);
		break;
	}
	if (r >= 0) {
		/* The number is the guest's, also while the CPU speculates. */
		nr = array_index_nospec(nr - KVMPV_HC_FLUSH,
					KVMPV_HC_LAST - KVMPV_HC_FLUSH + 1);
		kvmpv_vendor_flush_queue(vcpu)->calls[nr]++;
		kvmpv_vm_list_add(vcpu);
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
		return (u32)a[0] ? 0 : kvmpv_features_offered(vcpu);
	case KVMPV_HC_REGISTER:
		return kvmpv_hc_register(vcpu, a[0], a[1]);
	case KVMPV_HC_UNREGISTER:
		kvmpv_unregister(vcpu);
		return 0;
	case KVMPV_HC_LOAD_CR3:
		if (kvmpv_allowed & KVMPV_F_LOAD_CR3)
			return kvmpv_hc_load_cr3(vcpu, a[0], a[1]);
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

/* Bits 31 to 16 of the number are those of our calls, so it may be one. */
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
 * kvmpv_fast_call_done() - a LOAD_CR3 was done in the exit fastpath
 * @vcpu: a registered vCPU that has called
 *
 * Context: IRQs off.
 */
void kvmpv_fast_call_done(struct kvm_vcpu *vcpu)
{
	kvmpv_count_load_cr3(*kvmpv_vendor_vcpu(vcpu), true);
	kvmpv_answer(vcpu, KVMPV_HC_LOAD_CR3, kvm_rbx_read_raw(vcpu),
		     kvm_rcx_read_raw(vcpu), 0, ~0ull);
}
