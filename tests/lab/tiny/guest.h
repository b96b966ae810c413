/* SPDX-License-Identifier: GPL-2.0 */
/* The small guest: what its parts share. */
#ifndef GUEST_H
#define GUEST_H

#include "tiny.h"
#include "kvm_paravirt.h"

#define NR_SPACES	8	/* twice what KVM keeps roots of */
#define NR_SLOTS	4	/* pages that each space maps at SLOT_VA() */
#define SLOT_VA(s)	(0x8000000000 + (u64)(s) * 4096)
#define PAGE_SIZE	4096
/* Where in its page a slot says what it is: not at the start, which the host writes if it is named as a state page. */
#define MAGIC_OFFSET	2048

#define GUARD_EXCEPTION	0x1000
#define NO_CR3		(1ul << 60)	/* reserved bit: no CR3 value */

#define CR4_PGE		0x80ul
#define CR4_PCIDE	0x20000ul
#define CR3_NOFLUSH	(1ul << 63)
#define CR3_TAG		(1ul << KVMPV_CR3_TAG_BIT)
#define PTE_P		1ul
#define PTE_W		2ul
#define PTE_A		0x20ul
#define PTE_D		0x40ul
#define PTE_G		0x100ul

/* Of a vCPU; entry.S knows the first two. */
struct cpu {
	struct cpu *self;
	u64 guard;
	u64 id;
	u64 op, rng;
	u64 space;		/* that it runs on */
	u64 vector;		/* of the last exception in guarded() */
	u64 forged_seen;	/* forgeries of its table that were mended */
	u64 cached;		/* CR3_CACHE was accepted */
	u64 listens;		/* the host knows LOAD_CR3 */
	u64 pcide;		/* CR4.PCIDE: reading CR4 is an exit */
	u64 gdt[6], tss[14];
	/* The oldest generation that this vCPU may still see. */
	u64 must[NR_SPACES][NR_SLOTS];
	u64 flushed[NR_SPACES];	/* edits of the space at its last flush here */
};

struct space {
	u64 pml4[512], pdpt[512], pd[512], pt[512];
};

struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

#define ctl ((volatile struct ctl *)(HIGH + CTL_GPA))
#define counters(c) (&ctl->cpu[(c)->id])

extern struct cpu cpus[MAX_VCPUS];
extern struct space spaces[NR_SPACES];
extern struct kvmpv_state states[MAX_VCPUS];
extern struct kvmpv_table tables[MAX_VCPUS];
extern u8 scratch[16 * PAGE_SIZE];
extern u8 use_vmmcall;
extern volatile u64 edits[NR_SPACES], generation[NR_SPACES][NR_SLOTS];

/* entry.S */
extern const u8 lookup_start[], lookup_commit[], linger_start[], linger_commit[];
extern const u8 crooked_start[], crooked_commit[];
long lookup(volatile void *table, u64 cr3);
long linger(volatile void *table, u64 cr3, u64 loops);
long crooked(u64 what, void *address, u64 value);
long trip(u64 how, u64 nr, u64 a0, u64 a1, u64 pdpt);
long guarded(void *fn, u64 a, u64 b, u64 c);

/* guest.c */
void fail(struct cpu *c, const char *text, u64 want, u64 got) __attribute__((noreturn));
long call(struct cpu *c, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3);
u64 space_cr3(struct cpu *c, u64 space);
long do_register(struct cpu *c);
u64 new_pdpt(struct cpu *c);
void load(struct cpu *c, u64 space);
void move(struct cpu *c, u64 space);
void edit(struct cpu *c, u64 space, u64 slot);
void note_edits(u64 gens[NR_SPACES][NR_SLOTS]);
void raise_must(struct cpu *c, u64 space, u64 slot, u64 gen);
void flushed_space(struct cpu *c, u64 space, u64 gens[NR_SPACES][NR_SLOTS]);
void check_slot(struct cpu *c, u64 space, u64 slot);
u64 space_of(u64 cr3);
void flush_current(struct cpu *c, u64 slot, u64 how);
#define FLUSH_WAYS	9

/* The modes. */
void many(struct cpu *c);
void cost(struct cpu *c);
void prices(struct cpu *c);
void storm(struct cpu *c);
void fuzz(struct cpu *c);

/* pool.c: what the fuzzer does on hosts with EPT or NPT. */
extern struct pool pools[NR_POOLS];
void new_pool(struct cpu *c);
void pool(struct cpu *c);
u64 wild_number(struct cpu *c);
u64 other(struct cpu *c);
void check_result(struct cpu *c, u64 nr, long r);

/* EPT or NPT: the host shadows nothing. */
static inline int is_tdp(void)
{
	return ctl->host >= HOST_ASKED;
}

static inline u64 gpa(const volatile void *p)
{
	return (u64)p - HIGH;
}

static inline u64 read_cr3(void)
{
	u64 v;

	asm volatile("mov %%cr3, %0" : "=r" (v));
	return v;
}

static inline void write_cr3(u64 v)
{
	asm volatile("mov %0, %%cr3" : : "r" (v) : "memory");
}

static inline u64 read_cr4(void)
{
	u64 v;

	asm volatile("mov %%cr4, %0" : "=r" (v));
	return v;
}

static inline void write_cr4(u64 v)
{
	asm volatile("mov %0, %%cr4" : : "r" (v) : "memory");
}

static inline void invlpg(u64 va)
{
	asm volatile("invlpg (%0)" : : "r" (va) : "memory");
}

static inline void outb(u32 port)
{
	asm volatile("outb %%al, %%dx" : : "a" (0), "d" (port) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("lfence; rdtsc" : "=a" (lo), "=d" (hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline u64 rdmsr(u32 nr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a" (lo), "=d" (hi) : "c" (nr));
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 nr, u64 v)
{
	asm volatile("wrmsr" : : "c" (nr), "a" ((u32)v), "d" ((u32)(v >> 32)) : "memory");
}

static inline void cpuid(u32 leaf, u32 *a, u32 *b, u32 *cx, u32 *d)
{
	*a = leaf;
	*cx = 0;
	asm volatile("cpuid" : "+a" (*a), "=b" (*b), "+c" (*cx), "=d" (*d));
}

/* splitmix64 */
static inline u64 random(struct cpu *c)
{
	u64 z = c->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* What an operation draws depends on seed, vCPU and its number alone: it can be repeated. */
static inline void seed(struct cpu *c)
{
	c->rng = ctl->seed ^ (c->id + 1) << 56 ^ c->op * 0xd1342543de82ef95;
	random(c);
}

static inline u64 pick(struct cpu *c, u64 n)
{
	return random(c) % n;
}

#endif
