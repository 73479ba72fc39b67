// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl test: does a policy decide as expected? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../../policy/cases.h"
#include "../kernel/policy_file.h"
#include "../kernel/who.h"

struct outcome {
	struct gmem_decision decision;
	const char *rule, *audit; /* that decided, and that in audit mode before it */
	bool ok;
};

struct results {
	const struct policy_cases *cases;
	struct outcome *outcomes;
	size_t failed;
};

static const char *verdict(bool deny)
{
	return deny ? "deny" : "allow";
}

static struct outcome run_case(const struct policy_file *file, const struct policy_case *wanted)
{
	struct outcome outcome;

	outcome.decision = policy_decide(&file->compiled, &wanted->who, &wanted->request);
	outcome.rule = decision_rule(file->policy, outcome.decision.rule);
	outcome.audit = outcome.decision.audit_rule == GMEM_RULE_NONE
				? "none"
				: decision_rule(file->policy, outcome.decision.audit_rule);
	outcome.ok = outcome.decision.deny == wanted->deny &&
		     (!wanted->rule || !strcmp(wanted->rule, outcome.rule)) &&
		     (!wanted->audit || !strcmp(wanted->audit, outcome.audit));
	return outcome;
}

static void describe(char *text, size_t size, bool deny, const char *rule, const char *audit)
{
	snprintf(text, size, "%s%s%s%s%s", verdict(deny), rule ? " by " : "", rule ? rule : "",
		 audit ? ", audit rule " : "", audit ? audit : "");
}

static void json_outcome(struct json *json, const char *name, bool deny, const char *rule,
			 const char *audit)
{
	if (!json)
		return;
	json_open(json, name, '{');
	json_str(json, "verdict", verdict(deny));
	json_str(json, "rule", rule);
	json_str(json, "audit_rule", audit);
	json_close(json, '}');
}

static void print_cases(struct json *json, const struct results *results)
{
	static const struct field fields[] = {
		{ "CASE", "name", FIELD_TEXT },	  { "LINE", "line", FIELD_NUMBER },
		{ "EXPECTED", NULL, FIELD_TEXT }, { "DECIDED", NULL, FIELD_TEXT },
		{ "RESULT", NULL, FIELD_TEXT },	  { NULL, "ok", FIELD_BOOL },
	};
	struct rows rows;
	char text[256];
	size_t i;

	rows_begin(&rows, json, "cases", '[', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (i = 0; i < results->cases->nr; i++) {
		const struct policy_case *wanted = &results->cases->cases[i];
		const struct outcome *outcome = &results->outcomes[i];
		bool audits = wanted->audit || outcome->decision.audit_rule != GMEM_RULE_NONE;

		row_begin(&rows, NULL);
		row_text(&rows, wanted->name);
		row_number(&rows, wanted->place.line);
		describe(text, sizeof(text), wanted->deny, wanted->rule, wanted->audit);
		row_text(&rows, text);
		describe(text, sizeof(text), outcome->decision.deny, outcome->rule,
			 audits ? outcome->audit : NULL);
		row_text(&rows, text);
		row_text(&rows, outcome->ok ? "ok" : "FAILED");
		row_bool(&rows, outcome->ok);
		json_outcome(json, "expected", wanted->deny, wanted->rule, wanted->audit);
		json_outcome(json, "decided", outcome->decision.deny, outcome->rule,
			     outcome->audit);
		row_end(&rows);
	}
	rows_end(&rows);
}

static int print_json(const struct results *results, const struct policy_file *file)
{
	struct json json = { 0 };

	report_begin(&json, REPORT_cases);
	json_str(&json, "policy", file->policy->file);
	json_u64(&json, "passed", results->cases->nr - results->failed);
	json_u64(&json, "failed", results->failed);
	print_cases(&json, results);
	return report_end(&json);
}

static int print_text(const struct results *results)
{
	print_cases(NULL, results);
	printf("%zu cases, %zu failed\n", results->cases->nr, results->failed);
	return 0;
}

static int run_cases(const struct policy_cases *cases, const struct policy_file *file, bool as_json)
{
	struct results results = { .cases = cases };
	size_t i;
	int ret;

	results.outcomes = calloc(cases->nr, sizeof(*results.outcomes));
	if (!results.outcomes)
		return log_error(-ENOMEM, NULL, NULL, "test");
	for (i = 0; i < cases->nr; i++) {
		results.outcomes[i] = run_case(file, &cases->cases[i]);
		results.failed += !results.outcomes[i].ok;
	}
	ret = as_json ? print_json(&results, file) : print_text(&results);
	free(results.outcomes);
	if (ret && ret != -EPIPE)
		return ret;
	return results.failed ? GMEM_EXIT_FOUND : ret;
}

/* The policy that the cases name lies where they say, seen from their file. */
static int open_named(const char *cases_path, const char *name, struct policy_file *file)
{
	const char *slash = strrchr(cases_path, '/');
	char path[2 * 4096];
	int len = slash && *name != '/' ? (int)(slash + 1 - cases_path) : 0;

	if ((size_t)snprintf(path, sizeof(path), "%.*s%s", len, cases_path, name) >= sizeof(path))
		return log_error(-ENAMETOOLONG, NULL, NULL, "policy %s", name);
	return policy_open(path, false, file);
}

static int test_cases(const struct ctl_options *opts)
{
	struct policy_cases cases = { 0 };
	struct policy_file file = { 0 };
	struct diags diags = { 0 };
	char *text = NULL;
	size_t len;
	int ret;

	ret = policy_read_text(opts->file, &text, &len);
	if (ret)
		return ret;
	ret = cases_parse(text, len, opts->file, &who_of_host, &cases, &diags);
	if (ret == -EBADMSG) {
		diags_sort(&diags);
		diags_report(&diags, opts->json);
		ret = GMEM_EXIT_USAGE;
	} else if (!ret && !opts->policy && !cases.policy) {
		ret = log_error(-EINVAL, "they name no policy", "give one with --policy", "test %s",
				opts->file);
	} else if (!ret) {
		ret = opts->policy ? policy_open(opts->policy, false, &file)
				   : open_named(opts->file, cases.policy, &file);
		if (ret == -EBADMSG) {
			diags_report(&file.diags, opts->json);
			ret = GMEM_EXIT_POLICY;
		}
		if (!ret)
			ret = run_cases(&cases, &file, opts->json);
	}
	policy_close(&file);
	diags_free(&diags);
	cases_free(&cases);
	free(text);
	return ret;
}

int ctl_test(const struct ctl_options *opts)
{
	if (opts->file && opts->events)
		return log_error(-EINVAL, "choose one", NULL, "test with cases and --events");
	if (opts->events)
		return ctl_test_events(opts);
	if (!opts->file)
		return log_error(-EINVAL, "it wants a file of cases, or --events", "see --help",
				 "test");
	return test_cases(opts);
}
