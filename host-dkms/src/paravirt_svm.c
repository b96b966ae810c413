// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, SVM. There is no CR3-target list: each MOV to CR3 exits. What
 * is left is to tell the host which ones need no flush (LOAD_CR3), and the
 * flush calls.
 */
#include "kvm_cache_regs.h"
#include "mmu.h"
#include "x86.h"
#include "svm/svm.h"
#include "paravirt.h"

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

/* What it comes back to when its nested guest exits, if one runs. */
u64 kvmpv_vendor_cr3(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) ? to_svm(vcpu)->vmcb01.ptr->save.cr3 :
				     kvm_read_cr3(vcpu);
}

/* The CPU knows nothing of a registration. */
void kvmpv_vendor_attach(struct kvm_vcpu *vcpu)
{
}

bool kvmpv_vendor_detach(struct kvm_vcpu *vcpu)
{
	return true;
}

/**
 * __kvmpv_enter() - svm_prepare_switch_to_guest()
 * @vcpu: a registered vCPU
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
