// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl show: the policy in force, and how often each rule decided. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libsmartcols/libsmartcols.h>

#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/digest.h"
#include "../kernel/loader.h"
#include "../../policy/compile.h"
#include "../../policy/value.h"
#include "../kernel/resolved.h"
#include "../kernel/policy_file.h"

#define NAME_IN_FORCE "in force" /* as the name of the file, in messages */

/* A line of the table: a rule, a default, or one of the two that stand for doubt. */
struct row {
	char name[POLICY_MAX_NAME + 16];
	char operations[160];
	__u32 ops; /* the same as bits */
	const char *verdict;
	unsigned int line; /* 0: nowhere in the file */
	const struct gmem_hits *hits;
};

static const char *verdict_of(const struct policy_rule *rule)
{
	if (rule->audit_rule)
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
	row->ops = 0;
	if (number < policy->nr_rules) {
		rule = &policy->rules[number];
		snprintf(row->name, sizeof(row->name), "%s", rule->name);
		value_list(VALUE_OPERATION, rule->ops, " ", row->operations,
			   sizeof(row->operations));
		row->verdict = verdict_of(rule);
		row->ops = rule->ops;
		row->line = rule->place.line;
		return true;
	}
	if (number < GMEM_MAX_RULES)
		return false;
	if (number < GMEM_RULE_BROKEN) {
		op = number - GMEM_RULE_DEFAULT(0);
		snprintf(row->name, sizeof(row->name), "(default)");
		snprintf(row->operations, sizeof(row->operations), "%s", operation_names[op]);
		row->ops = 1U << op;
		row->verdict = policy->default_deny >> op & 1 ? "deny" : "allow";
		row->line = policy->default_places[op].line;
		return true;
	}
	snprintf(row->name, sizeof(row->name), "%s",
		 number == GMEM_RULE_UNKNOWN	 ? "(instance from before the policy)"
		 : number == GMEM_RULE_NO_MEMORY ? "(no memory for a tag)"
		 : number == GMEM_RULE_IOCTL	 ? "(ioctl on an instance)"
						 : "(no identity, or in doubt)");
	return true;
}

static void print_rules(struct json *json, const struct policy *policy,
			const struct loader_shown *shown)
{
	static const struct field fields[] = {
		{ NULL, "number", FIELD_NUMBER },   { "RULE", "name", FIELD_TEXT },
		{ "LINE", "line", FIELD_NUMBER },   { "VERDICT", "verdict", FIELD_TEXT },
		{ "OPERATIONS", NULL, FIELD_TEXT }, FIELDS_OF_HITS,
	};
	struct rows rows;
	struct row row;
	unsigned int i;

	rows_begin(&rows, json, "rules", '[', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (i = 0; i < GMEM_RULE_MAX; i++) {
		if (!make_row(policy, shown, i, &row))
			continue;
		row_begin(&rows, NULL);
		row_number(&rows, i);
		row_text(&rows, row.name);
		if (row.line)
			row_number(&rows, row.line);
		else
			row_text(&rows, NULL);
		row_text(&rows, row.verdict);
		row_text(&rows, row.operations);
		row_hits(&rows, row.hits, GMEM_VERDICT_MAX);
		if (json)
			json_operations(json, "operations", row.ops);
		row_end(&rows);
	}
	rows_end(&rows);
}

/* Counters of operations, or of guards: @nr of them. */
static void print_hits(struct json *json, const char *name, const char *title,
		       const char *const *names, const struct gmem_hits *hits, unsigned int nr)
{
	const struct field fields[] = { { title, NULL, FIELD_TEXT }, FIELDS_OF_HITS };
	struct rows rows;
	unsigned int i;

	rows_begin(&rows, json, name, '{', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (i = 0; i < nr; i++) {
		row_begin(&rows, names[i]);
		row_text(&rows, names[i]);
		row_hits(&rows, &hits[i], GMEM_VERDICT_MAX);
		row_end(&rows);
	}
	rows_end(&rows);
}

/* --- subjects --- */

static char *inode_text(const struct gmem_identity *exe, char text[64])
{
	char dev[DEV_TEXT];

	snprintf(text, 64, "inode %s/%llu", dev_text(exe->dev, dev), exe->ino);
	return text;
}

static void add_subject_line(struct libscols_table *table, const char *name, const char *condition,
			     const char *written, const char *kernel)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return;
	scols_line_set_data(line, 0, name);
	scols_line_set_data(line, 1, condition);
	scols_line_set_data(line, 2, written);
	scols_line_set_data(line, 3, kernel);
}

static void print_subject(struct libscols_table *table, const struct policy_subject *subject,
			  const struct resolved *resolved)
{
	char digest[VALUE_DIGEST_TEXT], inode[64], text[256], users[512] = "", uids[512] = "";
	size_t i, len = 0;

	if (subject->exe) {
		snprintf(text, sizeof(text), "%s%s%s",
			 resolved->exe.kind ? inode_text(&resolved->exe, inode) : "-",
			 resolved->exe_now == RESOLVED_same ? "" : ", ",
			 resolved->exe_now == RESOLVED_same ? ""
							    : resolved_texts[resolved->exe_now]);
		if (resolved->replaced)
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				 ", and %zu that it was", resolved->replaced);
		add_subject_line(table, subject->name, "exe", subject->exe, text);
	}
	if (subject->has_verity)
		add_subject_line(table, subject->name, "verity",
				 value_digest_text(&subject->verity, digest),
				 resolved->exe.kind == GMEM_BY_VERITY ? "as written" : "-");
	for (i = 0; i < subject->nr_uids && len < sizeof(users); i++)
		len += (size_t)snprintf(users + len, sizeof(users) - len, "%s%s", i ? "," : "",
					subject->uids[i].name);
	for (i = 0, len = 0; i < resolved->nr_uids && len < sizeof(uids); i++)
		len += (size_t)snprintf(uids + len, sizeof(uids) - len, "%s%u", i ? "," : "",
					resolved->uids[i]);
	if (subject->nr_uids)
		add_subject_line(table, subject->name, "uid", users, *uids ? uids : "-");
	if (subject->cgroup) {
		enum cgroup_state now = cgroup_now(subject, resolved);

		snprintf(text, sizeof(text), resolved->cgroup ? "cgroup %llu%s%s" : "-",
			 resolved->cgroup, now == CGROUP_same ? "" : ", which ",
			 now == CGROUP_same ? "" : cgroup_texts[now]);
		add_subject_line(table, subject->name, "cgroup", subject->cgroup, text);
	}
}

static void print_subjects(const struct policy *policy, const struct resolved *list)
{
	static const char *const heads[] = { "SUBJECT", "CONDITION", "WRITTEN", "IN THE KERNEL" };
	struct libscols_table *table = scols_new_table();
	size_t i;

	for (i = 0; table && i < sizeof(heads) / sizeof(heads[0]); i++)
		scols_table_new_column(table, heads[i], 0, 0);
	for (i = 0; table && i < policy->nr_subjects; i++)
		print_subject(table, &policy->subjects[i], &list[i]);
	if (table)
		scols_print_table(table);
	scols_unref_table(table);
}

static void json_subjects(struct json *json, const struct policy *policy,
			  const struct resolved *list)
{
	char digest[VALUE_DIGEST_TEXT];
	size_t i, j;

	json_open(json, "subjects", '[');
	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		json_open(json, NULL, '{');
		json_str(json, "name", subject->name);
		json_str(json, "exe", subject->exe);
		json_identity(json, "exe_inode", &list[i].exe);
		json_str(json, "exe_now", subject->exe ? resolved_names[list[i].exe_now] : NULL);
		json_u64(json, "exe_replaced", list[i].replaced);
		json_str(json, "verity",
			 subject->has_verity ? value_digest_text(&subject->verity, digest) : NULL);
		json_open(json, "users", '[');
		for (j = 0; j < subject->nr_uids; j++)
			json_str(json, NULL, subject->uids[j].name);
		json_close(json, ']');
		json_open(json, "uids", '[');
		for (j = 0; j < list[i].nr_uids; j++)
			json_u64(json, NULL, list[i].uids[j]);
		json_close(json, ']');
		json_str(json, "cgroup", subject->cgroup);
		if (list[i].cgroup)
			json_u64(json, "cgroup_id", list[i].cgroup);
		else
			json_null(json, "cgroup_id");
		json_str(json, "cgroup_now",
			 subject->cgroup ? cgroup_names[cgroup_now(subject, &list[i])] : NULL);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* --- all of it --- */

static void print_text(const struct policy *policy, const struct loader_shown *shown,
		       const struct resolved *list)
{
	time_t loaded = (time_t)shown->how.loaded_s;
	char when[64] = "", digest[DIGEST_TEXT];

	strftime(when, sizeof(when), "%F %T", localtime(&loaded));
	printf("policy %s, %s, generation %llu, %zu rules, loaded %s by uid %u\n%s\n\n",
	       policy->name, GMEM_ACTIVE_ENFORCES(shown->word) ? "enforce" : "audit",
	       GMEM_ACTIVE_GENERATION(shown->word), policy->nr_rules, when, shown->how.uid,
	       digest_text(shown->how.digest, digest));
	print_rules(NULL, policy, shown);
	putchar('\n');
	print_hits(NULL, NULL, "OPERATION", operation_names, shown->ops, GMEM_DO_MAX);
	putchar('\n');
	print_hits(NULL, NULL, "GUARD", guard_names, shown->guards, GMEM_GUARD_MAX);
	if (policy->nr_subjects) {
		putchar('\n');
		print_subjects(policy, list);
	}
}

static int print_json(const struct policy *policy, const struct loader_shown *shown,
		      const struct resolved *list)
{
	char digest[DIGEST_TEXT];
	struct json json = { 0 };

	report_begin(&json, REPORT_show);
	json_str(&json, "policy", policy->name);
	json_u64(&json, "generation", GMEM_ACTIVE_GENERATION(shown->word));
	json_str(&json, "mode", GMEM_ACTIVE_ENFORCES(shown->word) ? "enforce" : "audit");
	json_u64(&json, "loaded_seconds", shown->how.loaded_s);
	json_u64(&json, "loaded_by", shown->how.uid);
	json_str(&json, "digest", digest_text(shown->how.digest, digest));
	print_rules(&json, policy, shown);
	print_hits(&json, "operations", NULL, operation_names, shown->ops, GMEM_DO_MAX);
	print_hits(&json, "guards", NULL, guard_names, shown->guards, GMEM_GUARD_MAX);
	json_subjects(&json, policy, list);
	json_str(&json, "source", shown->source);
	return report_end(&json);
}

int ctl_show(const struct ctl_options *opts)
{
	struct loader_shown *shown = calloc(1, sizeof(*shown));
	struct resolved *list = NULL;
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
	else
		ret = resolved_in_force(opts->pins, shown->word, &file, &list);
	if (!ret && opts->json)
		ret = print_json(file.policy, shown, list);
	else if (!ret)
		print_text(file.policy, shown, list);
	if (file.policy)
		resolved_free(list, file.policy->nr_subjects);
	policy_close(&file);
out:
	loader_shown_free(shown);
	free(shown);
	return ret;
}
