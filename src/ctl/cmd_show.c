// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl show: the policy in force, and how often each rule decided. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libsmartcols/libsmartcols.h>

#include "../lib/json.h"
#include "../lib/log.h"
#include "ctl.h"
#include "loader.h"
#include "policy_compile.h"
#include "policy_value.h"

#define NAME_IN_FORCE "in force" /* as the name of the file, in messages */

enum column {
	COLUMN_RULE,
	COLUMN_LINE,
	COLUMN_VERDICT,
	COLUMN_OPERATIONS,
	COLUMN_HITS,
	COLUMN_MAX = COLUMN_HITS + GMEM_VERDICT_MAX
};

static const char *const titles[COLUMN_MAX] = {
	[COLUMN_RULE] = "RULE",
	[COLUMN_LINE] = "LINE",
	[COLUMN_VERDICT] = "VERDICT",
	[COLUMN_OPERATIONS] = "OPERATIONS",
	[COLUMN_HITS + GMEM_VERDICT_allowed] = "ALLOWED",
	[COLUMN_HITS + GMEM_VERDICT_denied] = "DENIED",
	[COLUMN_HITS + GMEM_VERDICT_would_deny] = "WOULD DENY",
	[COLUMN_HITS + GMEM_VERDICT_would_allow] = "WOULD ALLOW",
};

static const char *const hit_names[GMEM_VERDICT_MAX] = {
#define X(name, text) [GMEM_VERDICT_##name] = #name,
	GMEM_VERDICTS(X)
#undef X
};

/* A line of the table: a rule, a default, or one of the two that stand for doubt. */
struct row {
	char name[POLICY_MAX_NAME + 16];
	char operations[160];
	const char *verdict;
	unsigned int line; /* 0: nowhere in the file */
	const struct gmem_hits *hits;
};

static const char *verdict_of(const struct policy_rule *rule)
{
	if (rule->trial)
		return rule->deny ? "deny (audit)" : "allow (audit)";
	return rule->deny ? "deny" : "allow";
}

/* Return: whether there is a line for this number. */
static bool make_row(const struct policy *policy, const struct loader_shown *shown,
		     unsigned int number, struct row *row)
{
	const struct policy_rule *rule;
	unsigned int op;

	row->hits = &shown->rules[number];
	row->line = 0;
	row->verdict = "deny";
	row->operations[0] = '\0';
	if (number < policy->nr_rules) {
		rule = &policy->rules[number];
		snprintf(row->name, sizeof(row->name), "%s", rule->name);
		value_list(VALUE_OPERATION, rule->ops, " ", row->operations,
			   sizeof(row->operations));
		row->verdict = verdict_of(rule);
		row->line = rule->place.line;
		return true;
	}
	if (number < GMEM_MAX_RULES)
		return false;
	if (number < GMEM_RULE_BROKEN) {
		op = number - GMEM_RULE_DEFAULT(0);
		snprintf(row->name, sizeof(row->name), "(default)");
		snprintf(row->operations, sizeof(row->operations), "%s", operation_names[op]);
		row->verdict = policy->default_deny >> op & 1 ? "deny" : "allow";
		return true;
	}
	snprintf(row->name, sizeof(row->name), "%s",
		 number == GMEM_RULE_UNKNOWN ? "(instance older than the policy)"
					     : "(no identity, or in doubt)");
	return true;
}

static void print_table(const struct policy *policy, const struct loader_shown *shown)
{
	struct libscols_table *table = scols_new_table();
	struct libscols_line *line;
	char number[24];
	unsigned int i, v;
	struct row row;

	for (i = 0; table && i < COLUMN_MAX; i++)
		scols_table_new_column(table, titles[i], 0,
				       i >= COLUMN_HITS || i == COLUMN_LINE ? SCOLS_FL_RIGHT : 0);
	for (i = 0; table && i < GMEM_RULE_MAX; i++) {
		if (!make_row(policy, shown, i, &row))
			continue;
		line = scols_table_new_line(table, NULL);
		snprintf(number, sizeof(number), row.line ? "%u" : "-", row.line);
		scols_line_set_data(line, COLUMN_RULE, row.name);
		scols_line_set_data(line, COLUMN_LINE, number);
		scols_line_set_data(line, COLUMN_VERDICT, row.verdict);
		scols_line_set_data(line, COLUMN_OPERATIONS, row.operations);
		for (v = 0; v < GMEM_VERDICT_MAX; v++) {
			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)row.hits->n[v]);
			scols_line_set_data(line, COLUMN_HITS + v, number);
		}
	}
	if (table)
		scols_print_table(table);
	scols_unref_table(table);
}

static int print_json(const struct policy *policy, const struct loader_shown *shown)
{
	struct json json = { 0 };
	unsigned int i, v;
	struct row row;
	int ret;

	json_open(&json, NULL, '{');
	json_str(&json, "policy", policy->name);
	json_u64(&json, "generation", GMEM_ACTIVE_GENERATION(shown->word));
	json_str(&json, "mode", GMEM_ACTIVE_ENFORCES(shown->word) ? "enforce" : "audit");
	json_open(&json, "rules", '[');
	for (i = 0; i < GMEM_RULE_MAX; i++) {
		if (!make_row(policy, shown, i, &row))
			continue;
		json_open(&json, NULL, '{');
		json_u64(&json, "number", i);
		json_str(&json, "name", row.name);
		if (row.line)
			json_u64(&json, "line", row.line);
		else
			json_null(&json, "line");
		json_str(&json, "verdict", row.verdict);
		json_str(&json, "operations", row.operations);
		for (v = 0; v < GMEM_VERDICT_MAX; v++)
			json_u64(&json, hit_names[v], row.hits->n[v]);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_str(&json, "source", shown->source);
	json_close(&json, '}');
	ret = json_flush_line(&json, stdout);
	json_free(&json);
	return ret;
}

int ctl_show(const struct ctl_options *opts)
{
	struct loader_shown *shown = calloc(1, sizeof(*shown));
	struct policy_file file;
	int ret;

	if (!shown)
		return log_error(-ENOMEM, NULL, NULL, "show the policy");
	ret = loader_show(opts->pins, shown);
	if (ret)
		goto out;
	if (opts->source) {
		fputs(shown->source, stdout);
		goto out;
	}
	ret = policy_open_text(shown->source, shown->source_len, NAME_IN_FORCE, false, &file);
	if (ret)
		log_error(ret, "this gmemctl does not understand it", "gmemctl show --source",
			  "read the policy in force");
	else if (opts->json)
		ret = print_json(file.policy, shown);
	else
		print_table(file.policy, shown);
	policy_close(&file);
out:
	loader_shown_free(shown);
	free(shown);
	return ret;
}
