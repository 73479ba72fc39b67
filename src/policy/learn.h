/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From events to a policy that allows what they did, and no more than is stated: for each subject
 * (executable, user, cgroup) and each operation the flags, protections, directions and types of VMs
 * that were seen, and sizes and guest addresses up to a bound.
 *
 * What was only denied is granted nowhere. Where a bound would include it, the bound is drawn
 * exactly; where that still includes it, a rule that denies comes first; where that would deny what
 * was done, the proposal says so.
 */
#ifndef GMEM_POLICY_LEARN_H
#define GMEM_POLICY_LEARN_H

#include <stdio.h>

#include "compile.h"
#include "events.h"

struct learn;

struct learn_options {
	const struct compiled *base; /* propose what it lacks, as a drop-in; NULL: a whole policy */
	const char *base_name;
	bool exact; /* no bounds beyond what was seen, and cgroups as they are */
};

struct learn_report {
	__u64 events;	 /* that are evidence */
	__u64 allowed;	 /* that the base allows already */
	__u64 by_rule;	 /* that a rule of the base denies: not proposed */
	__u64 denied;	 /* that were denied when they happened: no evidence */
	__u64 failed;	 /* for other reasons: no evidence */
	__u64 anonymous; /* of processes whose executable is not known: not proposed */
	size_t subjects, rules;
	size_t overlaps; /* requests that were denied and that the proposal allows */
};

/* Return: NULL if there is no memory. */
struct learn *learn_new(const struct learn_options *options);
void learn_free(struct learn *learn);

/* An event_fn; @data is the struct learn. */
int learn_take(const struct event *event, void *data);

/**
 * learn_propose - write the policy
 * @report: what it is made of
 *
 * Return: 0, -ENODATA if there is nothing to propose, -ENOMEM, or -EPROTO if the proposal does not
 * allow its own evidence, which is a bug.
 */
int learn_propose(struct learn *learn, char **text, size_t *len, struct learn_report *report);

#endif /* GMEM_POLICY_LEARN_H */
