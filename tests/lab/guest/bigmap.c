// SPDX-License-Identifier: GPL-2.0
/*
 * A gigabyte of address space that comes and goes: with it the entry at the top
 * of a 32-bit guest's page tables, which its CPUs have in registers with PAE. Two
 * threads, one a CPU if there are two, neither of which sleeps: going to sleep
 * would load CR3, which mends what is looked for here.
 *
 * usage: bigmap ROUNDS; prints "G: PASS bigmap" or "G: FAIL bigmap ..."
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An address between the program and all its other mappings. */
#define PLACE		((void *)0x40000000)
#define BYTES		8192UL
#define TIMEOUT		30

enum { MAPPED = 1, SEEN, UNMAPPED, NSTEPS };

static atomic_int step;
static volatile int *const number = PLACE;
static sigjmp_buf fault;
static long cpus;

static void bad(const char *what)
{
	printf("G: FAIL bigmap %s, step %d\n", what, step);
	fflush(stdout);
	_exit(1);
}

static void on_alarm(int sig)
{
	static const char text[] = "G: FAIL bigmap no progress\n";

	(void)sig;
	/* Only what may be called here. */
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) ? 1 : 2);
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* If there is one CPU, both threads run on it. */
	if (sched_setaffinity(0, sizeof(set), &set) && cpu == 0)
		bad("sched_setaffinity");
}

static void wait_for(int want)
{
	while (step != want)
		if (cpus == 1)
			sched_yield();
}

static void must_fault(void)
{
	if (sigsetjmp(fault, 1))
		return;
	(void)*number;
	bad("unmapped, and still there");
}

/* Sees what the other has mapped, and that it is gone. */
static void *looker(void *arg)
{
	long rounds = (long)arg;

	run_on(1);
	for (long round = 0; round < rounds; round++) {
		wait_for(round * NSTEPS + MAPPED);
		if (*number != round + 1)
			bad("wrong contents");
		step = round * NSTEPS + SEEN;
		wait_for(round * NSTEPS + UNMAPPED);
		must_fault();
		step = (round + 1) * NSTEPS;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = argc == 2 ? atol(argv[1]) : 0;
	struct sigaction action = { .sa_handler = on_fault };
	pthread_t other;

	if (rounds <= 0) {
		fprintf(stderr, "usage: bigmap ROUNDS\n");
		return 1;
	}
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	sigaction(SIGSEGV, &action, NULL);
	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, NULL);
	alarm(TIMEOUT);
	if (pthread_create(&other, NULL, looker, (void *)rounds))
		bad("pthread_create");
	run_on(0);
	for (long round = 0; round < rounds; round++) {
		if (mmap(PLACE, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != PLACE)
			bad("mmap");
		*number = round + 1;
		step = round * NSTEPS + MAPPED;
		wait_for(round * NSTEPS + SEEN);
		if (munmap(PLACE, BYTES))
			bad("munmap");
		step = round * NSTEPS + UNMAPPED;
		wait_for((round + 1) * NSTEPS);
	}
	pthread_join(other, NULL);
	printf("G: PASS bigmap\n");
	return 0;
}
