// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: what the host answers a 32-bit guest. Loading the module makes
 * each call once; "kvm-paravirt: case NAME WANT GOT" in dmesg.
 */
#define pr_fmt(fmt) "kvm-paravirt: " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>

#include <asm/cpufeature.h>
#include "kvm_paravirt.h"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: calls from a 32-bit guest");

static long call(u32 nr, u32 a0, u32 a1, u32 a2)
{
	long ret;

	if (static_cpu_has(X86_FEATURE_VMMCALL))
		asm volatile("vmmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (0)
			     : "memory");
	else
		asm volatile("vmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (0)
			     : "memory");
	return ret;
}

static void test(const char *name, long want, long got)
{
	pr_info("case %s %ld %ld\n", name, want, got);
}

static int __init calls32_init(void)
{
	struct kvmpv_state *state = (void *)get_zeroed_page(GFP_KERNEL);
	struct kvmpv_flush_vcpus *desc;
	u32 gpa;

	if (!state)
		return -ENOMEM;
	gpa = virt_to_phys(state);

	test("probe", KVMPV_ABI_VERSION, call(KVMPV_HC_PROBE, 1, 0, 0));
	test("features", KVMPV_F_FLUSH | KVMPV_F_FLUSH_RANGE | KVMPV_F_FLUSH_VCPUS,
	     call(KVMPV_HC_FEATURES, 0, 0, 0) & ~KVMPV_F_RELEASE);

	/* As a 64-bit guest would, with what needs no table. */
	state->guest_version = KVMPV_ABI_VERSION;
	state->size = sizeof(*state);
	state->features_accepted = KVMPV_F_LOAD_CR3;
	test("register", -KVMPV_ENOEXEC,
	     call(KVMPV_HC_REGISTER, gpa, sizeof(*state), 0));
	test("register-wrote-nothing", 0, state->host_version);
	test("load-cr3", -KVMPV_ENOENT, call(KVMPV_HC_LOAD_CR3, 0, 0, 0));
	test("unregister", 0, call(KVMPV_HC_UNREGISTER, 0, 0, 0));

	test("flush-all", 0, call(KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0, 0));
	test("flush-user", 0, call(KVMPV_HC_FLUSH, KVMPV_FLUSH_USER, 0, 0));
	/* The caller's address space ends at 4 GiB. */
	test("range-last", 0, call(KVMPV_HC_FLUSH_RANGE, 0xffff0000, 16, 12));
	test("range-past-end", -KVMPV_EINVAL,
	     call(KVMPV_HC_FLUSH_RANGE, 0xffff0000, 17, 12));
	/* The stride of a huge page without PAE, which no call takes. */
	test("range-4m", -KVMPV_EINVAL, call(KVMPV_HC_FLUSH_RANGE, 0, 1, 22));

	memset(state, 0, sizeof(*state));
	desc = (void *)state;
	desc->va = 0xffff0000;
	desc->pages = 16;
	desc->stride_shift = 12;
	desc->vcpu_mask[0] = 1;
	test("vcpus", 0, call(KVMPV_HC_FLUSH_VCPUS, gpa, 0, 0));
	desc->pages = 17;
	test("vcpus-past-end", -KVMPV_EINVAL, call(KVMPV_HC_FLUSH_VCPUS, gpa, 0, 0));
	desc->va += 1ull << 32;
	desc->pages = 1;
	test("vcpus-above-end", -KVMPV_EINVAL, call(KVMPV_HC_FLUSH_VCPUS, gpa, 0, 0));
	free_page((unsigned long)state);
	return 0;
}
module_init(calls32_init);

static void __exit calls32_exit(void)
{
}
module_exit(calls32_exit);
