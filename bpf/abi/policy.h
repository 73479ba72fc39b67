/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem_policy.bpf.c and user space share: operations, conditions and their values, the layout
 * of the maps that contain a compiled policy, and the events.
 *
 * A compiled policy is in one of GMEM_SLOTS slots: a struct gmem_head (the policy descriptor), a
 * pool of bit sets of rules and subjects (the match sets), and hash entries whose key contains the
 * slot. A slot is filled while no program reads it. Then one word is stored in the map `active`:
 * slot, mode and generation. A decision reads this word once and everything else through it, and
 * reads the generation of the descriptor again at the end. A decision is therefore made entirely
 * by one policy; if the policy was replaced meanwhile, the decision is a denial.
 */
#ifndef GMEM_ABI_POLICY_H
#define GMEM_ABI_POLICY_H

#include <linux/types.h>

#define GMEM_MAX_RULES	  1024
#define GMEM_MAX_SUBJECTS 1024
#define GMEM_MAX_SOURCE	  (1 << 20) /* bytes of a policy file */
#define GMEM_SLOTS	  3	    /* in force, the previous one, being filled */

/* X(name, what it is): the operations of a policy */
#define GMEM_OPERATIONS(X)                                                   \
	X(create, "creation of an instance")                                 \
	X(bind, "binding of an instance to guest memory")                    \
	X(mmap, "host mapping of an instance, and change of its protection") \
	X(fault, "host fault on a mapping of an instance")                   \
	X(convert, "conversion between private and shared")                  \
	X(punch, "fallocate on an instance: allocation and holes")           \
	X(receive, "receipt of an instance's fd from another process")

/*
 * X(name, what it denies): guards of the tasks that a policy names by executable or digest, and of
 * the policy itself. The policy switches the first ones; --lock enforces `lock`.
 */
#define GMEM_POLICY_GUARDS(X)                                                                \
	X(trace, "control from outside: ptrace, /proc/PID/mem, process_vm_*, pidfd_getfd")   \
	X(preload, "code that the environment names: LD_PRELOAD and the like (secure-exec)") \
	X(sqpoll, "io_uring rings with a thread that works for whoever shares them (SQPOLL)")
#define GMEM_GUARDS(X)        \
	GMEM_POLICY_GUARDS(X) \
	X(lock, "change of the policy by others than its manager (--lock)")

/* X(name, the flag's bit in the kernel): flags of a creation */
#define GMEM_CREATE_FLAGS(X) \
	X(mmap, 0)           \
	X(init_shared, 1)

/* X(name, KVM's number on x86): types of VMs; every other type is "other" */
#define GMEM_VM_TYPES(X)         \
	X(default, 0)            \
	X(software_protected, 1) \
	X(sev, 2)                \
	X(sev_es, 3)             \
	X(sev_snp, 4)            \
	X(tdx, 5)

/* X(name, bit): protection of a mapping, as PROT_*; a host fault has read or write */
#define GMEM_PROTS(X) \
	X(read, 0)    \
	X(write, 1)   \
	X(exec, 2)

/* X(name): directions of a conversion */
#define GMEM_DIRECTIONS_OF_CONVERSION(X) \
	X(to_private)                    \
	X(to_shared)                     \
	X(other) /* neither, or both in one request */

enum gmem_operation {
#define X(name, ...) GMEM_DO_##name,
	GMEM_OPERATIONS(X)
#undef X
		GMEM_DO_MAX
};

enum gmem_guard {
#define X(name, ...) GMEM_GUARD_##name,
	GMEM_GUARDS(X)
#undef X
		GMEM_GUARD_MAX
};

enum gmem_vm_type {
#define X(name, ...) GMEM_TYPE_##name,
	GMEM_VM_TYPES(X)
#undef X
		GMEM_TYPE_other,
	GMEM_TYPE_unknown, /* not provided: rules that allow do not match, rules that deny do */
	GMEM_TYPE_MAX
};

enum gmem_direction {
#define X(name) GMEM_DIR_##name,
	GMEM_DIRECTIONS_OF_CONVERSION(X)
#undef X
		GMEM_DIR_MAX
};

/*
 * The flags of an instance in a request: the kernel's bits, or one of the last two values. A policy
 * names bits below GMEM_FLAGS_NAMED, by name or by number; all values with a bit above it are one
 * class.
 */
#define GMEM_FLAGS_NAMED    256
#define GMEM_FLAGS_foreign  0x80000000U /* a bit that the request cannot hold: 0x80000000 or above */
#define GMEM_FLAGS_unknown  (~0U)	/* the kernel does not provide the flags */
#define GMEM_FLAGS_OF(bits) ((bits) < GMEM_FLAGS_foreign ? (__u32)(bits) : GMEM_FLAGS_foreign)

enum {
#define X(name, bit) | 1U << (bit)
	GMEM_FLAGS_WITH_NAME = 0 GMEM_CREATE_FLAGS(X)
#undef X
};

enum gmem_flags_class {
	GMEM_FLAGS_CLASS_other = GMEM_FLAGS_NAMED, /* with a bit that no policy can name */
	GMEM_FLAGS_CLASS_unknown,
	GMEM_FLAGS_CLASS_MAX
};

#define GMEM_PROT_MAX 8

/*
 * Kinds: all properties of a request that have few values are combined to one number, and the rules
 * that match it are computed when the policy is compiled. X(operation, values of the detail)
 */
#define GMEM_KINDS(X)            \
	X(create, 1)             \
	X(bind, 1)               \
	X(mmap, GMEM_PROT_MAX)   \
	X(fault, GMEM_PROT_MAX)  \
	X(convert, GMEM_DIR_MAX) \
	X(punch, 1)              \
	X(receive, 1)

#define GMEM_KINDS_PER_DETAIL GMEM_TYPE_MAX

enum gmem_kind_base {
#define GMEM_LAST_KIND(first, details) (-1 + (first) + GMEM_KINDS_PER_DETAIL * (details))
#define X(name, details) \
	GMEM_KIND_##name, GMEM_KIND_##name##_last = GMEM_LAST_KIND(GMEM_KIND_##name, details),
	GMEM_KINDS(X)
#undef X
		GMEM_KIND_MAX
};

/* A set of rules or of subjects: number n is bit n % 64 of word n / 64. */
#define GMEM_SET_WORDS 16
struct gmem_set {
	__u64 w[GMEM_SET_WORDS];
};

/*
 * Intervals: the bounds that the rules name divide the values of a dimension (size, start, ...)
 * into intervals. For each interval there is the set of rules that its values satisfy. bounds[i] is
 * the first value of interval i + 1.
 */
#define GMEM_MAX_BOUNDS 1023 /* different ones per dimension */
#define GMEM_INTERVALS(X)                             \
	X(size, "size of the instance in bytes")      \
	X(start, "first guest address")               \
	X(end, "first guest address after the range") \
	X(offset, "first byte in the instance")       \
	X(offset_end, "first byte after the range in the instance")

enum gmem_interval_dimension {
#define X(name, ...) GMEM_BY_##name,
	GMEM_INTERVALS(X)
#undef X
		GMEM_BY_MAX
};

/* Classes: the properties that distinguish tasks. Class 0 is everything that no subject names. */
#define GMEM_CLASSES(X)                              \
	X(exe, "executable or its fs-verity digest") \
	X(uid, "user")                               \
	X(cgroup, "innermost cgroup that a subject names")

/* An entry of the map of executables: the class, and whether the file was replaced since the load. */
#define GMEM_CLASS(value) (0xffff & (value))
#define GMEM_EXE_REPLACED (1U << 31)
/* Class 0: no longer the executable of a subject. Processes that run it stay guarded. */

enum gmem_class_dimension {
#define X(name, ...) GMEM_CLASS_##name,
	GMEM_CLASSES(X)
#undef X
		GMEM_CLASS_MAX
};

/* The pool of a slot: sets by index. Sets of intervals and classes of unused numbers are empty. */
enum gmem_pool {
	GMEM_POOL_KIND,					  /* rules by kind */
	GMEM_POOL_FLAGS = GMEM_POOL_KIND + GMEM_KIND_MAX, /* rules by class of the flags */
	GMEM_POOL_INTERVAL =				  /* rules by interval, per dimension */
	GMEM_POOL_FLAGS + GMEM_FLAGS_CLASS_MAX,
	GMEM_POOL_CLASS = /* subjects by class, per dimension */
	GMEM_POOL_INTERVAL + GMEM_BY_MAX * (GMEM_MAX_BOUNDS + 1),
	GMEM_POOL_SUBJECT = /* rules by subject */
	GMEM_POOL_CLASS + GMEM_CLASS_MAX * (GMEM_MAX_SUBJECTS + 1),
	GMEM_POOL_ANY = GMEM_POOL_SUBJECT + GMEM_MAX_SUBJECTS, /* rules for any subject */
	GMEM_POOL_DENY,					       /* rules that deny */
	GMEM_POOL_AUDIT,				       /* rules in audit mode */
	GMEM_POOL_MAX
};

/* With the guard trace: a process cannot control one of the same subject in another cgroup. */
#define GMEM_TRACE_BY_CGROUP (1U << 31)

struct gmem_head {
	__u64 generation; /* 0: being filled, or empty */
	__u32 nr_rules, nr_subjects;
	__u32 default_deny; /* operations that are denied where no rule matches: bits */
	__u32 has_audit;    /* operations that rules in audit mode name: bits */
	__u32 guards;	/* that are enforced: bits of enum gmem_guard, and GMEM_TRACE_BY_CGROUP */
	__u32 manager;	/* index of the subject that can change a locked policy, plus 1; 0: none */
	__u32 by_flags; /* operations for which a rule names flags: bits */
	__u32 by[GMEM_BY_MAX]; /* operations for which this dimension matters: bits */
	__u32 nr_bounds[GMEM_BY_MAX];
	__u64 bounds[GMEM_BY_MAX][GMEM_MAX_BOUNDS + 1]; /* ascending; the rest is ~0 */
	char name[64];
};

/* The word of the map `active`; 0: no policy is in force. */
#define GMEM_ACTIVE(generation, slot, enforce) \
	((__u64)(generation) << 8 | (__u64)(slot) << 1 | !!(enforce))
#define GMEM_ACTIVE_GENERATION(word) ((word) >> 8)
/* Without a division, which would be most of the cost of a decision without a policy. */
#define GMEM_ACTIVE_SLOT(word)	   ((__u32)((word) >> 1 & 3))
#define GMEM_ACTIVE_ENFORCES(word) (1 & (word))

/*
 * Its other bits, which say which set of programs counts while one replaces another, see
 * bpf/policy/turns.h: the serial number of the newest set as far as GMEM_SET_OF() keeps it, and
 * whether that set counts.
 */
#define GMEM_ACTIVE_SET_BITS	 0xf8ULL
#define GMEM_SET_OF(serial)	 ((serial) % 16)
#define GMEM_SET(serial, counts) ((__u64)GMEM_SET_OF(serial) << 3 | (__u64)(!!(counts)) << 7)
#define GMEM_ACTIVE_SET(word)	 ((__u32)((word) >> 3 & 15))
#define GMEM_ACTIVE_COUNTS(word) ((word) >> 7 & 1)

/* Keys of the hashes that map what a subject names to its class, from 1 on. */
#define GMEM_DIGEST_SIZE 64
enum gmem_identity_kind {
	GMEM_BY_INODE = 1, /* dev, ino, generation of the inode */
	GMEM_BY_VERITY,	   /* algorithm (FS_VERITY_HASH_ALG_*) and digest */
};

/*
 * The root directory that the task had at exec. It decides which loader and which libraries ran, so
 * a subject gets an entry for the second value only with `root: any` in the policy.
 */
enum gmem_root {
	GMEM_ROOT_host,
	GMEM_ROOT_other, /* a container's, a chroot's */
};

struct gmem_identity {
	__u32 slot;
	__u16 kind;
	__u16 root; /* enum gmem_root */
	union {
		struct {
			__u64 ino;
			__u32 dev; /* the kernel's dev_t: major << 20 | minor */
			__u32 generation;
			__u64 changed;	 /* time of the last change, if the file system has no
					    generation */
			__u64 subvolume; /* of btrfs; elsewhere 0 */
		};
		struct {
			__u32 algorithm;
			__u32 size;
			__u8 digest[GMEM_DIGEST_SIZE];
		};
		__u64 bytes[9];
	};
};

struct gmem_uid_key {
	__u32 slot;
	__u32 uid; /* of the initial user namespace */
};

struct gmem_cgroup_key {
	__u64 id;
	__u32 slot;
	__u32 pad;
};

/* A request. Members that do not apply to the operation are 0; unknown ones have values of their
 * own. */
struct gmem_request {
	__u32 op;	  /* enum gmem_operation, or GMEM_DO_GUARD() */
	__u32 flags;	  /* of the instance: GMEM_FLAGS_OF(); conversions: GMEM_FLAGS_unknown */
	__u32 type;	  /* enum gmem_vm_type */
	__u32 prot;	  /* mmap, fault: bits of GMEM_PROTS */
	__u32 direction;  /* convert */
	__u32 action;	  /* guard `lock`: enum gmem_lock_action */
	__u64 size;	  /* of the instance in bytes */
	__u64 start, end; /* guest addresses: bind, convert */
	__u64 offset, offset_end; /* bytes in the instance: bind */
	/* Of a guard, start is the target: a process (trace) or an object (lock). */
};

/* The operation of a denial by a guard: */
#define GMEM_DO_GUARD(guard) (GMEM_DO_MAX + (guard))

/* Rules are numbered from 0 in the order of the file; the default of operation o is: */
#define GMEM_RULE_DEFAULT(o) (GMEM_MAX_RULES + (o))
#define GMEM_RULE_BROKEN     (GMEM_MAX_RULES + GMEM_DO_MAX) /* map entry missing, policy replaced */
#define GMEM_RULE_UNKNOWN \
	(GMEM_RULE_BROKEN + 1) /* the instance is unlabelled: it existed before the policy */
#define GMEM_RULE_NO_MEMORY \
	(GMEM_RULE_UNKNOWN + 1) /* for the tag or the cache of the requesting task */
/* An ioctl on an instance: its number is unknown, or no rule but a default allows it. */
#define GMEM_RULE_IOCTL (GMEM_RULE_NO_MEMORY + 1)
#define GMEM_RULE_MAX	(GMEM_RULE_IOCTL + 1)
#define GMEM_RULE_NONE	(~0U)

struct gmem_decision {
	__u32 deny;
	__u32 rule;	  /* that decided: below GMEM_RULE_MAX */
	__u32 audit_rule; /* rule in audit mode that came first and would have decided, or
			   * GMEM_RULE_NONE
			   */
	__u32 audit_deny;
};

/* X(name, what it counts): for each rule and each operation */
#define GMEM_VERDICTS(X)                                                        \
	X(allowed, "operations allowed")                                        \
	X(denied, "operations denied")                                          \
	X(would_deny, "operations allowed that would be denied, in audit mode") \
	X(would_allow, "operations that a rule in audit mode would have allowed")

enum gmem_verdict {
#define X(name, ...) GMEM_VERDICT_##name,
	GMEM_VERDICTS(X)
#undef X
		GMEM_VERDICT_MAX
};

struct gmem_hits {
	__u64 n[GMEM_VERDICT_MAX];
};

/* An event: a denial, or in audit mode what would have been one. */
struct gmem_denial {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 sequence;
	__u64 generation;
	__u64 cgroup;
	__u64 ino; /* of the instance, 0: none */
	__u32 dev;
	__u32 pid, tgid, uid;
	__u32 rule, audit_rule; /* GMEM_RULE_NONE: a guard */
	__u32 verdict;		/* enum gmem_verdict: denied or would_deny */
	__u32 exe_known;	/* the task has an identity */
	struct gmem_identity exe;
	struct gmem_request request;
	char comm[16];
};

_Static_assert(GMEM_SLOTS <= 4, "a slot has two bits in the word");
_Static_assert(sizeof(struct gmem_set) == 128, "set");
_Static_assert(sizeof(struct gmem_identity) == 80, "identity");
_Static_assert(sizeof(struct gmem_request) == 64, "request");
_Static_assert(GMEM_SET_WORDS * 64 == GMEM_MAX_RULES && GMEM_MAX_RULES == GMEM_MAX_SUBJECTS,
	       "sets");
_Static_assert((GMEM_MAX_BOUNDS & (GMEM_MAX_BOUNDS + 1)) == 0, "the search halves it");

#endif /* GMEM_ABI_POLICY_H */
