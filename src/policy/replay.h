/* SPDX-License-Identifier: GPL-2.0-only */
/* What a policy would have denied of the events that gmemtop recorded. */
#ifndef GMEM_POLICY_REPLAY_H
#define GMEM_POLICY_REPLAY_H

#include "request.h"

/* Denials that differ only in time. */
struct event_group {
	struct event_group *next_in_bucket, *next;
	__u32 op, rule;
	char *exe, *cgroup, *vm; /* NULL: not recorded */
	__s64 uid;		 /* -1: not recorded */
	__u64 count, first_seq;
};

struct events_report {
	struct event_group *first; /* in order of first occurrence */
	__u64 events;		   /* that the policy decides */
	__u64 denied;		   /* of those */
	__u64 would;		   /* denied by rules in audit mode only */
	__u64 skipped;		   /* events of other kinds */
	__u64 lost;		   /* that gmemtop could not record */
	__u64 unplaced;		   /* events without a value that the decision needs */
	__u32 absent;		   /* operations that were not recorded: bits */
};

/**
 * events_decide - decide recorded events
 * @lookup: for the users and executables of the events, or NULL
 * @path: what `gmemtop events --json` wrote; "-" is standard input
 * @report: to be passed to events_report_free(), also on error
 *
 * Return: 0 or a negative errno that has been explained.
 */
int events_decide(const struct compiled *compiled, const struct who_lookup *lookup,
		  const char *path, struct events_report *report);
void events_report_free(struct events_report *report);

/* The request in an event of `gmemctl monitor -o json` or `gmemtop events --json`. */
struct event_question {
	struct gmem_request request; /* not set for a guard */
	struct who who;
	/* The decision as `gmemctl monitor` writes it; NULL: not in the event. */
	const char *guard, *verdict, *why;
	__u64 generation;
	void *json; /* owns the texts */
};

/**
 * event_question_read - read the first event in a text that a policy or a guard decides
 * @question: to be passed to event_question_free()
 *
 * Return: 0, -ENOENT if there is no such event, -EINVAL if the text is not valid.
 */
int event_question_read(const char *text, const struct who_lookup *lookup,
			struct event_question *question);
void event_question_free(struct event_question *question);

#endif /* GMEM_POLICY_REPLAY_H */
