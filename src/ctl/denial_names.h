/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names for the numbers in events: the policy of a generation, the path of an executable, of a
 * cgroup. What cannot be found out any more has none.
 */
#ifndef GMEM_CTL_DENIAL_NAMES_H
#define GMEM_CTL_DENIAL_NAMES_H

#include <limits.h>

#include "denial.h"
#include "kernel/digest.h"
#include "kernel/store.h"

/* Generations whose policies are kept: those in the kernel, and as many that were. */
#define DENIAL_TEXTS (2 * GMEM_SLOTS)
#define DENIAL_EXES  64

struct denial_exe {
	struct gmem_identity identity;
	bool certain;
	char path[PATH_MAX];
};

struct denial_names {
	struct {
		__u64 generation; /* 0: free */
		struct policy *policy;
		char digest[DIGEST_TEXT];
	} texts[DENIAL_TEXTS];
	unsigned int next_text;
	struct denial_exe exes[DENIAL_EXES]; /* by the number of the inode: the last ones found */
	int cgroups;			     /* the root, or a negative errno */
	char cgroup[PATH_MAX];
	char object[PATH_MAX];
};

/* Return: 0 or -ENOMEM. To be given to denial_names_free(). */
int denial_names_new(struct denial_names **names);
void denial_names_free(struct denial_names *names);

/**
 * denial_policy - the policy of a generation
 *
 * Return: the policy, until so many others were asked for, or NULL if its text is gone. With
 * generation 0 all are forgotten: another gmemctl load counts from the beginning.
 */
const struct policy *denial_policy(struct denial_names *names, const struct store *store,
				   __u64 generation);

/* The whole of an event; it points into @names, until the next call. */
struct denial denial_named(struct denial_names *names, const struct store *store,
			   const struct gmem_denial *event);

#endif /* GMEM_CTL_DENIAL_NAMES_H */
