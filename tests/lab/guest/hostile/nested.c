// SPDX-License-Identifier: GPL-2.0
/* The guest is a hypervisor itself: SVM, a guest of one instruction in real mode. */
#include <linux/gfp.h>

#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/svm.h>
#include <asm/tlbflush.h>

#include "hostile.h"

#define REAL_LIMIT	0xffff
#define REAL_CODE	0x9b
#define REAL_DATA	0x93
#define HLT		0xf4
#define PAT_DEFAULT	0x0007040600070406ull

static struct vmcb *vmcb, *mine;
static void *host_save;
static u8 *code;

static void intercept(unsigned int bit)
{
	vmcb->control.intercepts[bit / 32] |= 1u << bit % 32;
}

static void real_segment(struct vmcb_seg *seg, u16 attrib)
{
	seg->attrib = attrib;
	seg->limit = REAL_LIMIT;
}

static void fill(void)
{
	struct vmcb_save_area *save = &vmcb->save;

	code[0] = HLT;
	intercept(INTERCEPT_VMRUN);
	intercept(INTERCEPT_HLT);
	vmcb->control.asid = 1;
	real_segment(&save->cs, REAL_CODE);
	save->cs.base = __pa(code);
	real_segment(&save->ds, REAL_DATA);
	real_segment(&save->es, REAL_DATA);
	real_segment(&save->ss, REAL_DATA);
	save->gdtr.limit = REAL_LIMIT;
	save->idtr.limit = REAL_LIMIT;
	save->efer = EFER_SVME;
	save->cr0 = X86_CR0_ET;
	save->rflags = X86_EFLAGS_FIXED;
	save->g_pat = PAT_DEFAULT;
}

/* The nested guest changes no register. */
static void run(void)
{
	asm volatile("clgi\n\t"
		     "mov %0, %%rax\n\t"
		     "vmsave %%rax\n\t"
		     "mov %1, %%rax\n\t"
		     "vmrun %%rax\n\t"
		     "mov %0, %%rax\n\t"
		     "vmload %%rax\n\t"
		     "stgi"
		     : : "r" (__pa(mine)), "r" (__pa(vmcb)) : "rax", "cc", "memory");
}

static void try_nested(void)
{
	u64 cr3 = hostile_cr3(), cr4 = __read_cr4(), efer;
	unsigned int i;

	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer | EFER_SVME);
	wrmsrq(MSR_VM_HSAVE_PA, __pa(host_save));
	hostile_case("register", 0, hostile_register());
	for (i = 0; i < 3; i++) {
		fill();
		vmcb->save.rip = 0;
		run();
		/* With npt=0 KVM loses the value, in the stock module as well. */
		hostile_write_cr4(cr4);
		hostile_case("nested-exit", SVM_EXIT_HLT, vmcb->control.exit_code);
		hostile_case("nested-registered", 0, hostile_load_cr3(cr3));
		hostile_case("nested-flush", 0,
			     hostile_call(KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0));
	}
	wrmsrq(MSR_EFER, efer);
}

void hostile_nested(void)
{
	void **pages[] = { (void **)&vmcb, (void **)&mine, &host_save, (void **)&code };
	unsigned int i;

	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		hostile_text("nested-svm", "yes", "no");
		return;
	}
	/* Never freed: the CPU may write there as long as it likes. */
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		*pages[i] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!*pages[i])
			return;
	}
	hostile_on(0, try_nested);
}
