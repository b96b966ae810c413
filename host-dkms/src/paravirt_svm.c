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

bool kvmpv_vendor_has_targets(void)
{
	return false;
}

/**
 * kvmpv_vendor_check() - can this vCPU register, now?
 * @vcpu: the vCPU
 *
 * Return: 0 or the negative error that says why not.
 */
int kvmpv_vendor_check(struct kvm_vcpu *vcpu)
{
	if (npt_enabled)
		return -KVMPV_ENODEV;
	if (is_guest_mode(vcpu))
		return -KVMPV_ELOOP;
	if (is_smm(vcpu))
		return -KVMPV_EAGAIN;
	if (!is_long_mode(vcpu) || !is_paging(vcpu))
		return -KVMPV_ENOEXEC;
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
	struct kvmpv_vcpu *p = to_svm(vcpu)->kvmpv;

	if (is_guest_mode(vcpu)) {
		/* CR0 and CR3 are the nested guest's: nothing to be learnt. */
		p->in_run = true;
		return;
	}

	kvmpv_entered(vcpu);
	/* Paging off, and not on RSM's way back: the guest that asked is gone. */
	if (!is_paging(vcpu) && !is_smm(vcpu))
		p->dead = true;
}
