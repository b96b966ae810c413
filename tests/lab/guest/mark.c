// SPDX-License-Identifier: GPL-2.0
#include "mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

/* Since boot: task switches, and for how long the CPUs were idle, in USER_HZ; 0 if the kernel does not tell. */
struct counts {
	unsigned long long switches, idle;
};

static uint64_t stamp;
static struct counts before;

static struct counts count(void)
{
	struct counts now = { 0, 0 };
	FILE *f = fopen("/proc/stat", "r");
	char line[256];

	if (!f)
		return now;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "cpu %*u %*u %*u %llu", &now.idle);
		if (sscanf(line, "ctxt %llu", &now.switches) == 1)
			break;
	}
	fclose(f);
	return now;
}

static void mark(const char *when, const char *work)
{
	const char *marks = getenv("LAB_MARKS");
	char c;

	if (marks && !strcmp(marks, "0"))
		return;
	printf("G: mark %s %s\n", when, work);
	fflush(stdout);
	/* Characters still in the driver would be sent while the work runs. */
	tcdrain(STDOUT_FILENO);
	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			exit(1);
	} while (c != '\n');
	/* The controller, on the same CPU, goes back to sleep meanwhile. */
	usleep(20000);
}

void mark_begin(const char *work)
{
	before = count();
	mark("begin", work);
	stamp = __rdtsc();
}

void mark_end(const char *work, uint64_t ops)
{
	uint64_t tsc = __rdtsc() - stamp;
	struct counts after;

	mark("end", work);
	after = count();
	printf("G: work=%s ops=%llu tsc=%llu switches=%llu idle=%llu\n", work,
	       (unsigned long long)ops, (unsigned long long)tsc,
	       after.switches - before.switches, after.idle - before.idle);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}
