// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl test --events: what would a policy have denied? */
#include <errno.h>
#include <stdio.h>

#include <libsmartcols/libsmartcols.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../../policy/decide.h"
#include "../../policy/replay.h"
#include "../../policy/value.h"
#include "../kernel/policy_file.h"
#include "../kernel/who.h"

static unsigned int line_of(const struct policy *policy, const struct event_group *group)
{
	return group->rule < policy->nr_rules ? policy->rules[group->rule].place.line
					      : policy->default_places[group->op].line;
}

static int print_json(const struct policy *policy, const struct events_report *report)
{
	const struct event_group *group;
	struct json json = { 0 };
	unsigned int op;
	int ret;

	json_open(&json, NULL, '{');
	json_str(&json, "policy", policy->file);
	json_u64(&json, "events", report->events);
	json_u64(&json, "denied", report->denied);
	json_u64(&json, "would_deny", report->would);
	json_u64(&json, "incomplete", report->unplaced);
	json_u64(&json, "skipped", report->skipped);
	json_u64(&json, "lost", report->lost);
	json_open(&json, "not_recorded", '[');
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (report->absent >> op & 1)
			json_str(&json, NULL, value_name(VALUE_OPERATION, op));
	}
	json_close(&json, ']');
	json_open(&json, "denials", '[');
	for (group = report->first; group; group = group->next) {
		json_open(&json, NULL, '{');
		json_u64(&json, "count", group->count);
		json_u64(&json, "first_seq", group->first_seq);
		json_str(&json, "operation", value_name(VALUE_OPERATION, group->op));
		json_str(&json, "rule", decision_rule(policy, group->rule));
		json_u64(&json, "line", line_of(policy, group));
		json_str(&json, "exe", group->exe);
		if (group->uid < 0)
			json_null(&json, "uid");
		else
			json_u64(&json, "uid", (uint64_t)group->uid);
		json_str(&json, "cgroup", group->cgroup);
		json_str(&json, "vm", group->vm);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	ret = json_flush_line(&json, stdout);
	json_free(&json);
	return ret;
}

static void print_groups(const struct policy *policy, const struct events_report *report)
{
	static const char *const titles[] = { "COUNT", "OPERATION", "RULE", "LINE",
					      "UID",   "CGROUP",    "VM",   "EXE" };
	struct libscols_table *table = scols_new_table();
	const struct event_group *group;
	struct libscols_line *line;
	char number[24];
	size_t i;

	for (i = 0; table && i < sizeof(titles) / sizeof(*titles); i++)
		scols_table_new_column(table, titles[i], 0,
				       !i || i == 3 || i == 4 ? SCOLS_FL_RIGHT : 0);
	for (group = report->first; table && group; group = group->next) {
		line = scols_table_new_line(table, NULL);
		if (!line)
			break;
		snprintf(number, sizeof(number), "%llu", group->count);
		scols_line_set_data(line, 0, number);
		scols_line_set_data(line, 1, value_name(VALUE_OPERATION, group->op));
		scols_line_set_data(line, 2, decision_rule(policy, group->rule));
		snprintf(number, sizeof(number), "%u", line_of(policy, group));
		scols_line_set_data(line, 3, number);
		snprintf(number, sizeof(number), "%lld", group->uid);
		scols_line_set_data(line, 4, group->uid < 0 ? "-" : number);
		scols_line_set_data(line, 5, group->cgroup ? group->cgroup : "-");
		scols_line_set_data(line, 6, group->vm ? group->vm : "-");
		scols_line_set_data(line, 7, group->exe ? group->exe : "-");
	}
	if (table)
		scols_print_table(table);
	scols_unref_table(table);
}

static int print_text(const struct policy *policy, const struct events_report *report)
{
	char ops[128];

	if (report->first)
		print_groups(policy, report);
	printf("%llu events, %llu would be denied, %llu more by rules in audit mode\n",
	       report->events, report->denied, report->would);
	if (report->skipped)
		printf("%llu events of which a policy says nothing\n", report->skipped);
	if (report->unplaced)
		printf("%llu events lack what a decision needs\n", report->unplaced);
	if (report->absent)
		printf("not recorded, and nothing is said of them: %s\n",
		       value_list(VALUE_OPERATION, report->absent, ", ", ops, sizeof(ops)));
	if (report->lost)
		printf("%llu events were lost when it was recorded\n", report->lost);
	return 0;
}

int ctl_test_events(const struct ctl_options *opts)
{
	struct events_report report = { 0 };
	struct policy_file file;
	int ret;

	if (!opts->policy)
		return log_error(-EINVAL, "there is no policy", "give one with --policy",
				 "test --events %s", opts->events);
	ret = policy_open(opts->policy, false, &file);
	if (ret == -EBADMSG) {
		diags_report(&file.diags, opts->json);
		ret = GMEM_EXIT_POLICY;
	}
	if (!ret)
		ret = events_decide(&file.compiled, &who_of_host, opts->events, &report);
	if (!ret)
		ret = opts->json ? print_json(file.policy, &report)
				 : print_text(file.policy, &report);
	if ((!ret || ret == -EPIPE) && report.denied)
		ret = GMEM_EXIT_FOUND;
	events_report_free(&report);
	policy_close(&file);
	return ret;
}
