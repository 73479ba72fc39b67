/* SPDX-License-Identifier: GPL-2.0-only */
/* What gmemctl's policy denied on this host; also where it is locked. */
#ifndef GMEM_TOP_POLICY_H
#define GMEM_TOP_POLICY_H

#include <stdbool.h>

#include <linux/types.h>

/* bpf/abi/policy.h has the same words as bpf/abi/events.h for other things. */
#define POLICY_OPERATIONS 7

struct json;

struct policy_counts {
	bool known;	  /* programs are attached, and could be asked */
	bool in_force;	  /* a policy is, and not only its programs */
	bool enforce;	  /* it denies; otherwise it only counts */
	__u64 generation; /* of the policy in force */
	/* Since the programs were attached. */
	__u64 denied[POLICY_OPERATIONS], would_deny[POLICY_OPERATIONS];
};

/* Read it anew. What is not there, or cannot be read, is not known. */
void policy_counts_read(struct policy_counts *counts);

/* Load what reads them now, not with the first policy: for a process that gives up capabilities. */
void policy_counts_prepare(void);

/* All operations together. */
__u64 policy_denied(const struct policy_counts *counts);

/* An object of that name; null where it is unknown. */
void policy_counts_json(const struct policy_counts *counts, const char *name, struct json *json);

extern const char *const policy_operation_names[POLICY_OPERATIONS];

#endif /* GMEM_TOP_POLICY_H */
