/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions about all requests of all tasks at once: where do two policies differ, and which tasks
 * can do something? The answers are exact, see tasks.h and search.h.
 *
 * Rules in audit mode decide nothing and are left out. The mode of a policy is not taken into
 * account: a policy in audit mode is compared as if it were enforced.
 */
#ifndef GMEM_POLICY_QUERY_H
#define GMEM_POLICY_QUERY_H

#include "search.h"

/* A request that two policies decide differently. */
struct difference {
	struct who who; /* borrows from the policies */
	struct gmem_request request;
	struct gmem_decision decisions[POLICIES_MAX];
};

struct policy_diff {
	/* By operation, at most two of each: what the second policy denies, what it allows. */
	struct difference list[2 * GMEM_DO_MAX];
	size_t nr;
	/* A task that only one of the policies accepts as the manager of a locked policy. */
	bool manager;
	struct who manager_who;
	bool is_manager[POLICIES_MAX];
	/* A task that the guards of the policies protect differently. */
	bool guards;
	struct who guards_who;
	__u32 guarded[POLICIES_MAX]; /* bits of enum gmem_guard, and GMEM_TRACE_BY_CGROUP */
	size_t classes;		     /* of tasks */
	__u64 boxes;		     /* of requests that were decided */
};

/**
 * policy_diff - where do two policies differ?
 * @diff: borrows from them
 *
 * Return: 0, -E2BIG, -ENOMEM.
 */
int policy_diff(const struct compiled *a, const struct compiled *b, struct policy_diff *diff);

/* Tasks that can do something. */
struct ability {
	struct gmem_set subjects; /* that the tasks are, and maybe others */
	struct who who;		  /* one of them */
	struct gmem_request request;
	struct gmem_decision decision;
};

struct abilities {
	struct ability *list; /* the same rule and fewer subjects are left out */
	size_t nr;
	size_t classes;
	__u64 boxes;
};

/**
 * policy_who_can - which tasks does a policy allow a request?
 * @wanted: the operation, and the values in @given
 * @given: conditions whose value the request must have: bits
 * @except: tasks that are one of these subjects are not considered
 * @abilities: the result, to be passed to abilities_free(), also on error
 *
 * Return: 0, -E2BIG, -ENOMEM.
 */
int policy_who_can(const struct compiled *compiled, const struct gmem_request *wanted, __u32 given,
		   const struct gmem_set *except, struct abilities *abilities);
void abilities_free(struct abilities *abilities);

#endif /* GMEM_POLICY_QUERY_H */
