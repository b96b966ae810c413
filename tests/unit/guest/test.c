// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of guest-patches/src/arch/x86/kernel/kvm_paravirt_tlb.c, _mm.c and _fault.c: what must not come between
 * what. An NMI flushes wherever it can come in, and a page table is freed as soon as interrupts are on. Memory ends, or another
 * CPU comes first, at each page that would be mapped before it is touched.
 */
#include <stdio.h>

/* The sources themselves: the descriptor is theirs. */
#include "kvm_paravirt_tlb.c"
#include "kvm_paravirt_mm.c"
#include "kvm_paravirt_fault.c"

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

/* The calls that the host has got. */
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

static unsigned int syncs;

void tlb_remove_table_sync_one(void)
{
	check(!unit_irqs_off);
	syncs++;
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
	/* One page is done natively, and so is none. */
	check(!__kvmpv_flush_tlb_range(0x5000, 0x6000, 12));
	check(!__kvmpv_flush_tlb_range(0x5000, 0x5000, 12));
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
	/* CPU 2 does not use the mm any more. */
	return cpu != 2;
}

/* True if the local flush was part of the call for the other CPUs. */
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

/* flush_tlb_mm_range() of Linux 7.x calls it with preemption on. */
static bool preemptible;

void unit_pinned(void)
{
	check(!preemptible || unit_irqs_off || unit_nmi);
}

static void flush(unsigned long mask, unsigned long end)
{
	const struct flush_tlb_info info = { .start = 0x1000, .end = end, .stride_shift = 12 };
	const struct cpumask cpus = { mask };

	preemptible = true;
	pv_ops.mmu.flush_tlb_multi(&cpus, &info);
	preemptible = false;
	check(!unit_irqs_off);
	check(!kvmpv_tlb_cpu.pending);
}

/* When page tables are freed, a CPU that is lazy about the mm still has them, and one that has left it has not. */
struct mm_struct *unit_loaded_mm[NR_CPUS];

static void test_freed_tables(void)
{
	static struct mm_struct mm, other;
	struct flush_tlb_info info = { .mm = &mm, .start = 0x1000, .end = 0x4000, .stride_shift = 12, .freed_tables = 1 };
	const struct cpumask cpus = { 0xf };

	topic = "page tables are freed: CPUs that have them";
	reset();
	unit_loaded_mm[1] = &other;
	/* should_flush_tlb() says no of this one, as if it were lazy. */
	unit_loaded_mm[2] = &mm;
	unit_loaded_mm[3] = LOADED_MM_SWITCHING;
	pv_ops.mmu.flush_tlb_multi(&cpus, &info);
	check(joined && !before && nr_calls == 1);
	check(calls[0].desc.vcpu_mask[0] == 0xd);

	topic = "page tables are freed: nobody else has them";
	reset();
	unit_loaded_mm[2] = unit_loaded_mm[3] = &other;
	pv_ops.mmu.flush_tlb_multi(&cpus, &info);
	check(joined && !before);
	check(nr_calls == 1 && calls[0].nr == KVMPV_HC_FLUSH_RANGE);
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

	/* The host refuses a call for nothing: no flush would be one call for a while. */
	reset();
	check(__kvmpv_flush_tlb_kernel(0x1000, 0x1000));
	check(nr_calls == 1 && calls[0].desc.pages == 1);

	reset();
	__kvmpv_sync_table_walkers();
	check(syncs == 1);

	reset();
	debugger = true;
	check(__kvmpv_flush_tlb_kernel(0, TLB_FLUSH_ALL));
	check(nr_calls == 1 && calls[0].desc.vcpu_mask[0] == 0xf && calls[0].desc.scope == KVMPV_FLUSH_ALL);
}

/* --- pages that stop being page tables */

#define NR_PMD_TABLES	3
static pud_t *puds;
static pmd_t *pmds[NR_PMD_TABLES];
static unsigned long told[1024];
static unsigned int nr_told;
/* Each stretch of time with interrupts off has a number: the one in which an entry of puds was read last, 0 if never. */
static unsigned int stretch, pud_read[PTRS_PER_PUD];
/* The table that another CPU, which truncates a shared file, waits to free; -1 if there is none. */
static int victim;

static void host_releases(const u64 *va, unsigned int nr)
{
	check(nr && nr <= KVMPV_RELEASE_MAX);
	while (nr--)
		told[nr_told++] = *va++;
}

/*
 * When a table of PMDs is read, interrupts must be off, and must have been off ever since the entry
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

/* The IPI for which huge_pmd_unshare_flush() waits comes in here. If the table is read later, the address sanitizer tells. */
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
 * table of PTEs, once? Of a table that is freed meanwhile, those that were seen before count.
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
	/* A page of 1 GiB, and below pages of 2 MiB, which are no tables. */
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

/* --- anonymous pages that are mapped before they are touched */

#define TABLE	0x40000000ul		/* what the page table's first entry maps */

struct folio {
	unsigned long addr;
	bool charged, uptodate, mapped;
};

static struct unit_task unit_task;
struct unit_task *current = &unit_task;

/* How one fault goes, and what came of it */
static struct around {
	struct mm_struct mm;
	struct vm_area_struct vma;
	struct vm_fault vmf;
	pmd_t pmd;
	pte_t pte[PTRS_PER_PTE];
	spinlock_t lock;

	bool reaped;
	int memory, charges;		/* how many pages are free, and how many the memory cgroup may take */
	int other_cpu;			/* fills this entry before the lock is taken; -1: none */

	bool locked;
	bool tells;			/* the host is to be told, by a flush */
	unsigned int allocated, freed, set;
} a;

pte_t *pte_offset_kernel(pmd_t *pmd, unsigned long addr)
{
	check(pmd == &a.pmd && addr == a.vmf.address && a.vmf.pte);
	return &a.pte[pte_index(addr)];
}

void spin_lock(spinlock_t *lock)
{
	check(lock == &a.lock && !a.locked);
	if (a.other_cpu >= 0)
		a.pte[a.other_cpu].val = 0xabc001;
	a.locked = true;
}

void spin_unlock(spinlock_t *lock)
{
	check(lock == &a.lock && a.locked);
	a.locked = false;
}

int check_stable_address_space(struct mm_struct *mm)
{
	check(a.locked);
	return a.reaped ? -1 : 0;
}

/* It must not wait, for a lock or for memory: others may wait for the lock that this fault holds. */
struct folio *vma_alloc_folio(unsigned int gfp, int order, struct vm_area_struct *vma, unsigned long addr, bool huge)
{
	struct folio *folio;

	check(!a.locked);
	check(!(gfp & __GFP_RECLAIM) && (gfp & __GFP_ZERO) && (gfp & __GFP_NOWARN));
	check(!order && vma == &a.vma && !huge);
	check(addr > a.vmf.address && addr < a.vma.vm_end);
	if ((int)a.allocated == a.memory)
		return NULL;
	a.allocated++;
	folio = calloc(1, sizeof(*folio));
	folio->addr = addr;
	return folio;
}

int mem_cgroup_charge(struct folio *folio, struct mm_struct *mm, unsigned int gfp)
{
	check(!a.locked && mm == &a.mm && !(gfp & __GFP_RECLAIM));
	if (!a.charges)
		return -1;
	a.charges--;
	folio->charged = true;
	return 0;
}

void __folio_mark_uptodate(struct folio *folio)
{
	folio->uptodate = true;
}

void folio_put(struct folio *folio)
{
	check(!folio->mapped && !a.locked);
	a.freed++;
	free(folio);
}

void do_set_anon_pte(struct vm_area_struct *vma, unsigned long addr, pte_t *pte, struct folio *folio)
{
	check(a.locked && vma == &a.vma && !pte->val);
	check(pte == &a.pte[pte_index(addr)] && folio->addr == addr);
	check(folio->charged && folio->uptodate && !folio->mapped);
	folio->mapped = true;
	pte->val = (unsigned long)folio | UNIT_PRESENT;
	a.set++;
}

/* A write to page @nr, in whose group all below it are there, and two at least. */
static void write_to(unsigned int nr)
{
	unsigned int i = nr;

	reset();
	a = (struct around){
		.vma = { TABLE - PAGE_SIZE, TABLE + PTRS_PER_PTE * PAGE_SIZE, VM_WRITE, &a.mm },
		.vmf = {
			.vma = &a.vma, .address = TABLE + nr * PAGE_SIZE, .flags = FAULT_FLAG_WRITE,
			.pmd = &a.pmd, .pte = &a.pte[nr], .ptl = &a.lock,
		},
		/* Of what is in front of pte[0] nothing may be read as an entry. */
		.pmd = { UNIT_PRESENT },
		.memory = 1000, .charges = 1000, .other_cpu = -1,
	};
	unit_task.mm = &a.mm;
	a.pte[nr].val = 0xdef001;
	while (i-- && (i % 8 != 7 || nr - i < 3))
		a.pte[i].val = 0xdef001;
}

/* Checks that so many pages are mapped after the one of the fault, and that none is lost. */
static void maps(unsigned int pages, int line)
{
	u64 before_it = kvmpv_counters.fault_around;
	unsigned int nr = pte_index(a.vmf.address), i;

	__kvmpv_fault_around(&a.vmf);
	check_line(a.set == pages, line, "as many pages as expected");
	check_line(nr_calls == (a.tells && pages), line, "the host is told if it would not see");
	if (nr_calls)
		check_line(calls[0].nr == KVMPV_HC_FLUSH_RANGE && calls[0].a0 == a.vmf.address &&
			   calls[0].a1 == pages + 1 && calls[0].a2 == PAGE_SHIFT, line, "of these pages");
	check_line(!unit_irqs_off, line, "interrupts are on");
	check_line(a.allocated == a.set + a.freed, line, "no page is lost");
	check_line(kvmpv_counters.fault_around == before_it + pages, line, "counted");
	check_line(!a.locked, line, "the page table is unlocked");
	for (i = 0; i < PTRS_PER_PTE; i++) {
		if (a.pte[i].val && a.pte[i].val < 0x1000000)
			continue;
		check_line(!a.pte[i].val == !(i > nr && i <= nr + pages), line, "these pages");
		free((void *)(a.pte[i].val & ~UNIT_PRESENT));
	}
}

#define maps(pages)	maps(pages, __LINE__)

static void test_around(void)
{
	static const unsigned long flags[] = {
		0, VM_WRITE | VM_NOHUGEPAGE, VM_WRITE | VM_RAND_READ, VM_WRITE | VM_LOCKED, VM_WRITE | UNIT_UFFD,
		VM_WRITE | VM_SPECIAL, VM_WRITE | (VM_SPECIAL & -VM_SPECIAL),
	};
	struct mm_struct other;
	unsigned int i;

	topic = "the rest of the group";
	for (i = 2; i < PTRS_PER_PTE; i++) {
		write_to(i);
		maps(7 - i % 8);
	}
	topic = "one page below";
	write_to(17);
	a.pte[15].val = 0;
	maps(0);
	write_to(17);
	a.pte[15].val = 0;
	a.vma.vm_start = TABLE + 16 * PAGE_SIZE;
	maps(6);
	/* The VMA begins below what this table maps. */
	write_to(1);
	maps(0);
	topic = "nothing below";
	write_to(0);
	maps(0);
	write_to(17);
	a.pte[16].val = 0;
	maps(0);
	/* An entry that is not present, such as one of a page that is swapped out. */
	write_to(17);
	a.pte[16].val = 0xdef000;
	maps(0);
	topic = "within the VMA";
	for (i = 18; i <= 24; i++) {
		write_to(17);
		a.vma.vm_end = TABLE + i * PAGE_SIZE;
		maps(i - 18);
	}
	write_to(17);
	a.vma.vm_start = TABLE + 17 * PAGE_SIZE;
	maps(0);
	write_to(17);
	a.vma.vm_start = TABLE + 16 * PAGE_SIZE;
	maps(6);
	topic = "a group that begins with nothing";
	for (i = 18; i < 24; i++) {
		write_to(i);
		a.pte[16].val = 0;
		a.tells = true;
		maps(i < 19 ? 0 : 23 - i);
		write_to(i);
		a.vma.vm_start = TABLE + 17 * PAGE_SIZE;
		a.tells = true;
		maps(23 - i);
	}
	topic = "in the heap, as many as below";
	for (i = 17; i < 24; i++) {
		write_to(i);
		a.vma.vm_start = a.mm.start_brk = TABLE + 16 * PAGE_SIZE;
		a.mm.brk = TABLE + (i + 1) * PAGE_SIZE;
		maps(min(i - 16, 23 - i));
	}
	write_to(17);
	a.vma.vm_start = TABLE + 16 * PAGE_SIZE;
	a.mm.brk = TABLE + 17 * PAGE_SIZE;
	maps(6);
	write_to(17);
	a.vma.vm_start = TABLE + 16 * PAGE_SIZE;
	a.mm.start_brk = TABLE + 18 * PAGE_SIZE;
	a.mm.brk = TABLE + 30 * PAGE_SIZE;
	maps(6);
	topic = "up to what is there";
	for (i = 18; i < 24; i++) {
		write_to(17);
		a.pte[i].val = i & 1 ? 0xdef001 : 0xdef000;
		maps(i - 18);
		check(!a.freed);
	}
	topic = "where it is wanted";
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		write_to(17);
		a.vma.vm_flags = flags[i];
		maps(0);
		check(!a.allocated);
	}
	write_to(17);
	a.mm.flags = 1ul << MMF_DISABLE_THP;
	maps(0);
	write_to(17);
	unit_task.mm = &other;
	maps(0);
	write_to(17);
	a.vmf.flags = 0;
	maps(0);
	topic = "no page table, but a huge page";
	write_to(17);
	a.vmf.pte = NULL;
	maps(0);
}

static void test_around_short(void)
{
	unsigned int i;

	topic = "memory ends";
	for (i = 0; i < 6; i++) {
		write_to(17);
		a.memory = i;
		maps(i);
		check(!a.freed);
	}
	topic = "the memory cgroup's ends";
	for (i = 0; i < 6; i++) {
		write_to(17);
		a.charges = i;
		maps(i);
		check(a.freed == 1);
	}
}

static void test_around_race(void)
{
	unsigned int i;

	topic = "another CPU maps a page";
	for (i = 18; i < 24; i++) {
		write_to(17);
		a.other_cpu = i;
		maps(i - 18);
		check(a.pte[i].val == 0xabc001);
	}
	topic = "the OOM reaper";
	write_to(17);
	a.reaped = true;
	maps(0);
	check(a.freed == 6);
}

int main(void)
{
	static const struct {
		const char *text;
		void (*run)(void);
	} tests[] = {
		{ "flush of all CPUs, with a debugger's NMI anywhere in it", test_multi },
		{ "flush before page tables are freed", test_freed_tables },
		{ "nobody takes part in a flush that is over", test_later },
		{ "a flush that the host refuses", test_refused },
		{ "flush of kernel pages", test_kernel },
		{ "anonymous pages: which are mapped before they are touched", test_around },
		{ "anonymous pages: memory is short", test_around_short },
		{ "anonymous pages: another CPU comes first", test_around_race },
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
	printf("1..%zu\n", ARRAY_SIZE(tests) + 1);
	return any | bad;
}
