/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvm-paravirt, host side: what our files and the hooks in KVM's own files share.
 */
#ifndef __KVMPV_H
#define __KVMPV_H

#include <linux/jump_label_ratelimit.h>
#include <linux/kvm_host.h>
#include <linux/mmu_notifier.h>
#include <linux/percpu.h>
#include <linux/xarray.h>

#include "mmu.h"	/* kvm_mmu_page_fault(), from 7.2 on */
#include "paravirt_args.h"
#include "paravirt_roots.h"

#define KVMPV_F_FLUSHES	(KVMPV_F_FLUSH | KVMPV_F_FLUSH_RANGE |		\
			 KVMPV_F_FLUSH_VCPUS)
/* What any vCPU that can register is offered. */
#define KVMPV_F_LOADS	(KVMPV_F_LOAD_CR3 | KVMPV_F_INVLPG_CURRENT)

/* The kernel's half has few entries at the top. If it has more, only so many are filled. */
#define KVMPV_KERNEL_ENTRIES	8

/*
 * State of a registered vCPU. Only the vCPU's own thread writes it; others read the two
 * gpas, and debugfs the counters, under the VM's lock.
 */
struct kvmpv_vcpu {
	gpa_t state_gpa, table_gpa;
	u64 features;		/* as accepted */
	bool cache;		/* CR3_CACHE is accepted: there is a table */
	struct gfn_to_hva_cache state;
	struct gfn_to_hva_cache table;
	struct kvmpv_windows windows;

	/* What the VMCS lists (if @listed) and the table shows (if @shown). */
	struct kvmpv_list list;
	struct kvmpv_stash *stash;
	u64 flag;		/* bit 63 in each host value: if CR4.PCIDE was set */
	enum kvmpv_targets found; /* what was known of the CPU when it was listed */
	unsigned int misses;	/* MOVs of listed values that exited, in a row */
	u64 loaded;		/* vmcs01.GUEST_CR3 as last loaded or seen */
	u64 kept;		/* kvmpv_sum_roots() of prev_roots[]; valid if @settled */
	struct kvmpv_place left; /* when KVM_RUN last returned */
	bool settled;		/* see kvmpv_is_unchanged() */
	bool listed;		/* CR3_TARGET_COUNT is not 0 */
	bool shown;		/* the guest's table may hold an entry */
	bool in_run;		/* KVM_RUN has not returned since the last entry */
	bool hold;		/* publish nothing until the next real CR3 load */
	bool fault_in;		/* the table's page was not there */
	bool restarted;		/* RIP was set back at this exit */
	bool dead;		/* to be unregistered as soon as that is possible */
	bool proven;		/* the CPU keeps the tag bit: roots may be listed */

	/* What kvmpv_fill_kernel() has found: where it looks first the next time. */
	u64 kernel_va[KVMPV_KERNEL_ENTRIES];

	u64 publishes, restarts, told_publishes, told_restarts;
	u64 switches;
	u64 load_cr3[2];	/* [true]: of a root that was cached */
};

/* Per VM: where no block of memory may be allocated, see paravirt_populate.c. */
struct kvmpv_populate {
	struct mmu_notifier mn;	/* of the VMM's memory, if @watched */
	struct xarray given_back; /* kvmpv_granules() by address / PMD_SIZE */
	unsigned long nr_given_back; /* number of entries, under the array's lock */
	struct kvm *kvm;
	unsigned int epoch;	/* kvmpv_populate_epoch at its creation; 0: blocks were off */
	atomic_t seq;		/* how often something was given back */
	unsigned int in_vain;	/* looks around a fault that found nothing, in a row */
	unsigned int skip;	/* faults around which nobody looks */
	bool watched;
	bool lost;		/* something was not recorded: nothing is allocated */
};

/* Per VM. */
struct kvmpv_vm {
	/* Serializes registrations: no page belongs to two vCPUs. */
	struct mutex lock;
	bool flushes;		/* a vCPU has called FLUSH_VCPUS */
	atomic_t stashed;	/* references in stashes of all vCPUs */
	struct list_head node;	/* in the list that debugfs shows, or empty */
	struct kvm *kvm;	/* set while @node is in that list */
	struct kvmpv_populate populate;
};

/* Per vCPU, registered or not. */
struct kvmpv_flush_queue {
	/* Of what other vCPUs want it to flush. Raw, as it is taken with preemption off. */
	raw_spinlock_t lock;
	struct kvmpv_flushes todo;
	/* How often it has made each call from KVMPV_HC_FLUSH on. Its own thread counts. */
	u64 calls[KVMPV_HC_LAST - KVMPV_HC_FLUSH + 1];
};

/* Counters, summed up over CPUs in debugfs. */
enum kvmpv_stat {
	KVMPV_STAT_REGISTERED,
	KVMPV_STAT_UNREGISTERED,
	KVMPV_STAT_PUBLISHES,
	KVMPV_STAT_SWITCHES,
	KVMPV_STAT_STASH_SWITCHES,
	KVMPV_STAT_RESTARTS,
	KVMPV_STAT_LOAD_CR3_CACHED,
	KVMPV_STAT_LOAD_CR3_MISSED,
	KVMPV_STAT_FLUSH,
	KVMPV_STAT_FLUSH_RANGE,
	KVMPV_STAT_FLUSH_VCPUS,
	KVMPV_STAT_FLUSH_KICKS,
	KVMPV_STAT_RELEASE,
	KVMPV_STAT_POPULATE,
	KVMPV_STAT_POPULATE_PAGES,
	KVMPV_STAT_KERNEL_FILLS,
	KVMPV_STAT_POPULATE_FAULTS,
	KVMPV_STAT_POPULATE_MAPPED,
	KVMPV_STAT_POPULATE_ALLOCATED,
	KVMPV_STAT_POPULATE_SHORT,
	KVMPV_STAT_POPULATE_GIVEN_BACK,
	KVMPV_STAT_REFUSED_FIRST,
	KVMPV_NR_STATS = KVMPV_STAT_REFUSED_FIRST + 32,
};

DECLARE_PER_CPU(u64 [KVMPV_NR_STATS], kvmpv_stats);
#define kvmpv_count(stat)	this_cpu_inc(kvmpv_stats[stat])
#define kvmpv_count_more(stat, n)	this_cpu_add(kvmpv_stats[stat], n)

/* Off until a vCPU registers, so that all others run the stock path. */
extern struct static_key_false_deferred kvmpv_has_registered_vcpu;

/* Is @v, a struct vcpu_vmx or vcpu_svm, registered? What each hook asks first. */
#define kvmpv_on(v)							\
	(static_branch_unlikely(&kvmpv_has_registered_vcpu.key) &&	\
	 unlikely((v)->kvmpv))

/* Off until a VM uses FLUSH_VCPUS. */
extern struct static_key_false_deferred kvmpv_has_flushing_vm;

/**
 * kvmpv_flush_queued() - load_mmu_pgd(): has __kvmpv_flush_queued() anything to do?
 * @q: the queue of the vCPU whose root is loaded
 *
 * It needs no lock, because a vCPU that queues something makes a request
 * afterwards, and this is called again.
 *
 * Context: in the vCPU's thread.
 * Return: true if something may be queued.
 */
static inline bool kvmpv_flush_queued(const struct kvmpv_flush_queue *q)
{
	return static_branch_unlikely(&kvmpv_has_flushing_vm.key) &&
	       (READ_ONCE(q->todo.nr) || READ_ONCE(q->todo.all));
}

/* All names of the module parameter, with commas. */
#define KVMPV_NAMES_SIZE	48

/*
 * From the lowest file to the highest: each calls only those before it, those of
 * paravirt_args.h and paravirt_roots.h, and kvmpv_vendor_*.
 */

/* paravirt_param.c */
extern unsigned long kvmpv_allowed;
int kvmpv_list_names(char *buf, unsigned long bits);

/* paravirt_buffer.c */
int kvmpv_check_slot(const struct kvm_memory_slot *slot);
int kvmpv_check_ram(struct kvm_vcpu *vcpu, gpa_t gpa);
int kvmpv_read_buffer(struct kvm_vcpu *vcpu, u64 gpa, void *to, size_t size);

/* paravirt_stash.c */
struct kvmpv_stash *kvmpv_stash_alloc(void);
void kvmpv_stash_free(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash);
void kvmpv_stash_trim(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash);
void kvmpv_stash_evicted(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash,
			 gpa_t pgd);
void kvmpv_make_current(struct kvm_vcpu *vcpu, struct kvm_mmu_root_info info,
			unsigned int gone);
bool kvmpv_stash_switch(struct kvm_vcpu *vcpu, struct kvmpv_stash *stash,
			gpa_t pgd, bool flush, u64 pcid_mask,
			struct kvm_mmu_root_info *gone);
bool kvmpv_fast_switch(struct kvm_vcpu *vcpu, gpa_t pgd, bool flush,
		       u64 pcid_mask, bool *stashed);

/* paravirt_mmu.c */
void kvmpv_fill_kernel(struct kvm_vcpu *vcpu);
int kvmpv_hc_release(struct kvm_vcpu *vcpu, u64 gpa, u64 nr);
u64 *kvmpv_spt(u64 spte);
u64 kvmpv_mapped(const struct kvm_mmu_page *root, u64 va, unsigned int pages);

/* paravirt_populate.c */
void kvmpv_populate_init_vm(struct kvmpv_populate *p);
void kvmpv_populate_destroy_vm(struct kvmpv_populate *p);
bool kvmpv_populate_offered(void);
int kvmpv_check_mappable(struct kvm_vcpu *vcpu, gfn_t gfn, u64 npages);
int kvmpv_populate_range(struct kvm_vcpu *vcpu, gfn_t start, u64 npages);
int __kvmpv_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 error_code,
		       void *insn, int insn_len);

/* Off unless the module parameter populate= says otherwise. */
DECLARE_STATIC_KEY_FALSE(kvmpv_populates);

/**
 * kvmpv_page_fault() - kvm_mmu_page_fault() where an EPT violation or a nested page fault ends
 * @vcpu: the vCPU that has exited
 * @gpa: as for kvm_mmu_page_fault()
 * @error_code: as for kvm_mmu_page_fault()
 * @insn: as for kvm_mmu_page_fault()
 * @insn_len: as for kvm_mmu_page_fault()
 *
 * Context: exit handler, sleepable, SRCU held.
 * Return: as kvm_mmu_page_fault().
 */
static __always_inline int kvmpv_page_fault(struct kvm_vcpu *vcpu, gpa_t gpa,
					    u64 error_code, void *insn,
					    int insn_len)
{
	if (static_branch_unlikely(&kvmpv_populates))
		return __kvmpv_page_fault(vcpu, gpa, error_code, insn, insn_len);
	return kvm_mmu_page_fault(vcpu, gpa, error_code, insn, insn_len);
}

/* paravirt_vcpus.c */
void kvmpv_vm_list_add(struct kvm_vcpu *vcpu);
void kvmpv_vm_list_del(struct kvm *kvm);
void kvmpv_vcpus_init(struct dentry *dir);

/* paravirt_flush.c */
int kvmpv_hc_flush(struct kvm_vcpu *vcpu, u64 scope);
int kvmpv_hc_flush_range(struct kvm_vcpu *vcpu, u64 va, u64 pages, u64 shift,
			 u64 flags, u64 last);
int kvmpv_hc_flush_vcpus(struct kvm_vcpu *vcpu, u64 gpa, u64 last);
void __kvmpv_invlpg(struct kvm_vcpu *vcpu, gva_t va);
void __kvmpv_flush_queued(struct kvm_vcpu *vcpu);
void kvmpv_vm_destroy(struct kvmpv_vm *vm);

/* paravirt_populate_call.c */
int kvmpv_hc_populate(struct kvm_vcpu *vcpu, u64 gpa, u64 nr);

/* paravirt_register.c */
unsigned long kvmpv_host_features(void);
unsigned long kvmpv_features_offered(struct kvm_vcpu *vcpu);
int kvmpv_hc_register(struct kvm_vcpu *vcpu, u64 gpa, u64 size);
void kvmpv_unregister(struct kvm_vcpu *vcpu);
void kvmpv_vcpu_free(struct kvm_vcpu *vcpu);
void kvmpv_clear_table(struct kvm_vcpu *vcpu, struct kvmpv_vcpu *p);
void kvmpv_entered(struct kvm_vcpu *vcpu);
void kvmpv_end_unpaged(struct kvm_vcpu *vcpu);
void kvmpv_left(struct kvm_vcpu *vcpu);
void kvmpv_paging_off(struct kvm_vcpu *vcpu);

/* paravirt_stat.c */
void kvmpv_count_refusal(int err);
void kvmpv_module_init(void);
void kvmpv_module_exit(void);

/* paravirt_call.c */
int kvmpv_hypercall(struct kvm_vcpu *vcpu);
bool kvmpv_fast_call(struct kvm_vcpu *vcpu, u64 *cr3, bool *noflush);
void kvmpv_fast_call_done(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vcpu_init() - vcpu_create(): a vCPU is made
 * @queue: its field, all zero
 *
 * Context: any; nobody else knows the vCPU yet.
 */
static inline void kvmpv_vcpu_init(struct kvmpv_flush_queue *queue)
{
	raw_spin_lock_init(&queue->lock);
}

/**
 * kvmpv_vm_init() - vm_init(): a VM is made
 * @vm: its field, all zero
 *
 * Context: sleepable; nobody else knows the VM yet.
 */
static inline void kvmpv_vm_init(struct kvmpv_vm *vm)
{
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->node);
	kvmpv_populate_init_vm(&vm->populate);
}

/*
 * What a vendor module implements, described here because there are two of
 * each: paravirt_vmx.c and paravirt_svm.c.
 */

/**
 * kvmpv_vendor_vcpu() - where a vCPU keeps its registration
 * @vcpu: any vCPU
 *
 * Context: any. Only the vCPU's own thread writes what is there.
 * Return: the address of a field of the vendor's structure, which is NULL while the
 * vCPU is not registered.
 */
struct kvmpv_vcpu **kvmpv_vendor_vcpu(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_vm() - where a VM keeps which pages its vCPUs have named
 * @kvm: any VM
 *
 * Context: any.
 * Return: a field of the vendor's structure, which lives as long as @kvm.
 */
struct kvmpv_vm *kvmpv_vendor_vm(struct kvm *kvm);

/**
 * kvmpv_vendor_flush_queue() - where other vCPUs queue flushes for this one
 * @vcpu: any vCPU of a VM, registered or not
 *
 * Context: any.
 * Return: a field of the vendor's structure, with a lock of its own.
 */
struct kvmpv_flush_queue *kvmpv_vendor_flush_queue(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_shadows() - does this host shadow page tables?
 *
 * Context: any; the same for as long as the module is loaded.
 * Return: false with EPT or NPT.
 */
bool kvmpv_vendor_shadows(void);

/**
 * kvmpv_vendor_tracks_accesses() - do EPT or NPT entries have accessed bits?
 *
 * Context: any; the same for as long as the module is loaded.
 * Return: false if KVM makes an entry not present to see the next access.
 */
bool kvmpv_vendor_tracks_accesses(void);

/**
 * kvmpv_vendor_targets() - can CR3 targets be used here?
 * @text: set to what a person is told of them
 *
 * Context: any. It can change from 0 to -KVMPV_EIO, once, and never back.
 * Return: as kvmpv_check_targets().
 */
int kvmpv_vendor_targets(const char **text);

/**
 * kvmpv_vendor_check() - is there anything of the vendor's against registering?
 * @vcpu: the vCPU that asks, in KVM_RUN
 *
 * Context: the vCPU is loaded.
 * Return: 0, -KVMPV_EXDEV with Hyper-V's eVMCS, -KVMPV_ELOOP in VMX operation.
 */
int kvmpv_vendor_check(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_cpl() - the privilege level of who makes a call
 * @vcpu: the vCPU that does, in KVM_RUN
 *
 * Context: the vCPU is loaded.
 * Return: 0 to 3. SDM vol. 3, "Guest Register State", DPL of SS; APM vol. 2, CPL of
 * the VMCB.
 */
int kvmpv_vendor_cpl(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_skip() - go on after the instruction of a call
 * @vcpu: the vCPU that has called, in KVM_RUN
 * @last: the last byte of its address space: RIP wraps there
 *
 * As kvm_skip_emulated_instruction(), and without reading guest memory, which may
 * sleep: it may be called from the exit fastpath, unless kvmpv_pmu_counts().
 *
 * Context: the vCPU is loaded, SRCU held. IRQs on or off.
 * Return: as any exit handler.
 */
int kvmpv_vendor_skip(struct kvm_vcpu *vcpu, u64 last);

/**
 * kvmpv_vendor_cr3() - CR3 of the registered guest itself
 * @vcpu: the vCPU, in KVM_RUN
 *
 * Context: the vCPU is loaded.
 * Return: what it comes back to when its nested guest exits, if one runs.
 */
u64 kvmpv_vendor_cr3(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_attach() - a vCPU has been registered
 * @vcpu: the vCPU, in KVM_RUN
 *
 * The next load of CR3 puts the tag bit into it where the vendor has targets.
 *
 * Context: the vCPU is loaded.
 */
void kvmpv_vendor_attach(struct kvm_vcpu *vcpu);

/**
 * kvmpv_vendor_detach() - a registration is about to end
 * @vcpu: the vCPU
 *
 * The CPU must list nothing any more: the roots behind it may be freed next.
 *
 * Context: the vCPU is loaded.
 * Return: false if that cannot be done now, since another VMCS than the one with
 * the list is loaded; the registration stays.
 */
bool kvmpv_vendor_detach(struct kvm_vcpu *vcpu);

/* paravirt_vmx.c, paravirt_svm.c: the hooks */
void __kvmpv_enter(struct kvm_vcpu *vcpu);
fastpath_t __kvmpv_fastpath(struct kvm_vcpu *vcpu);

/* paravirt_vmx.c: hooks that only VMX has */
struct vcpu_vmx;
bool __kvmpv_maps_host_mmio(struct vcpu_vmx *vmx);
unsigned long __kvmpv_load_pgd(struct vcpu_vmx *vmx, unsigned long hw,
			       int level);
bool __kvmpv_exit(struct vcpu_vmx *vmx);
bool __kvmpv_mov_to_cr3(struct vcpu_vmx *vmx, u64 operand);

/* svm.c, where it is static without us: a load of CR3 in the exit fastpath calls it. */
void svm_flush_tlb_asid(struct kvm_vcpu *vcpu);

#endif /* __KVMPV_H */
