/* SPDX-License-Identifier: GPL-2.0-only */
/* The executables of the policy in force, resolved once more: a package was upgraded. */
#ifndef GMEM_CTL_KERNEL_REFRESH_H
#define GMEM_CTL_KERNEL_REFRESH_H

#include <stdbool.h>
#include <stddef.h>

#include "../../policy/compile.h"
#include "resolved.h"
#include "verify.h"
#include "policy_file.h"

/* X(name, in words): what became of a subject's executable */
#define REFRESH_STATES(X)                                      \
	X(same, "the same file")                               \
	X(replaced, "another file, and it counts from now on") \
	X(missing, "there is no file now")                     \
	X(made_up, EXE_UNTRUSTED_FS_TEXT)

enum refresh_state {
#define X(name, ...) REFRESH_##name,
	REFRESH_STATES(X)
#undef X
		REFRESH_MAX
};

extern const char *const refresh_names[REFRESH_MAX];
extern const char *const refresh_texts[REFRESH_MAX];

/* A subject, in the order of the policy. */
struct refresh_subject {
	enum refresh_state state;    /* of those that have an executable */
	struct gmem_identity before; /* kind 0: the kernel had none */
	struct gmem_identity now;    /* kind 0: there is none */
	size_t kept;		     /* files that it was, and that count besides */
	bool users_differ;	     /* from what is in the kernel, where they stay */
	enum cgroup_state cgroup;    /* the same of the cgroup */
};

struct refresh_report {
	struct policy_file file;	  /* the policy in force; names are in it */
	struct refresh_subject *subjects; /* file.policy->nr_subjects of them */
	bool changed;
	size_t forgotten; /* files that count no more */
	__u64 generation; /* of what is in force now */
	bool enforce;
	enum proof proof; /* where something was changed */
};

/**
 * loader_refresh - resolve the executables of the policy in force again
 * @forget: files that were replaced count no more
 * @trust_running: see running_trust()
 * @report: to be given to refresh_report_free(), also on error
 *
 * Neither rules nor users nor cgroups change. What changes is put in force as by a load; where
 * nothing does, nothing is done.
 *
 * Return: 0 or a negative errno that has been explained: -ENOENT where no policy is in force.
 */
int loader_refresh(const char *dir, bool forget, bool trust_running, struct refresh_report *report);
void refresh_report_free(struct refresh_report *report);

#endif /* GMEM_CTL_KERNEL_REFRESH_H */
