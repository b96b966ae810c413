// SPDX-License-Identifier: GPL-2.0
/* See paravirt_roots.h. */
#include "paravirt_roots.h"

/**
 * kvmpv_select_roots() - choose what may be published
 * @cand: the current root, then the previous ones; hpa 0 where there is none
 *	or where its role is not the current one
 * @nr: number of candidates, 1 to KVMPV_NR_ENTRIES
 * @loaded: GUEST_CR3 as last loaded or seen
 * @out: room for @nr roots
 *
 * Two roots with one hardware value (equal but for PWT and PCD) are one to the
 * CPU, only the first could be told apart after an exit. A PGD with the tag
 * bit is against the ABI. If what the CPU has loaded is not what the current
 * root's value would be now (CR4.PCIDE was just cleared: GUEST_CR3 keeps the
 * old PCID), kvmpv_handle_switch() could not tell the current root from
 * the others.
 *
 * Return: number of roots in @out, the current one first; 0: publish nothing.
 */
unsigned int kvmpv_select_roots(const struct kvmpv_root *cand, unsigned int nr,
				u64 loaded, struct kvmpv_root *out)
{
	unsigned int i, j, n = 0;

	if (!cand[0].hpa || (cand[0].pgd & KVMPV_CR3_TAG) ||
	    cand[0].hw != loaded)
		return 0;

	for (i = 0; i < nr; i++) {
		if (!cand[i].hpa || (cand[i].pgd & KVMPV_CR3_TAG))
			continue;
		for (j = 0; j < n && out[j].hw != cand[i].hw; j++)
			;
		if (j == n)
			out[n++] = cand[i];
	}
	return n;
}

/**
 * kvmpv_same_root() - is it the same root, for the same CR3 of the guest?
 * @a: a root
 * @b: another
 *
 * Return: whether all of its members are the same.
 */
bool kvmpv_same_root(const struct kvmpv_root *a, const struct kvmpv_root *b)
{
	return a->pgd == b->pgd && a->hpa == b->hpa && a->hw == b->hw;
}

/**
 * kvmpv_list_update() - make the list hold exactly @want
 * @list: the list
 * @want: distinct roots
 * @nr: how many, at most KVMPV_NR_ENTRIES
 *
 * A root that stays keeps its slot, so that traces show what changed.
 *
 * Return: whether anything changed.
 */
bool kvmpv_list_update(struct kvmpv_list *list, const struct kvmpv_root *want,
		       unsigned int nr)
{
	unsigned int i, j, keep = 0, have = 0;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < KVMPV_NR_ENTRIES; j++) {
			if ((list->used & (1u << j)) &&
			    kvmpv_same_root(&list->slot[j], &want[i])) {
				keep |= 1u << j;
				have |= 1u << i;
				break;
			}
		}
	}
	if (keep == list->used && have == (1u << nr) - 1)
		return false;

	list->used = keep;
	for (i = 0, j = 0; i < nr; i++) {
		if (have & (1u << i))
			continue;
		while (list->used & (1u << j))
			j++;
		list->slot[j] = want[i];
		list->used |= 1u << j;
	}
	return true;
}

/**
 * kvmpv_list_gone() - which one root of a full list is no longer there
 * @list: the list
 * @kept: pgd and hpa of the roots that may still be there
 * @nr: how many, at most KVMPV_NR_ENTRIES - 1
 *
 * Return: its slot; -1 if the list is not full, or if not exactly one is missing.
 */
int kvmpv_list_gone(const struct kvmpv_list *list, const struct kvmpv_root *kept,
		    unsigned int nr)
{
	unsigned int i, j;
	int gone = -1;

	if (list->used != (1u << KVMPV_NR_ENTRIES) - 1)
		return -1;
	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		for (j = 0; j < nr; j++)
			if (kept[j].pgd == list->slot[i].pgd &&
			    kept[j].hpa == list->slot[i].hpa)
				break;
		if (j < nr)
			continue;
		if (gone >= 0)
			return -1;
		gone = i;
	}
	return gone;
}

/**
 * kvmpv_list_replace() - another root in the place of one
 * @list: the list
 * @gone: guest's CR3 and shadow root of the one that goes
 * @root: the new one
 *
 * For a list without a free slot: those repeat one that is in use, perhaps the
 * one that goes. As kvmpv_select_roots() says, no two have the same hardware
 * value, and none has the tag bit in the guest's CR3.
 *
 * Return: the slot; -1 if it is a case for the two functions above, and nothing
 * has changed.
 */
int kvmpv_list_replace(struct kvmpv_list *list, const struct kvmpv_root *gone,
		       const struct kvmpv_root *root)
{
	int i, at = -1;

	if (list->used != (1u << KVMPV_NR_ENTRIES) - 1 ||
	    (root->pgd & KVMPV_CR3_TAG))
		return -1;
	for (i = 0; i < KVMPV_NR_ENTRIES; i++) {
		if (list->slot[i].hw == root->hw)
			return -1;
		if (list->slot[i].pgd == gone->pgd &&
		    list->slot[i].hpa == gone->hpa)
			at = i;
	}
	if (at >= 0)
		list->slot[at] = *root;
	return at;
}

/**
 * kvmpv_list_find() - the root that a hardware value stands for
 * @list: the list
 * @hw: a value of GUEST_CR3
 *
 * Return: the root, or NULL.
 */
const struct kvmpv_root *kvmpv_list_find(const struct kvmpv_list *list, u64 hw)
{
	unsigned int i;

	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		if ((list->used & (1u << i)) && list->slot[i].hw == hw)
			return &list->slot[i];
	return NULL;
}

/**
 * kvmpv_list_entry() - an entry of the guest's table for a list
 * @list: the list
 * @i: which one
 * @flag: or'ed into host_cr3: bit 63 if CR4.PCIDE is set, else 0
 *
 * Return: the entry, one that is equal to no CR3 of the guest's for a free slot.
 */
struct kvmpv_entry kvmpv_list_entry(const struct kvmpv_list *list,
				    unsigned int i, u64 flag)
{
	if (!(list->used & (1u << i)))
		return (struct kvmpv_entry){ .guest_cr3 = KVMPV_CR3_NONE };
	return (struct kvmpv_entry){
		.guest_cr3 = list->slot[i].pgd,
		.host_cr3 = list->slot[i].hw | flag,
	};
}

/**
 * kvmpv_list_targets() - the CPU's CR3-target list for a list
 * @list: the list
 * @flag: of kvmpv_target_flag(): or'ed into each value
 * @target: KVMPV_NR_ENTRIES values
 *
 * The CPU takes each target as a page table without asking: a slot that is not
 * in use repeats one that is, never 0, which would be host physical page 0.
 *
 * Return: CR3_TARGET_COUNT, 0 if there is nothing to list.
 */
unsigned int kvmpv_list_targets(const struct kvmpv_list *list, u64 flag,
				u64 *target)
{
	unsigned int i, any = 0;

	if (!list->used)
		return 0;
	while (!(list->used & (1u << any)))
		any++;
	for (i = 0; i < KVMPV_NR_ENTRIES; i++)
		target[i] = list->slot[list->used & (1u << i) ? i : any].hw |
			    flag;
	return KVMPV_NR_ENTRIES;
}

/**
 * kvmpv_target_flag() - bit 63 of the values in the CPU's list
 * @found: what trying the CPU's targets has shown
 * @flag: bit 63 of the values in the guest's table, as for kvmpv_list_entry()
 *
 * SDM vol. 3, "Instructions That Cause VM Exits Conditionally": a MOV to CR3
 * does not exit if the value of its source operand equals a target. That the
 * operand's bit 63 belongs to the value is how this is read here; a CPU that
 * drops it before it compares needs targets without it.
 *
 * Return: 0 or bit 63.
 */
u64 kvmpv_target_flag(enum kvmpv_targets found, u64 flag)
{
	return found == KVMPV_TARGETS_WHOLE ? flag : 0;
}

/**
 * kvmpv_list_missed() - should a MOV to CR3 that did exit not have exited?
 * @list: what the CPU's list held when the guest was entered
 * @flag: bit 63 of the values in the guest's table
 * @operand: what was to be moved to CR3
 *
 * Return: whether it is a value that the guest's table gives for a listed root.
 */
bool kvmpv_list_missed(const struct kvmpv_list *list, u64 flag, u64 operand)
{
	return (operand & KVMPV_CR3_KEEP) == flag &&
	       kvmpv_list_find(list, operand & ~KVMPV_CR3_KEEP);
}

/**
 * kvmpv_targets_worse() - listed values exit: what does the CPU do?
 * @found: what was known of it when they were listed
 * @flag: bit 63 of the values in the guest's table
 *
 * Return: what to try next, or that nothing is left to be tried.
 */
enum kvmpv_targets kvmpv_targets_worse(enum kvmpv_targets found, u64 flag)
{
	return kvmpv_target_flag(found, flag) ? KVMPV_TARGETS_NO_KEEP :
						KVMPV_TARGETS_UNUSED;
}

/**
 * kvmpv_check_targets() - can the CPU's CR3-target list be used?
 * @nr: how many values the CPU compares
 * @found: what trying them has shown
 *
 * Return: 0, -KVMPV_ENXIO if there are not enough, -KVMPV_EIO if they do not do
 * what the cache needs.
 */
int kvmpv_check_targets(unsigned int nr, enum kvmpv_targets found)
{
	if (nr < KVMPV_NR_ENTRIES)
		return -KVMPV_ENXIO;
	return found == KVMPV_TARGETS_WHOLE || found == KVMPV_TARGETS_NO_KEEP ?
		0 : -KVMPV_EIO;
}

/**
 * kvmpv_stash_init() - empty a stash
 * @stash: the stash
 */
void kvmpv_stash_init(struct kvmpv_stash *stash)
{
	unsigned int i;

	for (i = 0; i < KVMPV_STASH; i++) {
		stash->gfn[i] = KVMPV_NO_ROOT;
		stash->hpa[i] = KVMPV_NO_ROOT;
	}
	for (i = 0; i < KVMPV_STASH_HASH; i++)
		stash->first[i] = KVMPV_STASH;
	stash->next = 0;
	stash->hand = 0;
	stash->random = 1;
}

/**
 * kvmpv_stash_index() - the place of a page table in the stash
 * @stash: the stash
 * @gfn: of the guest's top-level page table
 *
 * A load in the exit fastpath looks for two page tables, of which one mostly has no
 * place: that has to be found out without a look at all of them.
 *
 * Return: the place, whether there is a root in it or not; -1: there is none.
 */
int kvmpv_stash_index(const struct kvmpv_stash *stash, u64 gfn)
{
	unsigned int i = stash->first[gfn % KVMPV_STASH_HASH];

	while (i < KVMPV_STASH && stash->gfn[i] != gfn)
		i = stash->after[i];
	return i < KVMPV_STASH ? (int)i : -1;
}

/**
 * kvmpv_stash_assign() - give a place to a page table
 * @stash: the stash
 * @i: the place; the page table that has had it has none any more
 * @gfn: of the page table, which has no place yet
 */
void kvmpv_stash_assign(struct kvmpv_stash *stash, unsigned int i, u64 gfn)
{
	u8 *at;

	if (stash->gfn[i] != KVMPV_NO_ROOT) {
		at = &stash->first[stash->gfn[i] % KVMPV_STASH_HASH];
		while (*at < KVMPV_STASH && *at != i)
			at = &stash->after[*at];
		if (*at == i)
			*at = stash->after[i];
	}
	at = &stash->first[gfn % KVMPV_STASH_HASH];
	stash->after[i] = *at;
	*at = i;
	stash->gfn[i] = gfn;
}

/**
 * kvmpv_stash_victim() - which of the roots that KVM keeps goes into the stash
 * @stash: the stash
 * @nr: number of these roots; the current one, which is about to be left, is 0
 * @flushed: which of them must not stay, bit i for root i
 * @unsynced: the current one has tables that are not in sync: it would be of no use
 * @half: the current one is the other half of the one that is loaded, which the
 *	guest goes to and fro between at each of its system calls
 *
 * Mostly the current one. Of a ring of more address spaces than are kept it is
 * the one that is needed last, while the least recently used one is always
 * needed next. But two processes that go to and fro would push each other out
 * for ever: so one time in KVMPV_STASH_SPREAD it is one of the others, each as
 * likely.
 *
 * With @half the current one is needed next, and the root before it takes its
 * place in this: mostly it is the other half of what made room when this process
 * was switched to, of a process that is needed last.
 *
 * Return: its index; -1 if more than one would have to go.
 */
int kvmpv_stash_victim(struct kvmpv_stash *stash, unsigned int nr,
		       unsigned int flushed, bool unsynced, bool half)
{
	unsigned int spread = unsynced && !half ? 1 : KVMPV_STASH_SPREAD, i;

	if (flushed & (flushed - 1))
		return -1;
	if (flushed)
		return __builtin_ctz(flushed);
	/* Marsaglia's xorshift: 32 bits that are never 0 */
	stash->random ^= stash->random << 13;
	stash->random ^= stash->random >> 17;
	stash->random ^= stash->random << 5;
	i = ((u64)stash->random * (spread * (nr - 1))) >> 32;
	return i < nr - 1 ? i + 1 : half;
}

/**
 * kvmpv_stash_exchange() - take one root out, and put another in
 * @stash: the stash
 * @i: place of the one that is taken out
 * @gfn: of the guest's page table whose root is put in
 * @hpa: that root, KVMPV_NO_ROOT: none
 *
 * A page table that has a place of its own gets its root there, any other takes
 * the place that has become free. One page table can have a root here and another
 * one among those that KVM keeps: the guest has loaded it with two PCIDs, or with
 * PWT or PCD once set and once clear. If both were put in, the reference that
 * one of them is would be lost.
 *
 * Return: false if the stash has a root of @gfn, and it is not the one that is
 * taken out; nothing has changed.
 */
bool kvmpv_stash_exchange(struct kvmpv_stash *stash, int i, u64 gfn, u64 hpa)
{
	int own;

	if (hpa == KVMPV_NO_ROOT) {
		stash->hpa[i] = KVMPV_NO_ROOT;
		return true;
	}
	own = kvmpv_stash_index(stash, gfn);
	if (own < 0) {
		kvmpv_stash_assign(stash, i, gfn);
	} else if (own != i) {
		if (stash->hpa[own] != KVMPV_NO_ROOT)
			return false;
		stash->hpa[i] = KVMPV_NO_ROOT;
		i = own;
	}
	stash->hpa[i] = hpa;
	return true;
}

/**
 * kvmpv_is_elsewhere() - has userspace restored another state?
 * @left: when KVM_RUN returned
 * @now: when it is about to enter the guest for the first time since
 *
 * What KVM does between the two without userspace: an event ends the nested
 * guest's run, or an SMI is taken, and neither changes the CR3 that the guest
 * itself comes back to. VMLAUNCH, VMRUN and RSM are exits of the guest, which
 * has to be entered for them.
 */
bool kvmpv_is_elsewhere(const struct kvmpv_place *left,
			const struct kvmpv_place *now)
{
	return now->cr3 != left->cr3 || (now->nested && !left->nested) ||
	       (left->smm && !now->smm);
}
