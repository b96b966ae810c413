// SPDX-License-Identifier: GPL-2.0
#include "vmm.h"
int snapshots(struct vm *vm, unsigned int cycles, u64 seed) { (void)vm; (void)cycles; (void)seed; return 1; }
