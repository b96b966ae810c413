// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: counters and refusals in debugfs, and what the
 * module says when it is loaded.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "x86.h"
#include "paravirt.h"
#include "paravirt_compat.h"

#define CREATE_TRACE_POINTS
#include "paravirt_trace.h"

DEFINE_PER_CPU(u64 [KVMPV_NR_STATS], kvmpv_stats);

/*
 * dkms replaces a module of the distribution only if the versions can be
 * compared, and the stock module has none.
 */
MODULE_VERSION(KVMPV_MODULE_VERSION);

/* Refusals by reason; the order of the debugfs files and counters. */
static const struct {
	const char *name;
	int err;
} kvmpv_errors[] = {
	{ "EPERM", KVMPV_EPERM },	{ "ENOENT", KVMPV_ENOENT },
	{ "EIO", KVMPV_EIO },
	{ "ENXIO", KVMPV_ENXIO },	{ "E2BIG", KVMPV_E2BIG },
	{ "ENOEXEC", KVMPV_ENOEXEC },	{ "EAGAIN", KVMPV_EAGAIN },
	{ "ENOMEM", KVMPV_ENOMEM },	{ "EFAULT", KVMPV_EFAULT },
	{ "EBUSY", KVMPV_EBUSY },	{ "EEXIST", KVMPV_EEXIST },
	{ "EXDEV", KVMPV_EXDEV },	{ "ENODEV", KVMPV_ENODEV },
	{ "EINVAL", KVMPV_EINVAL },	{ "ENOSPC", KVMPV_ENOSPC },
	{ "EROFS", KVMPV_EROFS },	{ "ERANGE", KVMPV_ERANGE },
	{ "ELOOP", KVMPV_ELOOP },	{ "ENODATA", KVMPV_ENODATA },
	{ "EPROTO", KVMPV_EPROTO },	{ "EBADMSG", KVMPV_EBADMSG },
	{ "EOPNOTSUPP", KVMPV_EOPNOTSUPP }, { "ENOSYS", KVMPV_ENOSYS },
};

static_assert(ARRAY_SIZE(kvmpv_errors) <= KVMPV_NR_STATS - KVMPV_STAT_REFUSED_FIRST);

/**
 * kvmpv_count_refusal() - count a call that was refused
 * @err: KVMPV_E*
 *
 * Context: any.
 */
void kvmpv_count_refusal(int err)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvmpv_errors); i++)
		if (kvmpv_errors[i].err == err)
			kvmpv_count(KVMPV_STAT_REFUSED_FIRST + i);
}

static int kvmpv_stat_get(void *data, u64 *val)
{
	unsigned long stat = (unsigned long)data;
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(kvmpv_stats[stat], cpu));
	*val = sum;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(kvmpv_stat_fops, kvmpv_stat_get, NULL, "%llu\n");

/* What a 64-bit guest is offered: the parameter, and what the CPU has. */
static int kvmpv_host_features_show(struct seq_file *m, void *v)
{
	char names[KVMPV_NAMES_SIZE];

	kvmpv_list_names(names, kvmpv_host_features());
	seq_printf(m, "%s\n", names);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kvmpv_host_features);

/* Why the cache is not offered, if the CPU is the reason. */
static int kvmpv_targets_show(struct seq_file *m, void *v)
{
	const char *text;

	kvmpv_vendor_targets(&text);
	seq_printf(m, "%s\n", text);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kvmpv_targets);

static struct dentry *kvmpv_debugfs;

static void kvmpv_stat_file(const char *name, unsigned long stat)
{
	debugfs_create_file(name, 0444, kvmpv_debugfs, (void *)stat,
			    &kvmpv_stat_fops);
}

/**
 * kvmpv_module_init() - counters in debugfs, what dmesg says
 *
 * Context: module init.
 */
void __init kvmpv_module_init(void)
{
	char name[32];
	int i;

	/* A guest that is a host itself has "kvm_paravirt" as well. */
	kvmpv_debugfs = debugfs_create_dir("kvm_paravirt_host", NULL);
	kvmpv_vcpus_init(kvmpv_debugfs);
	debugfs_create_file("offered", 0444, kvmpv_debugfs, NULL,
			    &kvmpv_host_features_fops);
	debugfs_create_file("cr3_targets", 0444, kvmpv_debugfs, NULL,
			    &kvmpv_targets_fops);
	kvmpv_stat_file("registered", KVMPV_STAT_REGISTERED);
	kvmpv_stat_file("unregistered", KVMPV_STAT_UNREGISTERED);
	kvmpv_stat_file("publishes", KVMPV_STAT_PUBLISHES);
	kvmpv_stat_file("switches", KVMPV_STAT_SWITCHES);
	kvmpv_stat_file("stash_switches", KVMPV_STAT_STASH_SWITCHES);
	kvmpv_stat_file("restarts", KVMPV_STAT_RESTARTS);
	kvmpv_stat_file("load_cr3_cached", KVMPV_STAT_LOAD_CR3_CACHED);
	kvmpv_stat_file("load_cr3_missed", KVMPV_STAT_LOAD_CR3_MISSED);
	kvmpv_stat_file("flush", KVMPV_STAT_FLUSH);
	kvmpv_stat_file("flush_range", KVMPV_STAT_FLUSH_RANGE);
	kvmpv_stat_file("flush_vcpus", KVMPV_STAT_FLUSH_VCPUS);
	kvmpv_stat_file("flush_kicks", KVMPV_STAT_FLUSH_KICKS);
	kvmpv_stat_file("release", KVMPV_STAT_RELEASE);
	kvmpv_stat_file("populate", KVMPV_STAT_POPULATE);
	kvmpv_stat_file("populate_pages", KVMPV_STAT_POPULATE_PAGES);
	kvmpv_stat_file("kernel_fills", KVMPV_STAT_KERNEL_FILLS);
	kvmpv_stat_file("populate_faults", KVMPV_STAT_POPULATE_FAULTS);
	kvmpv_stat_file("populate_mapped", KVMPV_STAT_POPULATE_MAPPED);
	kvmpv_stat_file("populate_allocated", KVMPV_STAT_POPULATE_ALLOCATED);
	kvmpv_stat_file("populate_short", KVMPV_STAT_POPULATE_SHORT);
	kvmpv_stat_file("populate_given_back", KVMPV_STAT_POPULATE_GIVEN_BACK);
	for (i = 0; i < ARRAY_SIZE(kvmpv_errors); i++) {
		snprintf(name, sizeof(name), "refused_%s", kvmpv_errors[i].name);
		kvmpv_stat_file(name, KVMPV_STAT_REFUSED_FIRST + i);
	}
	pr_info("%s: kvm-paravirt " KVMPV_MODULE_VERSION ", ABI version %d\n",
		THIS_MODULE->name, KVMPV_ABI_VERSION);
}

/**
 * kvmpv_module_exit() - undo kvmpv_module_init()
 *
 * Context: module exit; no VM is left.
 */
void kvmpv_module_exit(void)
{
	debugfs_remove(kvmpv_debugfs);
	static_key_deferred_flush(&kvmpv_has_registered_vcpu);
	static_key_deferred_flush(&kvmpv_has_flushing_vm);
}
