// SPDX-License-Identifier: GPL-2.0
#include "common.h"
#include "mark.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

/* Task switches since boot; for how many ns the CPUs were idle, 0 if the kernel does not tell; and when that was read. */
struct counts {
	unsigned long long switches, idle, tsc;
};

static uint64_t stamp;
static struct counts before;

/* The kernel tells the idle time of a CPU as of its last wake-up, so this wakes each of them. */
static void visit_cpus(void)
{
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) == 1)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all))
			pin(cpu);
	sched_setaffinity(0, sizeof(all), &all);
}

static struct counts count(void)
{
	const char *const files[] = { "/proc/stat", "/proc/timer_list" };
	struct counts now = { 0, 0, 0 };
	unsigned long long ns;
	char line[256];

	visit_cpus();
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(files[i], "r");

		if (!f)
			continue;
		while (fgets(line, sizeof(line), f)) {
			sscanf(line, "ctxt %llu", &now.switches);
			if (sscanf(line, " .idle_sleeptime : %llu", &ns) == 1)
				now.idle += ns;
		}
		fclose(f);
	}
	now.tsc = __rdtsc();
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
	/* Characters that are still in the driver would be sent while the work runs. */
	tcdrain(STDOUT_FILENO);
	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			exit(1);
	} while (c != '\n');
	/* Meanwhile the controller, which runs on the same CPU, goes back to sleep. */
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
	printf("G: work=%s ops=%llu tsc=%llu switches=%llu idle=%llu of=%llu\n", work,
	       (unsigned long long)ops, (unsigned long long)tsc, after.switches - before.switches,
	       after.idle - before.idle, after.tsc - before.tsc);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}
