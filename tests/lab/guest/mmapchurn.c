// SPDX-License-Identifier: GPL-2.0
/*
 * mmap, touch, munmap over and over: what an allocator does that gives memory
 * back. mmapchurn: 8 pages. touch: 1 MiB, the page-fault test of PVM (SOSP 2023).
 *
 * touch_ept, restore_ept: so many MiB, once, and without a try before: memory
 * that the host has not given the guest yet, or has in a file. An operation is
 * a page there.
 *
 * usage: mmapchurn mmapchurn|touch TIMES
 *        mmapchurn touch_ept|restore_ept MIB
 */
#include "common.h"
#include "mark.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE		4096UL
#define WARM_UP		10
#define MIB		(1UL << 20)

static void churn(unsigned long bytes, long times)
{
	while (times--) {
		/* Smaller than a huge page, hence never one; or else told so. */
		char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			die("mmapchurn: mmap");
		/* A kernel that has none refuses the advice. */
		if (bytes > 2 * MIB)
			madvise(area, bytes, MADV_NOHUGEPAGE);
		for (char *page = area; page < area + bytes; page += PAGE)
			*(volatile char *)page = 1;
		munmap(area, bytes);
	}
}

int main(int argc, char **argv)
{
	long times = argc == 3 ? atol(argv[2]) : 0;
	unsigned long bytes = 0;

	long warm_up = WARM_UP, ops = times;

	if (argc == 3 && !strcmp(argv[1], "mmapchurn")) {
		bytes = 8 * PAGE;
	} else if (argc == 3 && !strcmp(argv[1], "touch")) {
		bytes = 256 * PAGE;
	} else if (argc == 3 && (!strcmp(argv[1], "touch_ept") ||
				 !strcmp(argv[1], "restore_ept"))) {
		bytes = times > 0 ? (unsigned long)times * MIB : 0;
		warm_up = 0;
		times = 1;
		ops = (long)(bytes / PAGE);
	}
	if (times <= 0 || !bytes) {
		fprintf(stderr, "usage: mmapchurn mmapchurn|touch TIMES\n"
				"       mmapchurn touch_ept|restore_ept MIB\n");
		return 1;
	}
	churn(bytes, warm_up);
	mark_begin(argv[1]);
	churn(bytes, times);
	mark_end(argv[1], (uint64_t)ops);
	return 0;
}
