/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvm-paravirt, host side: what paravirt.c (both vendors), paravirt_vmx.c and
 * the hooks in KVM's own files share.
 */
#ifndef __KVMPV_H
#define __KVMPV_H

#include <linux/jump_label_ratelimit.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>

#include "paravirt_table.h"

/* Bits of the module parameter and of FEATURES that this version implements. */
#define KVMPV_F_ALL	(KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3)

/* State of a registered vCPU. Its own thread's, but for the two gpas. */
struct kvmpv_vcpu {
	gpa_t state_gpa, table_gpa;
	bool cache;		/* CR3_CACHE is accepted: there is a table */
	struct gfn_to_hva_cache state;
	struct gfn_to_hva_cache table;
	struct kvmpv_windows windows;

	/* What the VMCS lists (if @listed) and the table shows (if @shown). */
	struct kvmpv_list list;
	u64 flag;		/* bit 63 in each host value, as last published */
	u64 loaded;		/* vmcs01.GUEST_CR3 as last loaded or seen */
	u64 left_cr3;		/* CR3 when KVM_RUN last returned, or INVALID_GPA */
	bool listed;		/* CR3_TARGET_COUNT is not 0 */
	bool shown;		/* the guest's table may hold an entry */
	bool in_run;		/* KVM_RUN has not returned since the last entry */
	bool hold;		/* publish nothing until the next real CR3 load */
	bool fault_in;		/* the table's page was not there */
	bool restarted;		/* RIP was set back at this exit */
	bool dead;		/* to be unregistered where that can be done */

	u64 publishes, restarts, told_publishes, told_restarts;
};

/* Per VM. */
struct kvmpv_vm {
	/* Serializes registrations: no page belongs to two vCPUs. */
	struct mutex lock;
};

/* Counters, summed up over CPUs in debugfs. */
enum kvmpv_stat {
	KVMPV_STAT_REGISTERED,
	KVMPV_STAT_UNREGISTERED,
	KVMPV_STAT_PUBLISHES,
	KVMPV_STAT_SWITCHES,
	KVMPV_STAT_RESTARTS,
	KVMPV_STAT_LOAD_CR3_CACHED,
	KVMPV_STAT_LOAD_CR3_MISSED,
	KVMPV_STAT_REFUSED_FIRST,
	KVMPV_NR_STATS = KVMPV_STAT_REFUSED_FIRST + 32,
};

DECLARE_PER_CPU(u64 [KVMPV_NR_STATS], kvmpv_stats);
#define kvmpv_count(stat)	this_cpu_inc(kvmpv_stats[stat])

/* Off until a vCPU registers, so that all others run the stock path. */
extern struct static_key_false_deferred kvmpv_used;

#define kvmpv_on(v)							\
	(static_branch_unlikely(&kvmpv_used.key) && unlikely((v)->kvmpv))

/* paravirt.c */
int kvmpv_hypercall(struct kvm_vcpu *vcpu);
void kvmpv_unregister(struct kvm_vcpu *vcpu);
void kvmpv_vcpu_free(struct kvm_vcpu *vcpu);
void kvmpv_clear_table(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p);
void kvmpv_left(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p);
void kvmpv_module_init(void);
void kvmpv_module_exit(void);

static inline void kvmpv_vm_init(struct kvmpv_vm *vm)
{
	mutex_init(&vm->lock);
}

/* Each vendor's half, called by paravirt.c. */
struct kvmpv_vcpu **kvmpv_vendor_vcpu(struct kvm_vcpu *vcpu);
struct kvmpv_vm *kvmpv_vendor_vm(struct kvm *kvm);
int kvmpv_vendor_check(struct kvm_vcpu *vcpu);
int kvmpv_vendor_cpl(struct kvm_vcpu *vcpu);
void kvmpv_vendor_attach(struct kvm_vcpu *vcpu);
bool kvmpv_vendor_detach(struct kvm_vcpu *vcpu);

/* paravirt_vmx.c: the hooks */
struct vcpu_vmx;
unsigned long __kvmpv_load_pgd(struct vcpu_vmx *vmx, unsigned long hw,
			       int level);
void __kvmpv_enter(struct vcpu_vmx *vmx);
void __kvmpv_exit(struct vcpu_vmx *vmx);
bool __kvmpv_mov_to_cr3(struct vcpu_vmx *vmx);
void __kvmpv_leave(struct vcpu_vmx *vmx);
void __kvmpv_paging_off(struct vcpu_vmx *vmx);

#endif /* __KVMPV_H */
