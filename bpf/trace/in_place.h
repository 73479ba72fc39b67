/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conversions through an instance, in kernels that keep attributes in its inode: an ioctl on its
 * file, which any process with a descriptor can ask for. Included by gmem_trace.bpf.c only.
 *
 * The range is one of the instance. Which guest addresses that is, is not looked up: the pages are
 * in no cell of the heat.
 */
#ifndef GMEM_TRACE_IN_PLACE_H
#define GMEM_TRACE_IN_PLACE_H

#include "requests.h"

/* Above all cells. */
#define NO_GFN (1ULL << 62)

/* What was asked for is read at the end. It begins like the request of a VM. */
SEC("?fexit")
int BPF_PROG(gmem_f_inplret, struct file *file, unsigned int cmd, unsigned long arg, long ret)
{
	struct attributes_abi attrs;
	struct kvm *kvm;
	struct request *r;
	__u32 direction;
	__u64 ns = 0;

	if (cmd != KVM_SET_MEMORY_ATTRIBUTES2)
		return 0;
	r = request_of(bpf_get_current_task_btf(), REQUEST_CONVERT);
	if (r) {
		ns = bpf_ktime_get_ns() - r->start_ns;
		end_request(r);
	}
	if (not_looked_at(ret))
		return 0;
	if (bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg)) {
		add(&lost[GMEM_LOST_unread], 1);
		return 0;
	}
	kvm = kvm_of(file);
	direction = direction_of(attrs.attributes);
	if (ret || direction >= GMEM_DIRECTIONS)
		count_vm_error(kvm, GMEM_OP_convert_private + direction, ret);
	else
		count_conversion(kvm, creator_of(kvm), direction, NO_GFN, attrs.size >> PAGE_SHIFT,
				 GMEM_UNKNOWN, ns, false);
	return 0;
}

#endif /* GMEM_TRACE_IN_PLACE_H */
