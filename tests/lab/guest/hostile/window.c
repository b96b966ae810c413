// SPDX-License-Identifier: GPL-2.0
/* Exits, faults and single-stepping between start and commit. */
#include <linux/kdebug.h>
#include <linux/notifier.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/workqueue.h>

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

/*
 * An interrupt of the host's timer falls into the window, and one of the guest's timer, whose
 * handler does not know of windows. Against the ABI interrupts are on: with EFLAGS.IF clear at
 * VM entry, Bochs 2.7 holds back the host's interrupts as well.
 */
static long interrupted(void *unused)
{
	struct hostile_run run = {};
	unsigned int tries = 0;
	u64 cr3, were, told;
	long r;

	preempt_disable();
	cr3 = hostile_cr3();
	were = restarts();
	/* Tries until the interrupt has come, which takes some milliseconds on any CPU. */
	do {
		r = hostile_spin(hostile_mine()->table, cr3, &run,
				 8ull << (20 + tries));
	} while (run.starts < 2 && ++tries < 6);
	told = restarts();
	hostile_case("spin", 0, r == -1);
	hostile_case("spin-cr3", 0, hostile_cr3() ^ cr3);
	hostile_case("spin-again", 1, run.starts > 1);
	hostile_case("spin-told", 1, told > were);
	preempt_enable();
	return 0;
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

static void try_window(void)
{
	u64 cr3 = hostile_cr3();

	hostile_case("register", 0, hostile_register());
	hostile_case("window-cpuid", 1, hostile_cpuid());
	hostile_case("window-out", 1, hostile_out());
	if (ioapic)
		hostile_case("window-mmio", 0, hostile_mmio(ioapic, 10));
	hostile_case("window-fault", 1, hostile_fault(UNMAPPED));
	stepped();
	hostile_case("window-registered", 0, hostile_load_cr3(cr3));
}

static void no_window(void)
{
	hostile_case("spin-registered", 0, hostile_load_cr3(hostile_cr3()));
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
	hostile_on(0, try_window);
	work_on_cpu(0, interrupted, NULL);
	hostile_on(0, no_window);
	if (ioapic)
		iounmap(ioapic);
	unregister_die_notifier(&debug_notifier);
}
