// SPDX-License-Identifier: GPL-2.0
/*
 * usage: tiny MODE [-n VCPUS] [-s SEED] [-c COUNT] [-t SECONDS] [-r FILE] [-w FILE] [-h HOST]; see
 * README.md.
 * Prints "ok - ", "not ok - " and "note: " lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

static struct vm vm, neighbour;

static const struct { const char *name; u32 mode; int vcpus; unsigned int count; } modes[] = {
	{ "many",	MODE_MANY,	64,	100 },
	{ "cost",	MODE_COST,	1,	20 },
	{ "prices",	MODE_PRICES,	1,	20 },
	{ "storm",	MODE_STORM,	1,	1000 },
	{ "fuzz",	MODE_FUZZ,	2,	10000 },
	{ "snapshots",	MODE_STORM,	1,	100 },
};

static const char *const hosts[] = {
	[HOST_CACHE] = "cache", [HOST_LOAD] = "load", [HOST_NONE] = "none",
	[HOST_ASKED] = "asked", [HOST_BLOCK] = "block",
};

#define NR_HOSTS ((int)(sizeof(hosts) / sizeof(*hosts)))

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Did the run use what the host of this check has? */
static void check_use(const char *mode, enum host host)
{
	volatile struct cpu_ctl *c = vm_ctl(&vm)->cpu;
	u64 registered = 0, hits = 0, populated = 0;
	bool idle = false;
	int i;

	for (i = 0; i < vm.nr; i++, c++) {
		idle |= !c->checks || (vm.backing && !c->given_back);
		registered += c->registered;
		hits += c->hits;
		populated += c->populated;
	}
	if (vm.failed || (!idle && !registered == (host >= HOST_NONE) && !hits == (host != HOST_CACHE) &&
			  !populated == (host < HOST_ASKED)))
		return;
	printf("not ok - %s # not what this host should see: %lu registrations, %lu hits, %lu pages asked for%s\n",
	       mode, registered, hits, populated, idle ? ", an idle vCPU" : "");
	vm.failed = true;
}

static void print_costs(void)
{
	volatile struct ctl *ctl = vm_ctl(&vm);
	int i;

	for (i = 0; i < MAX_COSTS && ctl->cost[i].calls; i++)
		printf("cost: %s: min %lu mean %lu max %lu\n", (char *)vm.mem + ctl->cost[i].name,
		       ctl->cost[i].min, ctl->cost[i].sum / ctl->cost[i].calls, ctl->cost[i].max);
}

/* Starts a well-behaved guest beside the other, which checks itself. */
static void start_neighbour(unsigned long seed)
{
	vm_create(&neighbour, 1, NULL);
	neighbour.background = true;
	vm_ctl(&neighbour)->mode = MODE_STORM;
	vm_ctl(&neighbour)->vcpus = 1;
	vm_ctl(&neighbour)->seed = seed;
	vm_ctl(&neighbour)->host = vm_ctl(&vm)->host;
	vcpu_start(&neighbour.vcpu[0]);
	vm_run(&neighbour);
}

static void end_neighbour(void)
{
	u64 checks = vm_ctl(&neighbour)->cpu[0].checks;
	int i;

	for (i = 0; i < 100 && vm_ctl(&neighbour)->cpu[0].checks == checks; i++)
		usleep(10000);
	vm_pause(&neighbour);
	print_counters(&neighbour, "its neighbour");
	if (neighbour.failed || !vm_canaries(&neighbour) || i == 100) {
		printf("not ok - the fuzzer's neighbour # %s\n", i == 100 ? "stands still" : "see above");
		vm.failed = true;
	}
	vm_destroy(&neighbour);
}

/*
 * A vCPU may wait for a SIPI for ever, because the one that has sent INIT was reset in between, or
 * may have halted itself. The VMM then starts it again, as a person would.
 */
static void nudge(void)
{
	static u64 seen[MAX_VCPUS];
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	int i;

	for (i = 0; i < vm.nr; i++) {
		u64 op = vm_ctl(&vm)->cpu[i].op;

		if (op == seen[i] && !vm.vcpu[i].done) {
			vm_pause(&vm);
			ioctl(vm.vcpu[i].fd, KVM_GET_MP_STATE, &mp);
			ioctl(vm.vcpu[i].fd, KVM_GET_REGS, &regs);
			printf("note: vCPU %d stands still at operation %lu, RIP %llx, state %u\n", i, op,
			       regs.rip, mp.mp_state);
			vcpu_start(&vm.vcpu[i]);
			if (++vm.vcpu[i].nudges > 20)
				die("fuzz: vCPU %d does not go on", i);
			vm_resume(&vm);
		}
		seen[i] = op;
	}
}

int main(int argc, char **argv)
{
	unsigned int i, seconds = 600;
	unsigned long seed = 1, count = 0;
	const char *from = NULL, *to = NULL;
	int option, vcpus = 0, host = -1;
	double start;

	for (i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name))
			break;
	if (argc < 2 || i == sizeof(modes) / sizeof(*modes))
		die("usage: tiny many|cost|prices|storm|fuzz|snapshots [-n VCPUS] [-s SEED] [-c COUNT] [-t SECONDS]");
	optind = 2;
	while ((option = getopt(argc, argv, "n:s:c:t:r:w:h:")) != -1) {
		switch (option) {
		case 'n':
			vcpus = atoi(optarg);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			count = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'r':
			from = optarg;
			break;
		case 'w':
			to = optarg;
			break;
		case 'h':
			for (host = 0; host < NR_HOSTS && strcmp(optarg, hosts[host]); host++)
				;
			if (host == NR_HOSTS)
				die("no such host: %s", optarg);
			break;
		default:
			die("unknown option");
		}
	}
	if (!vcpus)
		vcpus = modes[i].vcpus;
	if (vcpus < 1 || vcpus > MAX_VCPUS)
		die("1 to %d vCPUs", MAX_VCPUS);
	if (!count)
		count = modes[i].count;

	vmm_init();
	if (host < 0)
		host = is_intel() ? HOST_CACHE : HOST_LOAD;
	if (host >= HOST_ASKED && vcpus > NR_POOLS)
		die("1 to %d vCPUs on such a host", NR_POOLS);
	if (from)
		return snapshots(&vm, count, seed, host, from, to);
	vm_create(&vm, vcpus, NULL);
	/* With KVM's default for so small a VM, 64 shadow pages, it would recycle what is to be costly. */
	if (modes[i].mode == MODE_COST || modes[i].mode == MODE_PRICES)
		IOCTL(vm.fd, KVM_SET_NR_MMU_PAGES, 1024);
	vm_ctl(&vm)->mode = modes[i].mode;
	vm_ctl(&vm)->vcpus = vcpus;
	vm_ctl(&vm)->seed = seed;
	vm_ctl(&vm)->count = count;
	vm_ctl(&vm)->host = host;
	if (host >= HOST_ASKED && modes[i].mode == MODE_FUZZ)
		pools_create(&vm);
	for (option = 0; option < vcpus; option++)
		vcpu_start(&vm.vcpu[option]);
	start = now();
	if (!strcmp(modes[i].name, "snapshots"))
		return snapshots(&vm, count, seed, host, NULL, to);
	vm_run(&vm);
	if (modes[i].mode == MODE_FUZZ)
		start_neighbour(seed);
	while (!vm_wait(&vm, 500)) {
		if (now() > start + seconds) {
			print_counters(&vm, modes[i].name);
			die("%s: not done after %u s of the host's", modes[i].name, seconds);
		}
		if (modes[i].mode == MODE_FUZZ)
			nudge();
	}
	vm_pause(&vm);
	print_counters(&vm, modes[i].name);
	if (modes[i].mode == MODE_FUZZ)
		end_neighbour();
	if (modes[i].mode == MODE_COST || modes[i].mode == MODE_PRICES)
		print_costs();
	if (modes[i].mode != MODE_COST)
		check_use(modes[i].name, host);
	printf("note: %s: %.2f s of the host's\n", modes[i].name, now() - start);
	if (!vm_canaries(&vm)) {
		printf("not ok - %s: the VMM's memory # something wrote beside the guest's\n",
		       modes[i].name);
		vm.failed = true;
	}
	if (!vm.failed)
		printf("ok - %s: %d vCPUs, %lu operations each, seed %lu\n", modes[i].name, vcpus, count,
		       seed);
	vm_destroy(&vm);
	return vm.failed;
}
