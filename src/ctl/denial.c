// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <time.h>

#include "../lib/json.h"
#include "../lib/utf8.h"
#include "denial.h"
#include "kernel/probe.h"
#include "print.h"
#include "../policy/request.h"
#include "../policy/value.h"

#define NS_PER_S 1000000000ULL
#define WHEN	 64
#define SUBJECTS 1024

#define DEV_MAJOR(dev) ((dev) >> 20)
#define DEV_MINOR(dev) (0xfffff & (dev))

static const char *const cause_names[] = {
#define X(name) #name,
	DENIAL_CAUSES(X)
#undef X
};

static const char *const verdict_names[GMEM_VERDICT_MAX] = {
#define X(name, ...) #name,
	GMEM_VERDICTS(X)
#undef X
};

#define GMEM_LOCKED_none GMEM_LOCKED_MAX

static const struct {
	const char *name, *text;
	enum gmem_locked_kind kind;
} lock_actions[GMEM_LOCK_DOES_MAX] = {
#define X(id, words, of) [GMEM_LOCK_DOES_##id] = { #id, words, GMEM_LOCKED_##of },
	GMEM_LOCK_ACTIONS(X)
#undef X
};

static const char *const locked_names[] = {
#define X(name, ...) [GMEM_LOCKED_##name] = #name,
	GMEM_LOCKED_KINDS(X)
#undef X
		[GMEM_LOCKED_none] = NULL,
};

/* Of an event that another version wrote: unknown. */
static const char *lock_action(__u32 action)
{
	return action < GMEM_LOCK_DOES_MAX ? lock_actions[action].name : NULL;
}

enum gmem_locked_kind lock_object_kind(__u32 action)
{
	return lock_action(action) ? lock_actions[action].kind : GMEM_LOCKED_none;
}

/* Does what decided deny? Without the policy's text: yes, as far as anybody can tell. */
static bool denies(const struct denial *denial)
{
	const struct policy *policy = denial->policy;
	__u32 rule = denial->event->rule;

	if (!policy)
		return true;
	if (rule < policy->nr_rules)
		return policy->rules[rule].deny;
	if (rule >= GMEM_RULE_DEFAULT(0) && rule < GMEM_RULE_DEFAULT(GMEM_DO_MAX))
		return policy->default_deny >> (rule - GMEM_RULE_DEFAULT(0)) & 1;
	return true;
}

struct denial_reason denial_reason(const struct denial *denial)
{
	const struct gmem_denial *event = denial->event;
	const struct policy *policy = denial->policy;
	struct denial_reason reason = { .rule = event->rule };

	if (event->request.op >= GMEM_DO_MAX) {
		reason.cause = DENIAL_BY_guard;
		return reason;
	}
	if (event->verdict == GMEM_VERDICT_would_deny && event->audit_rule != GMEM_RULE_NONE &&
	    !denies(denial)) {
		reason.rule = event->audit_rule;
		reason.audit = true;
	}
	if (reason.rule == GMEM_RULE_BROKEN) {
		reason.cause = DENIAL_BY_broken;
	} else if (reason.rule == GMEM_RULE_UNKNOWN) {
		reason.cause = DENIAL_BY_unknown;
	} else if (reason.rule == GMEM_RULE_NO_MEMORY) {
		reason.cause = DENIAL_BY_no_memory;
	} else if (reason.rule == GMEM_RULE_IOCTL) {
		reason.cause = DENIAL_BY_ioctl;
	} else if (reason.rule >= GMEM_MAX_RULES) {
		reason.cause = DENIAL_BY_default;
		if (policy && event->request.op < GMEM_DO_MAX)
			reason.line = policy->default_places[event->request.op].line;
	} else {
		reason.cause = DENIAL_BY_rule;
		if (policy && reason.rule < policy->nr_rules) {
			reason.name = policy->rules[reason.rule].name;
			reason.line = policy->rules[reason.rule].place.line;
		}
	}
	return reason;
}

char *denial_why(const struct denial *denial, char text[DENIAL_WHY])
{
	struct denial_reason reason = denial_reason(denial);
	const char *op = value_name(VALUE_OPERATION, denial->event->request.op);
	char place[POLICY_MAX_NAME + 32] = "its policy is gone";

	if (denial->policy)
		snprintf(place, sizeof(place), "%s:%u", denial->policy->name, reason.line);
	switch (reason.cause) {
	case DENIAL_BY_rule:
		if (reason.name)
			snprintf(text, DENIAL_WHY, "rule %s%s (%s)", reason.name,
				 reason.audit ? " in audit mode" : "", place);
		else
			snprintf(text, DENIAL_WHY, "rule number %u (%s)", reason.rule + 1, place);
		break;
	case DENIAL_BY_default:
		snprintf(text, DENIAL_WHY, "the default of %s (%s)", op, place);
		break;
	case DENIAL_BY_guard:
		snprintf(text, DENIAL_WHY, "the guard %s (%s)",
			 subject_of_event(denial->event->request.op),
			 denial->policy ? denial->policy->name : place);
		break;
	case DENIAL_BY_unknown:
		snprintf(
			text, DENIAL_WHY,
			"no rule: the instance existed before the policy was loaded (see load --adopt)");
		break;
	case DENIAL_BY_no_memory:
		snprintf(text, DENIAL_WHY,
			 "no memory for a tag: the process could not be identified");
		break;
	case DENIAL_BY_ioctl:
		if (denial->event->request.start == POLICY_VALUE_UNKNOWN)
			snprintf(text, DENIAL_WHY,
				 "nothing: a conversion by an ioctl on the instance needs a rule");
		else
			snprintf(text, DENIAL_WHY, "nothing: no policy allows the ioctl 0x%llx",
				 (unsigned long long)denial->event->request.start);
		break;
	case DENIAL_BY_broken:
		snprintf(text, DENIAL_WHY, "no rule: %s",
			 denial->event->exe_known
				 ? "the policy was replaced meanwhile, or an entry is missing"
				 : "the task has no identity");
		break;
	}
	return text;
}

static void format_time(__u64 ns, char when[WHEN])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;
	size_t len;

	len = strftime(when, WHEN, "%F %T", localtime_r(&seconds, &tm));
	snprintf(when + len, WHEN - len, ".%06llu", ns % NS_PER_S / 1000);
}

/* Names of tasks are whatever they like: a line must stay one. */
static void print_plain(FILE *out, const char *text)
{
	utf8_print(text, strlen(text), out);
}

static void print_request(const struct gmem_request *request, FILE *out)
{
	char value[REQUEST_TEXT];
	unsigned int i;

	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (request->op < GMEM_DO_MAX && condition_ops[i] >> request->op & 1)
			fprintf(out, " %s %s", value_name(VALUE_CONDITION, i),
				request_value(request, i, value));
	}
}

/* What was tried, and on what. */
static void print_lock(const struct denial *denial, FILE *out)
{
	const struct gmem_request *request = &denial->event->request;

	if (request->op != GMEM_DO_GUARD(GMEM_GUARD_lock) || !lock_action(request->action))
		return;
	fprintf(out, " to %s", lock_actions[request->action].text);
	if (denial->object) {
		fputc(' ', out);
		print_plain(out, denial->object);
	}
	if (request->start && lock_object_kind(request->action) != GMEM_LOCKED_none)
		fprintf(out, " (%llu)", request->start);
}

void denial_print_what(const struct denial *denial, FILE *out)
{
	const struct gmem_denial *event = denial->event;
	char why[DENIAL_WHY], comm[sizeof(event->comm) + 1] = "";

	memcpy(comm, event->comm, sizeof(event->comm));
	fprintf(out, "%s %s: pid %u (",
		event->verdict == GMEM_VERDICT_denied ? "denied" : "would deny",
		subject_of_event(event->request.op), event->tgid);
	print_plain(out, comm);
	fprintf(out, ") uid %u exe ", event->uid);
	if (denial->exe)
		print_plain(out, denial->exe);
	else if (event->exe_known)
		fprintf(out, "inode %u:%u/%llu", DEV_MAJOR(event->exe.dev),
			DEV_MINOR(event->exe.dev), event->exe.ino);
	else
		fputc('-', out);
	if (event->exe_known && event->exe.root != GMEM_ROOT_host)
		fputs(" root other", out);
	fputs(" cgroup ", out);
	print_plain(out, denial->cgroup ?: "-");
	if (event->ino)
		fprintf(out, " instance %u:%u/%llu", DEV_MAJOR(event->dev), DEV_MINOR(event->dev),
			event->ino);
	if (event->request.op == GMEM_DO_GUARD(GMEM_GUARD_trace))
		fprintf(out, " of process %llu", event->request.start);
	print_request(&event->request, out);
	print_lock(denial, out);
	fprintf(out, " by %s generation %llu", denial_why(denial, why), event->generation);
}

void denial_print(const struct denial *denial, FILE *out)
{
	char when[WHEN];

	format_time(denial->time_ns, when);
	fprintf(out, "%s ", when);
	denial_print_what(denial, out);
	fputc('\n', out);
}

static void json_request(struct json *json, const struct gmem_request *request)
{
	char value[REQUEST_TEXT];
	unsigned int i;

	json_open(json, "request", '{');
	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (request->op < GMEM_DO_MAX && condition_ops[i] >> request->op & 1)
			json_str(json, value_name(VALUE_CONDITION, i),
				 request_value(request, i, value));
	}
	json_close(json, '}');
}

static void json_lock(struct json *json, const struct denial *denial)
{
	const struct gmem_request *request = &denial->event->request;

	if (request->op != GMEM_DO_GUARD(GMEM_GUARD_lock)) {
		json_null(json, "lock");
		return;
	}
	json_open(json, "lock", '{');
	json_str(json, "action", lock_action(request->action));
	json_str(json, "kind", locked_names[lock_object_kind(request->action)]);
	json_u64(json, "id", request->start);
	json_str(json, "name", denial->object);
	json_close(json, '}');
}

/* The subjects of the rule that decided, with commas between them; null where no rule did. */
static void json_subject(struct json *json, const struct denial *denial)
{
	struct denial_reason reason = denial_reason(denial);
	const struct policy_rule *rule;
	char text[SUBJECTS] = "";
	size_t i, len = 0;

	if (reason.cause != DENIAL_BY_rule || !denial->policy ||
	    reason.rule >= denial->policy->nr_rules) {
		json_null(json, "subject");
		return;
	}
	rule = &denial->policy->rules[reason.rule];
	for (i = 0; i < rule->nr_subjects && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "",
					denial->policy->subjects[rule->subjects[i]].name);
	json_str(json, "subject", rule->any ? "any" : text);
}

static void json_reason(struct json *json, const struct denial *denial)
{
	struct denial_reason reason = denial_reason(denial);
	char why[DENIAL_WHY];

	json_open(json, "by", '{');
	json_str(json, "cause", cause_names[reason.cause]);
	json_str(json, "policy", denial->policy ? denial->policy->name : NULL);
	json_str(json, "digest", denial->digest);
	json_str(json, "rule", reason.name);
	if (reason.cause == DENIAL_BY_rule)
		json_u64(json, "number", reason.rule + 1);
	else
		json_null(json, "number");
	if (reason.line)
		json_u64(json, "line", reason.line);
	else
		json_null(json, "line");
	json_bool(json, "audit", reason.audit);
	json_str(json, "why", denial_why(denial, why));
	json_close(json, '}');
}

void denial_json(const struct denial *denial, struct json *json)
{
	const struct gmem_denial *event = denial->event;
	char comm[sizeof(event->comm) + 1] = "";

	memcpy(comm, event->comm, sizeof(event->comm));
	report_begin(json, REPORT_denial);
	json_u64(json, "seq", event->sequence);
	json_u64(json, "time_ns", denial->time_ns);
	json_u64(json, "generation", event->generation);
	json_str(json, "operation",
		 event->request.op < GMEM_DO_MAX ? subject_of_event(event->request.op) : NULL);
	json_str(json, "guard",
		 event->request.op < GMEM_DO_MAX ? NULL : subject_of_event(event->request.op));
	json_str(json, "verdict",
		 event->verdict < GMEM_VERDICT_MAX ? verdict_names[event->verdict] : NULL);
	/* As in the label of gmem_policy_denials_total. */
	json_str(json, "mode", event->verdict == GMEM_VERDICT_denied ? "enforce" : "audit");
	json_subject(json, denial);
	json_open(json, "who", '{');
	json_u64(json, "pid", event->tgid);
	json_u64(json, "tid", event->pid);
	json_str(json, "comm", comm);
	json_u64(json, "uid", event->uid);
	json_str(json, "exe", denial->exe);
	json_bool(json, "exe_certain", denial->exe && denial->exe_certain);
	/* The same members as of `gmemtop events --json`. */
	if (event->exe_known)
		json_identity(json, "exe_inode", &event->exe);
	else
		json_null(json, "exe_inode");
	json_str(json, "root", event->exe_known ? root_names[event->exe.root % 2] : NULL);
	json_str(json, "cgroup", denial->cgroup);
	json_close(json, '}');
	json_inode(json, "instance", event->dev, event->ino);
	json_request(json, &event->request);
	if (event->request.op == GMEM_DO_GUARD(GMEM_GUARD_trace))
		json_u64(json, "target_pid", event->request.start);
	else
		json_null(json, "target_pid");
	json_lock(json, denial);
	json_reason(json, denial);
	json_close(json, '}');
}

void gaps_take(struct denial_gaps *gaps, __u64 sequence)
{
	if (!gaps->begun || sequence < gaps->base)
		gaps->base = sequence;
	if (!gaps->begun || sequence >= gaps->end)
		gaps->end = sequence + 1;
	gaps->begun = true;
	gaps->came++;
}

__u64 gaps_look(struct denial_gaps *gaps, __u64 events)
{
	__u64 missing, sure, lost = 0;

	/* Nothing has come yet: what was before went to somebody else. */
	if (!gaps->begun) {
		gaps->base = gaps->end = events;
		gaps->begun = true;
	}
	if (events > gaps->end)
		gaps->end = events;
	missing = gaps->end - gaps->base - gaps->came;
	sure = missing < gaps->missing ? missing : gaps->missing;
	gaps->missing = missing;
	if (sure > gaps->told) {
		lost = sure - gaps->told;
		gaps->told = sure;
	}
	return lost;
}
