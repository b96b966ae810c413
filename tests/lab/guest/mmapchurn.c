// SPDX-License-Identifier: GPL-2.0
/*
 * mmap, touch, munmap of 8 pages over and over: what an allocator does that
 * gives memory back.
 *
 * usage: mmapchurn TIMES
 */
#define _GNU_SOURCE
#include "mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE		4096UL
#define AREA		(8 * PAGE)
#define WARM_UP		10

static void churn(long times)
{
	while (times--) {
		char *area = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED) {
			perror("mmapchurn: mmap");
			exit(1);
		}
		for (char *page = area; page < area + AREA; page += PAGE)
			*(volatile char *)page = 1;
		munmap(area, AREA);
	}
}

int main(int argc, char **argv)
{
	long times = argc == 2 ? atol(argv[1]) : 0;

	if (times <= 0) {
		fprintf(stderr, "usage: mmapchurn TIMES\n");
		return 1;
	}
	churn(WARM_UP);
	mark_begin("mmapchurn");
	churn(times);
	mark_end("mmapchurn", (uint64_t)times);
	return 0;
}
