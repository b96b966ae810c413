// SPDX-License-Identifier: GPL-2.0
/*
 * What populate= does to the memory of a VM, and what it must not do: a VMM whose
 * guest does nothing but touch pages, each at the VMM's word, in memory of every
 * kind. Runs in the emulated host, as root, with EPT or NPT; see README.md.
 *
 * usage: populate TEST...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096UL
#define HUGE_PAGE	(512 * PAGE)
#define MB		(1UL << 20)
/* The memory that holds the guest's code and page tables, and the memory that is tested. */
#define OWN_SIZE	(2 * MB)
#define OWN_CODE	0x10000
#define OWN_TABLES	0x20000
/* The ranges that the guest names, what it shares with KVM's LAPIC, its descriptors and its stack. */
#define OWN_RANGES	0x30000
#define OWN_LAPIC	0x31000
#define OWN_IDT		0x32000
#define OWN_GDT		0x33000
#define OWN_STACK	0x35000
#define TEST_GPA	(16 * MB)
#define PAGES		2048UL	/* 8 MiB, if nothing else is said */

#define HOST		"/sys/kernel/debug/kvm_paravirt_host/"
#define KSM		"/sys/kernel/mm/ksm/"
#define CGROUP		"/run/cgroup/populate/"

enum touch { WRITE, READ, CALL, DONE, WAIT };

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	uint8_t *own, *mem;
	unsigned long pages;
};

static int kvm_fd;
static size_t run_size;
static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entry[256]; } cpuid;
static const char *parameter;

static void die(const char *what)
{
	printf("not ok - %s # %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void check(bool good, const char *text, const char *format, ...)
{
	va_list ap;

	printf(good ? "ok - %s (" : "not ok - %s # ", text);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf(good ? ")\n" : "\n");
	fflush(stdout);
}

/* --- files of the kernel */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

static void set_file(const char *path, const char *text)
{
	if (!write_file(path, text))
		die(path);
}

static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n;

	if (!f || fscanf(f, "%ld", &n) != 1)
		die(path);
	fclose(f);
	return n;
}

static long count(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), HOST "populate_%s", name);
	return read_number(path);
}

/* Page faults that KVM has taken from guests, of all VMs that there are. */
static long faults(void)
{
	return read_number("/sys/kernel/debug/kvm/pf_taken");
}

/* --- a VM */

static void set_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint8_t *mem, uint64_t size, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uint64_t)mem,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("KVM_SET_USER_MEMORY_REGION");
}

static uint8_t *map(void *at, size_t size, int flags, int fd)
{
	uint8_t *mem = mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

/* The memory begins where a huge page does, and is in huge pages only if a test asks for them. */
static uint8_t *new_memory(size_t size, int flags, int fd)
{
	uint8_t *mem = map(NULL, size + HUGE_PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	mem = (uint8_t *)(((uintptr_t)mem + HUGE_PAGE - 1) & -HUGE_PAGE);
	map(mem, size, flags | MAP_FIXED, fd);
	madvise(mem, size, MADV_NOHUGEPAGE);
	return mem;
}

static uint8_t *anonymous(unsigned long pages)
{
	return new_memory(pages * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/*
 * MOV to or from [RDI], of which there are ECX, RDX apart, and HLT. VMCALL (VMMCALL on AMD) and HLT. MOV of 0 to [RDI],
 * VMCALL and OUT: an HLT is KVM's own matter if that has the LAPIC. PAUSE, for ever.
 */
static uint8_t code[][16] = {
	[WRITE] = { 0xc6, 0x07, 0x55, 0x48, 0x01, 0xd7, 0xff, 0xc9, 0x75, 0xf6, 0xf4 },
	[CALL] = { 0x0f, 0x01, 0xc1, 0xf4 },
	[DONE] = { 0xc7, 0x07, 0, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xe6, 0x80 },
	[WAIT] = { 0xf3, 0x90, 0xeb, 0xfc },
	[READ] = { 0x8a, 0x07, 0x48, 0x01, 0xd7, 0xff, 0xc9, 0x75, 0xf7, 0xf4 },
};

static void start_vcpu(struct vm *vm)
{
	struct kvm_segment cs = { .selector = 8, .limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment ds = { .selector = 16, .limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	uint64_t *table = (uint64_t *)(vm->own + OWN_TABLES), i;
	struct kvm_sregs s;

	/* The page tables map the first GiB one to one. */
	table[0] = (OWN_TABLES + PAGE) | 3;
	table[512] = (OWN_TABLES + 2 * PAGE) | 3;
	for (i = 0; i < 512; i++)
		table[1024 + i] = i << 21 | 0x83;
	memcpy(vm->own + OWN_CODE, code, sizeof(code));
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid) || ioctl(vm->vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.cr0 = 0x80000033;
	s.cr3 = OWN_TABLES;
	s.cr4 = 0x20;
	s.efer = 0x500;
	s.cs = cs;
	s.ds = s.es = s.fs = s.gs = s.ss = ds;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &s))
		die("KVM_SET_SREGS");
}

/* @lapic: KVM has the vCPU's LAPIC. */
static struct vm new_vm_with(uint8_t *mem, unsigned long pages, uint32_t flags, bool lapic)
{
	struct vm vm = { .mem = mem, .pages = pages };
	uint64_t identity = 0xfffbc000;

	vm.fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		die("KVM_CREATE_VM");
	ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	vm.own = map(NULL, OWN_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(vm.own, OWN_SIZE, MADV_NOHUGEPAGE);
	set_slot(&vm, 0, 0, vm.own, OWN_SIZE, 0);
	set_slot(&vm, 1, TEST_GPA, mem, pages * PAGE, flags);
	if (lapic && ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0))
		die("KVM_CREATE_IRQCHIP");
	vm.vcpu = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
	if (vm.vcpu < 0)
		die("KVM_CREATE_VCPU");
	vm.run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	if (vm.run == MAP_FAILED)
		die("mmap of struct kvm_run");
	start_vcpu(&vm);
	return vm;
}

static struct vm new_vm(uint8_t *mem, unsigned long pages, uint32_t flags)
{
	return new_vm_with(mem, pages, flags, false);
}

static void end_vm(struct vm *vm)
{
	munmap(vm->run, run_size);
	close(vm->vcpu);
	close(vm->fd);
	munmap(vm->own, OWN_SIZE);
	munmap(vm->mem, vm->pages * PAGE);
}

/* The guest touches @n pages, the first and each @stride further; its exit. */
static uint32_t guest_touches(struct vm *vm, enum touch how, unsigned long first, unsigned long n,
			      unsigned long stride)
{
	struct kvm_regs regs = {
		.rip = OWN_CODE + how * sizeof(code[0]), .rflags = 2, .rdi = TEST_GPA + first * PAGE,
		.rcx = n, .rdx = stride * PAGE,
	};

	if (ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS");
	while (ioctl(vm->vcpu, KVM_RUN, 0))
		if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN");
	return vm->run->exit_reason;
}

/* Runs the guest before anything is counted, so that its own pages are mapped afterwards. */
static void warm_up(struct vm *vm)
{
	guest_touches(vm, READ, (uint64_t)-(long)(TEST_GPA / PAGE), 1, 1);
}

/* POPULATE of one page, by the code @how, with interrupts on or off; what it returns. */
static long guest_asks_by(struct vm *vm, uint64_t gpa, enum touch how, bool interrupts)
{
	uint64_t *range = (uint64_t *)(vm->own + OWN_RANGES);
	struct kvm_regs regs = {
		.rip = OWN_CODE + how * sizeof(code[0]), .rflags = interrupts ? 0x202 : 2, .rax = 0x70760009,
		.rbx = OWN_RANGES, .rcx = 1, .rdi = OWN_LAPIC, .rsp = OWN_STACK,
	};

	range[0] = gpa;
	range[1] = 1;
	if (ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS");
	while (ioctl(vm->vcpu, KVM_RUN, 0))
		if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN");
	if (ioctl(vm->vcpu, KVM_GET_REGS, &regs))
		die("KVM_GET_REGS");
	return regs.rax;
}

static long guest_asks(struct vm *vm, uint64_t gpa) { return guest_asks_by(vm, gpa, CALL, false); }

static void vmm_writes(uint8_t *mem, unsigned long pages, unsigned long stride)
{
	unsigned long i;

	for (i = 0; i < pages; i += stride)
		mem[i * PAGE] = 0xaa;
}

static void vmm_reads(const uint8_t *mem, unsigned long pages)
{
	unsigned long i;

	for (i = 0; i < pages; i++)
		*(const volatile uint8_t *)(mem + i * PAGE);
}

/* --- what became of the memory */

/* Pages whose entry in /proc/self/pagemap has @bit: 63, there; 62, swapped out. */
static unsigned long pages_with(const uint8_t *mem, unsigned long pages, int bit)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long i, n = 0;
	uint64_t entry;

	if (fd < 0)
		die("/proc/self/pagemap");
	for (i = 0; i < pages; i++) {
		if (pread(fd, &entry, 8, ((uintptr_t)mem / PAGE + i) * 8) != 8)
			die("read of /proc/self/pagemap");
		n += entry >> bit & 1;
	}
	close(fd);
	return n;
}

static unsigned long resident(const uint8_t *mem, unsigned long pages)
{
	return pages_with(mem, pages, 63);
}

/* A line of /proc/self/smaps for the mapping that begins at @mem, in pages. */
static long smaps(const uint8_t *mem, const char *line)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	char text[200], name[50];
	bool here = false;
	long n = -1, kb;

	while (f && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)mem;
		else if (here && sscanf(text, "%49[^:]: %ld kB", name, &kb) == 2 && !strcmp(name, line))
			n = kb / 4;
	}
	if (n < 0)
		die(line);
	fclose(f);
	return n;
}

/*
 * The guest writes to the page @first, and then to the last pages of the block of 64 that begins there, until @want pages
 * are in memory: the host ends a block early when another task is to run.
 */
static void write_to_block(struct vm *vm, unsigned long first, unsigned long want)
{
	unsigned long i;

	guest_touches(vm, WRITE, first, 1, 1);
	for (i = 0; i < 4 && resident(vm->mem + first / 64 * 64 * PAGE, 64) != want; i++)
		guest_touches(vm, WRITE, first / 64 * 64 + want - 1 - i, 1, 1);
}

static void populate(const char *value) { set_file(parameter, value); }

/* --- the tests */

static void test_parameter(void)
{
	static const char *const bad[] = { "3", "48", "513", "1024", "-2", "4294967298", "nonsense", "present1",
					   "Y", "0x40", "64 64" };
	static const char *const good[] = { "1", "2", "64", "512", "present", "0" };
	char now[20] = "", text[100];
	size_t i;
	FILE *f;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "populate=%s is refused with EINVAL", bad[i]);
		errno = 0;
		check(!write_file(parameter, bad[i]) && errno == EINVAL, text, "errno %d", errno);
	}
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "populate=%s is accepted, and shown", good[i]);
		populate(good[i]);
		f = fopen(parameter, "re");
		if (!f || fscanf(f, "%19s", now) != 1)
			die(parameter);
		fclose(f);
		check(!strcmp(now, good[i]), text, "%s", now);
	}
}

/* Faults of a guest that writes to all of new memory; @shift: bytes by which the slot is off the huge pages. */
static long faults_of_touch(const char *value, unsigned long shift, const char *text)
{
	unsigned long i, wrong = 0;
	struct vm vm;
	uint8_t *mem;
	long n;

	populate(value);
	mem = anonymous(PAGES + 512) + shift;
	vm = new_vm(mem, PAGES, 0);
	warm_up(&vm);
	n = faults();
	guest_touches(&vm, WRITE, 0, PAGES, 1);
	n = faults() - n;
	for (i = 0; i < PAGES; i++)
		wrong += mem[i * PAGE] != 0x55;
	check(!wrong, text, "populate=%s: %ld faults, %lu pages wrong", value, n, wrong);
	end_vm(&vm);
	return n;
}

static void test_touch(void)
{
	long off = faults_of_touch("0", 0, "the guest has written to all pages"), n;
	static const struct { const char *value; long ratio; } forms[] = {
		{ "2", 2 }, { "16", 15 }, { "64", 50 }, { "512", 200 },
	};
	char text[100];
	size_t i;

	check(off >= (long)PAGES && off < (long)PAGES + 20, "off: one fault a page", "%ld for %lu", off, PAGES);
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		n = faults_of_touch(forms[i].value, 0, "the guest has written to all pages");
		snprintf(text, sizeof(text), "populate=%s: faults are 1/%ld of stock's or less", forms[i].value, forms[i].ratio);
		/* The bound leaves room for faults that are taken twice. */
		check(off * 50 >= n * forms[i].ratio * 49, text, "%ld of %ld", n, off);
	}
	n = faults_of_touch("64", 5 * PAGE, "the same where pages of guest and VMM are not aligned alike");
	check(off >= n * 50, "populate=64: nor are there more faults", "%ld of %ld", n, off);
	n = faults_of_touch("present", 0, "the guest has written to all pages");
	check(n == off, "present: new memory is as it was", "%ld of %ld", n, off);
}

/* The VMM has every second page in memory. */
static void test_present(void)
{
	unsigned int try = 0;
	struct vm vm = {};
	uint8_t *mem;
	long n, allocated;

	populate("present");
	/* A block ends early when another task is to run, which costs a fault more. That does not happen each time. */
	do {
		if (try)
			end_vm(&vm);
		mem = anonymous(PAGES);
		vm = new_vm(mem, PAGES, 0);
		warm_up(&vm);
		vmm_writes(mem, PAGES, 2);
		allocated = count("allocated");
		n = faults();
		guest_touches(&vm, WRITE, 0, PAGES / 2, 2);
		n = faults() - n;
	} while (n > (long)PAGES / 2 / 30 && ++try < 3);
	check(n <= (long)PAGES / 2 / 30, "present: what the VMM has takes few faults", "%ld for %lu", n, PAGES / 2);
	check(resident(mem, PAGES) == PAGES / 2 && count("allocated") == allocated,
	      "present: nothing is allocated", "%lu pages of %lu", resident(mem, PAGES), PAGES / 2);
	end_vm(&vm);
}

/* When the guest only reads, nothing is allocated. */
static void test_read(void)
{
	uint8_t *mem = anonymous(PAGES);
	struct vm vm;

	populate("64");
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, READ, 100, 1, 1);
	check(smaps(mem, "Anonymous") == 0, "block: a read allocates nothing", "%ld pages", smaps(mem, "Anonymous"));
	write_to_block(&vm, 100, 64);
	check(resident(mem, PAGES) == 64,
	      "block: a write after a read allocates the block", "%lu pages", resident(mem, PAGES));
	end_vm(&vm);
}

static void arm_writes(uint8_t *mem)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = PAGES * PAGE }, .mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	/* The file stays open until the process ends. */
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd for writes");
}

static void give_all_back(uint8_t *mem) { madvise(mem, PAGES * PAGE, MADV_DONTNEED); }

/* Where the guest has only read, the zero page is mapped. A write there has the same effect as in memory that is new. */
static void test_read_first(void)
{
	static const struct {
		const char *value, *text;
		uint32_t flags;
		void (*prepare)(uint8_t *mem);
		long want;
	} cases[] = {
		{ "64", "read first: a write allocates the block", 0, NULL, 64 },
		{ "present", "present, read first: a write allocates one page", 0, NULL, 1 },
		{ "64", "read first, with dirty logging: one page", KVM_MEM_LOG_DIRTY_PAGES, NULL, 1 },
		{ "64", "read first, given back before: one page", 0, give_all_back, 1 },
		{ "64", "read first, userfaultfd is told of writes: one page", 0, arm_writes, 1 },
	};
	unsigned long i, wrong = 0;
	struct vm vm;
	uint8_t *mem;
	long n, more;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		populate(cases[i].value);
		mem = anonymous(PAGES);
		vm = new_vm(mem, PAGES, cases[i].flags);
		/* From the first write on the host records what is given back. */
		guest_touches(&vm, WRITE, PAGES - 1, 1, 1);
		if (cases[i].prepare)
			cases[i].prepare(mem);
		guest_touches(&vm, READ, 64, 128, 1);
		n = smaps(mem, "Anonymous");
		guest_touches(&vm, WRITE, 100, 1, 1);
		/* As in write_to_block(). */
		for (more = 1; more <= 4 && smaps(mem, "Anonymous") - n < cases[i].want; more++)
			guest_touches(&vm, WRITE, 100 + more, 1, 1);
		check(smaps(mem, "Anonymous") - n == cases[i].want, cases[i].text, "%ld pages",
		      smaps(mem, "Anonymous") - n);
		end_vm(&vm);
	}

	populate("64");
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, READ, 0, PAGES, 1);
	n = faults();
	guest_touches(&vm, WRITE, 0, PAGES, 1);
	n = faults() - n;
	for (i = 0, wrong = 0; i < PAGES; i++)
		wrong += mem[i * PAGE] != 0x55 || mem[i * PAGE + 1];
	check(!wrong && smaps(mem, "Anonymous") == (long)PAGES, "all is read, then written to: the guest has written to all pages",
	      "%lu pages wrong", wrong);
	/* To replace the zero page takes two faults, the first of which unmaps it. */
	check(n <= 2 * (long)PAGES / 50, "in a 50th of the faults, or less", "%ld for %lu", n, PAGES);
	end_vm(&vm);

	populate("1");
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, READ, 0, 64, 1);
	n = guest_asks(&vm, TEST_GPA + 5 * PAGE);
	check(n == 1 && smaps(mem, "Anonymous") == 1, "the guest asks for a page that it has read: it is mapped", "%ld, %ld pages",
	      n, smaps(mem, "Anonymous"));
	end_vm(&vm);
}

/* What is given back stays away: blocks that were there, parts of them, and what was never there. */
static void test_given_back(void)
{
	uint8_t *mem = anonymous(PAGES);
	long free, mapped;
	struct vm vm;

	populate("64");
	vm = new_vm(mem, PAGES, 0);
	write_to_block(&vm, 0, 64);
	check(resident(mem, PAGES) == 64,
	      "block: one page touched, the block is there", "%lu pages", resident(mem, PAGES));
	madvise(mem, 64 * PAGE, MADV_DONTNEED);
	guest_touches(&vm, WRITE, 3, 1, 1);
	check(resident(mem, PAGES) == 1, "block: given back, one page touched, only that one comes", "%lu pages",
	      resident(mem, PAGES));

	madvise(mem + 128 * PAGE, PAGE, MADV_DONTNEED);
	guest_touches(&vm, WRITE, 129, 1, 1);
	check(resident(mem + 128 * PAGE, 64) == 1, "block: a page was given back before it was ever there", "%lu pages",
	      resident(mem + 128 * PAGE, 64));

	write_to_block(&vm, 640, 64);
	madvise(mem + 650 * PAGE, 20 * PAGE, MADV_DONTNEED);
	guest_touches(&vm, WRITE, 655, 1, 1);
	check(resident(mem + 640 * PAGE, 64) == 45, "block: a part of a block was given back", "%lu pages",
	      resident(mem + 640 * PAGE, 64));

	write_to_block(&vm, 1024, 64);
	check(resident(mem + 1024 * PAGE, 64) == 64, "block: another block, from which nothing was, is allocated",
	      "%lu pages", resident(mem + 1024 * PAGE, 64));
	end_vm(&vm);

	/* MADV_FREE leaves the pages until memory is short; writing to one keeps it. */
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	warm_up(&vm);
	vmm_writes(mem, PAGES, 1);
	madvise(mem, PAGES * PAGE, MADV_FREE);
	/* Reading does not keep them. */
	vmm_reads(mem, PAGES);
	free = smaps(mem, "LazyFree");
	mapped = count("mapped");
	guest_touches(&vm, WRITE, 70, 1, 1);
	check(free > (long)PAGES / 2 && smaps(mem, "LazyFree") >= free - 1, "block: pages of MADV_FREE stay free",
	      "%ld, then %ld", free, smaps(mem, "LazyFree"));
	check(count("mapped") == mapped, "and are not mapped ahead, which would make them dirty", "%ld",
	      count("mapped") - mapped);
	end_vm(&vm);
}

/* Of VMs that are older than the parameter it is not known what they have given back. */
static void test_late(void)
{
	uint8_t *mem = anonymous(PAGES);
	long mapped, allocated;
	struct vm vm;

	populate("0");
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, WRITE, 0, 1, 1);
	populate("64");
	allocated = count("allocated");
	guest_touches(&vm, WRITE, 64, 1, 1);
	check(count("allocated") == allocated && resident(mem, PAGES) == 2,
	      "a VM that was there before: no block is allocated", "%lu pages", resident(mem, PAGES));
	vmm_writes(mem, PAGES, 1);
	mapped = count("mapped");
	/* After a look that found nothing, the next fault is not followed. */
	guest_touches(&vm, WRITE, 200, 4, 200);
	check(count("mapped") > mapped, "but what is there is mapped", "%ld", count("mapped") - mapped);
	end_vm(&vm);

	mem = anonymous(PAGES);
	populate("64");
	vm = new_vm(mem, PAGES, 0);
	populate("0");
	guest_touches(&vm, WRITE, 0, 1, 1);
	populate("64");
	guest_touches(&vm, WRITE, 64, 1, 1);
	check(resident(mem, PAGES) == 2, "a VM that ran while it was off: no block is allocated", "%lu pages",
	      resident(mem, PAGES));
	end_vm(&vm);
}

/* The number of dirty pages, and in @bitmap which of PAGES they are. */
static unsigned long dirty_pages(struct vm *vm, uint8_t *bitmap)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	unsigned long i, n = 0;

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		die("KVM_GET_DIRTY_LOG");
	for (i = 0; i < PAGES; i++)
		n += bitmap[i / 8] >> i % 8 & 1;
	return n;
}

static void test_dirty(void)
{
	static const char *const values[] = { "present", "64" };
	uint8_t bitmap[PAGES / 8];
	unsigned long v, n;
	char text[100];
	long followed;
	struct vm vm;
	uint8_t *mem;

	for (v = 0; v < 2; v++) {
		populate(values[v]);
		mem = anonymous(PAGES);
		vm = new_vm(mem, PAGES, KVM_MEM_LOG_DIRTY_PAGES);
		vmm_writes(mem, PAGES / 2, 1);
		guest_touches(&vm, WRITE, 5, 1, 1);
		guest_touches(&vm, WRITE, PAGES - 1, 1, 1);
		n = dirty_pages(&vm, bitmap);
		snprintf(text, sizeof(text), "%s: of a slot with dirty logging two pages are dirty", values[v]);
		check(n == 2 && bitmap[0] == 1 << 5, text, "%lu", n);
		check(resident(mem, PAGES) == PAGES / 2 + 1, "and nothing was allocated", "%lu pages", resident(mem, PAGES));
		/* The dirty log is switched on for a slot whose pages were mapped ahead. */
		set_slot(&vm, 1, TEST_GPA, mem, PAGES * PAGE, 0);
		guest_touches(&vm, WRITE, 0, 1, 1);
		set_slot(&vm, 1, TEST_GPA, mem, PAGES * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
		guest_touches(&vm, WRITE, 8, 16, 1);
		n = dirty_pages(&vm, bitmap);
		check(n == 16 && !bitmap[0] && bitmap[1] == 0xff && bitmap[2] == 0xff,
		      "logged from now on: what is written to is dirty, and nothing else", "%lu", n);
		end_vm(&vm);
	}

	/* All pages are in memory and mapped, but KVM has write-protected them. */
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, WRITE, 0, PAGES, 1);
	set_slot(&vm, 1, TEST_GPA, mem, PAGES * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
	set_slot(&vm, 1, TEST_GPA, mem, PAGES * PAGE, 0);
	n = faults();
	followed = count("faults");
	guest_touches(&vm, WRITE, 0, PAGES, 1);
	followed = count("faults") - followed;
	n = faults() - n;
	check(n >= PAGES / 2 && !followed, "no longer logged: a write to a page that is only protected is not followed",
	      "%ld of %lu faults", followed, n);
	end_vm(&vm);
}

static volatile long asked;

static void *serve(void *argument)
{
	int fd = *(int *)argument;
	struct uffd_msg message;

	while (read(fd, &message, sizeof(message)) == sizeof(message)) {
		struct uffdio_zeropage zero = {
			.range = { .start = message.arg.pagefault.address & -PAGE, .len = PAGE },
		};

		asked++;
		ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

static void test_userfaultfd(void)
{
	static const char *const values[] = { "present", "64" };
	uint8_t *source = anonymous(64), *mem;
	unsigned long v;
	pthread_t thread;
	char text[100];
	struct vm vm;
	long mapped;
	int fd;

	for (v = 0; v < 2; v++) {
		mem = anonymous(PAGES);
		/* What it can is put into it: asked for again, it would do that, SIGBUS for one. */
		struct uffdio_api api = { .api = UFFD_API };
		struct uffdio_register reg = {
			.range = { .start = (uintptr_t)mem, .len = PAGES * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
		};
		struct uffdio_copy copy = {
			.src = (uintptr_t)source, .dst = (uintptr_t)mem + 192 * PAGE, .len = 64 * PAGE,
		};

		fd = syscall(SYS_userfaultfd, O_CLOEXEC);
		if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
			die("userfaultfd");
		populate(values[v]);
		vm = new_vm(mem, PAGES, 0);
		asked = 0;
		pthread_create(&thread, NULL, serve, &fd);
		guest_touches(&vm, WRITE, 0, 10, 7);
		snprintf(text, sizeof(text), "%s: of memory with userfaultfd is asked for what the guest touches", values[v]);
		check(asked == 10 && resident(mem, PAGES) == 10, text, "%ld asked for, %lu pages", asked,
		      resident(mem, PAGES));
		/* Some of the pages have come already. */
		if (ioctl(fd, UFFDIO_COPY, &copy))
			die("UFFDIO_COPY");
		mapped = count("mapped");
		guest_touches(&vm, WRITE, 200, 1, 1);
		check(count("mapped") == mapped, "and what has come is mapped as the guest touches it", "%ld",
		      count("mapped") - mapped);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		close(fd);
		end_vm(&vm);
	}
}

static void test_readonly(void)
{
	uint8_t *mem = anonymous(PAGES);
	struct vm vm;
	long n;

	populate("64");
	vmm_writes(mem, PAGES, 1);
	vm = new_vm(mem, PAGES, KVM_MEM_READONLY);
	warm_up(&vm);
	n = count("mapped");
	guest_touches(&vm, READ, 5, 1, 1);
	check(count("mapped") == n, "a read-only slot: nothing is mapped ahead", "%ld", count("mapped") - n);
	n = faults();
	check(guest_touches(&vm, WRITE, 5, 1, 1) == KVM_EXIT_MMIO && mem[5 * PAGE] == 0xaa,
	      "and the VMM is told of a write", "exit %u", vm.run->exit_reason);
	end_vm(&vm);

	/* The block goes beyond what the VMM may write to. Before there is a VM: to split a mapping takes pages away, too. */
	mem = anonymous(PAGES);
	mprotect(mem + 32 * PAGE, (PAGES - 32) * PAGE, PROT_READ);
	vm = new_vm(mem, PAGES, 0);
	warm_up(&vm);
	write_to_block(&vm, 20, 32);
	check(resident(mem, PAGES) == 32, "block: the part that the VMM may write to", "%lu pages", resident(mem, PAGES));
	end_vm(&vm);
}

/* Nothing is copied that the guest does not write to. */
static void test_cow(void)
{
	int fd = open("/tmp/cow", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct vm vm;
	uint8_t *mem;
	long n;

	if (fd < 0 || ftruncate(fd, PAGES * PAGE))
		die("/tmp/cow");
	mem = map(NULL, PAGES * PAGE, MAP_SHARED, fd);
	vmm_writes(mem, PAGES, 1);
	munmap(mem, PAGES * PAGE);
	mem = new_memory(PAGES * PAGE, MAP_PRIVATE, fd);
	populate("64");
	vm = new_vm(mem, PAGES, 0);
	warm_up(&vm);
	vmm_reads(mem, PAGES);
	n = faults();
	guest_touches(&vm, READ, 0, PAGES, 1);
	n = faults() - n;
	check(n <= (long)PAGES / 50, "block: a file's pages that the VMM has take few faults", "%ld for %lu", n, PAGES);
	guest_touches(&vm, WRITE, 70, 1, 1);
	check(smaps(mem, "Anonymous") == 1, "of a private mapping one page was copied", "%ld", smaps(mem, "Anonymous"));
	end_vm(&vm);
	close(fd);
	unlink("/tmp/cow");
}

static void test_shared(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	struct stat st;
	struct vm vm;

	if (fd < 0 || ftruncate(fd, PAGES * PAGE))
		die("memfd_create");
	populate("64");
	vm = new_vm(new_memory(PAGES * PAGE, MAP_SHARED, fd), PAGES, 0);
	guest_touches(&vm, WRITE, 70, 1, 1);
	fstat(fd, &st);
	check(st.st_blocks * 512 == PAGE, "block: of shared memory nothing is allocated ahead", "%ld bytes",
	      (long)st.st_blocks * 512);
	end_vm(&vm);
	close(fd);
}

/* A page that nobody has accessed for a while is idle, and must stay so when it is mapped ahead. */
static void test_idle(void)
{
	static const char *const values[] = { "present", "64" };
	uint8_t *mem;
	struct vm vm;
	unsigned long v;
	char text[100];
	long mapped;

	for (v = 0; v < 2; v++) {
		populate(values[v]);
		mem = anonymous(PAGES);
		vm = new_vm(mem, PAGES, 0);
		warm_up(&vm);
		vmm_writes(mem, PAGES, 1);
		set_file("/proc/self/clear_refs", "1");
		mapped = count("mapped");
		guest_touches(&vm, READ, 70, 4, 100);
		snprintf(text, sizeof(text), "%s: idle pages stay idle", values[v]);
		check(smaps(mem, "Referenced") <= 4, text, "%ld", smaps(mem, "Referenced"));
		check(count("mapped") == mapped, "and are not mapped ahead", "%ld", count("mapped") - mapped);
		end_vm(&vm);
	}
}

static void test_huge(void)
{
	static const char *const values[] = { "0", "64" };
	unsigned long v;
	struct vm vm;
	uint8_t *mem;
	long n[2];

	for (v = 0; v < 2; v++) {
		populate(values[v]);
		mem = anonymous(PAGES);
		if (madvise(mem, PAGES * PAGE, MADV_HUGEPAGE))
			die("MADV_HUGEPAGE");
		vm = new_vm(mem, PAGES, 0);
		warm_up(&vm);
		n[v] = faults();
		guest_touches(&vm, WRITE, 0, PAGES, 1);
		n[v] = faults() - n[v];
		check(smaps(mem, "AnonHugePages") == (long)PAGES, "huge pages are huge pages", "populate=%s: %ld", values[v],
		      smaps(mem, "AnonHugePages"));
		end_vm(&vm);
	}
	check(n[0] == n[1] && n[0] <= 8, "and are mapped as such", "%ld faults, off %ld", n[1], n[0]);
}

/* This needs the files of KSM in /sys. */
static void test_ksm(void)
{
	uint8_t *mem = anonymous(PAGES);
	long shared, mapped;
	struct vm vm;
	int i;

	populate("64");
	vm = new_vm(mem, PAGES, 0);
	warm_up(&vm);
	vmm_writes(mem, PAGES, 1);
	madvise(mem, PAGES * PAGE, MADV_MERGEABLE);
	set_file(KSM "pages_to_scan", "5000");
	set_file(KSM "sleep_millisecs", "10");
	set_file(KSM "run", "1");
	for (i = 0; i < 300 && read_number(KSM "pages_sharing") < (long)PAGES - 10; i++)
		usleep(10000);
	set_file(KSM "run", "0");
	shared = read_number(KSM "pages_sharing");
	check(shared > (long)PAGES / 2, "KSM has merged pages", "%ld of %lu", shared, PAGES);
	mapped = count("mapped");
	guest_touches(&vm, READ, 0, PAGES, 1);
	check(count("mapped") - mapped > (long)PAGES / 2, "merged pages are mapped ahead", "%ld", count("mapped") - mapped);
	check(read_number(KSM "pages_sharing") == shared, "and stay merged", "%ld of %ld", read_number(KSM "pages_sharing"),
	      shared);
	guest_touches(&vm, WRITE, 70, 1, 1);
	check(read_number(KSM "pages_sharing") >= shared - 1, "a write takes one of them away", "%ld of %ld",
	      read_number(KSM "pages_sharing"), shared);
	end_vm(&vm);

	/* KSM may put the zero page in place of pages that are all zeros. */
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	guest_touches(&vm, WRITE, PAGES - 1, 1, 1);
	memset(mem, 0, PAGES * PAGE);
	madvise(mem, PAGES * PAGE, MADV_MERGEABLE);
	set_file(KSM "use_zero_pages", "1");
	set_file(KSM "run", "1");
	for (i = 0; i < 300 && smaps(mem, "Anonymous") > 10; i++)
		usleep(10000);
	set_file(KSM "run", "0");
	set_file(KSM "use_zero_pages", "0");
	shared = smaps(mem, "Anonymous");
	guest_touches(&vm, READ, 64, 64, 1);
	guest_touches(&vm, WRITE, 70, 1, 1);
	check(shared < 11 && smaps(mem, "Anonymous") <= shared + 1, "of zero pages that are KSM's a write takes one away",
	      "%ld pages, then %ld", shared, smaps(mem, "Anonymous"));
	end_vm(&vm);
}

/* This needs a swap device. */
static void test_swap(void)
{
	static const char *const values[] = { "present", "64" };
	unsigned long v, out;
	struct vm vm;
	char text[100];
	uint8_t *mem;

	for (v = 0; v < 2; v++) {
		populate(values[v]);
		mem = anonymous(PAGES);
		vmm_writes(mem, PAGES, 1);
		/* The pages go before there is a VM: later they would count as given back. */
		madvise(mem, PAGES * PAGE, MADV_PAGEOUT);
		out = pages_with(mem, PAGES, 62);
		vm = new_vm(mem, PAGES, 0);
		warm_up(&vm);
		snprintf(text, sizeof(text), "%s: one page is written to, one swapped in", values[v]);
		guest_touches(&vm, WRITE, 70, 1, 1);
		check(out > PAGES / 2 && pages_with(mem, PAGES, 62) >= out - 1, text, "%lu of %lu are out",
		      pages_with(mem, PAGES, 62), out);
		end_vm(&vm);
	}
}

/* Needs CGROUP, and runs in a child, since it may be killed. @limit is memory.max or memory.high, of which 4 MiB are left. */
static void touch_at_limit(const char *limit, bool tight)
{
	unsigned long pages = 16 * 512;
	char path[100], text[100];
	struct vm vm;
	uint8_t *mem;
	long out;

	populate("512");
	snprintf(path, sizeof(path), CGROUP "%s", limit);
	set_file(path, "max");
	mem = anonymous(pages);
	vm = new_vm(mem, pages, 0);
	/* A second address space with the same memory, as QEMU makes for SMM: the memory must count once. */
	if (!tight)
		set_slot(&vm, 1 << 16 | 1, TEST_GPA, mem, pages * PAGE, 0);
	warm_up(&vm);
	snprintf(text, sizeof(text), "%ld", read_number(CGROUP "memory.current") + (tight ? 4 : 56) * (long)MB);
	set_file(path, text);
	out = count("short");
	guest_touches(&vm, WRITE, 0, 16, 512);
	snprintf(text, sizeof(text), "4 MiB below %s: nothing is allocated ahead, which is counted", limit);
	if (tight)
		/* A fault is not counted if another task is to run at its end. */
		check(resident(mem, pages) == 16 && count("short") - out >= 12, text, "%lu pages, %ld times",
		      resident(mem, pages), count("short") - out);
	else
		check(resident(mem, pages) > pages / 2, "with enough below the limit, and SMM, the blocks are", "%lu pages",
		      resident(mem, pages));
	end_vm(&vm);
	set_file(path, "max");
}

static long event(const char *name)
{
	FILE *f = fopen(CGROUP "memory.events", "re");
	char word[50];
	long n;

	while (f && fscanf(f, "%49s %ld", word, &n) == 2)
		if (!strcmp(word, name)) {
			fclose(f);
			return n;
		}
	die("memory.events");
	return 0;
}

static void test_cgroup(void)
{
	static const struct { const char *limit; bool tight; } cases[] = {
		{ "memory.max", true }, { "memory.high", true }, { "memory.max", false },
	};
	char text[100];
	int status;
	size_t i;
	pid_t p;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fflush(stdout);
		p = fork();
		if (!p) {
			snprintf(text, sizeof(text), "%d", getpid());
			set_file(CGROUP "cgroup.procs", text);
			touch_at_limit(cases[i].limit, cases[i].tight);
			exit(0);
		}
		waitpid(p, &status, 0);
		set_file(CGROUP "memory.max", "max");
		check(!status, "the VMM goes on", "status %#x", status);
	}
	check(!event("max") && !event("high") && !event("oom"), "nothing was reclaimed or killed for it",
	      "max %ld, high %ld, oom %ld", event("max"), event("high"), event("oom"));
}

static void on_alarm(int number) { (void)number; }

/* Another thread pulls the memory away while the guest touches it, and signals come all the time. */
static void *pull(void *argument)
{
	struct vm *vm = argument;
	unsigned int seed = 1;

	for (;;) {
		pthread_testcancel();
		madvise(vm->mem + rand_r(&seed) % (PAGES - 128) * PAGE, (1 + rand_r(&seed) % 128) * PAGE, MADV_DONTNEED);
		usleep(100);
	}
	return NULL;
}

/* A record of what was given back is bounded, whatever slots there are: then no block is allocated any more. */
static void check_lost(struct vm *vm, const char *text)
{
	guest_touches(vm, WRITE, 1024, 4, 1);
	check(resident(vm->mem + 1024 * PAGE, 64) == 4, text, "%lu pages of a block",
	      resident(vm->mem + 1024 * PAGE, 64));
}

static void test_bounds(void)
{
	const size_t step = 128 * MB, size = 300 * step;
	uint8_t *far = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *mem;
	struct vm vm;
	int i;

	if (far == MAP_FAILED)
		die("mmap");
	populate("64");
	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	write_to_block(&vm, 512, 64);
	check(resident(mem + 512 * PAGE, 64) == 64, "a block is allocated", "%lu pages", resident(mem + 512 * PAGE, 64));
	for (i = 0; i < 300; i++) {
		set_slot(&vm, 2, 1024 * MB, far + i * step, PAGE, 0);
		madvise(far + i * step, PAGE, MADV_DONTNEED);
		set_slot(&vm, 2, 1024 * MB, far + i * step, 0, 0);
	}
	check_lost(&vm, "a slot that moves through 37 GiB, each time a page is given back: no blocks any more");
	end_vm(&vm);

	mem = anonymous(PAGES);
	vm = new_vm(mem, PAGES, 0);
	write_to_block(&vm, 512, 64);
	for (i = 0; i < 20; i++)
		set_slot(&vm, 2 + i, (1 + i) * 1024 * MB, far, 1024 * MB, 0);
	madvise(far, 1024 * MB, MADV_DONTNEED);
	/* With these slots the guest could have more memory than the machine has. */
	for (i = 0; i < 20; i++)
		set_slot(&vm, 2 + i, (1 + i) * 1024 * MB, far, 0, 0);
	check_lost(&vm, "1 GiB is given back that is in 20 slots: no blocks any more");
	end_vm(&vm);
	munmap(far, size);
}

/* A vCPU of 36 bits cannot have what is in a slot at 2^37. */
static void test_far(void)
{
	uint8_t *mem = anonymous(PAGES), *far = anonymous(64);
	struct kvm_cpuid_entry2 *entry;
	struct vm vm;
	uint32_t i, eax = 0;
	long r;

	for (i = 0; i < cpuid.head.nent && cpuid.entry[i].function != 0x80000008; i++)
		;
	if (i == cpuid.head.nent)
		die("CPUID 0x80000008");
	entry = &cpuid.entry[i];
	eax = entry->eax;
	entry->eax = (eax & ~0xffu) | 36;
	populate("1");
	vm = new_vm(mem, PAGES, 0);
	entry->eax = eax;
	set_slot(&vm, 2, 1UL << 37, far, 64 * PAGE, 0);
	warm_up(&vm);
	r = guest_asks(&vm, TEST_GPA + 5 * PAGE);
	check(r == 1 && resident(mem, PAGES) == 1, "a page that the guest asks for is mapped", "%ld", r);
	r = guest_asks(&vm, 1UL << 37);
	check(r == -14 && !resident(far, 64), "one beyond what its vCPU can address is not", "%ld, %lu pages", r,
	      resident(far, 64));
	end_vm(&vm);
	munmap(far, 64 * PAGE);
}

#define VECTOR		0x40

/* It is on, and interrupts below that priority wait. */
static void set_lapic(struct vm *vm, uint8_t priority)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic))
		die("KVM_GET_LAPIC");
	lapic.regs[0x80] = (char)priority;
	lapic.regs[0xf1] |= 1;
	if (ioctl(vm->vcpu, KVM_SET_LAPIC, &lapic))
		die("KVM_SET_LAPIC");
}

static bool is_in_service(struct vm *vm)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic))
		die("KVM_GET_LAPIC");
	return lapic.regs[0x100 + VECTOR / 32 * 16] & 1;
}

static void interrupt(struct vm *vm)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) != 1)
		die("KVM_SIGNAL_MSI");
}

/* The handler of VECTOR is the code DONE. */
static void set_handler(struct vm *vm)
{
	uint64_t handler = OWN_CODE + DONE * sizeof(code[0]);
	struct kvm_sregs s;

	*(uint64_t *)(vm->own + OWN_IDT + VECTOR * 16) = (handler & 0xffff) | 8 << 16 | 0x8eULL << 40 | handler >> 16 << 48;
	*(uint64_t *)(vm->own + OWN_GDT + 8) = 0x00af9b000000ffff;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.idt.base = OWN_IDT;
	s.idt.limit = s.gdt.limit = PAGE - 1;
	s.gdt.base = OWN_GDT;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &s))
		die("KVM_SET_SREGS");
}

/*
 * The guest is done with an interrupt by a write to memory (PV EOI), and asks: KVM learns of the write at the exit of the
 * call. Then, with interrupts off, it lowers its priority by a write to memory (KVM_SET_VAPIC_ADDR), and asks: of the
 * interrupt that waits for that KVM learns at the exit of the call, too.
 */
static void test_interrupt(void)
{
	static const struct { uint32_t n, pad; struct kvm_msr_entry pv_eoi; } msrs = {
		1, 0, { .index = 0x4b564d04, .data = OWN_LAPIC | 1 },
	};
	struct kvm_vapic_addr vapic = { OWN_LAPIC };
	uint8_t *mem = anonymous(PAGES);
	struct vm vm;
	bool done;
	long r;

	populate("1");
	vm = new_vm_with(mem, PAGES, 0, true);
	set_handler(&vm);
	set_lapic(&vm, 0);
	/* Each exit turns PV EOI off for the interrupt; what the handler touches is there by now. */
	r = guest_asks_by(&vm, TEST_GPA, DONE, false);
	check(r == 1, "a page that the guest asks for is mapped", "%ld", r);

	if (ioctl(vm.vcpu, KVM_SET_MSRS, &msrs) != 1)
		die("KVM_SET_MSRS");
	interrupt(&vm);
	r = guest_asks_by(&vm, TEST_GPA + PAGE, WAIT, true);
	done = !is_in_service(&vm);
	check(r == 1 && done, "so is one in a call from whose exit KVM learns that it is done with an interrupt", "%ld, %s", r,
	      done ? "done" : "in service");

	set_lapic(&vm, 0xf0);
	if (ioctl(vm.vcpu, KVM_SET_VAPIC_ADDR, &vapic))
		die("KVM_SET_VAPIC_ADDR");
	interrupt(&vm);
	r = guest_asks_by(&vm, TEST_GPA + 2 * PAGE, DONE, false);
	check(r == 0 && !resident(mem + 2 * PAGE, 1), "one is not in a call from whose exit KVM has an interrupt for it", "%ld, %lu pages",
	      r, resident(mem + 2 * PAGE, 1));
	end_vm(&vm);
}

static void test_races(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, off = {};
	static const char *const values[] = { "512", "present", "64" };
	uint8_t *mem = anonymous(PAGES);
	pthread_t thread;
	struct vm vm;
	int i;

	populate("512");
	vm = new_vm(mem, PAGES, 0);
	sigaction(SIGALRM, &sa, NULL);
	pthread_create(&thread, NULL, pull, &vm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 12; i++) {
		populate(values[i % 3]);
		guest_touches(&vm, i & 1 ? READ : WRITE, 0, PAGES, 1);
		if (i == 5) {
			/* The slot is taken away, and comes back. */
			set_slot(&vm, 1, TEST_GPA, mem, 0, 0);
			set_slot(&vm, 1, TEST_GPA, mem, PAGES * PAGE, 0);
		}
	}
	setitimer(ITIMER_REAL, &off, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	check(vm.run->exit_reason == KVM_EXIT_HLT, "the guest goes on while memory is taken away, amid signals", "exit %u",
	      vm.run->exit_reason);
	end_vm(&vm);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "parameter", test_parameter }, { "touch", test_touch }, { "present", test_present }, { "read", test_read },
	{ "read_first", test_read_first },
	{ "given_back", test_given_back }, { "late", test_late }, { "dirty", test_dirty },
	{ "userfaultfd", test_userfaultfd }, { "readonly", test_readonly }, { "cow", test_cow },
	{ "shared", test_shared }, { "idle", test_idle }, { "huge", test_huge }, { "ksm", test_ksm },
	{ "swap", test_swap }, { "cgroup", test_cgroup }, { "bounds", test_bounds }, { "far", test_far },
	{ "interrupt", test_interrupt }, { "races", test_races },
};

int main(int argc, char **argv)
{
	size_t i;
	int a;

	parameter = "/sys/module/kvm_intel/parameters/populate";
	if (access(parameter, W_OK)) {
		parameter = "/sys/module/kvm_amd/parameters/populate";
		code[CALL][2] = code[DONE][8] = 0xd9;
	}
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		die("/dev/kvm");
	run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	cpuid.head.nent = 256;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid))
		die("KVM_GET_SUPPORTED_CPUID");
	for (a = 1; a < argc; a++) {
		for (i = 0; i < sizeof(tests) / sizeof(*tests); i++)
			if (!strcmp(tests[i].name, argv[a]))
				break;
		if (i == sizeof(tests) / sizeof(*tests)) {
			fprintf(stderr, "populate: no test '%s'\n", argv[a]);
			return 1;
		}
		printf("note: populate %s\n", argv[a]);
		tests[i].run();
		populate("0");
	}
	return 0;
}
