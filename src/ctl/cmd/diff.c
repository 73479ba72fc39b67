// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl diff: where do two policies decide differently? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/exits.h"
#include "../../lib/log.h"
#include "../../policy/query.h"
#include "../../policy/value.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/policy_file.h"
#include "request_print.h"

#define GUARDS_TEXT 64

struct compared {
	struct policy_file files[POLICIES_MAX];
	struct policy_diff *diff;
};

static const char *const member_names[POLICIES_MAX] = { "a", "b" };

static const char *mode_of(const struct policy *policy)
{
	return policy->enforce ? "enforce" : "audit";
}

static bool modes_differ(const struct compared *compared)
{
	return compared->files[0].policy->enforce != compared->files[1].policy->enforce;
}

static unsigned int line_of(const struct policy *policy, const struct gmem_decision *decision,
			    __u32 op)
{
	if (decision->rule < policy->nr_rules)
		return policy->rules[decision->rule].place.line;
	return policy->default_places[op].line;
}

static char *guards_text(__u32 guards, char text[GUARDS_TEXT])
{
	size_t len;

	snprintf(text, GUARDS_TEXT, "none");
	if (guards & POLICY_GUARDS_ALL)
		value_list(VALUE_GUARD, guards & POLICY_GUARDS_ALL, ", ", text, GUARDS_TEXT);
	len = strlen(text);
	if (guards & GMEM_TRACE_BY_CGROUP)
		snprintf(text + len, GUARDS_TEXT - len, " (trace: cgroup)");
	return text;
}

/* --- JSON --- */

static void json_sides(struct json *json, const struct compared *compared,
		       const struct difference *difference)
{
	unsigned int p;

	for (p = 0; p < POLICIES_MAX; p++) {
		const struct policy *policy = compared->files[p].policy;
		const struct gmem_decision *decision = &difference->decisions[p];

		json_open(json, member_names[p], '{');
		json_str(json, "verdict", decision->deny ? "deny" : "allow");
		json_str(json, "rule", decision_rule(policy, decision->rule));
		json_line(json, "line", line_of(policy, decision, difference->request.op));
		json_close(json, '}');
	}
}

static void json_others(struct json *json, const struct compared *compared)
{
	const struct policy_diff *diff = compared->diff;
	char text[GUARDS_TEXT];
	unsigned int p;

	if (diff->manager) {
		json_open(json, "manager", '{');
		for (p = 0; p < POLICIES_MAX; p++)
			json_bool(json, member_names[p], diff->is_manager[p]);
		json_who(json, &diff->manager_who);
		json_close(json, '}');
	} else {
		json_null(json, "manager");
	}
	if (diff->guards) {
		json_open(json, "guards", '{');
		for (p = 0; p < POLICIES_MAX; p++)
			json_str(json, member_names[p], guards_text(diff->guarded[p], text));
		json_who(json, &diff->guards_who);
		json_close(json, '}');
	} else {
		json_null(json, "guards");
	}
}

static int print_json(const struct compared *compared)
{
	const struct policy_diff *diff = compared->diff;
	struct json json = { 0 };
	unsigned int p;
	size_t i;

	report_begin(&json, REPORT_diff);
	for (p = 0; p < POLICIES_MAX; p++) {
		json_open(&json, member_names[p], '{');
		json_str(&json, "file", compared->files[p].policy->file);
		json_str(&json, "policy", compared->files[p].policy->name);
		json_str(&json, "mode", mode_of(compared->files[p].policy));
		json_close(&json, '}');
	}
	json_bool(&json, "same", !diff->nr && !diff->manager && !diff->guards);
	json_bool(&json, "same_mode", !modes_differ(compared));
	json_open(&json, "differences", '[');
	for (i = 0; i < diff->nr; i++) {
		json_open(&json, NULL, '{');
		json_str(&json, "operation", value_name(VALUE_OPERATION, diff->list[i].request.op));
		json_who(&json, &diff->list[i].who);
		json_request(&json, &diff->list[i].request);
		json_sides(&json, compared, &diff->list[i]);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_others(&json, compared);
	json_u64(&json, "task_classes", diff->classes);
	return report_end(&json);
}

/* --- text --- */

static void print_side(const struct policy *policy, const struct gmem_decision *decision, __u32 op,
		       const char *end)
{
	printf("%s by %s%s (%s:%u)%s", decision->deny ? "denied" : "allowed",
	       decision->rule < policy->nr_rules ? "rule " : "",
	       decision_rule(policy, decision->rule), policy->shown_file,
	       line_of(policy, decision, op), end);
}

static void print_difference(const struct compared *compared, const struct difference *difference)
{
	__u32 op = difference->request.op;
	char line[REQUEST_LINE];

	printf("%s: ", value_name(VALUE_OPERATION, op));
	print_side(compared->files[0].policy, &difference->decisions[0], op, ", ");
	print_side(compared->files[1].policy, &difference->decisions[1], op, "\n");
	printf("    %s\n", who_line(&difference->who, line));
	printf("    %s\n", request_line(&difference->request, line));
}

static void print_others(const struct compared *compared)
{
	const struct policy_diff *diff = compared->diff;
	char line[REQUEST_LINE], a[GUARDS_TEXT], b[GUARDS_TEXT];

	if (diff->manager)
		printf("manager: only %s accepts\n    %s\n",
		       compared->files[diff->is_manager[1]].policy->shown_file,
		       who_line(&diff->manager_who, line));
	if (diff->guards)
		printf("guards: %s, then %s, for\n    %s\n", guards_text(diff->guarded[0], a),
		       guards_text(diff->guarded[1], b), who_line(&diff->guards_who, line));
	if (modes_differ(compared))
		printf("mode: %s, then %s\n", mode_of(compared->files[0].policy),
		       mode_of(compared->files[1].policy));
}

static int print_text(const struct compared *compared)
{
	const struct policy_diff *diff = compared->diff;
	__u32 differing = 0;
	size_t i;

	for (i = 0; i < diff->nr; i++) {
		print_difference(compared, &diff->list[i]);
		differing |= 1U << diff->list[i].request.op;
	}
	print_others(compared);
	if (differing)
		printf("%d of %d operations differ\n", __builtin_popcount(differing), GMEM_DO_MAX);
	else
		printf("the same decisions for every request of every task (%zu classes of tasks)\n",
		       diff->classes);
	return 0;
}

static int open_policies(const struct ctl_options *opts, struct compared *compared)
{
	const char *paths[POLICIES_MAX] = { opts->file, opts->other };
	unsigned int p;
	int ret = 0;

	for (p = 0; p < POLICIES_MAX && !ret; p++) {
		ret = policy_open(paths[p], false, &compared->files[p]);
		if (ret == -EBADMSG)
			diags_report(&compared->files[p].diags, opts->json);
	}
	return ret;
}

int ctl_diff(const struct ctl_options *opts)
{
	struct compared compared = { 0 };
	int ret;

	if (!opts->file || !opts->other)
		return log_error(-EINVAL, "two policies are required", "see --help", "diff");
	compared.diff = calloc(1, sizeof(*compared.diff));
	if (!compared.diff)
		return log_error(-ENOMEM, NULL, NULL, "diff");
	ret = open_policies(opts, &compared);
	if (!ret) {
		ret = policy_diff(&compared.files[0].compiled, &compared.files[1].compiled,
				  compared.diff);
		if (ret)
			ret = log_error(ret,
					ret == -E2BIG ? "they distinguish too many cases" : NULL,
					NULL, "compare %s and %s", opts->file, opts->other);
	}
	if (!ret) {
		ret = opts->json ? print_json(&compared) : print_text(&compared);
		if ((!ret || ret == -EPIPE) && (compared.diff->nr || compared.diff->manager ||
						compared.diff->guards || modes_differ(&compared)))
			ret = GMEM_EXIT_FOUND;
	}
	policy_close(&compared.files[0]);
	policy_close(&compared.files[1]);
	free(compared.diff);
	return ret == -EBADMSG ? GMEM_EXIT_POLICY : ret;
}
