// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, SVM. There is no CR3-target list: each MOV to CR3 exits. What
 * is left is a call that is answered in the exit fastpath (LOAD_CR3), and the
 * flush calls.
 */
#include "mmu.h"
#include "trace.h"
#include "x86.h"
#include "svm/svm.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "paravirt.h"
#include "paravirt_compat.h"

/* Of VMMCALL, 0F 01 D9. A guest that puts a prefix before it harms itself. */
#define KVMPV_VMMCALL_BYTES	3

struct kvmpv_vcpu **kvmpv_vendor_vcpu(struct kvm_vcpu *vcpu)
{
	return &to_svm(vcpu)->kvmpv;
}

struct kvmpv_vm *kvmpv_vendor_vm(struct kvm *kvm)
{
	return &to_kvm_svm(kvm)->kvmpv;
}

struct kvmpv_flush_queue *kvmpv_vendor_flush_queue(struct kvm_vcpu *vcpu)
{
	return &to_svm(vcpu)->kvmpv_flush;
}

bool kvmpv_vendor_shadows(void)
{
	return !npt_enabled;
}

bool kvmpv_vendor_tracks_accesses(void)
{
	return true;
}

int kvmpv_vendor_targets(const char **text)
{
	*text = "none";
	return kvmpv_check_targets(0, KVMPV_TARGETS_WHOLE);
}

int kvmpv_vendor_check(struct kvm_vcpu *vcpu)
{
	return 0;
}

int kvmpv_vendor_cpl(struct kvm_vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->save.cpl;
}

/*
 * A CPU without NRIPS, as those without NPT are, does not say where the next
 * instruction is: KVM has its emulator decode the one that has exited, which costs
 * more than most calls do. The RIP is good for this exit alone: KVM takes it for
 * that of an INT3 if it finds one when it injects #BP.
 */
int kvmpv_vendor_skip(struct kvm_vcpu *vcpu, u64 last)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	int r;

	svm->next_rip = (kvm_rip_read(vcpu) + KVMPV_VMMCALL_BYTES) & last;
	r = kvm_skip_emulated_instruction(vcpu);
	svm->next_rip = 0;
	return r;
}

/* While a nested guest runs, the CR3 to which the guest comes back when that one exits. */
u64 kvmpv_vendor_cr3(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) ? to_svm(vcpu)->vmcb01.ptr->save.cr3 :
				     kvm_read_cr3(vcpu);
}

/* There is nothing to tell the CPU: it has no targets. */
void kvmpv_vendor_attach(struct kvm_vcpu *vcpu)
{
}

bool kvmpv_vendor_detach(struct kvm_vcpu *vcpu)
{
	return true;
}

/**
 * __kvmpv_enter() - svm_prepare_switch_to_guest(), the guest's state not loaded
 * @vcpu: a registered vCPU
 *
 * The guest's state is not loaded at the first entry after KVM_RUN has returned,
 * because the vCPU was put then, nor after svm_set_cr0() with PG clear, which makes
 * sure of it. At other entries there is nothing to judge.
 *
 * Context: preemption off, SRCU held.
 */
void __kvmpv_enter(struct kvm_vcpu *vcpu)
{
	if (!to_svm(vcpu)->kvmpv->in_run)
		kvmpv_entered(vcpu);
	/* CR0 is the nested guest's, if one runs. */
	if (unlikely(!is_paging(vcpu)) && !is_guest_mode(vcpu))
		kvmpv_end_unpaged(vcpu);
}

/* Is it a LOAD_CR3 of ring 0, and of 64-bit code? */
static bool kvmpv_is_load(struct vcpu_svm *svm, u64 *cr3, bool *noflush)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;

	return !save->cpl && is_long_mode(&svm->vcpu) &&
	       (save->cs.attrib & SVM_SELECTOR_L_MASK) &&
	       kvmpv_fast_call(&svm->vcpu, cr3, noflush) &&
	       !kvmpv_pmu_counts(&svm->vcpu);
}

/**
 * __kvmpv_fastpath() - svm_exit_handlers_fastpath(), what KVM has no fastpath for
 * @vcpu: a registered vCPU that has exited for VMMCALL
 *
 * LOAD_CR3 of one of the previous roots, or of one in the stash. All else takes the
 * slow path, as if this had not been called: also what the guest must not do, and a
 * load of the value that is there already. So does MOV to CR3, which a CPU without
 * decode assists leaves to the emulator. No guest memory is written here, so
 * a ring of dirty pages cannot have become full.
 *
 * Context: IRQs off, no SRCU held.
 * Return: EXIT_FASTPATH_REENTER_GUEST or EXIT_FASTPATH_NONE.
 */
fastpath_t __kvmpv_fastpath(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	bool noflush, pcid, stashed;
	u64 cr3;
	int idx;

	if (!kvmpv_is_load(svm, &cr3, &noflush))
		return EXIT_FASTPATH_NONE;
	pcid = kvmpv_pcid_enabled(vcpu);
	if (!kvmpv_fast_switch(vcpu, cr3, !noflush, pcid ? X86_CR3_PCID_MASK : 0,
			       &stashed))
		return EXIT_FASTPATH_NONE;

	/*
	 * As svm_load_mmu_pgd(). Without PCID all entries of the TLB are of PCID 0.
	 * With PCID a root in the stash may have missed an INVLPGA, of which the APM
	 * does not say that it is for all PCIDs.
	 */
	svm->vmcb->save.cr3 = __sme_set(vcpu->arch.mmu->root.hpa) |
			      kvm_get_active_pcid(vcpu);
	vmcb_mark_dirty(svm->vmcb, VMCB_CR);
	if (!noflush || !pcid || stashed)
		svm_flush_tlb_asid(vcpu);

	kvmpv_trace_fast_exit(vcpu);
	kvmpv_fast_call_done(vcpu);
	/*
	 * If it is single-stepped, that is a request: the next check finds it. SRCU
	 * is for the filter of the guest's PMU, which counts the instruction.
	 */
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	kvmpv_vendor_skip(vcpu, ~0ull);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return EXIT_FASTPATH_REENTER_GUEST;
}
