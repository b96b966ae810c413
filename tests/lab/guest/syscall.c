// SPDX-License-Identifier: GPL-2.0
/*
 * A system call that does next to nothing: what entering and leaving the
 * kernel costs.
 *
 * usage: syscall TIMES
 */
#include "mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long times = argc == 2 ? atol(argv[1]) : 0;

	if (times <= 0) {
		fprintf(stderr, "usage: syscall TIMES\n");
		return 1;
	}
	mark_begin("syscall");
	for (long i = 0; i < times; i++)
		syscall(SYS_getppid);
	mark_end("syscall", (uint64_t)times);
	return 0;
}
