// SPDX-License-Identifier: GPL-2.0
/*
 * With what guest-patches/src/arch/x86/kernel/kvm_paravirt_cr3.c registers, on hosts that refuse some of it: one whose CR3 targets do
 * not work, one that is older, and one that the guest comes back to after the older one.
 */
#include <stdio.h>

#define BIT(n)			(1UL << (n))
#define TLB_NR_DYN_ASIDS	1
#define noinline		__attribute__((noinline))
#define likely(x)		(x)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name)	type name __aligned(PAGE_SIZE)
#define sort(base, num, size, cmp, swap)	qsort(base, num, size, cmp)

struct tlb_state {
	char ctxs[1];
};

static long host(unsigned int nr, unsigned long a0, unsigned long a1);
#undef kvmpv_hypercall2
#define kvmpv_hypercall2(nr, a0, a1)	host(nr, (unsigned long)(a0), a1)

/* The source itself: its state of the CPU is static. */
#include "kvm_paravirt_cr3.c"

#define CACHE	KVMPV_F_CR3_CACHE
#define LOAD	KVMPV_F_LOAD_CR3
#define PROMISE	KVMPV_F_INVLPG_CURRENT

const struct kvmpv_code __kvmpv_windows[] = { { 16, 32, 64 } };
const struct kvmpv_code __kvmpv_windows_end[1];
const char kvmpv_cr3_start[1];
unsigned long jiffies = 1000;
bool unit_irqs_off = true, unit_nmi;
int unit_no_preempt;

void unit_pinned(void) { }
void unit_read(const volatile void *p) { (void)p; }

static bool known;		/* has the host registered this CPU? */
static unsigned long offered, has; /* by the host, and what the CPU is registered with */
static bool unfit;		/* the host's CR3 targets do not work */
static unsigned int registers, loads;

static long host(unsigned int nr, unsigned long a0, unsigned long a1)
{
	const struct kvmpv_state *state = (const void *)a0;

	switch (nr) {
	case KVMPV_HC_REGISTER:
		registers++;
		if (known)
			return -KVMPV_EEXIST;
		if ((state->features_accepted & CACHE) && unfit)
			return -KVMPV_EIO;
		if (state->features_accepted & ~offered)
			return -KVMPV_EOPNOTSUPP;
		/* It refuses a table without the feature, and the feature without a table. */
		if (!(state->features_accepted & CACHE) != !state->table_gpa)
			return -KVMPV_EBADMSG;
		known = true;
		has = state->features_accepted;
		return 0;
	case KVMPV_HC_UNREGISTER:
		known = false;
		return 0;
	case KVMPV_HC_LOAD_CR3:
		loads++;
		return known ? 0 : -KVMPV_ENOENT;
	}
	return -KVMPV_ENOSYS;
}

bool __kvmpv_load_cr3(const struct kvmpv_table *table, unsigned long cr3)
{
	(void)table;
	(void)cr3;
	return false;
}

static int bad, failed, checks;

static void check_line(bool right, int line, const char *text)
{
	if (right)
		return;
	printf("not ok - line %d: %s\n", line, text);
	bad = failed = 1;
}

#define check(cond) check_line(cond, __LINE__, #cond)

/* The checks since the last one are of this. */
static void shown(const char *text)
{
	if (!bad)
		printf("ok - %s\n", text);
	bad = 0;
	checks++;
}

/* The VM comes to another host, which does not know it, and switches twice. */
static void moves_to(unsigned long to, bool to_unfit)
{
	known = false;
	has = 0;
	offered = to;
	unfit = to_unfit;
	check(!kvmpv_load_cr3(4096));
	kvmpv_load_cr3(4096);
}

int main(void)
{
	offered = CACHE | LOAD | PROMISE;
	check(!kvmpv_cr3_cpu_init(CACHE | LOAD | PROMISE));
	check(registers == 1 && has == (CACHE | LOAD | PROMISE));
	check(kvmpv_load_cr3(4096) && loads == 1);
	shown("a host that has everything");

	check(!kvmpv_cr3_cpu_init(CACHE | LOAD | PROMISE));
	check(known && has == (CACHE | LOAD | PROMISE));
	shown("a kernel before this one is still registered");

	moves_to(CACHE | LOAD, false);
	check(known && has == (CACHE | LOAD));
	check(kvmpv_load_cr3(4096));
	shown("an older host is registered with, too");

	moves_to(CACHE | LOAD | PROMISE, false);
	check(known && has == (CACHE | LOAD | PROMISE));
	shown("the next host is offered everything again");

	moves_to(CACHE | LOAD, true);
	check(known && has == LOAD);
	shown("an older host whose CR3 targets do not work");

	moves_to(0, false);
	registers = 0;
	check(!known && !kvmpv_load_cr3(4096) && !registers);
	jiffies += KVMPV_RETRY;
	check(!kvmpv_load_cr3(4096) && registers == 2);
	check(!kvmpv_load_cr3(4096) && registers == 2);
	shown("a host that offers nothing is asked twice at once, and then not before half a second is over");
	printf("1..%d\n", checks);
	return failed;
}
