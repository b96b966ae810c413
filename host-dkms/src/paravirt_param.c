// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt, host side: the module parameter paravirt=, what guests may be offered.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "paravirt.h"

/* Bits of the module parameter and of FEATURES that this version implements. */
#define KVMPV_F_ALL	(KVMPV_F_CR3_CACHE | KVMPV_F_LOADS |		\
			 KVMPV_F_FLUSHES | KVMPV_F_RELEASE | KVMPV_F_POPULATE)

/*
 * paravirt=: 0 switches everything off, then the module behaves like the stock
 * one; a list of names offers only those.
 */
static const struct {
	const char *name;
	unsigned long bit;
} kvmpv_names[] = {
	{ "cr3-cache",	KVMPV_F_CR3_CACHE },
	{ "load-cr3",	KVMPV_F_LOADS },
	{ "flush",	KVMPV_F_FLUSHES },
	{ "release",	KVMPV_F_RELEASE },
	{ "populate",	KVMPV_F_POPULATE },
};

/* KVMPV_F_* that guests may be offered. Constant once the module is loaded. */
unsigned long kvmpv_allowed = KVMPV_F_ALL;

static int kvmpv_param_set(const char *val, const struct kernel_param *kp)
{
	unsigned long bits = 0;
	char *list, *rest, *word;
	int i;

	/* Not kstrtobool(): to that any word with an "n" in front means no. */
	if (!strcmp(val, "0") || !strcmp(val, "1")) {
		kvmpv_allowed = *val == '1' ? KVMPV_F_ALL : 0;
		return 0;
	}
	list = kstrdup(val, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	rest = list;
	while ((word = strsep(&rest, ",")) != NULL) {
		for (i = 0; i < ARRAY_SIZE(kvmpv_names); i++)
			if (!strcmp(word, kvmpv_names[i].name))
				break;
		if (i == ARRAY_SIZE(kvmpv_names)) {
			pr_err("%s: paravirt=: '%s' is neither 0, 1 nor one of cr3-cache, load-cr3, flush, release, populate\n",
			       THIS_MODULE->name, word);
			kfree(list);
			return -EINVAL;
		}
		bits |= kvmpv_names[i].bit;
	}
	kfree(list);
	/* /etc/modprobe.d is for all kernels: a feature that this one lacks is no error. */
	kvmpv_allowed = bits & KVMPV_F_ALL;
	return 0;
}

/**
 * kvmpv_list_names() - features as the module parameter names them
 * @buf: KVMPV_NAMES_SIZE bytes, or more
 * @bits: KVMPV_F_*; "0" if there are none
 *
 * Return: length of the string.
 */
int kvmpv_list_names(char *buf, unsigned long bits)
{
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(kvmpv_names); i++)
		if (bits & kvmpv_names[i].bit)
			n += scnprintf(buf + n, KVMPV_NAMES_SIZE - n, "%s%s",
				       n ? "," : "", kvmpv_names[i].name);
	return n ?: scnprintf(buf, KVMPV_NAMES_SIZE, "0");
}

static int kvmpv_param_get(char *buf, const struct kernel_param *kp)
{
	int n = kvmpv_list_names(buf, kvmpv_allowed);

	return n + sysfs_emit_at(buf, n, "\n");
}

static const struct kernel_param_ops kvmpv_param_ops = {
	.set = kvmpv_param_set,
	.get = kvmpv_param_get,
};

module_param_cb(paravirt, &kvmpv_param_ops, NULL, 0444);
MODULE_PARM_DESC(paravirt,
		 "0, 1 (default) or a list of cr3-cache,load-cr3,flush,release,populate: what guests are offered");
