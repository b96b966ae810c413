/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Option ROM that starts a Linux kernel which bochs has already put in memory.
 *
 * A bzImage unpacks itself, which takes a minute in bochs, and so does reading
 * it from an emulated CD. Here bochs loads the unpacked kernel, the initramfs
 * and the page that "mkboot" writes (boot_params, page tables) straight into
 * RAM; all that is left to do is to enter 64-bit mode as the 64-bit boot
 * protocol wants it (Documentation/x86/boot.rst, 1.15): identity map, CS=0x10,
 * DS=0x18, RSI = boot_params, interrupts off.
 *
 * The BIOS calls offset 3 after it has set up ACPI tables and before it looks
 * for a disk. Nothing returns to it.
 */
#include "layout.h"

	.code16
	.globl	_start
_start:
	.byte	0x55, 0xaa
	.byte	ROM_BLOCKS
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdt_desc - _start
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$PAGE_TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$0x100, %eax			/* LME */
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax		/* PG, PE */
	movl	%eax, %cr0
	ljmpl	$0x10, $long_mode

	.code64
long_mode:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$BOOT_PARAMS, %esi
	movl	0x214(%rsi), %eax		/* code32_start: see mkboot */
	jmp	*%rax

	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9a000000ffff		/* 0x10: 64-bit code */
	.quad	0x00cf92000000ffff		/* 0x18: data */
gdt_desc:
	.word	. - gdt - 1
	.long	gdt

	.org	ROM_BLOCKS * 512
