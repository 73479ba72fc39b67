/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event convert of conversions through an instance, as in bpf/trace/in_place.h. Included by
 * gmem_events.bpf.c only.
 */
#ifndef GMEM_EVENTS_IN_PLACE_H
#define GMEM_EVENTS_IN_PLACE_H

#include "requests.h"

SEC("?fexit")
int BPF_PROG(gmem_f_inplret, struct file *file, unsigned int cmd, unsigned long arg, long ret)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct attributes_abi attrs = {};
	struct gmem_event_inst inst;
	struct gmem_event *e;
	struct request *r;
	bool known = true;
	__u64 ns = 0;

	if (cmd != KVM_SET_MEMORY_ATTRIBUTES2)
		return 0;
	r = request_of(tid, false);
	if (r) {
		ns = bpf_ktime_get_ns() - r->start_ns;
		bpf_map_delete_elem(&gmem_requests, &tid);
	}
	if (not_looked_at(ret))
		return 0;
	if (bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg)) {
		add(&unread, 1);
		known = false;
	}
	inst_of(BPF_CORE_READ(file, f_inode), &inst);
	e = begin_event(ctx, GMEM_EV_convert, kvm_of(file), &inst, ret, ns);
	if (!e)
		return 0;
	e->convert.size = attrs.size;
	e->convert.attributes = attrs.attributes;
	e->convert.duration_ns = ns;
	UNKNOWN(e, convert, start);
	UNKNOWN(e, convert, changed_pages);
	if (!known) {
		UNKNOWN(e, convert, size);
		UNKNOWN(e, convert, attributes);
	}
	if (!ns)
		UNKNOWN(e, convert, duration_ns);
	end_event(e);
	return 0;
}

#endif /* GMEM_EVENTS_IN_PLACE_H */
