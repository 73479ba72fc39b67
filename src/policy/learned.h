/* SPDX-License-Identifier: GPL-2.0-only */
/* What was learned: learn.c collects it, learn_write.c writes it, learn_check.c checks it. */
#ifndef GMEM_POLICY_LEARNED_H
#define GMEM_POLICY_LEARNED_H

#include "learn.h"

/* Different requests of one subject and operation that are kept one by one. */
#define LEARN_KEPT 1000

/* The first name, and how many different ones came after each other. */
struct names {
	char *first, *last;
	__u64 nr;
};

/* A request that was seen, or denied. */
struct observed {
	struct gmem_request request;
	char *cgroup; /* of a denial: where it was */
	__u64 count;
};

/* What one subject did by one operation. */
struct learned_op {
	__u64 count, first_seq, last_seq;
	struct names vms, hosts;
	__u32 unknown; /* conditions whose value was not known once: bits */
	bool flags_seen, flags_differ;
	__u32 flags, prot, directions, types; /* all that were seen: bits */
	__u64 size_max, start, end;	      /* 0: none */
	bool exact;			      /* no bounds beyond what was seen */
	struct observed *done, *denied;	      /* different ones, at most LEARN_KEPT */
	size_t nr_done, room_done, nr_denied, room_denied;
	__u64 denied_count;
	bool inferred; /* receive: it used an instance that another process created */
};

struct learned_subject {
	struct learned_subject *next;
	char *exe, *cgroup; /* NULL: any */
	enum gmem_root root;
	__s64 uid;
	char name[POLICY_MAX_NAME + 1];
	struct names cgroups;
	char **done_in; /* cgroups as they are in which something was done, at most LEARN_KEPT */
	size_t nr_done_in, room_done_in;
	__u64 count;
	struct learned_op ops[GMEM_DO_MAX];
};

/* A rule that denies a request which the bounds of the others include. */
struct exception {
	const struct learned_subject *subject;
	const char
		*cgroup; /* nothing was done there: the operation is denied; NULL: the request is */
	struct gmem_request request;
	bool useless; /* it would deny what was done */
};

struct learn {
	struct learn_options options;
	struct learn_report report;
	struct learned_subject *subjects, **last;
	size_t nr_subjects;
	struct exception *exceptions;
	size_t nr_exceptions, room_exceptions;
	struct creator *creators; /* of instances, by hash */
};

/* Was something done in this cgroup, or can that not be told? */
bool learned_in(const struct learned_subject *subject, const char *cgroup);

/* Write the proposal as it is now. @whole: as a policy, not as a drop-in. Return: 0 or -ENOMEM. */
int learned_write(const struct learn *learn, bool whole, char **text, size_t *len);

#endif /* GMEM_POLICY_LEARNED_H */
