/* SPDX-License-Identifier: GPL-2.0 */
/* What paravirt_args.c and paravirt_roots.c take from the kernel's <linux/types.h>, for userspace. */
#ifndef KVMPV_UNIT_TYPES_H
#define KVMPV_UNIT_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __u64 u64;

#endif
