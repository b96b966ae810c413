// SPDX-License-Identifier: GPL-2.0
/* The guest is about to be a hypervisor itself: VMX operation, as long as it likes. */
#include <linux/gfp.h>
#include <linux/moduleparam.h>

#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

#include "hostile.h"

#define F_REGISTERED	(KVMPV_F_CR3_CACHE | KVMPV_F_LOAD_CR3)

/*
 * cr4_update_irqsoff() of the kernel, which remembers what CR4 is: what it writes later would
 * clear the bit otherwise. Linux 7.x exports it to KVM alone; who loads the module says where it is.
 */
static unsigned long cr4_update;
module_param(cr4_update, ulong, 0444);

static u32 *region;

static void write_vmxe(unsigned long set, unsigned long clear)
{
	((void (*)(unsigned long, unsigned long))cr4_update)(set, clear);
}

static long vmxon(void)
{
	u64 basic, pa = __pa(region);

	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	*region = basic & 0x7fffffff;
	write_vmxe(X86_CR4_VMXE, 0);
	asm goto("1: vmxon %0\n\t"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : "m" (pa) : "cc", "memory" : fault);
	return 0;
fault:
	write_vmxe(0, X86_CR4_VMXE);
	return -1;
}

static void vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc", "memory");
	write_vmxe(0, X86_CR4_VMXE);
}

/* Whoever has registered this vCPU: the module, or the guest's own kernel. */
static void enter(void)
{
	hostile_case("vmxon", 0, vmxon());
	hostile_case("vmxon-load", 0, hostile_load_cr3(hostile_cr3()));
	hostile_case("vmxon-offered", 0,
		     hostile_call(KVMPV_HC_FEATURES, 0, 0) & F_REGISTERED);
}

static void refused(void)
{
	hostile_case("vmxon-register", -KVMPV_ELOOP, hostile_register());
}

static void enter_refused(void)
{
	enter();
	refused();
}

static void leave(void)
{
	vmxoff();
	hostile_case("vmxoff-load", 0, hostile_load_cr3(hostile_cr3()));
	hostile_case("vmxoff-offered", F_REGISTERED,
		     hostile_call(KVMPV_HC_FEATURES, 0, 0) & F_REGISTERED);
}

static void try_vmx(void)
{
	struct kvmpv_table *table = hostile_mine()->table;
	u64 cr3 = hostile_cr3();
	struct hostile_run run;

	hostile_case("register", 0, hostile_register());
	hostile_case("published", 1, !!hostile_find(table, cr3));
	enter();
	hostile_case("vmxon-empty", 1, hostile_empty(table));
	hostile_case("vmxon-lookup", 0, hostile_lookup(table, cr3, &run));
	/* Last: it writes to the table itself. */
	refused();
	leave();
	hostile_case("vmxoff-published", 1, !!hostile_find(table, cr3));
	hostile_case("vmxoff-lookup", 1, hostile_lookup(table, cr3, &run));

	/* In VMX operation the host gives the registration up, for good. */
	enter_refused();
	hostile_case("vmxon-unregister", 0, hostile_call(KVMPV_HC_UNREGISTER, 0, 0));
	hostile_case("vmxon-unregistered", -KVMPV_ENOENT, hostile_load_cr3(cr3));
	hostile_case("vmxon-register-anew", -KVMPV_ELOOP, hostile_register());
	vmxoff();
	hostile_case("vmxoff-register-anew", 0, hostile_register());
}

static void on_first_cpu(void (*fn)(void))
{
	if (!boot_cpu_has(X86_FEATURE_VMX) || !cr4_update) {
		hostile_text("vmx", "yes", "no");
		return;
	}
	/* Never freed: the CPU may write there as long as it likes. */
	if (!region)
		region = (void *)get_zeroed_page(GFP_KERNEL);
	if (region)
		hostile_on(0, fn);
}

void hostile_vmx(void)
{
	on_first_cpu(try_vmx);
}

void hostile_vmxon(void)
{
	on_first_cpu(enter_refused);
}

void hostile_vmxoff(void)
{
	on_first_cpu(leave);
}
