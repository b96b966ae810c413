// SPDX-License-Identifier: GPL-2.0
/* Unit tests of paravirt_args.c and paravirt_roots.c of host-dkms/src, one function for each topic. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "paravirt_args.h"
#include "paravirt_roots.h"

#define NR		KVMPV_NR_ENTRIES
#define TAG		KVMPV_CR3_TAG
#define OFFERED		((u64)(KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3))

static char reason[200];

__attribute__((format(printf, 1, 2)))
static void fail(const char *fmt, ...)
{
	va_list ap;

	if (reason[0])
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
}

#define check(cond) do {						\
	if (!(cond))							\
		fail("line %d: %s", __LINE__, #cond);			\
} while (0)

#define check_eq(a, b) do {						\
	long long a_ = (a), b_ = (b);					\
	if (a_ != b_)							\
		fail("line %d: %s is %lld, not %lld", __LINE__, #a, a_, b_); \
} while (0)

static struct kvmpv_root root(unsigned int n)
{
	struct kvmpv_root r = {
		.pgd = 0x1000ull * n,
		.hpa = 0x200000ull + 0x1000 * n,
		.hw = 0x200000ull + 0x1000 * n + TAG,
	};

	return r;
}

static bool same(const struct kvmpv_root *a, const struct kvmpv_root *b)
{
	return a->pgd == b->pgd && a->hpa == b->hpa && a->hw == b->hw;
}

/* A list with roots @a, @b, ... (0 ends) in slots 0, 1, ... */
static struct kvmpv_list list_of(unsigned int n, ...)
{
	struct kvmpv_list list = { .used = 0 };
	struct kvmpv_root want[NR];
	unsigned int i = 0;
	va_list ap;

	va_start(ap, n);
	for (; n; n = va_arg(ap, unsigned int))
		want[i++] = root(n);
	va_end(ap);
	kvmpv_list_update(&list, want, i);
	return list;
}

static bool slot_is(const struct kvmpv_list *list, unsigned int i, unsigned int n)
{
	struct kvmpv_root r = root(n);

	if (!n)
		return !(list->used & (1u << i));
	return (list->used & (1u << i)) && same(&list->slot[i], &r);
}

#define slots_are(l, a, b, c, d) \
	(slot_is(l, 0, a) && slot_is(l, 1, b) && slot_is(l, 2, c) && \
	 slot_is(l, 3, d) && (l)->used < 16)

static void select_takes_all(void)
{
	struct kvmpv_root cand[NR], out[NR];
	unsigned int nr, i;

	for (i = 0; i < NR; i++)
		cand[i] = root(i + 1);
	for (nr = 1; nr <= NR; nr++) {
		memset(out, 0, sizeof(out));
		check_eq(kvmpv_select_roots(cand, nr, cand[0].hw, out), nr);
		for (i = 0; i < nr; i++)
			check(same(&out[i], &cand[i]));
		for (; i < NR; i++)
			check(!out[i].hpa);
	}
}

static void select_needs_the_current_root(void)
{
	struct kvmpv_root cand[NR] = { root(1), root(2), root(3), root(4) };
	struct kvmpv_root out[NR];

	check_eq(kvmpv_select_roots(cand, NR, cand[1].hw, out), 0);
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw | 1, out), 0);
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw & ~TAG, out), 0);
	cand[0].pgd |= TAG;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 0);
	cand[0] = root(1);
	cand[0].hpa = 0;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 0);
	cand[0] = root(1);
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), NR);
}

static void select_skips(void)
{
	struct kvmpv_root cand[NR] = { root(1), root(2), root(3), root(4) };
	struct kvmpv_root out[NR];

	cand[1].hpa = 0;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 3);
	check(same(&out[0], &cand[0]) && same(&out[1], &cand[2]) && same(&out[2], &cand[3]));
	cand[1] = root(2);
	cand[3].pgd |= TAG;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 3);
	check(same(&out[1], &cand[1]) && same(&out[2], &cand[2]));
	/* bits beside the tag bit are the guest's */
	cand[3].pgd = root(4).pgd | TAG << 1 | TAG >> 1;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), NR);
}

static void select_publishes_one_of_equals(void)
{
	struct kvmpv_root cand[NR] = { root(1), root(2), root(2), root(1) };
	struct kvmpv_root out[NR];

	cand[2].pgd |= 0x8;	/* PWT: another PGD, the same hardware value */
	cand[3].pgd |= 0x10;	/* PCD */
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 2);
	check(same(&out[0], &cand[0]) && same(&out[1], &cand[1]));
	/* one page under two PCIDs is two roots */
	cand[2].hw |= 2;
	check_eq(kvmpv_select_roots(cand, NR, cand[0].hw, out), 3);
}

static void update_fills_and_empties(void)
{
	struct kvmpv_root want[NR] = { root(1), root(2), root(3), root(4) };
	struct kvmpv_list list = { .used = 0 };

	check(!kvmpv_list_update(&list, want, 0));
	check(kvmpv_list_update(&list, want, NR));
	check(slots_are(&list, 1, 2, 3, 4));
	check(kvmpv_list_update(&list, want, 2));
	check(slots_are(&list, 1, 2, 0, 0));
	check(kvmpv_list_update(&list, want, 3));
	check(slots_are(&list, 1, 2, 3, 0));
	check(kvmpv_list_update(&list, want, 0));
	check(slots_are(&list, 0, 0, 0, 0));
	check(!kvmpv_list_update(&list, want, 0));
}

static void update_sees_no_change(void)
{
	struct kvmpv_root want[NR] = { root(3), root(1), root(4), root(2) };
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0), before;

	memcpy(&before, &list, sizeof(list));
	check(!kvmpv_list_update(&list, want, NR));
	check(!memcmp(&before, &list, sizeof(list)));
}

static void update_keeps_slots(void)
{
	struct kvmpv_root a[NR] = { root(4), root(5), root(1), root(3) };
	struct kvmpv_root b[NR] = { root(6), root(7), root(5) };
	struct kvmpv_root c[NR] = { root(8), root(6), root(7), root(5) };
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0);

	check(kvmpv_list_update(&list, a, 4));
	check(slots_are(&list, 1, 5, 3, 4));
	check(kvmpv_list_update(&list, b, 3));
	check(slots_are(&list, 6, 5, 7, 0));
	check(kvmpv_list_update(&list, c, 4));
	check(slots_are(&list, 6, 5, 7, 8));
	check(kvmpv_list_update(&list, &c[2], 1));
	check(slots_are(&list, 0, 0, 7, 0));
	check(kvmpv_list_update(&list, b, 3));
	check(slots_are(&list, 6, 5, 7, 0));
}

/* The slot that became free still holds the old values: they must not count. */
static void update_ignores_free_slots(void)
{
	struct kvmpv_root want[NR] = { root(2), root(1) };
	struct kvmpv_list list = list_of(1, 2, 0);

	check(kvmpv_list_update(&list, want, 1));
	check(slots_are(&list, 0, 2, 0, 0));
	check(kvmpv_list_update(&list, want, 2));
	check(slots_are(&list, 1, 2, 0, 0));
	list.slot[2] = root(1);
	list.used = 1u << 2;
	check(!kvmpv_list_update(&list, &want[1], 1));
	check(slots_are(&list, 0, 0, 1, 0));
}

static void update_compares_every_member(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct kvmpv_list list = list_of(1, 2, 0);
		struct kvmpv_root want[NR] = { root(1), root(2) };

		*(i == 0 ? &want[1].pgd : i == 1 ? &want[1].hpa : &want[1].hw) ^= 0x8;
		check(kvmpv_list_update(&list, want, 2));
		check(slot_is(&list, 0, 1) && same(&list.slot[1], &want[1]));
		check(!kvmpv_list_update(&list, want, 2));
	}
}

static void replace_changes_one_slot(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		struct kvmpv_list list = list_of(1, 2, 3, 4, 0), want = list_of(1, 2, 3, 4, 0);
		struct kvmpv_root gone = root(i + 1), new = root(5);

		gone.hw = 0;	/* not looked at: it may have been of another PCID */
		want.slot[i] = new;
		check_eq(kvmpv_list_replace(&list, &gone, &new), i);
		check(!memcmp(&list, &want, sizeof(list)));
		/* what has gone is no longer there */
		new = root(6);
		check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
		check(!memcmp(&list, &want, sizeof(list)));
	}
}

static void replace_leaves_the_rest_to_update(void)
{
	struct kvmpv_root gone = root(2), new = root(5), want[NR];
	struct kvmpv_list list, before;
	unsigned int used, i, n;

	/* With a free slot the list is refused: what the CPU's list has there depends on the others. */
	for (used = 0; used < (1u << NR) - 1; used++) {
		list = list_of(1, 2, 3, 4, 0);
		for (i = n = 0; i < NR; i++)
			if (used & (1u << i))
				want[n++] = root(i + 1);
		kvmpv_list_update(&list, want, n);
		memcpy(&before, &list, sizeof(list));
		check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
		check(!memcmp(&list, &before, sizeof(list)));
	}
	list = list_of(1, 2, 3, 4, 0);
	memcpy(&before, &list, sizeof(list));
	/* another CR3 with the hardware value of a root that is there */
	for (i = 1; i <= NR; i++) {
		new.hw = root(i).hw;
		check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
	}
	new = root(5);
	new.pgd |= TAG;
	check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
	new = root(5);
	gone.pgd |= 0x8;
	check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
	gone = root(2);
	gone.hpa ^= 1 << 20;
	check_eq(kvmpv_list_replace(&list, &gone, &new), -1);
	check(!memcmp(&list, &before, sizeof(list)));
}

/* A root is told by its page table and its shadow page, whichever way round they are. */
static void gone_is_the_one_that_is_missing(void)
{
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0);
	struct kvmpv_root kept[NR - 1], want[NR];
	unsigned int i, n, turn;

	for (i = 0; i < NR; i++) {
		for (turn = 0; turn < NR - 1; turn++) {
			for (n = 0; n < NR - 1; n++) {
				kept[(n + turn) % (NR - 1)] = root(n + 1 + (n >= i));
				kept[(n + turn) % (NR - 1)].hw = 0;	/* not looked at */
			}
			check_eq(kvmpv_list_gone(&list, kept, NR - 1), i);
		}
		/* One of the others has another page table, or another shadow page: two are missing. */
		kept[0].pgd ^= 0x1000;
		check_eq(kvmpv_list_gone(&list, kept, NR - 1), -1);
		kept[0].pgd ^= 0x1000;
		kept[0].hpa ^= 0x1000;
		check_eq(kvmpv_list_gone(&list, kept, NR - 1), -1);
		/* One twice is one, and two are missing. */
		kept[0] = kept[1];
		check_eq(kvmpv_list_gone(&list, kept, NR - 1), -1);
	}
	for (i = 0; i < NR; i++)
		want[i] = root(i + 1);
	list.used = 0;
	kvmpv_list_update(&list, want, NR - 1);
	check_eq(kvmpv_list_gone(&list, want, NR - 2), -1);
	check_eq(kvmpv_list_gone(&list, want, NR - 1), -1);
}

/* One page can be two of the roots, under two PCIDs; an address of 0 is none of a root. */
static void sum_finds_what_has_gone(void)
{
	static const u64 hpa[] = {
		0x1000, 0x2000, 0x3000, 0xffffe000, 0x123456000, (1ull << 52) - 0x2000,
		(1ull << 52) - 0x1000, KVMPV_NO_ROOT,
	};
	enum { N = sizeof(hpa) / sizeof(*hpa) };
	unsigned int i, gone, k;

	for (i = 0; i < N * N * N; i++) {
		const u64 was[] = { hpa[i % N], hpa[i / N % N], hpa[i / N / N] };

		for (gone = 1; gone < 8; gone++) {
			u64 now[3];
			bool some = false;

			for (k = 0; k < 3; k++) {
				now[k] = gone & (1u << k) ? KVMPV_NO_ROOT : was[k];
				some |= now[k] != was[k];
			}
			check_eq(kvmpv_sum_roots(now[0], now[1], now[2]) !=
				 kvmpv_sum_roots(was[0], was[1], was[2]), some);
		}
	}
}

/* What a guest and the CPU see is what update makes of the same roots. */
static void replace_is_as_update(void)
{
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0), other = list_of(1, 2, 3, 4, 0);
	struct kvmpv_root want[NR] = { root(5), root(1), root(2), root(4) };
	struct kvmpv_root gone = root(3), new = root(5);

	check_eq(kvmpv_list_replace(&list, &gone, &new), 2);
	check(kvmpv_list_update(&other, want, NR));
	check(!memcmp(&list, &other, sizeof(list)));
	check(!kvmpv_list_update(&list, want, NR));
}

static void stash_starts_empty(void)
{
	struct kvmpv_stash stash;
	unsigned int i;

	memset(&stash, 0x55, sizeof(stash));
	kvmpv_stash_init(&stash);
	for (i = 0; i < KVMPV_STASH; i++)
		check(stash.hpa[i] == KVMPV_NO_ROOT);
	check_eq(kvmpv_stash_index(&stash, 0), -1);
	check_eq(kvmpv_stash_index(&stash, 1), -1);
	check(stash.next < KVMPV_STASH && stash.hand < KVMPV_STASH);
	/* if it were 0, it would stay 0 */
	check(stash.random);
}

/*
 * Three page tables of one hash have places 20 to 22. Without the one of number @gone the others must be found; it is
 * then assigned again, and all must be. Returns false if not: a chain is broken, and a search might never end.
 */
static bool stash_has_all_but(struct kvmpv_stash *stash, unsigned int gone)
{
	unsigned int k;
	int want, is;

	for (k = 0; k < 3; k++) {
		want = k == gone ? -1 : (int)(20 + k);
		is = kvmpv_stash_index(stash, 1000 + k * KVMPV_STASH_HASH);
		if (is != want) {
			fail("number %u of one hash is at %d, not %d", k, is, want);
			return false;
		}
	}
	if (gone < 3)
		kvmpv_stash_assign(stash, 20 + gone, 1000 + gone * KVMPV_STASH_HASH);
	return true;
}

static void stash_finds_each_place(void)
{
	struct kvmpv_stash stash;
	unsigned int i;

	kvmpv_stash_init(&stash);
	for (i = 0; i < KVMPV_STASH; i++) {
		kvmpv_stash_assign(&stash, i, 100 + i);
		/* remembered ones are found, too */
		if (i & 1)
			stash.hpa[i] = 0x1000 * i;
	}
	for (i = 0; i < KVMPV_STASH; i++)
		check_eq(kvmpv_stash_index(&stash, 100 + i), i);
	/* also of several with one hash, whichever of them goes */
	for (i = 0; i < 3; i++)
		kvmpv_stash_assign(&stash, 20 + i, 1000 + i * KVMPV_STASH_HASH);
	/* the first, the one between, the last: one that comes is the first */
	for (i = 2; i < 3; i--) {
		/* the one that went before has come back */
		if (!stash_has_all_but(&stash, 3))
			return;
		kvmpv_stash_assign(&stash, 20 + i, 5);
		check_eq(kvmpv_stash_index(&stash, 5), 20 + i);
		if (!stash_has_all_but(&stash, i))
			return;
		check_eq(kvmpv_stash_index(&stash, 5), -1);
	}
	for (i = 0; i < 3; i++)
		check_eq(kvmpv_stash_index(&stash, 120 + i), -1);
	check_eq(kvmpv_stash_index(&stash, 99), -1);
	check_eq(kvmpv_stash_index(&stash, 100 + KVMPV_STASH), -1);
}

/* Seven times of eight the one that is left, else one of the others, each as often. */
static void stash_victims(void)
{
	unsigned int nr, i, count[4], of[4][4];
	struct kvmpv_stash stash;
	int victim, last;

	kvmpv_stash_init(&stash);
	for (nr = 2; nr <= 4; nr++) {
		memset(count, 0, sizeof(count));
		for (i = 0; i < 96000; i++) {
			victim = kvmpv_stash_victim(&stash, nr, 0, false, false);
			if (victim < 0 || victim >= (int)nr) {
				fail("victim %d of %u", victim, nr);
				return;
			}
			count[victim]++;
		}
		/* within 6 standard deviations */
		check(count[0] > 84000 - 615 && count[0] < 84000 + 615);
		for (i = 1; i < nr; i++)
			check(count[i] * (nr - 1) > 12000 - 600 * (nr - 1) &&
			      count[i] * (nr - 1) < 12000 + 600 * (nr - 1));

		/* one that is not in sync never, the others as often, also one after another */
		memset(count, 0, sizeof(count));
		memset(of, 0, sizeof(of));
		for (i = 0, last = 1; i < 12000; i++, last = victim) {
			victim = kvmpv_stash_victim(&stash, nr, 0, true, false);
			if (victim < 1 || victim >= (int)nr) {
				fail("victim %d of %u, the first not in sync", victim, nr);
				return;
			}
			count[victim]++;
			of[last][victim]++;
		}
		for (i = 1; i < nr; i++) {
			check(count[i] * (nr - 1) > 12000 - 350 * (nr - 1) &&
			      count[i] * (nr - 1) < 12000 + 350 * (nr - 1));
			for (last = 1; last < (int)nr; last++)
				check(of[last][i] * (nr - 1) * (nr - 1) > 12000 - 350 * (nr - 1) * (nr - 1) &&
				      of[last][i] * (nr - 1) * (nr - 1) < 12000 + 350 * (nr - 1) * (nr - 1));
		}
	}
}

static void stash_victim_is_what_a_flush_frees(void)
{
	struct kvmpv_stash stash;
	unsigned int flushed, i;

	kvmpv_stash_init(&stash);
	for (flushed = 1; flushed < 1u << 4; flushed++) {
		for (i = 0; i < 40; i++) {
			int victim = kvmpv_stash_victim(&stash, 4, flushed, i & 1, i & 2);

			if (__builtin_popcount(flushed) > 1)
				check_eq(victim, -1);
			else
				check_eq(1u << victim, flushed);
		}
	}
}

/* Of @nr loads, over and over, how many are of a root that is not among the 4 that are kept? */
static double misses(const unsigned int *load, unsigned int nr)
{
	unsigned int kept[4] = { 1000, 1010, 1020, 1030 }, i, k, missed = 0;
	struct kvmpv_stash stash;

	kvmpv_stash_init(&stash);
	for (i = 0; i < 1000 * nr; i++) {
		for (k = 0; k < 4 && kept[k] != load[i % nr]; k++)
			;
		if (k == 4) {
			missed++;
			k = kvmpv_stash_victim(&stash, 4, 0, false,
					       (kept[0] ^ load[i % nr]) == 1);
			if (k > 3) {
				fail("victim %u", k);
				return nr;
			}
		}
		memmove(kept + 1, kept, k * sizeof(*kept));
		kept[0] = load[i % nr];
	}
	return missed / 1000.;
}

/* Processes with two page directories each take turns, and make two system calls in each. */
static void stash_keeps_halves(void)
{
	unsigned int load[5 * 24], processes, i;

	for (processes = 2; processes <= 24; processes++) {
		for (i = 0; i < 5 * processes; i++)
			load[i] = i / 5 * 2 + i % 5 % 2;
		/* Two have room: of n, a choice that knows what comes next keeps one for n - 1 turns. */
		check(misses(load, i) / processes < 2 * (1 - 1. / (processes - 1)) + 0.1);
	}
}

/* Page directories that are side by side by chance, in turn: as many as are kept. */
static void stash_keeps_neighbours(void)
{
	static const unsigned int load[] = { 0, 1, 2, 3 };

	check(misses(load, 4) < 0.1);
}

static void stash_exchanges(void)
{
	struct kvmpv_stash stash, before;

	kvmpv_stash_init(&stash);
	kvmpv_stash_assign(&stash, 3, 10);
	stash.hpa[3] = 0x10000;
	kvmpv_stash_assign(&stash, 7, 20);
	/* one that was never here takes the place of the other, which is forgotten */
	check(kvmpv_stash_exchange(&stash, 3, 30, 0x30000));
	check_eq(kvmpv_stash_index(&stash, 30), 3);
	check(stash.hpa[3] == 0x30000);
	check_eq(kvmpv_stash_index(&stash, 10), -1);
	/* one that is remembered has its place, and the other is remembered */
	check(kvmpv_stash_exchange(&stash, 3, 20, 0x20000));
	check(stash.gfn[7] == 20 && stash.hpa[7] == 0x20000);
	check(stash.gfn[3] == 30 && stash.hpa[3] == KVMPV_NO_ROOT);
	/* another root of the same page table */
	check(kvmpv_stash_exchange(&stash, 7, 20, 0x21000));
	check(stash.gfn[7] == 20 && stash.hpa[7] == 0x21000);
	/* one is taken out and none put in, whatever the gfn was */
	stash.hpa[3] = 0x30000;
	check(kvmpv_stash_exchange(&stash, 3, 20, KVMPV_NO_ROOT));
	check(stash.gfn[3] == 30 && stash.hpa[3] == KVMPV_NO_ROOT);
	check(stash.gfn[7] == 20 && stash.hpa[7] == 0x21000);
	/* the stash has a root of this page table, and the reference would be lost */
	stash.hpa[3] = 0x30000;
	memcpy(&before, &stash, sizeof(stash));
	check(!kvmpv_stash_exchange(&stash, 3, 20, 0x21000));
	check(!memcmp(&before, &stash, sizeof(stash)));
}

static void find_by_hardware_value(void)
{
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0);
	struct kvmpv_root one = root(3);
	unsigned int i;

	for (i = 0; i < NR; i++)
		check(kvmpv_list_find(&list, root(i + 1).hw) == &list.slot[i]);
	check(!kvmpv_list_find(&list, root(5).hw));
	check(!kvmpv_list_find(&list, root(1).hw | 1));
	check(!kvmpv_list_find(&list, root(1).hpa));
	check(!kvmpv_list_find(&list, 0));
	kvmpv_list_update(&list, &one, 1);
	check(kvmpv_list_find(&list, root(3).hw) == &list.slot[2]);
	for (i = 1; i <= NR; i++)
		if (i != 3)
			check(!kvmpv_list_find(&list, root(i).hw));
	list.used = 0;
	check(!kvmpv_list_find(&list, root(3).hw));
}

static void entries_show_the_list(void)
{
	struct kvmpv_list list = list_of(1, 2, 3, 0);
	struct kvmpv_root want[2] = { root(1), root(3) };
	struct kvmpv_entry e[NR];
	unsigned int i;
	u64 flag;

	kvmpv_list_update(&list, want, 2);
	for (flag = 0; ; flag = 1ull << 63) {
		for (i = 0; i < NR; i++) {
			e[i] = kvmpv_list_entry(&list, i, flag);
			if (i == 0 || i == 2) {
				check(e[i].guest_cr3 == root(i + 1).pgd);
				check(e[i].host_cr3 == (root(i + 1).hw | flag));
			} else {
				check(e[i].guest_cr3 == KVMPV_CR3_NONE);
				check(e[i].host_cr3 == 0);
			}
		}
		if (flag)
			break;
	}
}

/*
 * The CPU takes each of them for a page table: never an old value of a free slot,
 * never 0.
 */
static void targets_are_roots_in_use(void)
{
	struct kvmpv_root all[NR] = { root(1), root(2), root(3), root(4) };
	u64 target[NR], flag = 1ull << 63;
	unsigned int set, i, n;

	for (set = 0; set < 1u << NR; set++) {
		struct kvmpv_list list = list_of(1, 2, 3, 4, 0);
		struct kvmpv_root want[NR];

		for (i = n = 0; i < NR; i++)
			if (set & (1u << i))
				want[n++] = all[i];
		kvmpv_list_update(&list, want, n);
		memset(target, 0x55, sizeof(target));
		check_eq(kvmpv_list_targets(&list, flag, target), set ? NR : 0);
		for (i = 0; set && i < NR; i++) {
			check(target[i] & flag);
			check(kvmpv_list_find(&list, target[i] & ~flag));
			if (set & (1u << i))
				check(target[i] == (all[i].hw | flag));
		}
		if (set) {
			kvmpv_list_targets(&list, 0, target);
			for (i = 0; i < NR; i++)
				check(kvmpv_list_find(&list, target[i]));
		}
	}
}

static void page_alignment(void)
{
	unsigned int bit;

	check_eq(kvmpv_check_page(0), 0);
	check_eq(kvmpv_check_page(4096), 0);
	check_eq(kvmpv_check_page(0 - 4096ull), 0);
	check_eq(kvmpv_check_page(4095), -KVMPV_EINVAL);
	for (bit = 0; bit < 64; bit++)
		check_eq(kvmpv_check_page(1ull << bit), bit < 12 ? -KVMPV_EINVAL : 0);
}

static void size_argument(void)
{
	check_eq(kvmpv_check_size(4096), 0);
	check_eq(kvmpv_check_size(4095), -KVMPV_ENOSPC);
	check_eq(kvmpv_check_size(0), -KVMPV_ENOSPC);
	check_eq(kvmpv_check_size(4097), -KVMPV_E2BIG);
	check_eq(kvmpv_check_size(4096 + (1ull << 32)), -KVMPV_E2BIG);
	check_eq(kvmpv_check_size(~0ull), -KVMPV_E2BIG);
}

static struct kvmpv_state good_state(void)
{
	struct kvmpv_state st;

	memset(&st, 0, sizeof(st));
	st.guest_version = 1;
	st.size = sizeof(st);
	st.features_accepted = KVMPV_F_CR3_CACHE;
	st.table_gpa = 0x5000;
	st.nr_windows = 1;
	st.window[0].start = 0xffffffff81000000;
	st.window[0].commit = 0xffffffff81000020;
	return st;
}

/* Goes through every byte; which ones are reserved is said here once more, from the specification. */
static void state_every_byte(void)
{
	struct kvmpv_state st = good_state();
	unsigned char *byte = (unsigned char *)&st;
	unsigned int i, bit;

	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), 0);
	for (i = 0; i < 4096; i++) {
		for (bit = 0; bit < 8; bit++) {
			int want = 0;

			byte[i] ^= 1u << bit;
			if (i < 4)
				want = i || bit ? 0 : -KVMPV_EPROTO;
			else if (i >= 8 && i < 12)
				want = -KVMPV_EBADMSG;
			else if (i == 24 && bit == 0)
				want = -KVMPV_ENODATA;
			else if (i == 24 && bit == 1)
				want = 0;
			else if (i >= 24 && i < 32)
				want = -KVMPV_EOPNOTSUPP;
			else if (i == 32 || (i == 33 && bit < 4))
				want = -KVMPV_EINVAL;
			else if ((i >= 44 && i < 128) || i >= 656)
				want = -KVMPV_EBADMSG;
			if (kvmpv_check_state(&st, 4096, OFFERED, 0) != want)
				fail("byte %u bit %u: not %d", i, bit, want);
			byte[i] ^= 1u << bit;
		}
	}
}

static void state_values(void)
{
	struct kvmpv_state st = good_state();

	st.guest_version = 0xffffffff;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), 0);
	check_eq(kvmpv_check_state(&st, 4097, OFFERED, 0), -KVMPV_EBADMSG);
	/* st.size has 32 bits, the argument 64 */
	check_eq(kvmpv_check_state(&st, 4096 + (1ull << 32), OFFERED, 0), -KVMPV_EBADMSG);
	check_eq(kvmpv_check_state(&st, 4096, 0, 0), -KVMPV_EOPNOTSUPP);
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_CR3_CACHE, 0), 0);
	st.features_accepted = OFFERED;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), 0);
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_CR3_CACHE, 0), -KVMPV_EOPNOTSUPP);
	st.features_accepted = 1ull << 63 | KVMPV_F_CR3_CACHE;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EOPNOTSUPP);
	/* without the cache there is neither a table nor a window */
	st.features_accepted = KVMPV_F_LOAD_CR3;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	st.table_gpa = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	st.nr_windows = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	memset(st.window, 0, sizeof(st.window));
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), 0);
	st.nr_windows = 1;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	st.nr_windows = 0;
	st.table_gpa = 0x5000;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	st.features_accepted = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_ENODATA);
}

/* Every pair of modes; the guest's own CR3 is what it comes back to from each. */
static void restored_elsewhere(void)
{
	struct kvmpv_place left = { .cr3 = 0x1000 }, now = left;
	unsigned int i, bit;

	for (i = 0; i < 16; i++) {
		left.nested = i & 1;
		left.smm = i >> 1 & 1;
		now.nested = i >> 2 & 1;
		now.smm = i >> 3 & 1;
		now.cr3 = left.cr3;
		/* events lead out of a nested guest and into SMM, never back */
		check_eq(kvmpv_is_elsewhere(&left, &now),
			 (now.nested && !left.nested) || (left.smm && !now.smm));
		for (bit = 0; bit < 64; bit++) {
			now.cr3 = left.cr3 ^ 1ull << bit;
			check(kvmpv_is_elsewhere(&left, &now));
		}
	}
}

/* Too few targets, or what trying them has shown: each has an error of its own. */
static void targets_found(void)
{
	unsigned int nr;

	for (nr = 0; nr < 300; nr++) {
		check_eq(kvmpv_check_targets(nr, KVMPV_TARGETS_WHOLE), nr < 4 ? -KVMPV_ENXIO : 0);
		check_eq(kvmpv_check_targets(nr, KVMPV_TARGETS_NO_TAG),
			 nr < 4 ? -KVMPV_ENXIO : -KVMPV_EIO);
	}
}

/* A CPU that compares operands without bit 63 is worked round; one that exits all the same is not. */
static void targets_missed(void)
{
	struct kvmpv_list list = list_of(1, 2, 3, 4, 0);
	u64 keep = 1ull << 63, target[NR];
	unsigned int i;

	check_eq(kvmpv_target_flag(KVMPV_TARGETS_WHOLE, keep), keep);
	check_eq(kvmpv_target_flag(KVMPV_TARGETS_WHOLE, 0), 0);
	check_eq(kvmpv_target_flag(KVMPV_TARGETS_NO_KEEP, keep), 0);
	check_eq(kvmpv_check_targets(4, KVMPV_TARGETS_NO_KEEP), 0);
	check_eq(kvmpv_check_targets(3, KVMPV_TARGETS_NO_KEEP), -KVMPV_ENXIO);
	check_eq(kvmpv_check_targets(4, KVMPV_TARGETS_UNUSED), -KVMPV_EIO);

	/* Without CR4.PCIDE there is no bit 63 to be the reason. */
	check_eq(kvmpv_targets_worse(KVMPV_TARGETS_WHOLE, keep), KVMPV_TARGETS_NO_KEEP);
	check_eq(kvmpv_targets_worse(KVMPV_TARGETS_WHOLE, 0), KVMPV_TARGETS_UNUSED);
	check_eq(kvmpv_targets_worse(KVMPV_TARGETS_NO_KEEP, keep), KVMPV_TARGETS_UNUSED);
	check_eq(kvmpv_targets_worse(KVMPV_TARGETS_NO_KEEP, 0), KVMPV_TARGETS_UNUSED);

	kvmpv_list_targets(&list, keep, target);
	for (i = 0; i < NR; i++) {
		check(kvmpv_list_missed(&list, keep, target[i]));
		check(kvmpv_list_missed(&list, 0, target[i] & ~keep));
		/* A MOV that flushes, and values of the guest's own, exit rightly. */
		check(!kvmpv_list_missed(&list, keep, target[i] & ~keep));
		check(!kvmpv_list_missed(&list, 0, target[i]));
		check(!kvmpv_list_missed(&list, keep, target[i] ^ 1 << 11));
		check(!kvmpv_list_missed(&list, keep, list.slot[i].pgd | keep));
	}
	list.used = 0;
	check(!kvmpv_list_missed(&list, keep, target[0]));
}

/* A CPU without CR3 targets: the cache is refused with a reason of its own. */
static void state_without_targets(void)
{
	struct kvmpv_state st = good_state();

	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_ENXIO), -KVMPV_ENXIO);
	st.features_accepted |= 1ull << 63;
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_ENXIO), -KVMPV_ENXIO);
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_EIO), -KVMPV_EIO);
	st.reserved0 = 1;
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_ENXIO), -KVMPV_EBADMSG);
	st.reserved0 = 0;
	st.features_accepted = 1ull << 63 | KVMPV_F_LOAD_CR3;
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_ENXIO), -KVMPV_EOPNOTSUPP);
	st = (struct kvmpv_state){ .guest_version = 1, .size = 4096,
				   .features_accepted = KVMPV_F_LOAD_CR3 };
	check_eq(kvmpv_check_state(&st, 4096, KVMPV_F_LOAD_CR3, -KVMPV_ENXIO), 0);
}

/* Everything is wrong; put right in the order of the specification. */
static void state_order_of_checks(void)
{
	struct kvmpv_state st = good_state();

	st.guest_version = 0;
	st.reserved2[429] = 1;
	st.features_accepted = KVMPV_F_FLUSH;
	st.table_gpa = 1;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EPROTO);
	st.guest_version = 1;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EBADMSG);
	st.reserved2[429] = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EOPNOTSUPP);
	st.features_accepted = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_ENODATA);
	st.features_accepted = KVMPV_F_CR3_CACHE;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), -KVMPV_EINVAL);
	st.table_gpa = 0;
	check_eq(kvmpv_check_state(&st, 4096, OFFERED, 0), 0);
}

/* check_windows() with windows given as start, commit, ...; ends at commit 0 */
static int windows(struct kvmpv_windows *win, ...)
{
	struct kvmpv_state st = good_state();
	u64 start, commit;
	va_list ap;

	st.nr_windows = 0;
	va_start(ap, win);
	while ((start = va_arg(ap, u64)), (commit = va_arg(ap, u64))) {
		st.window[st.nr_windows].start = start;
		st.window[st.nr_windows++].commit = commit;
	}
	va_end(ap);
	return kvmpv_check_windows(&st, win);
}

#define END		0ull, 0ull

static void windows_boundaries(void)
{
	struct kvmpv_windows win;

	check_eq(windows(&win, 0x1000ull, 0x1020ull, 0x2000ull, 0x2001ull, END), 0);
	check_eq(win.nr, 2);
	check(win.low == 0x1000 && win.high == 0x2001);
	check(!kvmpv_find_window(&win, 0));
	check(!kvmpv_find_window(&win, 0xfff));
	check(!kvmpv_find_window(&win, 0x1000));	/* start: exclusive */
	check(kvmpv_find_window(&win, 0x1001) == &win.w[0]);
	check(kvmpv_find_window(&win, 0x101f) == &win.w[0]);
	check(kvmpv_find_window(&win, 0x1020) == &win.w[0]);	/* commit: inclusive */
	check(!kvmpv_find_window(&win, 0x1021));
	check(!kvmpv_find_window(&win, 0x1fff));
	check(!kvmpv_find_window(&win, 0x2000));
	check(kvmpv_find_window(&win, 0x2001) == &win.w[1]);
	check(!kvmpv_find_window(&win, 0x2002));
	check(!kvmpv_find_window(&win, ~0ull));
	check(win.w[0].start == 0x1000 && win.w[0].commit == 0x1020);
}

static void windows_that_touch(void)
{
	struct kvmpv_windows win;

	check_eq(windows(&win, 0x1000ull, 0x1010ull, 0x1010ull, 0x1020ull, END), 0);
	check(kvmpv_find_window(&win, 0x1010) == &win.w[0]);
	check(kvmpv_find_window(&win, 0x1011) == &win.w[1]);
	check_eq(windows(&win, 0x1000ull, 0x1010ull, 0x100full, 0x1020ull, END), -KVMPV_ERANGE);
}

static void windows_order(void)
{
	struct kvmpv_windows win;

	check_eq(windows(&win, 0x2000ull, 0x2010ull, 0x1000ull, 0x1010ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x1010ull, 0x1000ull, 0x1010ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x1040ull, 0x1010ull, 0x1020ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x1010ull, 0x3000ull, 0x3010ull,
			 0x2000ull, 0x2010ull, END), -KVMPV_ERANGE);
}

static void windows_length(void)
{
	struct kvmpv_windows win;

	check_eq(windows(&win, 0x1000ull, 0x1001ull, END), 0);
	check_eq(windows(&win, 0x1000ull, 0x1100ull, END), 0);
	check_eq(windows(&win, 0x1000ull, 0x1101ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x1000ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x0fffull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x1000ull, 0x1000ull + (1ull << 32), END), -KVMPV_ERANGE);
}

static void windows_number(void)
{
	struct kvmpv_state st = good_state();
	struct kvmpv_windows win;
	unsigned int i;

	st.nr_windows = 0;
	check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
	memset(st.window, 0, sizeof(st.window));
	check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
	for (i = 0; i < KVMPV_NR_WINDOWS; i++) {
		st.window[i].start = 0x1000 * (i + 1);
		st.window[i].commit = 0x1000 * (i + 1) + 8;
		st.nr_windows = i + 1;
		check_eq(kvmpv_check_windows(&st, &win), 0);
		check_eq(win.nr, i + 1);
		check(win.high == st.window[i].commit);
		check(kvmpv_find_window(&win, 0x1000 * (i + 1) + 8) == &win.w[i]);
		st.nr_windows = i + 2;	/* the next one is 0, or the 33rd */
		check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
		st.nr_windows = i;	/* the last one is past the end, not 0 */
		check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
	}
	st.nr_windows = 0xffffffff;
	check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);

	st = good_state();
	st.window[31].start = 1;
	check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
	st.window[31].start = 0;
	st.window[31].commit = 1;
	check_eq(kvmpv_check_windows(&st, &win), -KVMPV_ERANGE);
}

static void windows_at_the_ends(void)
{
	struct kvmpv_windows win;

	check_eq(windows(&win, ~0ull - 256, ~0ull, END), 0);
	check(kvmpv_find_window(&win, ~0ull) == &win.w[0]);
	check(!kvmpv_find_window(&win, ~0ull - 256));
	check(!kvmpv_find_window(&win, 0));
	check_eq(windows(&win, ~0ull - 257, ~0ull, END), -KVMPV_ERANGE);
	/* past the end: commit is a small number */
	check_eq(windows(&win, ~0ull - 15, 0x10ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, ~0ull, 1ull, END), -KVMPV_ERANGE);
	/* the host would set RIP to a start that is not canonical */
	check_eq(windows(&win, 0xffff7ffffffffff0ull, 0xffff800000000010ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0x00007ffffffffff0ull, 0x0000800000000010ull, END), -KVMPV_ERANGE);
	check_eq(windows(&win, 0xffff800000000000ull, 0xffff800000000010ull, END), 0);
	check_eq(windows(&win, 0ull, 1ull, END), 0);
	check(!kvmpv_find_window(&win, 0));
	check(kvmpv_find_window(&win, 1) == &win.w[0]);
}

static void no_windows_yet(void)
{
	struct kvmpv_windows win;

	memset(&win, 0, sizeof(win));
	check(!kvmpv_find_window(&win, 0));
	check(!kvmpv_find_window(&win, 1));
	check(!kvmpv_find_window(&win, ~0ull));
}

#define LAST64		(~0ull)
#define LAST32		0xffffffffull

static void flush_scope(void)
{
	unsigned int bit;

	check_eq(kvmpv_check_scope(KVMPV_FLUSH_USER), 0);
	check_eq(kvmpv_check_scope(KVMPV_FLUSH_ALL), 0);
	check_eq(kvmpv_check_scope(0), -KVMPV_EINVAL);
	check_eq(kvmpv_check_scope(KVMPV_FLUSH_USER | KVMPV_FLUSH_ALL), -KVMPV_EINVAL);
	for (bit = 2; bit < 64; bit++) {
		check_eq(kvmpv_check_scope(1ull << bit), -KVMPV_EINVAL);
		check_eq(kvmpv_check_scope(1ull << bit | KVMPV_FLUSH_USER), -KVMPV_EINVAL);
		check_eq(kvmpv_check_scope(1ull << bit | KVMPV_FLUSH_ALL), -KVMPV_EINVAL);
	}
}

static void range_strides(void)
{
	u64 shift;

	for (shift = 0; shift < 256; shift++)
		check_eq(kvmpv_check_range(0x1000, 1, shift, LAST64),
			 shift == 12 || shift == 21 || shift == 30 ? 0 : -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(0x1000, 1, 12 | 1ull << 32, LAST64), -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(0x1000, 1, ~0ull, LAST64), -KVMPV_EINVAL);
	/* without pages there is no range, and none of the arguments is looked at */
	check_eq(kvmpv_check_range(~0ull, 0, ~0ull, LAST32), 0);
}

/* The last address of a range may be the last byte there is. */
static void range_ends(void)
{
	static const u64 shifts[] = { 12, 21, 30 };
	unsigned int i;
	u64 step, most;

	for (i = 0; i < 3; i++) {
		step = 1ull << shifts[i];
		most = 1ull << (64 - shifts[i]);
		check_eq(kvmpv_check_range(0, most, shifts[i], LAST64), 0);
		check_eq(kvmpv_check_range(step - 1, most, shifts[i], LAST64), 0);
		check_eq(kvmpv_check_range(step, most, shifts[i], LAST64), -KVMPV_EINVAL);
		check_eq(kvmpv_check_range(step, most - 1, shifts[i], LAST64), 0);
		check_eq(kvmpv_check_range(0, most + 1, shifts[i], LAST64), -KVMPV_EINVAL);
		check_eq(kvmpv_check_range(0 - step, 1, shifts[i], LAST64), 0);
		check_eq(kvmpv_check_range(0 - step, 2, shifts[i], LAST64), -KVMPV_EINVAL);
		check_eq(kvmpv_check_range(~0ull, 1, shifts[i], LAST64), 0);
		check_eq(kvmpv_check_range(~0ull, 2, shifts[i], LAST64), -KVMPV_EINVAL);
		check_eq(kvmpv_check_range(0, ~0ull, shifts[i], LAST64), -KVMPV_EINVAL);
		check_eq(kvmpv_check_range(~0ull, ~0ull, shifts[i], LAST64), -KVMPV_EINVAL);
	}
	check_eq(kvmpv_check_range(0, 1ull << 52, 12, LAST64), 0);
	check_eq(kvmpv_check_range(0, (1ull << 52) + 1, 12, LAST64), -KVMPV_EINVAL);
	/* across the canonical hole */
	check_eq(kvmpv_check_range(0x00007ffffffff000, 2, 12, LAST64), 0);

	check_eq(kvmpv_check_range(0, 1u << 20, 12, LAST32), 0);
	check_eq(kvmpv_check_range(0, (1u << 20) + 1, 12, LAST32), -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(0xfffff000, 1, 12, LAST32), 0);
	check_eq(kvmpv_check_range(0xfffff000, 2, 12, LAST32), -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(LAST32, 1, 30, LAST32), 0);
	check_eq(kvmpv_check_range(LAST32 + 1, 1, 12, LAST32), -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(1ull << 63, 1, 12, LAST32), -KVMPV_EINVAL);
	check_eq(kvmpv_check_range(0, 4, 30, LAST32), 0);
	check_eq(kvmpv_check_range(0, 5, 30, LAST32), -KVMPV_EINVAL);
}

/* Of ranges that are accepted; what is not looked at without pages may be anything. */
static void range_halves(void)
{
	static const u64 shifts[] = { 12, 21, 30 };
	unsigned int i;
	u64 step, middle = 1ull << 63;

	for (i = 0; i < 3; i++) {
		step = 1ull << shifts[i];
		check_eq(kvmpv_in_lower_half(0, 1, shifts[i]), true);
		check_eq(kvmpv_in_lower_half(middle - 1, 1, shifts[i]), true);
		check_eq(kvmpv_in_lower_half(middle, 1, shifts[i]), false);
		check_eq(kvmpv_in_lower_half(~0ull, 1, shifts[i]), false);
		check_eq(kvmpv_in_lower_half(middle - 2 * step, 2, shifts[i]), true);
		check_eq(kvmpv_in_lower_half(middle - 2 * step, 3, shifts[i]), false);
		check_eq(kvmpv_in_lower_half(0, middle >> shifts[i], shifts[i]), true);
		check_eq(kvmpv_in_lower_half(0, (middle >> shifts[i]) + 1, shifts[i]), false);
	}
	check_eq(kvmpv_in_lower_half(0, 0, 12), false);
	check_eq(kvmpv_in_lower_half(0, 0, 64), false);
	check_eq(kvmpv_in_lower_half(~0ull, 0, ~0ull), false);
}

static void flush_gpa(void)
{
	u64 gpa;

	for (gpa = 0; gpa < 2 * 4096; gpa++)
		check_eq(kvmpv_check_flush_gpa(gpa),
			 gpa % 8 || gpa % 4096 + 544 > 4096 ? -KVMPV_EINVAL : 0);
	check_eq(kvmpv_check_flush_gpa(0 - 4096ull), 0);
	check_eq(kvmpv_check_flush_gpa(0 - 544ull), 0);
	check_eq(kvmpv_check_flush_gpa(0 - 536ull), -KVMPV_EINVAL);
	check_eq(kvmpv_check_flush_gpa(1ull << 63 | 4), -KVMPV_EINVAL);
}

static void release(void)
{
	u64 gpa, nr;

	for (gpa = 0; gpa < 2 * 4096; gpa++)
		for (nr = 0; nr < 70; nr++)
			check_eq(kvmpv_check_release(gpa, nr),
				 gpa % 8 || nr < 1 || nr > 64 || gpa % 4096 + 8 * nr > 4096 ?
				 -KVMPV_EINVAL : 0);
	check_eq(kvmpv_check_release(0 - 512ull, 64), 0);
	check_eq(kvmpv_check_release(0 - 504ull, 64), -KVMPV_EINVAL);
	check_eq(kvmpv_check_release(0, 1ull << 32 | 1), -KVMPV_EINVAL);
	check_eq(kvmpv_check_release(0, 1ull << 61), -KVMPV_EINVAL);
	check_eq(kvmpv_check_release(0, ~0ull), -KVMPV_EINVAL);
}

static void populate(void)
{
	u64 gpa, nr;

	for (gpa = 0; gpa < 2 * 4096; gpa++)
		for (nr = 0; nr < 40; nr++)
			check_eq(kvmpv_check_populate(gpa, nr),
				 nr > 32 ? -KVMPV_E2BIG :
				 gpa % 8 || nr < 1 || gpa % 4096 + 16 * nr > 4096 ?
				 -KVMPV_EINVAL : 0);
	check_eq(kvmpv_check_populate(0 - 512ull, 32), 0);
	check_eq(kvmpv_check_populate(0 - 504ull, 32), -KVMPV_EINVAL);
	check_eq(kvmpv_check_populate(0, 1ull << 32 | 1), -KVMPV_E2BIG);
	check_eq(kvmpv_check_populate(0, 1ull << 60), -KVMPV_E2BIG);
	check_eq(kvmpv_check_populate(1, ~0ull), -KVMPV_E2BIG);
}

static int page_range(u64 gpa, u64 pages)
{
	struct kvmpv_page_range range = { gpa, pages };

	return kvmpv_check_page_ranges(&range, 1);
}

static void page_ranges(void)
{
	struct kvmpv_page_range range[33];
	unsigned int i;

	check_eq(page_range(0, 1), 0);
	check_eq(page_range(0, 512), 0);
	check_eq(page_range(0, 513), -KVMPV_E2BIG);
	check_eq(page_range(0, 1ull << 32 | 1), -KVMPV_E2BIG);
	check_eq(page_range(0, 0), -KVMPV_ERANGE);
	for (i = 1; i < 4096; i++)
		check_eq(page_range(0x1000 + i, 1), -KVMPV_EINVAL);
	/* the last page that an address can have, and one more */
	check_eq(page_range(0 - 4096ull, 1), 0);
	check_eq(page_range(0 - 4096ull, 2), -KVMPV_ERANGE);
	check_eq(page_range(0 - 512 * 4096ull, 512), 0);
	check_eq(page_range(0 - 511 * 4096ull, 512), -KVMPV_ERANGE);
	/* so many pages that their size in bytes overflows to 0, or to little */
	check_eq(page_range(0, 1ull << 52), -KVMPV_E2BIG);
	check_eq(page_range(0x1000, 1ull << 52), -KVMPV_ERANGE);
	check_eq(page_range(0x1000, ~0ull), -KVMPV_ERANGE);

	/* 512 of all together, wherever they are; behind the last one it does not matter */
	for (i = 0; i < 33; i++)
		range[i] = (struct kvmpv_page_range){ i % 3 * 0x100000, 16 };
	range[32].gpa = 1;
	check_eq(kvmpv_check_page_ranges(range, 32), 0);
	check_eq(kvmpv_check_page_ranges(range, 33), -KVMPV_EINVAL);
	range[31].pages = 17;
	check_eq(kvmpv_check_page_ranges(range, 32), -KVMPV_E2BIG);
	range[31].pages = 0;
	check_eq(kvmpv_check_page_ranges(range, 32), -KVMPV_ERANGE);
	check_eq(kvmpv_check_page_ranges(range, 31), 0);
	/* the first that is wrong */
	range[1].gpa = 0x1008;
	check_eq(kvmpv_check_page_ranges(range, 32), -KVMPV_EINVAL);
}

static int flush_desc(u64 scope, u64 va, u64 pages, u64 shift, u64 last)
{
	struct kvmpv_flush_vcpus desc;

	memset(&desc, 0xff, sizeof(desc));	/* any mask will do */
	desc.scope = scope;
	desc.va = va;
	desc.pages = pages;
	desc.stride_shift = shift;
	return kvmpv_check_flush(&desc, last);
}

static void flush_descriptor(void)
{
	check_eq(flush_desc(0, 0, 0, 0, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(0, 0x1000, 0, 12, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(0, 0x1000, 1, 12, LAST64), 0);
	check_eq(flush_desc(0, 0x1000, 1, 11, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(KVMPV_FLUSH_USER, 0, 0, 0, LAST64), 0);
	check_eq(flush_desc(KVMPV_FLUSH_ALL, ~0ull, 0, ~0ull, LAST32), 0);
	check_eq(flush_desc(KVMPV_FLUSH_ALL, 0x1000, 1, 12, LAST64), 0);
	/* a full flush does not make a wrong range right */
	check_eq(flush_desc(KVMPV_FLUSH_ALL, 0x1000, 1, 13, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(KVMPV_FLUSH_ALL, ~0ull, 2, 12, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(3, 0, 0, 0, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(4, 0x1000, 1, 12, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(1ull << 32, 0x1000, 1, 12, LAST64), -KVMPV_EINVAL);
	check_eq(flush_desc(0, LAST32, 1, 12, LAST32), 0);
	check_eq(flush_desc(0, LAST32, 2, 12, LAST32), -KVMPV_EINVAL);
	check_eq(flush_desc(0, LAST32 + 1, 1, 12, LAST32), -KVMPV_EINVAL);
}

static void load_cr3(void)
{
	unsigned int bit;

	check_eq(kvmpv_check_load_cr3(0, 0), 0);
	check_eq(kvmpv_check_load_cr3(0x1234567890123, KVMPV_LOAD_CR3_NOFLUSH), 0);
	for (bit = 0; bit < 64; bit++) {
		check_eq(kvmpv_check_load_cr3(1ull << bit, 0),
			 bit == 10 || bit == 63 ? -KVMPV_EINVAL : 0);
		check_eq(kvmpv_check_load_cr3(0, 1ull << bit), bit ? -KVMPV_EINVAL : 0);
		check_eq(kvmpv_check_load_cr3(0, 1ull << bit | 1), bit ? -KVMPV_EINVAL : 0);
	}
}

static void flush_mask(void)
{
	struct kvmpv_flush_vcpus desc;
	u32 id, bit;

	memset(&desc, 0xff, sizeof(desc));
	for (id = 0; id < 5000; id++)
		check_eq(kvmpv_in_mask(&desc, id), id < 4096);
	check(!kvmpv_in_mask(&desc, ~0u));
	check(!kvmpv_in_mask(&desc, 1u << 31));
	for (bit = 0; bit < 4096; bit += 37) {
		memset(&desc, 0, sizeof(desc));
		((unsigned char *)desc.vcpu_mask)[bit / 8] = 1u << bit % 8;
		for (id = 0; id < 4096; id++)
			check_eq(kvmpv_in_mask(&desc, id), id == bit);
	}
}

static bool range_is(const struct kvmpv_range *r, u64 va, u32 pages, u32 shift)
{
	return r->va == va && r->pages == pages && r->shift == shift;
}

/* 64 pages are flushed one by one, 65 are a full flush. */
static void flushes_pages(void)
{
	struct kvmpv_flushes todo = {};

	kvmpv_flushes_add(&todo, 0x1000, 0, 12);
	check(!todo.all && !todo.nr);
	kvmpv_flushes_add(&todo, 0x1000, 1, 12);
	check(!todo.all && todo.nr == 1 && range_is(&todo.range[0], 0x1000, 1, 12));
	kvmpv_flushes_add(&todo, ~0ull, 63, 30);
	check(!todo.all && todo.nr == 2 && range_is(&todo.range[1], ~0ull, 63, 30));
	check(range_is(&todo.range[0], 0x1000, 1, 12));
	kvmpv_flushes_add(&todo, 0x1000, 0, 12);
	check(!todo.all && todo.nr == 2);
	kvmpv_flushes_add(&todo, 0x1000, 1, 12);
	check(todo.all);

	todo = (struct kvmpv_flushes){};
	kvmpv_flushes_add(&todo, 0, 64, 21);
	check(!todo.all && todo.nr == 1 && range_is(&todo.range[0], 0, 64, 21));
	todo = (struct kvmpv_flushes){};
	kvmpv_flushes_add(&todo, 0, 65, 12);
	check(todo.all);
	todo = (struct kvmpv_flushes){};
	kvmpv_flushes_add(&todo, 0, 1ull << 32, 12);	/* not 0 pages */
	check(todo.all);
	todo = (struct kvmpv_flushes){};
	kvmpv_flushes_add(&todo, 0, 1ull << 52, 12);
	check(todo.all);
	todo = (struct kvmpv_flushes){};
	kvmpv_flushes_add(&todo, 0, 32, 12);
	kvmpv_flushes_add(&todo, 0, ~0ull, 12);
	check(todo.all);
	kvmpv_flushes_add(&todo, 0, 0, 12);
	kvmpv_flushes_add(&todo, 0, 1, 12);
	check(todo.all);
}

static void flushes_ranges(void)
{
	struct kvmpv_flushes todo = {};
	unsigned int i, j;

	for (i = 0; i < 4; i++) {
		kvmpv_flushes_add(&todo, 0x1000 * i, i + 1, 12);
		check(!todo.all && todo.nr == i + 1);
		for (j = 0; j <= i; j++)
			check(range_is(&todo.range[j], 0x1000 * j, j + 1, 12));
	}
	kvmpv_flushes_add(&todo, 0x9000, 0, 12);
	check(!todo.all && todo.nr == 4);
	kvmpv_flushes_add(&todo, 0x9000, 1, 12);
	check(todo.all);
}

/* A flush of the caller's current CR3 is a flush of everything for other vCPUs. */
static void flushes_of_others(void)
{
	struct kvmpv_flush_vcpus desc = { .va = 0x1000, .pages = 2, .stride_shift = 12 };
	struct kvmpv_flushes todo = {};

	kvmpv_flushes_queue(&todo, &desc);
	check(!todo.all && todo.nr == 1 && range_is(&todo.range[0], 0x1000, 2, 12));
	desc.scope = KVMPV_FLUSH_USER;
	desc.pages = 0;
	kvmpv_flushes_queue(&todo, &desc);
	check(todo.all);
	desc.scope = 0;
	desc.pages = 1;
	kvmpv_flushes_queue(&todo, &desc);
	check(todo.all);
	todo = (struct kvmpv_flushes){};
	desc.scope = KVMPV_FLUSH_ALL;
	kvmpv_flushes_queue(&todo, &desc);
	check(todo.all);
	todo = (struct kvmpv_flushes){};
	desc.scope = 0;
	desc.pages = 65;
	kvmpv_flushes_queue(&todo, &desc);
	check(todo.all);
}

/* Pages must be where the root has entries, and below MAXPHYADDR, whatever userspace has set that to. */
static void within(void)
{
	static const struct { int level, maxphyaddr, bits; } cases[] = {
		{ 4, 52, 36 }, { 4, 48, 36 }, { 4, 47, 35 }, { 5, 52, 40 }, { 5, 48, 36 }, { 5, 57, 45 },
		{ 5, 58, 45 }, { 5, 255, 45 }, { 4, 13, 1 }, { 4, 12, 0 }, { 3, 40, 27 },
	};
	unsigned int i;
	u64 end;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		end = 1ull << cases[i].bits;
		check(kvmpv_is_within(0, 1, cases[i].level, cases[i].maxphyaddr));
		check(kvmpv_is_within(0, end, cases[i].level, cases[i].maxphyaddr));
		check(kvmpv_is_within(end - 1, 1, cases[i].level, cases[i].maxphyaddr));
		check(!kvmpv_is_within(end - 1, 2, cases[i].level, cases[i].maxphyaddr));
		check(!kvmpv_is_within(end, 1, cases[i].level, cases[i].maxphyaddr));
		check(!kvmpv_is_within(0, end + 1, cases[i].level, cases[i].maxphyaddr));
		check(!kvmpv_is_within(1, ~0ull, cases[i].level, cases[i].maxphyaddr));
	}
	check(!kvmpv_is_within(0, 1, 4, 11));
	check(!kvmpv_is_within(0, 1, 4, 0));
}

/* Every pair of granules; the first and the last byte of each. */
static void granules(void)
{
	u32 first, last, i, want;
	u64 base = 0x7f0012200000;

	for (first = 0; first < 32; first++)
		for (last = first; last < 32; last++) {
			for (want = i = 0; i < 32; i++)
				if (i >= first && i <= last)
					want |= 1u << i;
			check_eq(kvmpv_granules(base + first * 0x10000, base + last * 0x10000 + 0xffff), want);
			check_eq(kvmpv_granules(base + first * 0x10000 + (first < last ? 0xffff : 0), base + last * 0x10000),
				 want);
		}
}

static const struct {
	const char *text;
	void (*run)(void);
} tests[] = {
	{ "select: every valid root, in order", select_takes_all },
	{ "select: nothing unless the current root is what is loaded", select_needs_the_current_root },
	{ "select: previous roots that may not be published", select_skips },
	{ "select: one of several with the same hardware value", select_publishes_one_of_equals },
	{ "update: fills, shrinks, empties", update_fills_and_empties },
	{ "update: the same set in another order is no change", update_sees_no_change },
	{ "update: what stays keeps its slot", update_keeps_slots },
	{ "update: a free slot's old root does not count", update_ignores_free_slots },
	{ "update: pgd, hpa and hw all count", update_compares_every_member },
	{ "sum: each of three roots that goes is noticed", sum_finds_what_has_gone },
	{ "gone: the one root of a full list that is missing", gone_is_the_one_that_is_missing },
	{ "replace: one slot", replace_changes_one_slot },
	{ "replace: not with a free slot, an equal value, the tag bit, or what is not there", replace_leaves_the_rest_to_update },
	{ "replace: the same as update", replace_is_as_update },
	{ "stash: starts empty", stash_starts_empty },
	{ "stash: finds each place", stash_finds_each_place },
	{ "stash: mostly the root that is left makes room, else each as often", stash_victims },
	{ "stash: what a flush would free goes", stash_victim_is_what_a_flush_frees },
	{ "stash: both halves of a process stay while it runs", stash_keeps_halves },
	{ "stash: neighbours that are no halves do not push each other out for ever", stash_keeps_neighbours },
	{ "stash: one goes, one comes, each page table once", stash_exchanges },
	{ "find: by hardware value, used slots only", find_by_hardware_value },
	{ "entries: those of the list, with the flag", entries_show_the_list },
	{ "targets: roots in use only, in their slots", targets_are_roots_in_use },
	{ "page: alignment, every bit", page_alignment },
	{ "size: exactly a page", size_argument },
	{ "state: every bit of every byte", state_every_byte },
	{ "state: versions, sizes, features", state_values },
	{ "restored: another CR3, into a nested guest, out of SMM", restored_elsewhere },
	{ "targets: too few, or not as the cache needs them", targets_found },
	{ "targets: listed values that exit", targets_missed },
	{ "state: without CR3 targets", state_without_targets },
	{ "state: order of checks", state_order_of_checks },
	{ "windows: start exclusive, commit inclusive", windows_boundaries },
	{ "windows: may touch, not overlap", windows_that_touch },
	{ "windows: ascending order", windows_order },
	{ "windows: length 1 to 256", windows_length },
	{ "windows: 1 to 32, the others zero", windows_number },
	{ "windows: at both ends of the address space", windows_at_the_ends },
	{ "windows: none registered", no_windows_yet },
	{ "load: every bit of cr3 and flags", load_cr3 },
	{ "flush: exactly one scope", flush_scope },
	{ "flush: strides of 4 KiB, 2 MiB, 1 GiB", range_strides },
	{ "flush: ranges end within the caller's addresses", range_ends },
	{ "flush: which ranges are in the lower half", range_halves },
	{ "flush: descriptor aligned, in one page", flush_gpa },
	{ "flush: descriptor's fields", flush_descriptor },
	{ "release: 1 to 64 addresses in one page", release },
	{ "populate: 1 to 32 ranges in one page", populate },
	{ "populate: 512 pages that there can be", page_ranges },
	{ "flush: 64 pages, then all", flushes_pages },
	{ "flush: 4 ranges, then all", flushes_ranges },
	{ "flush: what others are asked for", flushes_of_others },
	{ "flush: vCPUs 0 to 4095 of the mask", flush_mask },
	{ "within: what a root can map", within },
	{ "granules: each that a byte is in", granules },
};

int main(void)
{
	unsigned int i;
	int bad = 0;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		reason[0] = 0;
		tests[i].run();
		if (reason[0]) {
			printf("not ok - %s # %s\n", tests[i].text, reason);
			bad = 1;
		} else {
			printf("ok - %s\n", tests[i].text);
		}
	}
	printf("1..%u\n", i);
	return bad;
}
