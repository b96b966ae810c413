// SPDX-License-Identifier: GPL-2.0
/* See paravirt_args.h. */
#include "paravirt_args.h"

/**
 * kvmpv_check_page() - alignment of a page that the guest names
 * @gpa: guest physical address
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_page(u64 gpa)
{
	return gpa & (KVMPV_PAGE_SIZE - 1) ? -KVMPV_EINVAL : 0;
}

/**
 * kvmpv_check_size() - the size argument of REGISTER
 * @size: bytes
 *
 * Return: 0, -KVMPV_ENOSPC if too small, -KVMPV_E2BIG if too large.
 */
int kvmpv_check_size(u64 size)
{
	if (size < sizeof(struct kvmpv_state))
		return -KVMPV_ENOSPC;
	return size > sizeof(struct kvmpv_state) ? -KVMPV_E2BIG : 0;
}

static bool all_zero(const __u64 *p, unsigned int n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/**
 * kvmpv_check_state() - a copy of the state page at REGISTER, but for windows
 * @st: the copy
 * @size: the call's size argument, bytes
 * @offered: feature bits offered to this vCPU
 * @targets: what kvmpv_check_targets() says of this host
 *
 * The table and the windows are for the CR3 cache: without it there are none.
 *
 * Return: 0 or the negative error that REGISTER returns.
 */
int kvmpv_check_state(const struct kvmpv_state *st, u64 size, u64 offered,
		      int targets)
{
	if (!st->guest_version)
		return -KVMPV_EPROTO;
	if (st->size != size || st->reserved0 ||
	    !all_zero(st->reserved1, sizeof(st->reserved1) / 8) ||
	    !all_zero(st->reserved2, sizeof(st->reserved2) / 8))
		return -KVMPV_EBADMSG;
	/* This host will never offer the cache, which is more than not to offer it now. */
	if ((st->features_accepted & KVMPV_F_CR3_CACHE) && targets)
		return targets;
	if (st->features_accepted & ~offered)
		return -KVMPV_EOPNOTSUPP;
	if (!(st->features_accepted & (KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3)))
		return -KVMPV_ENODATA;
	if (st->features_accepted & KVMPV_F_CR3_CACHE)
		return kvmpv_check_page(st->table_gpa);
	return st->table_gpa || st->nr_windows ||
	       !all_zero((const __u64 *)st->window, sizeof(st->window) / 8) ?
	       -KVMPV_EBADMSG : 0;
}

/**
 * kvmpv_check_windows() - take over the restart windows
 * @st: a copy of the state page
 * @win: filled if the windows are well-formed
 *
 * At least one, none empty or longer than KVMPV_WINDOW_MAX, in ascending
 * order, not overlapping. Slots past nr_windows are zero.
 *
 * Return: 0 or -KVMPV_ERANGE.
 */
int kvmpv_check_windows(const struct kvmpv_state *st, struct kvmpv_windows *win)
{
	unsigned int i;

	if (!st->nr_windows || st->nr_windows > KVMPV_NR_WINDOWS)
		return -KVMPV_ERANGE;
	for (i = 0; i < KVMPV_NR_WINDOWS; i++) {
		const struct kvmpv_window *w = &st->window[i];

		if (i >= st->nr_windows) {
			if (w->start || w->commit)
				return -KVMPV_ERANGE;
			continue;
		}
		if (w->commit <= w->start ||
		    w->commit - w->start > KVMPV_WINDOW_MAX)
			return -KVMPV_ERANGE;
		/*
		 * RIP is set to start: it is canonical if what RIP was, a bit
		 * further on, differs from it in no bit that has to be equal.
		 */
		if ((w->start ^ w->commit) >> 47)
			return -KVMPV_ERANGE;
		if (i && w->start < st->window[i - 1].commit)
			return -KVMPV_ERANGE;
		win->w[i] = *w;
		win->high = w->commit;
	}
	win->nr = st->nr_windows;
	win->low = win->w[0].start;
	return 0;
}

/**
 * kvmpv_find_window() - the window that a RIP lies in
 * @win: windows
 * @rip: linear address of the next instruction
 *
 * At start nothing has been read from the table yet, at commit the MOV to CR3
 * has not been done: (start, commit].
 *
 * Return: the window, or NULL.
 */
const struct kvmpv_window *kvmpv_find_window(const struct kvmpv_windows *win,
					     u64 rip)
{
	unsigned int i;

	if (rip <= win->low || rip > win->high)
		return NULL;
	for (i = 0; i < win->nr; i++)
		if (rip > win->w[i].start && rip <= win->w[i].commit)
			return &win->w[i];
	return NULL;
}

/**
 * kvmpv_check_load_cr3() - the arguments of LOAD_CR3
 * @cr3: but for the bits that are reserved on this vCPU
 * @flags: KVMPV_LOAD_CR3_*
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_load_cr3(u64 cr3, u64 flags)
{
	return (flags & ~(u64)KVMPV_LOAD_CR3_NOFLUSH) ||
	       (cr3 & (KVMPV_CR3_KEEP | KVMPV_CR3_TAG)) ? -KVMPV_EINVAL : 0;
}

/* Memory that the guest names: 8-byte aligned, within a page. */
static int check_buffer(u64 gpa, u64 size)
{
	return (gpa & 7) || gpa % KVMPV_PAGE_SIZE > KVMPV_PAGE_SIZE - size ?
	       -KVMPV_EINVAL : 0;
}

/**
 * kvmpv_check_release() - the arguments of RELEASE
 * @gpa: guest physical address of an array of u64
 * @nr: its length
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_release(u64 gpa, u64 nr)
{
	if (!nr || nr > KVMPV_RELEASE_MAX)
		return -KVMPV_EINVAL;
	return check_buffer(gpa, nr * sizeof(u64));
}

/**
 * kvmpv_check_populate() - the arguments of POPULATE
 * @gpa: guest physical address of an array of struct kvmpv_page_range
 * @nr: its length
 *
 * Return: 0, -KVMPV_E2BIG or -KVMPV_EINVAL.
 */
int kvmpv_check_populate(u64 gpa, u64 nr)
{
	if (!nr)
		return -KVMPV_EINVAL;
	if (nr > KVMPV_POPULATE_RANGES)
		return -KVMPV_E2BIG;
	return check_buffer(gpa, nr * sizeof(struct kvmpv_page_range));
}

/**
 * kvmpv_check_page_ranges() - what POPULATE points to
 * @range: a copy
 * @nr: its length, checked
 *
 * What is not well-formed in itself. Whether there is memory is KVM's to say.
 *
 * Return: 0, -KVMPV_EINVAL, -KVMPV_ERANGE or -KVMPV_E2BIG.
 */
int kvmpv_check_page_ranges(const struct kvmpv_page_range *range, u64 nr)
{
	u64 i, left = KVMPV_POPULATE_PAGES;

	for (i = 0; i < nr; i++) {
		if (range[i].gpa % KVMPV_PAGE_SIZE)
			return -KVMPV_EINVAL;
		/* The number of the first page that does not exist: 2^52. */
		if (!range[i].pages ||
		    range[i].pages > (1ull << 52) - range[i].gpa / KVMPV_PAGE_SIZE)
			return -KVMPV_ERANGE;
		if (range[i].pages > left)
			return -KVMPV_E2BIG;
		left -= range[i].pages;
	}
	return 0;
}

/**
 * kvmpv_check_scope() - what FLUSH is to flush
 * @scope: KVMPV_FLUSH_*
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_scope(u64 scope)
{
	return scope == KVMPV_FLUSH_USER || scope == KVMPV_FLUSH_ALL ?
	       0 : -KVMPV_EINVAL;
}

/**
 * kvmpv_check_range() - a range of linear addresses to flush
 * @va: the first address
 * @pages: number of addresses
 * @shift: log2 of bytes from one address to the next
 * @last: the last byte of the caller's address space
 *
 * Addresses that are not canonical are fine, INVLPG ignores them (SDM).
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_range(u64 va, u64 pages, u64 shift, u64 last)
{
	if (!pages)
		return 0;
	if (shift != 12 && shift != 21 && shift != 30)
		return -KVMPV_EINVAL;
	return va > last || pages - 1 > (last - va) >> shift ?
	       -KVMPV_EINVAL : 0;
}

/**
 * kvmpv_in_lower_half() - is a range in the lower half of the address space?
 * @va: the first address
 * @pages: number of addresses
 * @shift: log2 of bytes from one address to the next
 *
 * The range is one that kvmpv_check_range() accepts, so its last address is the
 * highest. Without pages the others may be anything.
 *
 * Return: true if bit 63 is clear in all addresses, and there are any.
 */
bool kvmpv_in_lower_half(u64 va, u64 pages, u64 shift)
{
	return pages && !((va + ((pages - 1) << shift)) >> 63);
}

/**
 * kvmpv_check_flush_gpa() - the argument of FLUSH_VCPUS
 * @gpa: guest physical address of struct kvmpv_flush_vcpus
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_flush_gpa(u64 gpa)
{
	return check_buffer(gpa, sizeof(struct kvmpv_flush_vcpus));
}

/**
 * kvmpv_check_flush() - what FLUSH_VCPUS points to, but for the mask
 * @desc: a copy
 * @last: the last byte of the caller's address space
 *
 * Return: 0 or -KVMPV_EINVAL.
 */
int kvmpv_check_flush(const struct kvmpv_flush_vcpus *desc, u64 last)
{
	if (desc->scope ? kvmpv_check_scope(desc->scope) : !desc->pages)
		return -KVMPV_EINVAL;
	return kvmpv_check_range(desc->va, desc->pages, desc->stride_shift,
				 last);
}

/**
 * kvmpv_in_mask() - is a vCPU one of those that FLUSH_VCPUS names?
 * @desc: a copy
 * @id: its initial APIC ID, any
 */
bool kvmpv_in_mask(const struct kvmpv_flush_vcpus *desc, u32 id)
{
	return id < 8 * sizeof(desc->vcpu_mask) &&
	       desc->vcpu_mask[id / 64] >> (id % 64) & 1;
}

/**
 * kvmpv_flushes_add() - one more range to flush
 * @todo: what is to be flushed already
 * @va: the first address
 * @pages: number of addresses, any
 * @shift: log2 of bytes from one address to the next
 *
 * A list that would cost more than a flush of everything is replaced by one.
 */
void kvmpv_flushes_add(struct kvmpv_flushes *todo, u64 va, u64 pages, u64 shift)
{
	if (todo->all || !pages)
		return;
	if (todo->nr == KVMPV_FLUSH_RANGES ||
	    pages > KVMPV_FLUSH_PAGES - todo->pages) {
		todo->all = true;
		return;
	}
	todo->range[todo->nr].va = va;
	todo->range[todo->nr].pages = pages;
	todo->range[todo->nr].shift = shift;
	todo->nr++;
	todo->pages += pages;
}

/**
 * kvmpv_flushes_queue() - what FLUSH_VCPUS asks of a vCPU other than the caller
 * @todo: what that vCPU is to flush already
 * @desc: a copy
 *
 * The current CR3 of another vCPU may be any by the time it flushes, so a flush of
 * the current CR3 becomes a full one.
 */
void kvmpv_flushes_queue(struct kvmpv_flushes *todo,
			 const struct kvmpv_flush_vcpus *desc)
{
	if (desc->scope)
		todo->all = true;
	kvmpv_flushes_add(todo, desc->va, desc->pages, desc->stride_shift);
}

/**
 * kvmpv_granules() - where in a region of 2 MiB a range of addresses is
 * @first: its first byte
 * @last: its last byte, in the same region
 *
 * Return: a bit for each of the region's 32 granules of 64 KiB that a byte of the range is in.
 */
u32 kvmpv_granules(u64 first, u64 last)
{
	return (~0u << (first >> 16 & 31)) & (~0u >> (31 - (last >> 16 & 31)));
}

/**
 * kvmpv_is_within() - are pages where a table of EPT or NPT has entries for them?
 * @gfn: number of the first page
 * @pages: how many
 * @level: of the root, 4 or 5: how many tables there are, of 512 entries each
 * @maxphyaddr: MAXPHYADDR of the vCPU, in bits, which userspace may have set to anything
 *
 * Return: true if all pages are.
 */
bool kvmpv_is_within(u64 gfn, u64 pages, int level, int maxphyaddr)
{
	int bits = 9 * level;

	if (bits > maxphyaddr - 12)
		bits = maxphyaddr - 12;
	return bits >= 0 && gfn < 1ull << bits && pages <= (1ull << bits) - gfn;
}
