// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be meant: rules that never decide, subjects that no rule names.
 *
 * A rule decides if there is a kind of request and a subject of it for which no rule before it
 * always matches. Kinds are compared as they were compiled; as for sizes and guest addresses, a
 * single rule before it must cover all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

struct kind {
	unsigned int op;
	const struct gmem_set *set;
};

struct checker {
	const struct compiled *compiled;
	struct diags *diags;
	struct kind kinds[GMEM_KIND_MAX]; /* those that differ */
	size_t nr_kinds;
	const struct gmem_set
		*flags[GMEM_FLAGS_CLASS_MAX]; /* by class of flags: those that differ */
	size_t nr_flags;
	struct gmem_set boxed[GMEM_DO_MAX]; /* rules that test sizes or addresses */
	struct gmem_set *covers;	    /* by subject: the rules for every task that it is */
	bool *has_covers;
};

static void collect_kinds(struct checker *checker)
{
	static const struct {
		unsigned int first, last;
	} kinds[] = {
#define X(name, details) [GMEM_DO_##name] = { GMEM_KIND_##name, GMEM_KIND_##name##_last },
		GMEM_KINDS(X)
#undef X
	};
	const struct gmem_set *sets = checker->compiled->pool + GMEM_POOL_KIND;
	unsigned int op, i;
	size_t first, j;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		first = checker->nr_kinds;
		for (i = kinds[op].first; i <= kinds[op].last; i++) {
			/* Most are as the one before them. */
			for (j = checker->nr_kinds; j > first; j--) {
				if (!memcmp(checker->kinds[j - 1].set, &sets[i], sizeof(*sets)))
					break;
			}
			if (j > first)
				continue;
			checker->kinds[checker->nr_kinds].op = op;
			checker->kinds[checker->nr_kinds++].set = &sets[i];
		}
	}
}

static void collect_flags(struct checker *checker)
{
	const struct gmem_set *sets = checker->compiled->pool + GMEM_POOL_FLAGS;
	unsigned int i;
	size_t j;

	for (i = 0; i < GMEM_FLAGS_CLASS_MAX; i++) {
		for (j = checker->nr_flags; j > 0; j--) {
			if (!memcmp(checker->flags[j - 1], &sets[i], sizeof(*sets)))
				break;
		}
		if (!j)
			checker->flags[checker->nr_flags++] = &sets[i];
	}
}

static bool looks_at(const struct policy_rule *rule, enum policy_condition condition,
		     unsigned int op)
{
	return rule_has(rule, condition) && condition_ops[condition] >> op & 1;
}

/* Whenever size and addresses fit @rule, do they fit @before? Unknown ones do if it denies. */
static bool covers_box(const struct policy_rule *before, const struct policy_rule *rule,
		       unsigned int op)
{
	if (looks_at(before, POLICY_IF_size, op)) {
		if (!looks_at(rule, POLICY_IF_size, op) || rule->size_min < before->size_min ||
		    rule->size_max > before->size_max || (rule->deny && !before->deny))
			return false;
	}
	if (looks_at(before, POLICY_IF_range, op)) {
		if (!looks_at(rule, POLICY_IF_range, op) || rule->start < before->start ||
		    rule->end > before->end || (rule->deny && !before->deny))
			return false;
	}
	if (looks_at(before, POLICY_IF_offset, op)) {
		if (!looks_at(rule, POLICY_IF_offset, op) || rule->offset < before->offset ||
		    rule->offset_end > before->offset_end || (rule->deny && !before->deny))
			return false;
	}
	return true;
}

/* The rules for a task that is this subject, and maybe no other but those that it implies. */
static const struct gmem_set *covers_of(struct checker *checker, unsigned int subject)
{
	const struct gmem_set *pool = checker->compiled->pool, *implied;
	struct gmem_set *covers = &checker->covers[subject];
	__u64 left;
	int i, k;

	if (checker->has_covers[subject])
		return covers;
	checker->has_covers[subject] = true;
	*covers = pool[GMEM_POOL_ANY];
	implied = &checker->compiled->implied[subject];
	for (i = 0; i < GMEM_SET_WORDS; i++) {
		for (left = implied->w[i]; left; left &= left - 1) {
			const struct gmem_set *rules =
				pool + GMEM_POOL_SUBJECT + i * 64 + __builtin_ctzll(left);

			for (k = 0; k < GMEM_SET_WORDS; k++)
				covers->w[k] |= rules->w[k];
		}
	}
	return covers;
}

/* The first rule before @rule that takes all of this kind with these flags from @mine, or -1. */
static int taken_by(const struct checker *checker, unsigned int rule, const struct kind *kind,
		    const struct gmem_set *flags, const struct gmem_set *mine)
{
	const struct gmem_set *audit_rule = checker->compiled->pool + GMEM_POOL_AUDIT;
	const struct policy_rule *rules = checker->compiled->policy->rules;
	unsigned int i, before;
	__u64 left;

	for (i = 0; i <= rule / 64; i++) {
		left = kind->set->w[i] & flags->w[i] & mine->w[i] & ~audit_rule->w[i];
		if (i == rule / 64)
			left &= (1ULL << rule % 64) - 1;
		for (; left; left &= left - 1) {
			before = i * 64 + (unsigned int)__builtin_ctzll(left);
			if (!set_has(&checker->boxed[kind->op], before) ||
			    covers_box(&rules[before], &rules[rule], kind->op))
				return (int)before;
		}
	}
	return -1;
}

/* Is there a kind for which the rule decides? @by: a rule that takes one of its kinds. */
static bool decides_for(const struct checker *checker, unsigned int rule,
			const struct gmem_set *mine, int *by)
{
	const struct kind *kind;
	size_t i, nr_flags;
	int taker;

	for (kind = checker->kinds; kind < checker->kinds + checker->nr_kinds; kind++) {
		if (!set_has(kind->set, rule))
			continue;
		/* If the operation has no flags, the set of the kind takes the place of theirs. */
		nr_flags = checker->compiled->head.by_flags >> kind->op & 1 ? checker->nr_flags : 0;
		for (i = 0; i < nr_flags || (!nr_flags && !i); i++) {
			const struct gmem_set *flags = nr_flags ? checker->flags[i] : kind->set;

			if (!set_has(flags, rule))
				continue;
			taker = taken_by(checker, rule, kind, flags, mine);
			if (taker < 0)
				return true;
			*by = taker;
		}
	}
	return false;
}

static void check_rule(struct checker *checker, unsigned int n)
{
	const struct policy *policy = checker->compiled->policy;
	const struct policy_rule *rule = &policy->rules[n];
	const struct gmem_set *any = checker->compiled->pool + GMEM_POOL_ANY;
	int by = -1;
	size_t i;

	if (!rule->ops || (rule->any && decides_for(checker, n, any, &by)))
		return;
	for (i = 0; i < rule->nr_subjects; i++) {
		if (decides_for(checker, n, covers_of(checker, rule->subjects[i]), &by))
			return;
	}
	if (by < 0)
		diag_error(checker->diags, rule->place, NULL,
			   "rule \"%s\" never matches: its conditions exclude each other",
			   rule->name);
	else
		diag_error(
			checker->diags, rule->place, "move it up, or remove it",
			"rule \"%s\" never decides: earlier rules match all its requests, as \"%s\" in line %u",
			rule->name, policy->rules[by].name, policy->rules[by].place.line);
}

static void check_rules(struct checker *checker)
{
	const struct policy *policy = checker->compiled->policy;
	unsigned int i, op;

	for (i = 0; i < policy->nr_rules; i++) {
		for (op = 0; op < GMEM_DO_MAX; op++) {
			if (looks_at(&policy->rules[i], POLICY_IF_size, op) ||
			    looks_at(&policy->rules[i], POLICY_IF_range, op) ||
			    looks_at(&policy->rules[i], POLICY_IF_offset, op))
				set_add(&checker->boxed[op], i);
		}
	}
	for (i = 0; i < policy->nr_rules; i++)
		check_rule(checker, i);
}

/* With `root: any` a container can replace the loader, so uid or cgroup must restrict the subject. */
static void check_roots(const struct policy *policy, struct diags *diags)
{
	size_t i;

	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		if (subject->any_root && !subject->nr_uids && !subject->cgroup)
			diag_warning(diags, subject->root_place, "add uid or cgroup",
				     "subject \"%s\": root of any container that runs this file is "
				     "this subject",
				     subject->name);
	}
}

/* Guards that are asked for, and nothing that they could be for. */
static void check_guards(const struct policy *policy, struct diags *diags)
{
	size_t i;

	if (!(policy->guards & policy->guards_written))
		return;
	for (i = 0; i < policy->nr_subjects; i++) {
		if (policy->subjects[i].exe || policy->subjects[i].has_verity)
			return;
	}
	diag_warning(diags, policy->guards_place, "guards protect subjects with exe or verity",
		     "guards have no effect: no subject names an executable");
}

int policy_check(const struct compiled *compiled, struct diags *diags)
{
	const struct policy *policy = compiled->policy;
	struct checker *checker;
	size_t i;
	int ret = -ENOMEM;

	checker = calloc(1, sizeof(*checker));
	if (!checker)
		return ret;
	checker->compiled = compiled;
	checker->diags = diags;
	checker->covers = malloc((policy->nr_subjects + 1) * sizeof(*checker->covers));
	checker->has_covers = calloc(policy->nr_subjects + 1, sizeof(*checker->has_covers));
	if (!checker->covers || !checker->has_covers)
		goto out;
	collect_kinds(checker);
	collect_flags(checker);
	check_rules(checker);
	/* A rule with errors may have named it. */
	for (i = 0; i < policy->nr_subjects && !diags->nr_errors; i++) {
		if (!policy->subjects[i].used)
			diag_warning(diags, policy->subjects[i].place, NULL,
				     "no rule names subject \"%s\"", policy->subjects[i].name);
	}
	check_roots(policy, diags);
	check_guards(policy, diags);
	ret = diags->nr_errors ? -EBADMSG : 0;
out:
	free(checker->covers);
	free(checker->has_covers);
	free(checker);
	return ret;
}
