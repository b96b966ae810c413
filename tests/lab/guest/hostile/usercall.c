// SPDX-License-Identifier: GPL-2.0
/* Hypercalls from CPL 3: each is refused, whatever it asks. */
#include <cpuid.h>
#include <stdbool.h>
#include <stdio.h>

#include "kvm_paravirt.h"

static bool is_amd(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx;
}

static long call(bool amd, unsigned long nr, unsigned long a0, unsigned long a1)
{
	long ret = nr;

	if (amd)
		__asm__ volatile("vmmcall" : "+a" (ret)
				 : "b" (a0), "c" (a1), "d" (12l), "S" (0l) : "memory");
	else
		__asm__ volatile("vmcall" : "+a" (ret)
				 : "b" (a0), "c" (a1), "d" (12l), "S" (0l) : "memory");
	return ret;
}

static const struct {
	const char *name;
	unsigned long nr, a0, a1;
} calls[] = {
	{ "user-probe", KVMPV_HC_PROBE, 1, 0 },
	{ "user-probe-0", KVMPV_HC_PROBE, 0, 0 },
	{ "user-features", KVMPV_HC_FEATURES, 0, 0 },
	{ "user-register", KVMPV_HC_REGISTER, 0x1000, 4096 },
	{ "user-register-size", KVMPV_HC_REGISTER, 1, 0 },
	{ "user-unregister", KVMPV_HC_UNREGISTER, 0, 0 },
	{ "user-load", KVMPV_HC_LOAD_CR3, 0, 0 },
	{ "user-flush", KVMPV_HC_FLUSH, KVMPV_FLUSH_ALL, 0 },
	{ "user-flush-range", KVMPV_HC_FLUSH_RANGE, 0x1000, 1 },
	{ "user-flush-vcpus", KVMPV_HC_FLUSH_VCPUS, 0x1000, 0 },
	{ "user-flush-vcpus-unaligned", KVMPV_HC_FLUSH_VCPUS, 4, 0 },
	{ "user-release", KVMPV_HC_RELEASE, 0x1000, 1 },
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	bool amd = is_amd();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		printf("G: case %s %d %ld\n", calls[i].name, -KVMPV_EPERM,
		       call(amd, calls[i].nr, calls[i].a0, calls[i].a1));
	printf("G: group user %u\n", (unsigned int)ARRAY_SIZE(calls));
	return 0;
}
