/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvm-paravirt, host side: which shadow roots the CPU's CR3-target list and the
 * guest's table hold, in which slot, and which ones a stash keeps beyond these.
 *
 * Plain C that needs no kernel: compiled into the module, and by tests/unit. Nothing
 * here sleeps, locks or touches guest memory; callers pass copies.
 */
#ifndef __KVMPV_ROOTS_H
#define __KVMPV_ROOTS_H

#include "paravirt_args.h"

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

/* Enough for 200 processes that take turns and what runs beside them, and it fits in a page. */
#define KVMPV_STASH		224
#define KVMPV_STASH_HASH	256	/* a power of 2 */
#define KVMPV_STASH_SPREAD	8	/* see kvmpv_stash_victim() */
#define KVMPV_NO_ROOT		(~0ull)	/* INVALID_PAGE, and the gfn of none */

/*
 * Roots that KVM would have given up: of the vCPU's own, and of root_mmu. Each
 * gfn, that of a top-level page table of the guest's, is in it once.
 */
struct kvmpv_stash {
	u64 gfn[KVMPV_STASH];
	u64 hpa[KVMPV_STASH];	/* referenced; KVMPV_NO_ROOT: only remembered */
	/* The first place of each gfn % KVMPV_STASH_HASH, and what follows each; or KVMPV_STASH. */
	u8 first[KVMPV_STASH_HASH];
	u8 after[KVMPV_STASH];
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

/*
 * So many MOVs of a listed value exit, with no switch between them, before the
 * CPU is taken to compare them in another way. On a CPU that does what the SDM
 * says there is never one, whatever the guest does.
 */
#define KVMPV_MISSES_MAX	3

/**
 * kvmpv_sum_roots() - which of three roots are there, in one word
 * @a: host physical address of a root, or KVMPV_NO_ROOT
 * @b: the same
 * @c: the same
 *
 * For callers who know that since the last time roots have gone, but none has come. Each
 * that goes makes the sum smaller, by its address and 1: by less than 2^53, so no
 * number of them brings it back. That one page is two of the roots does not matter.
 *
 * Return: another value than before if one or more have gone.
 */
static inline u64 kvmpv_sum_roots(u64 a, u64 b, u64 c)
{
	return a + b + c;
}

unsigned int kvmpv_select_roots(const struct kvmpv_root *cand, unsigned int nr,
				u64 loaded, struct kvmpv_root *out);
bool kvmpv_same_root(const struct kvmpv_root *a, const struct kvmpv_root *b);
bool kvmpv_list_update(struct kvmpv_list *list, const struct kvmpv_root *want,
		       unsigned int nr);
int kvmpv_list_gone(const struct kvmpv_list *list, const struct kvmpv_root *kept,
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
int kvmpv_check_targets(unsigned int nr, enum kvmpv_targets found);

void kvmpv_stash_init(struct kvmpv_stash *stash);
int kvmpv_stash_index(const struct kvmpv_stash *stash, u64 gfn);
void kvmpv_stash_assign(struct kvmpv_stash *stash, unsigned int i, u64 gfn);
int kvmpv_stash_victim(struct kvmpv_stash *stash, unsigned int nr,
		       unsigned int flushed, bool unsynced, bool half);
bool kvmpv_stash_exchange(struct kvmpv_stash *stash, int i, u64 gfn, u64 hpa);

bool kvmpv_is_elsewhere(const struct kvmpv_place *left,
			const struct kvmpv_place *now);

#endif /* __KVMPV_ROOTS_H */
