// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's half of the page tables that a user runs on under page table
 * isolation; see README.md.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: what user page tables map of the kernel");

static struct dentry *file;

static void leaf(struct seq_file *m, unsigned long va, unsigned long size, u64 e)
{
	seq_printf(m, "%016lx %lu %s%s%s\n", va, size / PAGE_SIZE,
		   e & _PAGE_RW ? "w" : "-", e & _PAGE_NX ? "-" : "x",
		   e & _PAGE_USER ? "u" : "-");
}

static void walk_pmd(struct seq_file *m, unsigned long va, pmd_t *pmd)
{
	int i;

	if (pmd_leaf(*pmd)) {
		leaf(m, va, PMD_SIZE, pmd_val(*pmd));
		return;
	}
	for (i = 0; i < PTRS_PER_PTE; i++) {
		unsigned long at = va + i * PAGE_SIZE;
		pte_t *pte = pte_offset_kernel(pmd, at);

		if (pte_present(*pte))
			leaf(m, at, PAGE_SIZE, pte_val(*pte));
	}
}

static void walk_pud(struct seq_file *m, unsigned long va, pud_t *pud)
{
	int i;

	if (pud_leaf(*pud)) {
		leaf(m, va, PUD_SIZE, pud_val(*pud));
		return;
	}
	for (i = 0; i < PTRS_PER_PMD; i++) {
		unsigned long at = va + i * PMD_SIZE;
		pmd_t *pmd = pmd_offset(pud, at);

		if (pmd_present(*pmd))
			walk_pmd(m, at, pmd);
	}
}

/* Shows the tables of the task that reads the file. From the kernel's half nothing is ever taken away. */
static int ptwalk_show(struct seq_file *m, void *unused)
{
	pgd_t *pgd = kernel_to_user_pgdp(current->mm->pgd);
	int i, j;

	if (!boot_cpu_has(X86_FEATURE_PTI))
		return -ENODEV;
	for (i = PTRS_PER_PGD / 2; i < PTRS_PER_PGD; i++) {
		unsigned long va = 0xffffUL << 48 | (unsigned long)i << PGDIR_SHIFT;
		p4d_t *p4d = p4d_offset(&pgd[i], va);

		if (!p4d_present(*p4d))
			continue;
		/*
		 * The CPU entry area, and the pages for ESPFIX, which are the
		 * same ones 65536 times: as the kernel has them.
		 */
		if (p4d_val(*p4d) == p4d_val(*p4d_offset(&current->mm->pgd[i], va))) {
			seq_printf(m, "%016lx as the kernel's\n", va);
			continue;
		}
		for (j = 0; j < PTRS_PER_PUD; j++) {
			unsigned long at = va + j * PUD_SIZE;
			pud_t *pud = pud_offset(p4d, at);

			if (pud_present(*pud))
				walk_pud(m, at, pud);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ptwalk);

static int __init ptwalk_init(void)
{
	file = debugfs_create_file("kvmpv_ptwalk", 0400, NULL, NULL, &ptwalk_fops);
	return 0;
}
module_init(ptwalk_init);

static void __exit ptwalk_exit(void)
{
	debugfs_remove(file);
}
module_exit(ptwalk_exit);
