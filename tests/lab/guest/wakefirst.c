// SPDX-License-Identifier: GPL-2.0
/*
 * For hackbench, by LD_PRELOAD: who is sent a message runs at once. Of the FDS senders and FDS receivers of a group
 * hackbench forks the receivers first; they become SCHED_FIFO, above the senders. So each message switches tasks,
 * as with the scheduler of 2007; today's lets a sender go on, and how often depends on timing to the instruction.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define FDS	20	/* hackbench's default for --fds */

pid_t fork(void)
{
	static unsigned int forks;
	const struct sched_param priority = { .sched_priority = 1 };
	pid_t (*libc_fork)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	int receiver = forks++ % (2 * FDS) < FDS;
	pid_t child = libc_fork();

	if (!child && receiver && sched_setscheduler(0, SCHED_FIFO, &priority)) {
		perror("wakefirst: sched_setscheduler");
		_exit(1);
	}
	return child;
}
