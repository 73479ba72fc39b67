// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define BUCKETS 4096

struct replay {
	const struct compiled *compiled;
	struct events_report *report;
	struct event_group *buckets[BUCKETS];
	struct event_group **last;
};

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static size_t hash_text(size_t hash, const char *text)
{
	while (text && *text)
		hash = hash * 33 + (unsigned char)*text++;
	return hash;
}

static struct event_group *group_of(struct replay *replay, __u32 op, __u32 rule,
				    const struct who *who, const char *vm)
{
	__s64 uid = who->has_uid ? (__s64)who->uid : -1;
	struct event_group *group, **bucket;
	size_t hash = op * 31 + rule;

	hash = hash_text(hash_text(hash_text(hash, who->exe), who->cgroup), vm) + (size_t)uid;
	bucket = &replay->buckets[hash % BUCKETS];
	for (group = *bucket; group; group = group->next_in_bucket) {
		if (group->op == op && group->rule == rule && group->uid == uid &&
		    same_text(group->exe, who->exe) && same_text(group->cgroup, who->cgroup) &&
		    same_text(group->vm, vm))
			return group;
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->op = op;
	group->rule = rule;
	group->uid = uid;
	group->exe = who->exe ? strdup(who->exe) : NULL;
	group->cgroup = who->cgroup ? strdup(who->cgroup) : NULL;
	group->vm = vm ? strdup(vm) : NULL;
	group->next_in_bucket = *bucket;
	*bucket = group;
	*replay->last = group;
	replay->last = &group->next;
	return group;
}

/* Hosts are counted; events of one host follow each other. */
static int add_host(struct event_group *group, const char *host)
{
	if (!host || (group->last_host && !strcmp(group->last_host, host)))
		return 0;
	if (!group->hosts++) {
		group->first_host = strdup(host);
		if (!group->first_host)
			return -ENOMEM;
	}
	free(group->last_host);
	group->last_host = strdup(host);
	return group->last_host ? 0 : -ENOMEM;
}

int replay_take(const struct event *event, void *data)
{
	struct replay *replay = data;
	struct events_report *report = replay->report;
	struct gmem_decision decision;
	struct event_group *group;

	report->events++;
	decision = policy_decide(replay->compiled, &event->who, &event->request);
	if (!decision.deny) {
		report->would += decision.audit_rule != GMEM_RULE_NONE && decision.audit_deny;
		return 0;
	}
	report->denied++;
	if (event->host && (!report->last_host || strcmp(report->last_host, event->host))) {
		report->denied_hosts++;
		free(report->last_host);
		report->last_host = strdup(event->host);
		if (!report->last_host)
			return -ENOMEM;
	}
	group = group_of(replay, event->request.op, decision.rule, &event->who, event->vm);
	if (!group)
		return -ENOMEM;
	if (!group->count++) {
		group->first_seq = event->seq;
		group->request = event->request;
	}
	return add_host(group, event->host);
}

struct replay *replay_new(const struct compiled *compiled, struct events_report *report)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	memset(report, 0, sizeof(*report));
	if (!replay)
		return NULL;
	replay->compiled = compiled;
	replay->report = report;
	replay->last = &report->first;
	return replay;
}

void replay_free(struct replay *replay)
{
	free(replay);
}

void events_report_free(struct events_report *report)
{
	struct event_group *group = report->first, *next;

	for (; group; group = next) {
		next = group->next;
		free(group->exe);
		free(group->cgroup);
		free(group->vm);
		free(group->first_host);
		free(group->last_host);
		free(group);
	}
	free(report->last_host);
	memset(report, 0, sizeof(*report));
}
