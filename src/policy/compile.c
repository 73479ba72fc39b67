// SPDX-License-Identifier: GPL-2.0-only
/* From the model of a policy to the sets that the kernel decides with: rules. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "compile.h"

const enum policy_condition condition_of_dimension[GMEM_BY_MAX] = {
	[GMEM_BY_size] = POLICY_IF_size,	 [GMEM_BY_start] = POLICY_IF_range,
	[GMEM_BY_end] = POLICY_IF_range,	 [GMEM_BY_offset] = POLICY_IF_offset,
	[GMEM_BY_offset_end] = POLICY_IF_offset,
};

static const char *const dimension_names[GMEM_BY_MAX] = {
	[GMEM_BY_size] = "sizes",	   [GMEM_BY_start] = "guest addresses",
	[GMEM_BY_end] = "guest addresses", [GMEM_BY_offset] = "offsets",
	[GMEM_BY_offset_end] = "offsets",
};

/*
 * What allows must have the whole request inside of its range; what denies matches as soon as a
 * part of the request is inside.
 */
static struct span span_of_start(const struct policy_rule *rule, __u64 start, __u64 end)
{
	return rule->deny ? (struct span){ 0, end - 1 } : (struct span){ start, ~0ULL };
}

static struct span span_of_end(const struct policy_rule *rule, __u64 start, __u64 end)
{
	return rule->deny ? (struct span){ start + 1, ~0ULL } : (struct span){ 0, end };
}

struct span span_of(const struct policy_rule *rule, enum gmem_interval_dimension by)
{
	switch (by) {
	case GMEM_BY_start: return span_of_start(rule, rule->start, rule->end);
	case GMEM_BY_end: return span_of_end(rule, rule->start, rule->end);
	case GMEM_BY_offset: return span_of_start(rule, rule->offset, rule->offset_end);
	case GMEM_BY_offset_end: return span_of_end(rule, rule->offset, rule->offset_end);
	default: return (struct span){ rule->size_min, rule->size_max };
	}
}

static int compare_u64(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The bounds of a dimension, ascending. Return: 0, -EBADMSG. */
static int collect_bounds(struct compiled *compiled, enum gmem_interval_dimension by,
			  struct diags *diags)
{
	const struct policy *policy = compiled->policy;
	__u64 all[2 * GMEM_MAX_RULES], *to = compiled->head.bounds[by];
	size_t nr = 0, kept = 0, i;

	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		struct span span;

		if (!rule_has(rule, condition_of_dimension[by]))
			continue;
		span = span_of(rule, by);
		if (span.low)
			all[nr++] = span.low;
		if (span.high != ~0ULL)
			all[nr++] = span.high + 1;
	}
	qsort(all, nr, sizeof(*all), compare_u64);
	for (i = 0; i < nr; i++) {
		if (i && all[i] == all[i - 1])
			continue;
		if (kept == POLICY_MAX_BOUNDS) {
			diag_error(diags, (struct place){ 0 }, "use the same limits in more rules",
				   "the rules have more than %d different %s", POLICY_MAX_BOUNDS,
				   dimension_names[by]);
			return -EBADMSG;
		}
		to[kept++] = all[i];
	}
	compiled->head.nr_bounds[by] = (__u32)kept;
	memset(to + kept, 0xff, (GMEM_MAX_BOUNDS + 1 - kept) * sizeof(*to));
	return 0;
}

/* The interval of a value. */
static size_t interval_of(const struct gmem_head *head, enum gmem_interval_dimension by,
			  __u64 value)
{
	size_t low = 0, high = head->nr_bounds[by], middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (head->bounds[by][middle] <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void set_flip(struct gmem_set *set, size_t n)
{
	set->w[n / 64] ^= 1ULL << (n % 64);
}

/*
 * The sets of a dimension. First each set takes the rules that begin or end to match there; then
 * all before it are added up.
 */
static void fill_intervals(struct compiled *compiled, enum gmem_interval_dimension by)
{
	const struct policy *policy = compiled->policy;
	const struct gmem_head *head = &compiled->head;
	struct gmem_set *sets, *unknown, always = { 0 }, sum = { 0 };
	size_t i, first, last, nr = head->nr_bounds[by] + 1;
	int k;

	sets = compiled->pool + GMEM_POOL_INTERVAL + by * (GMEM_MAX_BOUNDS + 1);
	unknown = sets + GMEM_MAX_BOUNDS;
	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		struct span span;

		if (!rule_has(rule, condition_of_dimension[by])) {
			set_add(&always, (unsigned int)i);
			continue;
		}
		if (rule->deny)
			set_add(unknown, (unsigned int)i);
		compiled->head.by[by] |= rule->ops & condition_ops[condition_of_dimension[by]];
		span = span_of(rule, by);
		first = interval_of(head, by, span.low);
		last = interval_of(head, by, span.high);
		set_flip(&sets[first], i);
		if (last + 1 < nr)
			set_flip(&sets[last + 1], i);
	}
	for (k = 0; k < GMEM_SET_WORDS; k++)
		unknown->w[k] |= always.w[k];
	for (i = 0; i < nr; i++) {
		for (k = 0; k < GMEM_SET_WORDS; k++) {
			sum.w[k] ^= sets[i].w[k];
			sets[i].w[k] = sum.w[k] | always.w[k];
		}
	}
}

/* Rules by one property of a request each; the rules of a kind are in all of these sets. */
struct parts {
	struct gmem_set ops[GMEM_DO_MAX];
	struct gmem_set types[GMEM_TYPE_MAX];
	struct gmem_set prots[GMEM_PROT_MAX];
	struct gmem_set directions[GMEM_DIR_MAX];
	struct gmem_set all; /* where the property is not looked at */
};

/*
 * Flags of which neither gmemctl nor the policy knows what they mean are matched by every rule that
 * denies, and by no rule that allows.
 */
static bool matches_flags(const struct policy *policy, const struct policy_rule *rule, __u32 class)
{
	if (class >= GMEM_FLAGS_NAMED || class & ~policy->known_flags)
		return rule->deny;
	if (rule->flags_exact)
		return class == rule->flags;
	return rule->deny ? (class & rule->flags) != 0 : !(class & ~rule->flags);
}

static void fill_flags(struct compiled *compiled)
{
	const struct policy *policy = compiled->policy;
	struct gmem_set *sets = compiled->pool + GMEM_POOL_FLAGS, always = { 0 };
	unsigned int i;
	__u32 class;
	int k;

	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!rule_has(rule, POLICY_IF_flags)) {
			set_add(&always, i);
			continue;
		}
		compiled->head.by_flags |= rule->ops & condition_ops[POLICY_IF_flags];
		for (class = 0; class < GMEM_FLAGS_CLASS_MAX; class ++) {
			if (matches_flags(policy, rule, class))
				set_add(&sets[class], i);
		}
	}
	/* Without such a rule the sets are not read. */
	for (class = 0; compiled->head.by_flags && class < GMEM_FLAGS_CLASS_MAX; class ++) {
		for (k = 0; k < GMEM_SET_WORDS; k++)
			sets[class].w[k] |= always.w[k];
	}
}

static bool matches_type(const struct policy_rule *rule, __u32 type)
{
	if (!rule_has(rule, POLICY_IF_vm_type))
		return true;
	return type == GMEM_TYPE_unknown ? rule->deny : rule->types >> type & 1;
}

/* An allowing rule matches if nothing else is requested, a denying rule if one of them is. */
static bool matches_prot(const struct policy_rule *rule, __u32 prot)
{
	if (!rule_has(rule, POLICY_IF_prot))
		return true;
	return rule->deny ? (prot & rule->prot) != 0 : !(prot & ~rule->prot);
}

static bool matches_direction(const struct policy_rule *rule, __u32 direction)
{
	if (!rule_has(rule, POLICY_IF_direction))
		return true;
	return direction == GMEM_DIR_other ? rule->deny : rule->directions >> direction & 1;
}

static void fill_parts(const struct policy *policy, struct parts *parts)
{
	unsigned int i;
	__u32 v;

	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		set_add(&parts->all, i);
		for (v = 0; v < GMEM_DO_MAX; v++) {
			if (rule->ops >> v & 1)
				set_add(&parts->ops[v], i);
		}
		for (v = 0; v < GMEM_TYPE_MAX; v++) {
			if (matches_type(rule, v))
				set_add(&parts->types[v], i);
		}
		for (v = 0; v < GMEM_PROT_MAX; v++) {
			if (matches_prot(rule, v))
				set_add(&parts->prots[v], i);
		}
		for (v = 0; v < GMEM_DIR_MAX; v++) {
			if (matches_direction(rule, v))
				set_add(&parts->directions[v], i);
		}
	}
}

static const struct gmem_set *detail_of(const struct parts *parts, __u32 op, __u32 detail)
{
	if (condition_ops[POLICY_IF_prot] >> op & 1)
		return &parts->prots[detail];
	if (condition_ops[POLICY_IF_direction] >> op & 1)
		return &parts->directions[detail];
	return &parts->all;
}

static int fill_kinds(struct compiled *compiled)
{
	static const struct {
		__u32 base, details;
	} kinds[] = {
#define X(name, details) [GMEM_DO_##name] = { GMEM_KIND_##name, details },
		GMEM_KINDS(X)
#undef X
	};
	struct gmem_set *set;
	struct parts *parts;
	__u32 op, detail, type;
	int k;

	parts = calloc(1, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	fill_parts(compiled->policy, parts);
	for (op = 0; op < GMEM_DO_MAX; op++) {
		set = compiled->pool + GMEM_POOL_KIND + kinds[op].base;
		for (detail = 0; detail < kinds[op].details; detail++) {
			const struct gmem_set *by_detail = detail_of(parts, op, detail);

			for (type = 0; type < GMEM_TYPE_MAX; type++, set++) {
				for (k = 0; k < GMEM_SET_WORDS; k++)
					set->w[k] = parts->ops[op].w[k] & by_detail->w[k] &
						    parts->types[type].w[k];
			}
		}
	}
	free(parts);
	return 0;
}

static void fill_rules(struct compiled *compiled)
{
	const struct policy *policy = compiled->policy;
	struct gmem_set *pool = compiled->pool;
	unsigned int i;
	size_t k;

	for (i = 0; i < policy->nr_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (rule->deny)
			set_add(pool + GMEM_POOL_DENY, i);
		if (rule->audit_rule) {
			set_add(pool + GMEM_POOL_AUDIT, i);
			compiled->head.has_audit |= rule->ops;
		}
		if (rule->any)
			set_add(pool + GMEM_POOL_ANY, i);
		for (k = 0; k < rule->nr_subjects; k++)
			set_add(pool + GMEM_POOL_SUBJECT + rule->subjects[k], i);
	}
}

int policy_compile(const struct policy *policy, struct compiled *compiled, struct diags *diags)
{
	struct gmem_head *head = &compiled->head;
	int ret, by, errors = 0;

	memset(compiled, 0, sizeof(*compiled));
	compiled->policy = policy;
	compiled->enforce = policy->enforce;
	compiled->pool = calloc(GMEM_POOL_MAX, sizeof(*compiled->pool));
	if (!compiled->pool)
		return -ENOMEM;
	head->nr_rules = (__u32)policy->nr_rules;
	head->nr_subjects = (__u32)policy->nr_subjects;
	head->default_deny = policy->default_deny;
	head->guards = policy->guards;
	head->manager = policy->manager;
	if (policy->name)
		memcpy(head->name, policy->name, strlen(policy->name));
	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (collect_bounds(compiled, by, diags))
			errors++;
		else
			fill_intervals(compiled, by);
	}
	ret = fill_kinds(compiled);
	if (ret)
		return ret;
	fill_flags(compiled);
	fill_rules(compiled);
	ret = classes_fill(compiled, diags);
	if (!ret && errors)
		ret = -EBADMSG;
	return ret;
}

void compiled_free(struct compiled *compiled)
{
	free(compiled->pool);
	free(compiled->exes);
	free(compiled->uids);
	free(compiled->cgroups);
	free(compiled->implied);
	memset(compiled, 0, sizeof(*compiled));
}
