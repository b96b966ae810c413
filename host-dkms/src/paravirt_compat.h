/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions: Linux 6.1, 6.12, 7.2 and 7.3. The other files
 * use the names of the newest; docs/porting.md tells how to add one.
 */
#ifndef __KVMPV_COMPAT_H
#define __KVMPV_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)

#include "kvm_cache_regs.h"

#define VCPU_REG_CR3			VCPU_EXREG_CR3
#define VCPU_REG_RIP			VCPU_REGS_RIP
#define kvmpv_cached_rip(vcpu)		(&(vcpu)->arch.regs[VCPU_REGS_RIP])

/* Without "_raw" they are limited to 32 bits outside of 64-bit code, since 7.x. */
#define kvm_rax_read_raw(vcpu)		kvm_rax_read(vcpu)
#define kvm_rbx_read_raw(vcpu)		kvm_rbx_read(vcpu)
#define kvm_rcx_read_raw(vcpu)		kvm_rcx_read(vcpu)
#define kvm_rdx_read_raw(vcpu)		kvm_rdx_read(vcpu)
#define kvm_rsi_read_raw(vcpu)		kvm_rsi_read(vcpu)
#define kvm_rax_write_raw(vcpu, val)	kvm_rax_write(vcpu, val)

#define vmx_get_exit_reason(vcpu)	(to_vmx(vcpu)->exit_reason)
#define kvmpv_emulation_required(vmx)	((vmx)->emulation_required)
#define kvmpv_xen_config(kvm)		(&(kvm)->arch.xen_hvm_config)

/* In an initializer of struct kvm_page_fault. */
#define KVMPV_FAULT_NO_HVA		.hva = KVM_HVA_ERR_BAD,

/* Here KVM decides by the VM, not by the root, whether MMIO of the host is mapped. */
#define kvmpv_maps_host_mmio(sp)	((void)(sp), false)
static inline void kvmpv_set_maps_host_mmio(struct kvm_mmu_page *sp) { }

#else /* 7.2, 7.3 */

#include "regs.h"

#define kvmpv_cached_rip(vcpu)		(&(vcpu)->arch.rip)
#define kvmpv_emulation_required(vmx)	((vmx)->vt.emulation_required)
#define kvmpv_xen_config(kvm)		(&(kvm)->arch.xen.hvm_config)
#define KVMPV_FAULT_NO_HVA

#define kvmpv_maps_host_mmio(sp)	READ_ONCE((sp)->has_mapped_host_mmio)
#define kvmpv_set_maps_host_mmio(sp)	WRITE_ONCE((sp)->has_mapped_host_mmio, true)

#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)

#include "pmu.h"
#include "vmx/evmcs.h"

#define kvmpv_root_to_sp(hpa)		to_shadow_page(hpa)
#define KVMPV_EMPTY_SPTE		0ull
#define kvmpv_is_using_evmcs()		static_branch_unlikely(&enable_evmcs)
#define kvmpv_is_legal_cr3(vcpu, cr3)	(!kvm_vcpu_is_illegal_gpa(vcpu, cr3))
#define kvmpv_pcid_enabled(vcpu)				\
	(!!kvm_read_cr4_bits(vcpu, X86_CR4_PCIDE))
static inline u64 kvmpv_lam_bits(u64 pgd) { return 0; }

/* Neither guest_memfd nor memory that is the guest's alone. */
#define KVMPV_MEM_GUEST_MEMFD		0
static inline bool kvmpv_has_private_mem(struct kvm *kvm) { return false; }

/*
 * kvm-amd traces an exit in svm_handle_exit(). One that is done in the fastpath
 * does not pass there, so it is traced here. If a request comes meanwhile it
 * does, and is traced twice.
 */
#define kvmpv_trace_fast_exit(vcpu)	trace_kvm_exit(vcpu, KVM_ISA_SVM)

/* For the exit fastpath, which kvmpv_pmu_counts() keeps clear of what would count it. */
static inline void kvmpv_pmu_count_instruction(struct kvm_vcpu *vcpu) { }

/**
 * kvmpv_pmu_counts() - does the guest's PMU count instructions?
 * @vcpu: the vCPU
 *
 * An instruction that is skipped has to be counted. kvm_pmu_incr_counter() then
 * programs the host's counter anew and may sleep, which the exit fastpath must
 * not. Counters of other events, such as a watchdog's, do not matter.
 *
 * Context: IRQs on or off.
 * Return: true if an instruction cannot be skipped in the exit fastpath.
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

/**
 * kvmpv_unshadow() - the page is no page table (any longer)
 * @vcpu: the vCPU, paging on, not in nested guest mode
 * @va: a linear address that maps the page writable for CPL 0
 * @gpa: the page
 *
 * Drops what was derived from the page. KVM does so when it sees a write that is
 * shorter than an entry (detect_write_misaligned()), because nobody writes page
 * tables like that. So it is told of such a write; the value does not matter.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: true, as it is still to be mapped writable.
 */
static inline bool kvmpv_unshadow(struct kvm_vcpu *vcpu, gva_t va, gpa_t gpa)
{
	struct kvm_page_track_notifier_node *mmu = &vcpu->kvm->arch.mmu_sp_tracker;

	/*
	 * Nothing is written. Two bytes, because a single one may be how the guest
	 * clears a bit of an entry, which KVM lets pass; and not at the start of an
	 * entry, which makes it misaligned by any measure. The value is not read.
	 */
	mmu->track_write(vcpu, gpa + 1, NULL, 2, mmu);
	return true;
}

#else /* 6.12, 7.2, 7.3 */

#include "smm.h"

/* NULL for the dummy root, which stands for a CR3 that is no RAM. */
#define kvmpv_root_to_sp(hpa)		root_to_sp(hpa)
#define KVMPV_EMPTY_SPTE		SHADOW_NONPRESENT_VALUE
#define kvmpv_is_using_evmcs()		kvm_is_using_evmcs()
#define kvmpv_is_legal_cr3(vcpu, cr3)	kvm_vcpu_is_legal_cr3(vcpu, cr3)
#define kvmpv_pcid_enabled(vcpu)	kvm_is_cr4_bit_set(vcpu, X86_CR4_PCIDE)
/*
 * Part of what tells two address spaces apart, and of GUEST_CR3, as in
 * vmx_load_mmu_pgd(). A guest without LAM has no CR3 with them.
 */
#define kvmpv_lam_bits(pgd)		((pgd) & (X86_CR3_LAM_U48 | X86_CR3_LAM_U57))

#define KVMPV_MEM_GUEST_MEMFD		KVM_MEM_GUEST_MEMFD
#define kvmpv_has_private_mem(kvm)	kvm_arch_has_private_mem(kvm)

/* svm_vcpu_run() has traced it. */
static inline void kvmpv_trace_fast_exit(struct kvm_vcpu *vcpu) { }

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#include "pmu.h"
/* Counting an instruction is a request here, which does not sleep. */
static inline bool kvmpv_pmu_counts(struct kvm_vcpu *vcpu) { return false; }
#define kvmpv_pmu_count_instruction(vcpu)				\
	kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED)
#else
#include "pmu.h"
#define kvmpv_pmu_count_instruction(vcpu)	kvm_pmu_instruction_retired(vcpu)
/*
 * With a mediated PMU the guest's counters are in the CPU as long as it is in the
 * exit fastpath: what is added to KVM's copy of one there is lost.
 */
#define kvmpv_pmu_counts(vcpu)		(!kvm_pmu_is_fastpath_emulation_allowed(vcpu))
#endif

/**
 * kvmpv_unshadow() - the page is no page table (any longer)
 * @vcpu: the vCPU, paging on, not in nested guest mode
 * @va: a linear address that maps the page writable for CPL 0
 * @gpa: the page, which is in the host's memory and writable there
 *
 * kvm_mmu_track_write() is not exported. So KVM is made to handle the page fault
 * that the guest's next write to @va would cause. It lets a table of the lowest
 * level be written, and marks it unsync. For a write to an upper table it emulates
 * the instruction; if that is one with which nobody writes page tables, such as the
 * NOP that it is given here, it drops what was derived from the page and has the
 * guest try again: x86_emulate_instruction().
 *
 * If there is nothing to drop, the NOP is emulated after all: in a read-only memory
 * slot, in memory of KVM's own, or if another vCPU was faster. Hence RIP is put back.
 * Nothing is done where the end of an instruction has further effects (the trap of a
 * single step), nor if an asynchronous page fault is about to be injected.
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: false, as it is mapped writable.
 */
static inline bool kvmpv_unshadow(struct kvm_vcpu *vcpu, gva_t va, gpa_t gpa)
{
	unsigned long rip = kvm_rip_read(vcpu);
	u32 reason = vcpu->run->exit_reason;
	u8 nop = 0x90;
	int i;

	if (vcpu->guest_debug || vcpu->arch.exception.pending ||
	    (kvm_get_rflags(vcpu) & X86_EFLAGS_TF))
		return false;
	/* kvm_mmu_write_protect_fault() warns if @va was MMIO until the guest changed an entry. */
	vcpu_clear_mmio_info(vcpu, va);
	/* If the first fault has dropped something, the second one maps the page. */
	for (i = 0; i < 2; i++) {
		/* Differs from @va unless KVM has dropped something, and asks for another try. */
		vcpu->arch.last_retry_addr = ~va;
		kvm_mmu_page_fault(vcpu, va, PFERR_PRESENT_MASK | PFERR_WRITE_MASK,
				   &nop, sizeof(nop));
		/*
		 * Another vCPU has unmapped @va since it was looked at: no fault
		 * of the guest's own. One for an asynchronous page fault, which is,
		 * has no error code.
		 */
		if (vcpu->arch.exception.pending && vcpu->arch.exception.error_code)
			kvm_clear_exception_queue(vcpu);
		if (vcpu->arch.last_retry_addr != va)
			break;
	}
	vcpu->arch.last_retry_addr = 0;
	vcpu->arch.last_retry_eip = 0;
	kvm_rip_write(vcpu, rip);
	/* The exit reason that this may leave for userspace is of no access of the guest's. */
	vcpu->run->exit_reason = reason;
	return false;
}

#endif

#endif /* __KVMPV_COMPAT_H */
