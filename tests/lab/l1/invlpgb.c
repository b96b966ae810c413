// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into QEMU: its guests are told that the CPU has INVLPGB, which no CPU of the lab has. See scenarios/invlpgb.sh.
 */
#include <linux/kvm.h>

#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* EBX of CPUID leaf 0x80000008, AMD's manual */
#define LEAF	0x80000008
#define INVLPGB	(1u << 3)

int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_cpuid2 *cpuid;
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	cpuid = arg;
	for (unsigned int i = 0; request == KVM_SET_CPUID2 && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == LEAF)
			cpuid->entries[i].ebx |= INVLPGB;
	return syscall(SYS_ioctl, fd, request, arg);
}
