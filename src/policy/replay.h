/* SPDX-License-Identifier: GPL-2.0-only */
/* What a policy would have denied of what gmemtop recorded. */
#ifndef GMEM_POLICY_REPLAY_H
#define GMEM_POLICY_REPLAY_H

#include "request.h"

/* Denials that are the same but for the time. */
struct event_group {
	struct event_group *next_in_bucket, *next;
	__u32 op, rule;
	char *exe, *cgroup, *vm; /* NULL: not recorded */
	__s64 uid;		 /* -1: not recorded */
	__u64 count, first_seq;
};

struct events_report {
	struct event_group *first; /* in the order in which they happened first */
	__u64 events;		   /* that the policy decides */
	__u64 denied;		   /* of those */
	__u64 would;		   /* denied by rules in audit mode only */
	__u64 skipped;		   /* events of which a policy says nothing */
	__u64 lost;		   /* that gmemtop could not record */
	__u64 unplaced;		   /* events that lack what a decision needs */
	__u32 absent;		   /* operations that were not recorded: bits */
};

/**
 * events_decide - decide recorded events
 * @lookup: for the users and executables of the events, or NULL
 * @path: what `gmemtop events --json` wrote; "-" is standard input
 * @report: to be given to events_report_free(), also on error
 *
 * Return: 0 or a negative errno that has been explained.
 */
int events_decide(const struct compiled *compiled, const struct who_lookup *lookup,
		  const char *path, struct events_report *report);
void events_report_free(struct events_report *report);

/* What an event asks: of `gmemctl monitor -o json`, or of `gmemtop events --json`. */
struct event_question {
	struct gmem_request request; /* means nothing where it was a guard */
	struct who who;
	/* What became of it, as `gmemctl monitor` writes it; NULL: it does not say. */
	const char *guard, *verdict, *why;
	__u64 generation;
	void *json; /* owns the texts */
};

/**
 * event_question_read - the first event of a text that a policy decides, or its guards
 * @question: to be given to event_question_free()
 *
 * Return: 0, -ENOENT if there is none, -EINVAL if it cannot be understood.
 */
int event_question_read(const char *text, const struct who_lookup *lookup,
			struct event_question *question);
void event_question_free(struct event_question *question);

#endif /* GMEM_POLICY_REPLAY_H */
