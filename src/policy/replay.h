/* SPDX-License-Identifier: GPL-2.0-only */
/* What a policy would deny of events that were recorded. */
#ifndef GMEM_POLICY_REPLAY_H
#define GMEM_POLICY_REPLAY_H

#include "events.h"

/* Denials that differ only in time. */
struct event_group {
	struct event_group *next_in_bucket, *next;
	__u32 op, rule;
	char *exe, *cgroup, *vm; /* NULL: not recorded */
	__s64 uid;		 /* -1: not recorded */
	__u64 count, first_seq;
	struct gmem_request request; /* the first one */
	__u64 hosts;		     /* on which they happened, 0: not known */
	char *first_host, *last_host;
};

struct events_report {
	struct event_group *first; /* in order of first occurrence */
	__u64 events;		   /* that the policy decides */
	__u64 denied;		   /* of those */
	__u64 would;		   /* denied by rules in audit mode only */
	__u64 denied_hosts;	   /* with denials, where hosts are known */
	char *last_host;
};

struct replay;

/**
 * replay_new - decide events
 * @report: to be passed to events_report_free(), also on error
 *
 * Return: NULL if there is no memory.
 */
struct replay *replay_new(const struct compiled *compiled, struct events_report *report);
void replay_free(struct replay *replay);

/* Decide one event; an event_fn, @data is the replay. Events of one host must be consecutive. */
int replay_take(const struct event *event, void *data);
void events_report_free(struct events_report *report);

#endif /* GMEM_POLICY_REPLAY_H */
