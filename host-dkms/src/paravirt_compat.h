/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernel versions. */
#ifndef __KVMPV_COMPAT_H
#define __KVMPV_COMPAT_H

#include "vmx/evmcs.h"

#define kvmpv_root_to_sp(hpa)		to_shadow_page(hpa)
#define kvmpv_is_using_evmcs()		static_branch_unlikely(&enable_evmcs)
#define kvmpv_is_legal_cr3(vcpu, cr3)	(!kvm_vcpu_is_illegal_gpa(vcpu, cr3))
#define kvmpv_pcid_enabled(vcpu)				\
	(!!kvm_read_cr4_bits(vcpu, X86_CR4_PCIDE))

/*
 * The page at @gpa is no page table (any longer): drop what was derived from it.
 * KVM takes a write that is no whole entry for a sign of that, see
 * detect_write_misaligned(); the value does not matter.
 */
#define KVMPV_CAN_UNSHADOW		1
static inline void kvmpv_unshadow(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_page_track_notifier_node *mmu = &vcpu->kvm->arch.mmu_sp_tracker;

	mmu->track_write(vcpu, gpa + 1, NULL, 2, mmu);
}

#endif /* __KVMPV_COMPAT_H */
