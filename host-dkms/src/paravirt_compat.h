/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernel versions: Linux 6.1 and 6.12. */
#ifndef __KVMPV_COMPAT_H
#define __KVMPV_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)

#include "pmu.h"
#include "vmx/evmcs.h"

#define kvmpv_root_to_sp(hpa)		to_shadow_page(hpa)
#define kvmpv_is_using_evmcs()		static_branch_unlikely(&enable_evmcs)
#define kvmpv_is_legal_cr3(vcpu, cr3)	(!kvm_vcpu_is_illegal_gpa(vcpu, cr3))
#define kvmpv_pcid_enabled(vcpu)				\
	(!!kvm_read_cr4_bits(vcpu, X86_CR4_PCIDE))
#define kvmpv_lam_bits(pgd)		0

/*
 * kvm-amd traces an exit in svm_handle_exit(), which one that is done in the
 * fastpath does not pass. It does if a request comes meanwhile, and is traced twice.
 */
#define kvmpv_trace_fast_exit(vcpu)	trace_kvm_exit(vcpu, KVM_ISA_SVM)

/*
 * Does the guest's PMU count instructions? To skip one is to count it, for which
 * kvm_pmu_incr_counter() programs the host's counter anew, and may sleep: the exit
 * fastpath cannot. A counter of anything else, as a watchdog's, does not matter.
 */
static inline bool kvmpv_pmu_counts(struct kvm_vcpu *vcpu)
{
	const struct kvm_pmu *pmu = vcpu_to_pmu(vcpu);
	unsigned int i;

	/* Fixed counter 0 (SDM vol. 3, "Fixed-function Performance Counters"). */
	if (pmu->fixed_ctr_ctrl & 3)
		return true;
	for (i = 0; i < pmu->nr_arch_gp_counters; i++)
		if ((pmu->gp_counters[i].eventsel & ARCH_PERFMON_EVENTSEL_ENABLE) &&
		    !((pmu->gp_counters[i].eventsel ^
		       perf_get_hw_event_config(PERF_COUNT_HW_INSTRUCTIONS)) &
		      AMD64_RAW_EVENT_MASK_NB))
			return true;
	return false;
}

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

#else /* 6.12 */

#include "smm.h"

/* NULL for the dummy root, which stands for a CR3 that is no RAM. */
#define kvmpv_root_to_sp(hpa)		root_to_sp(hpa)
#define kvmpv_is_using_evmcs()		kvm_is_using_evmcs()
#define kvmpv_is_legal_cr3(vcpu, cr3)	kvm_vcpu_is_legal_cr3(vcpu, cr3)
#define kvmpv_pcid_enabled(vcpu)	kvm_is_cr4_bit_set(vcpu, X86_CR4_PCIDE)
/*
 * Part of what tells two address spaces apart, and of GUEST_CR3, as in
 * vmx_load_mmu_pgd(). A guest without LAM has no CR3 with them.
 */
#define kvmpv_lam_bits(pgd)		((pgd) & (X86_CR3_LAM_U48 | X86_CR3_LAM_U57))

/* To count an instruction is a request. */
#define kvmpv_pmu_counts(vcpu)		false

/* svm_vcpu_run() has traced it. */
#define kvmpv_trace_fast_exit(vcpu)	do { } while (0)

/* kvm_mmu_track_write() is not exported, nor is there a pointer to it. */
#define KVMPV_CAN_UNSHADOW		0
static inline void kvmpv_unshadow(struct kvm_vcpu *vcpu, gpa_t gpa)
{
}

#endif

#endif /* __KVMPV_COMPAT_H */
