/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest's programs share. */
#ifndef LAB_COMMON_H
#define LAB_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* sched_setaffinity(); before the first include */
#endif
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* @what, "program: call", has failed, errno says why. */
static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The calling thread runs on @cpu from here on. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

#endif
