// SPDX-License-Identifier: GPL-2.0
/* Exits, faults and single-stepping between start and commit. */
#include <linux/kdebug.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>

#include "hostile.h"

#define IOAPIC		0xfec00000
#define UNMAPPED	((void *)0xffff800000000000)
#define STEPS		40

static unsigned int steps;
static void __iomem *ioapic;

static int on_debug(struct notifier_block *nb, unsigned long val, void *data)
{
	struct die_args *args = data;

	if (val != DIE_DEBUG || user_mode(args->regs) || !steps)
		return NOTIFY_DONE;
	if (!--steps)
		args->regs->flags &= ~X86_EFLAGS_TF;
	return NOTIFY_STOP;
}

static struct notifier_block debug_notifier = { .notifier_call = on_debug };

static u64 restarts(void)
{
	hostile_leave();
	return READ_ONCE(hostile_mine()->state->restarts);
}

/* The host's timer interrupts this, whatever the guest's does. */
static void interrupted(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	struct hostile_run run = {};
	u64 cr3 = hostile_cr3(), were = restarts();
	unsigned int tries = 0;
	long r;

	/* Faster on silicon: some milliseconds, sooner or later. */
	do {
		r = hostile_spin(table, cr3, &run, 8ull << (20 + tries));
	} while (r == 1 && run.starts < 2 && ++tries < 8);
	hostile_case("spin", 1, r);
	hostile_case("spin-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("spin-again", 1, run.starts > 1);
	hostile_case("spin-told", 1, restarts() > were);
}

static void stepped(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	struct hostile_run run = {};
	u64 cr3 = hostile_cr3(), were = restarts();

	steps = STEPS;
	hostile_case("step", 1, hostile_lookup_stepped(table, cr3, &run));
	hostile_case("step-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("step-handler", 0, steps);
	hostile_case("step-again", 1, run.starts > STEPS / 2);
	hostile_case("step-told", 1, restarts() > were + STEPS / 2);
}

static void window(void)
{
	u64 cr3 = hostile_cr3();

	hostile_case("register", 0, hostile_register());
	hostile_case("window-cpuid", 1, hostile_cpuid());
	hostile_case("window-out", 1, hostile_out());
	if (ioapic)
		hostile_case("window-mmio", 0, hostile_mmio(ioapic, 10));
	hostile_case("window-fault", 1, hostile_fault(UNMAPPED));
	interrupted();
	stepped();
	hostile_case("window-registered", 0, hostile_load_cr3(cr3));
	hostile_unregister();

	/* Without a registration it is code like any other. */
	hostile_case("no-window-cpuid", 0, hostile_cpuid());
	hostile_case("no-window-out", 0, hostile_out());
	if (ioapic)
		hostile_case("no-window-mmio", 1, hostile_mmio(ioapic, 10));
	hostile_case("no-window-fault", 2, hostile_fault(UNMAPPED));
}

void hostile_window(void)
{
	if (register_die_notifier(&debug_notifier))
		return;
	ioapic = ioremap(IOAPIC, PAGE_SIZE);
	hostile_on(0, window);
	if (ioapic)
		iounmap(ioapic);
	unregister_die_notifier(&debug_notifier);
}
