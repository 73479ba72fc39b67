// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "eval.h"

static enum eval_result result(bool holds)
{
	return holds ? EVAL_TRUE : EVAL_FALSE;
}

static bool same_identity(const struct gmem_identity *a, const struct gmem_identity *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool is_exe(const struct policy_subject *subject, const struct who *who)
{
	if (subject->has_verity)
		return who->has_verity && same_identity(&subject->verity, &who->verity);
	if (who->exe_recorded)
		return subject->exe_known &&
		       same_recorded_file(&subject->exe_identity, &who->exe_identity);
	if (subject->exe_known)
		return who->has_exe_identity &&
		       same_identity(&subject->exe_identity, &who->exe_identity);
	return who->exe && !who->exe_untrusted_fs && !strcmp(subject->exe, who->exe);
}

static bool is_user(const struct policy_subject *subject, const struct who *who)
{
	size_t i;

	for (i = 0; i < subject->nr_uids; i++) {
		const struct policy_uid *uid = &subject->uids[i];

		if (uid->known ? who->has_uid && who->uid == uid->uid
			       : !who->has_uid && who->user && !strcmp(uid->name, who->user))
			return true;
	}
	return false;
}

/* The cgroup itself, or one below it. */
static bool is_in_cgroup(const char *cgroup, const char *path)
{
	size_t len = strlen(cgroup);

	if (!path)
		return false;
	return !cgroup[1] || (!strncmp(path, cgroup, len) && (path[len] == '/' || !path[len]));
}

struct eval_subject eval_subject(const struct policy_subject *subject, const struct who *who)
{
	struct eval_subject eval = { .holds = true };

	if (subject->exe || subject->has_verity) {
		eval.exe = result(is_exe(subject, who));
		if (who->root != GMEM_ROOT_host)
			eval.root = result(subject->any_root);
	}
	if (subject->nr_uids)
		eval.uid = result(is_user(subject, who));
	if (subject->cgroup)
		eval.cgroup = result(is_in_cgroup(subject->cgroup, who->cgroup));
	eval.holds = eval.exe != EVAL_FALSE && eval.root != EVAL_FALSE && eval.uid != EVAL_FALSE &&
		     eval.cgroup != EVAL_FALSE;
	return eval;
}

static bool flags_hold(const struct policy *policy, const struct policy_rule *rule, __u32 flags)
{
	/* GMEM_FLAGS_unknown and GMEM_FLAGS_foreign have such bits. */
	if (flags & ~policy->known_flags)
		return rule->deny;
	if (rule->flags_exact)
		return flags == rule->flags;
	return rule->deny ? flags & rule->flags : (flags & rule->flags) == flags;
}

/* Does a request for @from to @to match a rule for @start to @end? The ends do not belong to them. */
static bool range_holds(const struct policy_rule *rule, __u64 start, __u64 end, __u64 from,
			__u64 to)
{
	bool starts = from != POLICY_VALUE_UNKNOWN;
	bool ends = to != POLICY_VALUE_UNKNOWN;

	if (rule->deny)
		return (!starts || from < end) && (!ends || to > start);
	return starts && ends && from >= start && to <= end;
}

/* By a value that the kernel does not provide, rules that allow do not match, rules that deny do. */
static bool condition_holds(const struct policy *policy, const struct policy_rule *rule,
			    enum policy_condition condition, const struct gmem_request *request)
{
	switch (condition) {
	case POLICY_IF_size:
		if (request->size == POLICY_VALUE_UNKNOWN)
			return rule->deny;
		return request->size >= rule->size_min && request->size <= rule->size_max;
	case POLICY_IF_flags: return flags_hold(policy, rule, request->flags);
	case POLICY_IF_prot:
		if (rule->deny)
			return request->prot & rule->prot;
		return (request->prot & rule->prot) == request->prot;
	case POLICY_IF_direction:
		if (request->direction == GMEM_DIR_other)
			return rule->deny;
		return rule->directions & 1U << request->direction;
	case POLICY_IF_range:
		return range_holds(rule, rule->start, rule->end, request->start, request->end);
	case POLICY_IF_offset:
		return range_holds(rule, rule->offset, rule->offset_end, request->offset,
				   request->offset_end);
	case POLICY_IF_vm_type:
		if (request->type == GMEM_TYPE_unknown)
			return rule->deny;
		return rule->types & 1U << request->type;
	case POLICY_IF_MAX: break;
	}
	return false;
}

struct eval_rule eval_rule(const struct policy *policy, const struct policy_rule *rule,
			   const struct who *who, const struct gmem_request *request)
{
	struct eval_rule eval = { .operation = rule->ops & 1U << request->op,
				  .subject = rule->any };
	size_t i;
	int c;

	for (i = 0; i < rule->nr_subjects && !eval.subject; i++)
		eval.subject = eval_subject(&policy->subjects[rule->subjects[i]], who).holds;
	eval.matches = eval.operation && eval.subject;
	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (!(rule->conditions & 1U << c) || !(condition_ops[c] & 1U << request->op))
			continue;
		eval.conditions[c] =
			result(condition_holds(policy, rule, (enum policy_condition)c, request));
		if (eval.conditions[c] == EVAL_FALSE)
			eval.matches = false;
	}
	return eval;
}

struct gmem_decision policy_eval(const struct policy *policy, const struct who *who,
				 const struct gmem_request *request)
{
	struct gmem_decision decision = { .audit_rule = GMEM_RULE_NONE };
	size_t i;

	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!eval_rule(policy, rule, who, request).matches)
			continue;
		if (!rule->audit_rule) {
			decision.rule = (__u32)i;
			decision.deny = rule->deny;
			return decision;
		}
		if (decision.audit_rule == GMEM_RULE_NONE) {
			decision.audit_rule = (__u32)i;
			decision.audit_deny = rule->deny;
		}
	}
	decision.rule = GMEM_RULE_DEFAULT(request->op);
	decision.deny = policy->default_deny >> request->op & 1;
	return decision;
}
