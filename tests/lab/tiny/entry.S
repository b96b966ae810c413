/* SPDX-License-Identifier: GPL-2.0 */
/* The small guest: how it starts, exceptions, restart windows, a trip out of 64-bit mode. */
#include "tiny.h"
#include "kvm_paravirt.h"

#define CODE64	0x08
#define DATA	0x10
#define CODE32	0x18

#define CR0_PG	0x80000000
#define CR4_PAE	0x20
#define EFER	0xc0000080
#define EFER_LME	0x100

/* Offsets in struct cpu, which %gs points to. */
#define GUARD	8

	.section .text.start, "ax"
	.code64
	.globl start
/* From the VMM or the trampoline: %rdi is the number of the vCPU. */
start:
	movq	%rdi, %rax
	incq	%rax
	shlq	$13, %rax
	leaq	stacks(%rax), %rsp
	xorl	%ebp, %ebp
	call	boot
	ud2

	.text
/* Copied to TRAMPOLINE. */
	.globl trampoline, trampoline_end
	.code16
trampoline:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	(TRAMPOLINE + 4f - trampoline)
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$BOOT_PML4, %eax
	movl	%eax, %cr3
	movl	$EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	$(CR0_PG | 1), %eax
	movl	%eax, %cr0
	ljmpl	$CODE64, $(TRAMPOLINE + 1f - trampoline)
	.code64
1:	movl	$DATA, %eax
	movl	%eax, %ss
	movl	%eax, %ds
	movl	%eax, %es
	movl	$1, %eax
	cpuid
	movl	%ebx, %edi
	shrl	$24, %edi
	movq	$start, %rax
	jmp	*%rax
	.balign 8
3:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
4:	.word	31
	.long	TRAMPOLINE + 3b - trampoline
trampoline_end:

/* --- exceptions */

	.globl stubs
	.balign 16
stubs:
.set vector, 0
.rept 32
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
	.endif
	pushq	$vector
	jmp	common
	.set vector, vector + 1
.endr

common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbp
	andq	$~15, %rsp
	call	exception
	movq	%rbp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

/* What a C function has to preserve. */
.macro SAVE
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
.endm

.macro RESTORE_RET
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
.endm

/*
 * long guarded(fn, a, b, c): fn(a, b, c). An exception in it comes back from
 * here, and returns GUARD_EXCEPTION + vector.
 */
	.globl guarded, guarded_out
guarded:
	SAVE
	subq	$8, %rsp
	movq	%rsp, %gs:GUARD
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	call	*%rax
guarded_out:
	movq	$0, %gs:GUARD
	addq	$8, %rsp
	RESTORE_RET

/* --- restart windows, in ascending order */

/* %rdi table, %rsi cr3; goes on with the host's value in %rax, or jumps. */
.macro FIND miss
	movq	%rdi, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	1f
.rept KVMPV_NR_ENTRIES - 1
	addq	$KVMPV_ENTRY_SIZE, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	1f
.endr
	jmp	\miss
1:	movq	KVMPV_ENTRY_HOST_CR3(%rax), %rax
.endm

/*
 * long lookup(table, cr3): 1 if the table had cr3, which is loaded then. The
 * host's value is in no register but %rax, and not any more when this returns.
 */
	.globl lookup, lookup_start, lookup_commit
lookup:
lookup_start:
	FIND 2f
lookup_commit:
	movq	%rax, %cr3
	movl	$1, %eax
	ret
2:	xorl	%eax, %eax
	ret

/* As lookup(), but waits in the window with the value, %rdx loops. */
	.globl linger, linger_start, linger_commit
linger:
linger_start:
	shrq	$1, %rdx
	FIND 3f
	movq	%rdx, %rcx
2:	subq	$1, %rcx
	jnc	2b
linger_commit:
	movq	%rax, %cr3
	movl	$1, %eax
	ret
3:	xorl	%eax, %eax
	ret

/*
 * long crooked(what, address, value): exits, faults and a MOV to CR3 of any
 * value in a window, against the rules. The host sets RIP back at each, skips
 * or not, and the count in %r10 ends it.
 */
	.globl crooked, crooked_start, crooked_commit
crooked:
	movq	%rbx, %r8
	movl	$3, %r10d
	movq	%rdx, %r11
crooked_start:
	nop
	nop
	nop
	nop
	nop
	nop
	subl	$1, %r10d
	js	9f
	cmpl	$1, %edi
	je	1f
	cmpl	$2, %edi
	je	2f
	cmpl	$3, %edi
	je	3f
	cmpl	$4, %edi
	je	4f
	jmp	crooked_commit
1:	xorl	%eax, %eax
	cpuid
	jmp	crooked_commit
2:	movl	$PORT_YIELD, %edx
	outb	%al, %dx
	jmp	crooked_commit
3:	movb	(%rsi), %al
	jmp	crooked_commit
4:	movb	%al, (%rsi)
crooked_commit:
	movq	%r11, %cr3
9:	movq	%r8, %rbx
	xorl	%eax, %eax
	ret

/*
 * long trip(how, nr, a0, a1, pdpt): out of 64-bit mode and back, on the current CR3.
 * how 0: paging off; 1: PAE, CR3 is pdpt; 2: 32-bit page tables. A hypercall in there;
 * its result is returned. The current CR3 has the low memory mapped one to one, and
 * CR4.PCIDE is clear.
 */
#define HOW_VMMCALL	0x100		/* in how */
	.globl trip
trip:
	SAVE
	movq	%rsp, %r15
	movq	%cr3, %r14
	movq	%cr4, %r13
	movq	%rdx, %rbx
	movl	%r8d, %ebp
	movzbl	use_vmmcall, %eax
	shll	$8, %eax		/* HOW_VMMCALL */
	orl	%eax, %edi
	movl	$(trip32 - HIGH), %eax
	pushq	$CODE32
	pushq	%rax
	lretq

	.code32
trip32:
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	%ecx, %esp		/* there is no stack here */
	movl	$EFER, %ecx
	rdmsr
	andl	$~EFER_LME, %eax
	wrmsr
	movl	%edi, %eax
	cmpb	$1, %al
	jb	5f
	je	1f
	movl	%cr4, %eax
	andl	$~CR4_PAE, %eax
	orl	$0x10, %eax		/* PSE */
	movl	%eax, %cr4
	movl	$(trip_pd - HIGH), %eax
	jmp	2f
1:	movl	%ebp, %eax
2:	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
5:	movl	%esp, %ecx
	movl	%esi, %eax
	xorl	%edx, %edx
	xorl	%esi, %esi
	testl	$HOW_VMMCALL, %edi
	jnz	6f
	vmcall
	jmp	7f
6:	vmmcall
7:	movl	%eax, %esi
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	$BOOT_PML4, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmp	$CODE64, $(8f - HIGH)
	.code64
8:	movq	$9f, %rax
	jmp	*%rax
9:	movq	%r13, %cr4
	movq	%r14, %cr3
	movq	%r15, %rsp
	movl	%esi, %eax
	cltq
	RESTORE_RET

	.section .note.GNU-stack, "", @progbits
