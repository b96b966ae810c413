// SPDX-License-Identifier: GPL-2.0
/* What forkexec runs: three pages, no C library, hence little but the kernel's work. */
#include <sys/syscall.h>

void _start(void);

void _start(void)
{
	__asm__ volatile("syscall" : : "a" (SYS_exit_group), "D" (0));
	__builtin_unreachable();
}
