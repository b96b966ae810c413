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
#define POOL_GPA(i)	(0x800000 + (i) * 0x200000ul)	/* of vCPU i, see struct pool */
#define HIGH		0xffffffff80000000	/* + gpa: the guest's addresses */
#define MAX_VCPUS	64

/* OUT to these, one byte each. */
#define PORT_DONE	0x700	/* this vCPU has done its part; it is halted */
#define PORT_FAIL	0x701	/* struct ctl has the reason; the run ends */
#define PORT_YIELD	0x702	/* an exit to the VMM, which lets others have the CPU */

#define PORT_POOL	0x703	/* RBX: what the VMM is to do to this vCPU's pool, see POOL_ORDER */

#define MODE_MANY	1
#define MODE_COST	2
#define MODE_STORM	3
#define MODE_FUZZ	4
#define MODE_PRICES	5

#define MAX_COSTS	32
#define MAX_WINDOWS	8

/*
 * Hosts with EPT or NPT: memory of a vCPU, in two slots that adjoin, and nothing behind it. The vCPU alone
 * touches it, and has the VMM give it back, log it, take its slots away.
 */
#define NR_POOLS	4
#define POOL_PAGES	160	/* two blocks of populate=64 and a half */
#define POOL_SPLIT	72	/* the first page of its second slot */
/* Where in a page the vCPU writes; the VMM may write anywhere in it. */
#define POOL_OFFSET	8
#define POOL_ORDER(what, first, n)	((what) | (u64)(first) << 8 | (u64)(n) << 32)

#ifndef __ASSEMBLER__
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

/* Counters of a vCPU; the VMM prints those that are not 0 by these names. */
#define COUNTERS(X)							\
	X(op) X(boots) X(hits) X(misses) X(moves) X(calls) X(refused)	\
	X(registered) X(lost) X(edits) X(flushes) X(checks) X(faults)	\
	X(nmis) X(trips) X(forged) X(sipis) X(wild)			\
	X(asked) X(populated) X(given_back) X(touched)

struct cpu_ctl {
#define X(name) u64 name;
	COUNTERS(X)
#undef X
	u64 table;		/* gpa, if there is one */
	u64 asks;		/* 1 + the pool of another vCPU that it asks for */
} __attribute__((aligned(256)));

struct cost {
	u64 name;		/* gpa of a string */
	u64 calls, min, sum, max;
};

/* What the host has: the CR3 cache, LOAD_CR3 only (AMD, or switched off), nothing; EPT or NPT with populate=1, or a block. */
enum host { HOST_CACHE, HOST_LOAD, HOST_NONE, HOST_ASKED, HOST_BLOCK };

/* What the VMM does to a pool at its vCPU's word; then it looks what is in memory. */
enum {
	POOL_NEW,	/* both slots, of other memory, which is empty */
	POOL_GIVE_BACK,	/* pages first to first + n, by MADV_DONTNEED */
	POOL_UNMAP,	/* the same by munmap() and mmap() */
	POOL_SLOT,	/* the slot "first" gets state n */
	POOL_LOOK,	/* nothing else; the dirty log, too */
};

enum { SLOT_ABSENT, SLOT_READONLY, SLOT_LOGGED, SLOT_PLAIN };

struct pool {
	/* VMM */
	u64 state[2];
	/* Guest; the VMM clears what it gives back. */
	u64 value[POOL_PAGES];
	u8 may[POOL_PAGES];	/* it was touched or asked for, and may be in memory */
	/* Guest; the VMM clears it when it has read the dirty log: TOUCHED_* */
	u8 touched[POOL_PAGES];
};

#define TOUCHED_READ	1
#define TOUCHED_WRITE	2

struct ctl {
	/* VMM */
	u32 mode, vcpus;
	u64 seed, count;
	u64 host;				/* enum host */
	/* guest */
	u64 pools;				/* gpa of NR_POOLS struct pool */
	u64 fail, fail_cpu, fail_op, want, got;	/* fail: gpa of a string */
	u64 windows;
	u64 window[2 * MAX_WINDOWS];		/* start, commit */
	struct cost cost[MAX_COSTS];
	struct cpu_ctl cpu[MAX_VCPUS];
};
#endif
#endif
