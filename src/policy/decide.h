/* SPDX-License-Identifier: GPL-2.0-only */
/* Decisions without a kernel, by the kernel's matcher: who asks, and what the policy says. */
#ifndef GMEM_POLICY_DECIDE_H
#define GMEM_POLICY_DECIDE_H

#include "compile.h"

/* Who asks. What is not given is what no subject names. All texts are borrowed. */
struct who {
	const char *exe; /* path, or NULL; compared with those of files that are not here */
	bool has_exe_identity, has_verity;
	bool exe_untrusted_fs; /* then it has none, see src/ctl/kernel/resolve.h */
	struct gmem_identity exe_identity, verity; /* slot 0, root 0 */
	enum gmem_root root;
	bool has_uid;
	__u32 uid;
	const char *user;   /* as it was written, or NULL; compared with those that are not here */
	const char *cgroup; /* path below the root of cgroup2, or NULL */
};

/* The rules for what somebody is. */
void policy_rules_for(const struct compiled *compiled, const struct who *who,
		      struct gmem_set *mine);

/* What the kernel would decide. Files, users and cgroups that are not here go by their names. */
struct gmem_decision policy_decide(const struct compiled *compiled, const struct who *who,
				   const struct gmem_request *request);

/* The name of a decision's rule: of the policy, or "default". */
const char *decision_rule(const struct policy *policy, __u32 rule);

#endif /* GMEM_POLICY_DECIDE_H */
