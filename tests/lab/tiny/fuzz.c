// SPDX-License-Identifier: GPL-2.0
/*
 * The small guest, mode fuzz: what a guest can do, and what it must not, at
 * random. After each operation the vCPU must be on the address space that it
 * asked for, and see nothing older than it has flushed.
 *
 * It is hostile to the host, not to itself: what it makes the host write, and
 * what it maps at random, is in scratch pages, so that a check that fails is
 * the host's fault.
 */
#include "guest.h"

/* Scratch pages: one per vCPU for arguments, the rest is mapped and used as page tables. */
#define ARGUMENTS(c)	(scratch + (2 + (c)->id % 2) * PAGE_SIZE)
#define FIRST_WILD	4
#define NR_WILD		12

#define GPA_FAR		(1ul << 39)
#define GPA_APIC	0xfee00000ul
/* Entries of a space's tables that nothing else uses. */
#define WILD_PML4	8
#define WILD_PT		16

/*
 * forged[] counts the forgeries of each vCPU's table, and is odd while one is made. forging[] says
 * whose table a vCPU is forging, so that one that is reset meanwhile can count it afterwards.
 */
static volatile u64 forged[MAX_VCPUS], forging[MAX_VCPUS];

u64 other(struct cpu *c)
{
	return pick(c, ctl->vcpus);
}

u64 wild_number(struct cpu *c)
{
	static const u64 edge[] = {
		0, 1, 2, 3, 7, 8, 12, 21, 30, 63, 64, 65, 4095, 4096, 4097, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffff, 0x800000000000, 0xffff800000000000,
		HIGH, ~0ul - 4095, ~0ul, 1ul << 63, NO_CR3, CR3_TAG, MEM_SIZE, ROM_GPA, HOLE_GPA,
		GPA_FAR, GPA_APIC, CTL_GPA, BOOT_PML4,
	};

	switch (pick(c, 4)) {
	case 0:
		return random(c);
	case 1:
		return edge[pick(c, sizeof(edge) / sizeof(*edge))] + pick(c, 3) - 1;
	case 2:
		return gpa(scratch) + pick(c, sizeof(scratch));
	default:
		return edge[pick(c, sizeof(edge) / sizeof(*edge))];
	}
}

static void *wild_page(struct cpu *c)
{
	return scratch + (FIRST_WILD + pick(c, NR_WILD)) * PAGE_SIZE;
}

/* Any entry of a page table, of any level, that leads to no page but a wild one. */
static u64 wild_entry(struct cpu *c)
{
	static const u64 bits[] = { 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 1ul << 63, 1ul << 51 };
	u64 e = pick(c, 8) ? gpa(wild_page(c)) :
		pick(c, 2) ? ROM_GPA : pick(c, 2) ? HOLE_GPA : GPA_FAR;
	u64 n = pick(c, 4);

	while (n--)
		e |= bits[pick(c, 10)];
	return e | (pick(c, 8) ? PTE_P | PTE_W : 0);
}

/* An address that may be written to: wild pages, no RAM, or mapped by nothing. */
static volatile u64 *wild_va(struct cpu *c)
{
	u64 i = pick(c, 2) ? pick(c, 512) : pick(c, 8), va;

	switch (pick(c, 3)) {
	case 0:
		return (u64 *)((WILD_PML4 + pick(c, 8)) << 39 | i << 30 | pick(c, 8) << 21 |
			       pick(c, 8) << 12);
	case 1:
		return (u64 *)(SLOT_VA(WILD_PT + pick(c, 16)));
	default:
		va = wild_number(c) & ~7ul;
		return (u64 *)(va < SLOT_VA(WILD_PT) || va >= HIGH ? HIGH + HOLE_GPA : va);
	}
}

/* --- operations that may fault: called by guarded() */

static long wild_paging(struct cpu *c)
{
	struct space *s = &spaces[pick(c, NR_SPACES)];
	u64 n = 1 + pick(c, 16), e;
	volatile u64 *va;

	while (n--) {
		e = wild_entry(c);
		switch (pick(c, 5)) {
		case 0:
			*(volatile u64 *)&s->pml4[WILD_PML4 + pick(c, 8)] = e;
			break;
		case 1:
			*(volatile u64 *)&s->pt[WILD_PT + pick(c, 16)] = e;
			break;
		case 2:
			/* Its own root, as data. */
			*(volatile u64 *)&s->pt[8] = gpa(s->pml4) | PTE_P | PTE_W;
			invlpg(SLOT_VA(8));
			if (c->space < NR_SPACES)
				((volatile u64 *)SLOT_VA(8))[WILD_PML4 + pick(c, 8)] = e;
			break;
		case 3:
			((volatile u64 *)wild_page(c))[pick(c, 8)] = e;
			break;
		default:
			va = wild_va(c);
			if (pick(c, 2))
				*va = e;
			else
				e = *va;
			break;
		}
	}
	return 0;
}

/* Changes bits of control registers without which the guest can still run. */
static long wild_control(struct cpu *c)
{
	u64 cr0, cr4 = read_cr4(), efer = rdmsr(0xc0000080), bit;

	asm volatile("mov %%cr0, %0" : "=r" (cr0));
	switch (pick(c, 6)) {
	case 0:
		cr0 ^= 1ul << (pick(c, 2) ? 16 : 3);	/* WP, TS */
		asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
		break;
	case 1:
		cr0 ^= 1ul << (29 + pick(c, 2));	/* NW, CD */
		asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
		break;
	case 2:
		asm volatile("mov %0, %%cr0" : : "r" (cr0 | random(c) << 32) : "memory");
		break;
	case 3:
		write_cr4(cr4 ^ (pick(c, 2) ? CR4_PGE : pick(c, 2) ? 0x10 : 0x200));
		break;
	case 4:
		/*
		 * Never PAE off nor LA57, SMX, PKE, CET, which #GP or do nothing. VMXE may.
		 * PCIDE cannot be set again with a PCID in CR3: toggle_pcid() does it.
		 */
		bit = 1ul << (7 + pick(c, 25));
		if (bit == CR4_PCIDE)
			break;
		write_cr4(cr4 ^ bit);
		write_cr4(cr4);
		break;
	default:
		/*
		 * SCE, NXE; LME cannot change with paging on. Never bit 13: KVM lets a guest set
		 * LMSLE, too, which TCG's VMRUN refuses (exit 9, with the stock module as well).
		 */
		wrmsr(0xc0000080, efer ^ (pick(c, 8) ? pick(c, 2) ? 0x800 : 1 : 1ul << pick(c, 13)));
		break;
	}
	return 0;
}

static long wild_flush(struct cpu *c)
{
	struct { u64 pcid, va; } d = { wild_number(c) & (pick(c, 2) ? 0xfff : ~0ul), wild_number(c) };

	if (pick(c, 2))
		invlpg(d.va);
	else
		asm volatile("invpcid %0, %1" : : "m" (d), "r" (pick(c, 6)) : "memory");
	return 0;
}

/* --- hypercalls */

/* From now on nothing sets RIP back in a window, and the table may be forged, so it must not be used. */
static void unregister(struct cpu *c)
{
	long r = call(c, KVMPV_HC_UNREGISTER, 0, 0, 0, 0);

	c->cached = 0;
	if (r && r != -KVMPV_ENOSYS)
		fail(c, "UNREGISTER", 0, r);
}

void check_result(struct cpu *c, u64 nr, long r)
{
	static const u8 known[] = {
		KVMPV_EPERM, KVMPV_ENOENT, KVMPV_EIO, KVMPV_ENXIO, KVMPV_E2BIG, KVMPV_ENOEXEC, KVMPV_EAGAIN,
		KVMPV_ENOMEM, KVMPV_EFAULT, KVMPV_EBUSY, KVMPV_EEXIST, KVMPV_EXDEV, KVMPV_ENODEV,
		KVMPV_EINVAL, KVMPV_ENOSPC, KVMPV_EROFS, KVMPV_ERANGE, KVMPV_ELOOP, KVMPV_ENODATA,
		KVMPV_EPROTO, KVMPV_EBADMSG, KVMPV_EOPNOTSUPP,
	};
	u32 i;

	if (nr < KVMPV_HC_BASE || nr > KVMPV_HC_LAST) {
		/* KVM's own calls have small numbers. */
		if (nr > 64 && r != -KVMPV_ENOSYS)
			fail(c, "a call that nobody knows", nr, r);
		return;
	}
	if (r == -KVMPV_ENOSYS || (r >= 0 && r < 0x80000000))
		return;
	for (i = 0; i < sizeof(known); i++)
		if (r == -(long)known[i])
			return;
	fail(c, "a result that is none", nr, r);
}

/* LOAD_CR3 of whatever looks like a CR3. */
static void wild_load(struct cpu *c)
{
	u64 gens[NR_SPACES][NR_SLOTS], space = pick(c, NR_SPACES), cr3 = space_cr3(c, space), n;
	u64 flags = pick(c, 8) ? pick(c, 2) : wild_number(c);
	long r;

	switch (pick(c, 8)) {
	case 0:
		/* PWT, PCD; with PCIDE it is a PCID that has not been flushed. */
		cr3 |= c->pcide ? 0 : 8ul << pick(c, 2);
		flags = 0;
		break;
	case 1:
		cr3 |= CR3_TAG;
		break;
	case 2:
		cr3 |= pick(c, 2) ? CR3_NOFLUSH : NO_CR3;
		break;
	case 3:
		/* With the tag bit it is no root at all, and has to be refused. */
		cr3 = wild_number(c) | CR3_TAG;
		break;
	}
	n = edits[space];
	note_edits(gens);
	r = call(c, KVMPV_HC_LOAD_CR3, cr3, flags, 0, 0);
	check_result(c, KVMPV_HC_LOAD_CR3, r);
	if (r)
		return;
	if (cr3 & (CR3_TAG | CR3_NOFLUSH | NO_CR3))
		fail(c, "LOAD_CR3 of what is no CR3", -KVMPV_EINVAL, r);
	c->space = space;
	if (!(flags & KVMPV_LOAD_CR3_NOFLUSH) && !(cr3 & 0x18)) {
		c->flushed[space] = n;
		flushed_space(c, space, gens);
	}
	counters(c)->misses++;
}

static void wild_call(struct cpu *c)
{
	u64 nr = KVMPV_HC_BASE - 2 + pick(c, KVMPV_HC_LAST - KVMPV_HC_BASE + 5), *a = (void *)ARGUMENTS(c);
	u64 a0 = wild_number(c), a1 = wild_number(c), a2 = wild_number(c), a3 = pick(c, 2), i;

	if (!pick(c, 16))
		nr |= random(c) << 32;
	switch (nr) {
	case KVMPV_HC_LOAD_CR3:
		wild_load(c);
		return;
	case KVMPV_HC_UNREGISTER:
		unregister(c);
		return;
	case KVMPV_HC_REGISTER:
		/* It names a good page or none, because the host writes to it. */
		if (a0 < MEM_SIZE)
			a0 = gpa(wild_page(c)) + (pick(c, 2) ? 0 : pick(c, 4096));
		a1 = pick(c, 4) ? 4096 : a1;
		break;
	case KVMPV_HC_FLUSH_RANGE:
		a1 = pick(c, 2) ? pick(c, 70) : a1;
		a2 = pick(c, 8) ? 12 + 9 * pick(c, 3) : a2;
		a3 = pick(c, 8) ? 0 : a3;
		break;
	case KVMPV_HC_FLUSH_VCPUS:
		for (i = 0; i < sizeof(struct kvmpv_flush_vcpus) / 8; i++)
			a[i] = pick(c, 2) ? random(c) : 0;
		a[0] = pick(c, 4);
		a[1] = wild_number(c);
		a[2] = pick(c, 2) ? pick(c, 70) : wild_number(c);
		a[3] = pick(c, 8) ? 12 + 9 * pick(c, 3) : wild_number(c);
		a0 = pick(c, 8) ? gpa(a) : a0;
		break;
	case KVMPV_HC_RELEASE:
		for (i = 0; i < KVMPV_RELEASE_MAX; i++)
			a[i] = pick(c, 4) == 0 ? wild_number(c) :
			       pick(c, 2) ? (u64)&spaces[pick(c, NR_SPACES)] + pick(c, 4) * 4096 :
			       pick(c, 2) ? (u64)wild_page(c) :
			       HIGH + pick(c, MEM_SIZE);
		a0 = pick(c, 8) ? gpa(a) : a0;
		a1 = pick(c, 8) ? 1 + pick(c, KVMPV_RELEASE_MAX) : a1;
		break;
	}
	check_result(c, nr, call(c, nr, a0, a1, a2, a3));
}

/*
 * Makes one thing of a REGISTER wrong. Returns the error that abi/README.md has for it, or 0 if nothing
 * is wrong after all.
 */
static long spoil(struct cpu *c, struct kvmpv_state *st, u64 *where, u64 *size)
{
	u64 cache = st->features_accepted & KVMPV_F_CR3_CACHE, i;

	switch (pick(c, cache ? 24 : 13)) {
	case 0:
		*size = pick(c, 4096);
		return -KVMPV_ENOSPC;
	case 1:
		*size = 4097 + (random(c) >> pick(c, 60) >> 1);
		return -KVMPV_E2BIG;
	case 2:
		*where += 1 + pick(c, 4095);
		return -KVMPV_EINVAL;
	case 3:
		*where = pick(c, 2) ? HOLE_GPA : GPA_FAR;
		return -KVMPV_EFAULT;
	case 4:
		*where = ROM_GPA;
		return -KVMPV_EROFS;
	case 5:
		st->guest_version = 0;
		return -KVMPV_EPROTO;
	case 6:
		st->reserved1[pick(c, 10)] = 1ul << pick(c, 64);
		return -KVMPV_EBADMSG;
	case 7:
		st->reserved2[pick(c, 430)] = 1ul << pick(c, 64);
		return -KVMPV_EBADMSG;
	case 8:
		st->size ^= 1 << pick(c, 32);
		return -KVMPV_EBADMSG;
	case 9:
		st->features_accepted |= pick(c, 8) ? 1ul << (8 + pick(c, 56)) : KVMPV_F_POPULATE;
		return -KVMPV_EOPNOTSUPP;
	case 10:
		st->features_accepted &= ~3ul;
		return -KVMPV_ENODATA;
	case 11:
		st->features_accepted &= KVMPV_F_LOAD_CR3;
		st->table_gpa = st->nr_windows = 0;
		st->window[pick(c, KVMPV_NR_WINDOWS)].start = 1ul << pick(c, 64);
		return -KVMPV_EBADMSG;
	case 12:
		return 0;
	case 13:
		st->table_gpa += 1 + pick(c, 4095);
		return -KVMPV_EINVAL;
	case 14:
		st->table_gpa = pick(c, 2) ? HOLE_GPA : GPA_FAR;
		return -KVMPV_EFAULT;
	case 15:
		st->table_gpa = ROM_GPA;
		return -KVMPV_EROFS;
	case 16:
		st->table_gpa = *where;
		return -KVMPV_EBUSY;
	case 17:
		st->nr_windows = pick(c, 2) ? 0 : 33 + pick(c, 1000);
		return -KVMPV_ERANGE;
	case 18:
		st->nr_windows--;	/* one past the end */
		return -KVMPV_ERANGE;
	case 19:
		i = pick(c, st->nr_windows);
		st->window[i].commit = st->window[i].start - pick(c, 2);
		return -KVMPV_ERANGE;
	case 20:
		i = st->nr_windows - 1;
		st->window[i].commit = st->window[i].start + 257 + pick(c, 1000);
		return -KVMPV_ERANGE;
	case 21:
		st->window[1].start = st->window[0].commit - 1;
		return -KVMPV_ERANGE;
	case 22:
		st->window[0].start = 0x7fffffffffff - pick(c, 8);
		st->window[0].commit = 0x800000000000 + pick(c, 8);
		return -KVMPV_ERANGE;
	default:
		st->window[0].start = 1ul << (47 + pick(c, 16));
		st->window[0].commit = 10;
		return -KVMPV_ERANGE;
	}
}

static void spoiled_register(struct cpu *c)
{
	struct kvmpv_state *st = &states[c->id];
	u64 where = gpa(st), size = sizeof(*st);
	long want, r;

	r = do_register(c);
	if (r == -KVMPV_ENOSYS || is_tdp())
		return;
	if (!r || r == -KVMPV_EEXIST) {
		unregister(c);
		/* The host has written its own fields and the counters, which it does not check. */
	} else if (r != -KVMPV_EBUSY) {
		fail(c, "REGISTER", 0, r);
	}
	want = spoil(c, st, &where, &size);
	r = call(c, KVMPV_HC_REGISTER, where, size, 0, 0);
	if (r != want && r != -KVMPV_EBUSY)
		fail(c, "REGISTER with one thing wrong", want, r);
	/* Counts the registration, or finds that there is one. */
	do_register(c);
}

/* --- the table and the windows */

/* Also forges another vCPU's table, while that one may be anywhere in a window. */
static void forge(struct cpu *c)
{
	u64 who = other(c), n = 1 + pick(c, 4), i, cr3;
	volatile struct kvmpv_table *t = &tables[who];

	forging[c->id] = who + 1;
	__atomic_fetch_add(&forged[who], 1, __ATOMIC_SEQ_CST);
	while (n--) {
		i = pick(c, KVMPV_NR_ENTRIES);
		cr3 = gpa(spaces[pick(c, NR_SPACES)].pml4) | (c->pcide ? 1 + pick(c, 8) : 0);
		switch (pick(c, 4)) {
		case 0:
			t->entry[i].guest_cr3 = cr3;
			break;
		case 1:
			t->entry[i].guest_cr3 = t->entry[pick(c, 4)].guest_cr3;
			break;
		case 2:
			t->entry[i].host_cr3 = t->entry[pick(c, 4)].host_cr3;
			break;
		default:
			t->entry[i].host_cr3 = pick(c, 2) ? cr3 | CR3_TAG : wild_number(c);
			break;
		}
	}
	__atomic_fetch_add(&forged[who], 1, __ATOMIC_SEQ_CST);
	forging[c->id] = 0;
	counters(c)->forged++;
}

/* Finds out on which space the CPU is if the table may have lied; a new registration mends the table. */
static void find_space(struct cpu *c)
{
	u64 n = forged[c->id];

	if (n == c->forged_seen)
		return;
	c->space = space_of(read_cr3());
	/* The page tables of trip() are no space: go to one. */
	if ((read_cr3() & ~0xffful) == BOOT_PML4)
		move(c, 0);
	if (c->space == NR_SPACES)
		fail(c, "CR3 is of no address space", 0, read_cr3());
	if (n & 1)
		return;
	unregister(c);
	do_register(c);
	c->forged_seen = n;
}

static long wild_window(struct cpu *c)
{
	static const u8 *const into[] = {
		lookup_start, lookup_commit, linger_start, linger_commit, crooked_commit,
	};
	u64 a = 0, b = 1, loops = 100, where = (u64)into[pick(c, 5)];
	u64 value = pick(c, 2) ? gpa(spaces[pick(c, NR_SPACES)].pml4) | CR3_TAG | pick(c, 8) :
		    wild_number(c) | CR3_TAG;

	counters(c)->wild++;
	/* Without a registration nothing would set RIP back, and the value would be loaded. */
	do_register(c);
	if (!c->cached)
		return 0;
	switch (pick(c, 4)) {
	case 0:
		/* Jumps into a window, past the place where the value is read, with one that is not listed. */
		asm volatile("mov %5, %%r11; mov %%rbx, %%r8; mov $2, %%r10d; call *%4"
			     : "+a" (value), "+D" (a), "+S" (b), "+d" (loops)
			     : "r" (where), "r" (value)
			     : "rcx", "r8", "r10", "r11", "memory", "cc");
		return 0;
	default:
		return crooked(pick(c, 6), pick(c, 2) ? (void *)(HIGH + HOLE_GPA) : (void *)wild_va(c), value);
	}
}

/* --- others */

static void interrupt(u64 who, u64 mode)
{
	wrmsr(0x830, who << 32 | 0x4000 | mode);
}

static void flush_others(struct cpu *c)
{
	struct kvmpv_flush_vcpus *desc = (void *)ARGUMENTS(c);
	u64 gens[NR_SPACES][NR_SLOTS], n[NR_SPACES], i, j, s, slot = c->id, space = pick(c, NR_SPACES);
	long r;

	edit(c, space, slot);
	for (i = 0; i < 64; i++)
		desc->vcpu_mask[i] = 0;
	desc->vcpu_mask[0] = 1 + pick(c, 3);
	desc->scope = pick(c, 3);
	desc->va = SLOT_VA(slot);
	desc->pages = desc->scope ? pick(c, 2) : 1;
	desc->stride_shift = 12;
	for (s = 0; s < NR_SPACES; s++)
		n[s] = edits[s];
	note_edits(gens);
	r = call(c, KVMPV_HC_FLUSH_VCPUS, gpa(desc), 0, 0, 0);
	if (r == -KVMPV_ENOSYS || is_tdp())
		return;
	if (r)
		fail(c, "FLUSH_VCPUS", 0, r);
	counters(c)->flushes++;
	for (i = 0; i < ctl->vcpus; i++) {
		if (!(desc->vcpu_mask[0] >> i & 1))
			continue;
		for (s = 0; s < NR_SPACES; s++) {
			/* A flush of the current CR3 alone is of the caller's current space. */
			if (!desc->scope && (i != c->id || s != c->space))
				continue;
			if (i == c->id && desc->scope == KVMPV_FLUSH_USER && s != c->space)
				continue;
			for (j = 0; j < NR_SLOTS; j++)
				if (desc->scope || j == slot)
					raise_must(&cpus[i], s, j, gens[s][j]);
			/* That vCPU may now go to the space without a flush. */
			if (desc->scope)
				*(volatile u64 *)&cpus[i].flushed[s] = n[s];
		}
	}
	/*
	 * Both vCPUs have the same shadow of a page table: if this one syncs it next, the other
	 * one can no longer see a stale entry. So the other one gets a chance first.
	 */
	if (!(desc->vcpu_mask[0] >> c->id & 1))
		outb(PORT_YIELD);
}

static void toggle_pcid(struct cpu *c)
{
	u32 a, b, cx, d;
	u64 i;

	cpuid(1, &a, &b, &cx, &d);
	if (!(cx >> 17 & 1))
		return;
	if (!c->pcide)
		write_cr3(read_cr3() & ~0xffful);
	write_cr4(read_cr4() ^ CR4_PCIDE);
	c->pcide ^= 1;
	/* The spaces have other CR3 values now, none of which has been flushed. */
	for (i = 0; i < NR_SPACES; i++)
		c->flushed[i] = ~0ul;
	move(c, c->space);
}

/* Switches by MOV with the no-flush bit, as a guest with PCIDE and without kvm-paravirt does. */
static int move_noflush(struct cpu *c, u64 space)
{
	if (pick(c, 16) || c->flushed[space] != edits[space] || !c->pcide)
		return 0;
	write_cr3(space_cr3(c, space) | CR3_NOFLUSH);
	c->space = space;
	counters(c)->moves++;
	return 1;
}

static void burst(struct cpu *c)
{
	u64 i, among = pick(c, 4) ? 3 : NR_SPACES, base = pick(c, NR_SPACES), space;

	for (i = 0; i < 96; i++) {
		space = (base + pick(c, among)) % NR_SPACES;
		if (!move_noflush(c, space))
			load(c, space);
		find_space(c);
		check_slot(c, c->space, pick(c, NR_SLOTS));
	}
	if (pick(c, 4) == 0)
		for (i = 0; i < 8; i++) {
			move(c, pick(c, NR_SPACES));
			find_space(c);
			check_slot(c, c->space, pick(c, NR_SLOTS));
		}
}

static void operation(struct cpu *c)
{
	u64 slot = c->id, i;
	long r = 0;

	if (is_tdp() && pick(c, 2)) {
		pool(c);
		return;
	}
	switch (pick(c, 32)) {
	case 0 ... 7:
		burst(c);
		break;
	case 8 ... 11:
		i = pick(c, NR_SPACES);
		edit(c, pick(c, 2) ? c->space : i, slot);
		flush_current(c, slot, pick(c, FLUSH_WAYS));
		break;
	case 12 ... 16:
		for (i = 0; i < 8; i++) {
			wild_call(c);
			find_space(c);
		}
		break;
	case 17:
		spoiled_register(c);
		break;
	case 18:
		unregister(c);
		break;
	case 19 ... 20:
		forge(c);
		break;
	case 21:
		r = guarded(wild_window, (u64)c, 0, 0);
		break;
	case 22 ... 23:
		flush_others(c);
		break;
	case 24 ... 25:
		r = guarded(wild_paging, (u64)c, 0, 0);
		break;
	case 26:
		r = guarded(wild_control, (u64)c, 0, 0);
		break;
	case 27:
		r = guarded(wild_flush, (u64)c, 0, 0);
		break;
	case 28:
		if (!pick(c, 4))
			toggle_pcid(c);
		break;
	case 29:
		interrupt(other(c), 0x400);	/* NMI */
		break;
	case 30:
		if (!c->pcide) {
			counters(c)->trips++;
			c->cached = 0;
			i = pick(c, 3);
			trip(i, KVMPV_HC_BASE + pick(c, 10), wild_number(c), wild_number(c), new_pdpt(c));
		}
		break;
	default:
		i = other(c);
		if (i != c->id && !pick(c, 32)) {
			counters(c)->sipis++;
			interrupt(i, 0x500);	/* INIT */
			interrupt(i, 0x600 | TRAMPOLINE >> 12);
		} else if (!pick(c, 32) && !is_tdp()) {
			/*
			 * There is no RAM, so the vCPU ends, and the VMM starts it again. Not with EPT or NPT,
			 * where the CPU reads page tables itself. KVM, the stock module as well (seen with
			 * NPT), then injects a #PF for the fetch that fails, whose delivery fails in the
			 * same way, and so on without end.
			 */
			write_cr3(HOLE_GPA);
		}
		break;
	}
	(void)r;
}

void fuzz(struct cpu *c)
{
	u64 i;

	c->op = counters(c)->op;
	if (forging[c->id]) {
		__atomic_fetch_add(&forged[forging[c->id] - 1], 1, __ATOMIC_SEQ_CST);
		forging[c->id] = 0;
	}
	move(c, 0);
	do_register(c);
	new_pool(c);
	/* With interrupts on, the host handles its own at once, and the other vCPU gets the CPU; the guest gets none. */
	asm volatile("sti");
	while (c->op < ctl->count) {
		counters(c)->op = ++c->op;
		seed(c);
		operation(c);
		find_space(c);
		for (i = 0; i < NR_SLOTS; i++)
			check_slot(c, c->space, i);
		/* PWT and PCD may be left from wild_load(). */
		if (c->op % 4 == 0 &&
		    (read_cr3() & (c->pcide ? ~0ul : ~0x18ul)) != space_cr3(c, c->space))
			fail(c, "CR3 reads as another one", space_cr3(c, c->space), read_cr3());
	}
}
