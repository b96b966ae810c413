/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvm-paravirt, a hostile guest: windows, as they should be and as they must
 * not be, in ascending order. Interrupts are off in all of them.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include "kvm_paravirt.h"

.macro START name
SYM_INNER_LABEL(\name\()_start, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
.endm

.macro COMMIT name
SYM_INNER_LABEL(\name\()_commit, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
.endm

/* %rdi table, %rsi cr3; goes on with the host's value in %rax, or jumps. */
.macro LOOKUP miss
	movq	%rdi, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	.Lhit\@
.rept KVMPV_NR_ENTRIES - 1
	addq	$KVMPV_ENTRY_SIZE, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	.Lhit\@
.endr
	jmp	\miss
.Lhit\@:
	movq	KVMPV_ENTRY_HOST_CR3(%rax), %rax
.endm

/* The end of a lookup: 1 hit, 0 miss, -1 the MOV faulted. */
.macro ENDING name
	movl	$1, %eax
	jmp	.L\name\()_done
.L\name\()_miss:
	xorl	%eax, %eax
.L\name\()_done:
	movq	%r8, (%rdx)
	RET
.L\name\()_fault:
	movq	$-1, %rax
	jmp	.L\name\()_done
	_ASM_EXTABLE(\name\()_commit, .L\name\()_fault)
.endm

.text

/*
 * long hostile_lookup(table, cr3, run)
 *
 * It counts in a register how often it starts. That is allowed, since the code at
 * start needs nothing of the run before but the count.
 */
SYM_FUNC_START(hostile_lookup)
	xorl	%r8d, %r8d
START lookup
	incq	%r8
	LOOKUP	.Llookup_miss
COMMIT lookup
	movq	%rax, %cr3
	ENDING lookup
SYM_FUNC_END(hostile_lookup)

/*
 * long hostile_spin(table, cr3, run, loops): as hostile_lookup(), but waits in
 * the window first, half as long each time.
 */
SYM_FUNC_START(hostile_spin)
	xorl	%r8d, %r8d
START spin
	incq	%r8
	shrq	$1, %rcx
	movq	%rcx, %r9
.Lspin:
	decq	%r9
	jg	.Lspin
	LOOKUP	.Lspin_miss
COMMIT spin
	movq	%rax, %cr3
	ENDING spin
SYM_FUNC_END(hostile_spin)

/*
 * Windows around instructions that exit. The host sets RIP to start, and then skips
 * the two bytes that the instruction has, which leads to the second jump.
 *
 * long hostile_cpuid(void), hostile_out(void): 1 if that happened.
 */
SYM_FUNC_START(hostile_cpuid)
	pushq	%rbx
	xorl	%eax, %eax
START cpuid
	.byte	0x74, 2			/* jz 1f: always */
	.byte	0xeb, .Lcpuid_skipped - 1f
1:	cpuid
COMMIT cpuid
	nop
	xorl	%eax, %eax
	popq	%rbx
	RET
.Lcpuid_skipped:
	movl	$1, %eax
	popq	%rbx
	RET
SYM_FUNC_END(hostile_cpuid)

SYM_FUNC_START(hostile_out)
	xorl	%eax, %eax
START out
	.byte	0x74, 2			/* jz 1f: always */
	.byte	0xeb, .Lout_skipped - 1f
1:	outb	%al, $0x80
COMMIT out
	nop
	xorl	%eax, %eax
	RET
.Lout_skipped:
	movl	$1, %eax
	RET
SYM_FUNC_END(hostile_out)

/*
 * long hostile_mmio(reg, loops): 0 if the read is never done. At each exit the host
 * emulates the instruction that it finds at start instead.
 */
SYM_FUNC_START(hostile_mmio)
START mmio
	decq	%rsi
	jz	.Lmmio_out
	movl	(%rdi), %eax
COMMIT mmio
	nop
	movl	$1, %eax
	RET
.Lmmio_out:
	xorl	%eax, %eax
	RET
SYM_FUNC_END(hostile_mmio)

/*
 * long hostile_fault(unmapped): says with which RIP the guest's own page fault comes:
 * 1 for start, 2 for the load.
 */
SYM_FUNC_START(hostile_fault)
START fault
	xorl	%eax, %eax
.Lload:
	movq	(%rdi), %rax
COMMIT fault
	nop
	RET
.Lat_start:
	movl	$1, %eax
	RET
.Lat_load:
	movl	$2, %eax
	RET
	_ASM_EXTABLE(fault_start, .Lat_start)
	_ASM_EXTABLE(.Lload, .Lat_load)
SYM_FUNC_END(hostile_fault)

/* --- no windows from here on */

/* As hostile_lookup(), single-stepped until the #DB handler has enough. */
SYM_FUNC_START(hostile_lookup_stepped)
	pushfq
	orq	$0x100, (%rsp)
	popfq
	jmp	hostile_lookup
SYM_FUNC_END(hostile_lookup_stepped)

/* long hostile_mov_cr3(cr3): 0, or -1 if it faulted. */
SYM_FUNC_START(hostile_mov_cr3)
	xorl	%eax, %eax
.Lmov:
	movq	%rdi, %cr3
	RET
.Lmov_fault:
	movq	$-1, %rax
	RET
	_ASM_EXTABLE(.Lmov, .Lmov_fault)
SYM_FUNC_END(hostile_mov_cr3)

/*
 * long hostile_changed_registers(nr): bit n set: register n has changed over
 * the hypercall, in the order of the list; RAX is the result.
 */
SYM_FUNC_START(hostile_changed_registers)
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rdi, %rax
	i = 0
.irp reg, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	i = i + 1
	movabsq	$(0x5a5a5a5a00000000 + i), %\reg
.endr
	ALTERNATIVE "vmcall", "vmmcall", X86_FEATURE_VMMCALL
	xorl	%eax, %eax
	i = 0
.irp reg, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	i = i + 1
	pushq	%\reg
	subl	$i, (%rsp)
	cmpl	$0, (%rsp)
	jne	1f
	cmpl	$0x5a5a5a5a, 4(%rsp)
	je	2f
1:	orl	$(1 << i), %eax
2:	leaq	8(%rsp), %rsp
.endr
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	RET
SYM_FUNC_END(hostile_changed_registers)
