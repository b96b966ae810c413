// SPDX-License-Identifier: GPL-2.0
/*
 * Is a page in constant use still seen to be accessed? Clears the accessed bits of this process as
 * reclaim and DAMON do, one by one and without a flush, then touches 256 KiB again and again while
 * another process has the CPU in between, and reads which of it the kernel finds accessed.
 *
 * usage: aged SWITCHES
 */
#include "common.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BYTES	(256 * 1024)

/* What /proc/self/smaps says of the area, in kB. */
static long referenced(const char *area)
{
	char line[256], start[32];
	long kb = -1;
	int inside = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		die("aged: smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)area);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, start, strlen(start)))
			inside = 1;
		if (inside && sscanf(line, "Referenced: %ld kB", &kb) == 1)
			break;
	}
	fclose(f);
	return kb;
}

int main(int argc, char **argv)
{
	long switches = argc == 2 ? atol(argv[1]) : 0, before, cleared, after;
	int there[2], back[2];
	char *area, byte = 0;
	FILE *f;

	if (switches <= 0) {
		fprintf(stderr, "usage: aged SWITCHES\n");
		return 1;
	}
	pin(0);
	area = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* A huge page has one accessed bit for all. */
	if (area == MAP_FAILED || madvise(area, BYTES, MADV_NOHUGEPAGE) || pipe(there) || pipe(back))
		die("aged: mmap, pipe");
	if (fork() == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	/* Written only after the fork, as pages that are shared with the other process are copied at the first write. */
	memset(area, 1, BYTES);
	before = referenced(area);
	f = fopen("/proc/self/clear_refs", "w");
	if (!f || fputs("1", f) < 0 || fclose(f))
		die("aged: clear_refs");
	cleared = referenced(area);
	for (long i = 0; i < switches; i++) {
		for (char *page = area; page < area + BYTES; page += 4096)
			(void)*(volatile char *)page;
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("aged: pipe");
	}
	after = referenced(area);
	close(there[1]);
	wait(NULL);
	printf("aged: %ld kB accessed, %ld after clearing, %ld after %ld switches\n", before, cleared, after, switches);
	return !(before == BYTES / 1024 && cleared == 0 && after == BYTES / 1024);
}
