/* SPDX-License-Identifier: GPL-2.0 */
/* What the small guest and its VMM share: memory layout, ports, the control page. */
#ifndef TINY_H
#define TINY_H

#define MEM_SIZE	0x400000	/* slot 0, from gpa 0 */
#define ROM_GPA		0x600000	/* slot 1, read-only, a page */
#define HOLE_GPA	0x700000	/* never a slot: MMIO exits */
#define TRAMPOLINE	0x8000		/* where SIPI starts a vCPU */
#define CTL_GPA		0x10000		/* struct ctl */
#define BOOT_PML4	0x20000		/* page tables that the VMM makes, 3 pages */
#define IMAGE_GPA	0x100000
#define HIGH		0xffffffff80000000	/* + gpa: the guest's addresses */
#define MAX_VCPUS	64

/* OUT to these, one byte each. */
#define PORT_DONE	0x700	/* this vCPU has done its part; it is halted */
#define PORT_FAIL	0x701	/* struct ctl has the reason; the run ends */
#define PORT_YIELD	0x702	/* an exit to the VMM, which lets others have the CPU */

#define MODE_MANY	1
#define MODE_COST	2
#define MODE_STORM	3
#define MODE_FUZZ	4
#define MODE_PRICES	5

#define MAX_COSTS	32
#define MAX_WINDOWS	8

#ifndef __ASSEMBLER__
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

/* Counters of a vCPU; the VMM prints those that are not 0 by these names. */
#define COUNTERS(X)							\
	X(op) X(boots) X(hits) X(misses) X(moves) X(calls) X(refused)	\
	X(registered) X(lost) X(edits) X(flushes) X(checks) X(faults)	\
	X(nmis) X(trips) X(forged) X(sipis) X(wild)

struct cpu_ctl {
#define X(name) u64 name;
	COUNTERS(X)
#undef X
	u64 table;		/* gpa, if there is one */
} __attribute__((aligned(256)));

struct cost {
	u64 name;		/* gpa of a string */
	u64 calls, min, sum, max;
};

struct ctl {
	/* VMM */
	u32 mode, vcpus;
	u64 seed, count;
	/* guest */
	u64 fail, fail_cpu, fail_op, want, got;	/* fail: gpa of a string */
	u64 windows;
	u64 window[2 * MAX_WINDOWS];		/* start, commit */
	struct cost cost[MAX_COSTS];
	struct cpu_ctl cpu[MAX_VCPUS];
};
#endif
#endif
