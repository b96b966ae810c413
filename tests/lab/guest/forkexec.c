// SPDX-License-Identifier: GPL-2.0
/*
 * fork, execve of a program that does nothing, wait. What a shell does all day,
 * and what starts, faults in, tears down and flushes the most address spaces.
 *
 * usage: forkexec TIMES
 */
#include "common.h"
#include "mark.h"

#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP		10
#define PROGRAM		"/bin/nothing"

static void run(long times)
{
	char *const argv[] = { PROGRAM, NULL };
	char *const envp[] = { NULL };
	int status;

	while (times--) {
		pid_t child = fork();

		if (child < 0)
			die("forkexec: fork");
		if (!child) {
			execve(PROGRAM, argv, envp);
			_exit(127);
		}
		if (waitpid(child, &status, 0) != child || status) {
			printf("G: FAIL forkexec status %#x\n", status);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	long times = argc == 2 ? atol(argv[1]) : 0;

	if (times <= 0) {
		fprintf(stderr, "usage: forkexec TIMES\n");
		return 1;
	}
	run(WARM_UP);
	mark_begin("forkexec");
	run(times);
	mark_end("forkexec", (uint64_t)times);
	return 0;
}
