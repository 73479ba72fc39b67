// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "../../policy/request.h"
#include "../../policy/value.h"
#include "../kernel/who.h"
#include "../kernel/resolve.h"
#include "explain.h"
#include "request_print.h"

#define TEXT 512

static const char *verdict_text(const struct policy_rule *rule)
{
	if (rule->audit_rule)
		return rule->deny ? "deny (audit)" : "allow (audit)";
	return rule->deny ? "deny" : "allow";
}

static const struct field fields[] = {
	{ "RULE", NULL, FIELD_TEXT },	    { "LINE", NULL, FIELD_NUMBER },
	{ "VERDICT", NULL, FIELD_TEXT },    { "CONDITION", "condition", FIELD_TEXT },
	{ "WANTED", "wanted", FIELD_TEXT }, { "GIVEN", "given", FIELD_TEXT },
	{ "HOLDS", "holds", FIELD_BOOL },
};

static void begin_conditions(struct explain *explain)
{
	rows_begin(&explain->rows, explain->as_json ? &explain->json : NULL, "conditions", '[',
		   fields, sizeof(fields) / sizeof(fields[0]), 0);
}

/* One condition of the rule that is being shown. */
static void show(struct explain *explain, const char *condition, const char *wanted,
		 const char *given, bool holds)
{
	const struct policy_rule *rule = explain->rule;
	struct rows *rows = &explain->rows;

	row_begin(rows, NULL);
	row_text(rows, explain->rule_begins ? rule->name : " ");
	if (explain->rule_begins)
		row_number(rows, rule->place.line);
	else
		row_text(rows, " ");
	row_text(rows, explain->rule_begins ? verdict_text(rule) : " ");
	row_text(rows, condition);
	row_text(rows, wanted);
	row_text(rows, given);
	row_bool(rows, holds);
	row_end(rows);
	explain->rule_begins = false;
}

static void user_names(const struct policy_subject *subject, char *text, size_t size)
{
	size_t i, len = 0;

	*text = '\0';
	for (i = 0; i < subject->nr_uids && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "," : "",
					subject->uids[i].name);
}

/* Who asks, as text: "-" where it is not known. */
static const char *given_exe(const struct explain *explain)
{
	return explain->who->exe ? explain->who->exe : "-";
}

static const char *given_digest(const struct explain *explain, char text[VALUE_DIGEST_TEXT])
{
	return explain->who->has_verity ? value_digest_text(&explain->who->verity, text) : "-";
}

static const char *given_user(const struct explain *explain, char text[16])
{
	if (explain->who->user)
		return explain->who->user;
	if (!explain->who->has_uid)
		return "-";
	snprintf(text, 16, "%u", explain->who->uid);
	return text;
}

static const char *given_cgroup(const struct explain *explain)
{
	return explain->who->cgroup ? explain->who->cgroup : "-";
}

static void show_subject(struct explain *explain, const struct policy_subject *subject)
{
	struct eval_subject eval = eval_subject(subject, explain->who);
	char name[TEXT], wanted[TEXT], digest[VALUE_DIGEST_TEXT], given[VALUE_DIGEST_TEXT];

	if (eval.exe != EVAL_ABSENT) {
		snprintf(name, sizeof(name), "%s: %s", subject->name,
			 subject->has_verity ? "verity" : "exe");
		if (subject->has_verity)
			show(explain, name, value_digest_text(&subject->verity, digest),
			     given_digest(explain, given), eval.exe == EVAL_TRUE);
		else
			show(explain, name, subject->exe, given_exe(explain),
			     eval.exe == EVAL_TRUE);
	}
	if (eval.root != EVAL_ABSENT) {
		snprintf(name, sizeof(name), "%s: root", subject->name);
		show(explain, name, subject->any_root ? "any" : root_names[GMEM_ROOT_host],
		     root_names[explain->who->root], eval.root == EVAL_TRUE);
	}
	if (eval.uid != EVAL_ABSENT) {
		snprintf(name, sizeof(name), "%s: uid", subject->name);
		user_names(subject, wanted, sizeof(wanted));
		show(explain, name, wanted, given_user(explain, given), eval.uid == EVAL_TRUE);
	}
	if (eval.cgroup != EVAL_ABSENT) {
		snprintf(name, sizeof(name), "%s: cgroup", subject->name);
		show(explain, name, subject->cgroup, given_cgroup(explain),
		     eval.cgroup == EVAL_TRUE);
	}
}

static void show_conditions(struct explain *explain, const struct eval_rule *eval)
{
	char wanted[TEXT], given[REQUEST_TEXT];
	const struct policy_rule *rule = explain->rule;
	unsigned int i;

	show(explain, "operation", value_list(VALUE_OPERATION, rule->ops, ",", wanted, TEXT),
	     value_name(VALUE_OPERATION, explain->request->op), eval->operation);
	/* Who reads it wants to know why a rule for this operation does not match. */
	if (!explain->as_json && !eval->operation)
		return;
	if (rule->any)
		show(explain, "subject", "any", "any", true);
	for (i = 0; i < rule->nr_subjects; i++)
		show_subject(explain, &explain->policy->subjects[rule->subjects[i]]);
	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (eval->conditions[i] == EVAL_ABSENT)
			continue;
		show(explain, value_name(VALUE_CONDITION, i), condition_value(rule, i, wanted),
		     request_value(explain->request, i, given), eval->conditions[i] == EVAL_TRUE);
	}
}

static void show_rule(struct explain *explain, const struct policy_rule *rule)
{
	struct eval_rule eval = eval_rule(explain->policy, rule, explain->who, explain->request);

	explain->rule = rule;
	explain->rule_begins = true;
	if (explain->as_json) {
		json_open(&explain->json, NULL, '{');
		json_str(&explain->json, "name", rule->name);
		json_u64(&explain->json, "line", rule->place.line);
		json_str(&explain->json, "verdict", rule->deny ? "deny" : "allow");
		json_bool(&explain->json, "audit", rule->audit_rule);
		json_bool(&explain->json, "matches", eval.matches);
		begin_conditions(explain);
	}
	show_conditions(explain, &eval);
	if (explain->as_json) {
		rows_end(&explain->rows);
		json_close(&explain->json, '}');
	}
}

/* All rules up to the one that decides. */
static void show_rules(struct explain *explain)
{
	size_t i;

	for (i = 0; i < explain->policy->nr_rules && i <= explain->decision.rule; i++)
		show_rule(explain, &explain->policy->rules[i]);
}

static unsigned int line_of(const struct explain *explain, __u32 rule)
{
	if (rule < explain->policy->nr_rules)
		return explain->policy->rules[rule].place.line;
	return explain->policy->default_places[explain->request->op].line;
}

static const char *effect(const struct explain *explain, const struct gmem_decision *decision)
{
	if (!decision->deny)
		return "allowed";
	return explain->policy->enforce ? "denied" : "allowed, would be denied";
}

/*
 * Is it decided otherwise than /proc lets one think? Then it is the kernel that is right: it took
 * down who the process is when it began.
 */
static bool kernel_differs(const struct explain *explain)
{
	const struct gmem_decision *d = &explain->kernel->decision;

	return explain->kernel->asked &&
	       (d->rule != explain->decision.rule || d->deny != explain->decision.deny);
}

static const char *kernel_rule(const struct explain *explain)
{
	__u32 rule = explain->kernel->decision.rule;

	return rule == GMEM_RULE_BROKEN ? "no identity" : decision_rule(explain->policy, rule);
}

static void print_kernel(const struct explain *explain)
{
	const struct in_kernel *kernel = explain->kernel;

	printf("but the kernel decides otherwise for process %u: %s %s by %s", explain->pid,
	       value_name(VALUE_OPERATION, explain->request->op),
	       effect(explain, &kernel->decision), kernel_rule(explain));
	if (!kernel->tagged)
		puts("; it has no identity there: it is traced, was traced when it began, or lost "
		     "it (gmem-policy(5), Identity)");
	else if (!kernel->exe.kind)
		puts("; it has no executable there: a user namespace or one of the others of "
		     "gmem-policy(5), Identity");
	else if (kernel->exe.root != GMEM_ROOT_host)
		puts("; it began with another root directory than the host's (gmem-policy(5), "
		     "root)");
	else
		printf("; its executable there is inode %u:%u/%llu: gmemctl show tells those of "
		       "the subjects\n",
		       kernel->exe.dev >> 20, kernel->exe.dev & 0xfffff, kernel->exe.ino);
}

static void json_kernel(struct explain *explain)
{
	const struct in_kernel *kernel = explain->kernel;
	struct json *json = &explain->json;

	if (!kernel->asked) {
		json_null(json, "in_kernel");
		return;
	}
	json_open(json, "in_kernel", '{');
	json_bool(json, "identity", kernel->tagged);
	json_bool(json, "executable", kernel->exe.kind);
	json_str(json, "verdict", kernel->decision.deny ? "deny" : "allow");
	json_str(json, "rule", kernel_rule(explain));
	json_close(json, '}');
}

static const char *verdict_of(const struct event_question *event)
{
	return event->verdict && !strcmp(event->verdict, "would_deny") ? "would be denied"
								       : "denied";
}

static void json_event(struct json *json, const struct event_question *event)
{
	if (!event || !event->why) {
		json_null(json, "event");
		return;
	}
	json_open(json, "event", '{');
	json_str(json, "guard", event->guard);
	json_str(json, "verdict", event->verdict);
	json_str(json, "why", event->why);
	json_u64(json, "generation", event->generation);
	json_close(json, '}');
}

int explain_guard(const struct event_question *event, bool as_json)
{
	struct json json = { 0 };

	if (!as_json) {
		printf("%s by %s, generation %llu: guards ask no rules (gmem-policy(5), GUARDS)\n",
		       verdict_of(event), event->why ?: event->guard, event->generation);
		return 0;
	}
	report_begin(&json, REPORT_explain);
	json_event(&json, event);
	return report_end(&json);
}

static int print_text(struct explain *explain)
{
	const struct policy *policy = explain->policy;
	const struct gmem_decision *d = &explain->decision;

	begin_conditions(explain);
	show_rules(explain);
	rows_end(&explain->rows);
	if (d->audit_rule != GMEM_RULE_NONE)
		printf("rule %s in audit mode would %s it (%s:%u)\n",
		       policy->rules[d->audit_rule].name, d->audit_deny ? "deny" : "allow",
		       policy->shown_file, line_of(explain, d->audit_rule));
	printf("%s %s by %s%s (%s:%u), policy %s in mode %s\n",
	       value_name(VALUE_OPERATION, explain->request->op), effect(explain, d),
	       d->rule < policy->nr_rules ? "rule " : "", decision_rule(policy, d->rule),
	       policy->shown_file, line_of(explain, d->rule), policy->name,
	       policy->enforce ? "enforce" : "audit");
	if (explain->who->exe_untrusted_fs)
		printf("exe %s: %s\n", explain->who->exe, EXE_UNTRUSTED_FS_TEXT);
	if (kernel_differs(explain))
		print_kernel(explain);
	if (explain->event && explain->event->why)
		printf("when it happened: %s by %s, generation %llu\n", verdict_of(explain->event),
		       explain->event->why, explain->event->generation);
	return 0;
}

static int print_json(struct explain *explain)
{
	const struct policy *policy = explain->policy;
	const struct gmem_decision *d = &explain->decision;
	struct json *json = &explain->json;

	report_begin(json, REPORT_explain);
	json_str(json, "file", policy->file);
	json_str(json, "policy", policy->name);
	json_str(json, "mode", policy->enforce ? "enforce" : "audit");
	json_str(json, "operation", value_name(VALUE_OPERATION, explain->request->op));
	json_who(json, explain->who);
	json_request(json, explain->request);
	json_str(json, "verdict", d->deny ? "deny" : "allow");
	json_bool(json, "denied",
		  (explain->kernel->asked ? explain->kernel->decision.deny : d->deny) &&
			  policy->enforce);
	json_kernel(explain);
	json_event(json, explain->event);
	json_str(json, "rule", decision_rule(policy, d->rule));
	json_u64(json, "line", line_of(explain, d->rule));
	if (d->audit_rule == GMEM_RULE_NONE) {
		json_null(json, "audit_rule");
	} else {
		json_open(json, "audit_rule", '{');
		json_str(json, "rule", decision_rule(policy, d->audit_rule));
		json_u64(json, "line", line_of(explain, d->audit_rule));
		json_str(json, "verdict", d->audit_deny ? "deny" : "allow");
		json_close(json, '}');
	}
	json_open(json, "rules", '[');
	show_rules(explain);
	json_close(json, ']');
	return report_end(json);
}

int explain_print(struct explain *explain)
{
	return explain->as_json ? print_json(explain) : print_text(explain);
}
