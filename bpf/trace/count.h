/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the programs of gmem_trace.bpf.c count. Included there only.
 *
 * Entries are made when a VM or an instance is first seen. Where there is no room the numbers go to
 * the entry "other" (key 0), which user space makes before anything is attached.
 */
#ifndef GMEM_TRACE_COUNT_H
#define GMEM_TRACE_COUNT_H

#include "../kernel/kvm.h"
#include "buckets.h"
#include "heat.h"
#include "maps.h"
#include "private.h"

static __always_inline void identify(struct gmem_vm *vm, struct kvm *kvm, struct task_struct *task)
{
	/* VM ioctls only work in the address space that made the VM: that one is the VMM. */
	if (BPF_CORE_READ(task, mm) != BPF_CORE_READ(kvm, mm))
		return;
	vm->tgid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_STR_INTO(&vm->comm, task, comm);
}

/* What the VMM was called, of which the current task is a part. */
static __noinline int tell_birth(struct gmem_vm *vm, struct kvm *kvm)
{
	unsigned long start = BPF_CORE_READ(kvm, mm, arg_start);
	unsigned long size = BPF_CORE_READ(kvm, mm, arg_end) - start;
	struct gmem_birth *birth;

	if (!vm)
		return 0;
	birth = bpf_ringbuf_reserve(&gmem_births, sizeof(*birth), 0);
	if (!birth)
		return 0;
	birth->vm_id = vm->id;
	birth->cut = size >= GMEM_ARGS_MAX;
	if (birth->cut)
		size = GMEM_ARGS_MAX - 1;
	/* For the verifier, which would compare another register. */
	barrier_var(size);
	size &= GMEM_ARGS_MAX - 1;
	birth->len = size;
	if (bpf_probe_read_user(birth->args, size, (void *)start))
		birth->len = 0;
	/* User space reads it with the next frame. */
	bpf_ringbuf_submit(birth, BPF_RB_NO_WAKEUP);
	return 0;
}

static __noinline struct gmem_vm *add_vm(struct kvm *kvm)
{
	__u64 key = (__u64)kvm, other = 0;
	struct gmem_vm *vm;
	__u32 zero = 0;
	int ret;

	vm = bpf_map_lookup_elem(&gmem_blank, &zero);
	if (!vm)
		return NULL;
	ret = bpf_map_update_elem(&gmem_vms, &key, vm, BPF_NOEXIST);
	vm = bpf_map_lookup_elem(&gmem_vms, &key);
	if (!vm) {
		add(&lost[GMEM_LOST_vms_full], 1);
		return bpf_map_lookup_elem(&gmem_vms, &other);
	}
	if (ret)
		return vm;
	vm->kvm = key;
	vm->mm = (__u64)BPF_CORE_READ(kvm, mm);
	vm->first_ns = bpf_ktime_get_ns();
	vm->private_pages = GMEM_UNKNOWN;
	vm->type = kvm_type_of(kvm);
	vm->tgid = creator_of(kvm);
	vm->key = key_of(kvm, &vm->key_kind);
	vm->id = __sync_fetch_and_add(&next_id, 1);
	return vm;
}

static __always_inline struct gmem_vm *get_vm_of(struct kvm *kvm, struct task_struct *task)
{
	__u64 key = (__u64)kvm;
	struct gmem_vm *vm;

	vm = bpf_map_lookup_elem(&gmem_vms, &key);
	if (!vm)
		vm = add_vm(kvm);
	if (vm && vm->kvm && !vm->comm[0])
		identify(vm, kvm, task);
	return vm;
}

/* The entry of a VM, made if there is none. */
static __always_inline struct gmem_vm *get_vm(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct gmem_vm *vm;

	if (!kvm)
		return NULL;
	vm = bpf_map_lookup_elem(&gmem_vms, &key);
	if (vm)
		return vm;
	vm = add_vm(kvm);
	if (vm && vm->kvm) {
		identify(vm, kvm, (struct task_struct *)bpf_get_current_task());
		if (vm->comm[0]) {
			vm->cgroup = bpf_get_current_cgroup_id();
			tell_birth(vm, kvm);
		}
	}
	return vm;
}

static __noinline struct gmem_inst *add_inst(struct kvm *kvm, struct inode *inode, __u32 born)
{
	struct gmem_inst_key key = {}, other = {};
	struct gmem_inst fresh = {}, *inst;
	struct gmem_vm *vm;

	vm = get_vm(kvm);
	if (!vm)
		return NULL;
	key.ino = BPF_CORE_READ(inode, i_ino);
	key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	fresh.id = __sync_fetch_and_add(&next_id, 1);
	fresh.vm_id = vm->id;
	fresh.kvm = (__u64)kvm;
	fresh.inode = (__u64)inode;
	fresh.size = BPF_CORE_READ(inode, i_size);
	fresh.flags = flags_of(inode);
	fresh.ino = key.ino;
	fresh.dev = key.dev;
	fresh.born = born;
	bpf_map_update_elem(&gmem_instances, &key, &fresh, BPF_NOEXIST);
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	if (inst)
		return inst;
	add(&lost[GMEM_LOST_instances_full], 1);
	return bpf_map_lookup_elem(&gmem_instances, &other);
}

/* The entry of an instance, made if there is none; NULL for no inode. */
static __always_inline struct gmem_inst *get_inst(struct kvm *kvm, struct inode *inode)
{
	struct gmem_inst_key key;
	struct gmem_inst *inst;

	if (!inode)
		return NULL;
	inst_key(&key, inode);
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	return inst ?: add_inst(kvm, inode, 0);
}

static __noinline int count_error(struct gmem_vm *vm, __u32 op, int ret)
{
	__u32 err = -ret, have, i;
	struct gmem_errno *e;

	if (!vm || op >= GMEM_OP_MAX || !err)
		return 0;
	vm->error_op = op;
	vm->error = err;
	vm->error_ns = bpf_ktime_get_ns();
	for (i = 0; i < GMEM_ERRNOS; i++) {
		e = &vm->err[op][i];
		have = *(volatile __u32 *)&e->err;
		if (!have) {
			have = __sync_val_compare_and_swap(&e->err, 0, err);
			if (!have)
				have = err;
		}
		if (have == err) {
			__sync_fetch_and_add(&e->count, 1);
			return 0;
		}
	}
	add(&vm->err_other[op], 1);
	return 0;
}

static __always_inline void count_vm_error(struct kvm *kvm, __u32 op, int ret)
{
	struct gmem_vm *vm = get_vm(kvm);

	if (vm)
		count_error(vm, op, ret);
}

static __always_inline void count_duration(__u64 *sum, struct gmem_latency *latency, __u64 ns)
{
	__u64 max = latency->max_ns;
	int tries;

	add(sum, ns);
	__sync_fetch_and_add(&latency->hist[gmem_bucket(ns) & (GMEM_HIST_BUCKETS - 1)], 1);
	for (tries = 0; tries < 4 && ns > max; tries++)
		max = __sync_val_compare_and_swap(&latency->max_ns, max, ns);
}

/* A VM has one hot place at most; while it has not got it, the index says nothing. */
static __noinline int claim_hot_vm(struct gmem_vm *vm, struct gmem_hot_vm *hot, __u32 index)
{
	if (!vm || !hot || __sync_val_compare_and_swap(&vm->hot, 0, index + 1))
		return 0;
	if (__sync_val_compare_and_swap(&hot->kvm, 0, vm->kvm))
		vm->hot = 0;
	return 0;
}

/*
 * Count a conversion that was done. @pid: of the creator, which says where the hot place is;
 * negative: not known. @changed: GMEM_UNKNOWN where the kernel does not tell, 0 for a redundant
 * one. @ns: 0: unknown.
 */
static __always_inline void count_conversion(struct kvm *kvm, int pid, __u32 direction, __u64 gfn,
					     __u64 pages, __u64 changed, __u64 ns, bool judged)
{
	__u32 index = pid & (GMEM_HOT_VMS - 1);
	struct gmem_hot_vm *hot = &hot_vms[index];
	struct gmem_latency *latency;
	struct gmem_heat *heat;
	struct gmem_vm *vm;
	__u64 *c;

	if (hot->kvm == (__u64)kvm) {
		c = hot->c;
		latency = hot->latency;
		heat = &hot->heat;
	} else {
		vm = get_vm(kvm);
		if (!vm)
			return;
		if (use_hot_vms && vm->kvm && !hot->kvm && !vm->hot)
			claim_hot_vm(vm, hot, index);
		c = vm->c;
		latency = vm->latency;
		heat = &vm->heat;
	}
	count_heat(heat, gfn, pages);
	if (direction) {
		c += GMEM_PER_DIRECTION;
		latency++;
	}
	add(&c[GMEM_VM_to_private], 1);
	add(&c[GMEM_VM_to_private_pages], pages);
	if (!changed)
		add(&c[GMEM_VM_to_private_redundant], 1);
	else if (changed != GMEM_UNKNOWN)
		add(&c[GMEM_VM_to_private_changed_pages], changed);
	if (judged)
		add(&latency->judged, 1);
	if (ns)
		count_duration(&c[GMEM_VM_to_private_ns], latency, ns);
}

static __always_inline void fold_hot_vm(struct gmem_vm *vm)
{
	struct gmem_hot_vm *hot = &hot_vms[(vm->hot - 1) & (GMEM_HOT_VMS - 1)];
	int i, d;

	if (!vm->hot || hot->kvm != vm->kvm)
		return;
	for (i = 0; i < GMEM_HOT_VM_COUNTERS; i++) {
		add(&vm->c[i], hot->c[i]);
		hot->c[i] = 0;
	}
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		if (hot->latency[d].max_ns > vm->latency[d].max_ns)
			vm->latency[d].max_ns = hot->latency[d].max_ns;
		vm->latency[d].judged += hot->latency[d].judged;
		for (i = 0; i < GMEM_HIST_BUCKETS; i++) {
			vm->latency[d].hist[i] += hot->latency[d].hist[i];
			hot->latency[d].hist[i] = 0;
		}
		hot->latency[d].max_ns = hot->latency[d].judged = 0;
	}
	move_heat(&vm->heat, &hot->heat);
	vm->hot = 0;
	__sync_lock_test_and_set(&hot->kvm, 0);
}

/*
 * The entry of a VM that has ended moves to ended_vms. Not static: the verifier looks at it once,
 * whatever ways lead here.
 */
__noinline int move_to_ended(struct gmem_vm *vm)
{
	__u64 key;

	if (!vm)
		return 0;
	fold_hot_vm(vm);
	key = vm->kvm;
	vm->ended_ns = bpf_ktime_get_ns();
	vm->kvm = 0;
	if (bpf_map_update_elem(&gmem_ended_vms, &vm->id, vm, BPF_ANY))
		add(&lost[GMEM_LOST_ended_full], 1);
	else
		add(&nr_ended_vms, 1);
	bpf_map_delete_elem(&gmem_vms, &key);
	return 0;
}

/*
 * A VM begins to use guest_memfd. If the kernel left out the run that would have told of the end of
 * another one, and gave its memory to this one, the entry is the other's.
 */
static __noinline int forget_former(struct kvm *kvm)
{
	__u64 address = (__u64)kvm, key;
	struct gmem_vm *vm;
	__u32 kind;

	if (!kvm)
		return 0;
	vm = bpf_map_lookup_elem(&gmem_vms, &address);
	if (!vm || !vm->kvm)
		return 0;
	key = key_of(kvm, &kind);
	if (kind == GMEM_KEY_SEEN || vm->key_kind != kind || vm->key == key)
		return 0;
	add(&lost[GMEM_LOST_ends], 1);
	move_to_ended(vm);
	return 0;
}

static __always_inline void count_create(struct kvm *kvm, struct inode *inode, __u64 size, int ret)
{
	struct gmem_vm *vm;

	forget_former(kvm);
	vm = get_vm(kvm);
	if (!vm)
		return;
	if (ret < 0) {
		count_error(vm, GMEM_OP_create, ret);
		return;
	}
	add(&vm->c[GMEM_VM_creates], 1);
	add(&vm->c[GMEM_VM_created_pages], size >> PAGE_SHIFT);
	if (inode)
		add_inst(kvm, inode, 1);
}

/* The counters of an instance that has no hot place, and one if there is one left. */
static __noinline __u64 *cold_inst(struct kvm *kvm, struct inode *inode, struct gmem_hot_inst *hot,
				   __u32 index)
{
	struct gmem_inst *inst = get_inst(kvm, inode);

	if (!inst)
		return NULL;
	if (use_hot_insts && inst->inode && !hot->inode &&
	    !__sync_val_compare_and_swap(&hot->inode, 0, (__u64)inode))
		inst->hot = index + 1;
	return inst->c;
}

/* Where the faults of an instance are counted. */
static __always_inline __u64 *fault_counters(struct kvm *kvm, struct inode *inode)
{
	struct gmem_hot_inst *hot;
	__u32 index;

	if (!inode)
		return NULL;
	index = inode->i_ino & (GMEM_HOT_INSTS - 1);
	hot = &hot_insts[index];
	if (hot->inode == (__u64)inode)
		return hot->c;
	return cold_inst(kvm, inode, hot, index);
}

static __always_inline __u64 *fault_counters_of(struct file *file)
{
	struct inode *inode = file->f_inode;
	struct gmem_hot_inst *hot;
	__u32 index;

	index = inode->i_ino & (GMEM_HOT_INSTS - 1);
	hot = &hot_insts[index];
	if (hot->inode == (__u64)inode)
		return hot->c;
	return cold_inst(kvm_of(file), inode, hot, index);
}

static __always_inline void count_host_fault(__u64 *c, __u32 result)
{
	if (!c)
		return;
	if (result & VM_FAULT_ERROR)
		add(&c[GMEM_INST_host_faults_refused], 1);
	else if (!(result & VM_FAULT_RETRY))
		add(&c[GMEM_INST_host_faults], 1);
}

static __always_inline void count_mmap(struct kvm *kvm, struct inode *inode, __u64 size, int ret)
{
	struct gmem_inst *inst;

	if (ret) {
		count_vm_error(kvm, GMEM_OP_mmap, ret);
		return;
	}
	inst = get_inst(kvm, inode);
	if (inst) {
		add(&inst->c[GMEM_INST_mmaps], 1);
		add(&inst->c[GMEM_INST_mmapped_pages], size >> PAGE_SHIFT);
	}
}

static __always_inline void count_populate(struct kvm *kvm, long ret)
{
	struct gmem_vm *vm = get_vm(kvm);

	if (!vm)
		return;
	if (ret < 0) {
		count_error(vm, GMEM_OP_populate, ret);
		return;
	}
	add(&vm->c[GMEM_VM_populates], 1);
	add(&vm->c[GMEM_VM_populated_pages], ret);
}

/* Give the hot place back: its numbers go to the entry. */
static __always_inline void fold_hot_inst(struct gmem_inst *inst)
{
	struct gmem_hot_inst *hot = &hot_insts[(inst->hot - 1) & (GMEM_HOT_INSTS - 1)];
	int i;

	if (!inst->hot || hot->inode != inst->inode)
		return;
	for (i = 0; i < GMEM_HOT_INST_COUNTERS; i++) {
		add(&inst->c[i], hot->c[i]);
		hot->c[i] = 0;
	}
	inst->hot = 0;
	__sync_lock_test_and_set(&hot->inode, 0);
}

/*
 * An instance ends: its entry moves to ended_instances. Without room there its numbers are added to
 * its VM's, so that at most the name is lost.
 */
static __always_inline void count_release(struct kvm *kvm, struct inode *inode)
{
	struct gmem_inst_key key;
	struct gmem_inst *inst;
	struct gmem_vm *vm;
	__u64 resident;
	int i;

	inst_key(&key, inode);
	resident = resident_pages_of(inode);
	vm = get_vm(kvm);
	if (vm) {
		add(&vm->c[GMEM_VM_releases], 1);
		add(&vm->c[GMEM_VM_released_pages], resident);
	}
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	if (!inst)
		return;
	fold_hot_inst(inst);
	inst->resident = resident;
	inst->inode = 0;
	if (!bpf_map_update_elem(&gmem_ended_inst, &inst->id, inst, BPF_ANY)) {
		add(&nr_ended_instances, 1);
	} else if (vm) {
		for (i = 0; i < GMEM_INST_MAX; i++)
			add(&vm->folded[i], inst->c[i]);
	}
	bpf_map_delete_elem(&gmem_instances, &key);
}

/* With the file all bindings of an instance end, which KVM does without a call for each. */
static __always_inline void count_unbound(struct inode *inode)
{
	struct gmem_inst_key key;
	struct gmem_inst *inst;
	__u64 *c;

	inst_key(&key, inode);
	inst = bpf_map_lookup_elem(&gmem_instances, &key);
	if (!inst)
		return;
	c = inst->c;
	if (c[GMEM_INST_binds] > c[GMEM_INST_unbinds]) {
		c[GMEM_INST_unbinds] = c[GMEM_INST_binds];
		c[GMEM_INST_unbound_pages] = c[GMEM_INST_bound_pages];
	}
}

/* Who released it. A kernel thread does so for another process, which is gone. */
static __always_inline void note_end(struct gmem_vm *vm)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->flags & PF_KTHREAD)
		return;
	vm->ended_by = task->tgid;
	vm->exiting = !!(task->flags & PF_EXITING);
	vm->exit_code = task->exit_code;
}

/* A VM ends, after all of its instances. */
static __always_inline void end_vm(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct gmem_vm *vm;

	vm = bpf_map_lookup_elem(&gmem_vms, &key);
	if (!vm)
		return;
	vm->private_pages = private_pages_of(vm, kvm);
	note_end(vm);
	move_to_ended(vm);
}

#endif /* GMEM_TRACE_COUNT_H */
