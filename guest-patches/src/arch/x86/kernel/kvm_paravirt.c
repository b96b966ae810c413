// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: the option kvm_paravirt=, and what the host offers.
 *
 * Each mechanism is in a file of its own and falls back by itself, call by
 * call, when the host does not (or no longer) help.
 */
#define pr_fmt(fmt) "kvm-paravirt: " fmt

#include <linux/bits.h>
#include <linux/cc_platform.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/printk.h>
#include <linux/string.h>

#include <asm/kvm_paravirt.h>
#include <asm/paravirt.h>

#define KVMPV_F_CR3	(IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) ? \
			 KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3 | \
			 KVMPV_F_INVLPG_CURRENT : 0)
#define KVMPV_F_TLB	(KVMPV_F_FLUSH | KVMPV_F_FLUSH_RANGE | KVMPV_F_FLUSH_VCPUS)

unsigned int kvmpv_host_version __ro_after_init;
unsigned long kvmpv_offered __ro_after_init;
unsigned long kvmpv_used __ro_after_init;
DEFINE_PER_CPU(struct kvmpv_populate_counters, kvmpv_populate_counters);
const char *kvmpv_reason __ro_after_init = "kvm_paravirt= is not given";

/* The ABI's errors are Linux's, so that %pe knows their names. */
static char kvmpv_refused[48] __ro_after_init;

/* What needs no help of the host. */
bool kvmpv_iodelay_used __ro_after_init;
bool kvmpv_pic_used __ro_after_init;
bool kvmpv_pti_used __ro_after_init;
bool kvmpv_keep_used __ro_after_init;
bool kvmpv_cow_used __ro_after_init;
bool kvmpv_fault_used __ro_after_init;
static bool kvmpv_pti_cr3_used __initdata;

/* The words that kvm_paravirt= takes; 1 is all of them. */
enum kvmpv_part {
	KVMPV_PART_CR3,
	KVMPV_PART_TLB,
	KVMPV_PART_RELEASE,
	KVMPV_PART_KEEP,
	KVMPV_PART_COW,
	KVMPV_PART_FAULT,
	KVMPV_PART_PTI,
	KVMPV_PART_IODELAY,
	KVMPV_PART_PIC,
	KVMPV_PART_POPULATE,
	KVMPV_NR_PARTS
};

static const char * const kvmpv_words[KVMPV_NR_PARTS] __initconst = {
	[KVMPV_PART_CR3]	= "cr3",
	[KVMPV_PART_TLB]	= "tlb",
	[KVMPV_PART_RELEASE]	= "release",
	[KVMPV_PART_KEEP]	= "keep",
	[KVMPV_PART_COW]	= "cow",
	[KVMPV_PART_FAULT]	= "fault",
	[KVMPV_PART_PTI]	= "pti",
	[KVMPV_PART_IODELAY]	= "iodelay",
	[KVMPV_PART_PIC]	= "pic",
	[KVMPV_PART_POPULATE]	= "populate",
};

static bool kvmpv_given __initdata;
/* Words were given, not 1: whoever names a part wants it on any host. */
static bool kvmpv_listed __initdata;
static unsigned long kvmpv_wanted __initdata;

static bool __init kvmpv_want(enum kvmpv_part part)
{
	return kvmpv_wanted & BIT(part);
}

static int __init kvmpv_setup(char *val)
{
	char *word;
	int part;

	if (!val)
		return -EINVAL;
	kvmpv_given = strcmp(val, "0");
	kvmpv_wanted = strcmp(val, "1") ? 0 : GENMASK(KVMPV_NR_PARTS - 1, 0);
	kvmpv_listed = kvmpv_given && !kvmpv_wanted;
	if (!kvmpv_listed)
		return 0;
	while ((word = strsep(&val, ",")) != NULL) {
		part = match_string(kvmpv_words, KVMPV_NR_PARTS, word);
		if (part >= 0)
			kvmpv_wanted |= BIT(part);
		else
			pr_warn("kvm_paravirt=: '%s' is not known; it takes 0, 1 or a list of cr3,tlb,release,keep,cow,fault,pti,iodelay,pic,populate\n",
				word);
	}
	return 0;
}
early_param("kvm_paravirt", kvmpv_setup);

/* Why the CR3 cache is not for this kernel, or NULL. */
static const char * __init kvmpv_why_no_cr3(void)
{
	if (!kvmpv_want(KVMPV_PART_CR3))
		return "cr3 is not in the list of kvm_paravirt=";
	if (!IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3))
		return "this kernel is 32-bit";
	/* Without it __flush_tlb_all() flushes what belongs to one CR3. */
	if (!boot_cpu_has(X86_FEATURE_PGE))
		return "the CPU has no global pages";
	/* A miss of the cache needs it, see kvmpv_load_cr3_miss(). */
	if (!(kvmpv_offered & KVMPV_F_LOAD_CR3))
		return "the host does not offer it";
	/* Entry code loads CR3 more often than the scheduler, from the table only. */
	if (boot_cpu_has(X86_FEATURE_PTI) && !kvmpv_pti_used)
		return "page table isolation is on, pti is not in the list of kvm_paravirt=";
	if (boot_cpu_has(X86_FEATURE_PTI) && !(kvmpv_offered & KVMPV_F_CR3_CACHE))
		return "page table isolation is on, the host has no table";
	return NULL;
}

/*
 * Also under page table isolation. Not without global pages: __flush_tlb_all()
 * is a MOV to CR3 then, also from where CR3 is not what cpu_tlbstate says.
 */
static bool __init kvmpv_tlb_possible(void)
{
	return kvmpv_want(KVMPV_PART_TLB) &&
	       (kvmpv_offered & KVMPV_F_TLB) == KVMPV_F_TLB &&
	       boot_cpu_has(X86_FEATURE_PGE);
}

/* Offered by hosts that do not shadow page tables, which offer nothing else. */
static bool __init kvmpv_host_shadows(void)
{
	return kvmpv_offered & ~(unsigned long)KVMPV_F_POPULATE;
}

/* The one line that says what is in use, and if the cache is not, why. */
static void __init kvmpv_announce(void)
{
	char others[64];
	const char *end;

	snprintf(others, sizeof(others), "%s%s%s%s%s%s%s%s%s",
		 kvmpv_used & KVMPV_F_TLB ? " tlb-flush" : "",
		 kvmpv_used & KVMPV_F_RELEASE ? " release" : "",
		 kvmpv_keep_used ? " keep" : "",
		 kvmpv_cow_used ? " cow" : "",
		 kvmpv_fault_used ? " fault" : "",
		 kvmpv_pti_cr3_used ? " pti-cr3" : kvmpv_pti_used ? " pti" : "",
		 kvmpv_iodelay_used ? " io-delay" : "",
		 kvmpv_pic_used ? " pic" : "",
		 kvmpv_used & KVMPV_F_POPULATE ? " populate" : "");
	/* A reason may be of several words. */
	end = *others ? ";" : "";

	if (!kvmpv_host_version)
		pr_info("%s, full emulation%s%s\n", kvmpv_reason, end, others);
	else if (kvmpv_reason)
		pr_info("host ABI v%u: cr3-cache off, %s%s%s\n",
			kvmpv_host_version, kvmpv_reason, end, others);
	else if (kvmpv_used & KVMPV_F_CR3_CACHE)
		pr_info("host ABI v%u: cr3-cache(%d)%s\n", kvmpv_host_version,
			KVMPV_NR_ENTRIES, others);
	else
		pr_info("host ABI v%u: load-cr3%s\n", kvmpv_host_version, others);
}

/*
 * Not to read CR3 needs no help of the host, but is of use only where the host
 * shadows page tables. One that offers something does. One that does not know
 * kvm-paravirt may or may not: on the many that do not shadow, each entry would
 * have an LFENCE more, and a kernel pointer in a page that users' page tables
 * map, for nothing. Hence only for those who name pti.
 */
static void __init kvmpv_pti_init(void)
{
	if (!IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) ||
	    !kvmpv_want(KVMPV_PART_PTI) || !boot_cpu_has(X86_FEATURE_PTI))
		return;
	setup_force_cpu_cap(X86_FEATURE_KVM_PTI);
	kvmpv_pti_used = true;
}

/*
 * To keep page tables needs no help of the host either, and gains as much where
 * the host shadows them. Elsewhere it would spare a new process some zeroing, and
 * cost one that ends as much.
 */
static void __init kvmpv_keep_wanted(void)
{
	if (!IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) || !kvmpv_want(KVMPV_PART_KEEP))
		return;
	kvmpv_keep_init();
	kvmpv_keep_used = true;
}

/*
 * Nor does it to map what a process will touch next. Elsewhere a fault is cheap, and
 * memory that nobody uses is not.
 */
static void __init kvmpv_fault_wanted(void)
{
	if (!IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) || !kvmpv_want(KVMPV_PART_FAULT))
		return;
	kvmpv_fault_init();
	kvmpv_fault_used = true;
}

/**
 * kvmpv_init_platform() - what is not to wait until kvmpv_guest_init()
 *
 * Context: boot CPU, as soon as early parameters are parsed.
 */
void __init kvmpv_init_platform(void)
{
	if (kvmpv_want(KVMPV_PART_IODELAY))
		kvmpv_iodelay_used = io_delay_disable();
}

/**
 * kvmpv_guest_init() - probe the host
 *
 * Context: boot CPU, before alternatives are applied.
 */
void __init kvmpv_guest_init(void)
{
	long version, offered;

	if (!kvmpv_given)
		return;

	if (kvmpv_iodelay_used)
		kvmpv_no_io_delay();
	if (kvmpv_want(KVMPV_PART_PIC))
		kvmpv_pic_used = kvmpv_pic_init();

	/* No host shadows its page tables, and with TDX a VMCALL is fatal. */
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		kvmpv_reason = "guest memory is encrypted";
		kvmpv_announce();
		return;
	}

	version = kvmpv_hypercall2(KVMPV_HC_PROBE, KVMPV_ABI_VERSION, 0);
	if (version < 1) {
		kvmpv_reason = "the host does not know kvm-paravirt";
		if (kvmpv_listed) {
			kvmpv_pti_init();
			kvmpv_keep_wanted();
			kvmpv_fault_wanted();
		}
		kvmpv_announce();
		return;
	}
	kvmpv_host_version = version;
	offered = kvmpv_hypercall2(KVMPV_HC_FEATURES, 0, 0);
	kvmpv_offered = offered > 0 ? offered : 0;
	if (kvmpv_want(KVMPV_PART_POPULATE))
		kvmpv_used |= kvmpv_offered & KVMPV_F_POPULATE;
	if (kvmpv_host_shadows())
		kvmpv_pti_init();
	if (kvmpv_tlb_possible()) {
		kvmpv_used |= KVMPV_F_TLB;
		kvmpv_tlb_init();
	}
	/* Without tlb a range is a flush, and an exit, for each page. */
	if (IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) &&
	    kvmpv_want(KVMPV_PART_COW) && (kvmpv_used & KVMPV_F_TLB)) {
		kvmpv_cow_init();
		kvmpv_cow_used = true;
	}
	if (IS_ENABLED(CONFIG_KVM_PARAVIRT_CR3) &&
	    kvmpv_want(KVMPV_PART_RELEASE) && (kvmpv_offered & KVMPV_F_RELEASE)) {
		kvmpv_used |= KVMPV_F_RELEASE;
		kvmpv_mm_init();
	}
	if (kvmpv_host_shadows()) {
		kvmpv_keep_wanted();
		kvmpv_fault_wanted();
	}
	kvmpv_reason = kvmpv_why_no_cr3();
	if (!kvmpv_reason)
		kvmpv_used |= kvmpv_offered & KVMPV_F_CR3;
	if (kvmpv_used & ~KVMPV_F_POPULATE)
		kvmpv_no_broadcast_flush();
	if (kvmpv_reason)
		kvmpv_announce();
}

/* The boot CPU decides: all later CPUs find the feature bit set or not. */
static void __init kvmpv_boot_cpu_init(void)
{
	int r;

	kvmpv_cr3_init(kvmpv_pti_used);
	r = kvmpv_cr3_cpu_init(kvmpv_used & KVMPV_F_CR3);
	if (r) {
		kvmpv_used &= ~KVMPV_F_CR3;
		snprintf(kvmpv_refused, sizeof(kvmpv_refused),
			 "REGISTER answered %pe", ERR_PTR(r));
		kvmpv_reason = kvmpv_refused;
		kvmpv_announce();
		return;
	}
	setup_force_cpu_cap(X86_FEATURE_KVM_CR3_CACHE);
	if (kvmpv_pti_used) {
		setup_force_cpu_cap(X86_FEATURE_KVM_PTI_CR3);
		kvmpv_pti_cr3_used = true;
	}
	kvmpv_announce();
}

/**
 * kvmpv_guest_cpu_init() - a CPU comes up, or back from suspend
 *
 * Context: interrupts off.
 */
void __ref kvmpv_guest_cpu_init(void)
{
	int r;

	if (kvmpv_used & KVMPV_F_TLB)
		kvmpv_tlb_cpu_init();
	if (!(kvmpv_used & KVMPV_F_CR3))
		return;
	if (system_state < SYSTEM_SCHEDULING) {
		kvmpv_boot_cpu_init();
		return;
	}
	r = kvmpv_cr3_cpu_init(kvmpv_used & KVMPV_F_CR3);
	if (r)
		pr_info("CPU %d: REGISTER answered %pe\n", smp_processor_id(),
			ERR_PTR(r));
}

/**
 * kvmpv_guest_cpu_offline() - a CPU or this kernel goes away
 *
 * Context: interrupts off.
 */
void kvmpv_guest_cpu_offline(void)
{
	if (kvmpv_used & KVMPV_F_CR3)
		kvmpv_cr3_cpu_offline();
}
