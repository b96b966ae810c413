// SPDX-License-Identifier: GPL-2.0
#include "mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

static uint64_t stamp;
static unsigned long long switches;

/* Task switches since boot; 0 if the kernel does not tell. */
static unsigned long long task_switches(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/stat", "r");
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "ctxt %llu", &n) == 1)
			break;
	fclose(f);
	return n;
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
	switches = task_switches();
	mark("begin", work);
	stamp = __rdtsc();
}

void mark_end(const char *work, uint64_t ops)
{
	uint64_t tsc = __rdtsc() - stamp;

	mark("end", work);
	printf("G: work=%s ops=%llu tsc=%llu switches=%llu\n", work,
	       (unsigned long long)ops, (unsigned long long)tsc,
	       task_switches() - switches);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}
