// SPDX-License-Identifier: GPL-2.0-only
/* From the tree of a policy to its model: rules and their conditions. */
#include <errno.h>
#include <string.h>

#include "reader.h"

#define NR(table) (sizeof(table) / sizeof(*(table)))

const __u32 condition_ops[POLICY_IF_MAX] = {
#define X(name, ops, ...) [POLICY_IF_##name] = ops,
	POLICY_CONDITIONS(X)
#undef X
};

struct rule_reader {
	struct reader *reader;
	struct policy_rule *rule;
	bool has_allow, has_deny;
	const struct tree *conditions[POLICY_IF_MAX]; /* their values in the file */
};

/* --- conditions --- */

static void mark(struct rule_reader *in, enum policy_condition condition, const struct tree *value)
{
	in->conditions[condition] = value;
	in->rule->conditions |= 1U << condition;
}

static int read_comparison(struct reader *reader, const struct tree *word, void *into)
{
	struct policy_rule *rule = into;
	bool first = !rule->size_min && rule->size_max == ~0ULL;
	int ret = value_comparison(word->text, &rule->size_min, &rule->size_max);

	if (ret == -EDOM)
		diag_error(reader->diags, word->place, NULL, "no size satisfies \"%s\"%s",
			   word->text, first ? "" : " and the comparisons before it");
	else if (ret == -ERANGE)
		diag_error(reader->diags, word->place, NULL, "\"%s\" is too large", word->text);
	else if (ret)
		diag_error(reader->diags, word->place, "write it as \"<= 64GiB\"",
			   "size must be <=, <, >=, > or ==, and a size, not \"%s\"", word->text);
	return 0;
}

static int read_size(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;

	(void)into;
	mark(in, POLICY_IF_size, value);
	return read_words(in->reader, value, "size", false, read_comparison, in->rule);
}

static int read_any_flags(struct rule_reader *in, const struct tree *value)
{
	int ret;

	if (in->conditions[POLICY_IF_flags])
		diag_error(in->reader->diags, value->key->place, "a rule has one of them",
			   "flags and flags-are in one rule");
	mark(in, POLICY_IF_flags, value);
	ret = read_bits(in->reader, value, VALUE_FLAG, value->key->text, true, &in->rule->flags);
	in->reader->policy->known_flags |= in->rule->flags;
	return ret;
}

static int read_flags(void *context, const struct tree *value, void *into)
{
	(void)into;
	return read_any_flags(context, value);
}

static int read_flags_exact(void *context, const struct tree *value, void *into)
{
	((struct policy_rule *)into)->flags_exact = true;
	return read_any_flags(context, value);
}

static int read_prot(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;

	(void)into;
	mark(in, POLICY_IF_prot, value);
	return read_bits(in->reader, value, VALUE_PROT, "prot", true, &in->rule->prot);
}

static int read_direction(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;

	(void)into;
	mark(in, POLICY_IF_direction, value);
	return read_bits(in->reader, value, VALUE_DIRECTION, "direction", false,
			 &in->rule->directions);
}

/* A last address, where the end is wanted, is the likeliest reason. */
static void range_off_page(struct diags *diags, const struct tree *value, __u64 start, __u64 end)
{
	char hint[160] = "";

	if (!(start % VALUE_PAGE) && end % VALUE_PAGE == VALUE_PAGE - 1)
		snprintf(hint, sizeof(hint),
			 "the end does not belong to the range: did you mean \"0x%llx-0x%llx\"?",
			 start, end + 1);
	diag_error(diags, value->place, *hint ? hint : NULL,
		   "the limits in \"%s\" must be multiples of 4KiB", value->text);
}

static int read_limits(struct rule_reader *in, const struct tree *value, const char *what,
		       __u64 *start, __u64 *end)
{
	struct diags *diags = in->reader->diags;
	int ret;

	if (!tree_is(value, TREE_SCALAR, value->key->text, diags))
		return 0;
	ret = value_range(value->text, start, end);
	if (ret == -EDOM)
		diag_error(diags, value->place, NULL, "the range \"%s\" is empty", value->text);
	else if (ret == -ERANGE)
		diag_error(diags, value->place, NULL, "\"%s\" is too large", value->text);
	else if (ret == -EXDEV)
		range_off_page(diags, value, *start, *end);
	else if (ret)
		diag_error(diags, value->place, "write it as \"0x0-0x40000000\" or \"1GiB+64MiB\"",
			   "%s must be two %s, not \"%s\"", value->key->text, what, value->text);
	return 0;
}

static int read_range(void *context, const struct tree *value, void *into)
{
	struct policy_rule *rule = into;

	mark(context, POLICY_IF_range, value);
	return read_limits(context, value, "guest addresses", &rule->start, &rule->end);
}

static int read_offset(void *context, const struct tree *value, void *into)
{
	struct policy_rule *rule = into;

	mark(context, POLICY_IF_offset, value);
	return read_limits(context, value, "offsets", &rule->offset, &rule->offset_end);
}

static int read_vm_type(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;

	(void)into;
	mark(in, POLICY_IF_vm_type, value);
	return read_bits(in->reader, value, VALUE_TYPE, "vm-type", false, &in->rule->types);
}

static const struct tree_key when_keys[] = {
	{ "size", read_size, false },	    { "flags", read_flags, false },
	{ "prot", read_prot, false },	    { "direction", read_direction, false },
	{ "offset", read_offset, false },   { "range", read_range, false },
	{ "vm-type", read_vm_type, false }, { "flags-are", read_flags_exact, false },
};

/* --- rules --- */

static int read_rule_name(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;
	struct reader *reader = in->reader;
	struct policy_rule *rule = into;
	const char *name;

	name = read_name(reader, value, "the name of a rule");
	if (!name)
		return 0;
	if (!name_map_add(&reader->rules, name, (unsigned int)(rule - reader->policy->rules)))
		diag_error(reader->diags, value->place, NULL,
			   "rule \"%s\" is defined twice, first in line %u", name,
			   reader->policy->rules[name_map_find(&reader->rules, name)].place.line);
	rule->name = name;
	return 0;
}

static int read_ops(struct rule_reader *in, const struct tree *value)
{
	const struct tree *word = value->kind == TREE_LIST && value->nr == 1 ? value->first : value;

	if (word->kind == TREE_SCALAR && !strcmp(word->text, "all")) {
		in->rule->ops = OPS_ALL;
		return 0;
	}
	return read_bits(in->reader, value, VALUE_OPERATION, "the list of operations", false,
			 &in->rule->ops);
}

static int read_allow(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;

	(void)into;
	in->has_allow = true;
	return read_ops(in, value);
}

static int read_deny(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;
	struct policy_rule *rule = into;

	in->has_deny = rule->deny = true;
	return read_ops(in, value);
}

int read_subject_name(struct reader *reader, const struct tree *word)
{
	struct policy *policy = reader->policy;
	const char *closest = NULL;
	char hint[128];
	int number;

	number = name_map_find(&reader->subjects, word->text);
	if (number >= 0) {
		policy->subjects[number].used = true;
		return number;
	}
	/* Searching for a similar name is expensive: only for errors that are printed. */
	if (reader->diags->nr < DIAGS_KEPT)
		closest = closest_name(word->text, reader->subject_names, policy->nr_subjects);
	if (closest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", closest);
	diag_error(reader->diags, word->place, closest ? hint : NULL, "there is no subject \"%s\"",
		   word->text);
	return -1;
}

static int read_rule_subject(struct reader *reader, const struct tree *word, void *into)
{
	struct policy_rule *rule = into;
	int number = read_subject_name(reader, word);

	if (number >= 0)
		rule->subjects[rule->nr_subjects++] = (__u16)number;
	return 0;
}

static int read_rule_subjects(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;
	struct policy_rule *rule = into;

	if (value->kind == TREE_SCALAR && !strcmp(value->text, "any")) {
		rule->any = true;
		return 0;
	}
	rule->subjects = arena_alloc(in->reader->arena, (value->nr + 1) * sizeof(*rule->subjects));
	if (!rule->subjects)
		return -ENOMEM;
	return read_words(in->reader, value, "subjects", false, read_rule_subject, rule);
}

static int read_when(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;
	struct diags *diags = in->reader->diags;

	if (value->kind == TREE_MAP && !value->nr)
		diag_error(diags, value->place, "leave it out", "when is empty");
	return tree_read_map(value, "when", when_keys, NR(when_keys), in, into, diags);
}

static int read_rule_mode(void *context, const struct tree *value, void *into)
{
	struct rule_reader *in = context;
	struct policy_rule *rule = into;

	if (!tree_is(value, TREE_SCALAR, "mode", in->reader->diags))
		return 0;
	rule->audit_rule = !strcmp(value->text, "audit");
	if (!rule->audit_rule && strcmp(value->text, "enforce"))
		diag_error(in->reader->diags, value->place, NULL,
			   "the mode of a rule must be audit or enforce, not \"%s\"", value->text);
	return 0;
}

static const struct tree_key rule_keys[] = {
	{ "name", read_rule_name, true }, { "allow", read_allow, false },
	{ "deny", read_deny, false },	  { "subjects", read_rule_subjects, true },
	{ "when", read_when, false },	  { "mode", read_rule_mode, false },
};

/* [] or none */
static bool is_empty(const struct tree *value)
{
	const struct tree *word = value->kind == TREE_LIST ? value->first : value;

	return !word || (word->kind == TREE_SCALAR && !strcmp(word->text, "none"));
}

/* In version 1 `flags` meant what `flags-are` means since: what changes its meaning is a warning. */
static void check_flags(const struct rule_reader *in, const struct tree *value)
{
	struct diags *diags = in->reader->diags;

	if (in->rule->deny && is_empty(value))
		diag_error(diags, value->place, "flags-are: none is an instance without flags",
			   "a rule that denies empty flags never matches");
	else if (in->rule->flags && in->reader->policy->version == 1)
		diag_warning(diags, value->place,
			     "write version: 2 if that is meant, or flags-are for exactly these",
			     in->rule->deny
				     ? "flags does not mean exactly these flags any more: the "
				       "rule matches instances that have any of them"
				     : "flags does not mean exactly these flags any more: the "
				       "rule matches instances that have no others");
}

/* Conditions must be able to hold, and to mean something. */
static void check_conditions(const struct rule_reader *in)
{
	const struct policy_rule *rule = in->rule;
	struct diags *diags = in->reader->diags;
	const struct tree *value;
	int i;

	for (i = 0; i < POLICY_IF_MAX; i++) {
		value = in->conditions[i];
		if (value && rule->ops && !(rule->ops & condition_ops[i]))
			diag_error(diags, value->key->place, NULL,
				   "%s applies to no operation of this rule", value->key->text);
	}
	value = in->conditions[POLICY_IF_flags];
	if (value && !rule->flags_exact)
		check_flags(in, value);
	value = in->conditions[POLICY_IF_prot];
	if (value && rule->deny && is_empty(value))
		diag_error(diags, value->place, "name what must not be requested",
			   "a rule that denies an empty prot never matches");
}

int read_rule(struct reader *reader, const struct tree *value, struct policy_rule *rule)
{
	struct rule_reader in = { .reader = reader, .rule = rule };
	size_t errors = reader->diags->nr_errors;
	int ret;

	rule->place = value->place;
	rule->size_max = rule->end = rule->offset_end = ~0ULL;
	ret = tree_read_map(value, "a rule", rule_keys, NR(rule_keys), &in, rule, reader->diags);
	if (ret)
		return ret;
	if (in.has_allow && in.has_deny)
		diag_error(reader->diags, value->place, "a rule has one of them",
			   "allow and deny in one rule");
	/* If another word is misspelled, it can be the missing one. */
	else if (!in.has_allow && !in.has_deny && reader->diags->nr_errors == errors)
		diag_error(reader->diags, value->place, "a rule has one of them",
			   "neither allow nor deny");
	check_conditions(&in);
	/* What has errors decides nothing, so that the rest can be looked at. */
	if (reader->diags->nr_errors != errors)
		rule->ops = 0;
	return 0;
}
