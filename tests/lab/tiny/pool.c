// SPDX-License-Identifier: GPL-2.0
/*
 * The small guest, mode fuzz, on hosts with EPT or NPT: touches memory of which the VMM takes
 * pages and slots away, asks for it by POPULATE, and for what it must not have. What it reads
 * must be what it has written, and what a call answers, what abi/README.md says. What the host has
 * in memory the VMM looks at (backing.c): so each page is marked before it is touched or asked for.
 */
#include "guest.h"

struct pool pools[NR_POOLS];

/* Twice as long as a list may be. Not in scratch pages, which others write to: what is asked for must be marked. */
static struct kvmpv_page_range lists[NR_POOLS][2 * PAGE_SIZE / sizeof(struct kvmpv_page_range)]
	__attribute__((aligned(4096)));

#define LIST(c)		(lists[(c)->id])

static struct pool *pool_of(struct cpu *c)
{
	return &pools[c->id];
}

static void order(u64 what, u64 first, u64 n)
{
	asm volatile("outb %%al, %%dx" : : "a" (0), "d" (PORT_POOL), "b" (POOL_ORDER(what, first, n)) : "memory");
}

/* A vCPU that starts again does not know how far it had come. */
void new_pool(struct cpu *c)
{
	if (!is_tdp())
		return;
	counters(c)->asks = 0;
	order(POOL_NEW, 0, 0);
}

static volatile u64 *page_va(u64 pool, u64 page)
{
	return (volatile u64 *)(HIGH + POOL_GPA(pool) + page * PAGE_SIZE + POOL_OFFSET);
}

static u64 state_of(struct cpu *c, u64 page)
{
	return pool_of(c)->state[page >= POOL_SPLIT];
}

static void check_page(struct cpu *c, u64 page)
{
	struct pool *p = pool_of(c);
	u64 want = state_of(c, page) == SLOT_ABSENT ? ~0ul : p->value[page], v;

	if (state_of(c, page) != SLOT_ABSENT)
		p->may[page] = 1;
	p->touched[page] |= TOUCHED_READ;
	v = *page_va(c->id, page);
	counters(c)->touched++;
	if (v != want)
		fail(c, state_of(c, page) == SLOT_READONLY ? "a page that may only be read has changed" :
		     "a page is not what was written to it", want, v);
}

static void write_page(struct cpu *c, u64 page)
{
	struct pool *p = pool_of(c);
	u64 value = 0x77ul << 56 | c->id << 48 | page << 40 | (c->op & 0xffffffff);

	/*
	 * Also if the page is read-only: if no slot was there before, the write may become an EPT misconfiguration, which
	 * does not tell KVM what the access was. handle_ept_misconfig() then reads the page, and the write exits once more.
	 */
	if (state_of(c, page) != SLOT_ABSENT)
		p->may[page] = 1;
	if (state_of(c, page) >= SLOT_LOGGED) {
		p->touched[page] |= TOUCHED_WRITE;
		p->value[page] = value;
	}
	*page_va(c->id, page) = value;
	counters(c)->touched++;
	if (!pick(c, 4))
		check_page(c, page);
}

/* One page, or some in a row. */
static void touch(struct cpu *c)
{
	u64 page = pick(c, POOL_PAGES), n = pick(c, 2) ? 1 : 1 + pick(c, 24);

	for (; n-- && page < POOL_PAGES; page++) {
		if (pick(c, 3))
			write_page(c, page);
		else
			check_page(c, page);
	}
}

/* What is at a page of guest memory: one of SLOT_*. */
static u64 slot_at(struct cpu *c, u64 gfn)
{
	u64 page = gfn - POOL_GPA(c->id) / PAGE_SIZE;

	if (page < POOL_PAGES)
		return state_of(c, page);
	if (gfn < MEM_SIZE / PAGE_SIZE)
		return SLOT_PLAIN;
	return gfn == ROM_GPA / PAGE_SIZE ? SLOT_READONLY : SLOT_ABSENT;
}

/* Of a list that is well-formed: returns what must be answered, and in *most how many pages may be mapped. */
static long list_result(struct cpu *c, u64 nr, u64 *most)
{
	u64 i, j;

	*most = 0;
	for (i = 0; i < nr; i++) {
		for (j = 0; j < LIST(c)[i].pages; j++) {
			switch (slot_at(c, LIST(c)[i].gpa / PAGE_SIZE + j)) {
			case SLOT_ABSENT:
				return -KVMPV_EFAULT;
			case SLOT_READONLY:
				return -KVMPV_EROFS;
			case SLOT_PLAIN:
				++*most;
				break;
			}
		}
	}
	return 0;
}

/* Marks the pages of its pool that the call may map, whatever it returns; none that are logged. */
static void mark_list(struct cpu *c, u64 nr)
{
	u64 i, j, page;

	for (i = 0; i < nr; i++) {
		page = LIST(c)[i].gpa / PAGE_SIZE - POOL_GPA(c->id) / PAGE_SIZE;
		for (j = page; j < page + LIST(c)[i].pages && j < POOL_PAGES; j++)
			if (state_of(c, j) == SLOT_PLAIN)
				pool_of(c)->may[j] = 1;
	}
}

/* Makes a list of some ranges of a pool, which may overlap, of two pages less than a list may have. */
static u64 make_list(struct cpu *c, u64 of)
{
	u64 nr = 1 + pick(c, pick(c, 4) ? 4 : KVMPV_POPULATE_RANGES), left = KVMPV_POPULATE_PAGES - 2, i, first, n;

	for (i = 0; i < nr; i++) {
		first = pick(c, POOL_PAGES);
		n = 1 + pick(c, POOL_PAGES - first);
		if (n > left - (nr - i - 1))
			n = left - (nr - i - 1);
		left -= n;
		LIST(c)[i].gpa = POOL_GPA(of) + first * PAGE_SIZE;
		LIST(c)[i].pages = n;
	}
	return nr;
}

static long populate(struct cpu *c, u64 where, u64 nr)
{
	long r = call(c, KVMPV_HC_POPULATE, where, nr, 0, 0);

	counters(c)->asked++;
	if (r > 0)
		counters(c)->populated += r;
	return r;
}

static void ask(struct cpu *c)
{
	u64 nr = make_list(c, c->id), named = 0, most, i;
	long want, r;

	/* One of them leads beyond the end of the pool, where there is nothing. */
	if (!pick(c, 6)) {
		i = pick(c, nr);
		LIST(c)[i].gpa = POOL_GPA(c->id) + (POOL_PAGES - pick(c, 3)) * PAGE_SIZE;
		LIST(c)[i].pages = 3;
	} else if (!pick(c, 6)) {
		i = pick(c, nr);
		LIST(c)[i].gpa = pick(c, 2) ? ROM_GPA : pick(c, 2) ? HOLE_GPA : 1ul << (39 + pick(c, 24));
		LIST(c)[i].pages = 1;
	}
	want = list_result(c, nr, &most);
	if (!want)
		mark_list(c, nr);
	r = populate(c, gpa(LIST(c)), nr);
	/*
	 * When another vCPU takes a slot of its pool away, KVM unmaps all memory of the VM. A page that
	 * the call had mapped is then mapped, and counted, once more.
	 */
	for (i = 0; most && ctl->vcpus > 1 && i < nr; i++)
		named += LIST(c)[i].pages;
	if (named)
		most = named;
	if (want ? r != want : r < 0 || r > (long)most)
		fail(c, "POPULATE", want ?: (long)most, r);
}

/* Asks with one thing wrong; abi/README.md has what must be answered. No page is marked, so none may come. */
static void ask_wrong(struct cpu *c)
{
	u64 nr = make_list(c, c->id), where = gpa(LIST(c)), i = pick(c, nr);
	long want, r;

	/* Nothing else matters: the host looks at slots only if the list is well-formed. */
	switch (pick(c, 10)) {
	case 0:
		LIST(c)[i].gpa += 1 + pick(c, 4095);
		want = -KVMPV_EINVAL;
		break;
	case 1:
		LIST(c)[i].pages = 0;
		want = -KVMPV_ERANGE;
		break;
	case 2:
		LIST(c)[i].pages = (1ul << 52) - LIST(c)[i].gpa / PAGE_SIZE + 1 + pick(c, 1000);
		want = -KVMPV_ERANGE;
		break;
	case 3:
		LIST(c)[i].pages = KVMPV_POPULATE_PAGES + 1 + pick(c, 100000);
		want = -KVMPV_E2BIG;
		break;
	case 4:
		nr = 0;
		want = -KVMPV_EINVAL;
		break;
	case 5:
		nr = KVMPV_POPULATE_RANGES + 1 + (random(c) >> pick(c, 64) >> 1);
		want = -KVMPV_E2BIG;
		break;
	case 6:
		where += 1 + pick(c, 7);
		want = -KVMPV_EINVAL;
		break;
	case 7:
		/* Across the end of the page by one element or more. */
		nr = 2 + pick(c, KVMPV_POPULATE_RANGES - 1);
		where += PAGE_SIZE - (1 + pick(c, nr - 1)) * sizeof(LIST(c)[0]);
		want = -KVMPV_EINVAL;
		break;
	case 8:
		where = pick(c, 2) ? HOLE_GPA : 1ul << (39 + pick(c, 24));
		want = -KVMPV_EFAULT;
		break;
	default:
		/* The list is in read-only memory, which may hold one, but what is there is not aligned. */
		where = ROM_GPA;
		want = -KVMPV_EINVAL;
		break;
	}
	r = populate(c, where, nr);
	if (r != want)
		fail(c, "POPULATE with one thing wrong", want, r);
}

/* Asks for memory of another vCPU, whose slots come and go meanwhile. */
static void ask_other(struct cpu *c)
{
	u64 of = other(c), nr, i, j;

	if (of == c->id)
		return;
	nr = make_list(c, of);
	/* This comes before the marks: whoever clears these looks at it afterwards, see forget() in backing.c. */
	counters(c)->asks = of + 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < nr; i++)
		for (j = 0; j < LIST(c)[i].pages; j++)
			((volatile struct pool *)&pools[of])->may[(LIST(c)[i].gpa - POOL_GPA(of)) / PAGE_SIZE + j] = 1;
	check_result(c, KVMPV_HC_POPULATE, populate(c, gpa(LIST(c)), nr));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	counters(c)->asks = 0;
}

/* Asks for anything. No number of wild_number() leads into a pool. */
static void ask_wild(struct cpu *c)
{
	u64 nr = 1 + pick(c, 4), i;

	for (i = 0; i < nr; i++) {
		LIST(c)[i].gpa = wild_number(c) & (pick(c, 8) ? ~4095ul : ~0ul);
		LIST(c)[i].pages = pick(c, 4) ? 1 + pick(c, 64) : wild_number(c);
	}
	check_result(c, KVMPV_HC_POPULATE,
		     populate(c, pick(c, 8) ? gpa(LIST(c)) : wild_number(c) & ~7ul, pick(c, 8) ? nr : wild_number(c)));
}

/* Orders what VMMs do to memory. Slots are there more often than not. */
static void change(struct cpu *c)
{
	u64 page = pick(c, POOL_PAGES), n = 1 + pick(c, pick(c, 2) ? 8 : POOL_PAGES - page);

	if (page + n > POOL_PAGES)
		n = POOL_PAGES - page;
	switch (pick(c, 16)) {
	case 0:
		order(POOL_NEW, 0, 0);
		break;
	case 1 ... 5:
		order(POOL_GIVE_BACK, page, n);
		counters(c)->given_back += n;
		break;
	case 6 ... 7:
		order(POOL_UNMAP, page, n);
		counters(c)->given_back += n;
		break;
	case 8 ... 13:
		order(POOL_SLOT, pick(c, 2), pick(c, 2) ? SLOT_PLAIN : pick(c, SLOT_PLAIN + 1));
		break;
	default:
		order(POOL_LOOK, 0, 0);
		break;
	}
}

void pool(struct cpu *c)
{
	u64 n = 1 + pick(c, 8);

	while (n--) {
		switch (pick(c, 16)) {
		case 0 ... 5:
			touch(c);
			break;
		case 6 ... 8:
			ask(c);
			break;
		case 9:
			ask_wrong(c);
			break;
		case 10:
			ask_other(c);
			break;
		case 11:
			ask_wild(c);
			break;
		default:
			change(c);
			break;
		}
	}
	order(POOL_LOOK, 0, 0);
}
