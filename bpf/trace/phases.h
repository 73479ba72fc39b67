/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How gmem_latency.bpf.c follows a conversion. Included there only.
 *
 * A thread that runs a vCPU has at most one conversion under way: from the exit of the guest until
 * the thread's next KVM_RUN. What it spends its time on is kept there, and counted for the vCPU at
 * the end, in one map entry. KVM lets one thread at a time run a vCPU, so no update of the entry is
 * atomic.
 */
#ifndef GMEM_TRACE_PHASES_H
#define GMEM_TRACE_PHASES_H

#include "../abi/latency.h"
#include "../kernel/kvm.h"
#include "buckets.h"

#define KVM_EXIT_MEMORY_FAULT 39

/* Odd, so that different numbers of VMs give different keys of vCPUs at one address. */
#define KEY_FACTOR 0x9e3779b97f4a7c15ULL

#define MAX_CONVERSIONS 4096
#define MAX_WAITS	4 /* a power of two */
/* A thread that does not enter the guest again for so long may have ended. */
#define ABANDONED_NS 10000000000ULL

struct conversion {
	__u64 task;	    /* whose it is, 0: free; */
	__u64 born;	    /* and not another one's that had its address before */
	__u64 exit_ns;	    /* 0: none is under way */
	__u64 set_ns_begin; /* of the call that is under way */
	__u64 asked_gfn, asked_pages, attributes;
	__u64 lock_ns, set_ns; /* of the calls that ended */
	__u64 gfn, pages;
	__u64 memory_ns, call_ns;
	__u32 exit, direction;
	__u32 sets;  /* calls that ended well */
	__u32 calls; /* of fallocate and madvise */
	__u32 depth; /* of such calls: one may call the other */
	__u32 slow;  /* the entry among the slowest, plus 1, 0: none */
	/* After KVM_RUN, until the vCPU faults on the range. */
	__u64 run_ns; /* 0: it is not waited for */
	__u64 vcpu;   /* that had the conversion, struct kvm_vcpu */
	__u64 key;    /* of its entry */
	/* Mutexes that the thread slept or spun for; the oldest one makes room. */
	struct wait {
		__u64 lock, begin_ns, end_ns;
	} waits[MAX_WAITS];
	__u64 kvm;	/* whose lock is looked for in them */
	__u32 nr_waits; /* that ended since the exit, or since the last call */
};

/* By pid. A conversion that finds its place in use by another thread is not followed. */
static struct conversion conversions[MAX_CONVERSIONS];

/* Exits that could not be followed. */
__u64 untimed;

const volatile bool sees_lock;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GMEM_MAX_VCPUS);
	__type(key, __u64);
	__type(value, struct gmem_vcpu);
} gmem_vcpus SEC(".maps");

/* An entry is too large for the stack: new ones begin as a copy of this, which stays empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gmem_vcpu);
} gmem_no_vcpu SEC(".maps");

static __always_inline struct conversion *conversion_of(struct task_struct *task)
{
	struct conversion *c = &conversions[task->pid & (MAX_CONVERSIONS - 1)];

	return c->task == (__u64)task && c->born == task->start_boottime ? c : NULL;
}

/* The conversion that the current thread has under way, or NULL. */
static __always_inline struct conversion *current_conversion(void)
{
	struct conversion *c = conversion_of(bpf_get_current_task_btf());

	return c && c->exit_ns ? c : NULL;
}

static __noinline int begin_conversion(__u32 reason)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct conversion *c = &conversions[task->pid & (MAX_CONVERSIONS - 1)];
	__u64 now = bpf_ktime_get_ns(), owner = c->task, exit_ns = c->exit_ns;

	if (owner != (__u64)task) {
		if ((owner && exit_ns && now - exit_ns < ABANDONED_NS) ||
		    __sync_val_compare_and_swap(&c->task, owner, (__u64)task) != owner) {
			__sync_fetch_and_add(&untimed, 1);
			return 0;
		}
	}
	c->born = task->start_boottime;
	c->run_ns = 0;
	c->set_ns_begin = 0;
	c->lock_ns = c->set_ns = c->memory_ns = 0;
	c->sets = c->calls = c->depth = c->nr_waits = 0;
	c->exit = reason;
	c->exit_ns = now;
	return 0;
}

static __always_inline void begin_wait(struct conversion *c, __u64 lock)
{
	struct wait *wait = &c->waits[c->nr_waits & (MAX_WAITS - 1)];

	wait->lock = lock;
	wait->end_ns = 0;
	wait->begin_ns = bpf_ktime_get_ns();
}

static __always_inline void end_wait(struct conversion *c, __u64 lock)
{
	struct wait *wait = &c->waits[c->nr_waits & (MAX_WAITS - 1)];

	/* Not one that began before the exit, or before gmemtop. */
	if (wait->lock != lock || wait->end_ns)
		return;
	wait->end_ns = bpf_ktime_get_ns();
	c->nr_waits++;
}

/* How long a call, which ends now, waited for slots_lock of its VM. @duration: of the call */
static __noinline __u64 waited_ns(struct conversion *c, __u64 kvm, __u64 duration)
{
	__u64 begin_ns = bpf_ktime_get_ns() - duration, ns = 0;
	struct wait *wait;
	__u64 lock;
	__u32 i;

	if (!c)
		return 0;
	c->kvm = kvm;
	/* From there it is a number: nothing may be added to a pointer. */
	lock = *(volatile __u64 *)&c->kvm + bpf_core_field_offset(((struct kvm *)0)->slots_lock);
	for (i = 0; i < MAX_WAITS; i++) {
		wait = &c->waits[i];
		/* Earlier calls took the lock too. */
		if (wait->lock == lock && wait->end_ns > begin_ns)
			ns += wait->end_ns - wait->begin_ns;
	}
	c->nr_waits = 0;
	/* The call's clock is not read at the same moments. */
	return ns < duration ? ns : duration;
}

/* KVM_SET_MEMORY_ATTRIBUTES ended well. @kvm: the address of its VM */
static __always_inline void end_set(struct conversion *c, __u64 kvm, __u64 duration, __u64 gfn,
				    __u64 pages, __u64 attributes)
{
	__u64 lock_ns = 0;

	if (c->nr_waits)
		lock_ns = waited_ns(c, kvm, duration);
	c->lock_ns += lock_ns;
	c->set_ns += duration - lock_ns;
	if (!c->sets) {
		c->gfn = gfn;
		c->pages = pages;
		c->direction = !(attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE);
	} else if (c->gfn + c->pages == gfn) {
		c->pages += pages;
	}
	c->sets++;
}

static __always_inline void begin_memory(void)
{
	struct conversion *c = current_conversion();

	if (c && !c->depth++)
		c->call_ns = bpf_ktime_get_ns();
}

static __always_inline void end_memory(void)
{
	struct conversion *c = current_conversion();

	/* Not one that began before gmemtop. */
	if (!c || !c->depth || --c->depth)
		return;
	c->memory_ns += bpf_ktime_get_ns() - c->call_ns;
	c->calls++;
}

/* Tells a VM from another one that had its address before; cheap, and 0 where nothing does. */
static __always_inline __u64 number_of(struct kvm *kvm)
{
	struct dentry *dir;

	if (bpf_core_field_exists(kvm->id))
		return kvm->id;
	if (!bpf_core_field_exists(kvm->debugfs_dentry))
		return 0;
	dir = kvm->debugfs_dentry;
	return dir && (__u64)dir < (__u64)-4095 ? dir->d_inode->i_ino : 0;
}

static __noinline struct gmem_vcpu *add_vcpu(struct kvm *kvm, __u64 *key, __u32 id)
{
	struct gmem_vcpu *entry;
	__u32 zero = 0;

	if (!key)
		return NULL;
	entry = bpf_map_lookup_elem(&gmem_no_vcpu, &zero);
	if (!entry)
		return NULL;
	bpf_map_update_elem(&gmem_vcpus, key, entry, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(&gmem_vcpus, key);
	if (!entry)
		return NULL;
	entry->begun++;
	entry->kvm = (__u64)kvm;
	entry->vm = key_of(kvm, &entry->key_kind);
	entry->id = id;
	entry->ended++;
	return entry;
}

/* Not static: the verifier looks at it once, whatever ways lead here. */
__noinline int count_phase(struct gmem_phase *phase, __u64 ns)
{
	if (!phase)
		return 0;
	phase->count++;
	phase->sum_ns += ns;
	phase->latency.hist[gmem_bucket(ns) & (GMEM_HIST_BUCKETS - 1)]++;
	if (ns > phase->latency.max_ns)
		phase->latency.max_ns = ns;
	return 0;
}

/* Nearly all of them did not wait. */
static __always_inline void count_lock(struct gmem_phase *phase, __u64 ns)
{
	if (ns) {
		count_phase(phase, ns);
	} else {
		phase->count++;
		phase->latency.hist[0]++;
	}
}

/* In the place of the fastest one of the slowest. */
static __noinline int keep_slow(struct gmem_vcpu *entry, struct conversion *c, __u64 total)
{
	__u32 i, at, fastest = 0;
	struct gmem_slow *slow;
	__u64 ns, least = ~0ULL;

	if (!entry || !c)
		return 0;
	at = entry->slowest & (GMEM_SLOWEST - 1);
	slow = &entry->slow[at];
	slow->exit_ns = c->exit_ns;
	slow->gfn = c->gfn;
	slow->pages = c->pages;
	slow->ns[GMEM_PHASE_vmm] = total - c->lock_ns - c->set_ns - c->memory_ns;
	slow->ns[GMEM_PHASE_lock] = sees_lock ? c->lock_ns : GMEM_UNKNOWN;
	slow->ns[GMEM_PHASE_set] = c->set_ns;
	slow->ns[GMEM_PHASE_memory] = c->calls ? c->memory_ns : GMEM_UNKNOWN;
	slow->ns[GMEM_PHASE_total] = total;
	slow->ns[GMEM_PHASE_fault] = GMEM_UNKNOWN;
	slow->direction = c->direction;
	slow->exit = c->exit;
	c->slow = at + 1;
	for (i = 0; i < GMEM_SLOWEST; i++) {
		ns = entry->slow[i].ns[GMEM_PHASE_total];
		if (ns < least) {
			least = ns;
			fastest = i;
		}
	}
	entry->slowest = fastest;
	return 0;
}

/* The guest is entered again: count what the conversion spent its time on. */
static __always_inline void end_conversion(struct conversion *c, struct kvm_vcpu *vcpu)
{
	__u64 now = bpf_ktime_get_ns(), total = now - c->exit_ns;
	struct kvm *kvm = vcpu->kvm;
	struct gmem_vcpu *entry;

	c->vcpu = (__u64)vcpu;
	/* From there it is a number: nothing may be added to a pointer. */
	c->key = *(volatile __u64 *)&c->vcpu + number_of(kvm) * KEY_FACTOR;
	entry = bpf_map_lookup_elem(&gmem_vcpus, &c->key);
	if (!entry)
		entry = add_vcpu(kvm, &c->key, vcpu->vcpu_id);
	if (!entry) {
		__sync_fetch_and_add(&untimed, 1);
		c->exit_ns = 0;
		return;
	}
	entry->begun++;
	barrier();
	count_phase(&entry->phase[GMEM_PHASE_vmm], total - c->lock_ns - c->set_ns - c->memory_ns);
	if (sees_lock)
		count_lock(&entry->phase[GMEM_PHASE_lock], c->lock_ns);
	count_phase(&entry->phase[GMEM_PHASE_set], c->set_ns);
	if (c->calls)
		count_phase(&entry->phase[GMEM_PHASE_memory], c->memory_ns);
	count_phase(&entry->phase[GMEM_PHASE_total], total);
	c->slow = 0;
	if (total > entry->slow[entry->slowest & (GMEM_SLOWEST - 1)].ns[GMEM_PHASE_total])
		keep_slow(entry, c, total);
	barrier();
	entry->ended++;
	c->exit_ns = 0;
	c->run_ns = now;
}

/* Is it the first fault on the range? */
static __noinline int count_fault(struct conversion *c, struct kvm_vcpu *vcpu, __u64 gfn)
{
	struct gmem_vcpu *entry;
	struct gmem_slow *slow;
	__u64 ns, run_ns;

	if (!c || !vcpu)
		return 0;
	if (bpf_core_field_exists(vcpu->kvm->arch.gfn_direct_bits))
		gfn &= ~vcpu->kvm->arch.gfn_direct_bits;
	if (gfn - c->gfn >= c->pages || c->vcpu != (__u64)vcpu)
		return 0;
	run_ns = c->run_ns;
	ns = bpf_ktime_get_ns() - run_ns;
	c->run_ns = 0;
	entry = bpf_map_lookup_elem(&gmem_vcpus, &c->key);
	if (!entry)
		return 0;
	entry->begun++;
	barrier();
	count_phase(&entry->phase[GMEM_PHASE_fault], ns);
	slow = &entry->slow[(c->slow - 1) & (GMEM_SLOWEST - 1)];
	/* Another thread may have run the vCPU meanwhile. */
	if (c->slow && slow->exit_ns + slow->ns[GMEM_PHASE_total] == run_ns)
		slow->ns[GMEM_PHASE_fault] = ns;
	barrier();
	entry->ended++;
	return 0;
}

#endif /* GMEM_TRACE_PHASES_H */
