// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl simulate and gmemctl test --events: what would a policy deny of what runs now, and of
 * what was recorded?
 */
#include <errno.h>
#include <stdio.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../../policy/decide.h"
#include "../../policy/replay.h"
#include "../../policy/value.h"
#include "../kernel/live.h"
#include "../kernel/policy_file.h"
#include "../kernel/who.h"
#include "request_print.h"

struct simulation {
	const struct policy *policy;
	struct events_report report;
	struct event_counts counts; /* of a recording */
	struct live_counts live;    /* of what runs */
	bool is_live;
};

static unsigned int line_of(const struct policy *policy, const struct event_group *group)
{
	return group->rule < policy->nr_rules ? policy->rules[group->rule].place.line
					      : policy->default_places[group->op].line;
}

#define HOSTS_TEXT 192

static const char *hosts_text(const struct event_group *group, char text[HOSTS_TEXT])
{
	if (!group->hosts)
		return NULL;
	if (group->hosts == 1)
		snprintf(text, HOSTS_TEXT, "%s", group->first_host);
	else
		snprintf(text, HOSTS_TEXT, "%llu, first %s", (unsigned long long)group->hosts,
			 group->first_host);
	return text;
}

/* Columns that `test --events` does not have. */
#define OF_SIMULATE (1U << 9 | 1U << 10 | 1U << 11 | 1U << 12)

static void print_groups(struct json *json, const struct simulation *simulation, bool simulate)
{
	static const struct field fields[] = {
		{ "COUNT", "count", FIELD_NUMBER },
		{ NULL, "first_seq", FIELD_NUMBER },
		{ "OPERATION", "operation", FIELD_TEXT },
		{ "RULE", "rule", FIELD_TEXT },
		{ "LINE", "line", FIELD_NUMBER },
		{ "UID", "uid", FIELD_NUMBER },
		{ "CGROUP", "cgroup", FIELD_TEXT },
		{ "VM", "vm", FIELD_TEXT },
		{ "EXE", "exe", FIELD_TEXT },
		{ "FIRST REQUEST", NULL, FIELD_TEXT },
		{ "HOSTS", NULL, FIELD_TEXT },
		{ NULL, "hosts", FIELD_NUMBER },
		{ NULL, "first_host", FIELD_TEXT },
	};
	const struct policy *policy = simulation->policy;
	char line[REQUEST_LINE], hosts[HOSTS_TEXT];
	const struct event_group *group;
	__u32 hidden = simulate ? 0 : OF_SIMULATE;
	struct rows rows;

	if (!json && !simulation->report.denied_hosts)
		hidden |= 1U << 10;
	rows_begin(&rows, json, "denials", '[', fields, sizeof(fields) / sizeof(fields[0]), hidden);
	for (group = simulation->report.first; group; group = group->next) {
		row_begin(&rows, NULL);
		row_number(&rows, group->count);
		row_number(&rows, group->first_seq);
		row_text(&rows, value_name(VALUE_OPERATION, group->op));
		row_text(&rows, decision_rule(policy, group->rule));
		row_number(&rows, line_of(policy, group));
		if (group->uid < 0)
			row_text(&rows, NULL);
		else
			row_number(&rows, (__u64)group->uid);
		row_text(&rows, group->cgroup);
		row_text(&rows, group->vm);
		row_text(&rows, group->exe);
		row_text(&rows, request_line(&group->request, line));
		row_text(&rows, hosts_text(group, hosts));
		row_number(&rows, group->hosts);
		row_text(&rows, group->first_host);
		if (json && simulate)
			json_request(json, &group->request);
		row_end(&rows);
	}
	rows_end(&rows);
}

static void json_counts(struct json *json, const struct simulation *simulation)
{
	const struct events_report *report = &simulation->report;
	const struct event_counts *counts = &simulation->counts;

	json_str(json, "policy", simulation->policy->file);
	json_u64(json, "events", report->events);
	json_u64(json, "denied", report->denied);
	json_u64(json, "would_deny", report->would);
	json_u64(json, "incomplete", counts->unplaced);
	json_u64(json, "skipped", counts->skipped);
	json_u64(json, "lost", counts->lost);
	json_operations(json, "not_recorded", counts->absent);
}

static void json_live(struct json *json, const struct simulation *simulation)
{
	const struct live_counts *live = &simulation->live;

	if (!simulation->is_live) {
		json_null(json, "running");
		return;
	}
	json_open(json, "running", '{');
	json_u64(json, "processes", live->processes);
	json_u64(json, "instances", live->instances);
	json_u64(json, "bindings", live->bindings);
	json_u64(json, "mappings", live->mappings);
	json_bool(json, "bindings_known", live->knows_kvm);
	json_u64(json, "vms_unread", live->unread);
	json_close(json, '}');
}

static int print_json(const struct simulation *simulation, bool simulate)
{
	struct json json = { 0 };

	report_begin(&json, simulate ? REPORT_simulate : REPORT_events);
	json_counts(&json, simulation);
	if (simulate) {
		json_u64(&json, "files", simulation->counts.files);
		json_u64(&json, "hosts", simulation->counts.hosts);
		json_u64(&json, "denied_hosts", simulation->report.denied_hosts);
		json_live(&json, simulation);
	}
	print_groups(&json, simulation, simulate);
	return report_end(&json);
}

static void print_live(const struct simulation *simulation)
{
	const struct live_counts *live = &simulation->live;

	printf("now: %zu processes with %zu instances, %zu bindings, %zu mappings; %llu requests "
	       "led there, %llu would be denied, %llu more by rules in audit mode\n",
	       live->processes, live->instances, live->bindings, live->mappings,
	       simulation->report.events, simulation->report.denied, simulation->report.would);
	printf("conversions, holes and what has ended are not visible: simulate a recording too\n");
	if (!live->knows_kvm)
		printf("KVM is not loaded: neither VMs nor bindings are known\n");
	if (live->unread)
		printf("the bindings of %zu VMs could not be read\n", live->unread);
}

static void print_recorded(const struct simulation *simulation)
{
	const struct events_report *report = &simulation->report;
	const struct event_counts *counts = &simulation->counts;
	char ops[128];

	printf("%llu events, %llu would be denied, %llu more by rules in audit mode\n",
	       report->events, report->denied, report->would);
	if (counts->hosts)
		printf("denials on %llu of %llu hosts\n", report->denied_hosts, counts->hosts);
	if (counts->skipped)
		printf("%llu events of which a policy says nothing\n", counts->skipped);
	if (counts->unplaced)
		printf("%llu events lack what a decision needs\n", counts->unplaced);
	if (counts->absent)
		printf("not recorded, and nothing is said of them: %s\n",
		       value_list(VALUE_OPERATION, counts->absent, ", ", ops, sizeof(ops)));
	if (counts->lost)
		printf("%llu events were lost when it was recorded\n", counts->lost);
}

static int print(const struct simulation *simulation, const struct ctl_options *opts, bool simulate)
{
	if (opts->json)
		return print_json(simulation, simulate);
	if (simulation->report.first)
		print_groups(NULL, simulation, simulate);
	if (simulation->is_live)
		print_live(simulation);
	else
		print_recorded(simulation);
	return 0;
}

static int decide(struct simulation *simulation, const struct compiled *compiled,
		  const char *events, bool directories)
{
	struct replay *replay = replay_new(compiled, &simulation->report);
	int ret;

	if (!replay)
		return log_error(-ENOMEM, NULL, NULL, "simulate");
	simulation->is_live = !events;
	if (events)
		ret = events_read(events, directories, &who_of_host, replay_take, replay,
				  &simulation->counts);
	else
		ret = live_read(replay_take, replay, &simulation->live);
	replay_free(replay);
	return ret;
}

/* @path: of the policy */
static int run(const struct ctl_options *opts, const char *path, bool simulate)
{
	struct simulation simulation = { 0 };
	struct policy_file file;
	int ret;

	ret = policy_open(path, false, &file);
	if (ret == -EBADMSG) {
		diags_report(&file.diags, opts->json);
		ret = GMEM_EXIT_POLICY;
	}
	if (!ret) {
		simulation.policy = file.policy;
		ret = decide(&simulation, &file.compiled, opts->events, simulate);
	}
	if (!ret)
		ret = print(&simulation, opts, simulate);
	if ((!ret || ret == -EPIPE) && simulation.report.denied)
		ret = GMEM_EXIT_FOUND;
	events_report_free(&simulation.report);
	policy_close(&file);
	return ret;
}

int ctl_test_events(const struct ctl_options *opts)
{
	if (!opts->policy)
		return log_error(-EINVAL, "there is no policy", "give one with --policy",
				 "test --events %s", opts->events);
	return run(opts, opts->policy, false);
}

int ctl_simulate(const struct ctl_options *opts)
{
	if (!opts->file)
		return log_error(-EINVAL, "a policy is required", "see --help", "simulate");
	return run(opts, opts->file, true);
}
