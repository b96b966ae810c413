/* SPDX-License-Identifier: GPL-2.0 */
/* A VMM for the small guest: a VM, its vCPUs in threads, their state. */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "tiny.h"

#define CANARY		0xc5
#define CANARY_SIZE	0x10000

struct vcpu {
	struct vm *vm;
	int fd, id;
	struct kvm_run *run;
	pthread_t thread;
	bool done, paused;
	u64 shutdowns, internal_errors, nudges;
};

struct vm {
	int fd, nr;
	bool background;	/* gets a tenth of the CPU */
	bool cut_off;		/* it has no CR3 cache: RIP may be anywhere */
	struct backing *backing;	/* of its pools, if it has any */
	u8 *canary, *mem, *rom;
	struct vcpu vcpu[MAX_VCPUS];
	/* The controller's wishes, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool pause, quit, failed;
};

#define MAX_MSRS	512

/* All that userspace can see of a vCPU. */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[MAX_MSRS];
	} msrs;
};

/* Prints what is wrong and ends the process. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void vmm_init(void);
void xioctl(int fd, unsigned long request, void *argument, const char *name);
#define IOCTL(fd, request, argument) xioctl(fd, request, (void *)(argument), #request)

static inline volatile struct ctl *vm_ctl(struct vm *vm)
{
	return (volatile struct ctl *)(vm->mem + CTL_GPA);
}

/* A new VM with all its vCPUs and memory; mem is NULL, or what it starts with. */
void vm_create(struct vm *vm, int nr, const u8 *mem);
/* What vCPUs start from, and reset ones again. */
void vcpu_start(struct vcpu *v);
/* Starts the threads; they wait while the VM is paused. */
void vm_run(struct vm *vm);
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* True when all vCPUs are done or one has failed; waits up to ms. */
bool vm_wait(struct vm *vm, unsigned int ms);
void vm_destroy(struct vm *vm);
/* Makes the slot of the guest's memory anew: whatever KVM derived from it goes. */
void vm_renew_memory(struct vm *vm);
bool vm_canaries(struct vm *vm);
void set_slot(struct vm *vm, u32 slot, u64 gpa, u64 size, void *mem, u32 flags);
/* backing.c: see struct pool. */
void pools_create(struct vm *vm);
void pools_destroy(struct vm *vm);
void pool_order(struct vcpu *v, u64 order);
void vcpu_save(struct vcpu *v, struct vcpu_state *s);
/* As QEMU does: paging off first, so that it is no ordinary return to KVM_RUN. */
void vcpu_restore(struct vcpu *v, const struct vcpu_state *s, bool reset);
/* Puts the vCPU into SMM or out of it, as a VMM may while it resets or restores. */
void vcpu_set_smm(struct vcpu *v, bool smm);
void print_counters(struct vm *vm, const char *name);

bool is_intel(void);
/* From and to a file, or NULL. */
int snapshots(struct vm *vm, unsigned int cycles, u64 seed, enum host host, const char *from,
	      const char *to);

#endif
