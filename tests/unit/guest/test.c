// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of guest-patches/src/arch/x86/kernel/kvm_paravirt_tlb.c and _mm.c: what must not come between what. An NMI
 * flushes wherever it can come in, and a page table is freed as soon as interrupts are on.
 */
#include <stdio.h>

/* The sources themselves: the descriptor is theirs. */
#include "kvm_paravirt_tlb.c"
#include "kvm_paravirt_mm.c"

static const char *topic = "";
static int bad;

static void check_line(bool right, int line, const char *text)
{
	if (right)
		return;
	printf("not ok - %s # line %d: %s\n", topic, line, text);
	bad = 1;
}

#define check(cond) check_line(cond, __LINE__, #cond)

/* --- the kernel */

unsigned long kvmpv_used = KVMPV_F_RELEASE;
bool unit_irqs_off, unit_nmi;
int unit_no_preempt;
unsigned long jiffies = 1000;
struct mm_struct init_mm;
typeof(cpu_tlbstate) cpu_tlbstate;
typeof(cpu_tlbstate_shared) cpu_tlbstate_shared;
typeof(pv_ops) pv_ops;
struct kvmpv_counters kvmpv_counters;

/* What the host was called for. */
static struct call {
	unsigned int nr;
	unsigned long a0, a1, a2;
	struct kvmpv_flush_vcpus desc;
} calls[32];
static unsigned int nr_calls;
static long answer;
static unsigned int before;	/* flushes as they were without us */

static void host_releases(const u64 *va, unsigned int nr);

long kvmpv_hypercall4(unsigned int nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3)
{
	struct call *c = &calls[nr_calls++ % ARRAY_SIZE(calls)];

	check(!a3);
	*c = (struct call){ .nr = nr, .a0 = a0, .a1 = a1, .a2 = a2 };
	if (nr == KVMPV_HC_FLUSH_VCPUS) {
		check(unit_irqs_off);
		check(a0 == (unsigned long)&kvmpv_desc);
		c->desc = kvmpv_desc;
	}
	if (nr == KVMPV_HC_RELEASE) {
		check(!unit_irqs_off);
		host_releases((const u64 *)a0, a1);
	}
	return answer;
}

void native_flush_tlb_multi(const struct cpumask *mask, const struct flush_tlb_info *info)
{
	(void)mask;
	(void)info;
	before++;
}

void tlb_remove_table(void)
{
}

/* --- a debugger in an NMI */

static bool debugger;

/*
 * All that a debugger could flush by, wherever it stops the kernel: its own
 * breakpoint, a range, everything. None of it is the interrupted flush.
 */
static void nmi(void)
{
	struct kvmpv_flush_vcpus desc = kvmpv_desc;
	struct kvmpv_tlb_cpu cpu = kvmpv_tlb_cpu;
	const struct flush_tlb_info page = { .start = 0x5000, .end = 0x6000, .stride_shift = 12 };
	const struct flush_tlb_info all = { .end = TLB_FLUSH_ALL };
	const struct cpumask mask = { 0xf };
	unsigned int calls_before = nr_calls, native = before;

	if (!debugger || unit_nmi)
		return;
	unit_nmi = true;
	check(!__kvmpv_flush_tlb_range(0x5000, 0x6000, 12));
	check(!__kvmpv_flush_tlb_user());
	check(!__kvmpv_flush_tlb_kernel(0x5000, 0x6000));
	check(!__kvmpv_flush_tlb_kernel(0, TLB_FLUSH_ALL));
	check(nr_calls == calls_before);
	pv_ops.mmu.flush_tlb_multi(&mask, &page);
	pv_ops.mmu.flush_tlb_multi(&mask, &all);
	check(before == native + 2);
	check(nr_calls == calls_before);
	check(__kvmpv_flush_tlb_range(0x5000, 0x8000, 12));
	check(nr_calls == calls_before + 1 && calls[calls_before].nr == KVMPV_HC_FLUSH_RANGE);
	check(calls[calls_before].a0 == 0x5000 && calls[calls_before].a1 == 3 && calls[calls_before].a2 == 12);
	check(__kvmpv_flush_tlb_all());
	check(calls[calls_before + 1].nr == KVMPV_HC_FLUSH);
	unit_nmi = false;
	/* What is interrupted finds everything as it was. */
	check(!memcmp(&desc, &kvmpv_desc, sizeof(desc)));
	check(!memcmp(&cpu, &kvmpv_tlb_cpu, sizeof(cpu)));
	nr_calls = calls_before;
	before = native;
}

unsigned int cpu_physical_id(int cpu)
{
	nmi();
	return cpu;
}

bool should_flush_tlb(int cpu, void *data)
{
	(void)data;
	nmi();
	/* CPU 2 has the mm no more. */
	return cpu != 2;
}

/* The local part; true if it was one with those of the others. */
static bool joined;

void flush_tlb_func(void *data)
{
	const struct flush_tlb_info *info = data;

	check(unit_irqs_off);
	nmi();
	joined = info->end == TLB_FLUSH_ALL ? __kvmpv_flush_tlb_user() :
		 __kvmpv_flush_tlb_range(info->start, info->end, info->stride_shift);
	nmi();
}

static void reset(void)
{
	unit_irqs_off = unit_nmi = joined = debugger = false;
	nr_calls = before = 0;
	answer = 0;
	jiffies += 1000;
	memset(&kvmpv_tlb_cpu, 0, sizeof(kvmpv_tlb_cpu));
	kvmpv_tlb_cpu_init();
}

static void flush(unsigned long mask, unsigned long end)
{
	const struct flush_tlb_info info = { .start = 0x1000, .end = end, .stride_shift = 12 };
	const struct cpumask cpus = { mask };

	pv_ops.mmu.flush_tlb_multi(&cpus, &info);
	check(!unit_irqs_off);
	check(!kvmpv_tlb_cpu.pending);
}

static void test_multi(void)
{
	int with_nmi;

	for (with_nmi = 0; with_nmi < 2; with_nmi++) {
		reset();
		debugger = with_nmi;
		topic = with_nmi ? "range, all CPUs, a debugger in between" : "range, all CPUs";
		flush(0xf, 0x4000);
		check(joined && !before);
		check(nr_calls == 1 && calls[0].nr == KVMPV_HC_FLUSH_VCPUS);
		check(calls[0].desc.vcpu_mask[0] == 0xb && !calls[0].desc.scope);
		check(calls[0].desc.va == 0x1000 && calls[0].desc.pages == 3 && calls[0].desc.stride_shift == 12);

		reset();
		debugger = with_nmi;
		topic = with_nmi ? "all pages, all CPUs, a debugger in between" : "all pages, all CPUs";
		flush(0xf, TLB_FLUSH_ALL);
		check(joined && !before);
		check(nr_calls == 1 && calls[0].nr == KVMPV_HC_FLUSH_VCPUS);
		check(calls[0].desc.vcpu_mask[0] == 0xb && calls[0].desc.scope == KVMPV_FLUSH_USER);

		reset();
		debugger = with_nmi;
		topic = with_nmi ? "other CPUs alone, a debugger in between" : "other CPUs alone";
		flush(0xe, 0x4000);
		check(!joined && !before);
		check(nr_calls == 1 && calls[0].nr == KVMPV_HC_FLUSH_VCPUS);
		check(calls[0].desc.vcpu_mask[0] == 0xa);

		reset();
		debugger = with_nmi;
		topic = with_nmi ? "this CPU alone, a debugger in between" : "this CPU alone";
		flush(0x1, 0x4000);
		check(joined && !before);
		check(nr_calls == 1 && calls[0].nr == KVMPV_HC_FLUSH_RANGE);
	}
}

static void test_later(void)
{
	topic = "nobody takes part in a call that is over";
	reset();
	flush(0xf, 0x4000);
	unit_irqs_off = true;
	check(__kvmpv_flush_tlb_range(0x7000, 0x9000, 12));
	check(!__kvmpv_flush_tlb_user());
	check(nr_calls == 2 && calls[1].nr == KVMPV_HC_FLUSH_RANGE);
}

static void test_refused(void)
{
	topic = "the host refuses: flushed as before, and not asked again at once";
	reset();
	answer = -KVMPV_ENOSYS;
	flush(0xf, 0x4000);
	check(before == 1 && !joined);
	check(nr_calls && calls[0].nr == KVMPV_HC_FLUSH_VCPUS);
	nr_calls = 0;
	flush(0xf, 0x4000);
	check(before == 2 && !nr_calls);
	answer = 0;
	jiffies += KVMPV_RETRY;
	flush(0xf, 0x4000);
	check(before == 2 && joined && nr_calls == 1);
}

static void test_kernel(void)
{
	topic = "kernel pages of all CPUs";
	reset();
	check(__kvmpv_flush_tlb_kernel(0x1000, 0x3000));
	check(nr_calls == 1 && calls[0].desc.vcpu_mask[0] == 0xf && calls[0].desc.pages == 2);
	check(!unit_irqs_off);

	reset();
	debugger = true;
	check(__kvmpv_flush_tlb_kernel(0, TLB_FLUSH_ALL));
	check(nr_calls == 1 && calls[0].desc.vcpu_mask[0] == 0xf && calls[0].desc.scope == KVMPV_FLUSH_ALL);
}

/* --- page tables that go */

#define NR_PMD_TABLES	3
static pud_t *puds;
static pmd_t *pmds[NR_PMD_TABLES];
static unsigned long told[1024];
static unsigned int nr_told;
/* In which stretch of interrupts off, 0: never, each entry of puds was read last. */
static unsigned int stretch, pud_read[PTRS_PER_PUD];
/* Which table another CPU's truncate of a shared file waits to free; -1: none. */
static int victim;

static void host_releases(const u64 *va, unsigned int nr)
{
	check(nr && nr <= KVMPV_RELEASE_MAX);
	while (nr--)
		told[nr_told++] = *va++;
}

/*
 * Reading a table of PMDs: interrupts are off, and have been since the entry
 * that points to it was read.
 */
void unit_read(const volatile void *p)
{
	unsigned long addr = (unsigned long)p;
	int i;

	if (puds && addr - (unsigned long)puds < PAGE_SIZE)
		pud_read[(addr - (unsigned long)puds) / sizeof(pud_t)] = unit_irqs_off ? stretch : 0;
	for (i = 0; i < NR_PMD_TABLES; i++)
		if (pmds[i] && addr - (unsigned long)pmds[i] < PAGE_SIZE)
			check(unit_irqs_off && pud_read[i] == stretch);
}

void local_irq_disable(void)
{
	check(!unit_irqs_off);
	unit_irqs_off = true;
	stretch++;
}

/* The IPI that huge_pmd_unshare_flush() waits for. The address sanitizer knows what is read later. */
void local_irq_enable(void)
{
	check(unit_irqs_off);
	unit_irqs_off = false;
	if (victim < 0)
		return;
	puds[victim].val = 0;
	free(pmds[victim]);
	pmds[victim] = NULL;
	victim = -1;
}

static void *new_table(void)
{
	void *table = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	return memset(table, 0, PAGE_SIZE);
}

static bool was_told(unsigned long table)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_told; i++)
		n += told[i] == table;
	check(n < 2);
	return n;
}

/*
 * A process with three tables of PMDs, of 100 entries each, more than a call takes: is each of them told of, and each
 * table of PTEs, once? Of the one that is freed meanwhile, what was seen before.
 */
static void test_release(const char *text, int freed)
{
	struct mm_struct mm = { .pgd = new_table() };
	pmd_t *table;
	unsigned int i, j, seen;

	topic = text;
	reset();
	victim = freed;
	nr_told = stretch = 0;
	memset(pud_read, 0, sizeof(pud_read));
	puds = new_table();
	mm.pgd[0].val = (unsigned long)puds | UNIT_PRESENT;
	/* A page of 1 GiB, and entries of 2 MiB: no tables. */
	puds[NR_PMD_TABLES].val = 0x40000000 | UNIT_PRESENT | UNIT_LEAF;
	for (i = 0; i < NR_PMD_TABLES; i++) {
		pmds[i] = new_table();
		puds[i].val = (unsigned long)pmds[i] | UNIT_PRESENT;
		for (j = 0; j < 100; j++)
			pmds[i][5 * j].val = ((unsigned long)(1000 * (i + 1) + j) << PAGE_SHIFT) | UNIT_PRESENT;
		pmds[i][1].val = 0x200000 | UNIT_PRESENT | UNIT_LEAF;
	}
	table = freed < 0 ? NULL : pmds[freed];

	pv_ops.mmu.exit_mmap(&mm);
	check(!unit_irqs_off && !unit_no_preempt);
	check(was_told((unsigned long)mm.pgd) && was_told((unsigned long)puds));
	for (i = 0; i < NR_PMD_TABLES; i++) {
		if ((int)i != freed)
			check(was_told((unsigned long)pmds[i]));
		for (j = seen = 0; j < 100; j++)
			seen += was_told((unsigned long)(1000 * (i + 1) + j) << PAGE_SHIFT);
		/* All but the pgd, the table of PUDs and its own address fit into the first call. */
		check(seen == ((int)i == freed ? KVMPV_RELEASE_MAX - 3 : 100));
	}
	if (table)
		check(was_told((unsigned long)table));
	check(nr_told == 2 + NR_PMD_TABLES + (freed < 0 ? 300 : 200 + KVMPV_RELEASE_MAX - 3));

	for (i = 0; i < NR_PMD_TABLES; i++) {
		free(pmds[i]);
		pmds[i] = NULL;
	}
	free(puds);
	free(mm.pgd);
	puds = NULL;
}

int main(void)
{
	static const struct {
		const char *text;
		void (*run)(void);
	} tests[] = {
		{ "flush of all CPUs, with a debugger's NMI anywhere in it", test_multi },
		{ "nobody takes part in a flush that is over", test_later },
		{ "a flush that the host refuses", test_refused },
		{ "flush of kernel pages", test_kernel },
	};
	unsigned int i;
	int any = 0;

	pv_ops.mmu.flush_tlb_multi = native_flush_tlb_multi;
	kvmpv_tlb_init();
	kvmpv_mm_init();
	victim = -1;
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		bad = 0;
		tests[i].run();
		if (!bad)
			printf("ok - %s\n", tests[i].text);
		any |= bad;
	}
	bad = 0;
	test_release("release: page tables are read with interrupts off", -1);
	test_release("release: one is freed when they are on", 0);
	if (!bad)
		printf("ok - page tables are released, also while another CPU frees one\n");
	return any | bad;
}
