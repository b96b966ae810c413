// SPDX-License-Identifier: GPL-2.0
/* How a registration ends, and that nothing is written afterwards. */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "hostile.h"

#define LOOPS		1000
#define PATTERN		0x3c

static void fill_pattern(void)
{
	memset(hostile_mine()->state, PATTERN, PAGE_SIZE);
	memset(hostile_mine()->table, PATTERN, PAGE_SIZE);
}

static bool changed(const char *name, const void *page)
{
	const u8 *at = memchr_inv(page, PATTERN, PAGE_SIZE);

	/* The value that was written tells who has written it. */
	if (at)
		pr_err("hostile: %s changed at %#lx: %*ph\n", name, offset_in_page(at),
		       (int)min_t(unsigned long, 32, PAGE_SIZE - offset_in_page(at)), at);
	return at;
}

static long pattern_lost(const struct hostile_pages *p)
{
	return changed("state", p->state) + changed("table", p->table);
}

static void try_unregister(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	u64 cr3 = hostile_cr3();

	hostile_case("register", 0, hostile_register());
	if (hostile_has_cache())
		hostile_case("published", 1, !!hostile_find(table, cr3));
	hostile_case("unregister", 0, hostile_call(KVMPV_HC_UNREGISTER, 0, 0));
	hostile_case("unregistered", -KVMPV_ENOENT, hostile_load_cr3(cr3));
	if (hostile_has_cache())
		hostile_case("unregister-empty", 1, hostile_empty(table));
	fill_pattern();
	hostile_mov_cr3(cr3);
	hostile_leave();
}

/*
 * Against the ABI: a CR3 with the tag bit. With PCIDs it ends the registration;
 * without, the bit means nothing, and the table is empty as long as it is set.
 */
static void try_tag(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	u64 cr3 = hostile_cr3();
	bool pcide = __read_cr4() & X86_CR4_PCIDE, empty;
	long r;

	hostile_case("register", 0, hostile_register());
	hostile_case("tag-bit", 0, hostile_mov_cr3(cr3 | CR3_TAG));
	hostile_leave();
	empty = hostile_empty(table);
	if (pcide) {
		r = hostile_load_cr3(cr3);
		hostile_mov_cr3(cr3);
		hostile_case("tag-pcid-unregisters", -KVMPV_ENOENT, r);
		hostile_case("tag-pcid-empty", 1, empty);
		hostile_case("tag-pcid-for-good", -KVMPV_ENOENT,
			     hostile_load_cr3(cr3));
		fill_pattern();
		hostile_leave();
		hostile_case("tag-pcid-nothing-written", 0,
			     pattern_lost(hostile_mine()));
	} else {
		hostile_mov_cr3(cr3);
		if (hostile_has_cache()) {
			hostile_case("tag-empty", 1, empty);
			hostile_case("tag-gone", 1, !!hostile_find(table, cr3));
		}
		hostile_case("tag-registered", 0, hostile_load_cr3(cr3));
	}
	hostile_case("tag-cr3", 0, hostile_cr3() ^ cr3);
}

static void other_registers(void)
{
	hostile_case("vcpu1-register", 0, hostile_register());
}

static void other_after_init(void)
{
	hostile_case("init-unregisters", -KVMPV_ENOENT,
		     hostile_load_cr3(hostile_cr3()));
	if (hostile_has_cache())
		hostile_case("init-empty", 1, hostile_empty(hostile_mine()->table));
	fill_pattern();
}

void hostile_life(void)
{
	hostile_on(0, try_unregister);
	msleep(50);
	hostile_case("unregister-nothing-written", 0,
		     pattern_lost(&hostile_pages[0]));
	hostile_on(0, try_tag);

	/* The guest does not unregister: the vCPU goes offline, and INIT ends the registration. */
	hostile_on(1, other_registers);
	hostile_case("vcpu1-off", 0, remove_cpu(1));
	hostile_case("vcpu1-on", 0, add_cpu(1));
	hostile_on(1, other_after_init);
	msleep(50);
	hostile_case("init-nothing-written", 0, pattern_lost(&hostile_pages[1]));
}

static unsigned int refusals;

static void register_again(void)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		refusals += hostile_register() != 0;
		refusals += hostile_call(KVMPV_HC_UNREGISTER, 0, 0) != 0;
	}
}

void hostile_loop(void)
{
	unsigned int i;

	refusals = 0;
	for (i = 0; i < LOOPS / 100; i++)
		hostile_on(0, register_again);
	hostile_case("register-1000-times", 0, refusals);
}

/* For a controller that resets, saves or kills the guest between these. */
static void register_to_stay(void)
{
	hostile_case("register", 0, hostile_register());
}

void hostile_keep(void)
{
	hostile_on(0, register_to_stay);
}

static void is_registered(void)
{
	hostile_case("kept-load", 0, hostile_load_cr3(hostile_cr3()));
	if (!hostile_has_cache())
		fill_pattern();
}

void hostile_kept(void)
{
	hostile_on(0, is_registered);
}

static void is_not_registered(void)
{
	hostile_case("lost-load", -KVMPV_ENOENT, hostile_load_cr3(hostile_cr3()));
	/* Until the guest was saved, the host has written to table and counters. */
	if (hostile_has_cache())
		fill_pattern();
	hostile_leave();
	hostile_case("lost-nothing-written", 0, pattern_lost(hostile_mine()));
}

void hostile_lost(void)
{
	hostile_on(0, is_not_registered);
}

/* Loads a page table that maps nothing, as every guest may. */
static void die(void)
{
	void *empty = (void *)get_zeroed_page(GFP_ATOMIC);

	if (hostile_register() || !empty)
		return;
	hostile_mov_cr3(__pa(empty));
}

void hostile_die(void)
{
	hostile_on(0, die);
	hostile_text("die", "dead", "alive");
}

/* No RAM at all; LOAD_CR3 is offered everywhere. */
static void die_hole(void)
{
	if (!hostile_register_load())
		hostile_mov_cr3(GPA_HOLE);
}

void hostile_die_hole(void)
{
	hostile_on(0, die_hole);
	hostile_text("die", "dead", "alive");
}
