// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: POPULATE, by which a guest names the pages that it is
 * about to use, on hosts with EPT or NPT. Each page that is not mapped would be an
 * exit when it is touched; here up to 512 are one.
 *
 * What the call does is what these exits would do (kvmpv_populate_range()), so a
 * guest gets no memory by it that it could not get by touching it.
 */
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "irq.h"
#include "x86.h"
#include "paravirt.h"
#include "paravirt_compat.h"

/*
 * RAM that the guest may write, all of it? Slots that adjoin are one piece of
 * memory to a guest. Userspace may remove one meanwhile, or afterwards:
 * kvmpv_populate_range() looks at them again.
 */
static int kvmpv_check_ram_range(struct kvm_vcpu *vcpu, gfn_t gfn, u64 pages)
{
	struct kvm_memory_slot *slot;
	u64 nr;
	int r = kvmpv_check_mappable(vcpu, gfn, pages);

	if (r)
		return r;
	while (pages) {
		slot = gfn_to_memslot(vcpu->kvm, gfn);
		r = kvmpv_check_slot(slot);
		if (r)
			return r;
		nr = min_t(u64, pages, slot->base_gfn + slot->npages - gfn);
		gfn += nr;
		pages -= nr;
	}
	return 0;
}

/*
 * With KVM_REQ_EVENT pending a call ends, since there is an interrupt. Not always: a guest may be
 * done with an interrupt by a write to memory (PV EOI). KVM sees that at the next exit, whichever
 * it is, and makes the request, although nothing is pending. Without this the first call after each
 * tick of the guest's clock would do nothing.
 * Return: is the request put aside? If it is there again, it is of a new interrupt.
 */
static bool kvmpv_put_event_aside(struct kvm_vcpu *vcpu)
{
	if (!kvm_check_request(KVM_REQ_EVENT, vcpu))
		return false;
	if (!kvm_cpu_has_interrupt(vcpu))
		return true;
	kvm_make_request(KVM_REQ_EVENT, vcpu);
	return false;
}

/* A range is gone through so often at most, each time from its beginning. */
#define KVMPV_POPULATE_TRIES	8

/**
 * kvmpv_hc_populate() - POPULATE
 * @vcpu: the vCPU
 * @gpa: of an array of struct kvmpv_page_range; read once
 * @nr: how many
 *
 * Nothing is done if any of the ranges is refused. Pages that cannot be mapped now
 * are left out. Another task that is to run on this CPU does so in between. A signal
 * ends the call: the rest is done when the guest gets there.
 *
 * Context: exit handler, sleepable, SRCU held. EPT or NPT is on.
 * Return: how many pages were mapped, no more than were asked for; or -KVMPV_EAGAIN,
 * -KVMPV_EINVAL, -KVMPV_E2BIG, -KVMPV_ERANGE, -KVMPV_EFAULT or -KVMPV_EROFS.
 */
int kvmpv_hc_populate(struct kvm_vcpu *vcpu, u64 gpa, u64 nr)
{
	struct kvmpv_page_range range[KVMPV_POPULATE_RANGES];
	unsigned int i, tries, asked = 0, mapped = 0;
	bool aside;
	int r;

	/* It has other memory, and other memory slots. */
	if (is_smm(vcpu))
		return -KVMPV_EAGAIN;
	r = kvmpv_check_populate(gpa, nr);
	/* The guest says how much is copied to the stack: bounded also while the CPU speculates. */
	nr = array_index_nospec(nr, KVMPV_POPULATE_RANGES + 1);
	if (!r)
		r = kvmpv_read_buffer(vcpu, gpa, range, nr * sizeof(*range));
	if (!r)
		r = kvmpv_check_page_ranges(range, nr);
	for (i = 0; !r && i < nr; i++)
		r = kvmpv_check_ram_range(vcpu, gpa_to_gfn(range[i].gpa),
					  range[i].pages);
	if (r)
		return r;
	/* They were checked to be KVMPV_POPULATE_PAGES at most. */
	for (i = 0; i < nr; i++)
		asked += range[i].pages;

	aside = kvmpv_put_event_aside(vcpu);
	for (i = 0; i < nr && !signal_pending(current); i++) {
		/* A range stops for who is to run on this CPU, and goes on after that. */
		for (tries = 0; tries < KVMPV_POPULATE_TRIES; tries++) {
			cond_resched();
			r = kvmpv_populate_range(vcpu, gpa_to_gfn(range[i].gpa),
						 range[i].pages);
			/* Userspace has taken the slot away meanwhile. */
			if (r < 0)
				goto out;
			mapped += r;
			if (!need_resched())
				break;
		}
	}
out:
	if (aside)
		kvm_make_request(KVM_REQ_EVENT, vcpu);
	kvmpv_count(KVMPV_STAT_POPULATE);
	kvmpv_count_more(KVMPV_STAT_POPULATE_PAGES, mapped);
	/* What is taken away meanwhile is mapped again, and may have been counted twice. */
	return min(mapped, asked);
}
