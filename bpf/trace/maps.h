/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps and the global numbers of gmem_trace.bpf.c. */
#ifndef GMEM_TRACE_MAPS_H
#define GMEM_TRACE_MAPS_H

#include "../abi/trace.h"
#include "../kernel/types.h"

/* Sizes are set by user space. No map is per CPU: memory must not grow with the number of CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64); /* struct kvm */
	__type(value, struct gmem_vm);
} gmem_vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct gmem_inst_key);
	__type(value, struct gmem_inst);
} gmem_instances SEC(".maps");

/* What ended since user space looked last, by id; user space takes the entries out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct gmem_vm);
} gmem_ended_vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct gmem_inst);
} gmem_ended_inst SEC(".maps");

/* VMs that were made since user space looked last. What does not fit is only a name. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
} gmem_births SEC(".maps");

/* A VM's entry is too large for the stack: new ones begin as a copy of this, which stays empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gmem_vm);
} gmem_blank SEC(".maps");

__u64 next_id = GMEM_ID_FIRST;
__u64 lost[GMEM_LOST_MAX];
/* How many entries were ever put into ended_vms and ended_instances. */
__u64 nr_ended_vms, nr_ended_instances;
struct gmem_hot_vm hot_vms[GMEM_HOT_VMS];
struct gmem_hot_inst hot_insts[GMEM_HOT_INSTS];

/* Hot places are only given away where their owner's end is seen. */
const volatile bool use_hot_vms;
const volatile bool use_hot_insts;

static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

#endif /* GMEM_TRACE_MAPS_H */
