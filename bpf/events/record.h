/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How bpf/events/gmem_events.bpf.c makes a record: the filters, the counters, who did it, in which
 * VM. Included there only.
 */
#ifndef GMEM_EVENTS_RECORD_H
#define GMEM_EVENTS_RECORD_H

#include "../abi/events.h"

#include "../kernel/inode.h"
#include "../kernel/kvm.h"

#define MAX_VMS	     65536
#define MAX_REQUESTS 8192

/* Its size is set by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} gmem_stream SEC(".maps");

/* The VMs that were seen, by struct kvm. They leave when they end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_VMS);
	__type(key, __u64);
	__type(value, struct gmem_event_vm);
} gmem_vms SEC(".maps");

/* The cgroup of the filter; only made when there is one. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} gmem_cgroups SEC(".maps");

/* The filters. */
const volatile __u32 wanted; /* bit per event */
const volatile __u32 only_pid;
const volatile bool only_cgroup;
const volatile bool only_errors;
const volatile __u64 min_duration;
const volatile bool with_stacks;
const volatile __u64 wake_at; /* bytes of the stream that nobody has read */

__u64 next_vm = GMEM_ID_FIRST;
__u64 next_seq, nr_lost;
struct gmem_event_counts counts[GMEM_EV_MAX];
__u64 unread;	 /* requests that could not be read from the VMM's memory */
__u64 untracked; /* requests that could not be followed from entry to exit */

static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline void inst_of(struct inode *inode, struct gmem_event_inst *inst)
{
	__builtin_memset(inst, 0, sizeof(*inst));
	if (!inode)
		return;
	inst->ino = BPF_CORE_READ(inode, i_ino);
	inst->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	inst->size = BPF_CORE_READ(inode, i_size);
	inst->flags = flags_of(inode);
}

/* VM ioctls only work in the address space that made the VM: that one is the VMM. */
static __always_inline void identify(struct gmem_event_vm *vm, struct kvm *kvm)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (BPF_CORE_READ(task, mm) != BPF_CORE_READ(kvm, mm))
		return;
	vm->tgid = BPF_CORE_READ(task, tgid);
	bpf_get_current_comm(vm->comm, sizeof(vm->comm));
}

static __noinline struct gmem_event_vm *add_vm(struct kvm *kvm)
{
	struct gmem_event_vm fresh = {};
	__u64 key = (__u64)kvm;

	fresh.type = kvm_type_of(kvm);
	fresh.tgid = creator_of(kvm);
	fresh.key = key_of(kvm, &fresh.key_kind);
	fresh.id = __sync_fetch_and_add(&next_vm, 1);
	identify(&fresh, kvm);
	bpf_map_update_elem(&gmem_vms, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&gmem_vms, &key);
}

static __always_inline struct gmem_event_vm *get_vm(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct gmem_event_vm *vm;

	if (!kvm)
		return NULL;
	vm = bpf_map_lookup_elem(&gmem_vms, &key);
	if (!vm)
		vm = add_vm(kvm);
	if (vm && !vm->comm[0])
		identify(vm, kvm);
	return vm;
}

static __always_inline bool passes(const struct gmem_event_vm *vm, bool failed, __u64 duration)
{
	if (only_errors && !failed)
		return false;
	if (min_duration && duration < min_duration)
		return false;
	if (only_pid && bpf_get_current_pid_tgid() >> 32 != only_pid &&
	    !(vm && vm->tgid == only_pid))
		return false;
	return !only_cgroup || bpf_current_task_under_cgroup(&gmem_cgroups, 0) == 1;
}

/* What a task was started from does not change until its next exec. */
struct program {
	__u64 start, exec;
	__u64 inode; /* of the executable, by its address */
	__u64 ino, changed, subvolume;
	__u32 dev, generation;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct program);
} gmem_programs SEC(".maps");

static __noinline int find_exe(struct gmem_event *e, struct inode *exe)
{
	if (!e || !exe)
		return 0;
	e->exe_ino = BPF_CORE_READ(exe, i_ino);
	e->exe_dev = BPF_CORE_READ(exe, i_sb, s_dev);
	e->exe_generation = BPF_CORE_READ(exe, i_generation);
	e->exe_changed = e->exe_generation ? 0 : changed_at(exe);
	e->exe_subvolume = subvolume_of(exe);
	return 0;
}

/* Without memory to remember it, the executable is found for each event. */
static __always_inline void fill_exe(struct gmem_event *e, struct task_struct *task)
{
	struct inode *exe = task->mm->exe_file->f_inode;
	struct program *program;

	program = bpf_task_storage_get(&gmem_programs, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (program && program->start == e->start && program->exec == e->exec &&
	    program->inode == (__u64)exe) {
		e->exe_ino = program->ino;
		e->exe_dev = program->dev;
		e->exe_generation = program->generation;
		e->exe_changed = program->changed;
		e->exe_subvolume = program->subvolume;
		return;
	}
	e->exe_ino = e->exe_changed = e->exe_subvolume = 0;
	e->exe_dev = e->exe_generation = 0;
	find_exe(e, exe);
	if (!program)
		return;
	program->start = e->start;
	program->exec = e->exec;
	program->inode = (__u64)exe;
	program->ino = e->exe_ino;
	program->dev = e->exe_dev;
	program->generation = e->exe_generation;
	program->changed = e->exe_changed;
	program->subvolume = e->exe_subvolume;
}

/* Loads from the task, which need no call, where there is a choice. */
static __always_inline void fill_who(struct gmem_event *e)
{
	struct task_struct *task = bpf_get_current_task_btf();

	e->start = task->group_leader->start_boottime;
	e->exec = task->self_exec_id;
	fill_exe(e, task);
	e->cgroup = task->cgroups->dfl_cgrp->kn->id;
	e->pid = task->tgid;
	e->tid = task->pid;
	e->uid = task->cred->uid.val;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

static __always_inline void fill_stacks(void *ctx, struct gmem_event_stacks *s)
{
	long n;

	/* Without the program itself. */
	n = bpf_get_stack(ctx, s->kernel, sizeof(s->kernel), 1);
	s->event.nr_kernel = n > 0 ? n / sizeof(__u64) : 0;
	n = bpf_get_stack(ctx, s->user, sizeof(s->user), BPF_F_USER_STACK);
	s->event.nr_user = n > 0 ? n / sizeof(__u64) : 0;
}

/**
 * begin_event - a record for an event that passes the filters
 * @ctx: of the program, for stacks
 * @id: which event
 * @kvm: the VM, or NULL
 * @inst: the instance
 * @ret: 0, a negative errno or what VM_FAULT_* says
 * @duration: nanoseconds, 0 for events that have none
 *
 * Return: the record with everything but its fields, which are 0, to be submitted; or NULL, which
 * has been counted.
 */
static __always_inline struct gmem_event *begin_event(void *ctx, __u32 id, struct kvm *kvm,
						      const struct gmem_event_inst *inst, int ret,
						      __u64 duration)
{
	struct gmem_event_stacks *stacks;
	struct gmem_event_vm *vm;
	struct gmem_event *e;
	__u64 seq;

	if (!(wanted & 1U << id))
		return NULL;
	vm = get_vm(kvm);
	if (!passes(vm, ret, duration)) {
		add(&counts[id].filtered, 1);
		return NULL;
	}
	add(&counts[id].emitted, 1);
	seq = __sync_fetch_and_add(&next_seq, 1);
	if (with_stacks) {
		stacks = bpf_ringbuf_reserve(&gmem_stream, sizeof(*stacks), 0);
		e = &stacks->event;
		if (!stacks)
			goto lost;
		fill_stacks(ctx, stacks);
	} else {
		e = bpf_ringbuf_reserve(&gmem_stream, sizeof(*e), 0);
		if (!e)
			goto lost;
		e->nr_kernel = 0;
		e->nr_user = 0;
	}
	e->seq = seq;
	e->lost_before = nr_lost;
	e->time_ns = bpf_ktime_get_ns();
	__builtin_memset(&e->vm, 0, sizeof(e->vm));
	if (vm)
		e->vm = *vm;
	e->inst = *inst;
	fill_who(e);
	e->event = id;
	e->ret = ret;
	e->unknown = 0;
	e->pad = 0;
	__builtin_memset(e->v, 0, sizeof(e->v));
	return e;
lost:
	add(&counts[id].lost, 1);
	add(&nr_lost, 1);
	return NULL;
}

static __always_inline void end_event(struct gmem_event *e)
{
	bool full;

	/* The files that a stack leads through are only known while the process is there. */
	if (with_stacks) {
		bpf_ringbuf_submit(e, 0);
		return;
	}
	full = !(e->seq & 63) && bpf_ringbuf_query(&gmem_stream, BPF_RB_AVAIL_DATA) > wake_at;
	/* A wakeup costs more than the rest of an event. User space comes often enough by itself. */
	bpf_ringbuf_submit(e, full ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* Which fields of an event cannot be told. */
#define UNKNOWN(e, event, field) ((e)->unknown |= GMEM_EV_BIT(event, field))

#endif /* GMEM_EVENTS_RECORD_H */
