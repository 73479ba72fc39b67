/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy in the form that the kernel uses: the head and the pool of a slot, and the class of each
 * executable, user and cgroup.
 *
 * The loader sets the slot in each key and the generation in the head. It may replace device,
 * number and generation of an executable by the kernel's values for `path` where stat(2) provides
 * less (btrfs, overlayfs; file systems without FS_IOC_GETVERSION).
 *
 * A task's subjects are the intersection of the sets of its classes by exe, uid and cgroup. If both
 * the inode and the digest of a task have a class, the union of their two sets is used for exe.
 * The class of a cgroup is the class of its innermost ancestor, or itself, that has a class.
 *
 * If the kernel does not provide the size, the guest addresses or the offsets of a request, they
 * have the value POLICY_VALUE_UNKNOWN. Rules that allow by an unknown value do not match, rules
 * that deny by it do. The same holds for GMEM_FLAGS_unknown, GMEM_TYPE_unknown and GMEM_DIR_other.
 */
#ifndef GMEM_POLICY_COMPILE_H
#define GMEM_POLICY_COMPILE_H

#include "model.h"

#define POLICY_VALUE_UNKNOWN (~0ULL)

/* The last interval of each dimension is for POLICY_VALUE_UNKNOWN, which takes one bound. */
#define POLICY_MAX_BOUNDS (GMEM_MAX_BOUNDS - 1)

struct compiled_exe {
	struct gmem_identity identity; /* slot 0 */
	__u32 class;		       /* of tasks with the host's root directory */
	__u32 class_other; /* of tasks with another one; 0: no subject says `root: any` */
	bool known;	   /* false: the file does not exist on this host and is not loaded */
	const char *path;  /* NULL: identity is a digest */
};

struct compiled_uid {
	__u32 uid;
	__u32 class;
	bool known;	  /* false: the user does not exist on this host */
	const char *name; /* as written */
};

struct compiled_cgroup {
	__u64 id;
	__u32 class;
	bool known; /* false: the cgroup does not exist on this host */
	const char *path;
};

struct compiled {
	struct gmem_head head; /* generation 0 */
	struct gmem_set *pool; /* GMEM_POOL_MAX sets */
	bool enforce;
	struct compiled_exe *exes; /* one entry for each path, also of the same identity */
	size_t nr_exes;
	struct compiled_uid *uids; /* one entry for each name or number as written */
	size_t nr_uids;
	struct compiled_cgroup *cgroups; /* each once */
	size_t nr_cgroups;
	struct gmem_set *implied;    /* by subject: the subjects that each of its tasks has too */
	const struct policy *policy; /* borrowed: must live longer; policy->source is the text */
};

/**
 * policy_compile - compute the sets of a policy
 * @diags: receives violations of limits
 * @compiled: to be passed to compiled_free(), also on error
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int policy_compile(const struct policy *policy, struct compiled *compiled, struct diags *diags);

/**
 * policy_check - find rules and subjects that have no effect
 *
 * Rules that can never decide are errors, subjects that no rule names are warnings.
 *
 * Return: 0 or -EBADMSG.
 */
int policy_check(const struct compiled *compiled, struct diags *diags);

void compiled_free(struct compiled *compiled);

/* The values of a dimension from low to high, both included. */
struct span {
	__u64 low, high;
};

/* The known values that the condition of a rule matches; the rule has the condition. */
struct span span_of(const struct policy_rule *rule, enum gmem_interval_dimension by);

/* The condition that a dimension belongs to. */
extern const enum policy_condition condition_of_dimension[GMEM_BY_MAX];

/* A set of rules or subjects. */
static inline void set_add(struct gmem_set *set, unsigned int n)
{
	set->w[n / 64] |= 1ULL << (n % 64);
}

static inline bool set_has(const struct gmem_set *set, unsigned int n)
{
	return set->w[n / 64] >> (n % 64) & 1;
}

#endif /* GMEM_POLICY_COMPILE_H */
