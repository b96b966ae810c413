// SPDX-License-Identifier: GPL-2.0
/*
 * Reads from each address (hexadecimal, first word of a line) of standard
 * input. Status 0: each was refused, and there was one.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

static sigjmp_buf back;
static unsigned int tried, read;

static void refused(int signal)
{
	siglongjmp(back, signal);
}

int main(void)
{
	unsigned long va;

	signal(SIGSEGV, refused);
	while (scanf("%lx%*[^\n]", &va) == 1) {
		tried++;
		if (sigsetjmp(back, 1))
			continue;
		(void)*(volatile char *)va;
		printf("G: %lx can be read\n", va);
		read++;
	}
	printf("G: %u addresses, %u could be read\n", tried, read);
	return !tried || read;
}
