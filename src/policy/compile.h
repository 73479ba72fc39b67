/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy as the kernel wants it: the head and the pool of a slot, and what gets which class.
 *
 * Who puts it into the kernel sets the slot in each key and the generation in the head. For an
 * executable it may set the inode's device, number and generation to what the kernel says of
 * `path` where stat(2) says less (btrfs, overlayfs; file systems without FS_IOC_GETVERSION).
 *
 * What a task is: a subject is in the set of its class of exe AND of uid AND of cgroup. A task with
 * an inode and a digest that both have classes is the union of both sets in the first of these.
 * The class of a cgroup is that of the innermost ancestor, or itself, that has one.
 *
 * Where the kernel does not know the size or the guest addresses of a request, they have the value
 * POLICY_VALUE_UNKNOWN: rules that allow and look at it do not match, rules that deny do. The same
 * holds for GMEM_FLAGS_unknown, GMEM_TYPE_unknown and GMEM_DIR_other.
 */
#ifndef GMEM_POLICY_COMPILE_H
#define GMEM_POLICY_COMPILE_H

#include "model.h"

#define POLICY_VALUE_UNKNOWN (~0ULL)

/* The last interval of each dimension is that of POLICY_VALUE_UNKNOWN, so one bound less is left. */
#define POLICY_MAX_BOUNDS (GMEM_MAX_BOUNDS - 1)

struct compiled_exe {
	struct gmem_identity identity; /* slot 0 */
	__u32 class;		       /* of tasks with the host's root directory */
	__u32 class_other; /* of tasks with another one; 0: no subject says `root: any` */
	bool known;	   /* false: a file that is not here; it cannot be put into the kernel */
	const char *path;  /* NULL: identity is a digest */
};

struct compiled_uid {
	__u32 uid;
	__u32 class;
	bool known;	  /* false: a user that is not here */
	const char *name; /* as it is written */
};

struct compiled_cgroup {
	__u64 id;
	__u32 class;
	bool known; /* false: a cgroup that is not here */
	const char *path;
};

struct compiled {
	struct gmem_head head; /* generation 0 */
	struct gmem_set *pool; /* GMEM_POOL_MAX sets */
	bool enforce;
	struct compiled_exe *exes; /* an identity again for each of its paths */
	size_t nr_exes;
	struct compiled_uid *uids; /* a user again for each way to write it */
	size_t nr_uids;
	struct compiled_cgroup *cgroups; /* each once */
	size_t nr_cgroups;
	struct gmem_set *implied; /* by subject: the subjects that every task is that is this one */
	const struct policy *policy; /* borrowed: must live longer; policy->source is the text */
};

/**
 * policy_compile - work out the sets of a policy
 * @diags: takes the limits that it breaks
 * @compiled: to be given to compiled_free(), also on error
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int policy_compile(const struct policy *policy, struct compiled *compiled, struct diags *diags);

/**
 * policy_check - look for what cannot be meant
 *
 * Rules that can never decide are errors, subjects that no rule names are warnings.
 *
 * Return: 0 or -EBADMSG.
 */
int policy_check(const struct compiled *compiled, struct diags *diags);

void compiled_free(struct compiled *compiled);

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
