// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, a hostile guest: debugfs files, one a group of cases.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "hostile.h"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: a guest that tries what it must not");

struct hostile_pages hostile_pages[HOSTILE_CPUS];

static const struct hostile_group {
	const char *name;
	void (*run)(void);
	bool stay;		/* registered */
} groups[] = {
	{ "calls", hostile_calls },
	{ "off", hostile_off },
	{ "ept", hostile_ept },
	{ "noload", hostile_noload },
	{ "nocache", hostile_nocache },
	{ "flushonly", hostile_flushonly },
	{ "register", hostile_registering },
	{ "owners", hostile_owners },
	{ "rom", hostile_rom },
	{ "load", hostile_load },
	{ "table", hostile_table },
	{ "aliased", hostile_aliased },
	{ "race", hostile_race },
	{ "window", hostile_window },
	{ "life", hostile_life },
	{ "loop", hostile_loop },
	{ "die", hostile_die },
	{ "diehole", hostile_die_hole },
	{ "flush", hostile_flush },
	{ "flushed", hostile_flushed },
	{ "shootdown", hostile_shootdown },
	{ "release", hostile_release },
	{ "populate", hostile_populate },
	{ "nested", hostile_nested },
	{ "vmx", hostile_vmx },
	{ "vmxon", hostile_vmxon, true },
	{ "vmxoff", hostile_vmxoff, true },
	{ "keep", hostile_keep, true },
	{ "kept", hostile_kept, true },
	{ "lost", hostile_lost, true },
};

/* One group at a time; its cases run one after the other, on either CPU. */
static DEFINE_MUTEX(lock);
static struct seq_file *out;
static unsigned int cases;

void hostile_text(const char *name, const char *want, const char *got)
{
	cases++;
	seq_printf(out, "G: case %s %s %s\n", name, want, got);
}

void hostile_case(const char *name, long want, long got)
{
	cases++;
	seq_printf(out, "G: case %s %ld %ld\n", name, want, got);
}

static void call(void *fn)
{
	((void (*)(void))fn)();
}

/* Interrupts are off in @fn, so CR3 stays what it is unless @fn changes it. */
void hostile_on(unsigned int cpu, void (*fn)(void))
{
	if (smp_call_function_single(cpu, call, fn, 1))
		hostile_text("cpu-online", "yes", "no");
}

static int show(struct seq_file *m, void *unused)
{
	const struct hostile_group *group = m->private;
	unsigned int cpu, cpus;

	mutex_lock(&lock);
	out = m;
	cases = 0;
	group->run();
	cpus = group->stay ? 0 : min_t(unsigned int, HOSTILE_CPUS, num_online_cpus());
	for (cpu = 0; cpu < cpus; cpu++)
		hostile_on(cpu, hostile_unregister);
	seq_printf(m, "G: group %s %u\n", group->name, cases);
	mutex_unlock(&lock);
	return 0;
}

/* The buffer is large enough from the start, since seq_file runs show() again when it overflows. */
static int open(struct inode *inode, struct file *file)
{
	return single_open_size(file, show, inode->i_private, 64 * 1024);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init hostile_init(void)
{
	struct dentry *dir;
	int i;

	/* Never freed: a host with a bug may write there for ever. */
	for (i = 0; i < HOSTILE_CPUS; i++) {
		hostile_pages[i].state = (void *)get_zeroed_page(GFP_KERNEL);
		hostile_pages[i].table = (void *)get_zeroed_page(GFP_KERNEL);
		if (!hostile_pages[i].state || !hostile_pages[i].table)
			return -ENOMEM;
	}
	dir = debugfs_create_dir("kvmpv_hostile", NULL);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		debugfs_create_file(groups[i].name, 0400, dir,
				    (void *)&groups[i], &fops);
	return 0;
}
module_init(hostile_init);
