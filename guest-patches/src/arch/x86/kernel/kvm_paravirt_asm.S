/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <uapi/asm/kvm_paravirt.h>

.section .noinstr.text, "ax"
/*
 * bool __kvmpv_load_cr3(const struct kvmpv_table *table, unsigned long cr3)
 *
 * Loads the host's value for @cr3, if the table has one. Interrupts are off.
 *
 * The code after kvmpv_cr3_start up to and including the instruction at
 * kvmpv_cr3_commit is a restart window: a VM exit in it goes on at the start,
 * because the host may change the table at any exit. Nothing but %rax and the
 * flags is written in it. NMI, #MC and #DB are intercepted by the host, so
 * they are exits as well; #DB goes on at kvmpv_cr3_miss, see kvmpv_fixup_ip().
 *
 * Serializing where it succeeds, like any MOV to CR3: membarrier relies on it.
 */
SYM_FUNC_START(__kvmpv_load_cr3)
SYM_INNER_LABEL(kvmpv_cr3_start, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	movq	%rdi, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	.Lhit
.rept KVMPV_NR_ENTRIES - 2
	addq	$KVMPV_ENTRY_SIZE, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	je	.Lhit
.endr
	addq	$KVMPV_ENTRY_SIZE, %rax
	cmpq	%rsi, KVMPV_ENTRY_GUEST_CR3(%rax)
	/* Not to the global symbol: objtool would take it for another function. */
	jne	.Lmiss
.Lhit:
	movq	KVMPV_ENTRY_HOST_CR3(%rax), %rax
SYM_INNER_LABEL(kvmpv_cr3_commit, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	movq	%rax, %cr3
	movl	$1, %eax
	RET
	/* Behind the window: who steps through here is not sent back. */
.Lmiss:
SYM_INNER_LABEL(kvmpv_cr3_miss, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	xorl	%eax, %eax
	RET
SYM_FUNC_END(__kvmpv_load_cr3)

.section .kvmpv_windows, "a"
	.quad	kvmpv_cr3_start, kvmpv_cr3_commit, kvmpv_cr3_miss
