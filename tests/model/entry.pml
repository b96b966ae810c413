/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry and exit with page table isolation, as the code is: CR3 is loaded from
 * the table on the way in and out as well, and what is due to be flushed of the
 * user's half is flushed on the way out. README.md beside this file says what is
 * checked and what is left out; protocol.pml is about all the rest.
 *
 * One vCPU, PCIDE=0, address spaces 1 and 2, and with INIT init_mm, as 3. Each
 * has two roots, the kernel's K and, but for init_mm, the user's U. Guest code is at @pc and runs while @h is GUEST; each
 * alternative of the loop is one step.
 *
 * Host values and ages are those of protocol.pml: a value is the root's number,
 * or DEAD; shadow page tables of a root are fresh, or written over since by a
 * guest that has not completed its flush (st1), or older than a completed flush
 * (st2). The TLB has nothing older than the root in use, as each load of a root
 * flushes it, and what makes that root fresh does. So it is not here.
 */
#define K(a)		(a)
#define U(a)		((a) + 3)
#define IS_U(r)		((r) > 3)
#define MM(r)		((((r) - 1) % 3) + 1)
#define BIT(r)		(1 << ((r) - 1))
#define BOTH(a)		(BIT(K(a)) | BIT(U(a)))
#define EVERY		31
#define WITHOUT(m)	(EVERY ^ (m))
#define DEAD		7

/* @h: where host code is */
#define GUEST	0	/* guest code runs */
#define OUT	1	/* between exit and entry; KVM_RUN may have returned */

/* @pc: where guest code is */
#define UMODE	0	/* user mode */
#define E_START	1	/* SWITCH_TO_KERNEL_CR3: nothing read */
#define E_COMMIT 2	/* host_cr3 is in the register */
#define E_MISS	3	/* native MOV */
#define KERN	4	/* kernel, interrupts on */
#define S_START	5	/* load_new_mm_cr3(): kvmpv_cr3_start */
#define S_COMMIT 6	/* kvmpv_cr3_commit */
#define S_MISS	7	/* kvmpv_load_cr3_miss() */
#define S_REG	8	/* kvmpv_cr3_cpu_init() */
#define S_MOV	9	/* native MOV */
#define S_DONE	10	/* CR3 is loaded, loaded_mm not written */
#define F_RANGE	11	/* flush_tlb_func(): INVLPG or FLUSH_RANGE is next */
#define F_MARK	12	/* ... invalidate_user_asid() */
#define F_ALL	13	/* flush_tlb_local(): invalidate_user_asid() is next */
#define F_MOV	14	/* ... MOV of the same value, or FLUSH */
#define F_END	15	/* this CPU's part is done */
#define X_START	16	/* SWITCH_TO_USER_CR3: nothing read */
#define X_COMMIT 17	/* host_cr3 is in the register */
#define X_MISS	18	/* DONE_USER_FLUSH is next */
#define X_MOV	19	/* CR3_USER_FLUSH is clear; native MOV */
#define X_USER	20	/* still the kernel, on U */

/* @nmi */
#define NMI_IN	1	/* paranoid_entry: nothing read */
#define NMI_MOV	2	/* it came from U */
#define NMI_ON	3	/* on K */

/* @rp: another CPU's flush */
#define R_GEN	1	/* page table written, tlb_gen not raised */
#define R_TELL	2	/* this CPU is told: by IPI, or by FLUSH_VCPUS */

/* host */
bit h = OUT;
unsigned acr3 : 3 = 1;		/* vcpu->arch.cr3 */
unsigned hw : 3;		/* root that the CPU runs on (GUEST_CR3) */
unsigned kept : 5;		/* mmu->root, mmu->prev_roots[] */
unsigned st1 : 5;
unsigned st2 : 5;
bit reg;			/* struct kvmpv_vcpu is there */
unsigned list : 5;		/* the list and the table, which say the same */
bit sup = 1;			/* this host has kvm-paravirt */

/* guest */
unsigned pc : 5 = KERN;
unsigned rax : 3;		/* host value, in the window */
unsigned must : 3 = 1;		/* root of the last CR3 load: what must be */
bit on;				/* KVMPV_ON, else KVMPV_LOST */
unsigned loaded : 2 = 1;	/* cpu_tlbstate.loaded_mm, 0: LOADED_MM_SWITCHING */
unsigned nxt : 2;		/* switching to */
unsigned asid : 2 = 1;		/* cpu_tlbstate.loaded_mm_asid, as a mask: 1 or 2 */
unsigned nasid : 2;		/* the one that it is switching to */
unsigned own1 : 2 = 1;		/* cpu_tlbstate.ctxs[].ctx_id: whose ASID 1 is */
unsigned own2 : 2;
unsigned ok : 2 = 1;		/* ASIDs whose tlb_gen is that of the mm */
unsigned mask : 2 = 1;		/* cpu_tlbstate.user_pcid_flush_mask */
unsigned kcr3 : 2 = 1;		/* cpu_tss_rw.x86_tss.sp1: K of whom */
unsigned ucr3 : 2 = 1;		/* cpu_tlbstate.user_cr3: U of whom */
bit flag = 1;			/* ... CR3_USER_FLUSH */
bit lazy;			/* cpu_tlbstate_shared.is_lazy */
bit own_flush;			/* the flush in progress is this CPU's own */
unsigned nmi : 2;
unsigned save : 3;		/* CR3 that the NMI came from */

/* another CPU */
unsigned rp : 2;
unsigned rm : 2;		/* address space that it flushes */

#define OWN(x)	((x) == 1 -> own1 : own2)
#define CODE	(h == GUEST && !nmi)
#define FLUSHING (pc >= F_RANGE && pc <= F_END)
#define IPI	(FLUSHING && !own_flush)
#define LISTED(r) (list & BIT(r))
/* CR3 as the guest knows it */
#define EXPECTED (nmi == NMI_ON -> K(MM(must)) : must)

/* ---- host ---- */

inline fresh(m) {
	st1 = st1 & WITHOUT(m);
	st2 = st2 & WITHOUT(m)
}

/* What is not kept is synced when it is loaded; its pages may be anything. */
inline drop(r) {
	kept = kept & WITHOUT(BIT(r));
	fresh(BIT(r));
	if
	:: rax == (r) -> rax = DEAD
	:: else
	fi
}

/* kvmpv_restart() of the window that RIP is in */
inline restart() {
	if
#ifndef MUT_NO_RESTART_ENTRY
	:: pc == E_COMMIT -> pc = E_START; rax = 0
#endif
#ifndef MUT_NO_RESTART_EXIT
	:: pc == X_COMMIT -> pc = X_START; rax = 0
#endif
	:: pc == S_COMMIT -> pc = S_START; rax = 0
	:: else
	fi
}

/* VM exit, __kvmpv_exit(): RIP is not in a window while an NMI is handled. */
inline vmexit() {
	h = OUT;
	if
	:: list ->
		if
		:: !nmi -> restart()
		:: else
		fi;
		assert(kept & list & BIT(hw));
#ifndef MUT_NO_LEARN
		acr3 = hw;
#endif
		/* Both are made anew before the next entry. */
		list = 0
	:: else
	fi;
	hw = 0
}

/* MOV to CR3 that exits, kvm_set_cr3() with PCIDE=0: that root is synced. */
inline mov_to_cr3(r) {
	vmexit();
	acr3 = (r);
	fresh(BIT(r))
}

/* ---- guest ---- */

/* The flush of mm @a is complete: from now on nothing older may be used. */
inline complete(a) {
	st2 = st2 | (st1 & BOTH(a));
	st1 = st1 & WITHOUT(BOTH(a))
}

inline invalidate_user_asid(x) {
	mask = mask | (x);
#ifndef MUT_NO_FLAG
	if
	:: (x) == asid -> flag = 1
	:: else
	fi
#endif
}

inline remember_user_cr3(a, x) {
#ifndef MUT_CLEAR_ALWAYS
	if
	:: !flag -> mask = mask & (3 ^ asid)
	:: else
	fi;
#else
	mask = mask & (3 ^ asid);
#endif
#ifndef MUT_USER_CR3_STAYS
	ucr3 = (a);
#endif
#ifndef MUT_MASK_UNSEEN
	flag = (mask & (x)) != 0
#else
	flag = 0
#endif
}

/* load_new_mm_cr3() of @nxt up to the load: interrupts are off, NMIs read none of it. */
inline remember_kernel_cr3() {
#ifndef MUT_KERNEL_CR3_STAYS
	if
	:: nxt != 3 -> kcr3 = nxt
	:: else
	fi
#else
	skip
#endif
}

inline load_noflush() {
	remember_kernel_cr3();
	remember_user_cr3(nxt, nasid);
	pc = S_START
}

inline load_flush() {
	ok = ok | nasid;
	remember_kernel_cr3();
#ifdef MUT_MARK_LATE
	remember_user_cr3(nxt, nasid);
#endif
#ifndef MUT_NOT_MARKED
	invalidate_user_asid(nasid);
#endif
#ifndef MUT_MARK_LATE
	remember_user_cr3(nxt, nasid);
#endif
#ifdef MUT_NEED_IGNORED
	pc = S_START
#else
	pc = S_MOV
#endif
}

/* The MOV of a host value: the CPU takes it as a page table, and asks nobody. */
inline commit(r) {
	assert(rax != DEAD && (kept & list & BIT(rax)));
	hw = rax;
	rax = 0;
	must = (r)
}

active proctype cpu() {
	do
	/* ==== host ==== */
	/*
	 * vcpu_enter_guest(). Roots go for whatever cause, one at a time: several
	 * exits may be at one instruction. Then publication, which may show nothing.
	 */
	:: atomic { h == OUT ->
		if
		:: true
		:: kept & 1 -> drop(1)
		:: kept & 2 -> drop(2)
		:: kept & 4 -> drop(3)
		:: kept & 8 -> drop(4)
		:: kept & 16 -> drop(5)
		fi;
		kept = kept | BIT(acr3);
		hw = acr3;
		if
		:: reg -> list = kept
		:: list = 0
		fi;
		h = GUEST;
#ifdef NMI
		if
		:: true
		:: !nmi && pc != UMODE -> nmi = NMI_IN
		fi
#endif
	   }
#ifndef QUIET
	/* An exit for a reason that is not the guest's: hides code that is stuck */
	:: d_step { h == GUEST -> vmexit() }
#endif
	/* KVM_RUN returns: kvmpv_left() empties the table, if it has not been. */
#ifndef NO_P3
	:: d_step { h == OUT -> assert(!rax); assert(acr3 == EXPECTED) }
#endif
#ifdef MIG
	/* And the vCPU goes on at another host, with kvm-paravirt or without. */
	:: atomic { h == OUT ->
		if
		:: rax -> rax = DEAD
		:: else
		fi;
		kept = 0;
		st1 = 0;
		st2 = 0;
		reg = 0;
		if
		:: sup = 0
		:: sup = 1
		fi
	   }
#endif

	/* ==== user mode, entry ==== */
	:: d_step { CODE && pc == UMODE ->
		assert(hw == must && must == U(loaded));
		assert(!(st2 & BIT(hw)))
	   }
	/* System call, interrupt, exception, NMI: all the same */
	:: d_step { CODE && pc == UMODE -> pc = E_START }
	/* A lookup may miss what is there: it began on an empty table, and was not restarted. */
	:: d_step { CODE && pc == E_START && LISTED(K(kcr3)) -> rax = K(kcr3); pc = E_COMMIT }
	:: d_step { CODE && pc == E_START -> pc = E_MISS }
	:: d_step { CODE && pc == E_COMMIT -> commit(K(loaded)); pc = KERN }
	:: d_step { CODE && pc == E_MISS -> mov_to_cr3(K(kcr3)); must = K(loaded); pc = KERN }

	/* ==== kernel ==== */
	:: d_step { CODE && (pc == KERN || FLUSHING) ->
		assert(hw == must && must == K(loaded));
		/* A kernel thread does not touch user memory. */
		if
		:: !lazy -> assert(!(st2 & BIT(hw)))
		:: else
		fi
	   }

	/* switch_mm_irqs_off(), choose_new_asid_in_set() */
	:: atomic { CODE && pc == KERN ->
		if
		:: loaded != 1 -> nxt = 1
		:: loaded != 2 -> nxt = 2
#ifdef INIT
		:: loaded != 3 -> nxt = 3
#endif
		fi;
		loaded = 0;
		lazy = 0;
		if
		:: true
		/* clear_asid_other() */
		:: asid == 1 -> own2 = 0; ok = ok & 1
		:: asid == 2 -> own1 = 0; ok = ok & 2
		fi;
		if
		:: own1 == nxt -> nasid = 1
		:: own2 == nxt -> nasid = 2
		/* Recycled; it may be the one in use. */
		:: own1 != nxt && own2 != nxt -> nasid = 1; own1 = nxt; ok = ok & 2
		:: own1 != nxt && own2 != nxt -> nasid = 2; own2 = nxt; ok = ok & 1
		fi;
		if
		:: ok & nasid -> load_noflush()
		:: else -> load_flush()
		fi
	   }
#ifdef LAZY
	/* enter_lazy_tlb(), and back to the same mm: a switch only if it is behind */
	:: d_step { CODE && pc == KERN && loaded != 3 && !lazy -> lazy = 1 }
	:: d_step { CODE && pc == KERN && lazy ->
		lazy = 0;
		if
		:: ok & asid
		:: else ->
			nxt = loaded;
			nasid = asid;
			load_flush()
		fi
	   }
#endif
	:: d_step { CODE && pc == S_START && LISTED(K(nxt)) -> rax = K(nxt); pc = S_COMMIT }
	:: d_step { CODE && pc == S_START -> pc = S_MISS }
	:: d_step { CODE && pc == S_COMMIT -> commit(K(nxt)); pc = S_DONE }
	/* kvmpv_load_cr3_miss(), kvmpv_hc_load_cr3() */
	:: d_step { CODE && pc == S_MISS && on ->
		vmexit();
		if
		:: reg -> acr3 = K(nxt); must = K(nxt); pc = S_DONE
		:: else ->
			on = 0;
			pc = (sup -> S_REG : S_MOV)
		fi
	   }
	/* Not registered: is it time to try again? */
	:: d_step { CODE && pc == S_MISS && !on -> pc = S_MOV }
	:: d_step { CODE && pc == S_MISS && !on -> pc = S_REG }
	:: d_step { CODE && pc == S_REG ->
		vmexit();
		reg = sup;
		on = sup;
		pc = S_MOV
	   }
	:: d_step { CODE && pc == S_MOV -> mov_to_cr3(K(nxt)); must = K(nxt); pc = S_DONE }
	:: d_step { CODE && pc == S_DONE ->
		loaded = nxt;
		asid = nasid;
		nxt = 0;
		nasid = 0;
		pc = KERN
	   }

	/* Its own flush: flush_tlb_mm_range() of what is loaded */
	:: atomic { CODE && pc == KERN && loaded != 3 && !lazy && (!rp || rm != loaded) ->
		st1 = st1 | (kept & BOTH(loaded) & WITHOUT(st2));
		ok = ok & (3 ^ asid);
		own_flush = 1;
		if
		:: pc = F_RANGE
		:: pc = F_ALL
		fi
	   }
	/* In the current root alone, see kvmpv_is_current_only(). What is older than this flush stays. */
	:: d_step { CODE && pc == F_RANGE ->
		vmexit();
		st1 = st1 & WITHOUT(BIT(K(loaded)));
		pc = F_MARK
	   }
	:: d_step { CODE && pc == F_MARK ->
#ifndef MUT_RANGE_UNMARKED
		invalidate_user_asid(asid);
#endif
		pc = F_END
	   }
	:: d_step { CODE && pc == F_ALL ->
#ifndef MUT_ALL_UNMARKED
		invalidate_user_asid(asid);
#endif
		pc = F_MOV
	   }
	:: d_step { CODE && pc == F_MOV -> mov_to_cr3(K(loaded)); pc = F_END }
	:: d_step { CODE && pc == F_END ->
		ok = ok | asid;
		if
		:: !own_flush -> rm = 0; rp = 0
		:: else
		fi;
		complete(loaded);
		own_flush = 0;
		pc = KERN
	   }

	/* ==== exit ==== */
	:: d_step { CODE && pc == KERN && loaded != 3 && !lazy -> pc = X_START }
	:: d_step { CODE && pc == X_START && LISTED(U(ucr3)) && !flag -> rax = U(ucr3); pc = X_COMMIT }
#ifndef MUT_NO_MISS
	:: d_step { CODE && pc == X_START -> pc = X_MISS }
#endif
	:: d_step { CODE && pc == X_COMMIT -> commit(U(loaded)); pc = X_USER }
	:: d_step { CODE && pc == X_MISS -> flag = 0; pc = X_MOV }
#ifdef MUT_MOV_FROM_TABLE
	:: d_step { CODE && pc == X_MOV && LISTED(U(ucr3)) -> rax = U(ucr3); pc = X_COMMIT }
#endif
	/* What is moved is made of kernel_cr3. */
	:: d_step { CODE && pc == X_MOV -> mov_to_cr3(U(kcr3)); must = U(loaded); pc = X_USER }
	:: d_step { CODE && pc == X_USER -> pc = UMODE }
	/* IRET faults. */
	:: d_step { CODE && pc == X_USER -> pc = E_START }

#ifdef NMI
	/* ==== NMI in the kernel: SAVE_AND_SWITCH_TO_KERNEL_CR3, RESTORE_CR3 ==== */
	:: d_step { h == GUEST && nmi == NMI_IN ->
		vmexit();
#ifdef MUT_NMI_REMEMBERED
		save = (IS_U(acr3) -> U(kcr3) : K(kcr3));
#else
		save = acr3;
#endif
		nmi = (IS_U(save) -> NMI_MOV : NMI_ON)
	   }
	:: d_step { h == GUEST && nmi == NMI_MOV -> mov_to_cr3(K(MM(save))); nmi = NMI_ON }
	:: d_step { h == GUEST && nmi == NMI_ON ->
		assert(hw == K(MM(must)));
		/* Not while switching, see nmi_uaccess_okay() */
		if
		:: !lazy && !(pc >= S_START && pc <= S_DONE) -> assert(!(st2 & BIT(hw)))
		:: else
		fi
	   }
	:: d_step { h == GUEST && nmi == NMI_ON -> mov_to_cr3(save); save = 0; nmi = 0 }
#endif

#ifdef REMOTE
	/* ==== another CPU's flush_tlb_mm_range(), one at a time of an mm ==== */
	:: atomic { !rp ->
		if
		:: !(FLUSHING && loaded == 1) -> rm = 1
		:: !(FLUSHING && loaded == 2) -> rm = 2
		fi;
		st1 = st1 | (kept & BOTH(rm) & WITHOUT(st2));
		rp = R_GEN
	   }
	/*
	 * inc_mm_tlb_gen(), mm_cpumask(), should_flush_tlb(). A flush is complete as
	 * soon as it can be: had it taken longer, fewer pages would be too old.
	 */
	:: d_step { rp == R_GEN ->
		if
		:: own1 == rm -> ok = ok & 2
		:: else
		fi;
		if
		:: own2 == rm -> ok = ok & 1
		:: else
		fi;
		if
		:: (loaded == rm || !loaded) && !lazy -> rp = R_TELL
		:: else -> complete(rm); rm = 0; rp = 0
		fi
	   }
	/* FLUSH_VCPUS: it is done before this vCPU runs again; all roots, or a range. */
	:: d_step { rp == R_TELL && sup && h == OUT && !IPI -> fresh(EVERY); rm = 0; rp = 0 }
	:: d_step { rp == R_TELL && sup && h == OUT && !IPI ->
		st1 = st1 & WITHOUT(BOTH(rm));
		rm = 0; rp = 0
	   }
	/* IPI, flush_tlb_func() */
	:: atomic { CODE && pc == KERN && rp == R_TELL ->
		if
		:: loaded == rm && !lazy && !(ok & asid) ->
			if
			:: pc = F_RANGE
			:: pc = F_ALL
			fi
		:: else -> complete(rm); rm = 0; rp = 0
		fi
	   }
#endif
	od
}
