// SPDX-License-Identifier: GPL-2.0
/*
 * Does a CPU see a mapping that another CPU has replaced? One thread maps other
 * pages to the same addresses over and over, and tells when it is done; the
 * others, on CPUs of their own, must from then on read nothing that is older.
 * What they read is the number of the mapping that the page was made for.
 *
 * usage: remap ROUNDS [PAGES]; PAGES is the largest range, 40 unless given
 */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define SETS	16	/* of pages, used in turn: a stale one stays as it is */
#define PAGE	4096ul
#define MAX_CPUS 8

static _Atomic uint64_t done;
static _Atomic unsigned int ready;
static _Atomic bool stop;
static volatile uint64_t *window;
static unsigned long pages = 40;

struct reader {
	pthread_t thread;
	int cpu;
	uint64_t reads, stale;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	unsigned long page;

	pin(r->cpu);
	atomic_fetch_add(&ready, 1);
	for (page = 0; !atomic_load(&stop); page = (page + 1) % pages) {
		uint64_t told = atomic_load(&done);

		if (window[page * PAGE / sizeof(*window)] < told)
			r->stale++;
		r->reads++;
	}
	return NULL;
}

/* Maps a set of pages of its own to the first @n, the others stay. */
static void replace(int fd, volatile uint64_t *all, uint64_t round, unsigned long n)
{
	unsigned long set = round % SETS, i;

	/* Pages past @n keep their mapping, so it is their number that is raised. */
	for (i = 0; i < pages; i++) {
		if (i < n)
			all[(set * pages + i) * PAGE / sizeof(*all)] = round;
		else
			window[i * PAGE / sizeof(*window)] = round;
	}
	if (mmap((void *)window, n * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, set * pages * PAGE) == MAP_FAILED)
		die("remap: mmap");
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i, fd;
	struct reader readers[MAX_CPUS] = {};
	uint64_t reads = 0, stale = 0, round;
	volatile uint64_t *all;

	if (argc > 2)
		pages = strtoul(argv[2], NULL, 0);
	if (!rounds || !pages || cpus < 2 || cpus > MAX_CPUS) {
		fprintf(stderr, "usage: remap ROUNDS [PAGES], on 2 to %d CPUs\n", MAX_CPUS);
		return 1;
	}
	fd = memfd_create("remap", 0);
	if (fd < 0 || ftruncate(fd, SETS * pages * PAGE))
		die("remap: memfd");
	all = mmap(NULL, SETS * pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	window = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED || window == MAP_FAILED)
		die("remap: mmap");
	pin(0);
	for (i = 1; i < cpus; i++) {
		readers[i].cpu = i;
		if (pthread_create(&readers[i].thread, NULL, read_on, &readers[i]))
			die("remap: pthread_create");
	}
	while (atomic_load(&ready) < (unsigned int)cpus - 1)
		sched_yield();
	for (round = 1; round <= rounds; round++) {
		replace(fd, all, round, 1 + round * 7 % pages);
		atomic_store(&done, round);
		/* Let them look before the next one. */
		for (i = 0; i < 2000; i++)
			atomic_load(&done);
	}
	atomic_store(&stop, true);
	for (i = 1; i < cpus; i++) {
		pthread_join(readers[i].thread, NULL);
		reads += readers[i].reads;
		stale += readers[i].stale;
	}
	printf("G: %s remap %llu reads, %llu stale\n", !stale && reads > rounds ? "PASS" : "FAIL",
	       (unsigned long long)reads, (unsigned long long)stale);
	return stale || reads <= rounds;
}
