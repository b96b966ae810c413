/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol between guest and host, as the code is: README.md beside this
 * file says what is checked, what is left out, and why that is enough.
 *
 * A vCPU is one process: it runs guest code or host code, never both. Each
 * alternative of its loop is one step, atomic for the other vCPU where the
 * comment says why. Guest code is at @pc; host code is in phase @h.
 *
 * Host values are not numbers: what is the root of address space a now is "a",
 * what was a root once is DEAD. A DEAD value may equal any root that lives, as
 * freed pages are used again, or none. So may a value of another host.
 *
 * How old is a translation? Three ages. Fresh; written over since, by a guest
 * that has not completed its flush (1); older than a completed flush (2), which
 * must not be used. An address space has more than one page: a flush of a range
 * makes up for the guest's flush in progress alone, and leaves what is of age 2.
 */
#ifndef NV
#define NV	2		/* vCPUs: 1 or 2 */
#endif
#ifndef NA
#define NA	3		/* address spaces: 2 or 3 */
#endif
#ifndef KEEP
#define KEEP	2		/* roots that KVM keeps: 2, or as many as there are */
#endif

#define BIT(a)		(1 << ((a) - 1))
#define EVERY		((1 << NA) - 1)
#define WITHOUT(m)	(EVERY ^ (m))
#define DEAD		7

/* @h: where host code is */
#define GUEST	0	/* guest code runs: vcpu->mode is IN_GUEST_MODE */
#define OUT	1	/* vcpu_run(), between exit and entry */
#define USER	2	/* KVM_RUN has returned */
#define FQ1	3	/* kvmpv_flush_others(): to queue */
#define FQ2	4	/* to make the request */
#define FQ3	5	/* to look at the mode */
#define FWAIT	6	/* smp_call_function_many() waits */
#define FAST	7	/* kvmpv_fastpath(): vcpu->mode is still IN_GUEST_MODE */

/* @req */
#define R_PGD	1	/* KVM_REQ_LOAD_MMU_PGD */
#define R_SYNC	2	/* KVM_REQ_MMU_SYNC */
#define R_CUR	4	/* KVM_REQ_TLB_FLUSH_CURRENT */
#define R_ALL	8	/* KVM_REQ_TLB_FLUSH_GUEST */
#define R_FREE	16	/* KVM_REQ_MMU_FREE_OBSOLETE_ROOTS */

/* @pc: where guest code is */
#define IDLE	0	/* uses its address space; interrupts on */
#define SW_MASK	1	/* switch_mm_irqs_off(): loaded_mm is LOADED_MM_SWITCHING */
#define SW_GEN	2	/* mm_cpumask() is set */
#define SW_ASID	3	/* next_tlb_gen is read */
#define START	4	/* kvmpv_cr3_start: nothing read */
#define SCAN	5	/* comparing; in the window from here */
#define COMMIT	7	/* kvmpv_cr3_commit: host_cr3 in RAX */
#define MISS	8	/* kvmpv_load_cr3_miss() */
#define REG	9	/* kvmpv_cr3_cpu_init() */
#define NATIVE	10	/* native MOV to CR3, with a flush */
#define LOADED	11	/* CR3 is loaded, loaded_mm not written */
#define FL_GEN	12	/* flush_tlb_mm_range(): page table written */
#define FL_MASK	13	/* tlb_gen is raised */
#define FL_SEL	14	/* should_flush_tlb() */
#define FL_CALL	15	/* kvmpv_flush_tlb_multi(): decided */
#define FB_IPI	16	/* refused: kvmpv_flush_multi_before(), IPI sent */
#define FB_SELF	17	/* ... its own part */
#define FL_END	18	/* the flush is complete */

/* @mode of the guest: enum kvmpv_mode */
#define OFF	0
#define LOST	1
#define ON	2

#define NOCTX	3	/* no ASID has this ctx_id; else tlb_gens behind, 2: or more */

typedef vcpu {
	unsigned h : 3;		/* host phase */
	unsigned kick : 1;	/* an interrupt that makes it leave guest mode */
	unsigned req : 5;
	unsigned q : 4;		/* kvmpv_flush_queue: ranges, bit NA: all */
	unsigned acr3 : 2;	/* vcpu->arch.cr3 */
	unsigned hw : 2;	/* root that the CPU runs on (GUEST_CR3), 0: none */
	unsigned kept : 3;	/* mmu->root, mmu->prev_roots[] */
	unsigned stash : 3;	/* roots that the stash has references of, one at most */
	unsigned obs : 3;	/* of both, zapped */
	unsigned gen : 3;	/* of both, older than the last change of memslots */
	unsigned rol : 3;	/* of both, of another role than the vCPU's */
	unsigned st1 : 3;	/* shadow page tables of age 1 */
	unsigned st2 : 3;	/* shadow page tables of age 2 */
	unsigned tlb : 2;	/* whose translation the TLB has; PCID 0: one for all */
	unsigned t1 : 1;
	unsigned t2 : 1;

	unsigned reg : 1;	/* struct kvmpv_vcpu is there */
	unsigned list : 3;	/* CR3-target list */
	unsigned ldead : 3;	/* of these, no root any more */
	unsigned shown : 1;
	unsigned hold : 1;
	unsigned fault_in : 1;
	unsigned tbl : 3;	/* the table in guest memory */
	unsigned tdead : 3;	/* of these, no root any more */
	unsigned cp : 2;	/* a clean copy of the table's page: 1 empty, 2 not */

	unsigned pc : 5;
	unsigned nmi : 1;	/* in the NMI handler, @pc is what it interrupted */
	unsigned asked : 2;	/* address space of the last CR3 load: what must be */
	unsigned nxt : 2;	/* switching to */
	unsigned loaded : 2;	/* cpu_tlbstate.loaded_mm, 0: LOADED_MM_SWITCHING */
	unsigned msk : 2;	/* the mm_cpumask() that this CPU is in */
	unsigned cap : 2;	/* next_tlb_gen: how far behind by now */
	unsigned rax : 3;	/* host value, in the window */
	unsigned mode : 2;
	unsigned fa : 2;	/* address space that it flushes, 0: none */
	unsigned whole : 1;	/* flush of all, not of a range */
	unsigned fs : 1;	/* it needs the flush itself */
	unsigned ft : 1;	/* the other one does */
	unsigned ipi : 2;	/* IPI of a flush of this address space */
	byte ctx;		/* cpu_tlbstate.ctxs[]: 2 bits for each address space */
}

vcpu V[NV];
bit sup;			/* this host has kvm-paravirt */
byte i, j, m;		/* scratch, 0 between steps */

#define me	V[v]
#define it	V[1 - v]
#define CTX(w, a)	((V[w].ctx >> (2 * ((a) - 1))) & 3)
#define SET_CTX(w, a, x) V[w].ctx = (V[w].ctx & (255 ^ (3 << (2 * ((a) - 1))))) | ((x) << (2 * ((a) - 1)))

#ifdef NP
/* Progress of vCPU 0, or what others do to it without end. */
bit tick;
#define T(x)	tick = ((x) && v == 0)
#define T_OTHER	tick = 1
never {
	do
	:: true
	:: !tick -> goto accept
	od;
accept:
	do
	:: !tick
	od
}
#else
#define T(x)	skip
#define T_OTHER	skip
#endif

#ifdef FINE
#define FIRST	SCAN
#else
#define FIRST	START
#endif
#ifndef NMI_WHERE
#define NMI_WHERE
#endif
#define IN_GUEST_MODE(v) (V[v].h == GUEST || V[v].h == FAST)
#define IN_WINDOW(v)	(V[v].pc >= SCAN && V[v].pc <= COMMIT)
#define ROOT_OK(v)	(V[v].kept & BIT(V[v].acr3))

/* What one flush is about: a page of one address space, or of the kernel. */
#ifdef KFLUSH
#define FLUSHED(v)	EVERY
#else
#define FLUSHED(v)	BIT(V[v].fa)
#endif

/* ---- host: KVM's own ---- */

/* kvm_mmu_free_roots(): the pages may be anything from now on. */
inline drop(v, mask) {
	V[v].ldead = V[v].ldead | (V[v].list & (mask));
	V[v].tdead = V[v].tdead | (V[v].tbl & (mask));
	if
	:: V[v].rax && V[v].rax != DEAD && (BIT(V[v].rax) & (mask)) -> V[v].rax = DEAD
	:: else
	fi;
#ifndef MUT_LOAD_NO_SYNC
	V[v].st1 = V[v].st1 & WITHOUT(mask);
	V[v].st2 = V[v].st2 & WITHOUT(mask);
#endif
	V[v].obs = V[v].obs & WITHOUT(mask);
	V[v].gen = V[v].gen & WITHOUT(mask);
	V[v].rol = V[v].rol & WITHOUT(mask);
	V[v].kept = V[v].kept & WITHOUT(mask);
	V[v].stash = V[v].stash & WITHOUT(mask)
}

/* kvm_mmu_new_pgd(): to a root that is kept, or to none yet */
inline new_pgd(v, a) {
	if
	:: (V[v].kept & BIT(a)) -> V[v].req = V[v].req | R_PGD
	:: else ->
#if KEEP == 2
		/* The current one becomes the only previous one. */
		if
		:: ROOT_OK(v) ->
			m = V[v].kept & WITHOUT(BIT(V[v].acr3));
#ifdef STASH
			/* kvmpv_stash_evicted() takes it instead, and gives back that of a. */
			if
			:: V[v].reg ->
				i = V[v].stash;
				drop(v, i);
				i = 0;
				V[v].kept = V[v].kept & WITHOUT(m);
				V[v].stash = m
			:: else -> drop(v, m)
			fi
#else
			drop(v, m)
#endif
		:: else
		fi
#else
		skip
#endif
	fi;
	V[v].acr3 = a;
	m = 0
}

/* kvm_set_cr3() with PCIDE=0: the load flushes */
inline set_cr3(v, a) {
	if
	:: V[v].acr3 != a -> new_pgd(v, a)
	:: else
	fi;
	V[v].req = V[v].req | R_SYNC | R_CUR
}

/* kvm_mmu_sync_roots(): the current one */
inline sync_current(v) {
	if
	:: ROOT_OK(v) ->
		V[v].st1 = V[v].st1 & WITHOUT(BIT(V[v].acr3));
		V[v].st2 = V[v].st2 & WITHOUT(BIT(V[v].acr3))
	:: else
	fi
}

/* kvm_mmu_invlpg() for the pages of a flush: in these roots, and the TLB */
inline invlpg_in(v, mask, roots) {
	V[v].st1 = V[v].st1 & WITHOUT((mask) & (roots));
	if
	:: V[v].tlb && (BIT(V[v].tlb) & (mask)) -> V[v].t1 = 0
	:: else
	fi
}

/* In all roots but those of the stash */
inline invlpg(v, mask) { invlpg_in(v, mask, WITHOUT(V[v].stash)) }

/* User pages: in the current root alone, see kvmpv_is_current_only() */
inline invlpg_current(v, mask) { invlpg_in(v, mask, BIT(V[v].acr3)) }

inline flush_tlb(v) {
	V[v].tlb = 0;
	V[v].t1 = 0;
	V[v].t2 = 0
}

/* ---- host: ours ---- */

/* kvmpv_clear_table() */
inline clear_table(v) {
	V[v].tbl = 0;
	V[v].tdead = 0;
	V[v].shown = 0;
	V[v].fault_in = 0;
#ifndef MUT_NOT_DIRTY
	V[v].cp = 0
#endif
}

/* __kvmpv_flush_queued(), in load_mmu_pgd(); kvmpv_do_flushes() */
inline flush_queued(v) {
	if
	:: V[v].q & BIT(NA + 1) ->
#ifdef MUT_SYNC_REQUEST
		V[v].req = V[v].req | R_SYNC | R_CUR
#else
		V[v].req = V[v].req | R_ALL
#endif
#ifdef MUT_QUEUE_CURRENT
	:: else -> invlpg_current(v, V[v].q)
#else
	:: else -> invlpg(v, V[v].q)
#endif
	fi;
	V[v].q = 0
}

/* kvmpv_restart() */
inline restart(v) {
	V[v].pc = START;
	V[v].rax = 0
}

/*
 * VM exit, __kvmpv_exit(), interrupts off: of this vCPU's state alone, but for
 * @kick, which the interrupt that it stands for clears.
 */
inline vmexit(v) {
	V[v].h = OUT;
	V[v].kick = 0;
#ifndef MUT_NO_RESTART
	if
	:: V[v].reg && (V[v].list || V[v].shown) && !V[v].nmi && IN_WINDOW(v) ->
#ifndef MUT_RESTART_AT_CHANGE
		restart(v)
#else
		skip
#endif
	:: else
	fi;
#endif
	if
	:: V[v].reg && V[v].list && V[v].hw != V[v].acr3 ->
		/* kvmpv_handle_switch() and its kvmpv_end_vm() */
		assert(V[v].hw && (V[v].list & V[v].kept & WITHOUT(V[v].ldead) & BIT(V[v].hw)));
#ifndef MUT_NO_LEARN
		V[v].acr3 = V[v].hw
#endif
	:: else
	fi
}

/* kvmpv_collect_roots(), kvmpv_publish(), kvmpv_write_table(), kvmpv_write_targets() */
inline publish(v) {
	m = 0;
	if
	:: !V[v].hold && !V[v].fault_in && ROOT_OK(v) && !(V[v].obs & BIT(V[v].acr3)) &&
	   V[v].hw == V[v].acr3 ->
		m = V[v].kept;
		/* Never any here: R_FREE has dropped them. The code looks again. */
		m = m & WITHOUT(V[v].obs | V[v].gen)
	:: else
	fi;
	if
	:: m == V[v].list && !V[v].ldead && (V[v].shown == (m != 0) || V[v].fault_in) -> skip
	:: else ->
#ifdef MUT_RESTART_AT_CHANGE
		if
		:: !V[v].nmi && IN_WINDOW(v) -> restart(v)
		:: else
		fi;
#endif
		if
		:: !V[v].fault_in ->
			if
			:: true ->
				V[v].tbl = m;
				V[v].tdead = 0;
				V[v].shown = (m != 0);
#ifndef MUT_NOT_DIRTY
				V[v].cp = 0
#endif
#ifdef SWAP
			/* The page is not there, and must not be waited for. */
			:: true ->
				V[v].fault_in = 1;
				V[v].shown = 1;
#ifndef MUT_LIST_ALONE
				m = 0
#endif
#endif
			fi
		:: else
		fi;
		V[v].list = m;
		V[v].ldead = 0
	fi;
	m = 0
}

/*
 * vcpu_enter_guest() up to prepare_switch_to_guest(). Requests and queue are
 * taken at one moment each; what others add meanwhile makes a request that is
 * seen after the mode is set. The rest is the vCPU's own. So it is one step.
 */
inline prepare(v) {
	if
	:: V[v].req & R_FREE -> m = V[v].kept & (V[v].obs | V[v].gen); drop(v, m); m = 0
	:: else
	fi;
	if
	:: V[v].req & R_SYNC -> sync_current(v)
	:: else
	fi;
	j = V[v].req;
	V[v].req = 0;
	if
	:: (j & R_PGD) && ROOT_OK(v) ->
		/* kvm_mmu_load_pgd(), __kvmpv_load_pgd() */
		V[v].hw = V[v].acr3;
		flush_queued(v)
	:: else
	fi;
	if
	:: j & R_CUR -> flush_tlb(v)
	:: else
	fi;
	if
	:: j & R_ALL ->
		/* kvm_vcpu_flush_tlb_guest(), kvm_mmu_sync_prev_roots() */
		sync_current(v);
		flush_tlb(v);
#ifndef MUT_SYNC_CURRENT
		m = (V[v].st1 | V[v].st2) & V[v].kept;
		drop(v, m)
#endif
	:: else
	fi;
	if
	:: !ROOT_OK(v) ->
		/* kvm_mmu_reload(): kvm_mmu_load() syncs what it loads */
#ifndef MUT_LOAD_NO_SYNC
		V[v].st1 = V[v].st1 & WITHOUT(BIT(V[v].acr3));
		V[v].st2 = V[v].st2 & WITHOUT(BIT(V[v].acr3));
#endif
		V[v].kept = V[v].kept | BIT(V[v].acr3);
		V[v].hw = V[v].acr3;
		flush_tlb(v);
		flush_queued(v)
	:: else
	fi;
	if
#ifdef MUT_NO_REBUILD
	:: V[v].reg && !V[v].list -> publish(v)
#else
	:: V[v].reg -> publish(v)
#endif
	:: else
	fi;
	j = 0;
	m = 0
}

/* kvmpv_unregister(), kvmpv_vendor_detach() */
inline unregister(v) {
	if
	:: V[v].reg ->
#ifndef MUT_UNREGISTER_SHOWN
		if
		:: V[v].shown -> clear_table(v)
		:: else
		fi;
#endif
#ifndef MUT_UNREGISTER_LISTED
		V[v].list = 0;
		V[v].ldead = 0;
#endif
#ifndef MUT_STASH_STAYS
		m = V[v].stash;
		drop(v, m);
		m = 0;
#endif
		V[v].reg = 0;
		V[v].shown = 0;
		V[v].hold = 0;
		V[v].fault_in = 0;
		V[v].req = V[v].req | R_PGD | R_CUR
	:: else
	fi
}

/* A real CR3 load: __kvmpv_mov_to_cr3(), kvmpv_hc_load_cr3() */
inline real_load(v) {
	V[v].hold = 0;
	if
	:: V[v].fault_in -> clear_table(v)
	:: else
	fi
}

/* kvmpv_is_synced(), of the root in the stash */
#ifdef MUT_STASH_ZAPPED
#define IS_ZAPPED(v) 0
#else
#define IS_ZAPPED(v) V[v].obs
#endif
#ifdef MUT_STASH_GENERATION
#define IS_OLD(v) 0
#else
#define IS_OLD(v) V[v].gen
#endif
#ifdef MUT_STASH_ROLE
#define IS_OTHER(v) 0
#else
#define IS_OTHER(v) V[v].rol
#endif
#ifdef MUT_STASH_UNSYNC
#define IS_UNSYNC(v) 0
#else
#define IS_UNSYNC(v) (V[v].st1 | V[v].st2)
#endif
#define STASHED(v, a) (V[v].stash & BIT(a) & WITHOUT(IS_ZAPPED(v) | IS_OLD(v) | IS_OTHER(v) | IS_UNSYNC(v)))
/* What kvmpv_fastpath() looks at before: kvmpv_vcpu.settled */
#define FASTPATH(v)	(V[v].reg && V[v].list && V[v].shown && !V[v].hold && !V[v].fault_in)

/*
 * kvmpv_stash_switch(), kvmpv_replace(), interrupts off: to a root that
 * was looked at in the step before. The one that goes is in its place now: the one
 * that is left, or the other one.
 */
inline stash_switch(v, a) {
	if
	:: true ->
		m = BIT(V[v].acr3)
	:: true ->
		m = V[v].kept & WITHOUT(BIT(V[v].acr3))
	fi;
	V[v].kept = (V[v].kept & WITHOUT(m)) | BIT(a);
	V[v].stash = m;
	V[v].acr3 = a;
	V[v].hw = a;
#ifndef MUT_STASH_KEEPS_TLB
	flush_tlb(v);
#endif
	if
	:: true ->
		V[v].tbl = V[v].kept;
		V[v].tdead = 0;
		V[v].cp = 0;
#ifndef MUT_STASH_LISTED
		V[v].list = V[v].kept;
#else
		/* The new one is added, the one that goes stays. */
		V[v].list = V[v].list | V[v].kept;
#endif
		V[v].ldead = 0
#ifdef SWAP
	/* The table cannot be written. */
	:: true ->
		V[v].fault_in = 1;
		V[v].list = 0;
		V[v].ldead = 0
#endif
	fi;
	m = 0
}

/* ---- guest ---- */

/* The CPU looks a page up. */
inline walk(v) {
	if
	:: V[v].tlb == 0 && V[v].hw ->
		V[v].tlb = V[v].hw;
		V[v].t1 = (V[v].st1 & BIT(V[v].hw)) != 0;
		V[v].t2 = (V[v].st2 & BIT(V[v].hw)) != 0
	:: else
	fi
}

/* P1: the address space that was asked for. P2: nothing older than a flush. */
inline use(v) {
	walk(v);
	assert(V[v].hw == V[v].asked && V[v].tlb == V[v].asked);
	/*
	 * Between LOADED_MM_SWITCHING and loaded_mm the kernel does not touch
	 * user memory, see nmi_uaccess_okay(); its own it does.
	 */
#ifndef KFLUSH
	if
	:: V[v].loaded -> assert(!V[v].t2)
	:: else
	fi
#else
	assert(!V[v].t2)
#endif
}

/* The flush of one's own, by INVLPG or FLUSH_RANGE, or of all. */
inline flush_self(v, mask, range) {
	if
#if defined(KFLUSH) && !defined(MUT_INVLPG_CURRENT)
	:: range -> invlpg(v, mask)
#else
	:: range -> invlpg_current(v, mask)
#endif
	:: else ->
#ifdef KFLUSH
		/* CR4.PGE, FLUSH_ALL */
		V[v].req = V[v].req | R_ALL
#else
		/* MOV of the same value to CR3, kvmpv_flush_user() */
		V[v].req = V[v].req | R_SYNC | R_CUR
#endif
	fi
}

/* In a smaller model vCPU 0 flushes and the last one switches; or none does. */
#ifdef ROLES
#define SWITCHES(v) ((v) == NV - 1)
#define FLUSHES(v) ((v) == 0)
#elif defined(STILL)
#define SWITCHES(v) false
#define FLUSHES(v) true
#else
#define SWITCHES(v) true
#define FLUSHES(v) true
#endif
/* next_tlb_gen is read, and not used yet. */
#ifdef MUT_GEN_FIRST
#define GEN_READ(v) (V[v].pc >= SW_MASK && V[v].pc <= SW_ASID)
#else
#define GEN_READ(v) (V[v].pc == SW_ASID)
#endif
#define QUEUE	it.q = it.q | (me.whole -> BIT(NA + 1) : FLUSHED(v))
#define RUNS	(me.h == GUEST && !me.kick)
#ifdef FINE
#define USES(pc) ((pc) == IDLE || (pc) == LOADED || (pc) >= FL_GEN)
#else
#define USES(pc) ((pc) == IDLE || (pc) == LOADED)
#endif
#define CODE	(RUNS && !me.nmi)
/* Another CPU's flush of this address space is under way: one at a time. */
#ifdef KFLUSH
#define FREE(a)	(NV == 1 || !it.fa)
#else
#define FREE(a)	(NV == 1 || it.fa != (a))
#endif

/* P0: what the CPU may load is a root of this vCPU, and one to be used. */
#define BIT0(a)	((a) -> BIT(a) : 0)
#define P0(v)	\
	assert(!(V[v].list & WITHOUT(V[v].kept)) && !V[v].ldead && (V[v].reg || !V[v].list)); \
	assert((V[v].reg || !V[v].stash) && !((V[v].list | BIT0(V[v].hw)) & (V[v].obs | V[v].gen | V[v].rol)))

/* Nobody may find a host value where the VMM can look. */
#define P3(v)	(!V[v].tbl && !V[v].rax && V[v].acr3 == V[v].asked)

proctype cpu(byte v) {
	do
	/* ==== host ==== */
	/*
	 * vcpu_enter_guest(). After the mode is set requests are looked at once
	 * more. Who makes one looks at the mode afterwards: what comes between
	 * is as if it had come before.
	 */
	:: atomic { me.h == OUT ->
		prepare(v);
		T(0);
		if
		:: me.req
		:: else ->
			me.h = GUEST;
			P0(v);
#ifdef NMI
			if
			:: true
			:: !me.nmi NMI_WHERE -> me.nmi = 1; T(1)
			fi
#endif
		fi
	   }

	/* An exit for a reason that is not the guest's, or by a kick. */
	:: d_step { me.h == GUEST -> vmexit(v); T(!me.kick) }

	/* KVM_RUN returns: kvmpv_left() */
	:: d_step { me.h == OUT ->
		if
		:: me.reg && me.shown ->
#ifndef MUT_LEFT_SHOWN
			clear_table(v)
#else
			skip
#endif
		:: else
		fi;
		me.h = USER;
#ifndef NO_P3
		assert(P3(v));
#endif
		T(1)
	   }
	:: d_step { me.h == USER -> me.h = OUT; T(1) }

#ifdef MIG
	/* Stopped: memory and registers go to another host, nothing else does. */
	:: atomic { me.h == USER && (NV == 1 || it.h == USER) ->
		for (i : 0 .. NV - 1) {
			/* What the VMM has copied while the guest ran, and found clean */
			assert(V[i].cp != 2);
			if
			:: V[i].rax -> V[i].rax = DEAD
			:: else
			fi;
			V[i].cp = 0;
			V[i].tdead = V[i].tbl;
			V[i].req = 0; V[i].q = 0;
			V[i].hw = 0; V[i].kept = 0; V[i].stash = 0;
			V[i].obs = 0; V[i].gen = 0; V[i].rol = 0;
			V[i].st1 = 0; V[i].st2 = 0;
			flush_tlb(i);
			V[i].list = 0; V[i].ldead = 0;
			V[i].reg = 0; V[i].shown = 0; V[i].hold = 0; V[i].fault_in = 0
		}
		i = 0;
		T(1);
		if
		:: sup = 0
		:: sup = 1
		fi
	   }
#endif

	/* kvmpv_flush_others(): each line is a moment of its own */
#if NV == 2
	:: d_step { me.h == FQ1 ->
#ifdef MUT_REQUEST_FIRST
		it.req = it.req | R_PGD;
#else
#ifdef MUT_QUEUE_RUNNING
		if
		:: it.h == GUEST -> QUEUE
		:: else
		fi;
#else
		QUEUE;
#endif
#endif
#ifdef FINE
		me.h = FQ2; T(0)
	   }
	:: d_step { me.h == FQ2 ->
#endif
#ifndef MUT_REQUEST_FIRST
		it.req = it.req | R_PGD;
#else
		QUEUE;
#endif
#ifdef FINE
		me.h = FQ3; T(0)
	   }
	:: d_step { me.h == FQ3 ->
#endif
#ifndef MUT_NO_KICK
		if
		:: IN_GUEST_MODE(1 - v) -> it.kick = 1
		:: else
		fi;
#endif
		me.h = FWAIT; T(0)
	   }
	:: d_step { me.h == FWAIT &&
#ifdef MUT_WAIT_FOR_FLUSH
		    !it.q ->
#else
		    !it.kick ->
#endif
		/* kvmpv_flush_self() */
		if
		:: me.fs && !me.whole -> invlpg(v, FLUSHED(v))
		:: me.fs && me.whole -> flush_self(v, FLUSHED(v), false)
		:: else
		fi;
		me.h = OUT;
		me.pc = FL_END;
#ifndef KFLUSH
		if
		:: me.fs -> SET_CTX(v, me.fa, 0)
		:: else
		fi;
#ifdef MUT_RAISE_OTHERS
		SET_CTX(1 - v, me.fa, 0);
#endif
#endif
		me.fs = 0; me.ft = 0; T(0)
	   }
#endif

	/* ==== guest ==== */
#ifdef FINE
	/* The CPU looks pages up whenever it likes. */
	:: d_step { RUNS && me.tlb == 0 -> walk(v); T(1) }
#endif

#ifdef NMI
	:: d_step { RUNS && me.nmi -> use(v); T(1) }
	:: d_step { RUNS && me.nmi -> me.nmi = 0; T(1) }
#endif
	:: d_step { CODE && USES(me.pc) -> use(v); T(1) }

	/* switch_mm_irqs_off() */
	:: atomic { CODE && me.pc == IDLE && SWITCHES(v) ->
		if
		:: me.loaded != 1 -> me.nxt = 1
		:: me.loaded != 2 -> me.nxt = 2
#if NA == 3
		:: me.loaded != 3 -> me.nxt = 3
#endif
		fi;
#ifdef MUT_GEN_FIRST
		me.cap = 0;
#endif
#ifndef MUT_NEVER_BEHIND
		if
		:: CTX(v, me.loaded) -> SET_CTX(v, me.loaded, NOCTX)
		:: else
		fi;
#endif
		me.loaded = 0;
		me.pc = SW_MASK; T(0)
	   }
	:: d_step { CODE && me.pc == SW_MASK -> me.msk = me.nxt; me.pc = SW_GEN; T(0) }
	:: d_step { CODE && me.pc == SW_GEN ->
#ifndef MUT_GEN_FIRST
		me.cap = 0;
#endif
		me.pc = SW_ASID; T(0)
	   }
	/* choose_new_asid_in_set(); ctx_id and tlb_gen are written */
	:: atomic { CODE && me.pc == SW_ASID ->
		if
#ifndef MUT_NEVER_BEHIND
		/* Both two or more: which is more is not known. */
		:: CTX(v, me.nxt) == NOCTX || CTX(v, me.nxt) > me.cap ||
		   (CTX(v, me.nxt) == 2 && me.cap == 2) ->
#ifdef RECYCLE
			/* Its ASID may have been another's. */
			if
			:: CTX(v, me.nxt) == NOCTX && me.asked != 1 && me.nxt != 1 -> SET_CTX(v, 1, NOCTX)
			:: CTX(v, me.nxt) == NOCTX -> SET_CTX(v, me.asked, NOCTX)
			:: true
			fi;
#endif
			SET_CTX(v, me.nxt, me.cap);
			me.pc = NATIVE
#else
		:: CTX(v, me.nxt) == NOCTX -> SET_CTX(v, me.nxt, 0); me.pc = NATIVE
		:: CTX(v, me.nxt) != NOCTX -> me.pc = START
#endif
#ifndef MUT_NEVER_BEHIND
		:: CTX(v, me.nxt) != NOCTX && CTX(v, me.nxt) <= me.cap -> me.pc = START
#endif
		fi;
		me.cap = 0; T(0)
	   }

	/* __kvmpv_load_cr3 */
#ifdef FINE
	:: d_step { CODE && me.pc == START -> me.pc = SCAN; T(0) }
#endif
	/*
	 * All reads in one step: an exit between them goes to the start, as one
	 * after them, but if the table was empty; then it may have been filled
	 * behind the reader, who misses.
	 */
	:: d_step { CODE && me.pc == FIRST && (me.tbl & BIT(me.nxt)) ->
		me.rax = ((me.tdead & BIT(me.nxt)) -> DEAD : me.nxt);
		me.pc = COMMIT; T(0)
	   }
	:: d_step { CODE && me.pc == FIRST -> me.pc = MISS; T(0) }
	/* MOV of a host value: the CPU compares it with the list. */
#ifndef QUIRK
	:: d_step { CODE && me.pc == COMMIT && me.rax != DEAD &&
		    (me.list & WITHOUT(me.ldead) & BIT(me.rax)) ->
		me.hw = me.rax;
		me.rax = 0;
		me.asked = me.nxt;
		flush_tlb(v);
		me.pc = LOADED; T(1)
	   }
	:: atomic { CODE && me.pc == COMMIT && me.rax == DEAD && me.list ->
		if
		:: me.list & 1 -> me.hw = 1
		:: me.list & 2 -> me.hw = 2
#if NA == 3
		:: me.list & 4 -> me.hw = 3
#endif
		fi;
		me.rax = 0;
		me.asked = me.nxt;
		flush_tlb(v);
		me.pc = LOADED; T(1)
	   }
#endif
	/* It exits: __kvmpv_mov_to_cr3() */
	:: d_step { CODE && me.pc == COMMIT &&
#ifndef QUIRK
		    (me.rax == DEAD || !(me.list & WITHOUT(me.ldead) & BIT(me.rax))) ->
#else
		    true ->
#endif
		/* Not registered: kvm_set_cr3() with a host value */
		assert(me.reg);
		vmexit(v);
#ifdef MUT_EMULATE_COMMIT
		/* kvm_set_cr3() of what is no CR3 of the guest's */
		me.rax = 0;
		new_pgd(v, (me.nxt == 1 -> 2 : 1));
		me.asked = me.nxt;
		me.pc = LOADED;
#else
		restart(v);
#ifndef MUT_COMMIT_SHOWN
		clear_table(v);
#endif
#ifndef MUT_NO_HOLD
		me.hold = 1;
#endif
#endif
		T(0)
	   }

	/* kvmpv_load_cr3_miss(), kvmpv_hc_load_cr3() */
	:: d_step { CODE && me.pc == MISS && me.mode == ON ->
		vmexit(v);
		if
		:: !sup -> me.mode = LOST; me.pc = NATIVE
		:: sup && !me.reg -> me.mode = LOST; me.pc = REG
		:: sup && me.reg ->
			real_load(v);
			new_pgd(v, me.nxt);
#ifndef MUT_LOAD_KEEPS_TLB
			me.req = me.req | R_CUR;
#endif
			me.asked = me.nxt;
			me.pc = LOADED
		fi;
#ifdef MUT_IGNORE_REFUSAL
		me.asked = me.nxt;
		me.pc = LOADED;
#endif
		T(1)
	   }
#ifdef STASH
	/*
	 * Either load may find its root in the stash. What others do between the look
	 * at it and the entry makes a request, see vcpu_enter_guest() after vcpu_run.
	 */
	:: d_step { CODE && FASTPATH(v) && STASHED(v, me.nxt) &&
		    ((me.pc == MISS && me.mode == ON) || me.pc == NATIVE) ->
		vmexit(v);
		me.h = FAST; T(0)
	   }
	:: atomic { me.h == FAST ->
		stash_switch(v, me.nxt);
		me.asked = me.nxt;
		me.pc = LOADED; T(1);
		if
#ifndef MUT_STASH_BLIND
		:: me.req -> me.h = OUT; me.kick = 0
#endif
		:: else -> me.h = GUEST; P0(v)
		fi
	   }
#endif
	/* Not registered: is it time to try again? */
	:: d_step { CODE && me.pc == MISS && me.mode != ON -> me.pc = NATIVE; T(0) }
	:: d_step { CODE && me.pc == MISS && me.mode == LOST -> me.pc = REG; T(0) }
	:: d_step { CODE && me.pc == REG ->
		vmexit(v);
		if
		:: sup && !me.reg ->
			me.reg = 1;
			me.shown = 1;
			me.req = me.req | R_PGD | R_CUR;
			me.mode = ON
		:: else -> me.mode = LOST
		fi;
		me.pc = NATIVE; T(0)
	   }

	/* MOV of the guest's own value */
	:: d_step { CODE && me.pc == NATIVE ->
		vmexit(v);
		real_load(v);
		set_cr3(v, me.nxt);
		me.asked = me.nxt;
		me.pc = LOADED; T(1)
	   }
#ifdef MUT_NO_TAG
	/* It equals a value of the list. */
	:: atomic { CODE && me.pc == NATIVE && me.list ->
		if
		:: me.list & 1 -> me.hw = 1
		:: me.list & 2 -> me.hw = 2
#if NA == 3
		:: me.list & 4 -> me.hw = 3
#endif
		fi;
		me.asked = me.nxt;
		flush_tlb(v);
		me.pc = LOADED
	   }
#endif
	:: d_step { CODE && me.pc == LOADED ->
		me.loaded = me.nxt;
		me.nxt = 0;
		me.pc = IDLE; T(1)
	   }

#ifdef ROLE
	/* A bit of CR0, CR4 or EFER: kvm_mmu_reset_context() gives up what KVM keeps. */
	:: d_step { CODE && me.pc == IDLE ->
		vmexit(v);
		m = me.kept;
		drop(v, m);
		m = 0;
		me.rol = me.stash & WITHOUT(me.rol); T(1)
	   }
#endif
#ifdef UNREG
	/* kvmpv_cr3_cpu_offline(), and kvmpv_guest_cpu_init() later */
	:: d_step { CODE && me.pc == IDLE && me.mode != OFF ->
		vmexit(v);
		if
		:: sup -> unregister(v)
		:: else
		fi;
		me.mode = OFF; T(1)
	   }
	:: d_step { CODE && me.pc == IDLE && me.mode == OFF ->
		vmexit(v);
		if
		:: sup && !me.reg ->
			me.reg = 1; me.shown = 1;
			me.req = me.req | R_PGD | R_CUR;
			me.mode = ON
		:: else -> me.mode = LOST
		fi; T(1)
	   }
#endif

#if defined(UFLUSH) || defined(KFLUSH)
	/* A page table is written to; the flush of it begins. */
	:: atomic { CODE && me.pc == IDLE && FLUSHES(v) && !me.fa && (FREE(1) || FREE(2)) ->
		if
		:: FREE(1) -> me.fa = 1
#ifndef KFLUSH
		:: FREE(2) -> me.fa = 2
#if NA == 3
		:: FREE(3) -> me.fa = 3
#endif
#endif
		fi;
		if
		:: me.whole = 0
		:: me.whole = 1
		fi;
		for (i : 0 .. NV - 1) {
#ifndef MUT_LOAD_NO_SYNC
			V[i].st1 = V[i].st1 | ((V[i].kept | V[i].stash) & FLUSHED(v));
#else
			V[i].st1 = V[i].st1 | FLUSHED(v);
#endif
			if
			:: V[i].tlb && (BIT(V[i].tlb) & FLUSHED(v)) -> V[i].t1 = 1
			:: else
			fi
		}
		i = 0;
		me.pc = FL_GEN; T(0)
	   }
	/* inc_mm_tlb_gen() */
	:: d_step { CODE && me.pc == FL_GEN ->
#ifndef KFLUSH
		for (i : 0 .. NV - 1) {
#ifndef MUT_NEVER_BEHIND
			if
			/* Behind is behind: the next load of it flushes. */
			:: V[i].loaded != me.fa && !(GEN_READ(i) && V[i].nxt == me.fa) -> SET_CTX(i, me.fa, NOCTX)
			:: else ->
				if
				:: CTX(i, me.fa) < 2 -> SET_CTX(i, me.fa, CTX(i, me.fa) + 1)
				:: else
				fi
			fi;
#endif
			if
			:: GEN_READ(i) && V[i].nxt == me.fa && V[i].cap < 2 -> V[i].cap = V[i].cap + 1
			:: else
			fi
		}
		i = 0;
#endif
		me.pc = FL_MASK; T(0)
	   }
	/* mm_cpumask(), which other CPUs may change until should_flush_tlb() */
	:: d_step { CODE && me.pc == FL_MASK ->
#ifdef KFLUSH
		me.ft = (NV == 2); me.fs = 1; me.pc = FL_CALL;
#else
#if NV == 2
		me.ft = (it.msk == me.fa);
#endif
		me.fs = (me.loaded == me.fa && CTX(v, me.fa) != 0);
#ifdef FINE
		me.pc = FL_SEL; T(0)
	   }
	:: d_step { CODE && me.pc == FL_SEL ->
#endif
#if NV == 2
		me.ft = (me.ft && (it.loaded == 0 || it.loaded == me.fa));
#endif
		me.pc = FL_CALL;
#endif
		T(0)
	   }
#ifndef KFLUSH
	/* flush_tlb_func(): behind by more than this flush, all of it goes. */
	:: d_step { CODE && me.pc == FL_CALL && me.fs &&
		    (!me.ft || (!me.whole && CTX(v, me.fa) > 1)) ->
		vmexit(v);
		flush_self(v, FLUSHED(v), !me.whole && CTX(v, me.fa) == 1);
		SET_CTX(v, me.fa, 0);
		me.fs = 0; T(0)
	   }
	:: d_step { CODE && me.pc == FL_CALL && !me.fs && !me.ft -> me.pc = FL_END; T(0) }
#endif
	/* FLUSH_VCPUS, for this CPU too unless it has flushed; kernel: always */
	:: d_step { CODE && me.pc == FL_CALL &&
#ifdef KFLUSH
		    true ->
#else
		    me.ft && !(me.fs && !me.whole && CTX(v, me.fa) > 1) ->
#endif
		vmexit(v);
		if
		:: !sup -> me.pc = FB_IPI
		:: sup && NV == 2 -> me.h = FQ1
		:: else -> flush_self(v, FLUSHED(v), !me.whole); me.fs = 0; me.pc = FL_END
		fi;
		T(0)
	   }
	/* Natively: smp_call_function(), interrupts on while it waits */
#if NV == 2
	:: d_step { CODE && me.pc == FB_IPI && me.ft ->
		it.ipi = me.fa; me.ft = 0; T(0)
	   }
	:: d_step { CODE && me.pc == FB_IPI && !me.ft && !it.ipi -> me.pc = FB_SELF; T(0) }
	/* The IPI: flush_tlb_func(), do_kernel_range_flush(). The exit first, the answer last. */
	:: d_step { CODE && me.ipi && (me.pc == IDLE || me.pc >= FL_GEN) ->
#ifdef KFLUSH
		vmexit(v);
		flush_self(v, EVERY, !it.whole);
#else
		if
		:: me.loaded == me.ipi && CTX(v, me.ipi) != 0 ->
			vmexit(v);
			flush_self(v, BIT(me.ipi), !it.whole && CTX(v, me.ipi) == 1);
			SET_CTX(v, me.ipi, 0);
			if
			/* It has done its own part of its own flush, too. */
			:: me.fa == me.ipi -> me.fs = 0
			:: else
			fi
		:: else
		fi;
#endif
		me.ipi = 0; T(1)
	   }
#else
	:: d_step { CODE && me.pc == FB_IPI -> me.pc = FB_SELF; T(0) }
#endif
	:: d_step { CODE && me.pc == FB_SELF ->
		if
		:: me.fs ->
			vmexit(v);
#ifdef KFLUSH
			flush_self(v, EVERY, !me.whole);
#else
			flush_self(v, BIT(me.fa), !me.whole && CTX(v, me.fa) == 1);
			SET_CTX(v, me.fa, 0);
#endif
			me.fs = 0
		:: else
		fi;
		me.pc = FL_END; T(0)
	   }
	/* From now on nothing older may be used. */
	:: d_step { CODE && me.pc == FL_END ->
		for (i : 0 .. NV - 1) {
			if
			/* This very range is flushed before it runs again. */
			:: V[i].h != GUEST && !me.whole && (V[i].q & FLUSHED(v))
			:: else ->
				V[i].st2 = V[i].st2 | (V[i].st1 & FLUSHED(v));
				V[i].st1 = V[i].st1 & WITHOUT(FLUSHED(v));
				if
				:: V[i].t1 && (BIT(V[i].tlb) & FLUSHED(v)) -> V[i].t1 = 0; V[i].t2 = 1
				:: else
				fi
			fi
		}
		i = 0;
		me.fa = 0; me.whole = 0;
		me.pc = IDLE; T_OTHER
	   }
#endif
	od
}

/* Other threads of the host. */
#if defined(ZAP) || defined(COPY) || defined(MEMSLOT)
proctype host() {
	do
#ifdef NP
	/* Not without end */
	:: break
#endif
#ifdef ZAP
	/*
	 * A root is zapped (kvm_mmu_zap_all_fast(), __kvm_mmu_prepare_zap_page(),
	 * of whatever cause): it stays where it is until its vCPU sees the request.
	 */
	:: atomic {
		if
		:: i = 0
#if NV == 2
		:: i = 1
#endif
		fi;
		if
		:: j = 1
		:: j = 2
#if NA == 3
		:: j = 3
#endif
		fi;
		if
		:: ((V[i].kept | V[i].stash) & WITHOUT(V[i].obs)) & BIT(j) ->
			V[i].obs = V[i].obs | BIT(j);
			V[i].req = V[i].req | R_FREE;
			V[i].kick = IN_GUEST_MODE(i)
		:: else
		fi;
		i = 0; j = 0
#ifdef NP
		; tick = 1
#endif
	   }
#endif
#ifdef MEMSLOT
	/* kvm_mmu_zap_all_fast(): another generation; what it zaps, it zaps later. */
	:: d_step {
		for (i : 0 .. NV - 1) {
			V[i].gen = V[i].kept | V[i].stash;
			V[i].req = V[i].req | R_FREE;
			V[i].kick = IN_GUEST_MODE(i)
		}
		i = 0
	   }
#endif
#ifdef COPY
	/* Live migration copies the table's page, and remembers it as clean. */
	:: d_step { V[0].cp == 0 -> V[0].cp = (V[0].tbl -> 2 : 1) }
#if NV == 2
	:: d_step { V[1].cp == 0 -> V[1].cp = (V[1].tbl -> 2 : 1) }
#endif
#endif
	od
}
#endif

init {
	atomic {
		for (i : 0 .. NV - 1) {
			V[i].h = OUT;
			V[i].acr3 = 1;
			V[i].asked = 1;
			V[i].loaded = 1;
			V[i].msk = 1;
			V[i].mode = LOST;
			V[i].ctx = 252
		}
		i = 0;
#ifdef APART
		/* Each flushes what the other uses: in a circle. */
		V[1].acr3 = 2;
		V[1].asked = 2;
		V[1].loaded = 2;
		V[1].msk = 2;
		V[1].ctx = 243;
#endif
		if
		:: sup = 0
		:: sup = 1
		fi;
#ifndef MIG
		sup = 1;
#endif
		run cpu(0);
#if NV == 2
		run cpu(1);
#endif
#if defined(ZAP) || defined(COPY) || defined(MEMSLOT)
		run host()
#endif
	}
}
