/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What guest-patches/src/arch/x86/kernel/kvm_paravirt_tlb.c, _mm.c, _fault.c and _populate.c take from the kernel, for userspace: one
 * CPU, whose interrupts are on or off, and in which an NMI or another CPU may come in between. Read before everything else;
 * the headers that the sources name are empty.
 */
#ifndef KVMPV_UNIT_KERNEL_H
#define KVMPV_UNIT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;

/* --- the compiler's and the preprocessor's part */

#define CONFIG_KVM_PARAVIRT_GUEST	1
#define CONFIG_KVM_PARAVIRT_CR3		1
#define CONFIG_SMP			1

#define __ARG_PLACEHOLDER_1		0,
#define __take_second_arg(ignored, val, ...) val
#define ____is_defined(arg)		__take_second_arg(arg 1, 0, 0)
#define ___is_defined(val)		____is_defined(__ARG_PLACEHOLDER_##val)
#define IS_ENABLED(option)		___is_defined(option)

/* The version that the sources are compiled for, where it matters. CONFIG_PT_RECLAIM came later. */
#define KERNEL_VERSION(a, b, c)		(((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE		KERNEL_VERSION(6, 12, 0)

#define __aligned(n)			__attribute__((aligned(n)))
#define __init
#define __ro_after_init
#define unlikely(x)			(x)
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n)			(1ULL << (n))
#define DIV_ROUND_UP(n, d)		(((n) + (d) - 1) / (d))
#define static_assert(cond)		_Static_assert(cond, #cond)

/* Is called with the address of each entry before that is read. */
void unit_read(const volatile void *p);
#define READ_ONCE(x)			(*(unit_read(&(x)), (volatile typeof(x) *)&(x)))
#define WRITE_ONCE(x, val)		(*(volatile typeof(x) *)&(x) = (val))

/* --- this CPU */

extern bool unit_irqs_off, unit_nmi;
extern int unit_no_preempt;
extern unsigned long jiffies;
#define HZ				250

void local_irq_disable(void);
void local_irq_enable(void);
#define local_irq_save(flags)		((flags) = unit_irqs_off, unit_irqs_off = true)
#define local_irq_restore(flags)	(unit_irqs_off = (flags))
static inline bool in_nmi(void) { return unit_nmi; }
static inline void preempt_disable(void) { unit_no_preempt++; }
static inline void preempt_enable(void) { unit_no_preempt--; }
static inline void cond_resched(void) { }
#define time_before(a, b)		((long)((a) - (b)) < 0)

#define DEFINE_PER_CPU(type, name)	__typeof__(type) name
#define DECLARE_PER_CPU(type, name)	extern type name
#define DECLARE_PER_CPU_PAGE_ALIGNED	DECLARE_PER_CPU
/* Checks that the task cannot move to another CPU now: preemption is off, or interrupts are. */
void unit_pinned(void);
#define this_cpu_ptr(p)			(unit_pinned(), (p))
#define this_cpu_read(x)		(x)
#define this_cpu_write(x, val)		((x) = (val))
#define this_cpu_inc(x)			((x)++)
#define this_cpu_add(x, n)		((x) += (n))
#define smp_processor_id()		(unit_pinned(), 0)
/* An NMI may come in here. */
unsigned int cpu_physical_id(int cpu);

enum {
	X86_FEATURE_PTI,
	X86_FEATURE_VMMCALL,
	X86_FEATURE_KVM_TLB_FLUSH,
	X86_FEATURE_KVM_CR3_CACHE,
	X86_FEATURE_KVM_KEEP,
	X86_FEATURE_KVM_FAULT,
	X86_FEATURE_KVM_POPULATE,
};

static inline bool boot_cpu_has(int feature) { return feature != X86_FEATURE_PTI; }
#define cpu_feature_enabled		boot_cpu_has
#define setup_force_cpu_cap(feature)	((void)(feature))

struct pt_regs {
	unsigned long ip;
};

/* --- flushes */

#define NR_CPUS				4
struct cpumask {
	unsigned long bits;
};

#define cpumask_test_cpu(cpu, mask)	((mask)->bits >> (cpu) & 1)
#define for_each_online_cpu(cpu)	for ((cpu) = 0; (cpu) < NR_CPUS; (cpu)++)
#define for_each_cpu(cpu, mask)		for_each_online_cpu(cpu) if (cpumask_test_cpu(cpu, mask))

#define TLB_FLUSH_ALL			-1UL
#define count_vm_tlb_event(event)	do { } while (0)

struct mm_struct;
struct flush_tlb_info {
	struct mm_struct *mm;
	unsigned long start, end;
	u8 stride_shift, freed_tables, trim_cpumask;
};

void flush_tlb_func(void *info);
bool should_flush_tlb(int cpu, void *data);
void native_flush_tlb_multi(const struct cpumask *mask, const struct flush_tlb_info *info);
void tlb_remove_table(void);
void tlb_remove_table_sync_one(void);

/* loaded_mm is all that is read of another CPU's state. */
#define LOADED_MM_SWITCHING		((struct mm_struct *)1UL)
extern struct mm_struct *unit_loaded_mm[];
#define per_cpu(loaded_mm, cpu)		(unit_loaded_mm[cpu])

/* --- page tables: an entry is an address and these bits */

#define PAGE_SHIFT			12
#define PAGE_SIZE			4096UL
#define PTRS_PER_PMD			512
#define PTRS_PER_PUD			512
#define PTRS_PER_P4D			1
#define KERNEL_PGD_BOUNDARY		256
#define UNIT_PRESENT			1UL
#define UNIT_LEAF			0x80UL

typedef struct { unsigned long val; } pgd_t;
typedef struct { unsigned long val; } p4d_t;
typedef struct { unsigned long val; } pud_t;
typedef struct { unsigned long val; } pmd_t;

#define unit_table(entry)		((void *)((entry).val & ~(PAGE_SIZE - 1)))
#define pgd_present(entry)		((entry).val & UNIT_PRESENT)
#define p4d_present			pgd_present
#define pud_present			pgd_present
#define pmd_present			pgd_present
#define pud_none(entry)			(!(entry).val)
#define pud_leaf(entry)			((entry).val & UNIT_LEAF)
#define pmd_leaf			pud_leaf
#define p4d_pgtable(entry)		((pud_t *)unit_table(entry))
#define pud_pgtable(entry)		((pmd_t *)unit_table(entry))
#define pmd_page_vaddr(entry)		((unsigned long)unit_table(entry))
#define p4d_offset(pgd, addr)		((p4d_t *)(pgd))
#define pgtable_l5_enabled()		false
#define __pa(p)				((unsigned long)(p))
#define slow_virt_to_phys(p)		((unsigned long)(p))

struct mm_struct {
	pgd_t *pgd;
	unsigned long start_brk, brk;
	unsigned long flags;
};

struct page;
#define page_address(page)		((void *)(page))

extern struct mm_struct init_mm;
extern struct {
	struct mm_struct *loaded_mm;
} cpu_tlbstate;
extern struct {
	bool is_lazy;
} cpu_tlbstate_shared;
#define switch_mm(prev, next, task)	(cpu_tlbstate.loaded_mm = (next))

extern struct {
	struct {
		void (*flush_tlb_multi)(const struct cpumask *mask, const struct flush_tlb_info *info);
		void (*tlb_remove_table)(void);
		void (*exit_mmap)(struct mm_struct *mm);
	} mmu;
} pv_ops;

#define GFP_NOWAIT			0
#define __GFP_NOWARN			(1 << 4)
#define __GFP_NOMEMALLOC		(1 << 5)
#define roundup_pow_of_two(n)		(n)
#define kmalloc(size, flags)		malloc(size)
#define kfree				free

/* --- anonymous memory: one page table, whose lock is held or not; zero is no entry, an odd one is present */

#define PTRS_PER_PTE			512
#define ALIGN(x, a)			(((x) + (a) - 1) & ~((a) - 1))
#define test_bit(nr, word)		(*(word) >> (nr) & 1)
#define min(a, b)			((a) < (b) ? (a) : (b))

enum {
	VM_WRITE		= 1 << 0,
	VM_NOHUGEPAGE		= 1 << 1,
	VM_RAND_READ		= 1 << 2,
	VM_LOCKED		= 1 << 3,
	UNIT_UFFD		= 1 << 4,
	VM_SPECIAL		= 3 << 5,
	MMF_DISABLE_THP		= 24,
};

#define FAULT_FLAG_WRITE		1

#define __GFP_ZERO			(1 << 0)
#define __GFP_RECLAIM			(1 << 1)
#define __GFP_NORETRY			(1 << 2)
#define GFP_HIGHUSER_MOVABLE		(1 << 3 | __GFP_RECLAIM)

typedef struct { unsigned long val; } pte_t;
typedef int spinlock_t;

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags;
	struct mm_struct *vm_mm;
};

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;
	unsigned int flags;
	pmd_t *pmd;
	pte_t *pte;
	spinlock_t *ptl;
};

struct folio;

extern struct unit_task {
	struct mm_struct *mm;
} *current;

#define pte_index(addr)			((addr) >> PAGE_SHIFT & (PTRS_PER_PTE - 1))
#define ptep_get(ptep)			(*(ptep))
#define pte_none(entry)			(!(entry).val)
#define pte_present(entry)		((entry).val & UNIT_PRESENT)
#define userfaultfd_armed(vma)		((vma)->vm_flags & UNIT_UFFD)
pte_t *pte_offset_kernel(pmd_t *pmd, unsigned long addr);
pte_t *pte_offset_map(pmd_t *pmd, unsigned long addr);
void pte_unmap(pte_t *pte);
/* Before the lock is taken, another CPU may fill an entry. */
void spin_lock(spinlock_t *lock);
pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptl);
void pte_unmap_unlock(pte_t *pte, spinlock_t *ptl);
void spin_unlock(spinlock_t *lock);
int check_stable_address_space(struct mm_struct *mm);
struct folio *vma_alloc_folio(unsigned int gfp, int order, struct vm_area_struct *vma, unsigned long addr, bool huge);
int mem_cgroup_charge(struct folio *folio, struct mm_struct *mm, unsigned int gfp);
void __folio_mark_uptodate(struct folio *folio);
void folio_put(struct folio *folio);
void do_set_anon_pte(struct vm_area_struct *vma, unsigned long addr, pte_t *pte, struct folio *folio);

/* --- the host: in place of the instruction */

#define kvmpv_hypercall4		kvmpv_hypercall4_instruction
#define kvmpv_hypercall2		kvmpv_hypercall2_instruction
#include <asm/kvm_paravirt.h>
#undef kvmpv_hypercall4
#undef kvmpv_hypercall2

long kvmpv_hypercall4(unsigned int nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3);
#define kvmpv_hypercall2(nr, a0, a1)	kvmpv_hypercall4(nr, a0, a1, 0, 0)

#endif
