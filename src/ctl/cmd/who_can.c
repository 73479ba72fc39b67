// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl who-can: every subject that a policy allows an operation, or that there is none. */
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
#include "../kernel/loader.h"
#include "../kernel/policy_file.h"
#include "request_print.h"

struct question {
	struct gmem_request wanted;
	__u32 given;		/* conditions: bits */
	struct gmem_set except; /* subjects */
};

static const char *const *value_of(const struct ctl_options *opts, enum policy_condition condition)
{
	switch (condition) {
#define X(name, ...) \
	case POLICY_IF_##name: return &opts->name;
		POLICY_CONDITIONS(X)
#undef X
	case POLICY_IF_MAX: break;
	}
	return NULL;
}

/* Only a request of whole pages can be asked of KVM. */
static int check_size(const struct question *question, const struct ctl_options *opts)
{
	if (!(question->given >> POLICY_IF_size & 1) ||
	    (question->wanted.size && !(question->wanted.size % VALUE_PAGE)))
		return 0;
	return log_error(-EINVAL, "an instance has whole pages of 4KiB", NULL, "--size %s",
			 opts->size);
}

static int read_question(const struct ctl_options *opts, struct question *question)
{
	struct request_text text = { opts->file,      opts->size,  opts->flags,	 opts->prot,
				     opts->direction, opts->range, opts->offset, opts->vm_type };
	struct request_error error = { 0 };
	int i, ret;

	memset(question, 0, sizeof(*question));
	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (*value_of(opts, (enum policy_condition)i))
			question->given |= 1U << i;
	}
	/* That of a mapping is required where one request is meant; here all are. */
	if (!text.prot && text.op && (!strcmp(text.op, "mmap") || !strcmp(text.op, "fault")))
		text.prot = "none";
	ret = request_parse(&text, &question->wanted, &error);
	if (error.name)
		return log_error(ret, error.why, NULL, "%s%s%s",
				 strcmp(error.name, "op") ? "--" : "who-can ",
				 strcmp(error.name, "op") ? error.name : "", error.value);
	return ret ?: check_size(question, opts);
}

static int read_except(const char *list, const struct policy *policy, struct gmem_set *except)
{
	size_t i, len;

	for (; list && *list; list += len + !!list[len]) {
		len = strcspn(list, ",");
		for (i = 0; i < policy->nr_subjects; i++) {
			if (strlen(policy->subjects[i].name) == len &&
			    !strncmp(policy->subjects[i].name, list, len))
				break;
		}
		if (i == policy->nr_subjects)
			return log_error(-EINVAL, "the policy has no such subject", NULL,
					 "--except %.*s", (int)len, list);
		set_add(except, (unsigned int)i);
	}
	return 0;
}

static char *subjects_text(const struct policy *policy, const struct gmem_set *subjects,
			   char text[REQUEST_LINE])
{
	size_t i, len = 0;

	snprintf(text, REQUEST_LINE, "any task");
	for (i = 0; i < policy->nr_subjects && len < REQUEST_LINE; i++) {
		if (set_has(subjects, (unsigned int)i))
			len += (size_t)snprintf(text + len, REQUEST_LINE - len, "%s%s",
						len ? "," : "", policy->subjects[i].name);
	}
	return text;
}

static unsigned int line_of(const struct policy *policy, const struct ability *ability)
{
	if (ability->decision.rule < policy->nr_rules)
		return policy->rules[ability->decision.rule].place.line;
	return policy->default_places[ability->request.op].line;
}

static void print_abilities(struct json *json, const struct policy *policy,
			    const struct abilities *abilities)
{
	static const struct field fields[] = {
		{ "SUBJECTS", NULL, FIELD_TEXT }, { "RULE", "rule", FIELD_TEXT },
		{ "LINE", "line", FIELD_NUMBER }, { "FOR EXAMPLE", NULL, FIELD_TEXT },
		{ "REQUEST", NULL, FIELD_TEXT },
	};
	char text[REQUEST_LINE];
	struct rows rows;
	size_t i, j;

	rows_begin(&rows, json, "abilities", '[', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (i = 0; i < abilities->nr; i++) {
		const struct ability *ability = &abilities->list[i];

		row_begin(&rows, NULL);
		row_text(&rows, subjects_text(policy, &ability->subjects, text));
		row_text(&rows, decision_rule(policy, ability->decision.rule));
		row_number(&rows, line_of(policy, ability));
		row_text(&rows, who_line(&ability->who, text));
		row_text(&rows, request_line(&ability->request, text));
		if (json) {
			json_open(json, "subjects", '[');
			for (j = 0; j < policy->nr_subjects; j++) {
				if (set_has(&ability->subjects, (unsigned int)j))
					json_str(json, NULL, policy->subjects[j].name);
			}
			json_close(json, ']');
			json_who(json, &ability->who);
			json_request(json, &ability->request);
		}
		row_end(&rows);
	}
	rows_end(&rows);
}

static int print_json(const struct policy *policy, const struct question *question,
		      const struct abilities *abilities)
{
	struct json json = { 0 };

	report_begin(&json, REPORT_who_can);
	json_str(&json, "file", policy->file);
	json_str(&json, "policy", policy->name);
	json_str(&json, "mode", policy->enforce ? "enforce" : "audit");
	json_str(&json, "operation", value_name(VALUE_OPERATION, question->wanted.op));
	json_u64(&json, "task_classes", abilities->classes);
	print_abilities(&json, policy, abilities);
	return report_end(&json);
}

static int print_text(const struct policy *policy, const struct question *question,
		      const struct abilities *abilities)
{
	const char *op = value_name(VALUE_OPERATION, question->wanted.op);

	if (abilities->nr)
		print_abilities(NULL, policy, abilities);
	else
		printf("no task can: %s is denied in all of %zu classes of tasks, for every such "
		       "request (%llu sets of requests were decided)\n",
		       op, abilities->classes, (unsigned long long)abilities->boxes);
	if (!policy->enforce)
		printf("policy %s is in audit mode: nothing is denied\n", policy->name);
	return 0;
}

int ctl_who_can(const struct ctl_options *opts)
{
	struct abilities abilities = { 0 };
	struct policy_file file = { 0 };
	struct question question;
	int ret;

	if (!opts->file)
		return log_error(-EINVAL, "an operation is required", "see --help", "who-can");
	ret = read_question(opts, &question);
	ret = ret ?: policy_open_asked(opts->policy, opts->pins, &file, NULL);
	if (ret == -EBADMSG) {
		diags_report(&file.diags, opts->json);
		ret = GMEM_EXIT_POLICY;
	}
	ret = ret ?: read_except(opts->except, file.policy, &question.except);
	if (!ret) {
		ret = policy_who_can(&file.compiled, &question.wanted, question.given,
				     &question.except, &abilities);
		if (ret)
			ret = log_error(ret,
					ret == -E2BIG ? "it distinguishes too many cases" : NULL,
					NULL, "who-can %s", opts->file);
		else
			ret = opts->json ? print_json(file.policy, &question, &abilities)
					 : print_text(file.policy, &question, &abilities);
		if ((!ret || ret == -EPIPE) && abilities.nr)
			ret = GMEM_EXIT_FOUND;
	}
	abilities_free(&abilities);
	policy_close(&file);
	return ret;
}
