// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: debugfs kvm_paravirt_host/vcpus, what each VM has
 * registered and how often it has called. A line is a word, its value and
 * pairs of a name and a value; kvm-paravirt(8) reads it.
 *
 * KVM's own list of VMs is not exported. A VM is in this one from its first
 * successful call on until its first vCPU is freed, which is when it is torn
 * down: all that can be reached from the list is there as long as the lock is
 * held. The lock is taken once in a VM's life at either end, and by readers,
 * whatever the guest does: it cannot make others wait. A VM that never calls
 * is not in the list, and pays a test of a pointer when it is torn down.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/seq_file.h>

#include "paravirt.h"

static LIST_HEAD(kvmpv_vms);
/* Taken before a VM's own lock. */
static DEFINE_MUTEX(kvmpv_vms_lock);

/**
 * kvmpv_vm_list_add() - a call of a VM has succeeded
 * @vcpu: the vCPU that has called
 *
 * Context: exit handler, sleepable, without the VM's lock.
 */
void kvmpv_vm_list_add(struct kvm_vcpu *vcpu)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(vcpu->kvm);

	if (!list_empty(&vm->node))
		return;
	mutex_lock(&kvmpv_vms_lock);
	/* Another vCPU may have been faster. */
	if (list_empty(&vm->node)) {
		vm->kvm = vcpu->kvm;
		list_add_tail(&vm->node, &kvmpv_vms);
	}
	mutex_unlock(&kvmpv_vms_lock);
}

/**
 * kvmpv_vm_list_del() - a vCPU is about to be freed
 * @kvm: its VM
 *
 * If a vCPU is freed because KVM_CREATE_VCPU has failed, nothing is done: the VM
 * still has users, and continues.
 *
 * Context: sleepable, without the VM's lock.
 */
void kvmpv_vm_list_del(struct kvm *kvm)
{
	struct kvmpv_vm *vm = kvmpv_vendor_vm(kvm);

	if (list_empty(&vm->node) || refcount_read(&kvm->users_count))
		return;
	mutex_lock(&kvmpv_vms_lock);
	list_del_init(&vm->node);
	mutex_unlock(&kvmpv_vms_lock);
}

/* Under the VM's lock: a registration stays. Its counters may be growing. */
static void kvmpv_show_vcpu(struct seq_file *m, struct kvm_vcpu *vcpu)
{
	const u64 *calls = kvmpv_vendor_flush_queue(vcpu)->calls;
	const struct kvmpv_vcpu *p = *kvmpv_vendor_vcpu(vcpu);
	char features[KVMPV_NAMES_SIZE];

	kvmpv_list_names(features, p && !READ_ONCE(p->dead) ? p->features : 0);
	seq_printf(m, "vcpu %d features %s", vcpu->vcpu_id, features);
	if (p && !READ_ONCE(p->dead))
		seq_printf(m, " publishes %llu switches %llu restarts %llu load_cr3_cached %llu load_cr3_missed %llu",
			   READ_ONCE(p->publishes), READ_ONCE(p->switches),
			   READ_ONCE(p->restarts), READ_ONCE(p->load_cr3[true]),
			   READ_ONCE(p->load_cr3[false]));
	seq_printf(m, " flush %llu flush_range %llu flush_vcpus %llu release %llu populate %llu\n",
		   READ_ONCE(calls[KVMPV_HC_FLUSH - KVMPV_HC_FLUSH]),
		   READ_ONCE(calls[KVMPV_HC_FLUSH_RANGE - KVMPV_HC_FLUSH]),
		   READ_ONCE(calls[KVMPV_HC_FLUSH_VCPUS - KVMPV_HC_FLUSH]),
		   READ_ONCE(calls[KVMPV_HC_RELEASE - KVMPV_HC_FLUSH]),
		   READ_ONCE(calls[KVMPV_HC_POPULATE - KVMPV_HC_FLUSH]));
}

static void *kvmpv_vcpus_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&kvmpv_vms_lock);
	return seq_list_start(&kvmpv_vms, *pos);
}

static void *kvmpv_vcpus_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &kvmpv_vms, pos);
}

/* Called before anything is copied to userspace: no reader keeps the lock. */
static void kvmpv_vcpus_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&kvmpv_vms_lock);
}

static int kvmpv_vcpus_show(struct seq_file *m, void *v)
{
	struct kvmpv_vm *vm = list_entry(v, struct kvmpv_vm, node);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	seq_printf(m, "vm %d\n", vm->kvm->userspace_pid);
	mutex_lock(&vm->lock);
	kvm_for_each_vcpu(i, vcpu, vm->kvm)
		kvmpv_show_vcpu(m, vcpu);
	mutex_unlock(&vm->lock);
	return 0;
}

static const struct seq_operations kvmpv_vcpus_sops = {
	.start	= kvmpv_vcpus_start,
	.next	= kvmpv_vcpus_next,
	.stop	= kvmpv_vcpus_stop,
	.show	= kvmpv_vcpus_show,
};
DEFINE_SEQ_ATTRIBUTE(kvmpv_vcpus);

/**
 * kvmpv_vcpus_init() - make the file
 * @dir: debugfs directory
 *
 * Context: module init.
 */
void __init kvmpv_vcpus_init(struct dentry *dir)
{
	debugfs_create_file("vcpus", 0400, dir, NULL, &kvmpv_vcpus_fops);
}
