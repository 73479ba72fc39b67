/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is there a request that one or two policies decide in a given way? The answer is exact: all
 * requests are searched, by the classes of flags, types, protections and directions, and by the
 * bounds of the rules for sizes and addresses.
 *
 * A request is one that KVM can be asked for: sizes, addresses and offsets are multiples of
 * VALUE_PAGE; an instance is not empty; a range is not empty and does not wrap around; a binding is
 * as long in the guest as in the instance, and inside of the instance; a fault reads or writes.
 * Each value that a kernel may not provide can be unknown; of a range both ends are then.
 */
#ifndef GMEM_POLICY_SEARCH_H
#define GMEM_POLICY_SEARCH_H

#include "tasks.h"

struct search_rules;

struct search {
	const struct compiled *policies[POLICIES_MAX];
	unsigned int nr;
	bool deny[POLICIES_MAX]; /* the verdict that is searched for, by policy */
	/* Values that the request must have; `given` has the bits of the conditions. */
	struct gmem_request fixed;
	__u32 given;
	struct search_rules *rules; /* by search_open() */
	__u64 boxes;		    /* that were decided, for a report */
};

/**
 * search_open - prepare to search
 * @search: policies, nr, fixed and given are set; pass it to search_close()
 *
 * Return: 0 or -ENOMEM.
 */
int search_open(struct search *search);
void search_close(struct search *search);

/**
 * search_request - find the smallest request that the policies decide as search->deny says
 * @op: its operation
 * @mine: by policy, the rules for the subjects of the task
 * @request: the result
 *
 * The smallest: first by protection or direction, type and flags in the order of the language, with
 * unknown values last; then by size, guest addresses and offsets.
 *
 * Return: 1 if there is one, 0 if there is none, -E2BIG if the rules are too many to tell.
 */
int search_request(struct search *search, __u32 op, const struct gmem_set mine[POLICIES_MAX],
		   struct gmem_request *request);

/* Only the rules that name @op and are not in audit mode. */
void search_narrow(const struct search *search, __u32 op, struct gmem_set mine[POLICIES_MAX]);

#endif /* GMEM_POLICY_SEARCH_H */
