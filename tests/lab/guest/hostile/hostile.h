/* SPDX-License-Identifier: GPL-2.0 */
/* kvm-paravirt, a hostile guest: what its parts share. README.md says what it is. */
#ifndef __HOSTILE_H
#define __HOSTILE_H

#include <linux/io.h>
#include <linux/seq_file.h>
#include <linux/smp.h>

#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "kvm_paravirt.h"

/* Kernels before 7.x have these by another name. */
#ifndef rdmsrq
#define rdmsrq rdmsrl
#define wrmsrq wrmsrl
#endif

#define HOSTILE_CPUS	2
#define CR3_TAG		BIT(KVMPV_CR3_TAG_BIT)
#define CR3_RESERVED	BIT(60)

#define F_FLUSHES	(KVMPV_F_FLUSH | KVMPV_F_FLUSH_RANGE | KVMPV_F_FLUSH_VCPUS)
/* The first feature bit that no version has yet. */
#define F_UNDEFINED	0x40

/* Guest physical addresses that are no RAM. */
#define GPA_APIC	0xfee00000ull	/* memory of KVM's own */
#define GPA_TSS		0xfeffd000ull	/* QEMU's KVM_SET_TSS_ADDR */
#define GPA_HOLE	0x80000000ull
#define GPA_FAR		BIT_ULL(39)
#define GPA_FARTHEST	0xfffffffffffff000ull

/* State page and table of each vCPU; the cases decide what is in them. */
struct hostile_pages {
	struct kvmpv_state *state;
	struct kvmpv_table *table;
};

extern struct hostile_pages hostile_pages[HOSTILE_CPUS];

/* What a run of a window has counted; asm.S stores it. */
struct hostile_run {
	u64 starts;		/* times that the code at start was executed */
};

/* Windows of asm.S, in ascending order. */
extern const char lookup_start[], lookup_commit[];
extern const char spin_start[], spin_commit[];
extern const char cpuid_start[], cpuid_commit[];
extern const char out_start[], out_commit[];
extern const char mmio_start[], mmio_commit[];
extern const char fault_start[], fault_commit[];

/* asm.S; all with interrupts off, and all but the last are windows. */
long hostile_lookup(const struct kvmpv_table *table, u64 cr3,
		    struct hostile_run *run);
long hostile_spin(const struct kvmpv_table *table, u64 cr3,
		  struct hostile_run *run, u64 loops);
long hostile_cpuid(void);
long hostile_out(void);
long hostile_mmio(const void __iomem *reg, u64 loops);
long hostile_fault(const void *unmapped);
long hostile_lookup_stepped(const struct kvmpv_table *table, u64 cr3,
			    struct hostile_run *run);
long hostile_mov_cr3(u64 cr3);
long hostile_changed_registers(u64 nr);

/* main.c */
void hostile_case(const char *name, long want, long got);
void hostile_text(const char *name, const char *want, const char *got);
void hostile_on(unsigned int cpu, void (*fn)(void));

/* register.c */
void hostile_fill(struct kvmpv_state *state, struct kvmpv_table *table);
void hostile_fill_load(struct kvmpv_state *state, struct kvmpv_table *table);
long hostile_register(void);
long hostile_register_load(void);
long hostile_register_promised(void);
void hostile_unregister(void);

/* table.c */
u64 hostile_find(const struct kvmpv_table *table, u64 cr3);
bool hostile_empty(const struct kvmpv_table *table);
void hostile_forge(struct kvmpv_table *table, u64 cr3, u64 host_cr3);
u64 hostile_copy_pgd(void *pgd);
void hostile_write_cr4(u64 cr4);

struct pci_dev;
void hostile_with_rom(void (*with)(struct pci_dev *dev));

static inline struct hostile_pages *hostile_mine(void)
{
	return &hostile_pages[smp_processor_id()];
}

/* CR3 targets are Intel's; the lab's Intel CPUs have four. */
static inline bool hostile_has_cache(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
}

static inline u64 hostile_offered(void)
{
	return KVMPV_F_LOAD_CR3 | KVMPV_F_INVLPG_CURRENT | F_FLUSHES | KVMPV_F_RELEASE |
	       (hostile_has_cache() ? KVMPV_F_CR3_CACHE : 0);
}

static __always_inline long hostile_call4(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3)
{
	long ret;

	asm volatile(KVM_HYPERCALL : "=a" (ret)
		     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3)
		     : "memory");
	return ret;
}

static __always_inline long hostile_call(u64 nr, u64 a0, u64 a1)
{
	return hostile_call4(nr, a0, a1, 0, 0);
}

static inline long hostile_load_cr3(u64 cr3)
{
	return hostile_call(KVMPV_HC_LOAD_CR3, cr3, KVMPV_LOAD_CR3_NOFLUSH);
}

/* Reading CR3 exits, so this is what the host takes for the guest's CR3. */
static inline u64 hostile_cr3(void)
{
	u64 cr3;

	asm volatile("mov %%cr3, %0" : "=r" (cr3) : : "memory");
	return cr3;
}

/* Makes KVM_RUN return, by a port that only QEMU handles. */
static inline void hostile_leave(void)
{
	outb(0, 0x80);
}

/* The groups. */
void hostile_calls(void);
void hostile_off(void);
void hostile_ept(void);
void hostile_noload(void);
void hostile_nocache(void);
void hostile_flushonly(void);
void hostile_registering(void);
void hostile_owners(void);
void hostile_rom(void);
void hostile_load(void);
void hostile_table(void);
void hostile_aliased(void);
void hostile_race(void);
void hostile_window(void);
void hostile_life(void);
void hostile_loop(void);
void hostile_die(void);
void hostile_die_hole(void);
void hostile_flush(void);
void hostile_flushed(void);
void hostile_shootdown(void);
void hostile_release(void);
void hostile_populate(void);
void hostile_nested(void);
void hostile_vmx(void);
void hostile_vmxon(void);
void hostile_vmxoff(void);
void hostile_keep(void);
void hostile_kept(void);
void hostile_lost(void);

#endif /* __HOSTILE_H */
