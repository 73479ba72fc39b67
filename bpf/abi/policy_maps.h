/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of gmem_policy.bpf.c beside those of a compiled policy, and what user space shares with
 * the programs: see bpf/abi/policy.h for the rest.
 *
 * All maps are pinned, and outlive whoever loaded them. GMEM_LAYOUT tells a gmemctl whether it may
 * touch what another one has left.
 */
#ifndef GMEM_ABI_POLICY_MAPS_H
#define GMEM_ABI_POLICY_MAPS_H

#include "lock.h"
#include "policy.h"

#define GMEM_LAYOUT 16 /* counted up with each change of a map or of what an entry means */

/* X(name, its name in the kernel, of 15 characters at most): the pinned maps */
#define GMEM_POLICY_MAPS(X)             \
	X(active, gmem_active)          \
	X(slots, gmem_slots)            \
	X(heads, gmem_heads)            \
	X(pool, gmem_pool)              \
	X(exes, gmem_exes)              \
	X(uids, gmem_uids)              \
	X(cgroups, gmem_cgroups)        \
	X(rule_hits, gmem_rule_hits)    \
	X(op_hits, gmem_op_hits)        \
	X(guard_hits, gmem_guard_hits)  \
	X(denials, gmem_denials)        \
	X(journal, gmem_journal)        \
	X(loads, gmem_loads)            \
	X(labels, gmem_labels)          \
	X(more_labels, gmem_label_more) \
	X(tags, gmem_tags)              \
	X(caches, gmem_caches)          \
	X(others, gmem_others)          \
	X(proofs, gmem_proofs)          \
	X(locked, gmem_locked)          \
	X(locked_ids, gmem_locked_ids)

/* X(name, its name in the kernel, section, hook): the programs of --lock, all of them or none */
#define GMEM_LOCK_PROGRAMS(X)                                                  \
	X(lock_map, gmem_lk_map, "lsm/bpf_map", "bpf_map")                     \
	X(lock_prog, gmem_lk_prog, "lsm/bpf_prog", "bpf_prog")                 \
	X(lock_bpf, gmem_lk_bpf, "lsm/bpf", "bpf")                             \
	X(lock_load, gmem_lk_load, "lsm/bpf_prog_load", "bpf_prog_load")       \
	X(lock_write, gmem_lk_write, "lsm/locked_down", "locked_down")         \
	X(lock_unlink, gmem_lk_unlink, "lsm/inode_unlink", "inode_unlink")     \
	X(lock_rmdir, gmem_lk_rmdir, "lsm/inode_rmdir", "inode_rmdir")         \
	X(lock_rename, gmem_lk_rename, "lsm/inode_rename", "inode_rename")     \
	X(lock_create, gmem_lk_create, "lsm/inode_create", "inode_create")     \
	X(lock_mkdir, gmem_lk_mkdir, "lsm/inode_mkdir", "inode_mkdir")         \
	X(lock_symlink, gmem_lk_symlink, "lsm/inode_symlink", "inode_symlink") \
	X(lock_link, gmem_lk_link, "lsm/inode_link", "inode_link")             \
	X(lock_setattr, gmem_lk_setattr, "lsm/inode_setattr", "inode_setattr") \
	X(lock_open, gmem_lk_open, "lsm/file_open", "file_open")               \
	X(lock_code, gmem_lk_code, "lsm/mmap_file", "mmap_file")               \
	X(lock_mount, gmem_lk_mount, "lsm/sb_mount", "sb_mount")               \
	X(lock_move, gmem_lk_move, "lsm/move_mount", "move_mount")             \
	X(lock_umount, gmem_lk_umount, "lsm/sb_umount", "sb_umount")           \
	X(lock_pivot, gmem_lk_pivot, "lsm/sb_pivotroot", "sb_pivotroot")

/*
 * X(name, its name in the kernel, section, hook or NULL): the programs that decide, or keep what
 * decisions need. The kernel keeps 15 characters of a name.
 */
#define GMEM_POLICY_PROGRAMS(X)                                                            \
	X(tag_exec, gmem_tag_exec, "lsm.s/bprm_committed_creds", "bprm_committed_creds")   \
	X(tag_fork, gmem_tag_fork, "lsm.s/task_alloc", "task_alloc")                       \
	X(create, gmem_create, "lsm/guest_memfd_create", "guest_memfd_create")             \
	X(create_anon, gmem_creat_anon, "lsm/inode_init_security_anon",                    \
	  "inode_init_security_anon")                                                      \
	X(bind, gmem_bind, "lsm/guest_memfd_bind", "guest_memfd_bind")                     \
	X(convert, gmem_convert, "lsm/kvm_memory_attributes", "kvm_memory_attributes")     \
	X(fault, gmem_fault, "lsm/guest_memfd_fault", "guest_memfd_fault")                 \
	X(map_file, gmem_map_file, "lsm/mmap_file", "mmap_file")                           \
	X(mprotect, gmem_mprotect, "lsm/file_mprotect", "file_mprotect")                   \
	X(punch, gmem_punch, "lsm/file_permission", "file_permission")                     \
	X(receive, gmem_receive, "lsm/file_receive", "file_receive")                       \
	X(receive_binder, gmem_binder, "lsm/binder_transfer_file", "binder_transfer_file") \
	X(ioctl, gmem_ioctl, "lsm/file_ioctl", "file_ioctl")                               \
	X(ioctl_compat, gmem_ioctl32, "lsm/file_ioctl_compat", "file_ioctl_compat")        \
	X(vm_ioctl, gmem_vm_ioctl, "lsm/file_ioctl", "file_ioctl")                         \
	X(vm_ioctl_compat, gmem_vm_ioctl32, "lsm/file_ioctl_compat", "file_ioctl_compat")  \
	X(guard_attach, gmem_attach, "lsm/ptrace_access_check", "ptrace_access_check")     \
	X(guard_traceme, gmem_traceme, "lsm/ptrace_traceme", "ptrace_traceme")             \
	X(guard_sqpoll, gmem_sqpoll, "lsm/uring_sqpoll", "uring_sqpoll")                   \
	GMEM_LOCK_PROGRAMS(X)

enum gmem_policy_program {
#define X(name, ...) GMEM_PROG_##name,
	GMEM_POLICY_PROGRAMS(X)
#undef X
		GMEM_PROG_MAX
};

#define GMEM_SOURCE_DIGEST 32

/* How a slot was loaded. */
struct gmem_slot {
	__u64 loaded_s; /* CLOCK_REALTIME, seconds */
	__u32 strict; /* operations that --strict-ioctl decides, by the number of the ioctl: bits */
	__u32 uid;    /* who loaded it */
	__u32 layout; /* GMEM_LAYOUT */
	__u32 source_size;
	__u32 enforce;	  /* the mode when it was last in force */
	__u32 unmet;	  /* what it wants and this kernel cannot: bits, also GMEM_DO_GUARD() */
	__u32 by_flags;	  /* operations for which a rule looks at the instance's flags: bits */
	__u32 by_type;	  /* the same for the type of the VM */
	__u32 trial_back; /* of a trial: a policy was in force before */
	__u32 kernel;	  /* what else was found in the kernel: bits, see src/ctl/kernel/probe.c */
	__u64 present;	  /* programs whose hook the kernel has: bits; 0: was not asked */
	__u8 digest[GMEM_SOURCE_DIGEST]; /* SHA-256 of the text */
	__u64 trial_until_ns; /* CLOCK_BOOTTIME: then a trial ends; 0: it is not on trial */
};

/* The event log: what went into it, and what was lost. */
struct gmem_journal {
	__u64 events;
	__u64 lost; /* the ring buffer was full */
	/* There was no memory for a process's tag or a task's decision cache. */
	__u64 no_memory;
	__u64 forks_refused; /* of these, forks of guarded processes, which failed */
	/*
	 * The events by what they are about: operations, and GMEM_DO_GUARD(). The counters of
	 * operations and guards say the same, but are not to be read under a lock.
	 */
	__u64 denied[GMEM_DO_GUARD(GMEM_GUARD_MAX)];
	__u64 would_deny[GMEM_DO_GUARD(GMEM_GUARD_MAX)];
};

/* What outlives each policy. */
struct gmem_loads {
	/*
	 * The last generation that was given to a policy. It never decreases: tags of tasks refer
	 * to generations, also to one whose load failed.
	 */
	__u64 generation;
	__u32 knows;  /* GMEM_KNOWS_*: what the kernel had when the attached programs were loaded */
	__u32 serial; /* the last serial number that was given to a set of programs */
	__u64 set;    /* GMEM_SET(): of the next word, when no policy is in force */
};

/*
 * What a program is: in the map `.rodata.build` of the program itself, so that it is found with the
 * program, and is as unchangeable as its code.
 */
struct gmem_build {
	__u32 serial;	  /* of its set, from 1 on; never given twice */
	__u32 layout;	  /* GMEM_LAYOUT */
	char version[40]; /* of the gmemctl that loaded it */
	char object[24];  /* a part of the SHA-256 of the object, in hexadecimal digits */
};

#define GMEM_BUILD_MAP ".rodata.build"

/* What the name of a link's pin begins with that is to replace another one. */
#define GMEM_PINS_NEW "new-"

#define GMEM_KNOWS_KVM		 1
#define GMEM_KNOWS_VERITY	 2
#define GMEM_KNOWS_TASK_FROM_PID 4

struct gmem_span {
	__u64 first, last;
};

/* A decision that is remembered: for requests of this kind, with values within these. */
struct gmem_cached {
	__u32 kind; /* GMEM_KIND_MAX and above: nothing is remembered */
	__u16 rule; /* the upper bit: it denies */
	__u16 audit_rule;
	struct gmem_span by[GMEM_BY_MAX];
};

#define GMEM_CACHED_DENY 0x8000
#define GMEM_CACHED_NONE 0x7fff

/*
 * The rules that apply to a task, and the memory to find them and to decide. On the stack it would
 * be too large, and what a stack has, the verifier of newer kernels follows into each function that
 * gets its address, once for each call.
 */
struct gmem_work {
	struct gmem_set mine; /* rules for what it is */
	struct gmem_set subjects;
	struct gmem_identity key;
	struct gmem_request request;
	struct gmem_decision decision;
	__u32 counted_by; /* serial number of the set that counted the last request, see turns.h */
	__u32 pad;
};

/*
 * The identity of a process, in the storage of its thread group leader: threads of a process run
 * the same executable, so a thread needs no memory to be identified. Every process of the host has
 * a tag; what only tasks that use guest_memfd need is in struct gmem_decision_cache.
 */
struct gmem_tag {
	struct gmem_identity exe;    /* its executable; slot 0 */
	struct gmem_identity verity; /* the same by fs-verity digest; kind 0: no digest */
	__u32 flags;		     /* GMEM_TAG_* */
	__u32 enforced;		     /* see GMEM_GUARDS_BY_POLICY */
};

/*
 * The guards of a policy, as bits; in a tag: those that were enforced on the process since it
 * began, without an interruption that anybody used, or that `gmemctl --trust-running` takes for
 * enforced. An enforcing policy accepts an executable only with all guards that it has.
 */
#define GMEM_GUARDS_BY_POLICY ((1U << GMEM_GUARD_lock) - 1)

/* It was traced when it began, or when a policy first named it: every operation is denied. */
#define GMEM_TAG_TRACED 1
/* A policy named its executable when it used guest_memfd: it is guarded until it executes another. */
#define GMEM_TAG_GUARDED 2

/*
 * What the policy in force decided for a task, and the memory to decide. A task gets it with its
 * first request and loses it at exec. No other task writes to it. It is void unless word, cgroup
 * and uid are those of the request.
 */
struct gmem_decision_cache {
	__u64 word; /* of the map `active`; 0: void */
	__u64 cgroup;
	__u32 uid;
	__u32 vm_type; /* enum gmem_vm_type plus 1 of the VM that gets an instance; 0: unknown */
	__u32 plain;   /* operations that are decided by their kind alone, which is known: bits */
	__u32 pad;
	__u64 instance;	  /* that has a label: the address of its inode; 0: none was seen */
	__u32 type_taken; /* sets of programs that took vm_type since it was recorded: bits */
	__u32 pad2;
	struct gmem_cached cached[GMEM_DO_MAX];
	struct gmem_work work;
};

/*
 * The child that proves a load: its denials are recorded here, and are neither counted nor reported
 * as denials. User space creates the entry, so that only a child of gmemctl has one.
 */
struct gmem_proof {
	__u64 generation; /* of the policy that denied last */
	__u32 denied;	  /* requests denied, or that would have been in audit mode */
	__u32 left;	  /* so many more are recorded here; from then on all are denials */
	__u32 serial;	  /* of the set of programs that denied last */
	__u32 pad;
};

/* Of an instance that was created under a policy or adopted, see bpf/policy/labels.h. */
struct gmem_label {
	__u32 denied; /* it was created in audit mode, by whom the policy denies that */
};

#define GMEM_MAX_LABELS 16384 /* beyond, labels are more expensive */
#define GMEM_MAX_UIDS	4096  /* different users in a policy */

_Static_assert(sizeof(struct gmem_slot) == 96, "slot");
_Static_assert(sizeof(struct gmem_tag) == 2 * sizeof(struct gmem_identity) + 8, "tag");
_Static_assert(sizeof(struct gmem_decision_cache) ==
		       48 + sizeof(struct gmem_cached) * GMEM_DO_MAX + sizeof(struct gmem_work),
	       "decision cache");
_Static_assert(GMEM_RULE_MAX < GMEM_CACHED_NONE, "rules are remembered in 15 bits");

#endif /* GMEM_ABI_POLICY_MAPS_H */
