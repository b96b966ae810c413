// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target: a byte string is read as operations on the list, the state
 * page, the windows and what is to be flushed; after each, the result is compared
 * with a model that is slow, plain, and written from the specification rather than from the code.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "paravirt_args.h"
#include "paravirt_roots.h"

#define NR	KVMPV_NR_ENTRIES
#define TAG	(1ull << 10)

#define require(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort();						\
	}								\
} while (0)

static const uint8_t *in, *in_end;

static unsigned int next(void)
{
	return in < in_end ? *in++ : 0;
}

static u64 next64(void)
{
	u64 v = 0;
	int i;

	for (i = 0; i < 8; i++)
		v = v << 8 | next();
	return v;
}

static bool same(const struct kvmpv_root *a, const struct kvmpv_root *b)
{
	return a->pgd == b->pgd && a->hpa == b->hpa && a->hw == b->hw;
}

/* The values are few, so that equal roots are frequent. */
static struct kvmpv_root next_root(void)
{
	unsigned int a = next(), b = next();
	struct kvmpv_root r = {
		.pgd = (a & 7) << 12 | (a & 0x18),	/* PWT and PCD */
		.hpa = (a & 7) << 13,			/* 0: no root */
		.hw = (u64)(a & 7) << 13 | (b & 3) | TAG,	/* PCID */
	};

	if (b >= 0xf0)
		r.pgd |= TAG;
	else if (b >= 0xe0 && r.hpa)
		r.hpa ^= 1 << 20;	/* the same value meant another page once */
	return r;
}

static void roots_and_list(struct kvmpv_list *list)
{
	struct kvmpv_root cand[NR], out[NR], expect[NR];
	unsigned int nr = next() % NR + 1, n, want = 0, i, j, found;
	struct kvmpv_entry entry[NR];
	struct kvmpv_list old;
	bool changed, differs;
	u64 loaded, flag, hw, target[NR];

	memcpy(&old, list, sizeof(old));	/* padding too, for memcmp() */
	for (i = 0; i < nr; i++)
		cand[i] = next_root();
	i = next();
	loaded = i < 0xe0 ? cand[0].hw : cand[i % nr].hw ^ (i & 1);

	/* Valid roots, each hardware value once. */
	for (i = 0; i < nr; i++) {
		bool twice = false;

		if (cand[i].hpa == 0 || cand[i].pgd / TAG % 2 == 1)
			continue;
		for (j = 0; j < i; j++)
			if (cand[j].hpa && cand[j].pgd / TAG % 2 == 0 && cand[j].hw == cand[i].hw)
				twice = true;
		if (!twice)
			expect[want++] = cand[i];
	}
	if (want == 0 || !same(&expect[0], &cand[0]) || loaded != cand[0].hw)
		want = 0;

	n = kvmpv_select_roots(cand, nr, loaded, out);
	require(n == want);
	for (i = 0; i < n; i++)
		require(same(&out[i], &expect[i]));

	changed = kvmpv_list_update(list, out, n);

	/* The list is the set that was asked for. */
	require(list->used < 1u << NR);
	require((unsigned int)__builtin_popcount(list->used) == n);
	for (i = 0; i < n; i++) {
		for (found = j = 0; j < NR; j++)
			found += list->used >> j & 1 && same(&list->slot[j], &out[i]);
		require(found == 1);
	}
	/* No slot of a root that stays has changed; "changed" is the truth. */
	differs = __builtin_popcount(old.used) != __builtin_popcount(list->used);
	for (i = 0; i < NR; i++) {
		if (!(old.used >> i & 1))
			continue;
		for (found = j = 0; j < n; j++)
			found += same(&old.slot[i], &out[j]);
		if (found)
			require(list->used >> i & 1 && same(&list->slot[i], &old.slot[i]));
		else
			differs = true;
	}
	require(changed == differs);
	if (!changed)
		require(memcmp(list, &old, sizeof(old)) == 0);
	require(!kvmpv_list_update(list, out, n));

	/* Every hardware value that there can be, and its neighbours. */
	for (hw = 0; hw < 8 << 13; hw += hw % 8 == 7 ? (1 << 13) - 7 : 1) {
		const struct kvmpv_root *r = kvmpv_list_find(list, hw | TAG);

		for (found = NR, j = 0; j < NR; j++)
			if (list->used >> j & 1 && list->slot[j].hw == (hw | TAG))
				found = j;
		require(found == NR ? !r : r == &list->slot[found]);
	}

	flag = next() & 1 ? 1ull << 63 : 0;
	for (i = 0; i < NR; i++) {
		entry[i] = kvmpv_list_entry(list, i, flag);
		if (list->used >> i & 1) {
			require(entry[i].guest_cr3 == list->slot[i].pgd);
			require(entry[i].host_cr3 == (list->slot[i].hw ^ flag));
		} else {
			require(entry[i].guest_cr3 + 1 == 0 && entry[i].host_cr3 == 0);
		}
	}

	/* What the CPU takes without an exit is exactly what the table shows. */
	require(kvmpv_list_targets(list, flag, target) == (n ? NR : 0));
	for (i = 0; n && i < NR; i++) {
		for (found = j = 0; j < NR; j++)
			found |= entry[j].host_cr3 == target[i];
		require(target[i] && found);
		require(!entry[i].host_cr3 || entry[i].host_cr3 == target[i]);
	}
}

/* Which one slot has no root that is among three others; -1: there is more or less than one, or a free slot. */
static int missing(const struct kvmpv_list *list, const struct kvmpv_root *others)
{
	int i, j, n = 0, at = -1;

	for (i = 0; i < NR; i++) {
		bool found = false;

		for (j = 0; j < NR - 1; j++)
			found |= others[j].pgd == list->slot[i].pgd && others[j].hpa == list->slot[i].hpa;
		if (!found) {
			at = i;
			n++;
		}
	}
	return list->used + 1 == 1u << NR && n == 1 ? at : -1;
}

/* One slot of a full list, if each hardware value stays there once. */
static void replace(struct kvmpv_list *list)
{
	unsigned int a = next(), i, at = NR;
	struct kvmpv_root gone = next_root(), new = next_root();
	struct kvmpv_root others[NR - 1], want[NR];
	struct kvmpv_list old;
	bool right;
	int ret;

	if (a & 8) {
		for (i = 0; i < NR; i++) {
			want[i].pgd = (i + 1) << 12;
			want[i].hpa = (i + 1) << 13;
			want[i].hw = want[i].hpa | TAG;
		}
		kvmpv_list_update(list, want, NR - (a >> 7));
	}
	if (a & 4)
		gone = list->slot[a % NR];
	memcpy(&old, list, sizeof(old));
	for (i = 0; i < NR - 1; i++)
		others[i] = list->slot[(a + i + 1) % NR];
	if (a & 16)
		others[a % 3].hpa ^= 0x1000;
	require(kvmpv_list_gone(list, others, NR - 1) == missing(list, others));

	right = list->used + 1 == 1u << NR && new.pgd / TAG % 2 == 0;
	for (i = 0; i < NR; i++) {
		if (old.slot[i].pgd == gone.pgd && old.slot[i].hpa == gone.hpa)
			at = i;
		right &= old.slot[i].hw != new.hw;
	}
	ret = kvmpv_list_replace(list, &gone, &new);
	if (!right || at == NR) {
		require(ret == -1);
	} else {
		require(ret >= 0 && ret < NR);
		/* One page can be there with several PCIDs, so the hardware value does not matter. */
		require(old.slot[ret].pgd == gone.pgd && old.slot[ret].hpa == gone.hpa);
		/* A look at all of the roots, the current one first, finds nothing else to do. */
		want[0] = new;
		for (i = 1; i < NR; i++)
			want[i] = old.slot[(ret + i) % NR];
		require(!kvmpv_list_update(list, want, NR));
		old.slot[ret] = new;
	}
	require(memcmp(list, &old, sizeof(old)) == 0);
}

/* The gfn of page table @k, one of 16, of which four have the same hash each. */
static u64 stash_gfn(unsigned int k)
{
	return k / 4 + k % 4 * KVMPV_STASH_HASH;
}

static unsigned int stash_k(u64 gfn)
{
	return gfn % KVMPV_STASH_HASH * 4 + gfn / KVMPV_STASH_HASH;
}

/* References are neither lost nor made; each page table has one place. */
static void stash(void)
{
	static const u64 none = ~0ull;
	struct kvmpv_stash s;
	unsigned int n = next() % 32, i, j, flushed;
	u64 held[16] = { 0 };
	int victim, unsynced, half;

	kvmpv_stash_init(&s);
	for (i = 0; i < 8; i++)
		kvmpv_stash_assign(&s, next() % KVMPV_STASH, stash_gfn(8 + i));
	for (; n; n--) {
		unsigned int a = next(), k = next() % 16;
		u64 hpa = a & 0xc0 ? n << 13 : none, gfn = stash_gfn(k), out;
		int at = kvmpv_stash_index(&s, stash_gfn(a % 16)), own;
		bool taken;

		for (j = KVMPV_STASH, i = 0; i < KVMPV_STASH; i++)
			if (s.gfn[i] == stash_gfn(a % 16))
				j = i;
		require(at == (j == KVMPV_STASH ? -1 : (int)j));
		if (at < 0)
			continue;
		own = kvmpv_stash_index(&s, gfn);
		out = s.hpa[at];
		taken = kvmpv_stash_exchange(&s, at, gfn, hpa);
		require(taken == (hpa == none || own < 0 || own == at || !held[k]));
		if (taken) {
			require(out == (held[a % 16] ? held[a % 16] : none));
			held[a % 16] = 0;
			if (hpa != none)
				held[k] = hpa;
		}
		for (i = 0; i < KVMPV_STASH; i++) {
			for (j = 0; j < i; j++)
				require(s.gfn[i] != s.gfn[j] || s.gfn[i] == none);
			if (s.gfn[i] == none)
				require(s.hpa[i] == none);
			else
				require(s.hpa[i] == (held[stash_k(s.gfn[i])] ?
						     held[stash_k(s.gfn[i])] : none));
		}
		for (i = 0; i < 16; i++)
			require(!held[i] || kvmpv_stash_index(&s, stash_gfn(i)) >= 0);
	}
	flushed = next() % 16;
	unsynced = next() & 1;
	half = next() & 1;
	victim = kvmpv_stash_victim(&s, 4, flushed, unsynced, half);
	if (!flushed)
		require(victim >= (unsynced | half) && victim < 4);
	else
		require(victim == (flushed == 1 ? 0 : flushed == 2 ? 1 : flushed == 4 ? 2 :
				   flushed == 8 ? 3 : -1));
}

static u64 le(const uint8_t *p, unsigned int bytes)
{
	return bytes ? p[0] | le(p + 1, bytes - 1) << 8 : 0;
}

/* The state page as bytes, by the offsets in the specification. */
static int expected_error(const uint8_t *p, u64 size, u64 offered, int targets)
{
	u64 accepted = le(p + 24, 8);
	unsigned int i;

	if (le(p, 4) == 0)
		return -71;
	if (le(p + 8, 4) != size)
		return -74;
	for (i = 0; i < 4096; i++)
		if (((i >= 44 && i < 128) || i >= 656) && p[i])
			return -74;
	if (accepted % 2 == 1 && targets)
		return targets;
	for (i = 0; i < 64; i++)
		if (accepted >> i & 1 && !(offered >> i & 1))
			return -95;
	if (accepted % 4 == 0)
		return -61;
	if (accepted % 2 == 0) {
		/* table_gpa, nr_windows, window[] */
		for (i = 32; i < 640; i++)
			if (p[i])
				return -74;
		return 0;
	}
	return le(p + 32, 8) % 4096 ? -22 : 0;
}

static void state(void)
{
	union {
		struct kvmpv_state st;
		uint8_t byte[4096];
	} u;
	u64 offered = next() & 0x1f, size = 4096;
	unsigned int pokes = next() % 8, at;
	int targets;

	memset(&u, 0, sizeof(u));
	u.st.guest_version = 1;
	u.st.size = 4096;
	u.st.features_accepted = offered | 1;
	at = next();
	offered |= at & 1;
	targets = at < 0xe0 ? 0 : at & 2 ? -5 : -6;
	while (pokes--) {
		at = next() | next() << 8;
		/* mostly at offsets where the page has fields */
		at = at & 0x8000 ? at % 4096 : at % 160;
		u.byte[at] ^= next();
	}
	at = next();
	if (at >= 0xf0)
		size = at & 1 ? next64() : size + ((u64)next() << 32);
	require(kvmpv_check_state(&u.st, size, offered, targets) ==
		expected_error(u.byte, size, offered, targets));
	require(kvmpv_check_size(size) == (size == 4096 ? 0 : size < 4096 ? -28 : -7));
	require((kvmpv_check_page(size) == 0) == (size % 4096 == 0));
}

static bool well_formed(const struct kvmpv_state *st)
{
	unsigned int i, j;

	if (st->nr_windows < 1 || st->nr_windows > 32)
		return false;
	for (i = 0; i < 32; i++) {
		__int128 start = st->window[i].start, commit = st->window[i].commit;

		if (i >= st->nr_windows) {
			if (start != 0 || commit != 0)
				return false;
			continue;
		}
		if (commit - start < 1 || commit - start > 256)
			return false;
		/* across the border of a half, of 48 or more bits */
		if (start / 0x800000000000 != commit / 0x800000000000)
			return false;
		for (j = 0; j < i; j++)
			if (start < (__int128)st->window[j].commit)
				return false;
	}
	return true;
}

static void require_find(const struct kvmpv_state *st, const struct kvmpv_windows *win, u64 rip)
{
	const struct kvmpv_window *w = kvmpv_find_window(win, rip);
	unsigned int i, found = 32;

	for (i = 0; i < st->nr_windows; i++)
		if ((__int128)rip - st->window[i].start >= 1 &&
		    (__int128)rip - st->window[i].commit <= 0)
			found = i;
	require(found == 32 ? !w : w == &win->w[found]);
	require(!w || (w->start == st->window[found].start && w->commit == st->window[found].commit));
}

static void windows(void)
{
	struct kvmpv_state st;
	struct kvmpv_windows win;
	unsigned int n = next(), i;
	u64 at = next() & 1 ? next64() : 0xffffffff81000000, rip;
	int ret, d;

	memset(&st, 0, sizeof(st));
	st.nr_windows = n >= 0xf0 ? next64() : n % 34;
	for (i = 0; i < n % 34 && i < 32; i++) {
		/* a gap, seldom backwards; a length, seldom wrong */
		unsigned int gap = next(), len = next();

		st.window[i].start = gap == 0xff ? at - next() : at + gap;
		st.window[i].commit = st.window[i].start + len + (gap & 1);
		if (gap == 0xfe)
			st.window[i].commit = next64();
		at = st.window[i].commit;
	}
	i = next();
	if (i >= 0xf0)
		*(i & 1 ? &st.window[next() % 32].start : &st.window[next() % 32].commit) ^= next();

	ret = kvmpv_check_windows(&st, &win);
	require(ret == (well_formed(&st) ? 0 : -34));
	if (ret)
		return;
	require(win.nr == st.nr_windows);
	for (i = 0; i < win.nr; i++) {
		for (d = -2; d <= 2; d++) {
			require_find(&st, &win, win.w[i].start + d);
			require_find(&st, &win, win.w[i].commit + d);
		}
	}
	for (i = 0; i < 4; i++) {
		rip = win.w[next() % win.nr].start + next();
		require_find(&st, &win, rip);
	}
	require_find(&st, &win, 0);
	require_find(&st, &win, ~0ull);
	require_find(&st, &win, next64());
}

/* A number near a power of two, most of the time. */
static u64 next_edge(void)
{
	unsigned int a = next();

	if (a >= 0xf0)
		return next64();
	return (a & 64 ? 0 : 1ull << (a & 63)) + (u64)next() - 3;
}

/* The addresses of a range, as the specification has them. */
static bool range_is_right(u64 va, u64 pages, u64 shift, unsigned __int128 end)
{
	if (pages == 0)
		return true;
	if (shift != 12 && shift != 21 && shift != 30)
		return false;
	return va + ((unsigned __int128)(pages - 1) << shift) < end;
}

static u64 next_stride(void)
{
	static const u64 strides[] = { 12, 21, 30 };
	unsigned int a = next();
	u64 stride = strides[a % 3];

	/* a stride with another bit set, or any number */
	return a < 0xe0 ? stride : a < 0xf0 ? stride | 1ull << next() % 64 : next_edge();
}

/* Such that the last one is near the end, most of the time. */
static u64 next_pages(u64 va, u64 shift, u64 last)
{
	unsigned int a = next();

	return a < 0xa0 && shift < 64 ? ((last - va) >> shift) + a % 5 - 1 : next_edge();
}

static void checks_of_flushes(void)
{
	unsigned int flags = next();
	unsigned __int128 end = (unsigned __int128)1 << (flags & 4 ? 32 : 64);
	u64 last = end - 1, gpa = next_edge() + 16 * next(), byte;
	struct kvmpv_flush_vcpus desc = {
		.scope = flags % 4 | (flags & 8 ? 1ull << next() % 64 : 0),
		.va = next_edge(),
		.stride_shift = next_stride(),
	};
	bool scope = desc.scope == 1 || desc.scope == 2, inside = gpa % 8 == 0, range;

	desc.pages = next_pages(desc.va, desc.stride_shift, last);
	range = range_is_right(desc.va, desc.pages, desc.stride_shift, end);
	require(kvmpv_check_scope(desc.scope) == (scope ? 0 : -22));
	require(kvmpv_check_range(desc.va, desc.pages, desc.stride_shift, last) ==
		(range ? 0 : -22));
	if (desc.scope == 0)
		scope = desc.pages != 0;
	require(kvmpv_check_flush(&desc, last) == (scope && range ? 0 : -22));
	for (byte = gpa; byte < gpa + 32 + 64 * 8; byte++)
		inside &= byte / 4096 == gpa / 4096;
	/* the loop does not run if the descriptor wraps */
	require(kvmpv_check_flush_gpa(gpa) == (inside && gpa + 543 > gpa ? 0 : -22));
}

/* What was asked for is flushed, or everything is, but not for up to 64 addresses in up to 4 ranges. */
static void flushes(void)
{
	struct kvmpv_flushes todo;
	struct {
		u64 va, pages, shift;
	} asked[8];
	unsigned int n = next() % 8, i, ranges = 0;
	unsigned __int128 pages = 0;

	memset(&todo, 0, sizeof(todo));
	for (i = 0; i < n; i++) {
		unsigned int a = next();

		asked[i].va = next_edge();
		asked[i].pages = a < 0xe0 ? a % 72 : a % 72 + (1ull << next() % 64);
		asked[i].shift = next_stride();
		if (!range_is_right(asked[i].va, asked[i].pages, asked[i].shift,
				    (unsigned __int128)1 << 64))
			asked[i].pages = 0;
		kvmpv_flushes_add(&todo, asked[i].va, asked[i].pages, asked[i].shift);
		pages += asked[i].pages;
		ranges += asked[i].pages != 0;
		require(todo.all == (pages > 64 || ranges > 4));
	}
	if (todo.all)
		return;
	require(todo.nr == ranges);
	for (i = 0, ranges = 0; i < n; i++) {
		if (!asked[i].pages)
			continue;
		require(todo.range[ranges].va == asked[i].va);
		require(todo.range[ranges].pages == asked[i].pages);
		require(todo.range[ranges].shift == asked[i].shift);
		ranges++;
	}
}

/* LOAD_CR3, RELEASE, POPULATE, the mask of FLUSH_VCPUS, and what it asks of others. */
static void other_calls(void)
{
	u64 cr3 = next_edge(), flags = next_edge(), gpa = next_edge() + 16 * next(), nr = next(), i;
	bool all = false, right, bit;
	struct kvmpv_flush_vcpus desc;
	struct kvmpv_flushes todo;
	struct kvmpv_page_range range[32];
	u32 id = next_edge();
	u64 pages = 0;
	int wrong = 0;

	/* In range, most of the time. */
	cr3 ^= next() & 1 ? next_edge() : 0;
	flags = next() & 1 ? flags : flags % 2;
	gpa = next() & 1 ? gpa : gpa - gpa % 8;
	nr = nr < 0xf0 ? nr % 68 : next_edge();
	id = next() & 1 ? id : id % 4100;

	right = flags < 2 && cr3 < 1ull << 63 && cr3 / 1024 % 2 == 0;
	require(kvmpv_check_load_cr3(cr3, flags) == (right ? 0 : -22));

	right = gpa % 8 == 0 && nr > 0 && nr <= 64;
	for (i = 0; right && i < nr; i++)
		right = (gpa + 8 * i) / 4096 == gpa / 4096 && gpa + 8 * i >= gpa;
	require(kvmpv_check_release(gpa, nr) == (right ? 0 : -22));

	right = gpa % 8 == 0 && nr > 0;
	for (i = 0; right && i < nr && nr <= 32; i++)
		right = (gpa + 16 * i + 15) / 4096 == gpa / 4096 && gpa + 16 * i >= gpa;
	require(kvmpv_check_populate(gpa, nr) == (nr > 32 ? -7 : right ? 0 : -22));

	nr %= 33;
	for (i = 0; i < nr; i++) {
		range[i].gpa = next() & 3 ? next() * 4096ull : next_edge();
		range[i].pages = next() & 7 ? next() % 24 : next_edge();
		/* In 128 bits nothing overflows. */
		if (!wrong && range[i].gpa % 4096)
			wrong = -22;
		if (!wrong && (!range[i].pages ||
			       range[i].gpa + (unsigned __int128)range[i].pages * 4096 >
			       (unsigned __int128)1 << 64))
			wrong = -34;
		if (!wrong && (range[i].pages > 512 || (pages += range[i].pages) > 512))
			wrong = -7;
	}
	require(kvmpv_check_page_ranges(range, nr) == wrong);

	memset(&desc, next() & 1 ? 0xff : 0, sizeof(desc));
	for (i = next() % 4; i; i--)
		((uint8_t *)desc.vcpu_mask)[(next() | next() << 8) % 512] ^= next();
	bit = id < 4096 && ((uint8_t *)desc.vcpu_mask)[id / 8 % 512] & 1 << id % 8;
	require(kvmpv_in_mask(&desc, id) == bit);

	memset(&todo, 0, sizeof(todo));
	for (i = next() % 8; i; i--) {
		struct kvmpv_flushes before = todo;

		desc.scope = next() % 3;
		desc.va = next_edge();
		desc.stride_shift = 12;
		desc.pages = next() % 20;
		kvmpv_flushes_queue(&todo, &desc);
		all |= desc.scope != 0 || before.pages + desc.pages > 64 ||
		       (before.nr == 4 && desc.pages);
		require(todo.all == all);
		if (all)
			continue;
		require(todo.nr == before.nr + (desc.pages != 0));
		require(!desc.pages || todo.range[before.nr].va == desc.va);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvmpv_list list;

	memset(&list, 0, sizeof(list));
	in = data;
	in_end = data + size;
	while (in < in_end) {
		unsigned int what = next();

		switch (what < 0xc0 ? what % 4 : what < 0xf0 ? 4 + what % 3 : 7 + what % 2) {
		case 0:
		case 1:
			roots_and_list(&list);
			break;
		case 2:
			state();
			break;
		case 3:
			windows();
			break;
		case 4:
			checks_of_flushes();
			break;
		case 5:
			flushes();
			break;
		case 6:
			other_calls();
			break;
		case 7:
			replace(&list);
			break;
		case 8:
			stash();
			break;
		}
	}
	return 0;
}
