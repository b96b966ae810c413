// SPDX-License-Identifier: GPL-2.0
/*
 * The small guest: its start, exceptions, hypercalls, and address spaces with
 * what each vCPU may see of them.
 *
 * Each slot of a space has a generation, which the page that it maps says. An
 * edit makes the other page of the slot say the next one, and maps it. What a
 * vCPU has flushed it must never see older than it was before the flush.
 */
#include "guest.h"

#define STACK	8192
#define NR_IST	4

u8 stacks[MAX_VCPUS * STACK] __attribute__((aligned(4096)));
static u8 ist[MAX_VCPUS][NR_IST][1024] __attribute__((aligned(16)));
struct cpu cpus[MAX_VCPUS];
struct space spaces[NR_SPACES] __attribute__((aligned(4096)));
static u8 pages[NR_SPACES][NR_SLOTS][2][PAGE_SIZE] __attribute__((aligned(4096)));
struct kvmpv_state states[MAX_VCPUS] __attribute__((aligned(4096)));
struct kvmpv_table tables[MAX_VCPUS] __attribute__((aligned(4096)));
u8 scratch[16 * PAGE_SIZE] __attribute__((aligned(4096)));
/* For trip(): 32-bit paging, one to one. */
static u64 trip_pdpt[MAX_VCPUS][4] __attribute__((aligned(32)));
static u64 trip_pd64[512] __attribute__((aligned(4096)));
u32 trip_pd[1024] __attribute__((aligned(4096)));
static u64 idt[64] __attribute__((aligned(16)));
u8 use_vmmcall;
static volatile u64 ready;
volatile u64 edits[NR_SPACES], generation[NR_SPACES][NR_SLOTS];

extern const u8 stubs[], guarded_out[], trampoline[], trampoline_end[];
void boot(u64 id);
void exception(struct regs *r);

static void halt(void)
{
	for (;;)
		asm volatile("hlt");
}

void fail(struct cpu *c, const char *text, u64 want, u64 got)
{
	ctl->want = want;
	ctl->got = got;
	ctl->fail_cpu = c->id;
	ctl->fail_op = c->op;
	ctl->fail = gpa(text);
	outb(PORT_FAIL);
	for (;;)
		asm volatile("cli; hlt");
}

/* --- exceptions */

void exception(struct regs *r)
{
	struct cpu *c;

	asm volatile("mov %%gs:0, %0" : "=r" (c));
	if (r->vector == 2) {
		counters(c)->nmis++;
		return;
	}
	if (!c->guard)
		fail(c, "an exception that nobody expects (want: its RIP, got: vector)",
		     r->rip, r->vector | r->error << 32);
	counters(c)->faults++;
	c->vector = r->vector;
	r->rax = GUARD_EXCEPTION + r->vector;
	r->rip = (u64)guarded_out;
	r->rsp = c->guard;
	r->cs = 0x08;
	r->ss = 0x10;
	r->rflags = 0x202;
}

static void set_gate(u32 vector, u32 stack)
{
	u64 handler = (u64)stubs + vector * 16;

	idt[vector * 2] = (handler & 0xffff) | 0x08 << 16 | (u64)stack << 32 | 0x8eul << 40 |
			  (handler >> 16 & 0xffff) << 48;
	idt[vector * 2 + 1] = handler >> 32;
}

static void load_tables(struct cpu *c)
{
	struct __attribute__((packed)) { unsigned short limit; u64 base; } d;
	u64 tss = (u64)c->tss, *t = c->tss;
	u32 i;

	/* The 64-bit fields of the TSS are at offsets 4 modulo 8: RSP0 at 4, IST1 at 36. */
	for (i = 0; i < NR_IST; i++) {
		u64 top = (u64)ist[c->id][i] + sizeof(ist[0][0]);

		*(u32 *)((u8 *)t + 36 + i * 8) = top;
		*(u32 *)((u8 *)t + 40 + i * 8) = top >> 32;
	}
	c->gdt[1] = 0x00af9b000000ffff;
	c->gdt[2] = 0x00cf93000000ffff;
	c->gdt[3] = 0x00cf9b000000ffff;
	c->gdt[4] = (sizeof(c->tss) - 1) | (tss & 0xffffff) << 16 | 0x89ul << 40 |
		    (tss >> 24 & 0xff) << 56;
	c->gdt[5] = tss >> 32;
	d.limit = sizeof(c->gdt) - 1;
	d.base = (u64)c->gdt;
	asm volatile("lgdt %0" : : "m" (d));
	d.limit = sizeof(idt) - 1;
	d.base = (u64)idt;
	asm volatile("lidt %0" : : "m" (d));
	asm volatile("ltr %w0" : : "r" (0x20));
	asm volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es" : : "r" (0x10));
	wrmsr(0xc0000101, (u64)c);
}

/* --- calls */

/* Calls that only hosts that shadow have must be refused by the others, and the other way round. */
static void check_host(struct cpu *c, u64 nr, long r)
{
	long want = 0;

	switch (nr) {
	case KVMPV_HC_LOAD_CR3:
		want = -KVMPV_ENOENT;
		break;
	case KVMPV_HC_REGISTER:
	case KVMPV_HC_FLUSH:
	case KVMPV_HC_FLUSH_RANGE:
	case KVMPV_HC_FLUSH_VCPUS:
	case KVMPV_HC_RELEASE:
		want = -KVMPV_ENODEV;
		break;
	case KVMPV_HC_POPULATE:
		if (!is_tdp() && r != -KVMPV_ENOSYS && r != -KVMPV_ENODEV)
			fail(c, "POPULATE on a host that shadows", -KVMPV_ENODEV, r);
		break;
	}
	if (want && is_tdp() && r != want)
		fail(c, "a call for hosts that shadow", want, r);
}

long call(struct cpu *c, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3)
{
	long r;

	counters(c)->calls++;
	if (use_vmmcall)
		asm volatile("vmmcall" : "=a" (r) : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3)
			     : "memory");
	else
		asm volatile("vmcall" : "=a" (r) : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3)
			     : "memory");
	if (r < 0)
		counters(c)->refused++;
	check_host(c, nr, r);
	return r;
}

/* As a well-behaved guest does: everything that is offered. */
long do_register(struct cpu *c)
{
	struct kvmpv_state *st = &states[c->id];
	long offered = call(c, KVMPV_HC_FEATURES, 0, 0, 0, 0), r;
	u32 i;

	if (offered < 0)
		return offered;
	if (is_tdp() && offered != KVMPV_F_POPULATE)
		fail(c, "FEATURES with EPT or NPT", KVMPV_F_POPULATE, offered);
	for (i = 0; i < sizeof(*st) / 8; i++)
		((u64 *)st)[i] = 0;
	st->guest_version = KVMPV_ABI_VERSION;
	st->size = sizeof(*st);
	st->features_accepted = offered;
	counters(c)->table = 0;
	if (offered & KVMPV_F_CR3_CACHE) {
		st->table_gpa = gpa(&tables[c->id]);
		st->nr_windows = ctl->windows;
		for (i = 0; i < ctl->windows; i++) {
			st->window[i].start = ctl->window[2 * i];
			st->window[i].commit = ctl->window[2 * i + 1];
		}
		counters(c)->table = st->table_gpa;
	}
	r = call(c, KVMPV_HC_REGISTER, gpa(st), sizeof(*st), 0, 0);
	counters(c)->registered += !r;
	if (!r || r == -KVMPV_EEXIST) {
		c->listens = 1;
		c->cached = offered & KVMPV_F_CR3_CACHE;
	}
	return r;
}

/* --- address spaces */

u64 space_cr3(struct cpu *c, u64 space)
{
	return gpa(spaces[space].pml4) | (c->pcide ? space + 1 : 0);
}

u64 space_of(u64 cr3)
{
	u64 i;

	for (i = 0; i < NR_SPACES; i++)
		if (gpa(spaces[i].pml4) == (cr3 & ~0xffful))
			return i;
	return NR_SPACES;
}

static volatile u64 *magic(u64 space, u64 slot, u64 gen)
{
	return (volatile u64 *)(pages[space][slot][gen & 1] + MAGIC_OFFSET);
}

/* Space, slot and generation. */
#define MAGIC(space, slot, gen)	(0x5aul << 56 | (space) << 48 | (slot) << 40 | (gen))

static void make_spaces(void)
{
	u64 *boot_pml4 = (u64 *)(HIGH + BOOT_PML4), i, j;

	for (i = 0; i < NR_SPACES; i++) {
		struct space *s = &spaces[i];

		s->pml4[0] = boot_pml4[0];
		s->pml4[511] = boot_pml4[511];
		s->pml4[1] = gpa(s->pdpt) | PTE_P | PTE_W;
		s->pdpt[0] = gpa(s->pd) | PTE_P | PTE_W;
		s->pd[0] = gpa(s->pt) | PTE_P | PTE_W;
		for (j = 0; j < NR_SLOTS; j++) {
			*magic(i, j, 0) = MAGIC(i, j, 0ul);
			s->pt[j] = gpa(pages[i][j][0]) | PTE_P | PTE_W;
		}
	}
	for (i = 0; i < 1024; i++)
		trip_pd[i] = i << 22 | 0x83;
	for (i = 0; i < 512; i++)
		trip_pd64[i] = i << 21 | 0x83;
}

/*
 * For trip(), its page-directory-pointer table. QEMU sets bit 5 of an entry that it
 * uses, as if it were an accessed bit. It is reserved, so with NPT KVM refuses the next
 * MOV to CR0 that has to load the entry: hence each trip has it written anew.
 */
u64 new_pdpt(struct cpu *c)
{
	*(volatile u64 *)trip_pdpt[c->id] = gpa(trip_pd64) | PTE_P;
	return gpa(trip_pdpt[c->id]);
}

/* Only the vCPU that owns the slot, slot % vcpus, may edit it. */
void edit(struct cpu *c, u64 space, u64 slot)
{
	u64 gen = generation[space][slot] + 1;

	*magic(space, slot, gen) = MAGIC(space, slot, gen);
	*(volatile u64 *)&spaces[space].pt[slot] =
		gpa(pages[space][slot][gen & 1]) | PTE_P | PTE_W;
	generation[space][slot] = gen;
	__atomic_fetch_add(&edits[space], 1, __ATOMIC_SEQ_CST);
	counters(c)->edits++;
}

/* Notes the generations of all slots before a flush. */
void note_edits(u64 gens[NR_SPACES][NR_SLOTS])
{
	u64 i, j;

	for (i = 0; i < NR_SPACES; i++)
		for (j = 0; j < NR_SLOTS; j++)
			gens[i][j] = generation[i][j];
}

/* From now on the vCPU must not see a generation before @gen. Another vCPU may do that, too. */
void raise_must(struct cpu *c, u64 space, u64 slot, u64 gen)
{
	u64 *must = &c->must[space][slot], was = __atomic_load_n(must, __ATOMIC_SEQ_CST);

	while (was < gen && !__atomic_compare_exchange_n(must, &was, gen, 0, __ATOMIC_SEQ_CST,
							 __ATOMIC_SEQ_CST))
		;
}

void flushed_space(struct cpu *c, u64 space, u64 gens[NR_SPACES][NR_SLOTS])
{
	u64 j;

	for (j = 0; j < NR_SLOTS; j++)
		raise_must(c, space, j, gens[space][j]);
}

/* While the vCPU runs on @space: does the slot show this space, in a generation that is not too old? */
void check_slot(struct cpu *c, u64 space, u64 slot)
{
	u64 must = __atomic_load_n(&c->must[space][slot], __ATOMIC_SEQ_CST);
	u64 v = *(volatile u64 *)(SLOT_VA(slot) + MAGIC_OFFSET);

	counters(c)->checks++;
	if (v >> 40 != MAGIC(space, slot, 0ul) >> 40)
		fail(c, "another address space than the one that was asked for",
		     MAGIC(space, slot, must), v);
	if ((v & 0xffffffffff) < must)
		fail(c, "a mapping older than the last flush", MAGIC(space, slot, must), v);
	if ((v & 0xffffffffff) > generation[space][slot] + 1)
		fail(c, "a generation that never was", generation[space][slot], v);
}

static void flushing(struct cpu *c, u64 space, int by_call)
{
	u64 gens[NR_SPACES][NR_SLOTS], n = edits[space];

	note_edits(gens);
	if (by_call && !call(c, KVMPV_HC_LOAD_CR3, space_cr3(c, space), 0, 0, 0)) {
		counters(c)->misses++;
	} else {
		write_cr3(space_cr3(c, space));
		counters(c)->moves++;
	}
	c->space = space;
	c->flushed[space] = n;
	flushed_space(c, space, gens);
}

/* A MOV to CR3, which flushes. */
void move(struct cpu *c, u64 space)
{
	flushing(c, space, 0);
}

/* As a well-behaved guest does: flushes if the space has changed, else looks into the table. */
void load(struct cpu *c, u64 space)
{
	long r;

	if (c->flushed[space] != edits[space]) {
		flushing(c, space, c->listens && pick(c, 2));
		return;
	}
	/* Of a host that has refused, it asks again now and then. */
	if (!c->listens && c->op % 64) {
		move(c, space);
		return;
	}
	if (c->cached) {
		r = pick(c, 8) ? lookup(&tables[c->id], space_cr3(c, space)) :
				 linger(&tables[c->id], space_cr3(c, space), 1 << pick(c, 12));
		if (r) {
			c->space = space;
			counters(c)->hits++;
			return;
		}
	}
	r = call(c, KVMPV_HC_LOAD_CR3, space_cr3(c, space), KVMPV_LOAD_CR3_NOFLUSH, 0, 0);
	if (!r) {
		c->space = space;
		counters(c)->misses++;
		return;
	}
	if (r != -KVMPV_ENOENT && r != -KVMPV_ENOSYS)
		fail(c, "LOAD_CR3 of a good CR3", 0, r);
	counters(c)->lost++;
	c->cached = c->listens = 0;
	move(c, space);
	do_register(c);
}

/* Flushes in one of FLUSH_WAYS, after which this vCPU must see what was edited at the slot of its space. */
void flush_current(struct cpu *c, u64 slot, u64 how)
{
	u64 gens[NR_SPACES][NR_SLOTS], n[NR_SPACES], i, va = SLOT_VA(slot), cr4;
	struct kvmpv_flush_vcpus *desc = (void *)(scratch + PAGE_SIZE * (c->id % 16));
	struct { u64 pcid, va; } inv = { space_cr3(c, c->space) & 0xfff, va };
	int all = 0, whole = 0, invpcid = 0;
	u32 a, b, cx, d;
	long r = 0;

	for (i = 0; i < NR_SPACES; i++)
		n[i] = edits[i];
	note_edits(gens);
	counters(c)->flushes++;
	if (how >= 7) {
		cpuid(7, &a, &b, &cx, &d);
		invpcid = b >> 10 & 1;
	}
	switch (how) {
	case 0:
		invlpg(va);
		break;
	case 1:
		write_cr3(space_cr3(c, c->space));
		whole = 1;
		break;
	case 2:
		cr4 = read_cr4();
		write_cr4(cr4 ^ CR4_PGE);
		write_cr4(cr4);
		all = 1;
		break;
	case 3:
		r = call(c, KVMPV_HC_FLUSH, KVMPV_FLUSH_USER, 0, 0, 0);
		whole = 1;
		break;
	case 4:
		r = call(c, KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0, 0);
		all = 1;
		break;
	case 5:
		r = call(c, KVMPV_HC_FLUSH_RANGE, SLOT_VA(0), pick(c, 2) ? NR_SLOTS : 65, 12, 0);
		whole = 1;
		break;
	case 6:
		for (i = 0; i < 64; i++)
			desc->vcpu_mask[i] = 0;
		desc->vcpu_mask[0] = 1ul << c->id;
		desc->scope = pick(c, 3);
		desc->va = va;
		desc->pages = 1;
		desc->stride_shift = 12;
		r = call(c, KVMPV_HC_FLUSH_VCPUS, gpa(desc), 0, 0, 0);
		all = desc->scope == KVMPV_FLUSH_ALL;
		whole = desc->scope == KVMPV_FLUSH_USER;
		break;
	case 7:
		if (invpcid)
			asm volatile("invpcid %0, %1" : : "m" (inv), "r" (0ul) : "memory");
		else
			invlpg(va);
		break;
	case 8:
		if (invpcid)
			asm volatile("invpcid %0, %1" : : "m" (inv), "r" (2ul) : "memory");
		else
			write_cr3(space_cr3(c, c->space));
		all = invpcid;
		whole = 1;
		break;
	}
	if (r) {
		if (r != -KVMPV_ENOSYS && !is_tdp())
			fail(c, "a flush call with good arguments", 0, r);
		cr4 = read_cr4();
		write_cr4(cr4 ^ CR4_PGE);
		write_cr4(cr4);
		all = 1;
	}
	for (i = 0; i < NR_SPACES; i++) {
		if (!all && !(whole && i == c->space))
			continue;
		c->flushed[i] = n[i];
		flushed_space(c, i, gens);
	}
	raise_must(c, c->space, slot, gens[c->space][slot]);
}

/* --- the start */

static void first(void)
{
	u32 a, b, cx, d, i;

	cpuid(0, &a, &b, &cx, &d);
	use_vmmcall = b == 0x68747541;	/* "Auth" */
	for (i = 0; i < 32; i++)
		set_gate(i, i == 2 ? 2 : i == 8 ? 3 : 1);
	for (i = 0; i < trampoline_end - trampoline; i++)
		((u8 *)(HIGH + TRAMPOLINE))[i] = trampoline[i];
	make_spaces();
	ctl->pools = gpa(pools);
	ctl->windows = 3;
	ctl->window[0] = (u64)lookup_start;
	ctl->window[1] = (u64)lookup_commit;
	ctl->window[2] = (u64)linger_start;
	ctl->window[3] = (u64)linger_commit;
	ctl->window[4] = (u64)crooked_start;
	ctl->window[5] = (u64)crooked_commit;
	ready = 1;
}

void boot(u64 id)
{
	struct cpu *c = &cpus[id];
	u64 i;

	if (!id && !ready)
		first();
	while (!ready)
		outb(PORT_YIELD);
	c->self = c;
	c->id = id;
	c->guard = 0;
	c->cached = c->listens = c->pcide = 0;
	c->space = NR_SPACES;
	/* A vCPU that was reset has nothing cached, and nothing to flush either. */
	for (i = 0; i < NR_SPACES; i++)
		c->flushed[i] = ~0ul;
	load_tables(c);
	/* x2APIC */
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	counters(c)->boots++;
	switch (ctl->mode) {
	case MODE_MANY:
		many(c);
		break;
	case MODE_COST:
		cost(c);
		break;
	case MODE_PRICES:
		prices(c);
		break;
	case MODE_STORM:
		storm(c);
		break;
	case MODE_FUZZ:
		fuzz(c);
		break;
	}
	outb(PORT_DONE);
	halt();
}
