// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: TLB flushes in one exit.
 *
 * On a host that shadows page tables each INVLPG, each access to CR3 and each
 * change of CR4.PGE is an exit, and an IPI is several, on either side. The host
 * does the same for a range, or for all CPUs, when asked once. What it flushes
 * may be more than was asked for, so tlb_gen of other CPUs stays behind what
 * they have flushed: they may flush once more than they need to.
 *
 * A call that the host refuses is done natively, by who made it. A host that
 * does not know the calls (any more: live migration) is left alone for a while.
 */
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/vmstat.h>

#include <asm/cpu.h>
#include <asm/kvm_paravirt.h>
#include <asm/mpspec.h>
#include <asm/paravirt.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>

struct kvmpv_tlb_cpu {
	unsigned long gpa;	/* of this CPU's kvmpv_desc; 0: too early */
	bool pending;		/* kvmpv_desc awaits this CPU's own flush */
	bool refused;
	unsigned long retry;	/* jiffies, if @refused */
};

static DEFINE_PER_CPU(struct kvmpv_tlb_cpu, kvmpv_tlb_cpu);
DEFINE_PER_CPU(struct kvmpv_tlb_counters, kvmpv_tlb_counters);

/* Aligned so that it is within a page, as the host asks for. */
static DEFINE_PER_CPU(struct kvmpv_flush_vcpus, kvmpv_desc) __aligned(1024);

static_assert(sizeof(struct kvmpv_flush_vcpus) <= 1024);

/*
 * With PAE the CPU has the four top-level entries in registers. Who changes one
 * of them, see pud_populate() and ___pmd_free_tlb(), asks for a full flush, as
 * that is a MOV to CR3, which reads them again. The host's calls do not.
 */
#define KVMPV_FULL_LOADS_CR3	IS_ENABLED(CONFIG_X86_PAE)

/* As pv_ops was before; KVM's or the native one. */
static void (*kvmpv_flush_multi_before)(const struct cpumask *cpumask,
					const struct flush_tlb_info *info) __ro_after_init;

/* Where preemption is off; NMI handlers may come in between. */
static bool kvmpv_flush_call(unsigned int nr, unsigned long a0,
			     unsigned long a1, unsigned long a2)
{
	struct kvmpv_tlb_cpu *cpu = this_cpu_ptr(&kvmpv_tlb_cpu);

	if (unlikely(cpu->refused) && time_before(jiffies, cpu->retry))
		return false;
	cpu->refused = kvmpv_hypercall4(nr, a0, a1, a2, 0);
	if (unlikely(cpu->refused)) {
		cpu->retry = jiffies + KVMPV_RETRY;
		this_cpu_inc(kvmpv_tlb_counters.tlb_refused);
	}
	return !cpu->refused;
}

/*
 * Is what runs now the local part of the flush that has filled kvmpv_desc? A
 * debugger that stops the kernel in between flushes, too, for itself: kgdb is
 * entered by NMI, #BP or #DB, all of which count as NMI when they interrupt the
 * kernel. Its flush must neither take part in this call nor be taken for it.
 */
static bool kvmpv_desc_is_mine(void)
{
	return this_cpu_read(kvmpv_tlb_cpu.pending) && !in_nmi();
}

static bool kvmpv_desc_call(void)
{
	if (!kvmpv_flush_call(KVMPV_HC_FLUSH_VCPUS,
			      this_cpu_read(kvmpv_tlb_cpu.gpa), 0, 0))
		return false;
	this_cpu_inc(kvmpv_tlb_counters.tlb_vcpus);
	return true;
}

/* What to flush; the mask is empty. */
static void kvmpv_desc_init(struct kvmpv_flush_vcpus *desc, u64 scope,
			    unsigned long start, unsigned long end,
			    unsigned int shift)
{
	memset(desc, 0, sizeof(*desc));
	if (end == TLB_FLUSH_ALL) {
		desc->scope = scope;
	} else if (boot_cpu_has(X86_FEATURE_PTI)) {
		/*
		 * INVLPG is for the current PCID and global pages; user space
		 * has another PCID, and the kernel has no global pages.
		 */
		desc->scope = KVMPV_FLUSH_ALL;
	} else {
		desc->va = start;
		/* The host takes a call for nothing as a mistake, and refuses it. */
		desc->pages = DIV_ROUND_UP(end - start, 1UL << shift) ?: 1;
		desc->stride_shift = shift;
	}
}

static bool kvmpv_desc_add(struct kvmpv_flush_vcpus *desc, int cpu)
{
	unsigned int id = cpu_physical_id(cpu);

	if (id >= 64 * ARRAY_SIZE(desc->vcpu_mask))
		return false;
	desc->vcpu_mask[id / 64] |= BIT_ULL(id % 64);
	return true;
}

/* Other sizes are none that a page of this architecture has today. */
static bool kvmpv_shift_ok(unsigned int shift)
{
	return shift == 12 || shift == 21 || shift == 30;
}

/**
 * __kvmpv_flush_tlb_range() - flush user pages of this CPU
 * @start: first address
 * @end: end
 * @shift: log2 of bytes from one page to the next
 *
 * If other CPUs are to flush the same, it is one call for all of them.
 *
 * Context: interrupts off, flush_tlb_func().
 * Return: false if nothing was flushed here.
 */
bool __kvmpv_flush_tlb_range(unsigned long start, unsigned long end,
			     unsigned int shift)
{
	unsigned long pages = DIV_ROUND_UP(end - start, 1UL << shift);

	if (!kvmpv_shift_ok(shift))
		return false;
	if (kvmpv_desc_is_mine()) {
		if (!kvmpv_desc_add(this_cpu_ptr(&kvmpv_desc), smp_processor_id()) ||
		    !kvmpv_desc_call())
			return false;
		this_cpu_write(kvmpv_tlb_cpu.pending, false);
		return true;
	}
	/* INVLPG is one exit as well, and nothing is none. */
	if (pages <= 1 || !kvmpv_flush_call(KVMPV_HC_FLUSH_RANGE, start, pages, shift))
		return false;
	this_cpu_inc(kvmpv_tlb_counters.tlb_range);
	return true;
}

/**
 * __kvmpv_flush_tlb_user() - flush all user pages, of this CPU and of others
 *
 * Only where others are waiting for theirs: alone, a MOV to CR3 is one exit too.
 *
 * Context: preemption off, flush_tlb_local().
 * Return: false if nothing was flushed here.
 */
bool __kvmpv_flush_tlb_user(void)
{
	if (KVMPV_FULL_LOADS_CR3 ||
	    !kvmpv_desc_is_mine() ||
	    !this_cpu_read(kvmpv_desc.scope) ||
	    !kvmpv_desc_add(this_cpu_ptr(&kvmpv_desc), smp_processor_id()) ||
	    !kvmpv_desc_call())
		return false;
	this_cpu_write(kvmpv_tlb_cpu.pending, false);
	return true;
}

/**
 * __kvmpv_flush_tlb_all() - flush everything of this CPU, global pages too
 *
 * Context: any that is not preemptible, NMI too: one instruction.
 * Return: false if nothing was flushed.
 */
bool __kvmpv_flush_tlb_all(void)
{
	if (!kvmpv_flush_call(KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0))
		return false;
	this_cpu_inc(kvmpv_tlb_counters.tlb_all);
	return true;
}

/**
 * __kvmpv_flush_tlb_kernel() - flush kernel pages of all CPUs
 * @start: first address
 * @end: end, or TLB_FLUSH_ALL
 *
 * Interrupts are off so that nobody else fills the descriptor. Other CPUs need
 * not have theirs on: the host waits for none of them to do anything.
 *
 * Context: any; in NMI context nothing is flushed.
 * Return: false if not all CPUs have flushed.
 */
bool __kvmpv_flush_tlb_kernel(unsigned long start, unsigned long end)
{
	struct kvmpv_flush_vcpus *desc;
	unsigned long flags;
	bool ok;
	int cpu;

	/* As in kvmpv_flush_tlb_multi(). */
	if (in_nmi())
		return false;
	local_irq_save(flags);
	desc = this_cpu_ptr(&kvmpv_desc);
	kvmpv_desc_init(desc, KVMPV_FLUSH_ALL, start, end, PAGE_SHIFT);
	ok = this_cpu_read(kvmpv_tlb_cpu.gpa);
	for_each_online_cpu(cpu)
		ok = ok && kvmpv_desc_add(desc, cpu);
	ok = ok && kvmpv_desc_call();
	local_irq_restore(flags);
	return ok;
}

/**
 * __kvmpv_sync_table_walkers() - wait for who reads the kernel's page tables
 *
 * Who frees a page table of the kernel flushes before. Natively that interrupts all
 * CPUs, and so waits for those that walk the tables without a lock, but with
 * interrupts off, as perf_get_page_size() does. The host's flush waits for none.
 *
 * Context: as flush_tlb_kernel_range(), after it: interrupts are on.
 */
void __kvmpv_sync_table_walkers(void)
{
	tlb_remove_table_sync_one();
}

/*
 * Has a CPU anything to flush? If page tables are freed, lazy ones have, too. One
 * that has gone on to another mm has not: an IPI would only take it out of
 * mm_cpumask(), which 7.x does no earlier. If it comes back, it finds tlb_gen
 * raised. While it switches it may have either mm.
 */
static bool kvmpv_has_to_flush(int cpu, const struct flush_tlb_info *info)
{
	struct mm_struct *loaded_mm = READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));

	if (!info->freed_tables)
		return should_flush_tlb(cpu, (void *)info);
	return loaded_mm == info->mm || loaded_mm == LOADED_MM_SWITCHING;
}

/*
 * As native_flush_tlb_multi(), one call for all CPUs. Whether others need it is
 * decided as there; that a CPU goes on to another mm, or to none, meanwhile is
 * caught by the tlb_gen that the caller has raised before, as there, too.
 *
 * Interrupts are off from filling the descriptor to the call: flush_tlb_func()
 * for another CPU's flush would take it for its own.
 */
static void kvmpv_flush_tlb_multi(const struct cpumask *cpumask,
				  const struct flush_tlb_info *info)
{
	struct kvmpv_tlb_cpu *tlb;
	struct kvmpv_flush_vcpus *desc;
	void *arg = (void *)info;
	unsigned long flags;
	int cpu, self;
	bool ok;

	/*
	 * An IPI also lets CPUs leave mm_cpumask(); due once a second. In a
	 * debugger the descriptor may be the interrupted code's.
	 */
	if (in_nmi() || info->trim_cpumask ||
	    (info->end != TLB_FLUSH_ALL && !kvmpv_shift_ok(info->stride_shift))) {
		kvmpv_flush_multi_before(cpumask, info);
		return;
	}
	/* KVM's has the host flush vCPUs that are preempted: no MOV to CR3. */
	if (KVMPV_FULL_LOADS_CR3 && info->end == TLB_FLUSH_ALL) {
		native_flush_tlb_multi(cpumask, info);
		return;
	}

	/*
	 * From here on it is this CPU: not all kernels have preemption off before. One
	 * that the caller was on meanwhile is one of the others.
	 */
	local_irq_save(flags);
	self = smp_processor_id();
	tlb = this_cpu_ptr(&kvmpv_tlb_cpu);
	desc = this_cpu_ptr(&kvmpv_desc);
	ok = tlb->gpa;
	kvmpv_desc_init(desc, boot_cpu_has(X86_FEATURE_PTI) ?
			KVMPV_FLUSH_ALL : KVMPV_FLUSH_USER,
			info->start, info->end, info->stride_shift);
	for_each_cpu(cpu, cpumask) {
		if (cpu == self || !kvmpv_has_to_flush(cpu, info))
			continue;
		ok = ok && kvmpv_desc_add(desc, cpu);
		tlb->pending = ok;
	}
	if (ok && cpumask_test_cpu(self, cpumask) &&
	    (info->freed_tables || should_flush_tlb(self, arg)))
		flush_tlb_func(arg);
	if (tlb->pending) {
		tlb->pending = false;
		ok = kvmpv_desc_call();
	}
	local_irq_restore(flags);

	if (ok)
		count_vm_tlb_event(NR_TLB_REMOTE_FLUSH);
	else
		kvmpv_flush_multi_before(cpumask, info);
}

/**
 * kvmpv_tlb_init() - use the flush calls from now on
 *
 * Page tables are freed by RCU from now on: gup-fast keeps interrupts off to
 * have no page table freed, and relies on an IPI in each flush, which is gone.
 *
 * Context: boot CPU, before alternatives are applied, after KVM's own setup.
 */
void __init kvmpv_tlb_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_KVM_TLB_FLUSH);
	if (!IS_ENABLED(CONFIG_SMP))
		return;
	kvmpv_flush_multi_before = pv_ops.mmu.flush_tlb_multi;
	pv_ops.mmu.flush_tlb_multi = kvmpv_flush_tlb_multi;
	kvmpv_free_tables_by_rcu();
}

/**
 * kvmpv_tlb_cpu_init() - this CPU's descriptor is where it stays
 *
 * Context: interrupts off.
 */
void kvmpv_tlb_cpu_init(void)
{
	this_cpu_write(kvmpv_tlb_cpu.gpa,
		       slow_virt_to_phys(this_cpu_ptr(&kvmpv_desc)));
}
