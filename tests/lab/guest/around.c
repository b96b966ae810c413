// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages of anonymous memory a process has after it has touched some, page by page (mincore()), and what is
 * in them: those that a kernel with kvm_paravirt=fault maps before they are touched, and no others.
 *
 * usage: around on|off NAME...    the option is; names of kinds, below
 */
#include "common.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096ul
#define PAGES	32			/* of the area */
/* The first of a page table, so that pages are numbered as their entries are. */
#define AREA	0x100000000000ul
#define SECRET	0x5ec4e75ec4e75ec4ul

static bool on;
static const char *kind;

static volatile uint64_t *page(unsigned int nr)
{
	return (volatile uint64_t *)(AREA + nr * PAGE);
}

static void fail(const char *what, unsigned int nr)
{
	printf("G: FAIL around: %s: %s, page %u\n", kind, what, nr);
	fflush(stdout);
	_exit(1);
}

static void map(unsigned int first, unsigned int pages, int prot)
{
	if (mmap((void *)page(first), pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("around: mmap");
}

static void area(void)
{
	map(0, PAGES, PROT_READ | PROT_WRITE);
}

static void touch(unsigned int nr)
{
	*page(nr) = SECRET + nr;
}

/*
 * Of the area's pages @wanted is there, bit by bit: with the option on @around as well, which was not touched.
 * Those touched have their values, the others zeroes.
 */
static void expect(uint32_t touched, uint32_t around)
{
	uint32_t wanted = on ? touched | around : touched;
	unsigned char there[PAGES];
	unsigned int nr, i;

	if (mincore((void *)AREA, PAGES * PAGE, there))
		die("around: mincore");
	for (nr = 0; nr < PAGES; nr++)
		if ((there[nr] & 1) != (wanted >> nr & 1))
			fail(there[nr] & 1 ? "is there" : "is not there", nr);
	for (nr = 0; nr < PAGES; nr++) {
		if (!(wanted >> nr & 1))
			continue;
		if (*page(nr) != (touched >> nr & 1 ? SECRET + nr : 0))
			fail("another value", nr);
		for (i = 1; i < PAGE / 8; i++)
			if (page(nr)[i])
				fail("something behind the value", nr);
	}
}

static void upwards(void)
{
	area();
	touch(0);
	expect(0x1, 0);
	touch(1);
	expect(0x3, 0xfc);
	touch(2);
	expect(0x7, 0xf8);
	touch(3), touch(4), touch(5), touch(6), touch(7);
	expect(0xff, 0);
	touch(8);
	expect(0x1ff, 0xfe00);
	/* Amid a VMA and a group: the rest of it, after three */
	touch(19);
	expect(0x801ff, 0xfe00);
	touch(20);
	expect(0x1801ff, 0xfe00);
	touch(21);
	expect(0x3801ff, 0xc0fe00);
}

static void gaps(void)
{
	uint32_t touched = 0;
	unsigned int nr;

	area();
	for (nr = 0; nr < PAGES; nr += 2) {
		touch(nr);
		touched |= 1u << nr;
		expect(touched, 0);
	}
	area();
	touched = 0;
	for (nr = PAGES; nr--;) {
		touch(nr);
		touched |= 1u << nr;
		expect(touched, 0);
	}
}

static void reads(void)
{
	unsigned char there[PAGES];
	unsigned int nr;

	area();
	/* A read maps the zero page at each of them. */
	for (nr = 0; nr < 4; nr++)
		if (*page(nr))
			fail("not zero", nr);
	if (mincore((void *)AREA, PAGES * PAGE, there))
		die("around: mincore");
	for (nr = 0; nr < PAGES; nr++)
		if ((there[nr] & 1) != (nr < 4))
			fail("read, or not", nr);
}

/* A VMA that ends within the group, and what is behind it: nothing, a mapping that may not be touched, one that may */
static void ends(void)
{
	static const int prot[] = { -1, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE | PROT_EXEC };
	unsigned char there[PAGES];
	unsigned int i, nr;

	for (i = 0; i < sizeof(prot) / sizeof(prot[0]); i++) {
		area();
		if (prot[i] < 0 ? munmap((void *)page(5), 11 * PAGE) : mprotect((void *)page(5), 11 * PAGE, prot[i]))
			die("around: neighbour");
		touch(0);
		touch(1);
		if (prot[i] >= 0) {
			expect(0x3, 0x1c);
			continue;
		}
		if (mincore((void *)AREA, 5 * PAGE, there))
			die("around: mincore");
		for (nr = 0; nr < 5; nr++)
			if ((there[nr] & 1) != (on || nr < 2))
				fail("with a hole behind", nr);
		if (!mincore((void *)page(5), PAGE, there))
			fail("mapped", 5);
	}
	/* The VMA begins within the group, so that the page below is not its own. */
	area();
	if (mprotect((void *)page(1), 15 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
		die("around: mprotect");
	touch(0);
	touch(1);
	expect(0x3, 0);
}

static void filled(void)
{
	area();
	touch(3);
	touch(5);
	touch(0);
	touch(1);
	expect(0x2b, 0x4);
}

/* A process that wants the pages that it touches, and no more, gets no others. */
static void only(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned int i;

	setrlimit(RLIMIT_MEMLOCK, &all);
	for (i = 0; i < 3; i++) {
		area();
		if (i < 2 ? madvise((void *)AREA, PAGES * PAGE, i ? MADV_RANDOM : MADV_NOHUGEPAGE) :
			    syscall(SYS_mlock2, AREA, PAGES * PAGE, 1 /* MLOCK_ONFAULT */))
			die("around: madvise or mlock2");
		touch(0);
		touch(1);
		touch(2);
		expect(0x7, 0);
	}
}

static void again(void)
{
	unsigned int round, nr;

	area();
	for (round = 0; round < 3; round++) {
		for (nr = 0; nr < 16; nr++)
			touch(nr);
		if (madvise((void *)AREA, PAGES * PAGE, MADV_DONTNEED))
			die("around: madvise");
		expect(0, 0);
		touch(0);
		touch(1);
		expect(0x3, 0xfc);
		/* What was mapped beforehand goes like what was touched. */
		if (madvise((void *)page(4), 2 * PAGE, MADV_DONTNEED))
			die("around: madvise");
		expect(0x3, 0xcc);
		touch(4);
		expect(0x13, on ? 0xec : 0);
		if (madvise((void *)AREA, PAGES * PAGE, MADV_DONTNEED))
			die("around: madvise");
	}
}

static int child(void (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("around: fork");
	if (!pid) {
		what();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("around: waitpid");
	return status;
}

static void writes(void)
{
	unsigned int nr;

	for (nr = 0; nr < 16; nr++)
		touch(nr);
	expect(0xffff, 0);
}

/* What was mapped beforehand is the child's as well, and neither sees what the other writes. */
static void forks(void)
{
	area();
	touch(0);
	touch(1);
	expect(0x3, 0xfc);
	if (child(writes))
		fail("child's status", 0);
	expect(0x3, 0xfc);
	writes();
}

static void dirty(void)
{
	unsigned int nr, i;

	area();
	for (nr = 0; nr < PAGES; nr++)
		for (i = 0; i < PAGE / 8; i++)
			page(nr)[i] = SECRET;
}

/* Pages that a process gives back come to another one as zeroes. */
static void secrets(void)
{
	unsigned int round;

	for (round = 0; round < 20; round++) {
		if (child(dirty))
			fail("child's status", 0);
		upwards();
		munmap((void *)AREA, PAGES * PAGE);
	}
}

#define RACE_PAGES	256
static pthread_barrier_t start;

/* Each thread has words of its own in each page. If it finds another value in one, a page was lost. */
static void *racer(void *arg)
{
	unsigned int me = (uintptr_t)arg, i, nr;

	pthread_barrier_wait(&start);
	for (i = 0; i < RACE_PAGES; i++) {
		nr = me ? i : RACE_PAGES - 1 - i;
		page(nr)[me] = SECRET + nr;
	}
	return NULL;
}

static void races(void)
{
	pthread_t thread[3];
	unsigned int round, i, nr;

	for (round = 0; round < 20; round++) {
		map(0, RACE_PAGES, PROT_READ | PROT_WRITE);
		pthread_barrier_init(&start, NULL, 3);
		for (i = 0; i < 3; i++)
			if (pthread_create(&thread[i], NULL, racer, (void *)(uintptr_t)i))
				die("around: pthread_create");
		for (i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
		for (nr = 0; nr < RACE_PAGES; nr++)
			for (i = 0; i < 3; i++)
				if (page(nr)[i] != SECRET + nr)
					fail("a write is lost", nr);
		munmap((void *)AREA, RACE_PAGES * PAGE);
	}
}

static int uffd;
static volatile unsigned int events;

static void *fills(void *arg)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffdio_zeropage zero;
	struct uffd_msg msg;

	(void)arg;
	while (poll(&p, 1, -1) > 0 && read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		events++;
		zero = (struct uffdio_zeropage){ .range = { msg.arg.pagefault.address & ~(PAGE - 1), PAGE } };
		ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

/* A process that watches memory by userfaultfd hears of each page. */
static void watched(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { AREA, PAGES * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;
	unsigned int nr;

	area();
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("around: userfaultfd");
	if (pthread_create(&thread, NULL, fills, NULL))
		die("around: pthread_create");
	for (nr = 0; nr < 12; nr++)
		touch(nr);
	expect(0xfff, 0);
	if (events != 12)
		fail("another number of events", events);
	close(uffd);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} kinds[] = {
		{ "upwards", upwards }, { "gaps", gaps }, { "reads", reads }, { "ends", ends }, { "filled", filled },
		{ "only", only }, { "again", again }, { "forks", forks }, { "secrets", secrets }, { "races", races },
		{ "watched", watched },
	};
	unsigned int k;
	int i;

	on = argc > 2 && !strcmp(argv[1], "on");
	if (argc < 3 || (!on && strcmp(argv[1], "off")))
		goto usage;
	for (i = 2; i < argc; i++) {
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && strcmp(argv[i], kinds[k].name); k++)
			;
		if (k == sizeof(kinds) / sizeof(kinds[0]))
			goto usage;
		kind = argv[i];
		kinds[k].run();
	}
	printf("G: PASS around\n");
	return 0;
usage:
	fprintf(stderr, "usage: around on|off upwards|gaps|reads|ends|filled|only|again|forks|secrets|races|watched...\n");
	return 1;
}
