/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * kvm-paravirt: the interface between a KVM host that shadows page tables and
 * a guest that knows it. README.md beside this file is the specification.
 *
 * Calls use KVM's convention: VMCALL (Intel) or VMMCALL (AMD) at CPL 0 with
 * the number in RAX and arguments in RBX, RCX, RDX, RSI; the result comes back
 * in RAX, no other register changes. A negative result is one of KVMPV_E*.
 * All memory fields are little-endian and have the same offset for 32-bit and
 * 64-bit guests.
 */
#ifndef _KVM_PARAVIRT_H
#define _KVM_PARAVIRT_H

#define KVMPV_ABI_VERSION	1

/*
 * Hypercalls. A number once used is never used for anything else.
 *
 * A host without kvm-paravirt answers -KVMPV_ENOSYS to every one of them,
 * that is the probe.
 */
#define KVMPV_HC_BASE		0x70760000
/* (u32 version spoken by the guest) -> version spoken by the host, >= 1 */
#define KVMPV_HC_PROBE		0x70760000
/* (u32 word) -> 31 bits of KVMPV_F_*, offered to this VM now; 0 past the end */
#define KVMPV_HC_FEATURES	0x70760001
/* (u64 gpa of struct kvmpv_state, u64 its size in bytes) -> 0 */
#define KVMPV_HC_REGISTER	0x70760002
/* () -> 0, also when nothing is registered */
#define KVMPV_HC_UNREGISTER	0x70760003
/* (u64 cr3, u64 KVMPV_LOAD_CR3_*) -> 0, the vCPU then runs on that cr3 */
#define KVMPV_HC_LOAD_CR3	0x70760004
/* (u64 KVMPV_FLUSH_*) -> 0 */
#define KVMPV_HC_FLUSH		0x70760005
/* (u64 va, u64 pages, u64 log2 of the stride in bytes, u64 flags) -> 0 */
#define KVMPV_HC_FLUSH_RANGE	0x70760006
/* (u64 gpa of struct kvmpv_flush_vcpus) -> 0 */
#define KVMPV_HC_FLUSH_VCPUS	0x70760007
/* (u64 gpa of an array of u64 linear addresses, u64 their number) -> 0 */
#define KVMPV_HC_RELEASE	0x70760008
/* (u64 gpa of an array of struct kvmpv_page_range, u64 their number) -> pages mapped */
#define KVMPV_HC_POPULATE	0x70760009
#define KVMPV_HC_LAST		KVMPV_HC_POPULATE

/* Feature bits of FEATURES word 0, features_offered and features_accepted. */
#define KVMPV_F_CR3_CACHE	0x1	/* struct kvmpv_table */
#define KVMPV_F_LOAD_CR3	0x2	/* LOAD_CR3 */
#define KVMPV_F_FLUSH		0x4	/* FLUSH */
#define KVMPV_F_FLUSH_RANGE	0x8	/* FLUSH_RANGE */
#define KVMPV_F_FLUSH_VCPUS	0x10	/* FLUSH_VCPUS */
#define KVMPV_F_RELEASE		0x20	/* RELEASE */
#define KVMPV_F_POPULATE	0x40	/* POPULATE */
#define KVMPV_F_INVLPG_CURRENT	0x80	/* promise: INVLPG below 2^63 is for the current cr3 */

/* Flags of LOAD_CR3: the guest needs no flush of what it used with this cr3. */
#define KVMPV_LOAD_CR3_NOFLUSH	0x1

/* Scope of FLUSH and struct kvmpv_flush_vcpus: exactly one of them. */
#define KVMPV_FLUSH_USER	0x1	/* non-global entries of the current cr3 */
#define KVMPV_FLUSH_ALL		0x2	/* everything, global entries too */

/*
 * What a refused call returns, negated. The names say what the host found;
 * the values are Linux's errno values, except ENOSYS, which is KVM's.
 */
#define KVMPV_EPERM		1	/* the caller's CPL is not 0 */
#define KVMPV_ENOENT		2	/* this vCPU is not registered */
#define KVMPV_EIO		5	/* the CPU's CR3 targets do not work */
#define KVMPV_ENXIO		6	/* the CPU has fewer than 4 CR3 targets */
#define KVMPV_E2BIG		7	/* size is larger than a page, a list too long */
#define KVMPV_ENOEXEC		8	/* the vCPU is not in long mode with paging */
#define KVMPV_EAGAIN		11	/* the vCPU is in SMM */
#define KVMPV_ENOMEM		12	/* the host is out of memory */
#define KVMPV_EFAULT		14	/* the page is not guest RAM */
#define KVMPV_EBUSY		16	/* the page has another use here already */
#define KVMPV_EEXIST		17	/* the vCPU is registered already */
#define KVMPV_EXDEV		18	/* the host runs on Hyper-V (eVMCS) */
#define KVMPV_ENODEV		19	/* the host uses EPT or NPT; POPULATE: it does not */
#define KVMPV_EINVAL		22	/* misaligned page, undefined flag, bad cr3 */
#define KVMPV_ENOSPC		28	/* size is smaller than the structure */
#define KVMPV_EROFS		30	/* the page is read-only */
#define KVMPV_ERANGE		34	/* a restart window, a range of pages is not well-formed */
#define KVMPV_ELOOP		40	/* nested virtualization is in use */
#define KVMPV_ENODATA		61	/* features_accepted has nothing to register for */
#define KVMPV_EPROTO		71	/* guest version 0 */
#define KVMPV_EBADMSG		74	/* a reserved byte is not 0, or sizes differ */
#define KVMPV_EOPNOTSUPP	95	/* features_accepted has bits not offered */
#define KVMPV_ENOSYS		1000	/* no such call here */

#define KVMPV_PAGE_SIZE		4096
#define KVMPV_NR_ENTRIES	4
#define KVMPV_NR_WINDOWS	32
/* commit - start, bytes, at most */
#define KVMPV_WINDOW_MAX	256

/* Linear addresses in one RELEASE, at most */
#define KVMPV_RELEASE_MAX	64

/* Ranges in one POPULATE, and pages in all of them together, at most */
#define KVMPV_POPULATE_RANGES	32
#define KVMPV_POPULATE_PAGES	512

/*
 * A registered guest has this bit clear in every CR3 value that it loads; the
 * host sets it in every value that it gives the CPU, so that no CR3 value of
 * the guest's own can be mistaken for one of the host's.
 */
#define KVMPV_CR3_TAG_BIT	10

/* Offsets for assembly code, checked against the structures by the tests. */
#define KVMPV_ENTRY_SIZE	16
#define KVMPV_ENTRY_GUEST_CR3	0
#define KVMPV_ENTRY_HOST_CR3	8

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)

#include <linux/types.h>

/* guest_cr3 of an entry that is not in use: no CR3 value looks like it. */
#define KVMPV_CR3_NONE		(~(__u64)0)

/*
 * One entry: "a load of guest_cr3 that needs no TLB flush may be done by
 * moving host_cr3 to CR3". guest_cr3 has bit 63 clear. host_cr3 is opaque.
 */
struct kvmpv_entry {
	__u64 guest_cr3;
	__u64 host_cr3;
};

/* Page-aligned, page-sized, one per vCPU. The host writes, the guest reads. */
struct kvmpv_table {
	struct kvmpv_entry entry[KVMPV_NR_ENTRIES];
	__u64 reserved[504];
};

/*
 * A restart window: the code after start up to and including the instruction
 * at commit. Linear addresses; windows are in ascending order and do not
 * overlap.
 */
struct kvmpv_window {
	__u64 start;
	__u64 commit;
};

/* The state page. Page-aligned, page-sized, one per vCPU. */
struct kvmpv_state {
	__u32 guest_version;		/* guest */
	__u32 host_version;		/* host, at REGISTER */
	__u32 size;			/* guest: bytes of this structure */
	__s32 ret;			/* host: result of the last REGISTER */
	__u64 features_offered;		/* host, at REGISTER */
	__u64 features_accepted;	/* guest */
	__u64 table_gpa;		/* guest: gpa of struct kvmpv_table, or 0 */
	__u32 nr_windows;		/* guest */
	__u32 reserved0;
	__u64 reserved1[10];
	struct kvmpv_window window[KVMPV_NR_WINDOWS];	/* guest */
	__u64 publishes;		/* host: changes of the table */
	__u64 restarts;			/* host: times RIP was set back */
	__u64 reserved2[430];
};

/* Argument of FLUSH_VCPUS, 8-byte aligned, within one page. */
struct kvmpv_flush_vcpus {
	__u64 scope;			/* KVMPV_FLUSH_*, 0: the range alone */
	__u64 va;
	__u64 pages;			/* 0: no range */
	__u64 stride_shift;
	__u64 vcpu_mask[64];		/* bit n: the vCPU with APIC ID n */
};

/* Element of the argument of POPULATE: 8-byte aligned, all within one page. */
struct kvmpv_page_range {
	__u64 gpa;			/* of the first page, page-aligned */
	__u64 pages;			/* of 4096 bytes, at least 1 */
};

#endif /* !__ASSEMBLY__ && !__ASSEMBLER__ */

#endif /* _KVM_PARAVIRT_H */
