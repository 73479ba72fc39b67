/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy as written: subjects and rules in the order of the file, with their positions.
 * gmem-policy(5) describes the language.
 */
#ifndef GMEM_POLICY_MODEL_H
#define GMEM_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../../bpf/abi/policy_maps.h"
#include "diag.h"

#define POLICY_MAX_NAME 63 /* bytes: names of policies, subjects and rules */

#define OP_BIT(name) (1U << GMEM_DO_##name)
#define OPS_ALL	     ((1U << GMEM_DO_MAX) - 1)

/* The guards that a policy can switch. */
#define POLICY_GUARDS_ALL ((1U << GMEM_GUARD_lock) - 1)

/* X(name, operations that it applies to, value that it tests); files write '-' for '_' */
#define POLICY_CONDITIONS(X)                                                   \
	X(size, OPS_ALL & ~OP_BIT(convert), "size of the instance")            \
	X(flags, OPS_ALL & ~OP_BIT(convert), "creation flags of the instance") \
	X(prot, OP_BIT(mmap) | OP_BIT(fault), "protection that is asked for")  \
	X(direction, OP_BIT(convert), "direction of the conversion")           \
	X(range, OP_BIT(convert) | OP_BIT(bind), "guest addresses")            \
	X(offset, OP_BIT(bind), "bytes of the instance")                       \
	X(vm_type, OPS_ALL, "type of the VM")

enum policy_condition {
#define X(name, ...) POLICY_IF_##name,
	POLICY_CONDITIONS(X)
#undef X
		POLICY_IF_MAX
};

/* For each condition, the operations that it applies to. */
extern const __u32 condition_ops[POLICY_IF_MAX];

struct policy_uid {
	const char *name; /* as written: a name or a number */
	__u32 uid;
	bool known; /* the user exists on this host */
	struct place place;
};

/* A task is the subject if all keys that are set match. */
struct policy_subject {
	const char *name;
	struct place place;
	const char *exe; /* path or NULL */
	struct place exe_place;
	bool has_verity;
	struct gmem_identity verity; /* slot 0 */
	bool any_root;		     /* exe and verity hold whatever the task's root directory is */
	struct place root_place;
	struct policy_uid *uids; /* the task's user is one of them; none: any user */
	size_t nr_uids;
	const char *cgroup; /* path below the root of cgroup2, begins with '/', or NULL */
	struct place cgroup_place;
	bool used; /* a rule names it */

	/* by policy_resolve(), src/ctl/kernel/resolve.h */
	bool exe_known, cgroup_known;
	bool exe_untrusted_fs;		   /* no task is identified by this file */
	struct gmem_identity exe_identity; /* slot 0 */
	__u64 cgroup_id;
};

struct policy_rule {
	const char *name;
	struct place place;
	__u32 ops;	       /* bits of enum gmem_operation; none if the rule has errors */
	bool deny, audit_rule; /* audit_rule: in audit mode */
	bool any;	       /* any subject, or those: */
	__u16 *subjects;
	size_t nr_subjects;
	__u32 conditions; /* bits of enum policy_condition: those that are given */
	__u32 flags;	  /* bits of GMEM_CREATE_FLAGS, and others below GMEM_FLAGS_NAMED */
	bool flags_exact; /* flags-are: these and no others */
	__u32 prot;	  /* bits of GMEM_PROTS */
	__u32 directions; /* bits of enum gmem_direction */
	__u32 types;	  /* bits of enum gmem_vm_type */
	__u64 size_min, size_max;
	__u64 start, end;	  /* guest addresses, end is the first behind */
	__u64 offset, offset_end; /* bytes in the instance */
};

struct policy {
	const char *file;   /* its name, as it was given */
	char *shown_file;   /* the same without control characters */
	const char *source; /* its text */
	size_t source_len;
	unsigned int version; /* of the language: 1 or 2 */
	const char *name;
	bool enforce;
	__u32 default_deny; /* bits of enum gmem_operation */
	struct place default_places[GMEM_DO_MAX];
	__u32 guards;	      /* that are enforced: bits of enum gmem_guard */
	__u32 guards_written; /* that the file names, enforced or not: bits */
	struct place guards_place;
	__u32 known_flags; /* flags of instances that have a name or that a rule lists */
	__u32 manager;	   /* index of the subject that can change a locked policy, plus 1; 0: no
			      manager */
	struct policy_subject *subjects;
	size_t nr_subjects;
	struct policy_rule *rules;
	size_t nr_rules;
	struct arena *arena; /* owns all of it */
};

static inline bool rule_has(const struct policy_rule *rule, enum policy_condition condition)
{
	return rule->conditions >> condition & 1;
}

/**
 * policy_parse - read a policy
 * @text: its text, @len bytes; copied
 * @file: the name of the file, for messages; copied
 * @policy: the result, to be passed to policy_free(), on error too; then it contains the valid
 * parts, so that more errors can be found in them. NULL if there is no memory
 * @diags: must be empty; receives all errors and warnings of the file
 *
 * Users and files are not looked up; policy_resolve() in src/ctl/kernel/resolve.h does that.
 *
 * Return: 0, -EBADMSG if @diags has errors, -ENOMEM.
 */
int policy_parse(const char *text, size_t len, const char *file, struct policy **policy,
		 struct diags *diags);

void policy_free(struct policy *policy);

#endif /* GMEM_POLICY_MODEL_H */
