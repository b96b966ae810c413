// SPDX-License-Identifier: GPL-2.0
/*
 * Looks for memory that changes behind a process's back, which is what a wrong
 * CR3 or a forgotten TLB flush does: processes that yield to one another fill
 * memory with numbers that only they know, map, unmap, protect and fork, and
 * verify.
 *
 * usage: memsum ROUNDS; prints "G: PASS memsum" or "G: FAIL memsum ..."
 */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES	8
#define PAGES		32
#define PAGE_WORDS	(4096 / sizeof(uint64_t))
#define AREA		(PAGES * 4096UL)

static sigjmp_buf fault;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static uint64_t word(uint64_t seed, uint64_t page, uint64_t i)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ull + page * 0xbf58476d1ce4e5b9ull + i;

	x ^= x >> 31;
	return x * 0x94d049bb133111ebull;
}

static void bad(const char *what, uint64_t seed, uint64_t page)
{
	printf("G: FAIL memsum %s seed %llu page %llu\n", what,
	       (unsigned long long)seed, (unsigned long long)page);
	fflush(stdout);
	_exit(1);
}

/* Every 16th word: each page is touched in many places at little cost. */
static void fill(volatile uint64_t *area, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < PAGE_WORDS; i += 16)
		area[page * PAGE_WORDS + i] = word(seed, page, i);
}

static void check(volatile uint64_t *area, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < PAGE_WORDS; i += 16)
		if (area[page * PAGE_WORDS + i] != word(seed, page, i))
			bad("wrong contents", seed, page);
}

static uint64_t *map(void *at, size_t bytes)
{
	void *p = mmap(at, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		bad("mmap", 0, 0);
	return p;
}

/* A page that mprotect() or munmap() took away must fault. */
static void must_fault(volatile uint64_t *at, int write, uint64_t seed, uint64_t page)
{
	if (sigsetjmp(fault, 1))
		return;
	if (write)
		*at = 1;
	else
		(void)*at;
	bad(write ? "write to a read-only page" : "read of an unmapped page", seed, page);
}

static void fork_check(uint64_t *area, uint64_t seed)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		bad("fork", seed, 0);
	if (!child) {
		for (uint64_t p = 0; p < PAGES; p++) {
			check(area, seed, p);
			fill(area, ~seed, p);
			check(area, ~seed, p);
		}
		_exit(0);
	}
	sched_yield();
	if (waitpid(child, &status, 0) != child || status)
		bad("child", seed, 0);
}

static void process(uint64_t id, long rounds)
{
	uint64_t *area = map(NULL, AREA);

	for (long round = 0; round < rounds; round++) {
		uint64_t seed = id * 1000 + (uint64_t)round;
		/* Another page each round; its neighbour stays mapped. */
		uint64_t hole = (seed * 7) % PAGES;
		char *at = (char *)area + hole * 4096;

		for (uint64_t p = 0; p < PAGES; p++)
			fill(area, seed, p);
		sched_yield();
		for (uint64_t p = 0; p < PAGES; p++)
			check(area, seed, p);

		if (mprotect(at, 4096, PROT_READ))
			bad("mprotect", seed, hole);
		sched_yield();
		must_fault((uint64_t *)at, 1, seed, hole);
		check(area, seed, hole);
		if (munmap(at, 4096))
			bad("munmap", seed, hole);
		sched_yield();
		must_fault((uint64_t *)at, 0, seed, hole);
		map(at, 4096);
		if (*(volatile uint64_t *)at)
			bad("fresh page is not zero", seed, hole);
		fill(area, seed, hole);

		fork_check(area, seed);
		for (uint64_t p = 0; p < PAGES; p++)
			check(area, seed, p);
		/* More than 33 pages at once: a full flush in the kernel. */
		if (munmap(area, AREA))
			bad("munmap all", seed, 0);
		area = map(NULL, AREA);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	long rounds = argc == 2 ? atol(argv[1]) : 0;
	struct sigaction action = { .sa_handler = on_fault };
	int failed = 0, status;

	if (rounds <= 0) {
		fprintf(stderr, "usage: memsum ROUNDS\n");
		return 1;
	}
	sigaction(SIGSEGV, &action, NULL);
	for (uint64_t id = 1; id <= PROCESSES; id++) {
		pid_t child = fork();

		if (child < 0)
			bad("fork", id, 0);
		if (!child)
			process(id, rounds);
	}
	for (int i = 0; i < PROCESSES; i++)
		if (wait(&status) < 0 || status)
			failed++;
	if (failed)
		printf("G: FAIL memsum %d of %d processes\n", failed, PROCESSES);
	else
		printf("G: PASS memsum\n");
	return failed != 0;
}
