/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The logic of kvm-paravirt's host side that needs no kernel: which roots are
 * published in which slot, restart windows, the check of para_state. Compiled
 * into the module, and as plain C by tests/unit.
 *
 * Nothing here sleeps, locks or touches guest memory; callers pass copies.
 */
#ifndef __KVMPV_TABLE_H
#define __KVMPV_TABLE_H

#include <linux/types.h>
#include "kvm_paravirt.h"

#define KVMPV_CR3_TAG		(1ull << KVMPV_CR3_TAG_BIT)

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

/* Restart windows, as checked at REGISTER. */
struct kvmpv_windows {
	u64 low, high;		/* of all windows: a RIP outside needs no search */
	unsigned int nr;
	struct kvmpv_window w[KVMPV_NR_WINDOWS];
};

unsigned int kvmpv_select_roots(const struct kvmpv_root *cand, unsigned int nr,
				u64 loaded, struct kvmpv_root *out);
bool kvmpv_list_update(struct kvmpv_list *list, const struct kvmpv_root *want,
		       unsigned int nr);
const struct kvmpv_root *kvmpv_list_find(const struct kvmpv_list *list, u64 hw);
void kvmpv_list_entries(const struct kvmpv_list *list, u64 flag,
			struct kvmpv_entry *entry);
unsigned int kvmpv_list_targets(const struct kvmpv_list *list, u64 flag,
				u64 *target);

int kvmpv_check_page(u64 gpa);
int kvmpv_check_size(u64 size);
int kvmpv_check_state(const struct kvmpv_state *st, u64 size, u64 offered);
int kvmpv_check_windows(const struct kvmpv_state *st, struct kvmpv_windows *win);
const struct kvmpv_window *kvmpv_find_window(const struct kvmpv_windows *win,
					     u64 rip);

#endif /* __KVMPV_TABLE_H */
