// SPDX-License-Identifier: GPL-2.0
/*
 * The small guest's VMM: memory of the pools (tiny.h), which it gives back, logs, and takes away at the guest's
 * word. Each time it looks whether there is what must not be: pages that nobody has touched or asked
 * for since they were given back, pages that are dirty and that nobody has touched, and
 * writes to memory that is in no slot, or beside it.
 *
 * Only the thread of the vCPU that owns a pool comes here for it. Another vCPU may ask for its pages meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

#define PAGE		4096ul
#define POOL_SIZE	(POOL_PAGES * PAGE)
#define GUARD_SIZE	(4 * PAGE)
#define FIRST_SLOT	2	/* of struct vm */

/* The memory of a pool: two pieces, of which one is in the slots, and the other is full of CANARY. */
struct backing {
	u8 *mem[2];
	u32 now;
	bool fresh[POOL_PAGES];	/* has not been given back while in a slot, so a block may allocate it */
};

static struct pool *pool_of(struct vcpu *v)
{
	return (struct pool *)(v->vm->mem + vm_ctl(v->vm)->pools) + v->id;
}

static u8 *page_of(struct backing *b, u32 page)
{
	return b->mem[b->now] + page * PAGE;
}

static void wrong(struct vcpu *v, const char *text, u32 page, u64 value)
{
	/* Only the first mistake is told, since others follow from it. */
	if (v->vm->failed)
		return;
	printf("not ok - the VMM's look # seed %lu, vCPU %d, operation %lu: %s: page %u of its pool, %lx\n",
	       vm_ctl(v->vm)->seed, v->id, vm_ctl(v->vm)->cpu[v->id].op, text, page, value);
	v->vm->failed = true;
}

static u8 *map(u8 *at, size_t size)
{
	u8 *mem = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	/* Without huge pages mincore() tells of each page whether it is there. */
	if (mem == MAP_FAILED || madvise(mem, size, MADV_NOHUGEPAGE))
		die("memory of a pool: %s", strerror(errno));
	return mem;
}

void pools_create(struct vm *vm)
{
	int i, j;

	vm->backing = calloc(NR_POOLS, sizeof(*vm->backing));
	if (!vm->backing)
		die("no memory");
	for (i = 0; i < NR_POOLS; i++) {
		for (j = 0; j < 2; j++) {
			u8 *mem = map(NULL, POOL_SIZE + 2 * GUARD_SIZE);

			memset(mem, CANARY, POOL_SIZE + 2 * GUARD_SIZE);
			vm->backing[i].mem[j] = mem + GUARD_SIZE;
		}
	}
}

void pools_destroy(struct vm *vm)
{
	int i, j;

	for (i = 0; vm->backing && i < NR_POOLS; i++)
		for (j = 0; j < 2; j++)
			munmap(vm->backing[i].mem[j] - GUARD_SIZE, POOL_SIZE + 2 * GUARD_SIZE);
	free(vm->backing);
}

static bool is_canary(const u8 *mem, size_t size)
{
	return *mem == CANARY && !memcmp(mem, mem + 1, size - 1);
}

/* --- slots */

static void set_state(struct vcpu *v, u32 which, u64 state)
{
	static const u32 flags[] = {
		[SLOT_READONLY] = KVM_MEM_READONLY, [SLOT_LOGGED] = KVM_MEM_LOG_DIRTY_PAGES, [SLOT_PLAIN] = 0,
	};
	u32 slot = FIRST_SLOT + 2 * v->id + which, first = which ? POOL_SPLIT : 0;
	u32 n = which ? POOL_PAGES - POOL_SPLIT : POOL_SPLIT;
	u64 was = pool_of(v)->state[which], gpa = POOL_GPA(v->id) + first * PAGE;
	u8 *mem = page_of(&v->vm->backing[v->id], first);

	if (state == was)
		return;
	/* A slot becomes read-only, or ceases to be, by being made anew. */
	if (was != SLOT_ABSENT && (state == SLOT_ABSENT || (state == SLOT_READONLY) != (was == SLOT_READONLY)))
		set_slot(v->vm, slot, gpa, 0, mem, 0);
	if (state != SLOT_ABSENT)
		set_slot(v->vm, slot, gpa, n * PAGE, mem, flags[state]);
	/* The log begins here, empty. */
	if (state == SLOT_LOGGED)
		memset(pool_of(v)->touched + first, 0, n);
	pool_of(v)->state[which] = state;
}

/* From now on no page may be in memory, unless another vCPU is just asking for it. */
static void forget(struct vcpu *v, u32 first, u32 n)
{
	struct pool *pool = pool_of(v);
	int i;

	memset(pool->value + first, 0, n * sizeof(pool->value[0]));
	memset(pool->may + first, 0, n);
	/* Pairs with ask_other(), which first says that it asks, and then marks the pages. */
	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < v->vm->nr; i++)
		if (vm_ctl(v->vm)->cpu[i].asks == (u64)v->id + 1)
			memset(pool->may + first, 1, n);
}

static void give_back(struct vcpu *v, u32 first, u32 n, bool unmap)
{
	struct backing *b = &v->vm->backing[v->id];
	u32 i;

	forget(v, first, n);
	if (unmap)
		map(page_of(b, first), n * PAGE);
	else if (madvise(page_of(b, first), n * PAGE, MADV_DONTNEED))
		die("MADV_DONTNEED: %s", strerror(errno));
	/* The host remembers as given back only what was in a slot. */
	for (i = first; i < first + n; i++)
		b->fresh[i] = pool_of(v)->state[i >= POOL_SPLIT] == SLOT_ABSENT;
}

static void renew(struct vcpu *v)
{
	struct backing *b = &v->vm->backing[v->id];

	set_state(v, 0, SLOT_ABSENT);
	set_state(v, 1, SLOT_ABSENT);
	memset(b->mem[b->now], CANARY, POOL_SIZE);
	b->now ^= 1;
	if (!is_canary(b->mem[b->now], POOL_SIZE))
		wrong(v, "memory that is in no slot was written to", 0, 0);
	give_back(v, 0, POOL_PAGES, false);
	set_state(v, 0, SLOT_PLAIN);
	set_state(v, 1, SLOT_PLAIN);
}

/* --- the look */

static void look_at_log(struct vcpu *v, u32 which)
{
	u32 first = which ? POOL_SPLIT : 0, n = which ? POOL_PAGES - POOL_SPLIT : POOL_SPLIT, i;
	u64 bits[(POOL_PAGES + 63) / 64] = {};
	struct kvm_dirty_log log = { .slot = FIRST_SLOT + 2 * v->id + which, .dirty_bitmap = bits };
	u8 *touched = pool_of(v)->touched + first;

	IOCTL(v->vm->fd, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; i < n; i++) {
		bool dirty = bits[i / 64] >> i % 64 & 1;

		/* A page that was only read may be dirty, too, as KVM maps it writable. */
		if (dirty && !touched[i])
			wrong(v, "a page is dirty that the guest has not touched", first + i, dirty);
		if (!dirty && (touched[i] & TOUCHED_WRITE))
			wrong(v, "a page is not dirty that the guest has written to", first + i, dirty);
	}
	memset(touched, 0, n);
}

static void look(struct vcpu *v)
{
	struct backing *b = &v->vm->backing[v->id];
	bool block = vm_ctl(v->vm)->host == HOST_BLOCK;
	struct pool *pool = pool_of(v);
	u8 there[POOL_PAGES];
	u64 value;
	u32 i;

	if (mincore(page_of(b, 0), POOL_SIZE, there))
		die("mincore: %s", strerror(errno));
	for (i = 0; i < POOL_PAGES; i++) {
		if (!(there[i] & 1))
			continue;
		if (!pool->may[i] && !(block && b->fresh[i]))
			wrong(v, "there is memory that was given back, or that nobody has asked for", i, b->fresh[i]);
		value = *(volatile u64 *)(page_of(b, i) + POOL_OFFSET);
		if (value != pool->value[i])
			wrong(v, "the VMM does not see what the guest has written", i, value);
	}
	if (!is_canary(b->mem[b->now] - GUARD_SIZE, GUARD_SIZE) ||
	    !is_canary(b->mem[b->now] + POOL_SIZE, GUARD_SIZE))
		wrong(v, "something wrote beside it", 0, 0);
}

/* Does what the guest orders by PORT_POOL. A fuzzer also orders what makes no sense. */
void pool_order(struct vcpu *v, u64 order)
{
	u64 first = order >> 8 & 0xffffff, n = order >> 32;
	u32 i;

	if (!v->vm->backing)
		return;
	switch (order & 0xff) {
	case POOL_NEW:
		renew(v);
		break;
	case POOL_GIVE_BACK:
	case POOL_UNMAP:
		if (first < POOL_PAGES && n <= POOL_PAGES - first)
			give_back(v, first, n, (order & 0xff) == POOL_UNMAP);
		break;
	case POOL_SLOT:
		if (first < 2 && n <= SLOT_PLAIN)
			set_state(v, first, n);
		break;
	default:
		for (i = 0; i < 2; i++)
			if (pool_of(v)->state[i] == SLOT_LOGGED)
				look_at_log(v, i);
		break;
	}
	look(v);
}
