// SPDX-License-Identifier: GPL-2.0
/* See vmm.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

#define TSS_GPA		0xfffbd000
#define IDENTITY_GPA	0xfffbc000

asm(".section .rodata\n"
	"image: .incbin \"" IMAGE "\"\n"
	"image_end:\n"
	".previous");
extern const u8 image[], image_end[];

static int kvm_fd;
static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entry[256]; } cpuid;
static struct { struct kvm_msr_list head; u32 index[MAX_MSRS]; } msr_list;
static size_t run_size;
static _Thread_local struct kvm_run *this_run;

void die(const char *format, ...)
{
	va_list ap;

	printf("not ok - the VMM goes on # ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void xioctl(int fd, unsigned long request, void *argument, const char *name)
{
	if (ioctl(fd, request, argument) < 0)
		die("%s: %s", name, strerror(errno));
}

static void on_kick(int number)
{
	(void)number;
	/* The signal may come between the look at "pause" and KVM_RUN, so KVM_RUN is told to return at once. */
	if (this_run)
		this_run->immediate_exit = 1;
}

void vmm_init(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(SIGUSR1, &sa, NULL);
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		die("/dev/kvm: %s", strerror(errno));
	run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	cpuid.head.nent = 256;
	IOCTL(kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid);
	msr_list.head.nmsrs = MAX_MSRS;
	IOCTL(kvm_fd, KVM_GET_MSR_INDEX_LIST, &msr_list);
}

bool is_intel(void)
{
	u32 i;

	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == 0)
			return cpuid.entry[i].ebx == 0x756e6547;	/* "Genu" */
	return false;
}

/* --- a VM */

void set_slot(struct vm *vm, u32 slot, u64 gpa, u64 size, void *mem, u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (u64)mem,
	};

	IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vm_renew_memory(struct vm *vm)
{
	set_slot(vm, 0, 0, 0, vm->mem, 0);
	set_slot(vm, 0, 0, MEM_SIZE, vm->mem, 0);
}

/* Low memory one to one, and the same at HIGH. */
static void boot_tables(u8 *mem)
{
	u64 *pml4 = (u64 *)(mem + BOOT_PML4), *pdpt = pml4 + 512, *pd = pml4 + 1024, i;

	pml4[0] = pml4[511] = (BOOT_PML4 + 0x1000) | 3;
	pdpt[0] = pdpt[510] = (BOOT_PML4 + 0x2000) | 3;
	/* They also map what is beyond the memory: the read-only slot and the hole. */
	for (i = 0; i < 8; i++)
		pd[i] = i << 21 | 0x83;
}

static void make_vcpu(struct vm *vm, int id)
{
	struct vcpu *v = &vm->vcpu[id];
	u32 i;

	*v = (struct vcpu){ .vm = vm, .id = id };
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (v->fd < 0)
		die("KVM_CREATE_VCPU: %s", strerror(errno));
	v->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die("mmap of struct kvm_run: %s", strerror(errno));
	for (i = 0; i < cpuid.head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.entry[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffffff) | (u32)id << 24;
			e->ecx |= 1 << 21;	/* x2APIC, which KVM emulates */
		} else if (e->function == 0xb || e->function == 0x1f) {
			e->edx = id;
		}
	}
	IOCTL(v->fd, KVM_SET_CPUID2, &cpuid);
	/* RIP is looked at as early as a VMM can see it. */
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

void vm_create(struct vm *vm, int nr, const u8 *mem)
{
	u64 identity = IDENTITY_GPA;
	int i;

	memset(vm, 0, sizeof(*vm));
	vm->nr = nr;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	vm->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %s", strerror(errno));
	ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_GPA);
	ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	IOCTL(vm->fd, KVM_CREATE_IRQCHIP, 0);
	vm->canary = mmap(NULL, MEM_SIZE + 2 * CANARY_SIZE + 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->canary == MAP_FAILED)
		die("no memory");
	vm->mem = vm->canary + CANARY_SIZE;
	vm->rom = vm->mem + MEM_SIZE + CANARY_SIZE;
	memset(vm->canary, CANARY, CANARY_SIZE);
	memset(vm->mem + MEM_SIZE, CANARY, CANARY_SIZE + 4096);
	if (mem) {
		memcpy(vm->mem, mem, MEM_SIZE);
	} else {
		memcpy(vm->mem + IMAGE_GPA, image, image_end - image);
		boot_tables(vm->mem);
	}
	set_slot(vm, 0, 0, MEM_SIZE, vm->mem, 0);
	set_slot(vm, 1, ROM_GPA, 4096, vm->rom, KVM_MEM_READONLY);
	for (i = 0; i < nr; i++)
		make_vcpu(vm, i);
}

/* What lies around the guest's memory, and the page that it may only read. */
bool vm_canaries(struct vm *vm)
{
	size_t i;

	for (i = 0; i < CANARY_SIZE; i++)
		if (vm->canary[i] != CANARY || vm->mem[MEM_SIZE + i] != CANARY)
			return false;
	for (i = 0; i < 4096; i++)
		if (vm->rom[i] != CANARY)
			return false;
	return true;
}

void vcpu_start(struct vcpu *v)
{
	struct kvm_segment code = { .selector = 8, .limit = ~0u, .type = 11, .present = 1,
				    .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .selector = 16, .limit = ~0u, .type = 3, .present = 1,
				    .s = 1, .db = 1, .g = 1 };
	struct kvm_segment tss = { .selector = 32, .limit = 103, .type = 11, .present = 1 };
	struct kvm_regs regs = { .rip = HIGH + IMAGE_GPA, .rflags = 2, .rdi = v->id };
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_vcpu_events events = {};
	struct kvm_sregs s;

	IOCTL(v->fd, KVM_SET_MP_STATE, &mp);
	IOCTL(v->fd, KVM_GET_SREGS, &s);
	/* A reset, before anything that is another guest's. */
	s.cr0 = 0x60000010;
	s.cr3 = 0;
	s.cr4 = 0;
	s.efer = 0;
	s.cs.l = 0;
	IOCTL(v->fd, KVM_SET_SREGS, &s);
	s.cr0 = 0x80000033;
	s.cr3 = BOOT_PML4;
	s.cr4 = 0xa0;
	s.efer = 0x500;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = tss;
	memset(s.interrupt_bitmap, 0, sizeof(s.interrupt_bitmap));
	IOCTL(v->fd, KVM_SET_SREGS, &s);
	IOCTL(v->fd, KVM_SET_REGS, &regs);
	IOCTL(v->fd, KVM_SET_VCPU_EVENTS, &events);
}

/* --- running */

static void vcpu_failed(struct vcpu *v, const char *why, u64 a, u64 b)
{
	struct kvm_regs regs = {};

	ioctl(v->fd, KVM_GET_REGS, &regs);
	printf("not ok - KVM runs the guest # vCPU %d, operation %lu: %s %lx %lx, RIP %llx\n", v->id,
	       vm_ctl(v->vm)->cpu[v->id].op, why, a, b, regs.rip);
	v->vm->failed = true;
}

static void handle_io(struct vcpu *v)
{
	volatile struct ctl *ctl = vm_ctl(v->vm);

	/* All other accesses of ports are the fuzzer's, and mean nothing. */
	if (v->run->io.direction != KVM_EXIT_IO_OUT)
		return;
	switch (v->run->io.port) {
	case PORT_DONE:
		v->done = true;
		break;
	case PORT_YIELD:
		sched_yield();
		break;
	case PORT_POOL:
		pool_order(v, v->run->s.regs.regs.rbx);
		break;
	case PORT_FAIL:
		printf("not ok - guest # seed %lu, vCPU %lu, operation %lu: %s: want %lx, got %lx\n",
		       ctl->seed, ctl->fail_cpu, ctl->fail_op,
		       ctl->fail < MEM_SIZE ? (char *)v->vm->mem + ctl->fail : "?", ctl->want,
		       ctl->got);
		v->vm->failed = true;
		break;
	}
}

/* One KVM_RUN; false: the vCPU has nothing more to do here. */
static bool vcpu_once(struct vcpu *v)
{
	volatile struct ctl *ctl = vm_ctl(v->vm);
	struct kvm_run *run = v->run;
	int r = ioctl(v->fd, KVM_RUN, 0), e = errno;
	u64 i;

	/* The fuzzer may be in its windows while it is not registered, so for it this is not checked. */
	for (i = 0; i < ctl->windows && i < MAX_WINDOWS && ctl->mode != MODE_FUZZ; i++) {
		u64 rip = run->s.regs.regs.rip;

		if (v->vm->cut_off || !ctl->cpu[v->id].table || rip <= ctl->window[2 * i] ||
		    rip > ctl->window[2 * i + 1])
			continue;
		vcpu_failed(v, "RIP in a restart window when KVM_RUN returned", rip, i);
		return false;
	}
	if (r < 0 && (e == EINTR || e == EAGAIN))
		return true;
	if (r < 0) {
		vcpu_failed(v, strerror(e), e, 0);
		return false;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(v);
		return !v->done && !v->vm->failed;
	case KVM_EXIT_MMIO:
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return true;
	case KVM_EXIT_SHUTDOWN:
		v->shutdowns++;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		v->internal_errors++;
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	default:
		vcpu_failed(v, "exit", run->exit_reason,
			    run->fail_entry.hardware_entry_failure_reason);
		return false;
	}
	/* Only the fuzzer may end a vCPU like this. */
	if (ctl->mode != MODE_FUZZ) {
		vcpu_failed(v, "shutdown or internal error", run->exit_reason,
			    run->internal.suberror);
		return false;
	}
	vcpu_start(v);
	return true;
}

static void *vcpu_thread(void *argument)
{
	struct vcpu *v = argument;
	struct vm *vm = v->vm;
	bool more = !v->done;

	this_run = v->run;
	/* In Linux the priority is the thread's own. */
	if (vm->background)
		setpriority(PRIO_PROCESS, 0, 10);
	pthread_mutex_lock(&vm->lock);
	while (!vm->quit) {
		if (vm->pause || !more || vm->failed) {
			v->paused = true;
			pthread_cond_broadcast(&vm->changed);
			pthread_cond_wait(&vm->changed, &vm->lock);
			continue;
		}
		v->paused = false;
		v->run->immediate_exit = 0;
		pthread_mutex_unlock(&vm->lock);
		more = vcpu_once(v);
		pthread_mutex_lock(&vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
	this_run = NULL;
	return NULL;
}

void vm_run(struct vm *vm)
{
	int i;

	for (i = 0; i < vm->nr; i++)
		if (pthread_create(&vm->vcpu[i].thread, NULL, vcpu_thread, &vm->vcpu[i]))
			die("no thread");
}

static void kick(struct vm *vm)
{
	int i;

	for (i = 0; i < vm->nr; i++)
		pthread_kill(vm->vcpu[i].thread, SIGUSR1);
}

/* Kicks until it helps: a signal between the look at "pause" and immediate_exit = 0 is lost. */
static void wait_paused(struct vm *vm)
{
	struct timespec t;
	int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr; i++) {
		while (!vm->vcpu[i].paused) {
			kick(vm);
			clock_gettime(CLOCK_REALTIME, &t);
			t.tv_nsec += 10000000;
			if (t.tv_nsec >= 1000000000) {
				t.tv_nsec -= 1000000000;
				t.tv_sec++;
			}
			pthread_cond_timedwait(&vm->changed, &vm->lock, &t);
		}
	}
	pthread_mutex_unlock(&vm->lock);
}

void vm_pause(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->pause = true;
	pthread_mutex_unlock(&vm->lock);
	wait_paused(vm);
}

void vm_resume(struct vm *vm)
{
	int i;

	pthread_mutex_lock(&vm->lock);
	vm->pause = false;
	for (i = 0; i < vm->nr; i++)
		vm->vcpu[i].paused = false;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

bool vm_wait(struct vm *vm, unsigned int ms)
{
	struct timespec t;
	bool over;
	int i;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms % 1000 * 1000000l;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&vm->lock);
	for (;;) {
		over = true;
		for (i = 0; i < vm->nr; i++)
			over &= vm->vcpu[i].done;
		over |= vm->failed;
		if (over || pthread_cond_timedwait(&vm->changed, &vm->lock, &t) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&vm->lock);
	return over;
}

void vm_destroy(struct vm *vm)
{
	int i;

	vm_pause(vm);
	pthread_mutex_lock(&vm->lock);
	vm->quit = true;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	for (i = 0; i < vm->nr; i++) {
		pthread_join(vm->vcpu[i].thread, NULL);
		munmap(vm->vcpu[i].run, run_size);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	pools_destroy(vm);
	munmap(vm->canary, MEM_SIZE + 2 * CANARY_SIZE + 4096);
}

/* --- state */

void vcpu_save(struct vcpu *v, struct vcpu_state *s)
{
	u32 i;
	int n;

	IOCTL(v->fd, KVM_GET_MP_STATE, &s->mp);
	IOCTL(v->fd, KVM_GET_REGS, &s->regs);
	IOCTL(v->fd, KVM_GET_SREGS, &s->sregs);
	IOCTL(v->fd, KVM_GET_VCPU_EVENTS, &s->events);
	IOCTL(v->fd, KVM_GET_DEBUGREGS, &s->debugregs);
	IOCTL(v->fd, KVM_GET_LAPIC, &s->lapic);
	IOCTL(v->fd, KVM_GET_XCRS, &s->xcrs);
	IOCTL(v->fd, KVM_GET_XSAVE, &s->xsave);
	s->msrs.head.nmsrs = msr_list.head.nmsrs;
	for (i = 0; i < msr_list.head.nmsrs; i++)
		s->msrs.entry[i].index = msr_list.index[i];
	for (;;) {
		n = ioctl(v->fd, KVM_GET_MSRS, &s->msrs);
		if (n < 0)
			die("KVM_GET_MSRS: %s", strerror(errno));
		if ((u32)n == msr_list.head.nmsrs)
			break;
		/* KVM lists the register, but this CPU does not have it. */
		memmove(&msr_list.index[n], &msr_list.index[n + 1],
			(--msr_list.head.nmsrs - n) * sizeof(u32));
		s->msrs.head.nmsrs = msr_list.head.nmsrs;
		for (i = 0; i < msr_list.head.nmsrs; i++)
			s->msrs.entry[i].index = msr_list.index[i];
	}
}

void vcpu_restore(struct vcpu *v, const struct vcpu_state *s, bool reset)
{
	struct vcpu_state copy = *s;
	u32 done = 0;

	if (reset)
		vcpu_start(v);
	IOCTL(v->fd, KVM_SET_SREGS, &copy.sregs);
	IOCTL(v->fd, KVM_SET_REGS, &copy.regs);
	if (copy.xcrs.nr_xcrs)
		IOCTL(v->fd, KVM_SET_XCRS, &copy.xcrs);
	IOCTL(v->fd, KVM_SET_XSAVE, &copy.xsave);
	IOCTL(v->fd, KVM_SET_LAPIC, &copy.lapic);
	IOCTL(v->fd, KVM_SET_DEBUGREGS, &copy.debugregs);
	IOCTL(v->fd, KVM_SET_VCPU_EVENTS, &copy.events);
	IOCTL(v->fd, KVM_SET_MP_STATE, &copy.mp);
	while (done < copy.msrs.head.nmsrs) {
		int n;

		memmove(copy.msrs.entry, s->msrs.entry + done,
			(s->msrs.head.nmsrs - done) * sizeof(copy.msrs.entry[0]));
		copy.msrs.head.nmsrs = s->msrs.head.nmsrs - done;
		n = ioctl(v->fd, KVM_SET_MSRS, &copy.msrs);
		if (n < 0)
			die("KVM_SET_MSRS: %s", strerror(errno));
		if ((u32)n == copy.msrs.head.nmsrs)
			break;
		/* The register can be read, but not written. */
		done += n + 1;
		copy.msrs.head.nmsrs = s->msrs.head.nmsrs;
	}
}

void vcpu_set_smm(struct vcpu *v, bool smm)
{
	struct kvm_vcpu_events events;

	IOCTL(v->fd, KVM_GET_VCPU_EVENTS, &events);
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = smm;
	IOCTL(v->fd, KVM_SET_VCPU_EVENTS, &events);
}

void print_counters(struct vm *vm, const char *name)
{
	volatile struct ctl *ctl = vm_ctl(vm);
	int i;

	for (i = 0; i < vm->nr && i < 4; i++) {
		volatile struct cpu_ctl *c = &ctl->cpu[i];
		struct vcpu *v = &vm->vcpu[i];

		printf("note: %s, vCPU %d:", name, i);
#define X(field) if (c->field) printf(" " #field " %lu", c->field);
		COUNTERS(X)
#undef X
		if (v->shutdowns || v->internal_errors || v->nudges)
			printf(" shutdowns %lu internal errors %lu nudges %lu", v->shutdowns,
			       v->internal_errors, v->nudges);
		printf("\n");
	}
	fflush(stdout);
}
