// SPDX-License-Identifier: GPL-2.0
/*
 * Two tasks hand one byte to and fro: each round trip is two task switches.
 *
 * usage: pipe ROUNDTRIPS
 */
#include "common.h"
#include "mark.h"

#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP		100

static void pong(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1)
		if (write(out, &c, 1) != 1)
			die("pipe: write");
	_exit(0);
}

static void ping(int in, int out, long rounds)
{
	char c = 'x';

	while (rounds--)
		if (write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
			die("pipe: round trip");
}

int main(int argc, char **argv)
{
	long rounds = argc == 2 ? atol(argv[1]) : 0;
	int to[2], from[2];
	pid_t child;

	if (rounds <= 0) {
		fprintf(stderr, "usage: pipe ROUNDTRIPS\n");
		return 1;
	}
	if (pipe(to) || pipe(from))
		die("pipe: pipe");
	child = fork();
	if (child < 0)
		die("pipe: fork");
	if (!child) {
		close(to[1]);
		pong(to[0], from[1]);
	}
	close(to[0]);
	ping(from[0], to[1], WARM_UP);
	mark_begin("pipe");
	ping(from[0], to[1], rounds);
	mark_end("pipe", 2 * (uint64_t)rounds);
	close(to[1]);
	waitpid(child, NULL, 0);
	return 0;
}
