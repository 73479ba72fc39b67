/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that are followed from the entry of KVM's ioctl handler to its exit, on kernels without
 * tracepoints for them. A thread has at most one. Included by gmem_trace.bpf.c only.
 */
#ifndef GMEM_REQUEST_H
#define GMEM_REQUEST_H

#include <asm-generic/errno.h>

enum request_kind {
	REQUEST_NONE,
	REQUEST_CONVERT,
	REQUEST_BIND,
};

/* What user space passes: the ABI, not to be relocated. */
struct attributes_abi {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};

struct region_abi {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
};

struct request {
	__u32 kind;
	__u32 judged : 1, redundant : 1, read : 1;
	__u64 start_ns;
	union {
		struct attributes_abi attributes;
		struct region_abi region;
	};
	struct gmem_inst_key inst; /* that is being bound, ino 0: none yet */
	__u64 bound_pages;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct request);
} requests SEC(".maps");

/* Which requests are counted here; the others have tracepoints. */
const volatile bool fn_converts;
const volatile bool fn_binds;

static __always_inline struct request *current_request(__u64 flags)
{
	return bpf_task_storage_get(&requests, bpf_get_current_task_btf(), NULL, flags);
}

static __always_inline int read_request(struct request *r, __u32 kind, unsigned long arg)
{
	if (kind == REQUEST_CONVERT)
		return bpf_probe_read_user(&r->attributes, sizeof(r->attributes), (void *)arg);
	return bpf_probe_read_user(&r->region, sizeof(r->region), (void *)arg);
}

static __always_inline void begin_request(__u32 kind, unsigned long arg)
{
	struct request *r = current_request(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!r)
		return;
	r->judged = 0;
	r->redundant = 0;
	r->inst.ino = 0;
	/* Memory that is not there yet can be read once KVM has read it. */
	r->read = !read_request(r, kind, arg);
	r->kind = kind;
	if (kind == REQUEST_CONVERT)
		r->start_ns = bpf_ktime_get_ns();
}

/* The first question about just this range is whether there is anything to do. */
static __always_inline void judge_request(__u64 start, __u64 end, bool redundant)
{
	struct request *r = current_request(0);

	if (!r || r->kind != REQUEST_CONVERT || r->judged || !r->read)
		return;
	if (r->attributes.address >> PAGE_SHIFT != start ||
	    (r->attributes.address + r->attributes.size) >> PAGE_SHIFT != end)
		return;
	r->judged = 1;
	r->redundant = redundant;
}

static __always_inline void note_bound(struct kvm *kvm, struct file *file, __u64 pages)
{
	struct request *r = current_request(0);

	if (!r || r->kind != REQUEST_BIND)
		return;
	if (!get_inst(kvm, file->f_inode))
		return;
	inst_key(&r->inst, file->f_inode);
	r->bound_pages = pages;
}

static __always_inline void end_convert(struct gmem_vm *vm, struct request *r, long ret)
{
	__u32 direction = direction_of(r->attributes.attributes);
	struct gmem_latency *latency;
	__u64 *c;

	if (ret || direction >= GMEM_DIRECTIONS) {
		count_error(vm, GMEM_OP_convert_private + direction, ret);
		return;
	}
	c = &vm->c[direction * GMEM_PER_DIRECTION];
	latency = &vm->latency[direction];
	add(&c[GMEM_VM_to_private], 1);
	add(&c[GMEM_VM_to_private_pages], r->attributes.size >> PAGE_SHIFT);
	if (r->judged) {
		add(&latency->judged, 1);
		if (r->redundant)
			add(&c[GMEM_VM_to_private_redundant], 1);
	}
	count_duration(&c[GMEM_VM_to_private_ns], latency, bpf_ktime_get_ns() - r->start_ns);
}

static __always_inline void end_bind(struct gmem_vm *vm, struct request *r, long ret)
{
	struct gmem_inst *inst;

	if (!(r->region.flags & KVM_MEM_GUEST_MEMFD) || !r->region.memory_size)
		return;
	if (ret) {
		count_error(vm, GMEM_OP_bind, ret);
		return;
	}
	inst = r->inst.ino ? bpf_map_lookup_elem(&instances, &r->inst) : NULL;
	if (inst) {
		add(&inst->c[GMEM_INST_binds], 1);
		add(&inst->c[GMEM_INST_bound_pages], r->bound_pages);
	}
}

static __always_inline void end_request(struct kvm *kvm, __u32 kind, unsigned long arg, long ret)
{
	struct request *r = current_request(0);
	struct gmem_vm *vm;

	/* Begun before we were there. */
	if (!r || r->kind != kind)
		return;
	r->kind = REQUEST_NONE;
	/* Refused before the request was looked at: another process, unreadable, unknown. */
	if (ret == -EIO || ret == -EFAULT || ret == -ENOTTY)
		return;
	if (!r->read && read_request(r, kind, arg)) {
		add(&lost[GMEM_LOST_unread], 1);
		return;
	}
	vm = get_vm(kvm);
	if (!vm)
		return;
	if (kind == REQUEST_CONVERT)
		end_convert(vm, r, ret);
	else
		end_bind(vm, r, ret);
}

/* The file behind a descriptor of the current process. */
static __always_inline struct file *file_of_fd(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

#endif /* GMEM_REQUEST_H */
