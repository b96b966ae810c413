// SPDX-License-Identifier: GPL-2.0
#include "guest.h"
void fuzz(struct cpu *c) { (void)c; }
