/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvm-paravirt, host side: the checks of what a guest passes in a call, and what is
 * made of it: restart windows, and the list of ranges that a vCPU has to flush.
 *
 * Plain C that needs no kernel: compiled into the module, and by tests/unit. Nothing
 * here sleeps, locks or touches guest memory; callers pass copies.
 */
#ifndef __KVMPV_ARGS_H
#define __KVMPV_ARGS_H

#include <linux/types.h>
#include "kvm_paravirt.h"

#define KVMPV_CR3_TAG		(1ull << KVMPV_CR3_TAG_BIT)
#define KVMPV_CR3_KEEP		(1ull << 63)	/* X86_CR3_PCID_NOFLUSH */

/* Restart windows, as checked at REGISTER. */
struct kvmpv_windows {
	u64 low, high;		/* of all windows: a RIP outside needs no search */
	unsigned int nr;
	struct kvmpv_window w[KVMPV_NR_WINDOWS];
};

/*
 * Up to here a range is flushed page by page, in all roots that are kept or in
 * the current one: some 64 page walks per root bound what one call costs. Linux,
 * too, flushes all from 34 pages on.
 */
#define KVMPV_FLUSH_PAGES	64
#define KVMPV_FLUSH_RANGES	4

struct kvmpv_range {
	u64 va;
	u32 pages;
	u32 shift;		/* log2 of bytes from one page to the next */
};

/* What a vCPU has to flush before it runs guest code again. */
struct kvmpv_flushes {
	struct kvmpv_range range[KVMPV_FLUSH_RANGES];
	unsigned int nr;
	unsigned int pages;	/* of all ranges */
	bool all;		/* everything; the ranges do not matter */
};

int kvmpv_check_page(u64 gpa);
int kvmpv_check_size(u64 size);
int kvmpv_check_state(const struct kvmpv_state *st, u64 size, u64 offered,
		      int targets);
int kvmpv_check_windows(const struct kvmpv_state *st, struct kvmpv_windows *win);
const struct kvmpv_window *kvmpv_find_window(const struct kvmpv_windows *win,
					     u64 rip);

/**
 * kvmpv_near_window() - can a RIP be in a window at all?
 * @win: windows
 * @rip: linear address of the next instruction
 *
 * For callers who ask at each exit: if it is true, kvmpv_find_window() has the answer.
 *
 * Return: false if it is in none.
 */
static inline bool kvmpv_near_window(const struct kvmpv_windows *win, u64 rip)
{
	return rip > win->low && rip <= win->high;
}

int kvmpv_check_load_cr3(u64 cr3, u64 flags);
int kvmpv_check_release(u64 gpa, u64 nr);
int kvmpv_check_populate(u64 gpa, u64 nr);
int kvmpv_check_page_ranges(const struct kvmpv_page_range *range, u64 nr);
int kvmpv_check_scope(u64 scope);
int kvmpv_check_range(u64 va, u64 pages, u64 shift, u64 last);
bool kvmpv_in_lower_half(u64 va, u64 pages, u64 shift);
int kvmpv_check_flush_gpa(u64 gpa);
int kvmpv_check_flush(const struct kvmpv_flush_vcpus *desc, u64 last);
bool kvmpv_in_mask(const struct kvmpv_flush_vcpus *desc, u32 id);
void kvmpv_flushes_add(struct kvmpv_flushes *todo, u64 va, u64 pages, u64 shift);
void kvmpv_flushes_queue(struct kvmpv_flushes *todo,
			 const struct kvmpv_flush_vcpus *desc);
u32 kvmpv_granules(u64 first, u64 last);
bool kvmpv_is_within(u64 gfn, u64 pages, int level, int maxphyaddr);

#endif /* __KVMPV_ARGS_H */
