/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that are followed until KVM's ioctl handler returns, on kernels without tracepoints for
 * them, as in bpf/trace/requests.h; but here every value is kept, not only what is counted.
 * Included by bpf/events/gmem_events.bpf.c only.
 */
#ifndef GMEM_EVENTS_REQUESTS_H
#define GMEM_EVENTS_REQUESTS_H

#include "record.h"
#include "../kernel/request_hooks.h"
#include "bindings.h"

struct request {
	__u64 start_ns;
	__u64 kvm; /* of a binding */
	struct gmem_event_inst inst;
	__u64 gpa, size, offset, attributes;
	__u32 slot;
	bool binds, asked, judged, redundant;
};

/* By tid: a thread is in at most one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_REQUESTS);
	__type(key, __u32);
	__type(value, struct request);
} gmem_requests SEC(".maps");

static __always_inline struct request *request_of(__u32 tid, bool binds)
{
	struct request *r = bpf_map_lookup_elem(&gmem_requests, &tid);

	return r && r->binds == binds ? r : NULL;
}

static __always_inline void begin_request(const struct request *r)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&gmem_requests, &tid, r, BPF_ANY))
		add(&untracked, 1);
}

/* @asked: what the kernel itself says that was asked for. */
static __always_inline void begin_convert(bool asked, __u64 start, __u64 end, __u64 attributes)
{
	struct request r = {};

	r.asked = asked;
	r.gpa = start << PAGE_SHIFT;
	r.size = (end - start) << PAGE_SHIFT;
	r.attributes = attributes;
	r.start_ns = bpf_ktime_get_ns();
	begin_request(&r);
}

/* The first question in a conversion is whether there is anything to do. */
static __always_inline void classify_request(bool redundant)
{
	struct request *r = request_of((__u32)bpf_get_current_pid_tgid(), false);

	if (!r || r->judged)
		return;
	r->redundant = redundant;
	r->judged = true;
}

static __always_inline void begin_bind(struct kvm *kvm, struct kvm_memory_slot *slot, __u64 offset)
{
	struct request r = {};

	r.binds = true;
	r.kvm = (__u64)kvm;
	r.slot = slot_number(slot);
	r.gpa = BPF_CORE_READ(slot, base_gfn) << PAGE_SHIFT;
	r.size = BPF_CORE_READ(slot, npages) << PAGE_SHIFT;
	r.offset = offset;
	inst_of(BPF_CORE_READ(slot, gmem.file, f_inode), &r.inst);
	begin_request(&r);
}

/* The end of a conversion. What it asked for comes from the kernel if it said so, else from the
 * VMM's memory. */
static __always_inline void end_convert(void *ctx, struct kvm *kvm, unsigned long arg, long ret)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct request *r = request_of(tid, false);
	struct gmem_event_inst none = {};
	struct attributes_abi attrs = {};
	struct gmem_event *e;
	bool known = true;
	__u64 ns = 0;

	if (r)
		ns = bpf_ktime_get_ns() - r->start_ns;
	if (not_looked_at(ret))
		goto out;
	if (r && r->asked) {
		attrs.address = r->gpa;
		attrs.size = r->size;
		attrs.attributes = r->attributes;
	} else if (bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg)) {
		add(&unread, 1);
		known = false;
	}
	e = begin_event(ctx, GMEM_EV_convert, kvm, &none, ret, ns);
	if (!e)
		goto out;
	e->convert.start = attrs.address;
	e->convert.size = attrs.size;
	e->convert.attributes = attrs.attributes;
	if (!known) {
		UNKNOWN(e, convert, start);
		UNKNOWN(e, convert, size);
		UNKNOWN(e, convert, attributes);
	}
	/* That nothing was done is known, how much was done is not. */
	if (!ret && !(r && r->judged && r->redundant))
		UNKNOWN(e, convert, changed_pages);
	e->convert.duration_ns = ns;
	if (!ns)
		UNKNOWN(e, convert, duration_ns);
	end_event(e);
out:
	if (r)
		bpf_map_delete_elem(&gmem_requests, &tid);
}

static __always_inline void emit_bind(void *ctx, struct kvm *kvm, const struct request *r, int ret)
{
	struct gmem_event *e;

	e = begin_event(ctx, GMEM_EV_bind, kvm, &r->inst, ret, 0);
	if (!e)
		return;
	e->bind.slot = r->slot;
	e->bind.gpa = r->gpa;
	e->bind.size = r->size;
	e->bind.offset = r->offset;
	end_event(e);
}

/* What was asked for in a binding that failed is in the VMM's memory. */
static __noinline int failed_bind(void *ctx, struct kvm *kvm, unsigned long arg, long ret)
{
	struct region_abi region;
	struct request asked = {};

	if (bpf_probe_read_user(&region, sizeof(region), (void *)arg)) {
		add(&unread, 1);
		return 0;
	}
	if (!(region.flags & KVM_MEM_GUEST_MEMFD) || !region.memory_size)
		return 0;
	asked.slot = region.slot;
	asked.gpa = region.guest_phys_addr;
	asked.size = region.memory_size;
	asked.offset = region.guest_memfd_offset;
	emit_bind(ctx, kvm, &asked, ret);
	return 0;
}

static __always_inline void end_bind(void *ctx, struct kvm *kvm, unsigned long arg, long ret)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct request *r = request_of(tid, true);
	struct request done;

	if (r) {
		done = *r;
		bpf_map_delete_elem(&gmem_requests, &tid);
		if (!ret)
			emit_bind(ctx, kvm, &done, 0);
	}
	if (ret && !not_looked_at(ret))
		failed_bind(ctx, kvm, arg, ret);
}

#endif /* GMEM_EVENTS_REQUESTS_H */
