/* SPDX-License-Identifier: GPL-2.0 */
/* kvm-paravirt, guest side; see Documentation/admin-guide/kernel-parameters.txt */
#ifndef _ASM_X86_KVM_PARAVIRT_H
#define _ASM_X86_KVM_PARAVIRT_H

#include <linux/cpufeature.h>
#include <linux/types.h>
#include <linux/version.h>
#include <asm/pgtable_types.h>
#include <asm/ptrace.h>

#ifdef CONFIG_KVM_PARAVIRT_GUEST

#include <uapi/asm/kvm_paravirt.h>

/* What happened on a CPU, since boot. */
struct kvmpv_tlb_counters {
	unsigned long tlb_range;	/* FLUSH_RANGE, in place of INVLPGs */
	unsigned long tlb_all;		/* FLUSH, in place of two writes to CR4 */
	unsigned long tlb_vcpus;	/* FLUSH_VCPUS, in place of IPIs */
	unsigned long tlb_refused;	/* flush calls that the host refused */
};

DECLARE_PER_CPU(struct kvmpv_tlb_counters, kvmpv_tlb_counters);

struct kvmpv_populate_counters {
	u64 populate;		/* POPULATE */
	u64 populate_pages;	/* pages that the host has done by it */
	u64 populate_refused;	/* calls that the host refused */
};

DECLARE_PER_CPU(struct kvmpv_populate_counters, kvmpv_populate_counters);

/* A host that refused is asked again at most this often. */
#define KVMPV_RETRY	(HZ / 2)

bool __kvmpv_flush_tlb_range(unsigned long start, unsigned long end,
			     unsigned int shift);
bool __kvmpv_flush_tlb_user(void);
bool __kvmpv_flush_tlb_all(void);
bool __kvmpv_flush_tlb_kernel(unsigned long start, unsigned long end);
void __kvmpv_sync_table_walkers(void);
void kvmpv_tlb_init(void);
void kvmpv_tlb_cpu_init(void);

/* Only with CONFIG_KVM_PARAVIRT_CR3 */
void kvmpv_cr3_init(bool entry);
int kvmpv_cr3_cpu_init(unsigned long features);
void kvmpv_cr3_cpu_offline(void);
void kvmpv_mm_init(void);
void kvmpv_keep_init(void);
void kvmpv_cow_init(void);
void kvmpv_fault_init(void);

/**
 * kvmpv_flush_tlb_range() - flush user pages of this CPU by the host
 * @start: first address
 * @end: end
 * @shift: log2 of bytes from one page to the next
 *
 * Context: as __kvmpv_flush_tlb_range().
 * Return: false if the caller has to flush by itself.
 */
static __always_inline bool kvmpv_flush_tlb_range(unsigned long start,
						  unsigned long end,
						  unsigned int shift)
{
	return cpu_feature_enabled(X86_FEATURE_KVM_TLB_FLUSH) &&
	       __kvmpv_flush_tlb_range(start, end, shift);
}

/**
 * kvmpv_flush_tlb_all() - flush everything of this CPU by the host
 *
 * Context: as __kvmpv_flush_tlb_all().
 * Return: false if the caller has to flush by itself.
 */
static __always_inline bool kvmpv_flush_tlb_all(void)
{
	return cpu_feature_enabled(X86_FEATURE_KVM_TLB_FLUSH) &&
	       __kvmpv_flush_tlb_all();
}

/**
 * kvmpv_flush_tlb_kernel() - flush kernel pages of all CPUs by the host
 * @start: first address
 * @end: end, or TLB_FLUSH_ALL
 *
 * Context: as __kvmpv_flush_tlb_kernel().
 * Return: false if the caller has to flush by itself.
 */
static __always_inline bool kvmpv_flush_tlb_kernel(unsigned long start,
						   unsigned long end)
{
	return cpu_feature_enabled(X86_FEATURE_KVM_TLB_FLUSH) &&
	       __kvmpv_flush_tlb_kernel(start, end);
}

/**
 * kvmpv_sync_table_walkers() - wait for who reads the kernel's page tables
 *
 * Between a flush of kernel pages and freeing what were their page tables.
 *
 * Context: as __kvmpv_sync_table_walkers().
 */
static __always_inline void kvmpv_sync_table_walkers(void)
{
	if (cpu_feature_enabled(X86_FEATURE_KVM_TLB_FLUSH))
		__kvmpv_sync_table_walkers();
}

/**
 * kvmpv_hypercall4() - call the host
 * @nr: KVMPV_HC_*
 * @a0: first argument
 * @a1: second argument
 * @a2: third argument
 * @a3: fourth argument
 *
 * kvm_hypercall2() is VMCALL before alternatives are applied, on AMD CPUs too,
 * which is when the boot CPU probes; cpu_feature_enabled() is right at all times.
 *
 * Context: any.
 * Return: the host's answer, negative KVMPV_E* if it is refused.
 */
static __always_inline long kvmpv_hypercall4(unsigned int nr, unsigned long a0,
					     unsigned long a1, unsigned long a2,
					     unsigned long a3)
{
	long ret;

	if (cpu_feature_enabled(X86_FEATURE_VMMCALL))
		asm volatile("vmmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3)
			     : "memory");
	else
		asm volatile("vmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3)
			     : "memory");
	return ret;
}

/**
 * kvmpv_hypercall2() - call the host with two arguments
 * @nr: KVMPV_HC_*
 * @a0: first argument
 * @a1: second argument
 *
 * Context: any.
 * Return: as kvmpv_hypercall4().
 */
static __always_inline long kvmpv_hypercall2(unsigned int nr, unsigned long a0,
					     unsigned long a1)
{
	return kvmpv_hypercall4(nr, a0, a1, 0, 0);
}

bool kvmpv_pic_init(void);
void kvmpv_pic_crash(void);

void kvmpv_init_platform(void);
void kvmpv_guest_init(void);
void kvmpv_populate_init(void);
void kvmpv_guest_cpu_init(void);
void kvmpv_guest_cpu_offline(void);

extern unsigned int kvmpv_host_version;
extern unsigned long kvmpv_offered, kvmpv_used;
extern const char *kvmpv_reason;
extern bool kvmpv_iodelay_used, kvmpv_pic_used, kvmpv_pti_used;
extern bool kvmpv_keep_used, kvmpv_cow_used, kvmpv_fault_used;

/*
 * What kernels name, or do, in another way. Macros, as most users of this header need
 * nothing of what these take.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define kvmpv_no_io_delay()		(pv_ops.cpu.io_delay = paravirt_nop)
#define kvmpv_free_tables_by_rcu()	(pv_ops.mmu.tlb_remove_table = tlb_remove_table)
#define kvmpv_count_spurious_irq()	atomic_inc(&irq_err_count)
#define kvmpv_thp_disabled(mm)		test_bit(MMF_DISABLE_THP, &(mm)->flags)
#define kvmpv_pgd_order()		PGD_ALLOCATION_ORDER
#define kvmpv_alloc_folio(gfp, vma, addr)	vma_alloc_folio(gfp, 0, vma, addr, false)
#else
#define kvmpv_no_io_delay()		(pv_info.io_delay = false)
/* Always are. */
#define kvmpv_free_tables_by_rcu()	do { } while (0)
#define kvmpv_count_spurious_irq()	irq_stat_inc_and_enable(IRQ_COUNT_PIC_APIC_ERROR)
#define kvmpv_thp_disabled(mm)		(__mm_flags_get_word(mm) & MMF_DISABLE_THP_MASK)
#define kvmpv_pgd_order()		pgd_allocation_order()
#define kvmpv_alloc_folio(gfp, vma, addr)	vma_alloc_folio(gfp, 0, vma, addr)
#endif

/*
 * INVLPGB flushes what the CPU has by a PCID, for all CPUs. Of software ASIDs, which
 * have the numbers of those that it is used with, and of shadow page tables it knows
 * nothing. Kernels that know of it have the option, whatever their version.
 */
#ifdef CONFIG_BROADCAST_TLB_FLUSH
#define kvmpv_no_broadcast_flush()	setup_clear_cpu_cap(X86_FEATURE_INVLPGB)
#else
#define kvmpv_no_broadcast_flush()	do { } while (0)
#endif

#else /* !CONFIG_KVM_PARAVIRT_GUEST */

static inline bool kvmpv_flush_tlb_range(unsigned long start, unsigned long end,
					 unsigned int shift)
{
	return false;
}

static inline bool __kvmpv_flush_tlb_user(void) { return false; }
static inline bool kvmpv_flush_tlb_all(void) { return false; }
static inline bool kvmpv_flush_tlb_kernel(unsigned long start, unsigned long end)
{
	return false;
}

static inline void kvmpv_sync_table_walkers(void) { }
static inline void kvmpv_pic_crash(void) { }
static inline void kvmpv_init_platform(void) { }
static inline void kvmpv_guest_init(void) { }
static inline void kvmpv_populate_init(void) { }
static inline void kvmpv_guest_cpu_init(void) { }
static inline void kvmpv_guest_cpu_offline(void) { }

#endif /* CONFIG_KVM_PARAVIRT_GUEST */

#ifdef CONFIG_KVM_PARAVIRT_CR3

/* What happened on a CPU, since boot. */
struct kvmpv_counters {
	u64 hit;		/* CR3 loaded from the table, no exit */
	u64 miss;		/* LOAD_CR3: one exit, no flush */
	u64 flush;		/* MOV to CR3 because a flush was due */
	u64 native;		/* MOV to CR3 because the host could not help */
	u64 release;		/* RELEASE */
	u64 kept;		/* page tables of a process left to another */
	u64 reused;		/* ... taken by one */
	u64 dropped;		/* ... given back: no room, or memory was short */
	u64 unclean;		/* ... not left, something was in them */
	u64 fork_ranges;	/* fork(): ranges flushed, in place of everything */
	u64 cow;		/* copy-on-write: flushed after the new entry was set */
	u64 fault_around;	/* anonymous pages mapped before they were touched */
	u64 registered;		/* times REGISTER succeeded */
	u64 refused;		/* times a call was refused */
};

struct mm_struct;

struct page;

void kvmpv_release_tables(pgd_t *pgd, struct page **table, unsigned int nr);
bool kvmpv_leave_mm(struct mm_struct *mm);
void __kvmpv_pick_layout(struct mm_struct *mm);
pgd_t *__kvmpv_pgd_alloc(struct mm_struct *mm);
bool __kvmpv_has_tree(struct mm_struct *mm);
bool __kvmpv_pgd_free(struct mm_struct *mm);
unsigned long kvmpv_trees_count(void);
unsigned long kvmpv_trees_shrink(unsigned long pages);
void kvmpv_trees_start(void);

/**
 * kvmpv_pick_layout() - exec() decides where the mappings of a program will be
 * @mm: of the new program
 *
 * Context: as __kvmpv_pick_layout().
 */
static __always_inline void kvmpv_pick_layout(struct mm_struct *mm)
{
	if (cpu_feature_enabled(X86_FEATURE_KVM_KEEP))
		__kvmpv_pick_layout(mm);
}

/**
 * kvmpv_pgd_alloc() - page tables for a new mm, of one that has exited
 * @mm: has none yet
 *
 * Context: as __kvmpv_pgd_alloc().
 * Return: a page directory, or NULL: make a new one.
 */
static __always_inline pgd_t *kvmpv_pgd_alloc(struct mm_struct *mm)
{
	return cpu_feature_enabled(X86_FEATURE_KVM_KEEP) ? __kvmpv_pgd_alloc(mm) : NULL;
}

/**
 * kvmpv_has_tree() - does pgd_free() have to ask kvmpv_pgd_free()?
 * @mm: the last reference to it is gone
 *
 * Context: any.
 * Return: true if kvmpv_pgd_free() decides.
 */
static __always_inline bool kvmpv_has_tree(struct mm_struct *mm)
{
	return cpu_feature_enabled(X86_FEATURE_KVM_KEEP) && __kvmpv_has_tree(mm);
}

/**
 * kvmpv_pgd_free() - keep the page tables of an mm
 * @mm: as for __kvmpv_pgd_free()
 *
 * Context: as __kvmpv_pgd_free().
 * Return: false if the page directory is the caller's to free.
 */
static __always_inline bool kvmpv_pgd_free(struct mm_struct *mm)
{
	return __kvmpv_pgd_free(mm);
}

/* A restart window, and where a lookup goes on that finds nothing. */
struct kvmpv_code {
	u64 start;
	u64 commit;
	u64 miss;
};

DECLARE_PER_CPU(struct kvmpv_counters, kvmpv_counters);
DECLARE_PER_CPU_PAGE_ALIGNED(struct kvmpv_state, kvmpv_state);
DECLARE_PER_CPU_PAGE_ALIGNED(struct kvmpv_table, kvmpv_table);

/* What .kvmpv_windows has; from the linker, which sees to it that they fit. */
extern const struct kvmpv_code __kvmpv_windows[], __kvmpv_windows_end[];

extern const char kvmpv_cr3_start[];
extern struct kvmpv_code kvmpv_code[];
extern unsigned int kvmpv_nr_code;

/**
 * __kvmpv_load_cr3() - load CR3 from the table of this CPU; kvm_paravirt_asm.S
 * @table: kvmpv_table of this CPU
 * @cr3: the guest's CR3, without CR3_NOFLUSH
 *
 * Context: interrupts off.
 * Return: false if the table does not have it; CR3 is what it was.
 */
bool __kvmpv_load_cr3(const struct kvmpv_table *table, unsigned long cr3);
bool kvmpv_load_cr3(unsigned long cr3);

/**
 * kvmpv_count_flush() - count a load of CR3 that had to flush
 *
 * Context: interrupts off.
 */
static __always_inline void kvmpv_count_flush(void)
{
	this_cpu_inc(kvmpv_counters.flush);
}

/**
 * kvmpv_fixup_ip() - a #DB from kernel mode
 * @regs: what was interrupted
 *
 * The host sets RIP back to the start of the lookup at each exit, and #DB exits
 * before it arrives here. A step or a watchpoint would never get past that: go
 * on as a miss. NMI and #MC return to the start of the lookup, which is fine.
 */
static __always_inline void kvmpv_fixup_ip(struct pt_regs *regs)
{
	unsigned int i;

	if (!cpu_feature_enabled(X86_FEATURE_KVM_CR3_CACHE))
		return;
	for (i = 0; i < kvmpv_nr_code; i++) {
		if (regs->ip >= kvmpv_code[i].start &&
		    regs->ip <= kvmpv_code[i].commit)
			regs->ip = kvmpv_code[i].miss;
	}
}

#else /* !CONFIG_KVM_PARAVIRT_CR3 */

static inline bool kvmpv_load_cr3(unsigned long cr3) { return false; }
static inline void kvmpv_pick_layout(struct mm_struct *mm) { }
static inline pgd_t *kvmpv_pgd_alloc(struct mm_struct *mm) { return NULL; }
static inline bool kvmpv_has_tree(struct mm_struct *mm) { return false; }
static inline bool kvmpv_pgd_free(struct mm_struct *mm) { return false; }
static inline unsigned long kvmpv_trees_count(void) { return 0; }
static inline void kvmpv_count_flush(void) { }
static inline void kvmpv_fixup_ip(struct pt_regs *regs) { }

#endif /* CONFIG_KVM_PARAVIRT_CR3 */
#endif /* _ASM_X86_KVM_PARAVIRT_H */
