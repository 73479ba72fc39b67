/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process is to the policy in force, and what would be decided: by the kernel's own maps and
 * the kernel's matcher, so that nothing is resolved a second time and differently.
 */
#ifndef GMEM_CTL_KERNEL_IN_FORCE_H
#define GMEM_CTL_KERNEL_IN_FORCE_H

#include "../../policy/model.h"
#include "holders.h"
#include "policy_file.h"
#include "store.h"

struct in_force {
	bool loaded; /* programs are attached */
	__u64 word;  /* 0: nothing is in force, and nothing below means anything */
	unsigned int slot;
	struct policy *policy; /* for the names; NULL: its text cannot be read */
	int cgroup_root;       /* of the cgroups, negative: there is none */
	struct pins pins;
	struct store store;
};

/**
 * in_force_open - look at what is in force
 * @dir: the pins, NULL: PINS_DEFAULT
 *
 * Nothing being loaded is no error. Return: 0, to be given to in_force_close(), or a negative errno
 * that has been explained.
 */
int in_force_open(struct in_force *force, const char *dir);
void in_force_close(struct in_force *force);

/**
 * policy_open_asked - open the policy that a question is about
 * @path: a file; NULL: the policy in force, in the mode that it has there
 * @dir: the pins, NULL: PINS_DEFAULT
 * @word: that says what is in force, 0: the policy is from a file; may be NULL
 *
 * As policy_open().
 */
int policy_open_asked(const char *path, const char *dir, struct policy_file *file, __u64 *word);

/* The names of the rules and subjects of a slot's policy, to be freed; NULL: its text cannot be
 * read. */
struct policy *in_force_policy(const struct store *store, unsigned int slot);

/* A process as the policy sees it. */
struct standing {
	bool tagged;			    /* it has an identity; if not, the rest is empty */
	struct gmem_identity exe;	    /* slot 0 */
	struct gmem_set subjects;	    /* which it is: bits */
	struct gmem_set by[GMEM_CLASS_MAX]; /* subjects that it could be, by each of these alone */
	struct gmem_set rules;		    /* that are for it */
};

/**
 * in_force_resolve - what a process is to the policy
 * @uid: its effective user
 * @cgroup: its cgroup, below the root of cgroup2, or NULL
 *
 * Of its threads the first one is asked. Return: 0, -ESRCH, or another negative errno.
 */
int in_force_resolve(const struct in_force *force, unsigned int pid, __u32 uid, const char *cgroup,
		     struct standing *standing);

/**
 * in_force_knows - was an instance created under the policy, or adopted?
 *
 * Return: 1, 0: it was not, and everything is denied for it, or a negative errno: that cannot be
 * found out, as for an instance that is held by sockets alone.
 */
int in_force_knows(const struct in_force *force, const struct held_instance *instance);

/* What the kernel would decide. @known: as of in_force_knows() */
struct gmem_decision in_force_decide(const struct in_force *force, const struct standing *standing,
				     bool known, const struct gmem_request *request);

#endif /* GMEM_CTL_KERNEL_IN_FORCE_H */
