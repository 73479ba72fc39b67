// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl test --events: what would a policy have denied? */
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
#include "../kernel/policy_file.h"
#include "../kernel/who.h"

static unsigned int line_of(const struct policy *policy, const struct event_group *group)
{
	return group->rule < policy->nr_rules ? policy->rules[group->rule].place.line
					      : policy->default_places[group->op].line;
}

static void print_groups(struct json *json, const struct policy *policy,
			 const struct events_report *report)
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
	};
	const struct event_group *group;
	struct rows rows;

	rows_begin(&rows, json, "denials", '[', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (group = report->first; group; group = group->next) {
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
		row_end(&rows);
	}
	rows_end(&rows);
}

static int print_json(const struct policy *policy, const struct events_report *report)
{
	struct json json = { 0 };

	report_begin(&json, REPORT_events);
	json_str(&json, "policy", policy->file);
	json_u64(&json, "events", report->events);
	json_u64(&json, "denied", report->denied);
	json_u64(&json, "would_deny", report->would);
	json_u64(&json, "incomplete", report->unplaced);
	json_u64(&json, "skipped", report->skipped);
	json_u64(&json, "lost", report->lost);
	json_operations(&json, "not_recorded", report->absent);
	print_groups(&json, policy, report);
	return report_end(&json);
}

static int print_text(const struct policy *policy, const struct events_report *report)
{
	char ops[128];

	if (report->first)
		print_groups(NULL, policy, report);
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
