// SPDX-License-Identifier: GPL-2.0
/*
 * An entry that a process leaves behind in its page tables, where nothing is
 * mapped; see README.md.
 */
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: an entry left in a process's page tables");

static struct dentry *file;
static struct page *page;

/* The table of PTEs for @va, which whoever writes has got, or NULL. */
static pte_t *table_of(unsigned long va)
{
	pgd_t *pgd = pgd_offset(current->mm, va);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, va);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, va);
	if (pud_none(*pud) || pud_leaf(*pud))
		return NULL;
	pmd = pmd_offset(pud, va);
	if (pmd_none(*pmd) || pmd_leaf(*pmd))
		return NULL;
	return pte_offset_kernel(pmd, va);
}

/* A process writes an address, at which it is to see this module's page from then on. */
static ssize_t plant_write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	unsigned long va;
	pte_t *pte;
	int r;

	r = kstrtoul_from_user(buf, n, 0, &va);
	if (r)
		return r;
	if (va >= TASK_SIZE)
		return -EINVAL;
	mmap_write_lock(current->mm);
	pte = table_of(va);
	if (pte && pte_none(*pte))
		WRITE_ONCE(pte->pte, pte_val(mk_pte(page, PAGE_READONLY)));
	else
		r = -ENOENT;
	mmap_write_unlock(current->mm);
	return r ?: n;
}

static const struct file_operations plant_fops = {
	.owner	= THIS_MODULE,
	.write	= plant_write,
};

static int __init plant_init(void)
{
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	memset(page_address(page), 0x5a, PAGE_SIZE);
	file = debugfs_create_file("kvmpv_plant", 0200, NULL, NULL, &plant_fops);
	return 0;
}
module_init(plant_init);

static void __exit plant_exit(void)
{
	debugfs_remove(file);
	__free_page(page);
}
module_exit(plant_exit);
