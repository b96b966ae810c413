// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command between two marks; without a command, the marks alone: what
 * they cost themselves. The TSC difference includes fork and exec.
 *
 * usage: marked WORK OPS [COMMAND [ARGUMENT...]]
 */
#include "mark.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **argv)
{
	pid_t child = fork();
	int status;

	if (!child) {
		/* The command's own output would be paid for as its work. */
		if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0)
			execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return status;
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: marked WORK OPS [COMMAND...]\n");
		return 1;
	}
	mark_begin(argv[1]);
	if (argc > 3)
		status = run(argv + 3);
	mark_end(argv[1], strtoull(argv[2], NULL, 0));
	if (status)
		printf("G: FAIL %s status %#x\n", argv[1], status);
	return status != 0;
}
