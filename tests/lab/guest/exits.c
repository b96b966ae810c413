// SPDX-License-Identifier: GPL-2.0
/*
 * One kind of exit, again and again: what it costs the host. The least of all
 * times is one that no clock interrupted, and the same in each run. A hundredth
 * of them is left out: a few switches of Linux 6.12 have less to do in the
 * guest, which has nothing to do with the exit.
 *
 * cpuid: handled in KVM. pio: port 0x61, KVM's i8254. uio: port 0x80, which only
 * the VMM knows: KVM_RUN returns. vmcall: a hypercall that nobody has. switch: to
 * another process and back. fault: a page is dropped, and touched again.
 *
 * usage: exits cpuid|pio|uio|vmcall|switch|fault TIMES
 */
#include "common.h"
#include "mark.h"

#include <cpuid.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

/* The number of a hypercall that no hypervisor has. */
#define NO_CALL 0x7fff

#define OTHERS	4

static int to_child[2], to_parent[2];
static volatile char *page;
static int amd;

static void do_cpuid(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
}

static void do_pio(void)
{
	inb(0x61);
}

static void do_uio(void)
{
	outb(0, 0x80);
}

static void do_vmcall(void)
{
	long ret = NO_CALL;

	if (amd)
		asm volatile("vmmcall" : "+a" (ret) : : "memory");
	else
		asm volatile("vmcall" : "+a" (ret) : : "memory");
}

static void pass(int from, int to)
{
	char c = 0;

	if (write(to, &c, 1) != 1 || (from >= 0 && read(from, &c, 1) != 1))
		die("exits: pipe");
}

static void do_switch(void)
{
	pass(to_parent[0], to_child[1]);
}

/*
 * An INVLPG is one for each root that KVM keeps, three and the current one. So that these are
 * always as many, others have run not long before.
 */
static void do_fault(void)
{
	static unsigned int times;

	if (times++ % 64 == 0)
		for (int i = 0; i < OTHERS; i++)
			do_switch();
	if (madvise((void *)page, 4096, MADV_DONTNEED))
		die("exits: madvise");
	*page = 1;
}

static const struct {
	const char *name;
	void (*op)(void);
} kinds[] = {
	{ "cpuid", do_cpuid }, { "pio", do_pio }, { "uio", do_uio },
	{ "vmcall", do_vmcall }, { "switch", do_switch }, { "fault", do_fault },
};

/* Processes that answer, each in its turn, until this one ends. */
static void start(int children)
{
	char c;

	if (pipe(to_child) || pipe(to_parent))
		die("exits: pipe");
	while (children--) {
		switch (fork()) {
		case -1:
			die("exits: fork");
			break;
		case 0:
			close(to_child[1]);
			while (read(to_child[0], &c, 1) == 1)
				pass(-1, to_parent[1]);
			_exit(0);
		}
	}
}

static void prepare(const char *kind)
{
	unsigned int max, b, c, d;

	__cpuid(0, max, b, c, d);
	amd = b == signature_AMD_ebx;
	if (ioperm(0x61, 1, 1) || ioperm(0x80, 1, 1))
		die("exits: ioperm");
	/* Where no other process has anything mapped: how far KVM walks in its root is always the same. */
	page = mmap((void *)(32ul << 39), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		die("exits: mmap");
	start(!strcmp(kind, "fault") ? OTHERS : 1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	long times = argc == 3 ? atol(argv[2]) : 0;
	uint64_t *all, then;
	unsigned int i;

	for (i = 0; argc == 3 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(argv[1], kinds[i].name))
			break;
	if (times <= 0 || i == sizeof(kinds) / sizeof(*kinds)) {
		fprintf(stderr, "usage: exits cpuid|pio|uio|vmcall|switch|fault TIMES\n");
		return 1;
	}
	all = malloc(times * sizeof(*all));
	if (!all)
		die("exits: malloc");
	prepare(argv[1]);
	/* No faults between the marks. */
	memset(all, 0xff, times * sizeof(*all));
	mark_begin(argv[1]);
	for (long n = 0; n < times; n++) {
		then = __rdtsc();
		kinds[i].op();
		all[n] = __rdtsc() - then;
	}
	mark_end(argv[1], (uint64_t)times);
	qsort(all, times, sizeof(*all), compare);
	printf("G: least %lu\n", all[times / 100]);
	return 0;
}
