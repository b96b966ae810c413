// SPDX-License-Identifier: GPL-2.0
/*
 * munmap of 33 pages, the most that Linux flushes one by one and not with the
 * whole TLB. All areas are mapped and written before the first mark, so that
 * no page fault of theirs is counted; a page between two of them stays, so
 * that no page table is freed, which would flush everything.
 *
 * usage: munmap33 TIMES [smp]; with "smp" a second thread, on CPU 1, has the
 * same memory in use
 */
#include "common.h"
#include "mark.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE		4096UL
#define AREA		(33 * PAGE)
#define STRIDE		(AREA + PAGE)

static volatile int spinning;

static void *spin(void *unused)
{
	pin(1);
	spinning = 1;
	for (;;)
		__builtin_ia32_pause();
	return unused;
}

static void start_spinning(void)
{
	pthread_t thread;

	pin(0);
	if (pthread_create(&thread, NULL, spin, NULL))
		die("munmap33: pthread_create");
	while (!spinning)
		sched_yield();
}

int main(int argc, char **argv)
{
	long times = argc > 1 ? atol(argv[1]) : 0;
	int smp = argc == 3 && !strcmp(argv[2], "smp");
	const char *work = smp ? "munmap33_smp" : "munmap33";
	char *area;

	if (times <= 0 || argc > 2 + smp) {
		fprintf(stderr, "usage: munmap33 TIMES [smp]\n");
		return 1;
	}
	area = mmap(NULL, times * STRIDE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* A huge page is flushed by one INVLPG. */
	if (area == MAP_FAILED || madvise(area, times * STRIDE, MADV_NOHUGEPAGE))
		die("munmap33: mmap");
	if (smp)
		start_spinning();
	for (char *page = area; page < area + times * STRIDE; page += PAGE)
		*(volatile char *)page = 1;
	mark_begin(work);
	for (long i = 0; i < times; i++)
		if (munmap(area + i * STRIDE, AREA))
			die("munmap33: munmap");
	mark_end(work, (uint64_t)times);
	return 0;
}
