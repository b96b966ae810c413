/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvmpv

#if !defined(__KVMPV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __KVMPV_TRACE_H

#include <linux/tracepoint.h>

/* Every hypercall of ours, with what it returned. */
TRACE_EVENT(kvmpv_hypercall,
	TP_PROTO(unsigned int vcpu_id, unsigned long nr, unsigned long a0,
		 unsigned long a1, long ret),
	TP_ARGS(vcpu_id, nr, a0, a1, ret),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, nr)
		__field(unsigned long, a0)
		__field(unsigned long, a1)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->nr = nr;
		__entry->a0 = a0;
		__entry->a1 = a1;
		__entry->ret = ret;
	),
	TP_printk("vcpu %u nr 0x%lx a0 0x%lx a1 0x%lx ret %ld",
		  __entry->vcpu_id, __entry->nr, __entry->a0, __entry->a1,
		  __entry->ret)
);

/* The table and the list changed; used is a bit mask of slots. */
TRACE_EVENT(kvmpv_publish,
	TP_PROTO(unsigned int vcpu_id, unsigned int used),
	TP_ARGS(vcpu_id, used),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned int, used)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->used = used;
	),
	TP_printk("vcpu %u used 0x%x", __entry->vcpu_id, __entry->used)
);

/* The guest had switched without an exit. */
TRACE_EVENT(kvmpv_switch,
	TP_PROTO(unsigned int vcpu_id, u64 pgd),
	TP_ARGS(vcpu_id, pgd),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u64, pgd)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->pgd = pgd;
	),
	TP_printk("vcpu %u cr3 0x%llx", __entry->vcpu_id, __entry->pgd)
);

/* RIP was found in a restart window, or a MOV exited at its end. */
TRACE_EVENT(kvmpv_restart,
	TP_PROTO(unsigned int vcpu_id, u64 rip),
	TP_ARGS(vcpu_id, rip),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu_id, __entry->rip)
);

#endif /* __KVMPV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/paravirt
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE paravirt_trace
#include <trace/define_trace.h>
