/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that are followed until KVM's ioctl handler returns, on kernels without tracepoints for
 * them. A thread has at most one. Included by gmem_trace.bpf.c only.
 *
 * What a conversion asked for comes from the tracepoint kvm_vm_set_mem_attributes, and its duration
 * begins there. Where there is none it begins with the handler, and what was asked for is read from
 * the VMM's memory at the end, as it is for requests that were refused early.
 */
#ifndef GMEM_TRACE_REQUESTS_H
#define GMEM_TRACE_REQUESTS_H

#include "count.h"
#include "../kernel/request_hooks.h"

#define MAX_REQUESTS 1024
/* So many threads with the same first slot can be in requests at the same time. */
#define REQUEST_PROBES 4
/* A request that began so long ago gives way: its end may have been missed. */
#define REQUEST_STALE_NS 10000000000ULL

enum request_kind {
	REQUEST_CONVERT = 1,
	REQUEST_BIND,
};

struct request {
	__u64 task;	  /* whose it is, 0: free */
	__u64 start_ns;	  /* 0: free, or just taken */
	__u64 gfn, pages; /* to convert (GMEM_UNKNOWN: still to be read), or pages bound */
	__u64 attributes;
	struct gmem_inst_key inst; /* that is being bound */
	__u32 kind;
	__u32 judged, redundant, pad;
};

/* A thread's request is in one of the REQUEST_PROBES slots from its pid on, nearly always the
 * first. */
static struct request requests[MAX_REQUESTS];

static __always_inline struct request *slot_of(struct task_struct *task, __u32 probe)
{
	return &requests[((__u32)task->pid + probe) & (MAX_REQUESTS - 1)];
}

static __noinline struct request *find_further(struct task_struct *task)
{
	struct request *r;
	__u32 probe;

	for (probe = 1; probe < REQUEST_PROBES; probe++) {
		r = slot_of(task, probe);
		if (r->task == (__u64)task)
			return r;
	}
	return NULL;
}

/* The request that the thread is in, or NULL. */
static __always_inline struct request *request_of(struct task_struct *task, __u32 kind)
{
	struct request *r = slot_of(task, 0);

	if (r->task != (__u64)task)
		r = find_further(task);
	return r && r->kind == kind ? r : NULL;
}

/* Another thread can take the slot as soon as it has no owner: its time must be gone by then. */
static __always_inline void end_request(struct request *r)
{
	*(volatile __u64 *)&r->start_ns = 0;
	__sync_lock_test_and_set(&r->task, 0);
}

/* Take a slot that is free, or that the thread has already because an end was missed. */
static __always_inline bool take_free(struct request *r, struct task_struct *task)
{
	__u64 owner = __sync_val_compare_and_swap(&r->task, 0, (__u64)task);

	return !owner || owner == (__u64)task;
}

/* The first slot is another thread's. NULL: all are. */
static __noinline struct request *take_further(struct task_struct *task, __u64 now)
{
	struct request *r;
	__u32 probe;
	__u64 since;

	for (probe = 1; probe < REQUEST_PROBES; probe++) {
		r = slot_of(task, probe);
		if (take_free(r, task))
			return r;
	}
	/* One request is not followed to its end: this one, or a stale one, which gives way. */
	add(&lost[GMEM_LOST_untracked], 1);
	for (probe = 0; probe < REQUEST_PROBES; probe++) {
		r = slot_of(task, probe);
		since = r->start_ns;
		if (!since || now - since < REQUEST_STALE_NS)
			continue;
		/* Whoever changes the time has the slot: to all others it is young. */
		if (__sync_val_compare_and_swap(&r->start_ns, since, now) == since) {
			__sync_lock_test_and_set(&r->task, (__u64)task);
			return r;
		}
	}
	return NULL;
}

static __always_inline struct request *begin_request(__u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct request *r = slot_of(task, 0);
	__u64 now = bpf_ktime_get_ns();

	if (!take_free(r, task))
		r = take_further(task, now);
	if (!r)
		return NULL;
	r->kind = kind;
	r->start_ns = now;
	return r;
}

/* @asked: what the kernel itself says that was asked for; else it is still to be read. */
static __always_inline void begin_convert(bool asked, __u64 start, __u64 end, __u64 attributes)
{
	struct request *r = begin_request(REQUEST_CONVERT);

	if (!r)
		return;
	r->judged = 0;
	r->gfn = start;
	r->pages = asked ? end - start : GMEM_UNKNOWN;
	r->attributes = attributes;
}

/* The first question in a conversion is whether there is anything to do. */
static __always_inline void classify_request(bool redundant)
{
	struct request *r = request_of(bpf_get_current_task_btf(), REQUEST_CONVERT);

	if (!r || r->judged)
		return;
	r->redundant = redundant;
	r->judged = 1;
}

static __always_inline void begin_bind(struct kvm *kvm, struct kvm_memory_slot *slot, __u64 offset)
{
	struct file *file = slot->gmem.file;
	struct request *r;

	if (!get_inst(kvm, file->f_inode))
		return;
	r = begin_request(REQUEST_BIND);
	if (!r)
		return;
	inst_key(&r->inst, file->f_inode);
	r->pages = slot->npages;
}

/* A conversion that failed, or was not followed: what it asked for is in the VMM's memory. */
static __noinline int end_unasked(struct kvm *kvm, int pid, unsigned long arg, long ret, __u64 ns)
{
	struct attributes_abi attrs;
	__u32 direction;

	if (not_looked_at(ret))
		return 0;
	if (bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg)) {
		add(&lost[GMEM_LOST_unread], 1);
		return 0;
	}
	direction = direction_of(attrs.attributes);
	if (ret || direction >= GMEM_DIRECTIONS)
		count_vm_error(kvm, GMEM_OP_convert_private + direction, ret);
	else
		count_conversion(kvm, pid, direction, attrs.address >> PAGE_SHIFT,
				 attrs.size >> PAGE_SHIFT, GMEM_UNKNOWN, ns, false);
	return 0;
}

static __always_inline void end_convert(void *ctx, struct kvm *kvm, unsigned long arg, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct request *r = request_of(task, REQUEST_CONVERT);
	__u64 ns, changed = GMEM_UNKNOWN;
	__u32 direction;

	if (!r) {
		end_unasked(kvm, task->tgid, arg, ret, 0);
		return;
	}
	ns = bpf_ktime_get_ns() - r->start_ns;
	direction = direction_of(r->attributes);
	if (ret || direction >= GMEM_DIRECTIONS || r->pages == GMEM_UNKNOWN) {
		end_unasked(kvm, task->tgid, arg, ret, ns);
	} else {
		if (r->judged && r->redundant)
			changed = 0;
		count_conversion(kvm, task->tgid, direction, r->gfn, r->pages, changed, ns,
				 r->judged);
	}
	end_request(r);
}

static __always_inline void end_bind(void *ctx, struct kvm *kvm, unsigned long arg, long ret)
{
	struct request *r = request_of(bpf_get_current_task_btf(), REQUEST_BIND);
	struct region_abi region;
	struct gmem_inst *inst;

	if (r) {
		inst = ret ? NULL : bpf_map_lookup_elem(&gmem_instances, &r->inst);
		if (inst) {
			add(&inst->c[GMEM_INST_binds], 1);
			add(&inst->c[GMEM_INST_bound_pages], r->pages);
		}
		end_request(r);
	}
	if (!ret || not_looked_at(ret))
		return;
	if (bpf_probe_read_user(&region, sizeof(region), (void *)arg)) {
		add(&lost[GMEM_LOST_unread], 1);
		return;
	}
	if (region.flags & KVM_MEM_GUEST_MEMFD && region.memory_size)
		count_vm_error(kvm, GMEM_OP_bind, ret);
}

#endif /* GMEM_TRACE_REQUESTS_H */
