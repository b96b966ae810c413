// SPDX-License-Identifier: GPL-2.0
/*
 * What a process finds in page tables that another one has left to it. One child
 * maps, fills and leaves some areas; the next, which has its page tables, must
 * find nothing there, and whatever it puts there must be as with new tables.
 *
 * usage: spare empty|huge|unmap|move|fork|grow|planted|cow ROUNDS
 */
#include "common.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096ul
#define TABLE	(512 * PAGE)		/* what a table of PTEs spans */
/* Far from everything: a gigabyte with page tables of its own. */
#define AREA	0x100000000000ul
#define TABLES	4
#define SECRET	0x5ec4e75ec4e75ec4ul

static sigjmp_buf fault;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static void fail(const char *what, unsigned long at)
{
	printf("G: FAIL spare: %s at %#lx\n", what, at);
	fflush(stdout);
	_exit(1);
}

static volatile uint64_t *map(unsigned long at, unsigned long bytes, bool huge)
{
	if (mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("spare: mmap");
	if (madvise((void *)at, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("spare: madvise");
	return (volatile uint64_t *)at;
}

static void unmap(unsigned long at, unsigned long bytes)
{
	if (munmap((void *)at, bytes))
		die("spare: munmap");
}

static void fill(unsigned long at, unsigned long bytes, uint64_t seed)
{
	unsigned long a;

	for (a = at; a < at + bytes; a += PAGE)
		*(volatile uint64_t *)a = seed + a;
}

static void verify(unsigned long at, unsigned long bytes, uint64_t seed)
{
	unsigned long a;

	for (a = at; a < at + bytes; a += PAGE)
		if (*(volatile uint64_t *)a != seed + a)
			fail("other contents", a);
}

/* What is mapped anew must be zero. */
static void zero(unsigned long at, unsigned long bytes)
{
	unsigned long a;

	for (a = at; a < at + bytes; a += 64)
		if (*(volatile uint64_t *)a)
			fail("something", a);
}

/* Kilobytes of huge pages of this process. */
static unsigned long huge_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kb = 0;
	char line[200];

	if (!f)
		die("spare: smaps_rollup");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* Writes to a few pages in each of the tables, among them some tables' first and last ones. */
static void leave(void)
{
	int i;

	for (i = 0; i < TABLES; i++) {
		map(AREA + i * TABLE, 8 * PAGE, false);
		fill(AREA + i * TABLE, 8 * PAGE, SECRET);
		map(AREA + (i + 1) * TABLE - 8 * PAGE, 8 * PAGE, false);
		fill(AREA + (i + 1) * TABLE - 8 * PAGE, 8 * PAGE, SECRET);
	}
}

static bool reads(unsigned long at)
{
	if (sigsetjmp(fault, 1))
		return false;
	*(volatile uint64_t *)at;
	return true;
}

/* Nothing is mapped, hence nothing can be read, whatever the tables have. */
static void unreadable(unsigned long at, unsigned long bytes)
{
	unsigned long a;

	for (a = at; a < at + bytes; a += PAGE)
		if (reads(a))
			fail("readable", a);
}

static void empty(void)
{
	int i;

	for (i = 0; i < TABLES; i++) {
		unreadable(AREA + i * TABLE, 16 * PAGE);
		unreadable(AREA + (i + 1) * TABLE - 16 * PAGE, 16 * PAGE);
	}
	map(AREA, TABLES * TABLE, false);
	zero(AREA, 16 * PAGE);
	for (i = 1; i <= TABLES; i++)
		zero(AREA + i * TABLE - 16 * PAGE, 16 * PAGE);
}

static void huge(void)
{
	unsigned long kb;

	/* The first and the last table are there, as they span more than is mapped. */
	map(AREA + PAGE, TABLES * TABLE - 2 * PAGE, true);
	fill(AREA + PAGE, TABLES * TABLE - 2 * PAGE, 1);
	kb = huge_kb();
	if (kb != (TABLES - 2) * TABLE / 1024)
		fail("kilobytes of huge pages, not as many as there is room for,", kb);
	verify(AREA + PAGE, TABLES * TABLE - 2 * PAGE, 1);
}

/* Frees the upper table, under which there are spare ones. */
static void unmap_one(void)
{
	unsigned long at = AREA + TABLE + 100 * PAGE;

	map(at, 8 * PAGE, false);
	fill(at, 8 * PAGE, 2);
	unmap(at, 8 * PAGE);
	unreadable(at, 8 * PAGE);
	map(AREA, 2 * PAGE, false);
	zero(AREA, 2 * PAGE);
}

/* mremap() moves whole tables, and huge pages, to where there is no table. */
static void move(void)
{
	unsigned long from = AREA + 64 * TABLE;
	int i;

	for (i = 0; i < 2; i++) {
		map(from, 2 * TABLE, i);
		fill(from, 2 * TABLE, 3);
		if (mremap((void *)from, 2 * TABLE, 2 * TABLE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)(AREA + TABLE * i)) == MAP_FAILED)
			die("spare: mremap");
		verify(AREA + TABLE * i, 2 * TABLE, 3 + from - AREA - TABLE * i);
		unmap(AREA + TABLE * i, 2 * TABLE);
	}
}

/* A mapping that grows over tables that are spare. */
static void grow(void)
{
	unsigned long kb;

	map(AREA, PAGE, false);
	fill(AREA, PAGE, 4);
	if (mremap((void *)AREA, PAGE, 3 * TABLE, 0) == MAP_FAILED)
		die("spare: mremap");
	if (madvise((void *)AREA, 3 * TABLE, MADV_HUGEPAGE))
		die("spare: madvise");
	zero(AREA + PAGE, 3 * TABLE - PAGE);
	fill(AREA, 3 * TABLE, 4);
	/* There may be more, if khugepaged has made a huge page of the first pages, too. */
	kb = huge_kb();
	if (kb < 2 * TABLE / 1024)
		fail("kilobytes of huge pages", kb);
	verify(AREA, 3 * TABLE, 4);
}

static void forked(void)
{
	verify(AREA, TABLES * TABLE, 5);
	fill(AREA, TABLES * TABLE, 6);
	verify(AREA, TABLES * TABLE, 6);
}

/*
 * After a fork neither process must see what the other writes: the parent must not use its old
 * entries any more, neither from a TLB nor from shadow page tables. @pieces of @pages are written, with
 * as many pages between two of them.
 */
static void cow(unsigned long pieces, unsigned long pages)
{
	unsigned long step = 2 * pages * PAGE, size = pages * PAGE, i;
	int told[2], status;
	char c;
	pid_t pid;

	map(AREA, pieces * step, false);
	for (i = 0; i < pieces; i++)
		fill(AREA + i * step, size, 7);
	if (pipe(told))
		die("spare: pipe");
	pid = fork();
	if (pid < 0)
		die("spare: fork");
	if (!pid) {
		if (read(told[0], &c, 1) != 1)
			die("spare: read");
		for (i = 0; i < pieces; i++) {
			verify(AREA + i * step, size, 7);
			fill(AREA + i * step, size, 8);
			verify(AREA + i * step, size, 8);
		}
		_exit(0);
	}
	for (i = 0; i < pieces; i++)
		fill(AREA + i * step, size, 9);
	if (write(told[1], "", 1) != 1)
		die("spare: write");
	if (waitpid(pid, &status, 0) != pid || status) {
		printf("G: FAIL spare: child's status %#x\n", status);
		exit(1);
	}
	for (i = 0; i < pieces; i++)
		verify(AREA + i * step, size, 9);
	close(told[0]);
	close(told[1]);
	unmap(AREA, pieces * step);
}

/* kvmpv_plant leaves an entry in a spare table, which the next process must not see. */
#define PLANTED	(AREA + 20 * PAGE)

static void plant(void)
{
	int fd = open("/sys/kernel/debug/kvmpv_plant", O_WRONLY);
	char at[32];
	int n = snprintf(at, sizeof(at), "%#lx", PLANTED);

	if (fd < 0 || write(fd, at, n) != n)
		die("spare: kvmpv_plant");
	close(fd);
	if (!*(volatile uint64_t *)PLANTED)
		fail("nothing planted", PLANTED);
}

static void child(void (*what)(void), bool leaves)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("spare: fork");
	if (!pid) {
		if (leaves)
			leave();
		if (what)
			what();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		printf("G: FAIL spare: child's status %#x\n", status);
		exit(1);
	}
}

static void planted(void) { unreadable(PLANTED, PAGE); }
static void shared(void) { }

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*first)(void), (*second)(void);
	} kinds[] = {
		{ "empty", NULL, empty },
		{ "huge", NULL, huge },
		{ "unmap", NULL, unmap_one },
		{ "move", NULL, move },
		{ "grow", NULL, grow },
		{ "fork", NULL, forked },
		{ "planted", plant, planted },
		{ "cow", NULL, shared },
	};
	long rounds = argc == 3 ? atol(argv[2]) : 0, i;
	unsigned int k;

	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (rounds > 0 && !strcmp(argv[1], kinds[k].name))
			break;
	if (k == sizeof(kinds) / sizeof(kinds[0])) {
		fprintf(stderr, "usage: spare empty|huge|unmap|move|fork|grow|planted|cow ROUNDS\n");
		return 1;
	}
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	for (i = 0; i < rounds; i++) {
		if (kinds[k].second == shared) {
			/* One range and several, more than are noted, more pages, one by one. */
			cow(1, 1 + i);
			cow(6, 3);
			cow(20, 1);
			cow(20, 6);
			cow(1, 100);
			continue;
		}
		child(kinds[k].first, true);
		/* Huge pages that the child's tables have others in place of. */
		if (kinds[k].second == forked) {
			map(AREA, TABLES * TABLE, true);
			fill(AREA, TABLES * TABLE, 5);
		}
		child(kinds[k].second, false);
		if (kinds[k].second == forked) {
			verify(AREA, TABLES * TABLE, 5);
			unmap(AREA, TABLES * TABLE);
		}
	}
	printf("G: PASS spare %s\n", argv[1]);
	return 0;
}
