// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the conversions that guests ask for spend their time on, from the exit to user space until
 * KVM_RUN, and on to the first fault. Loaded by gmemtop --latency only: without it no program of
 * this file is attached.
 *
 * No program is at an entry of a guest or at an exit that KVM handles itself. kvm_userspace_exit
 * and kvm_arch_vcpu_ioctl_run run once for each KVM_RUN, a system call of thousands of
 * instructions, and leave after a few where no conversion is under way. kvm_page_fault runs once
 * for each fault on guest memory, as the programs of gmem_trace.bpf.c do that count faults.
 */
#include "../kernel/types.h"

#include "phases.h"

char LICENSE[] SEC("license") = "GPL";

/* --- the guest exits --- */

#define X(name, number, text) (1ULL << (number)) |
#define CONVERTING_EXITS      (GMEM_GUEST_EXITS(X) 0)

SEC("?tp_btf/kvm_userspace_exit")
int BPF_PROG(gmem_t_exit, __u32 reason, int error)
{
	if (reason > 63 || !(CONVERTING_EXITS >> reason & 1))
		return 0;
	/* After any other result the reason is that of an earlier exit. */
	if (reason == KVM_EXIT_MEMORY_FAULT ? error != -EFAULT && error != -EHWPOISON : error < 0)
		return 0;
	begin_conversion(reason);
	return 0;
}
#undef X

/* --- the VMM's calls --- */

/* The tracepoint of kernel-patches/: the whole call, which takes no program at its beginning. */
SEC("?tp_btf/kvm_gmem_convert")
int BPF_PROG(gmem_t_setend, struct kvm *kvm, struct kvm_memory_attributes *attrs,
	     unsigned long nr_changed, __u64 duration, int ret)
{
	struct conversion *c = current_conversion();

	if (!c || !attrs)
		return 0;
	if (!ret)
		end_set(c, (__u64)kvm, duration, attrs->address >> PAGE_SHIFT,
			attrs->size >> PAGE_SHIFT, attrs->attributes);
	return 0;
}

/* Without it: where the call begins, here before it waits for the lock. */
SEC("?tp_btf/kvm_vm_set_mem_attributes")
int BPF_PROG(gmem_t_setbegin, unsigned long long start, unsigned long long end,
	     unsigned long attributes)
{
	struct conversion *c = current_conversion();

	if (!c)
		return 0;
	c->set_ns_begin = bpf_ktime_get_ns();
	c->asked_gfn = start;
	c->asked_pages = end - start;
	c->attributes = attributes;
	return 0;
}

/* What it asks for is read from the VMM's memory at its end. */
SEC("?fentry")
int BPF_PROG(gmem_f_setbegin, struct file *filp, unsigned int cmd)
{
	struct conversion *c;

	if (cmd != KVM_SET_MEMORY_ATTRIBUTES)
		return 0;
	c = current_conversion();
	if (!c)
		return 0;
	c->set_ns_begin = bpf_ktime_get_ns();
	c->asked_pages = 0;
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_f_setend, struct file *filp, unsigned int cmd, unsigned long arg, long ret)
{
	struct attributes_abi attrs;
	struct conversion *c;

	if (cmd != KVM_SET_MEMORY_ATTRIBUTES)
		return 0;
	c = current_conversion();
	if (!c)
		return 0;
	if (!ret && c->set_ns_begin && !c->asked_pages &&
	    !bpf_probe_read_user(&attrs, sizeof(attrs), (void *)arg)) {
		c->asked_gfn = attrs.address >> PAGE_SHIFT;
		c->asked_pages = attrs.size >> PAGE_SHIFT;
		c->attributes = attrs.attributes;
	}
	if (!ret && c->set_ns_begin && c->asked_pages)
		end_set(c, (__u64)filp->private_data, bpf_ktime_get_ns() - c->set_ns_begin,
			c->asked_gfn, c->asked_pages, c->attributes);
	c->set_ns_begin = 0;
	return 0;
}

/*
 * A mutex that is not free at once, of any kind: what waits for slots_lock waits here. So a
 * conversion that does not wait runs no program for it.
 */
SEC("?fentry")
int BPF_PROG(gmem_d_wait, struct mutex *lock)
{
	struct conversion *c = current_conversion();

	if (c)
		begin_wait(c, (__u64)lock);
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_waited, struct mutex *lock)
{
	struct conversion *c = current_conversion();

	if (c)
		end_wait(c, (__u64)lock);
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_d_falloc, struct file *file)
{
	begin_memory();
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_alloced, struct file *file)
{
	end_memory();
	return 0;
}

SEC("?fentry")
int BPF_PROG(gmem_d_madvise, struct mm_struct *mm)
{
	begin_memory();
	return 0;
}

SEC("?fexit")
int BPF_PROG(gmem_d_madvised, struct mm_struct *mm)
{
	end_memory();
	return 0;
}

/* --- KVM_RUN, and the guest touches what was converted --- */

SEC("?fentry")
int BPF_PROG(gmem_f_run, struct kvm_vcpu *vcpu)
{
	struct conversion *c = current_conversion();

	if (!c)
		return 0;
	if (c->sets)
		end_conversion(c, vcpu);
	else
		c->exit_ns = 0;
	return 0;
}

SEC("?tp_btf/kvm_page_fault")
int BPF_PROG(gmem_t_pgfault, struct kvm_vcpu *vcpu, unsigned long long address)
{
	struct conversion *c = conversion_of(bpf_get_current_task_btf());

	if (c && c->run_ns)
		count_fault(c, vcpu, address >> PAGE_SHIFT);
	return 0;
}
