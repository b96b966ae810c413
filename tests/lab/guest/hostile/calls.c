// SPDX-License-Identifier: GPL-2.0
/* Hypercalls that need no page: numbers, arguments, what is offered. */
#include "hostile.h"

struct call {
	const char *name;
	u64 nr, a0, a1;
	long want;
};

/* Stands for the feature bits that a host offers on this CPU. */
#define OFFERED		LONG_MAX

static void make(const struct call *c, unsigned int n)
{
	for (; n--; c++) {
		long want = c->want;

		if (want == OFFERED)
			want = hostile_offered();
		hostile_case(c->name, want,
			     hostile_call4(c->nr, c->a0, c->a1, PAGE_SHIFT, 0));
	}
}

static const struct call wrong[] = {
	{ "probe", KVMPV_HC_PROBE, 1, 0, KVMPV_ABI_VERSION },
	{ "probe-newer", KVMPV_HC_PROBE, 0xffffffff, 0, KVMPV_ABI_VERSION },
	{ "probe-0", KVMPV_HC_PROBE, 0, 0, -KVMPV_EPROTO },
	{ "probe-high-half", KVMPV_HC_PROBE, 1ull << 32, 0, -KVMPV_EPROTO },
	{ "features-0", KVMPV_HC_FEATURES, 0, 0, OFFERED },
	{ "features-1", KVMPV_HC_FEATURES, 1, 0, 0 },
	{ "features-2", KVMPV_HC_FEATURES, 2, 0, 0 },
	{ "features-last", KVMPV_HC_FEATURES, 0xffffffff, 0, 0 },
	{ "features-high-half", KVMPV_HC_FEATURES, 1ull << 32, 0, OFFERED },
	{ "past-last", KVMPV_HC_LAST + 1, 0, 0, -KVMPV_ENOSYS },
	{ "before-first", KVMPV_HC_BASE - 1ull, 0, 0, -KVMPV_ENOSYS },
	{ "number-is-64-bit", KVMPV_HC_PROBE | 1ull << 32, 1, 0, -KVMPV_ENOSYS },
	{ "unregister-without", KVMPV_HC_UNREGISTER, 0, 0, 0 },
	{ "load-without", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOENT },
	{ "release-unaligned", KVMPV_HC_RELEASE, 4, 1, -KVMPV_EINVAL },
	/* The parameter allows it, but page tables are shadowed. */
	{ "populate-shadow", KVMPV_HC_POPULATE, 4, 0, -KVMPV_ENODEV },
	{ "load-without-flags", KVMPV_HC_LOAD_CR3, ~0ull, ~0ull, -KVMPV_ENOENT },
};

static void call_all(void)
{
	make(wrong, ARRAY_SIZE(wrong));
	hostile_case("other-registers", 0,
		     hostile_changed_registers(KVMPV_HC_PROBE));
	hostile_case("other-registers-refused", 0,
		     hostile_changed_registers(KVMPV_HC_LOAD_CR3));
	hostile_case("other-registers-flush", 0,
		     hostile_changed_registers(KVMPV_HC_FLUSH_RANGE));
}

void hostile_calls(void)
{
	hostile_on(0, call_all);
}

/* paravirt=0: as a host without kvm-paravirt. */
static const struct call all_off[] = {
	{ "off-probe", KVMPV_HC_PROBE, 1, 0, -KVMPV_ENOSYS },
	{ "off-probe-0", KVMPV_HC_PROBE, 0, 0, -KVMPV_ENOSYS },
	{ "off-features", KVMPV_HC_FEATURES, 0, 0, -KVMPV_ENOSYS },
	{ "off-unregister", KVMPV_HC_UNREGISTER, 0, 0, -KVMPV_ENOSYS },
	{ "off-load", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOSYS },
	{ "off-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, -KVMPV_ENOSYS },
	{ "off-flush-range", KVMPV_HC_FLUSH_RANGE, 0, 1, -KVMPV_ENOSYS },
	{ "off-flush-vcpus", KVMPV_HC_FLUSH_VCPUS, 0, 0, -KVMPV_ENOSYS },
	{ "off-release", KVMPV_HC_RELEASE, 0, 0, -KVMPV_ENOSYS },
	{ "off-populate", KVMPV_HC_POPULATE, 0, 0, -KVMPV_ENOSYS },
};

static void call_off(void)
{
	make(all_off, ARRAY_SIZE(all_off));
	hostile_case("off-register", -KVMPV_ENOSYS, hostile_register());
}

void hostile_off(void)
{
	hostile_on(0, call_off);
}

static const struct call with_ept[] = {
	{ "ept-probe", KVMPV_HC_PROBE, 1, 0, KVMPV_ABI_VERSION },
	{ "ept-features", KVMPV_HC_FEATURES, 0, 0, 0 },
	{ "ept-load", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOENT },
	{ "ept-unregister", KVMPV_HC_UNREGISTER, 0, 0, 0 },
	{ "ept-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, -KVMPV_ENODEV },
	{ "ept-flush-scope", KVMPV_HC_FLUSH, 0, 0, -KVMPV_ENODEV },
	{ "ept-flush-range", KVMPV_HC_FLUSH_RANGE, 0, 1, -KVMPV_ENODEV },
	{ "ept-flush-vcpus", KVMPV_HC_FLUSH_VCPUS, 4, 0, -KVMPV_ENODEV },
	{ "ept-release", KVMPV_HC_RELEASE, 4, 0, -KVMPV_ENODEV },
	/* With "present" the host may map pages, and may not allocate any. */
	{ "ept-populate", KVMPV_HC_POPULATE, 4, 0, -KVMPV_ENOSYS },
	/* The host refuses for reasons of its own before it looks at arguments. */
	{ "ept-register-nothing", KVMPV_HC_REGISTER, 1, 0, -KVMPV_ENODEV },
};

static void call_ept(void)
{
	make(with_ept, ARRAY_SIZE(with_ept));
	hostile_case("ept-register", -KVMPV_ENODEV, hostile_register());
}

void hostile_ept(void)
{
	hostile_on(0, call_ept);
}

/* paravirt=cr3-cache */
static const struct call without_load[] = {
	{ "noload-features", KVMPV_HC_FEATURES, 0, 0, KVMPV_F_CR3_CACHE },
	{ "noload-load", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOSYS },
	{ "noload-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, -KVMPV_ENOSYS },
	{ "noload-flush-range", KVMPV_HC_FLUSH_RANGE, 0, 1, -KVMPV_ENOSYS },
	{ "noload-flush-vcpus", KVMPV_HC_FLUSH_VCPUS, 4, 0, -KVMPV_ENOSYS },
	{ "noload-release", KVMPV_HC_RELEASE, 4, 0, -KVMPV_ENOSYS },
	{ "noload-populate", KVMPV_HC_POPULATE, 4, 0, -KVMPV_ENOSYS },
};

static void call_noload(void)
{
	struct kvmpv_state *state = hostile_mine()->state;

	make(without_load, ARRAY_SIZE(without_load));
	hostile_case("noload-register-both", -KVMPV_EOPNOTSUPP,
		     hostile_register());
	hostile_fill(state, hostile_mine()->table);
	state->features_accepted = KVMPV_F_CR3_CACHE;
	hostile_case("noload-register", 0,
		     hostile_call(KVMPV_HC_REGISTER, __pa(state), sizeof(*state)));
	hostile_case("noload-load-registered", -KVMPV_ENOSYS,
		     hostile_load_cr3(hostile_cr3()));
}

void hostile_noload(void)
{
	hostile_on(0, call_noload);
}

/* paravirt=load-cr3 */
static const struct call without_cache[] = {
	{ "nocache-features", KVMPV_HC_FEATURES, 0, 0, KVMPV_F_LOAD_CR3 | KVMPV_F_INVLPG_CURRENT },
	{ "nocache-load", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOENT },
	{ "nocache-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, -KVMPV_ENOSYS },
};

static void call_nocache(void)
{
	make(without_cache, ARRAY_SIZE(without_cache));
	hostile_case("nocache-register-both", -KVMPV_EOPNOTSUPP,
		     hostile_register());
	hostile_case("nocache-register", 0, hostile_register_load());
	hostile_case("nocache-load-registered", 0,
		     hostile_load_cr3(hostile_cr3()));
}

void hostile_nocache(void)
{
	hostile_on(0, call_nocache);
}

/* paravirt=flush */
static const struct call with_flush[] = {
	{ "flushonly-features", KVMPV_HC_FEATURES, 0, 0, F_FLUSHES },
	{ "flushonly-load", KVMPV_HC_LOAD_CR3, 0, 0, -KVMPV_ENOSYS },
	{ "flushonly-unregister", KVMPV_HC_UNREGISTER, 0, 0, 0 },
	{ "flushonly-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0 },
	{ "flushonly-flush-range", KVMPV_HC_FLUSH_RANGE, 0, 1, 0 },
	{ "flushonly-flush-vcpus", KVMPV_HC_FLUSH_VCPUS, 4, 0, -KVMPV_EINVAL },
	{ "flushonly-release", KVMPV_HC_RELEASE, 4, 0, -KVMPV_ENOSYS },
};

static void call_flushonly(void)
{
	struct kvmpv_state *state = hostile_mine()->state;

	make(with_flush, ARRAY_SIZE(with_flush));
	hostile_case("flushonly-register", -KVMPV_EOPNOTSUPP,
		     hostile_register_load());
	hostile_fill_load(state, hostile_mine()->table);
	state->features_accepted = F_FLUSHES;
	hostile_case("flushonly-register-flush", -KVMPV_ENODATA,
		     hostile_call(KVMPV_HC_REGISTER, __pa(state), sizeof(*state)));
}

void hostile_flushonly(void)
{
	hostile_on(0, call_flushonly);
}
