/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem_trace.bpf.c and user space share: the layout of the maps and of what the iterators
 * emit, and the lists of facts, counters and operations. Enums, JSON names, columns and help texts
 * all come from these lists; a name is written nowhere else.
 */
#ifndef GMEM_ABI_TRACE_H
#define GMEM_ABI_TRACE_H

#include <linux/types.h>

/*
 * Facts: what a kernel can or cannot tell. A number whose fact is missing is shown as "-".
 * X(name, what the fact is)
 */
#define GMEM_FACTS(X)                                                                      \
	X(convert, "conversions: operations, pages asked for, duration, errors")           \
	X(asked, "what conversions asked for, from KVM itself, not from the VMM's memory") \
	X(changed, "pages that conversions really changed")                                \
	X(redundant, "conversions that changed nothing")                                   \
	X(create, "creations of instances")                                                \
	X(release, "the end of instances")                                                 \
	X(bind, "bindings")                                                                \
	X(unbind, "bindings that ended")                                                   \
	X(allocate, "allocations and punched holes")                                       \
	X(punched, "pages that punched holes really freed")                                \
	X(mmap, "host mappings")                                                           \
	X(guest_fault, "guest faults: KVM took a page from an instance")                   \
	X(first_touch, "guest faults that used a page for the first time")                 \
	X(host_fault, "host faults, done and refused")                                     \
	X(populate, "population with initial contents (SEV-SNP, TDX)")                     \
	X(memory_failure, "pages taken away by a memory failure")                          \
	X(deny, "requests that a security module refused before KVM saw them")             \
	X(deny_fault, "host faults that a security module refused")                        \
	X(private_pages, "private pages, whether bound or not")                            \
	X(vm_end, "the end of VMs")                                                        \
	X(existing, "VMs and instances older than gmemtop")                                \
	X(bindings, "what is bound where, from KVM's memslots")                            \
	X(attributes, "which pages are private, from KVM's attributes")                    \
	X(backing, "which pages of the shared backing are in memory, by kind")             \
	X(phases, "what guests' conversions spend their time on (--latency)")              \
	X(phase_lock, "their wait for slots_lock (--latency)")                             \
	X(phase_memory, "fallocate and madvise of the VMM in them (--latency)")            \
	X(phase_fault, "the guest's first fault after them (--latency)")

/*
 * Counters per VM. Units are those of src/top/fields.h.
 * X(name, fact, unit, what it counts)
 */
#define GMEM_VM_COUNTERS(X)                                                                  \
	X(to_private, convert, COUNT, "conversions to private")                              \
	X(to_private_pages, convert, PAGES, "pages asked for in conversions to private")     \
	X(to_private_changed_pages, changed, PAGES, "pages that became private")             \
	X(to_private_redundant, redundant, COUNT, "conversions to private, changed nothing") \
	X(to_private_ns, convert, NS, "nanoseconds spent in conversions to private")         \
	X(to_shared, convert, COUNT, "conversions to shared")                                \
	X(to_shared_pages, convert, PAGES, "pages asked for in conversions to shared")       \
	X(to_shared_changed_pages, changed, PAGES, "pages that became shared")               \
	X(to_shared_redundant, redundant, COUNT, "conversions to shared, changed nothing")   \
	X(to_shared_ns, convert, NS, "nanoseconds spent in conversions to shared")           \
	X(creates, create, COUNT, "instances created")                                       \
	X(created_pages, create, PAGES, "size of the created instances in pages")            \
	X(releases, release, COUNT, "instances released")                                    \
	X(released_pages, release, PAGES, "pages that were resident when released")          \
	X(populates, populate, COUNT, "populations")                                         \
	X(populated_pages, populate, PAGES, "pages populated")

/* The same per instance, and summed per VM. */
#define GMEM_INST_COUNTERS(X)                                                           \
	X(guest_faults, guest_fault, COUNT, "guest faults (KVM took a page)")           \
	X(first_touches, first_touch, COUNT, "guest faults that used a page first")     \
	X(host_faults, host_fault, COUNT, "host faults")                                \
	X(host_faults_refused, host_fault, COUNT, "host faults that ended in a signal") \
	X(allocates, allocate, COUNT, "allocations")                                    \
	X(allocated_pages, allocate, PAGES, "pages allocated, or there already")        \
	X(punches, allocate, COUNT, "holes punched")                                    \
	X(punched_pages, punched, PAGES, "pages that punched holes freed")              \
	X(mmaps, mmap, COUNT, "host mappings made")                                     \
	X(mmapped_pages, mmap, PAGES, "pages mapped")                                   \
	X(binds, bind, COUNT, "bindings made")                                          \
	X(bound_pages, bind, PAGES, "pages bound")                                      \
	X(unbinds, unbind, COUNT, "bindings ended")                                     \
	X(unbound_pages, unbind, PAGES, "pages unbound")                                \
	X(memory_failures, memory_failure, COUNT, "memory failures")                    \
	X(host_faults_denied, deny_fault, COUNT, "host faults that a security module refused")

/* X(name, fact, what it is): operations that can fail, by errno */
#define GMEM_OPS(X)                                                       \
	X(convert_private, convert, "conversion to private")              \
	X(convert_shared, convert, "conversion to shared")                \
	X(convert_other, convert, "change of attributes that is neither") \
	X(create, create, "creation of an instance")                      \
	X(bind, bind, "binding")                                          \
	X(allocate, allocate, "allocation")                               \
	X(punch, allocate, "punching a hole")                             \
	X(mmap, mmap, "host mapping")                                     \
	X(guest_fault, guest_fault, "guest fault")                        \
	X(populate, populate, "population")                               \
	X(receive, deny, "receiving a descriptor")

/* X(name, what was lost) */
#define GMEM_LOSSES(X)                                                                \
	X(vms_full, "events of VMs for which there was no room, counted under other") \
	X(instances_full, "events of instances without room, counted under other")    \
	X(ended_full, "VMs that ended and whose numbers could not be kept")           \
	X(unread, "requests that could not be read from the VMM's memory")            \
	X(untracked, "requests that could not be followed from entry to exit")        \
	X(untimed, "exits of guests whose conversions --latency could not follow")    \
	X(ends, "VMs and instances whose end was not seen, found to be gone later")

enum gmem_fact {
#define X(name, ...) GMEM_FACT_##name,
	GMEM_FACTS(X)
#undef X
		GMEM_FACT_MAX
};

enum gmem_vm_counter {
#define X(name, ...) GMEM_VM_##name,
	GMEM_VM_COUNTERS(X)
#undef X
		GMEM_VM_MAX
};

enum gmem_inst_counter {
#define X(name, ...) GMEM_INST_##name,
	GMEM_INST_COUNTERS(X)
#undef X
		GMEM_INST_MAX
};

enum gmem_op {
#define X(name, ...) GMEM_OP_##name,
	GMEM_OPS(X)
#undef X
		GMEM_OP_MAX
};

enum gmem_loss {
#define X(name, ...) GMEM_LOST_##name,
	GMEM_LOSSES(X)
#undef X
		GMEM_LOST_MAX
};

/* The counters of one direction stand side by side, in the same order for both. */
#define GMEM_DIRECTIONS	   2
#define GMEM_PER_DIRECTION (GMEM_VM_to_shared - GMEM_VM_to_private)

/*
 * A histogram of durations has four buckets for each power of two, so that the ends of a bucket
 * differ by a quarter at most. Bucket n counts n ns where n < 4, else durations from
 * (4 + n % 4) << (n / 4 - 1) ns on. The last one, from 7.5 s on, has no end.
 */
#define GMEM_HIST_BUCKETS 128

#define GMEM_ERRNOS   12 /* different errnos that are told apart per operation */
#define GMEM_ID_OTHER 1	 /* everything for which there was no room */
#define GMEM_ID_FIRST 2
#define GMEM_UNKNOWN  (~0ULL)

/*
 * X(name, number, text): types of VMs. The numbers are KVM's own on x86 (KVM_X86_*_VM), which may
 * become more; on arm64 KVM has names for two and no numbers.
 */
#define GMEM_VM_TYPE_NAMES(X)                          \
	X(default, 0, "default")                       \
	X(software_protected, 1, "software-protected") \
	X(sev, 2, "sev")                               \
	X(sev_es, 3, "sev-es")                         \
	X(sev_snp, 4, "sev-snp")                       \
	X(tdx, 5, "tdx")                               \
	X(normal, 64, "normal")                        \
	X(protected, 65, "protected")

enum gmem_vm_type_name {
#define X(name, number, text) GMEM_VM_TYPE_##name = (number),
	GMEM_VM_TYPE_NAMES(X)
#undef X
};

#define GMEM_TYPE_NONE (~0U) /* it cannot be told */

/* What tells a VM from all others of this boot, also from those that had its address before. */
enum gmem_key {
	GMEM_KEY_NONE,
	GMEM_KEY_NUMBER, /* KVM numbers VMs (kernel-patches/) */
	GMEM_KEY_DIR,	 /* inode of its directory in debugfs, and pid of its creator */
	GMEM_KEY_SEEN,	 /* when it was seen first: of this run only */
};

struct gmem_latency {
	__u64 max_ns;
	__u64 judged; /* conversions of which is known whether they were redundant */
	__u32 hist[GMEM_HIST_BUCKETS]; /* modulo 2^32: user space counts how often they wrap */
};

/* An errno takes the first free place (err 0) of its operation, and keeps it. */
struct gmem_errno {
	__u32 err;
	__u32 count;
};

/*
 * Where conversions happen: pages asked for, by guest address. Cell k begins at page k << shift;
 * when an address lies above the last cell, shift grows and cells are added up. What is converted
 * while that happens, or lies above 4 PiB, is in no cell.
 */
#define GMEM_HEAT_CELLS	    64
#define GMEM_HEAT_MIN_SHIFT 9 /* 2 MiB, from the first growth on */
#define GMEM_HEAT_MAX_SHIFT 34

struct gmem_heat {
	__u32 shift;
	__u32 busy; /* somebody makes it grow, to this */
	__u64 elsewhere;
	__u64 pages[GMEM_HEAT_CELLS];
};

struct gmem_vm {
	__u64 id;	     /* unique since the start; 0: not complete yet */
	__u64 kvm;	     /* struct kvm, 0 when the VM is gone */
	__u64 mm;	     /* struct mm_struct of the VMM: with another one it is another VM */
	__u64 first_ns;	     /* CLOCK_MONOTONIC when it was first seen */
	__u64 cgroup;	     /* id of the VMM's cgroup, 0: unknown */
	__u64 private_pages; /* GMEM_UNKNOWN: the kernel does not say */
	__u64 private_at;    /* after which conversions they were counted */
	__u32 tgid;
	__u32 type;
	__u32 hot; /* index into the hot places plus 1, 0: none */
	/* Its last operation that failed. */
	__u32 error_op;
	__u32 error; /* an errno, 0: none failed */
	__u64 error_ns;
	/* Its end: the process that released it, 0: unknown. */
	__u64 ended_ns;
	__u32 ended_by;
	__u32 exiting;	 /* this process was ending, too */
	__u32 exit_code; /* as of wait(2) */
	__u32 key_kind;	 /* enum gmem_key */
	__u32 vmm_gone;	 /* no process is left that could use it */
	__u32 pad;
	__u64 key;
	char comm[16];
	__u64 c[GMEM_VM_MAX];
	__u64 folded[GMEM_INST_MAX]; /* of instances that are gone and not in ended_instances */
	struct gmem_latency latency[GMEM_DIRECTIONS];
	struct gmem_errno err[GMEM_OP_MAX][GMEM_ERRNOS];
	__u64 err_other[GMEM_OP_MAX]; /* failures with an errno for which there was no place */
	struct gmem_heat heat;
};

/*
 * The hottest counters stand in plain arrays too, found without hashing by the creator's pid and
 * the inode number. Who comes first has the place until he ends, when it is added to his entry; the
 * others count in their entries. The counters are the first ones of gmem_vm.c and gmem_inst.c.
 */
#define GMEM_HOT_VMS	       1024
#define GMEM_HOT_INSTS	       4096
#define GMEM_HOT_VM_COUNTERS   (GMEM_DIRECTIONS * GMEM_PER_DIRECTION)
#define GMEM_HOT_INST_COUNTERS 4

struct gmem_hot_vm {
	__u64 kvm; /* whose place it is, 0: free */
	__u64 c[GMEM_HOT_VM_COUNTERS];
	struct gmem_latency latency[GMEM_DIRECTIONS];
	struct gmem_heat heat;
};

struct gmem_hot_inst {
	__u64 inode;
	__u64 c[GMEM_HOT_INST_COUNTERS];
};

/* Of a btrfs inode: then device, number and generation do not identify a file. */
#define GMEM_SUBVOLUME_UNKNOWN (~0ULL)

struct gmem_inst_key {
	__u64 ino;
	__u32 dev; /* the kernel's dev_t: major << 20 | minor */
	__u32 pad;
};

struct gmem_inst {
	__u64 id;
	__u64 vm_id;
	__u64 kvm;
	__u64 inode; /* struct inode, 0 when the instance is gone */
	__u64 size;
	__u64 flags;
	__u64 resident; /* pages; filled in when read, and at the end */
	__u64 ino;
	__u32 dev;
	__u32 hot;  /* as in struct gmem_vm */
	__u64 born; /* created while we looked, so that its counters are complete */
	__u64 c[GMEM_INST_MAX];
};

/* In front of the record of a VM or instance: what only the kernel knows at this moment. */
struct gmem_live {
	__u64 pages;	/* private ones of a VM, resident ones of an instance */
	__u32 alive;	/* 0: its end was not seen */
	__u32 parts;	/* GMEM_PART_*: what follows of a VM after the members before err */
	__u64 cgroup;	/* of a VM's VMM, 0: unknown */
	__u64 vmm_gone; /* as in struct gmem_vm */
};

/* Copying a record costs more than anything else in a frame: what is empty is left out. */
#define GMEM_PART_ERRORS (1U << 0) /* err and err_other */
#define GMEM_PART_HEAT	 (1U << 1) /* heat */

/*
 * A VM that was just made, in a ring: what its VMM was called, which may be gone when user space
 * looks.
 */
#define GMEM_ARGS_MAX 512

struct gmem_birth {
	__u64 vm_id;
	__u32 len; /* of what could be read of its arguments, each of which ends with a 0 */
	__u32 cut; /* there are more */
	char args[GMEM_ARGS_MAX];
};

/* A memslot with an instance behind it, as it is now. */
struct gmem_binding {
	__u64 ino;
	__u64 inode;
	__u64 gfn;
	__u64 pages;
	__u64 pgoff;	 /* page of the instance with which it begins */
	__u64 userspace; /* address of the shared backing in the VMM */
	__u64 flags;	 /* of the instance */
	__u32 dev;
	__u16 slot;
	__u16 space; /* address space */
};

/*
 * A question about one VM; the answers stand beside it. If the VM is not the one that was meant,
 * there is none.
 */
struct gmem_question {
	__u64 kvm;
	__u64 mm;
	/* Its bindings: where to go on, and how many address spaces there are. */
	__u32 space, bucket;
	__u32 spaces, pad;
	/* Its pages: so many blocks of 64, from these two places on. */
	__u64 inode;
	__u64 gfn;
	__u64 pgoff;
	__u32 blocks;
	__u32 answered;
	/*
	 * Their shared backing in process tgid, 0: not asked for. All pages that are answered for
	 * are behind one mapping, so that they may be fewer than those that were asked for.
	 */
	__u64 userspace;
	__u64 pages;
	__u32 tgid;
	__u32 kind;   /* enum gmem_backing */
	__u32 copies; /* a private mapping of a file: the VMM may have copies of its pages */
	__u32 pad2;
};

#define GMEM_BUCKETS	  128 /* of KVM's table of memslots */
#define GMEM_MAX_SLOTS	  32768
#define GMEM_PER_BUCKET	  320 /* 32764 memslots are spread over them, about 256 in each */
#define GMEM_MAX_BINDINGS 512 /* in one answer */
#define GMEM_MAX_BLOCKS	  256 /* in one answer */

/* One place through which a process holds an instance. */
enum gmem_hold {
	GMEM_HOLD_FD,
	GMEM_HOLD_MAPPING,
};

struct gmem_holder {
	struct gmem_inst_key inst;
	__u64 table; /* that the place is in: threads may have one of their own */
	__u64 at;    /* the descriptor, or the address */
	__u32 tgid;
	__u32 hold;
	char comm[16];
};

_Static_assert(sizeof(struct gmem_heat) == 16 + 8 * GMEM_HEAT_CELLS, "heat");
_Static_assert(sizeof(struct gmem_binding) == 64, "binding");
_Static_assert(sizeof(struct gmem_holder) == 56, "holder");
_Static_assert(sizeof(struct gmem_latency) == 528, "latency");
_Static_assert(sizeof(struct gmem_errno) == 8, "errno");
_Static_assert(sizeof(struct gmem_inst_key) == 16, "instance key");
_Static_assert(sizeof(struct gmem_inst) == 8 * (10 + GMEM_INST_MAX), "instance");
_Static_assert(sizeof(struct gmem_vm) == 144 + 8 * (GMEM_VM_MAX + GMEM_INST_MAX) + 1056 +
						 8 * GMEM_OP_MAX * (GMEM_ERRNOS + 1) +
						 sizeof(struct gmem_heat),
	       "VM");
_Static_assert(sizeof(struct gmem_vm) <= 4096, "a VM takes half of its budget of 8 KiB");
_Static_assert(GMEM_INST_host_faults_refused < GMEM_HOT_INST_COUNTERS, "hot counters");
_Static_assert(GMEM_VM_creates == GMEM_VM_to_shared + GMEM_PER_DIRECTION, "directions");

#endif /* GMEM_ABI_TRACE_H */
