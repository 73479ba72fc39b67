/* SPDX-License-Identifier: GPL-2.0-only */
/* Decisions without a kernel, by the kernel's matcher. */
#ifndef GMEM_POLICY_DECIDE_H
#define GMEM_POLICY_DECIDE_H

#include "compile.h"

/* The requesting task. A member that is not set matches no key of a subject. Texts are borrowed. */
struct who {
	const char *exe; /* path or NULL; compared with files that do not exist on this host */
	bool has_exe_identity, has_verity;
	bool exe_untrusted_fs; /* no identity, see src/ctl/kernel/resolve.h */
	bool exe_recorded;     /* the identity is from an event: only the identity is compared */
	struct gmem_identity exe_identity, verity; /* slot 0, root 0 */
	enum gmem_root root;
	bool has_uid;
	__u32 uid;
	const char *user;   /* as written or NULL; compared with users that do not exist here */
	const char *cgroup; /* path below the root of cgroup2, or NULL */
};

/*
 * Is it the same file? Where one of the two does not have the generation, the time of the last
 * change or the subvolume, that is not compared: stat(2) provides less than the kernel records.
 */
bool same_recorded_file(const struct gmem_identity *file, const struct gmem_identity *recorded);

/* The subjects that a task can be, by its executable, its user or its cgroup alone. */
void policy_subjects_by(const struct compiled *compiled, const struct who *who,
			enum gmem_class_dimension dimension, struct gmem_set *subjects);

/* The rules that apply to a task that is these subjects. */
void policy_rules_of(const struct compiled *compiled, const struct gmem_set *subjects,
		     struct gmem_set *mine);

/* The rules that apply to a task. */
void policy_rules_for(const struct compiled *compiled, const struct who *who,
		      struct gmem_set *mine);

/* The kernel's decision. Files, users and cgroups that do not exist here are compared by name. */
struct gmem_decision policy_decide(const struct compiled *compiled, const struct who *who,
				   const struct gmem_request *request);

/* The name of a decision's rule: of the policy, or "default". */
const char *decision_rule(const struct policy *policy, __u32 rule);

#endif /* GMEM_POLICY_DECIDE_H */
