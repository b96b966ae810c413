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
	if (is_guest_mode(vcpu)) {
		/* CR0 and CR3 are the nested guest's: nothing to be learnt. */
		to_svm(vcpu)->kvmpv->in_run = true;
		return;
	}

	kvmpv_entered(vcpu);
	kvmpv_end_unpaged(vcpu);
}
