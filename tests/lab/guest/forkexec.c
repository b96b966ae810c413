// SPDX-License-Identifier: GPL-2.0
/*
 * fork, what a child does in its life, wait. What a shell does all day, and
 * what starts, faults in, tears down and flushes the most address spaces.
 *
 * fork: the child exits at once. forkexec: it executes a program of three pages. forkexec_aslr: one that is
 * linked as Debian's are, with address-space randomization as everybody has it. shell: Debian's shell, which
 * runs a pipeline of four of Debian's programs. build: that shell, which has a compiler make three objects.
 *
 * usage: forkexec fork|forkexec|forkexec_aslr|shell|build TIMES
 */
#include "common.h"
#include "mark.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP		10
#define RANDOMIZE	"/proc/sys/kernel/randomize_va_space"

#define SHELL(line)	{ "/usr/bin/dash", "-c", line, NULL }

static const struct work {
	const char *name;
	/* 0: where a mapping lies decides which page tables it shares, and so how often it exits. */
	int randomize;
	/* Empty if the child is to exit at once. */
	char *argv[4];
} works[] = {
	{ "fork", 0, { NULL } },
	{ "forkexec", 0, { "/bin/nothing", NULL } },
	{ "forkexec_aslr", 2, { "/bin/dynamic", NULL } },
	{ "shell", 2, SHELL("seq 200 | tr 1 2 | cut -c 1 | wc -l >/dev/null") },
	{ "build", 2, SHELL("cd /usr/src && for f in *.c; do tcc -c -o /tmp/$f.o $f || exit; done") },
};

static void randomize(int how)
{
	FILE *f = fopen(RANDOMIZE, "w");

	if (!f || fprintf(f, "%d\n", how) < 0 || fclose(f))
		die("forkexec: " RANDOMIZE);
}

static void run(const struct work *work, long times)
{
	/* busybox has programs of the same names in /bin. */
	char *const envp[] = { "PATH=/usr/bin", NULL };
	int status;

	while (times--) {
		pid_t child = fork();

		if (child < 0)
			die("forkexec: fork");
		if (!child) {
			if (!work->argv[0])
				_exit(0);
			execve(work->argv[0], work->argv, envp);
			_exit(127);
		}
		if (waitpid(child, &status, 0) != child || status) {
			printf("G: FAIL %s status %#x\n", work->name, status);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	long times = argc == 3 ? atol(argv[2]) : 0;
	const struct work *work = works, *end = works + sizeof(works) / sizeof(*works);

	while (argc == 3 && work < end && strcmp(work->name, argv[1]))
		work++;
	if (times <= 0 || work == end) {
		fprintf(stderr, "usage: forkexec fork|forkexec|forkexec_aslr|shell|build TIMES\n");
		return 1;
	}
	randomize(work->randomize);
	run(work, times < WARM_UP ? times : WARM_UP);
	mark_begin(work->name);
	run(work, times);
	mark_end(work->name, (uint64_t)times);
	randomize(0);
	return 0;
}
