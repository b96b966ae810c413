// SPDX-License-Identifier: GPL-2.0
/*
 * mmap, touch, munmap over and over: what an allocator does that gives memory
 * back. mmapchurn: 8 pages. touch: 1 MiB, the page-fault test of PVM (SOSP 2023).
 *
 * usage: mmapchurn mmapchurn|touch TIMES
 */
#include "common.h"
#include "mark.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE		4096UL
#define WARM_UP		10

static void churn(unsigned long bytes, long times)
{
	while (times--) {
		/* Smaller than a huge page, hence never one. */
		char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			die("mmapchurn: mmap");
		for (char *page = area; page < area + bytes; page += PAGE)
			*(volatile char *)page = 1;
		munmap(area, bytes);
	}
}

int main(int argc, char **argv)
{
	long times = argc == 3 ? atol(argv[2]) : 0;
	unsigned long bytes = 0;

	if (argc == 3 && !strcmp(argv[1], "mmapchurn"))
		bytes = 8 * PAGE;
	else if (argc == 3 && !strcmp(argv[1], "touch"))
		bytes = 256 * PAGE;
	if (times <= 0 || !bytes) {
		fprintf(stderr, "usage: mmapchurn mmapchurn|touch TIMES\n");
		return 1;
	}
	churn(bytes, WARM_UP);
	mark_begin(argv[1]);
	churn(bytes, times);
	mark_end(argv[1], (uint64_t)times);
	return 0;
}
