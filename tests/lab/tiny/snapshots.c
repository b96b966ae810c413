// SPDX-License-Identifier: GPL-2.0
/*
 * The guest of mode storm is stopped at random instructions. Each time all that
 * userspace can see is taken and looked at, and the guest goes on in the same
 * VM or a new one. What nobody may see then are the host's values of the
 * table: while the guest runs they are in its memory, where another thread
 * of the VMM collects them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kvm_paravirt.h"
#include "vmm.h"

#define NR_VALUES	1024	/* a power of two */
/* The value of a window may be left in RAX until the instruction after the MOV is done. */
#define MOV_CR3_SIZE	3

static u64 value[NR_VALUES];	/* a hash table; 0: free */
static unsigned int nr_values;
static u64 looked_for, found_in_rax, random_state;
static struct vcpu_state state[MAX_VCPUS];
static u8 memory[MEM_SIZE];

static unsigned int slot_of(u64 v)
{
	return (v * 0x9e3779b97f4a7c15) >> 54 & (NR_VALUES - 1);
}

static bool is_host_value(u64 v)
{
	unsigned int i;

	if (!(v & 1ul << KVMPV_CR3_TAG_BIT))
		return false;
	v &= ~(1ul << 63);
	for (i = slot_of(v); value[i]; i = (i + 1) % NR_VALUES)
		if (value[i] == v)
			return true;
	return false;
}

static void forget_values(void)
{
	memset(value, 0, sizeof(value));
	nr_values = 0;
}

static struct kvmpv_table *table_of(struct vm *vm, int id)
{
	u64 gpa = vm_ctl(vm)->cpu[id].table;

	return gpa && gpa < MEM_SIZE ? (void *)(vm->mem + gpa) : NULL;
}

/* Called while the guest runs, or while its vCPU's thread waits for a CPU in KVM_RUN. */
static void collect_values(struct vm *vm)
{
	unsigned int e, slot;
	int id;
	u64 v;

	for (id = 0; id < vm->nr; id++) {
		volatile struct kvmpv_table *t = table_of(vm, id);

		for (e = 0; t && e < KVMPV_NR_ENTRIES; e++) {
			v = t->entry[e].host_cr3 & ~(1ul << 63);
			if (!v || is_host_value(v))
				continue;
			if (nr_values == NR_VALUES / 2)
				forget_values();
			nr_values++;
			for (slot = slot_of(v); value[slot]; slot = (slot + 1) % NR_VALUES)
				;
			value[slot] = v;
		}
	}
}

static unsigned int draw(unsigned int n)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (random_state >> 33) % n;
}

static void nap(unsigned int us)
{
	struct timespec t = { .tv_nsec = us * 1000l };

	nanosleep(&t, NULL);
}

static void let_run(struct vm *vm)
{
	unsigned int naps = 1 + draw(3), more = 1000;

	/* A cycle with no value to look for shows nothing, so wait for one where there is a table. */
	while (naps ? naps-- : (!nr_values && !vm->cut_off && more--)) {
		nap(20 + draw(800));
		collect_values(vm);
	}
}

static bool wrong(const char *what, unsigned int cycle, u64 a, u64 b)
{
	printf("not ok - snapshot # cycle %u: %s %lx %lx\n", cycle, what, a, b);
	return false;
}

static bool look_at_vcpu(struct vm *vm, int id, unsigned int cycle)
{
	static const char empty[16] = "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0";
	volatile struct ctl *ctl = vm_ctl(vm);
	struct kvmpv_table *t = table_of(vm, id);
	struct vcpu_state *s = &state[id];
	u64 *reg = (u64 *)&s->regs, i;
	bool may = false;

	for (i = 0; t && i < KVMPV_NR_ENTRIES; i++)
		if (memcmp(&t->entry[i], empty, sizeof(empty)))
			return wrong("the table is not empty", cycle, t->entry[i].guest_cr3,
				     t->entry[i].host_cr3);
	if (s->sregs.cr3 & 1ul << KVMPV_CR3_TAG_BIT || (s->sregs.cr3 & ~(1ul << 63)) >= MEM_SIZE)
		return wrong("CR3 is not the guest's", cycle, s->sregs.cr3, 0);
	for (i = 0; i < ctl->windows; i++) {
		u64 start = ctl->window[2 * i], commit = ctl->window[2 * i + 1];

		if (t && !vm->cut_off && s->regs.rip > start && s->regs.rip <= commit)
			return wrong("RIP in a window", cycle, s->regs.rip, start);
		may |= s->regs.rip == start || s->regs.rip == commit + MOV_CR3_SIZE;
	}
	for (i = 0; i < sizeof(s->regs) / sizeof(u64); i++) {
		if (!is_host_value(reg[i]))
			continue;
		if (!may || &reg[i] != (u64 *)&s->regs.rax)
			return wrong("a host value in a register", cycle, reg[i], s->regs.rip);
		found_in_rax++;
	}
	return true;
}

static bool look(struct vm *vm, unsigned int cycle)
{
	u64 *word = (u64 *)vm->mem, i;
	int id;

	looked_for += nr_values;
	for (id = 0; id < vm->nr; id++) {
		vcpu_save(&vm->vcpu[id], &state[id]);
		if (!look_at_vcpu(vm, id, cycle))
			return false;
	}
	for (i = 0; i < MEM_SIZE / sizeof(u64); i++)
		if (is_host_value(word[i]))
			return wrong("a host value in guest memory", cycle, i * sizeof(u64), word[i]);
	memcpy(memory, vm->mem, MEM_SIZE);
	return true;
}

/* What each vCPU had counted when the snapshot was made, from which it goes on counting. */
static u64 lost[MAX_VCPUS], registered[MAX_VCPUS], hits[MAX_VCPUS], checks[MAX_VCPUS];

static void note_counters(struct vm *vm)
{
	int id;

	for (id = 0; id < vm->nr; id++) {
		volatile struct cpu_ctl *c = &vm_ctl(vm)->cpu[id];

		lost[id] = c->lost;
		registered[id] = c->registered;
		hits[id] = c->hits;
		checks[id] = c->checks;
	}
}

/*
 * After a restore: each vCPU goes on, and has noticed that it is registered no
 * more, and in a second has registered again and switches in its windows.
 */
static bool recovers(struct vm *vm, unsigned int cycle, bool loses, bool has_table)
{
	struct timespec from, to;
	bool all;
	int id;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		nap(200);
		all = true;
		for (id = 0; id < vm->nr; id++) {
			volatile struct cpu_ctl *c = &vm_ctl(vm)->cpu[id];

			if (loses)
				all &= c->lost > lost[id] && c->registered > registered[id];
			if (has_table)
				all &= c->hits > hits[id];
			all &= c->checks > checks[id];
		}
		clock_gettime(CLOCK_MONOTONIC, &to);
		if ((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec > 1000000000) {
			print_counters(vm, "snapshots");
			return wrong(loses ? "not registered again after a second" : "stands still", cycle,
				     vm_ctl(vm)->cpu[0].lost, vm_ctl(vm)->cpu[0].hits);
		}
	} while (!all && !vm->failed);
	return !vm->failed;
}

/* Makes a VM from the snapshot, paused. While the host debugs it, it has no CR3 cache. */
static void new_vm(struct vm *new, int nr, bool without, bool debugged)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE };
	int id;

	vm_create(new, nr, memory);
	new->cut_off = without || debugged;
	new->pause = true;
	for (id = 0; id < nr; id++) {
		vcpu_restore(&new->vcpu[id], &state[id], false);
		if (debugged)
			IOCTL(new->vcpu[id].fd, KVM_SET_GUEST_DEBUG, &debug);
	}
	vm_run(new);
}

static void write_file(const char *name, int nr)
{
	FILE *f = fopen(name, "w");

	if (!f || fwrite(&nr, sizeof(nr), 1, f) != 1 || fwrite(memory, MEM_SIZE, 1, f) != 1 ||
	    fwrite(state, sizeof(state[0]), nr, f) != (size_t)nr || fclose(f))
		die("cannot write the snapshot %s", name);
}

/* How many vCPUs it has. */
static int read_file(const char *name)
{
	FILE *f = fopen(name, "r");
	int nr;

	if (!f || fread(&nr, sizeof(nr), 1, f) != 1 || nr < 1 || nr > MAX_VCPUS ||
	    fread(memory, MEM_SIZE, 1, f) != 1 ||
	    fread(state, sizeof(state[0]), nr, f) != (size_t)nr || fclose(f))
		die("cannot read the snapshot %s", name);
	return nr;
}

enum { RESUME, IN_PLACE, IN_SMM, NEW, NEW_DEBUGGED, NR_KINDS };

static bool one_cycle(struct vm **vm, struct vm **spare, unsigned int cycle, enum host host)
{
	int kind = draw(NR_KINDS), id;
	struct vm *t;

	let_run(*vm);
	vm_pause(*vm);
	if ((*vm)->failed || !look(*vm, cycle))
		return false;
	/*
	 * A snapshot may have been made after the MOV of a window and before the guest counted
	 * it: it does so where it is restored. With a cache there are hundreds.
	 */
	for (id = 0; id < (*vm)->nr; id++)
		if ((*vm)->cut_off && vm_ctl(*vm)->cpu[id].hits - hits[id] > 1)
			return wrong("switches without a cache", cycle, hits[id],
				     vm_ctl(*vm)->cpu[id].hits);
	note_counters(*vm);
	switch (kind) {
	case RESUME:
		for (id = 0; id < (*vm)->nr; id++)
			vcpu_restore(&(*vm)->vcpu[id], &state[id], false);
		break;
	case IN_PLACE:
		/* Go on for a while, then back. */
		vm_resume(*vm);
		let_run(*vm);
		vm_pause(*vm);
		if ((*vm)->failed)
			return false;
		memcpy((*vm)->mem, memory, MEM_SIZE);
		vm_renew_memory(*vm);
		for (id = 0; id < (*vm)->nr; id++)
			vcpu_restore(&(*vm)->vcpu[id], &state[id], true);
		break;
	case IN_SMM:
		/* A reset finds the vCPU in SMM; CR3 is the same afterwards. */
		for (id = 0; id < (*vm)->nr; id++) {
			vcpu_set_smm(&(*vm)->vcpu[id], true);
			vcpu_start(&(*vm)->vcpu[id]);
			vcpu_set_smm(&(*vm)->vcpu[id], false);
			vcpu_restore(&(*vm)->vcpu[id], &state[id], false);
		}
		break;
	default:
		vm_destroy(*vm);
		new_vm(*spare, (*vm)->nr, host != HOST_CACHE, kind == NEW_DEBUGGED);
		t = *vm;
		*vm = *spare;
		*spare = t;
		/* The values that were collected belong to the old VM. */
		forget_values();
		break;
	}
	vm_resume(*vm);
	if (!recovers(*vm, cycle, kind != RESUME && host != HOST_NONE, !(*vm)->cut_off))
		return false;
	if (kind == RESUME && host != HOST_NONE)
		for (id = 0; id < (*vm)->nr; id++)
			if (vm_ctl(*vm)->cpu[id].lost != lost[id])
				return wrong("a registration lost by looking", cycle, id, 0);
	return true;
}

int snapshots(struct vm *vm, unsigned int cycles, u64 seed, enum host host, const char *from,
	      const char *to)
{
	static struct vm other;
	struct vm *spare = &other;
	unsigned int i;
	bool good = true;
	int nr = vm->nr;

	random_state = seed;
	if (from) {
		nr = read_file(from);
		new_vm(vm, nr, host != HOST_CACHE, false);
		note_counters(vm);
		vm_resume(vm);
	} else {
		vm_ctl(vm)->count = 0;
		vm->cut_off = host != HOST_CACHE;
		vm_run(vm);
	}
	/* The first registration here, or that there is nobody to register with. */
	good = recovers(vm, 0, from && host != HOST_NONE, host == HOST_CACHE);
	for (i = 0; i < cycles && good; i++) {
		good = one_cycle(&vm, &spare, i, host);
		if (i % 50 == 0) {
			printf("at cycle %u\n", i);
			fflush(stdout);
		}
	}
	vm_pause(vm);
	good &= !vm->failed;
	print_counters(vm, "snapshots");
	printf("note: snapshots: %lu host values looked for, %lu times one in RAX where it may be\n",
	       looked_for, found_in_rax);
	if (good && host == HOST_CACHE && looked_for < cycles / 4) {
		good = false;
		printf("not ok - snapshots # only %lu host values were known: nothing was shown\n", looked_for);
	}
	if (good && to) {
		good = look(vm, cycles);
		write_file(to, nr);
	}
	if (good)
		printf("ok - snapshots: %u, %d vCPUs, seed %lu, %s%s\n", cycles, nr, seed,
		       host == HOST_CACHE ? "CR3 cache" : host == HOST_LOAD ? "LOAD_CR3" :
		       "no kvm-paravirt", from ? ", from another host" : "");
	vm_destroy(vm);
	return !good;
}
