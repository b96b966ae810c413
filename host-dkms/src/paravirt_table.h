/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The logic of kvm-paravirt's host side that needs no kernel: which roots are
 * published in which slot, restart windows, the checks of para_state and of
 * what is to be flushed. Compiled into the module, and as plain C by tests/unit.
 *
 * Nothing here sleeps, locks or touches guest memory; callers pass copies.
 */
#ifndef __KVMPV_TABLE_H
#define __KVMPV_TABLE_H

#include <linux/types.h>
#include "kvm_paravirt.h"

#define KVMPV_CR3_TAG		(1ull << KVMPV_CR3_TAG_BIT)
#define KVMPV_CR3_KEEP		(1ull << 63)	/* X86_CR3_PCID_NOFLUSH */

/* A root that KVM holds a reference on, and what the CPU loads for it. */
struct kvmpv_root {
	u64 pgd;	/* the guest's CR3, bit 63 clear */
	u64 hpa;	/* the shadow root */
	u64 hw;		/* GUEST_CR3: hpa | PCID | tag */
};

/*
 * What the VMCS list and the guest's table hold. Slot i is target i and entry
 * i. @used says which slots hold a root.
 */
struct kvmpv_list {
	struct kvmpv_root slot[KVMPV_NR_ENTRIES];
	unsigned int used;
};

/* Enough for a ring of 32 processes and what runs beside them. */
#define KVMPV_STASH		48
#define KVMPV_STASH_HASH	64
#define KVMPV_STASH_SPREAD	8	/* see kvmpv_stash_victim() */
#define KVMPV_NO_ROOT		(~0ull)	/* INVALID_PAGE, and the gfn of none */

/*
 * Roots that KVM would have given up: of the vCPU's own, and of root_mmu. Each
 * gfn, that of a top-level page table of the guest's, is in it once.
 */
struct kvmpv_stash {
	u64 gfn[KVMPV_STASH];
	u64 hpa[KVMPV_STASH];	/* referenced; KVMPV_NO_ROOT: only remembered */
	u8 was[KVMPV_STASH_HASH]; /* where a gfn was last, by gfn % KVMPV_STASH_HASH */
	unsigned int next;	/* which is forgotten next */
	unsigned int hand;	/* which was last looked at for having been zapped */
	u32 random;
	unsigned int gen;	/* mmu_valid_gen when it was last searched */
};

/*
 * What trying the CPU's CR3 targets has shown, for all vCPUs of the host: a
 * property of the CPU, so it only ever gets worse.
 */
enum kvmpv_targets {
	KVMPV_TARGETS_WHOLE,	/* nothing is wrong, as far as is known */
	KVMPV_TARGETS_NO_KEEP,	/* operands are compared without bit 63 */
	KVMPV_TARGETS_UNUSED,	/* a listed value exits all the same */
	KVMPV_TARGETS_NO_TAG,	/* GUEST_CR3 loses the tag bit: never listed */
};

/*
 * Where a vCPU was when KVM_RUN returned, or is when it next enters. Userspace
 * may have restored another state meanwhile.
 */
struct kvmpv_place {
	u64 cr3;		/* the registered guest's, also while its guest runs */
	bool nested;		/* its guest runs */
	bool smm;
};

/* Restart windows, as checked at REGISTER. */
struct kvmpv_windows {
	u64 low, high;		/* of all windows: a RIP outside needs no search */
	unsigned int nr;
	struct kvmpv_window w[KVMPV_NR_WINDOWS];
};

/*
 * Up to here a range is flushed page by page, in all roots that are kept: some
 * 64 page walks per root bound what one call costs. Linux, too, flushes all
 * from 34 pages on.
 */
#define KVMPV_FLUSH_PAGES	64
#define KVMPV_FLUSH_RANGES	4

/*
 * So many MOVs of a listed value exit, with no switch between them, before the
 * CPU is taken to compare them in another way. On a CPU that does what the SDM
 * says there is never one, whatever the guest does.
 */
#define KVMPV_MISSES_MAX	3

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

unsigned int kvmpv_select_roots(const struct kvmpv_root *cand, unsigned int nr,
				u64 loaded, struct kvmpv_root *out);
bool kvmpv_list_update(struct kvmpv_list *list, const struct kvmpv_root *want,
		       unsigned int nr);
int kvmpv_list_replace(struct kvmpv_list *list, const struct kvmpv_root *gone,
		       const struct kvmpv_root *root);
const struct kvmpv_root *kvmpv_list_find(const struct kvmpv_list *list, u64 hw);
struct kvmpv_entry kvmpv_list_entry(const struct kvmpv_list *list,
				    unsigned int i, u64 flag);
unsigned int kvmpv_list_targets(const struct kvmpv_list *list, u64 flag,
				u64 *target);
u64 kvmpv_target_flag(enum kvmpv_targets found, u64 flag);
bool kvmpv_list_missed(const struct kvmpv_list *list, u64 flag, u64 operand);
enum kvmpv_targets kvmpv_targets_worse(enum kvmpv_targets found, u64 flag);

void kvmpv_stash_init(struct kvmpv_stash *stash);
int kvmpv_stash_index(struct kvmpv_stash *stash, u64 gfn);
int kvmpv_stash_victim(struct kvmpv_stash *stash, unsigned int nr,
		       unsigned int flushed, bool unsynced);
bool kvmpv_stash_exchange(struct kvmpv_stash *stash, int i, u64 gfn, u64 hpa);

bool kvmpv_is_elsewhere(const struct kvmpv_place *left,
			const struct kvmpv_place *now);

int kvmpv_check_page(u64 gpa);
int kvmpv_check_size(u64 size);
int kvmpv_check_state(const struct kvmpv_state *st, u64 size, u64 offered,
		      int targets);
int kvmpv_check_targets(unsigned int nr, enum kvmpv_targets found);
int kvmpv_check_windows(const struct kvmpv_state *st, struct kvmpv_windows *win);
const struct kvmpv_window *kvmpv_find_window(const struct kvmpv_windows *win,
					     u64 rip);

/* Can @rip be in a window at all? For who asks at each exit. */
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
int kvmpv_check_flush_gpa(u64 gpa);
int kvmpv_check_flush(const struct kvmpv_flush_vcpus *desc, u64 last);
bool kvmpv_in_mask(const struct kvmpv_flush_vcpus *desc, u32 id);
void kvmpv_flushes_add(struct kvmpv_flushes *todo, u64 va, u64 pages, u64 shift);
void kvmpv_flushes_queue(struct kvmpv_flushes *todo,
			 const struct kvmpv_flush_vcpus *desc);
u32 kvmpv_granules(u64 first, u64 last);
bool kvmpv_is_within(u64 gfn, u64 pages, int level, int maxphyaddr);

#endif /* __KVMPV_TABLE_H */
