// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: guest memory that the arguments of a call name.
 */
#include "x86.h"
#include "paravirt.h"
#include "paravirt_compat.h"

/**
 * kvmpv_check_slot() - is it RAM that the host may write?
 * @slot: what gfn_to_memslot() has found, or NULL
 *
 * Context: SRCU held.
 * Return: 0 if it is of a slot that userspace made, -KVMPV_EFAULT, -KVMPV_EROFS.
 */
int kvmpv_check_slot(const struct kvm_memory_slot *slot)
{
	/* As kvm_is_visible_memslot(): the slots behind are KVM's own. */
	if (!slot || slot->id >= KVM_USER_MEM_SLOTS ||
	    (slot->flags & KVM_MEMSLOT_INVALID))
		return -KVMPV_EFAULT;
	return slot->flags & KVM_MEM_READONLY ? -KVMPV_EROFS : 0;
}

/**
 * kvmpv_check_ram() - is there RAM that the host may write?
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: SRCU held.
 * Return: as kvmpv_check_slot().
 */
int kvmpv_check_ram(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return kvmpv_check_slot(gfn_to_memslot(vcpu->kvm, gpa_to_gfn(gpa)));
}

/**
 * kvmpv_read_buffer() - read what a call's argument points to, once
 * @vcpu: the vCPU
 * @gpa: guest physical address
 * @to: where to
 * @size: bytes, not beyond the page
 *
 * Not from the slots that are KVM's own: only from what userspace has made.
 *
 * Context: sleepable, SRCU held.
 * Return: 0 or -KVMPV_EFAULT.
 */
int kvmpv_read_buffer(struct kvm_vcpu *vcpu, u64 gpa, void *to, size_t size)
{
	return !kvm_is_visible_gfn(vcpu->kvm, gpa_to_gfn(gpa)) ||
	       kvm_read_guest(vcpu->kvm, gpa, to, size) ? -KVMPV_EFAULT : 0;
}
