// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: what an administrator can see. /sys/kernel/kvm_paravirt/ says
 * what is in use and why not, debugfs kvm_paravirt/ has counters.
 *
 * What is used is decided at boot, but the host may be another one by now (live
 * migration, a restored snapshot). So the host is asked each time.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/kvm_para.h>
#include <linux/percpu.h>
#include <linux/sysfs.h>

#include <asm/kvm_paravirt.h>

/* As kvmpv_host_version: 0 if the host that there is now has nothing to say. */
static unsigned int kvmpv_version_now(void)
{
	long version;

	/* Where no host was found at boot a call may be fatal: TDX. */
	if (!kvmpv_host_version)
		return 0;
	version = kvmpv_hypercall2(KVMPV_HC_PROBE, KVMPV_ABI_VERSION, 0);
	return version > 0 ? version : 0;
}

/*
 * As kvmpv_offered, on the CPU that this happens to run on. All are alike, but
 * for one on which KVM of this guest is in use: CR3 is its own business then.
 */
static unsigned long kvmpv_offered_now(void)
{
	long offered;

	if (!kvmpv_version_now())
		return 0;
	offered = kvmpv_hypercall2(KVMPV_HC_FEATURES, 0, 0);
	return offered > 0 ? offered : 0;
}

/*
 * As kvmpv_used, less what the host does not offer now. A CPU registers for what
 * was chosen at boot, but for F_INVLPG_CURRENT, or not at all.
 */
static unsigned long kvmpv_used_now(void)
{
	unsigned long lost = kvmpv_used & ~kvmpv_offered_now();

	if (lost & (KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3))
		lost |= KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3 | KVMPV_F_INVLPG_CURRENT;
	return kvmpv_used & ~lost;
}

static ssize_t host_version_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", kvmpv_version_now());
}

static struct kobj_attribute host_version_attr = __ATTR_RO(host_version);

static ssize_t features_offered_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%lx\n", kvmpv_offered_now());
}

static struct kobj_attribute features_offered_attr = __ATTR_RO(features_offered);

static ssize_t features_used_show(struct kobject *kobj,
				  struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%lx\n", kvmpv_used_now());
}

static struct kobj_attribute features_used_attr = __ATTR_RO(features_used);

static ssize_t cr3_cache_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *buf)
{
	if (kvmpv_reason)
		return sysfs_emit(buf, "off: %s\n", kvmpv_reason);
	if (!(kvmpv_used_now() & KVMPV_F_LOAD_CR3))
		return sysfs_emit(buf, "off: the host does not offer it now\n");
	if (!(kvmpv_used & KVMPV_F_CR3_CACHE))
		return sysfs_emit(buf, "off: the host has no table to give\n");
	return sysfs_emit(buf, "on\n");
}

static struct kobj_attribute cr3_cache_attr = __ATTR_RO(cr3_cache);

/* What takes the place of CR3 reads; whether loads exit is cr3_cache's to say. */
static ssize_t pti_show(struct kobject *kobj,
			struct kobj_attribute *attr, char *buf)
{
	if (!boot_cpu_has(X86_FEATURE_PTI))
		return sysfs_emit(buf, "off\n");
	return sysfs_emit(buf, "%s\n", kvmpv_pti_used ? "no-reads" : "stock");
}

static struct kobj_attribute pti_attr = __ATTR_RO(pti);

/* What is @word where it is used, and what Linux does otherwise where it is not. */
#define KVMPV_STATE(name, used, word)					\
static ssize_t name##_show(struct kobject *kobj,			\
			   struct kobj_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%s\n", (used) ? (word) : "stock");	\
}									\
static struct kobj_attribute name##_attr = __ATTR_RO(name)

KVMPV_STATE(page_tables, kvmpv_keep_used, "kept");

static ssize_t kept_pages_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", kvmpv_trees_count());
}

static struct kobj_attribute kept_pages_attr = __ATTR_RO(kept_pages);

KVMPV_STATE(copy_on_write, kvmpv_cow_used, "flush-last");

KVMPV_STATE(anonymous_faults, kvmpv_fault_used, "around");

KVMPV_STATE(io_delay, kvmpv_iodelay_used, "none");

KVMPV_STATE(pic, kvmpv_pic_used, "light");

static struct attribute *kvmpv_attrs[] = {
	&host_version_attr.attr,
	&features_offered_attr.attr,
	&features_used_attr.attr,
	&cr3_cache_attr.attr,
	&pti_attr.attr,
	&page_tables_attr.attr,
	&kept_pages_attr.attr,
	&copy_on_write_attr.attr,
	&anonymous_faults_attr.attr,
	&io_delay_attr.attr,
	&pic_attr.attr,
	NULL
};

static const struct attribute_group kvmpv_group = {
	.name	= "kvm_paravirt",
	.attrs	= kvmpv_attrs,
};

/* The sum over CPUs of one number of a per-CPU structure. */
#define KVMPV_COUNTER(name, var)					\
static int name##_get(void *data, u64 *val)				\
{									\
	u64 sum = 0;							\
	int cpu;							\
									\
	for_each_possible_cpu(cpu)					\
		sum += per_cpu(var.name, cpu);				\
	*val = sum;							\
	return 0;							\
}									\
DEFINE_DEBUGFS_ATTRIBUTE(name##_fops, name##_get, NULL, "%llu\n")

#ifdef CONFIG_KVM_PARAVIRT_CR3
KVMPV_COUNTER(hit, kvmpv_counters);
KVMPV_COUNTER(miss, kvmpv_counters);
KVMPV_COUNTER(flush, kvmpv_counters);
KVMPV_COUNTER(native, kvmpv_counters);
KVMPV_COUNTER(release, kvmpv_counters);
KVMPV_COUNTER(kept, kvmpv_counters);
KVMPV_COUNTER(reused, kvmpv_counters);
KVMPV_COUNTER(dropped, kvmpv_counters);
KVMPV_COUNTER(unclean, kvmpv_counters);
KVMPV_COUNTER(fork_ranges, kvmpv_counters);
KVMPV_COUNTER(cow, kvmpv_counters);
KVMPV_COUNTER(fault_around, kvmpv_counters);
KVMPV_COUNTER(registered, kvmpv_counters);
KVMPV_COUNTER(refused, kvmpv_counters);
/* The host's own, as of the last time that its userspace ran. */
KVMPV_COUNTER(publishes, kvmpv_state);
KVMPV_COUNTER(restarts, kvmpv_state);

static void __init kvmpv_state_cr3(struct dentry *dir)
{
	debugfs_create_file("hit", 0444, dir, NULL, &hit_fops);
	debugfs_create_file("miss", 0444, dir, NULL, &miss_fops);
	debugfs_create_file("flush", 0444, dir, NULL, &flush_fops);
	debugfs_create_file("native", 0444, dir, NULL, &native_fops);
	debugfs_create_file("release", 0444, dir, NULL, &release_fops);
	debugfs_create_file("kept", 0444, dir, NULL, &kept_fops);
	debugfs_create_file("reused", 0444, dir, NULL, &reused_fops);
	debugfs_create_file("dropped", 0444, dir, NULL, &dropped_fops);
	debugfs_create_file("unclean", 0444, dir, NULL, &unclean_fops);
	debugfs_create_file("fork_ranges", 0444, dir, NULL, &fork_ranges_fops);
	debugfs_create_file("cow", 0444, dir, NULL, &cow_fops);
	debugfs_create_file("fault_around", 0444, dir, NULL, &fault_around_fops);
	debugfs_create_file("registered", 0444, dir, NULL, &registered_fops);
	debugfs_create_file("refused", 0444, dir, NULL, &refused_fops);
	debugfs_create_file("publishes", 0444, dir, NULL, &publishes_fops);
	debugfs_create_file("restarts", 0444, dir, NULL, &restarts_fops);
}
#else
static void __init kvmpv_state_cr3(struct dentry *dir) { }
#endif

KVMPV_COUNTER(tlb_range, kvmpv_tlb_counters);
KVMPV_COUNTER(tlb_all, kvmpv_tlb_counters);
KVMPV_COUNTER(tlb_vcpus, kvmpv_tlb_counters);
KVMPV_COUNTER(tlb_refused, kvmpv_tlb_counters);
KVMPV_COUNTER(populate, kvmpv_populate_counters);
KVMPV_COUNTER(populate_pages, kvmpv_populate_counters);
KVMPV_COUNTER(populate_refused, kvmpv_populate_counters);

static int __init kvmpv_state_init(void)
{
	struct dentry *dir;
	int r;

	if (!kvm_para_available())
		return 0;
	r = sysfs_create_group(kernel_kobj, &kvmpv_group);
	if (r)
		return r;

	dir = debugfs_create_dir("kvm_paravirt", NULL);
	kvmpv_state_cr3(dir);
	debugfs_create_file("tlb_range", 0444, dir, NULL, &tlb_range_fops);
	debugfs_create_file("tlb_all", 0444, dir, NULL, &tlb_all_fops);
	debugfs_create_file("tlb_vcpus", 0444, dir, NULL, &tlb_vcpus_fops);
	debugfs_create_file("tlb_refused", 0444, dir, NULL, &tlb_refused_fops);
	debugfs_create_file("populate", 0444, dir, NULL, &populate_fops);
	debugfs_create_file("populate_pages", 0444, dir, NULL, &populate_pages_fops);
	debugfs_create_file("populate_refused", 0444, dir, NULL, &populate_refused_fops);
	return 0;
}
late_initcall(kvmpv_state_init);
