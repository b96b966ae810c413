// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: no I/O delays in a guest that is booted with kvm_paravirt=1, or
 * with iodelay in its list. Each is a VM exit, and real mode has some of them.
 */
#include "boot.h"
#include "string.h"

bool no_io_delay;

/**
 * init_io_delay() - see whether delays are wanted
 *
 * Any hypervisor will do: there is nothing to wait for. The last kvm_paravirt=
 * counts, and an io_delay= more than that, as in the kernel proper.
 *
 * Context: after validate_cpu() and before the first io_delay().
 */
void init_io_delay(void)
{
	char list[64];
	char *word;
	int len;

	if (!test_bit(X86_FEATURE_HYPERVISOR, cpu.flags))
		return;
	if (cmdline_find_option("io_delay", list, sizeof(list)) >= 0)
		return;
	len = cmdline_find_option("kvm_paravirt", list, sizeof(list));
	if (len < 0 || len >= sizeof(list))
		return;

	if (!strcmp(list, "1")) {
		no_io_delay = true;
		return;
	}
	for (word = list; word; word = strchr(word, ',')) {
		if (*word == ',')
			word++;
		if (!strncmp(word, "iodelay", 7) &&
		    (word[7] == ',' || word[7] == '\0')) {
			no_io_delay = true;
			return;
		}
	}
}
