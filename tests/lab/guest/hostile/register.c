// SPDX-License-Identifier: GPL-2.0
/* REGISTER: every reason to refuse, in the specification's order. */
#include <linux/pci.h>
#include <linux/string.h>

#include "hostile.h"

#define WINDOW(name)	{ (unsigned long)name##_start, (unsigned long)name##_commit }

#define KEEP		0xa5	/* what bytes hold that the host must not touch */

static u64 more;	/* features_accepted besides */

/* Makes a well-formed state page; the fields that the host writes, and the table, are not empty. */
void hostile_fill(struct kvmpv_state *state, struct kvmpv_table *table)
{
	const struct kvmpv_window windows[] = {
		WINDOW(lookup), WINDOW(spin), WINDOW(cpuid), WINDOW(out),
		WINDOW(mmio), WINDOW(fault),
	};

	memset(state, 0, sizeof(*state));
	state->guest_version = KVMPV_ABI_VERSION;
	state->size = sizeof(*state);
	state->features_accepted = KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3 | more;
	state->table_gpa = __pa(table);
	state->nr_windows = ARRAY_SIZE(windows);
	memcpy(state->window, windows, sizeof(windows));

	memset(&state->host_version, KEEP, sizeof(state->host_version));
	memset(&state->ret, KEEP, sizeof(state->ret));
	memset(&state->features_offered, KEEP, sizeof(state->features_offered));
	memset(&state->publishes, KEEP, sizeof(state->publishes));
	memset(table, KEEP, sizeof(*table));
}

/* LOAD_CR3 alone needs neither table nor windows. */
void hostile_fill_load(struct kvmpv_state *state, struct kvmpv_table *table)
{
	hostile_fill(state, table);
	state->features_accepted = KVMPV_F_LOAD_CR3 | more;
	state->table_gpa = 0;
	state->nr_windows = 0;
	memset(state->window, 0, sizeof(state->window));
}

/* Registers for all features that this CPU can have. */
long hostile_register(void)
{
	struct hostile_pages *p = hostile_mine();
	long r;

	if (!hostile_has_cache())
		return hostile_register_load();
	hostile_fill(p->state, p->table);
	p->state->restarts = 0;
	r = hostile_call(KVMPV_HC_REGISTER, __pa(p->state), sizeof(*p->state));
	/* The host lists nothing before it has seen an exit, which this is. */
	hostile_cr3();
	return r;
}

long hostile_register_load(void)
{
	struct kvmpv_state *state = hostile_mine()->state;

	hostile_fill_load(state, hostile_mine()->table);
	return hostile_call(KVMPV_HC_REGISTER, __pa(state), sizeof(*state));
}

/* And promises that no page of the lower half is global. */
long hostile_register_promised(void)
{
	long r;

	more = KVMPV_F_INVLPG_CURRENT;
	r = hostile_register();
	more = 0;
	return r;
}

void hostile_unregister(void)
{
	hostile_call(KVMPV_HC_UNREGISTER, 0, 0);
}

static struct kvmpv_state before;

/* "-22", and what else is not as it should be: "-22,state+0x280,registered" */
static void judge(const char *name, long want, long got, bool page_read)
{
	struct hostile_pages *p = hostile_mine();
	static char want_text[16], text[96];
	unsigned int i;
	int n;

	if (page_read) {
		before.host_version = KVMPV_ABI_VERSION;
		before.features_offered = hostile_offered();
		before.ret = want;
	}
	snprintf(want_text, sizeof(want_text), "%ld", want);
	n = scnprintf(text, sizeof(text), "%ld", got);
	for (i = 0; i < sizeof(before); i++) {
		if (((u8 *)p->state)[i] != ((u8 *)&before)[i]) {
			n += scnprintf(text + n, sizeof(text) - n,
				       ",state+0x%x", i);
			break;
		}
	}
	for (i = 0; i < sizeof(*p->table); i++) {
		if (((u8 *)p->table)[i] != KEEP) {
			n += scnprintf(text + n, sizeof(text) - n,
				       ",table+0x%x", i);
			break;
		}
	}
	if (hostile_load_cr3(hostile_cr3()) != -KVMPV_ENOENT)
		scnprintf(text + n, sizeof(text) - n, ",registered");
	hostile_unregister();
	hostile_text(name, want_text, text);
}

/* The call's arguments; the page that they name is not read. */
static const struct {
	const char *name;
	u64 gpa, size;
	long want;
} arguments[] = {
	{ "size-0", 0, 0, -KVMPV_ENOSPC },
	{ "size-4095", 0, 4095, -KVMPV_ENOSPC },
	{ "size-4097", 0, 4097, -KVMPV_E2BIG },
	{ "size-2^40", 0, 1ull << 40, -KVMPV_E2BIG },
	{ "size-4096+2^32", 0, 4096 + (1ull << 32), -KVMPV_E2BIG },
	{ "size-0-unaligned", 8, 0, -KVMPV_ENOSPC },
	{ "state-unaligned", 8, 4096, -KVMPV_EINVAL },
	{ "state-unaligned-far", GPA_FAR + 1, 4096, -KVMPV_EINVAL },
	{ "state-hole", GPA_HOLE, 4096, -KVMPV_EFAULT },
	{ "state-far", GPA_FAR, 4096, -KVMPV_EFAULT },
	{ "state-farthest", GPA_FARTHEST, 4096, -KVMPV_EFAULT },
	{ "state-apic", GPA_APIC, 4096, -KVMPV_EFAULT },
	{ "state-tss", GPA_TSS, 4096, -KVMPV_EFAULT },
};

/* Up to two stores that make a well-formed state page a wrong one. */
struct store {
	u16 offset, bytes;
	u64 value;
};

#define FIELD(field, value)	{ offsetof(struct kvmpv_state, field),	\
				  sizeof(((struct kvmpv_state *)0)->field), value }
#define BYTE(offset)		{ offset, 1, 0x80 }
#define START(i, value)		FIELD(window[i].start, value)
#define COMMIT(i, value)	FIELD(window[i].commit, value)
/* windows of hostile_fill(): the first unused one */
#define NEXT			6

struct field {
	const char *name;
	long want;
	struct store store[2];
};

static const struct field fields[] = {
	{ "version-0", -KVMPV_EPROTO, { FIELD(guest_version, 0) } },
	{ "version-0-reserved", -KVMPV_EPROTO,
	  { FIELD(guest_version, 0), FIELD(reserved0, 1) } },
	{ "size-field-0", -KVMPV_EBADMSG, { FIELD(size, 0) } },
	{ "size-field-4095", -KVMPV_EBADMSG, { FIELD(size, 4095) } },
	{ "size-field-4097", -KVMPV_EBADMSG, { FIELD(size, 4097) } },
	{ "reserved0", -KVMPV_EBADMSG, { FIELD(reserved0, 1) } },
	{ "reserved0-last-byte", -KVMPV_EBADMSG, { BYTE(47) } },
	{ "reserved1", -KVMPV_EBADMSG, { BYTE(48) } },
	{ "reserved1-last-byte", -KVMPV_EBADMSG, { BYTE(127) } },
	{ "reserved2", -KVMPV_EBADMSG, { BYTE(656) } },
	{ "reserved2-last-byte", -KVMPV_EBADMSG, { BYTE(4095) } },
	{ "reserved-and-features", -KVMPV_EBADMSG,
	  { BYTE(4095), FIELD(features_accepted, F_UNDEFINED) } },
	{ "features-undefined", -KVMPV_EOPNOTSUPP,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE | F_UNDEFINED) } },
	{ "features-undefined-alone", -KVMPV_EOPNOTSUPP,
	  { FIELD(features_accepted, F_UNDEFINED) } },
	{ "features-flush-alone", -KVMPV_ENODATA,
	  { FIELD(features_accepted, F_FLUSHES) } },
	{ "features-bit-63", -KVMPV_EOPNOTSUPP,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE | 1ull << 63) } },
	{ "features-none", -KVMPV_ENODATA, { FIELD(features_accepted, 0) } },
	{ "features-promise-alone", -KVMPV_ENODATA,
	  { FIELD(features_accepted, KVMPV_F_INVLPG_CURRENT) } },
	{ "features-none-table", -KVMPV_ENODATA,
	  { FIELD(features_accepted, 0), FIELD(table_gpa, 8) } },
	{ "load-alone-both", -KVMPV_EBADMSG,
	  { FIELD(features_accepted, KVMPV_F_LOAD_CR3) } },
	{ "load-alone-table", -KVMPV_EBADMSG,
	  { FIELD(features_accepted, KVMPV_F_LOAD_CR3), FIELD(nr_windows, 0) } },
	{ "load-alone-windows", -KVMPV_EBADMSG,
	  { FIELD(features_accepted, KVMPV_F_LOAD_CR3), FIELD(table_gpa, 0) } },
	{ "table-unaligned", -KVMPV_EINVAL, { FIELD(table_gpa, 0x1008) } },
	{ "table-unaligned-far", -KVMPV_EINVAL, { FIELD(table_gpa, GPA_FAR + 1) } },
	{ "table-hole", -KVMPV_EFAULT, { FIELD(table_gpa, GPA_HOLE) } },
	{ "table-far", -KVMPV_EFAULT, { FIELD(table_gpa, GPA_FAR) } },
	{ "table-farthest", -KVMPV_EFAULT, { FIELD(table_gpa, GPA_FARTHEST) } },
	{ "table-apic", -KVMPV_EFAULT, { FIELD(table_gpa, GPA_APIC) } },
	{ "table-tss", -KVMPV_EFAULT, { FIELD(table_gpa, GPA_TSS) } },
	{ "windows-0", -KVMPV_ERANGE, { FIELD(nr_windows, 0) } },
	{ "windows-33", -KVMPV_ERANGE, { FIELD(nr_windows, 33) } },
	{ "windows-2^31", -KVMPV_ERANGE, { FIELD(nr_windows, 1u << 31) } },
	{ "windows-2^32-1", -KVMPV_ERANGE, { FIELD(nr_windows, ~0u) } },
	{ "windows-more-than-used", -KVMPV_ERANGE,
	  { FIELD(nr_windows, NEXT + 1) } },
	{ "windows-junk-start", -KVMPV_ERANGE, { START(NEXT, 1) } },
	{ "windows-junk-last", -KVMPV_ERANGE, { COMMIT(31, 1ull << 63) } },
	{ "windows-less-than-used", -KVMPV_ERANGE,
	  { FIELD(nr_windows, NEXT - 1) } },
	{ "window-backwards", -KVMPV_ERANGE,
	  { START(0, 0x2000), COMMIT(0, 0x1fff) } },
	{ "window-empty", -KVMPV_ERANGE,
	  { START(0, 0x2000), COMMIT(0, 0x2000) } },
	{ "window-257", -KVMPV_ERANGE,
	  { START(0, 0x2000), COMMIT(0, 0x2101) } },
	{ "window-wraps", -KVMPV_ERANGE,
	  { START(0, 0xffffffffffffff80ull), COMMIT(0, 0x10) } },
	{ "window-everything", -KVMPV_ERANGE,
	  { START(0, 0), COMMIT(0, ~0ull) } },
};

/* A CPU without CR3 targets; the rest of the state page is for LOAD_CR3 alone. */
static const struct field without_targets[] = {
	{ "cache", -KVMPV_ENXIO,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE) } },
	{ "cache-and-load", -KVMPV_ENXIO,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3) } },
	{ "cache-and-undefined", -KVMPV_ENXIO,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE | F_UNDEFINED) } },
	{ "cache-table-unaligned", -KVMPV_ENXIO,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE), FIELD(table_gpa, 8) } },
	{ "cache-version-0", -KVMPV_EPROTO,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE), FIELD(guest_version, 0) } },
	{ "cache-reserved", -KVMPV_EBADMSG,
	  { FIELD(features_accepted, KVMPV_F_CR3_CACHE), BYTE(4095) } },
	{ "load-and-undefined", -KVMPV_EOPNOTSUPP,
	  { FIELD(features_accepted, KVMPV_F_LOAD_CR3 | F_UNDEFINED) } },
	{ "load-table", -KVMPV_EBADMSG, { FIELD(table_gpa, 0x1000) } },
	{ "load-windows", -KVMPV_EBADMSG, { FIELD(nr_windows, 1) } },
	{ "load-window", -KVMPV_EBADMSG, { COMMIT(31, 1) } },
	{ "features-none", -KVMPV_ENODATA, { FIELD(features_accepted, 0) } },
	{ "features-promise-alone", -KVMPV_ENODATA,
	  { FIELD(features_accepted, KVMPV_F_INVLPG_CURRENT) } },
	{ "features-flush-alone", -KVMPV_ENODATA,
	  { FIELD(features_accepted, F_FLUSHES) } },
};

static void store(struct kvmpv_state *state, const struct store *s)
{
	memcpy((u8 *)state + s->offset, &s->value, s->bytes);
}

static void try_state(const char *name, long want)
{
	struct hostile_pages *p = hostile_mine();
	long got;

	before = *p->state;
	got = hostile_call(KVMPV_HC_REGISTER, __pa(p->state), sizeof(*p->state));
	judge(name, want, got, true);
}

static void try_arguments(void)
{
	struct hostile_pages *p = hostile_mine();
	unsigned int i;
	long got;
	u64 gpa;

	for (i = 0; i < ARRAY_SIZE(arguments); i++) {
		gpa = arguments[i].gpa;
		if (gpa < sizeof(*p->state))
			gpa += __pa(p->state);
		hostile_fill(p->state, p->table);
		before = *p->state;
		got = hostile_call(KVMPV_HC_REGISTER, gpa, arguments[i].size);
		judge(arguments[i].name, arguments[i].want, got, false);
	}
}

static void try_each(const struct field *f, unsigned int n,
		     void (*fill)(struct kvmpv_state *, struct kvmpv_table *))
{
	struct hostile_pages *p = hostile_mine();
	unsigned int i;

	for (; n--; f++) {
		fill(p->state, p->table);
		for (i = 0; i < ARRAY_SIZE(f->store); i++)
			store(p->state, &f->store[i]);
		try_state(f->name, f->want);
	}
}

static void try_fields(void)
{
	try_each(fields, ARRAY_SIZE(fields), hostile_fill);
}

static void try_without_targets(void)
{
	try_each(without_targets, ARRAY_SIZE(without_targets), hostile_fill_load);
}

static void two_windows(struct kvmpv_state *state, u64 start, u64 commit)
{
	memset(state->window, 0, sizeof(state->window));
	state->nr_windows = 2;
	state->window[0].start = 0x2000;
	state->window[0].commit = 0x2100;
	state->window[1].start = start;
	state->window[1].commit = commit;
}

static void try_windows(void)
{
	struct hostile_pages *p = hostile_mine();

	hostile_fill(p->state, p->table);
	two_windows(p->state, 0x20ff, 0x2110);
	try_state("windows-overlap", -KVMPV_ERANGE);

	hostile_fill(p->state, p->table);
	two_windows(p->state, 0x1000, 0x1010);
	try_state("windows-unordered", -KVMPV_ERANGE);

	hostile_fill(p->state, p->table);
	two_windows(p->state, 0x2000, 0x2100);
	try_state("windows-twice", -KVMPV_ERANGE);

	hostile_fill(p->state, p->table);
	two_windows(p->state, 0x2100, 0x2100);
	try_state("windows-second-empty", -KVMPV_ERANGE);

	hostile_fill(p->state, p->table);
	p->state->table_gpa = __pa(p->state);
	try_state("table-is-state", -KVMPV_EBUSY);

	hostile_fill(p->state, p->table);
	p->state->table_gpa = __pa(p->state);
	p->state->nr_windows = 0;
	try_state("table-is-state-windows", -KVMPV_ERANGE);
}

/* Windows that are just right. */
static void try_window_edges(void)
{
	struct hostile_pages *p = hostile_mine();
	unsigned int i;

	hostile_fill(p->state, p->table);
	two_windows(p->state, 0x2100, 0x2101);
	hostile_case("windows-adjacent-256", 0,
		     hostile_call(KVMPV_HC_REGISTER, __pa(p->state), 4096));
	hostile_unregister();

	hostile_fill(p->state, p->table);
	p->state->nr_windows = KVMPV_NR_WINDOWS;
	for (i = 0; i < KVMPV_NR_WINDOWS; i++) {
		p->state->window[i].start = 0x2000 + i;
		p->state->window[i].commit = 0x2001 + i;
	}
	hostile_case("windows-32", 0,
		     hostile_call(KVMPV_HC_REGISTER, __pa(p->state), 4096));
	hostile_unregister();
}

/* Other edge cases, and what the host writes when it accepts them. */
static void try_edges(void)
{
	struct hostile_pages *p = hostile_mine();

	hostile_fill_load(p->state, p->table);
	p->state->guest_version = ~0;
	hostile_case("version-newer", 0,
		     hostile_call(KVMPV_HC_REGISTER, __pa(p->state), 4096));
	hostile_unregister();

	hostile_fill_load(p->state, p->table);
	p->state->features_accepted |= F_FLUSHES;
	hostile_case("load-and-flushes", 0,
		     hostile_call(KVMPV_HC_REGISTER, __pa(p->state), 4096));
	hostile_unregister();

	hostile_case("load-alone", 0, hostile_register_load());
	hostile_case("load-alone-load", 0, hostile_load_cr3(hostile_cr3()));
	hostile_case("load-alone-no-table", 0,
		     !!memchr_inv(p->table, KEEP, sizeof(*p->table)));
	hostile_unregister();

	hostile_case("register", 0, hostile_register());
	hostile_case("host-version", KVMPV_ABI_VERSION, p->state->host_version);
	hostile_case("features-offered", hostile_offered(),
		     p->state->features_offered);
	hostile_case("ret", 0, p->state->ret);
	hostile_case("register-twice", -KVMPV_EEXIST, hostile_register());
	hostile_case("register-twice-size", -KVMPV_EEXIST,
		     hostile_call(KVMPV_HC_REGISTER, 1, 0));
	hostile_case("still-registered", 0, hostile_load_cr3(hostile_cr3()));
	hostile_case("unregister", 0,
		     hostile_call(KVMPV_HC_UNREGISTER, ~0ull, ~0ull));
	hostile_case("unregister-twice", 0,
		     hostile_call(KVMPV_HC_UNREGISTER, 0, 0));
	hostile_case("unregistered", -KVMPV_ENOENT,
		     hostile_load_cr3(hostile_cr3()));
}

void hostile_registering(void)
{
	hostile_on(0, try_arguments);
	if (hostile_has_cache()) {
		hostile_on(0, try_fields);
		hostile_on(0, try_windows);
		hostile_on(0, try_window_edges);
	} else {
		hostile_on(0, try_without_targets);
	}
	hostile_on(0, try_edges);
}

static u64 rom;

static void try_rom(void)
{
	struct hostile_pages *p = hostile_mine();
	long got;

	hostile_fill(p->state, p->table);
	before = *p->state;
	got = hostile_call(KVMPV_HC_REGISTER, rom, sizeof(*p->state));
	judge("state-rom", -KVMPV_EROFS, got, false);

	hostile_fill(p->state, p->table);
	p->state->table_gpa = rom;
	try_state("table-rom", -KVMPV_EROFS);

	hostile_fill(p->state, p->table);
	p->state->table_gpa = rom;
	p->state->nr_windows = 0;
	try_state("table-rom-windows", -KVMPV_EROFS);

	hostile_case("register", 0, hostile_register());
}

static void after_slots(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	struct hostile_run run;
	u64 cr3 = hostile_cr3();

	hostile_case("slots-registered", 0, hostile_load_cr3(cr3));
	hostile_case("slots-hit", 1, hostile_lookup(table, cr3, &run));
	hostile_case("slots-cr3", 0, hostile_cr3() ^ cr3);
}

/*
 * A PCI expansion ROM is a read-only memory slot, which the guest makes and
 * takes away, and KVM then forgets all page tables.
 */
static void with_rom(struct pci_dev *dev)
{
	unsigned int i, bad = 0;

	rom = pci_resource_start(dev, PCI_ROM_RESOURCE);
	hostile_case("rom", 0, pci_enable_rom(dev));
	hostile_on(0, try_rom);
	for (i = 0; i < 10; i++) {
		pci_disable_rom(dev);
		bad += pci_enable_rom(dev) != 0;
	}
	hostile_case("slots-change", 0, bad);
	hostile_on(0, after_slots);
	pci_disable_rom(dev);
}

/* The first device that has a ROM, its memory on. */
void hostile_with_rom(void (*with)(struct pci_dev *dev))
{
	struct pci_dev *dev = NULL;

	for_each_pci_dev(dev) {
		if (!pci_resource_len(dev, PCI_ROM_RESOURCE))
			continue;
		if (!pci_enable_device_mem(dev)) {
			with(dev);
			pci_disable_device(dev);
		}
		pci_dev_put(dev);
		return;
	}
	hostile_text("rom", "yes", "no");
}

void hostile_rom(void)
{
	hostile_with_rom(with_rom);
}

static void owner(void)
{
	hostile_case("vcpu0-register", 0, hostile_register());
}

/* Registers with pages of either vCPU; the contents of @state are written anew. */
static long register_pages(struct kvmpv_state *state, struct kvmpv_table *table)
{
	state->table_gpa = __pa(table);
	return hostile_call(KVMPV_HC_REGISTER, __pa(state), sizeof(*state));
}

static void other(void)
{
	struct hostile_pages *his = &hostile_pages[0], *mine = &hostile_pages[1];
	static struct kvmpv_table old_table;
	static struct kvmpv_state old_state;
	long r;

	his->state->table_gpa = __pa(mine->table);
	memset(&his->state->ret, KEEP, sizeof(his->state->ret));
	old_state = *his->state;
	r = register_pages(his->state, mine->table);
	hostile_case("vcpu1-state-of-vcpu0", -KVMPV_EBUSY, r);
	hostile_case("vcpu1-state-of-vcpu0-kept", 0,
		     memcmp(&old_state, his->state, sizeof(old_state)));
	/* The entries of the table may change, as vCPU 0 is running. */
	old_table = *his->table;
	r = hostile_call(KVMPV_HC_REGISTER, __pa(his->table), sizeof(*his->table));
	hostile_case("vcpu1-state-is-table-of-vcpu0", -KVMPV_EBUSY, r);
	hostile_case("vcpu1-state-is-table-of-vcpu0-kept", 0,
		     memcmp(&old_table.reserved, his->table->reserved,
			    sizeof(old_table.reserved)));
	hostile_case("vcpu1-both-of-vcpu0", -KVMPV_EBUSY,
		     register_pages(his->state, his->table));
	hostile_fill(mine->state, mine->table);
	hostile_case("vcpu1-table-of-vcpu0", -KVMPV_EBUSY,
		     register_pages(mine->state, his->table));
	hostile_fill(mine->state, mine->table);
	hostile_case("vcpu1-table-is-state-of-vcpu0", -KVMPV_EBUSY,
		     register_pages(mine->state, (void *)his->state));
	hostile_case("vcpu1-not-registered", -KVMPV_ENOENT,
		     hostile_load_cr3(hostile_cr3()));
	hostile_case("vcpu1-own", 0, hostile_register());
	hostile_unregister();
}

/* After an UNREGISTER another vCPU may register with the same pages. */
static void heir(void)
{
	struct hostile_pages *his = &hostile_pages[0];

	hostile_fill(his->state, his->table);
	hostile_case("vcpu1-inherits", 0, register_pages(his->state, his->table));
}

void hostile_owners(void)
{
	if (num_online_cpus() < HOSTILE_CPUS) {
		hostile_text("two-vcpus", "yes", "no");
		return;
	}
	hostile_on(0, owner);
	hostile_on(1, other);
	hostile_on(0, hostile_unregister);
	hostile_on(1, heir);
}
