// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks hand one byte round: each hand-over is a task switch. "pipe" is two tasks, to and fro; "ringN"
 * is N tasks, each an address space of its own. With several CPUs each task stays on one, neighbours together: the
 * scheduler would place them by chance, and a hand-over to another CPU costs several times one on the same.
 *
 * usage: pipe ROUNDS [TASKS]
 */
#include "common.h"
#include "mark.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP		100
#define MAX_TASKS	256

static void hand_on(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1)
		if (write(out, &c, 1) != 1)
			die("pipe: write");
	_exit(0);
}

static void send_round(int in, int out, long rounds)
{
	char c = 'x';

	while (rounds--)
		if (write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
			die("pipe: round");
}

static void stay(int task, int tasks)
{
	static int cpus;
	cpu_set_t set;

	if (!cpus) {
		if (sched_getaffinity(0, sizeof(set), &set))
			die("pipe: sched_getaffinity");
		cpus = CPU_COUNT(&set);
	}
	if (cpus == 1)
		return;
	CPU_ZERO(&set);
	CPU_SET(task * cpus / tasks, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("pipe: sched_setaffinity");
}

/* Starts a task that hands on what it reads from @in; what comes of it. @first is the parent's, to begin with. */
static int start_task(int in, int first)
{
	int next[2];
	pid_t child;

	if (pipe(next))
		die("pipe: pipe");
	child = fork();
	if (child < 0)
		die("pipe: fork");
	if (!child) {
		close(next[0]);
		/* A task that kept the writing end of a pipe would keep the pipe's reader from ending. */
		close(first);
		hand_on(in, next[1]);
	}
	close(in);
	close(next[1]);
	return next[0];
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 0;
	int tasks = argc > 2 ? atoi(argv[2]) : 2;
	char work[16] = "pipe";
	int first[2], in;

	if (rounds <= 0 || argc > 3 || tasks < 2 || tasks > MAX_TASKS) {
		fprintf(stderr, "usage: pipe ROUNDS [TASKS], 2 to %d\n", MAX_TASKS);
		return 1;
	}
	if (argc > 2)
		snprintf(work, sizeof(work), "ring%d", tasks);
	if (pipe(first))
		die("pipe: pipe");
	in = first[0];
	for (int i = 1; i < tasks; i++) {
		/* Children inherit it. */
		stay(i, tasks);
		in = start_task(in, first[1]);
	}
	stay(0, tasks);
	send_round(in, first[1], WARM_UP);
	mark_begin(work);
	send_round(in, first[1], rounds);
	mark_end(work, (uint64_t)rounds * tasks);
	close(first[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
