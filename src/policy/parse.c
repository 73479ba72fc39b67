// SPDX-License-Identifier: GPL-2.0-only
/* From the tree of a policy to its model: head, defaults and subjects. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/utf8.h"
#include "reader.h"

#define MAX_PATH 4095

#define NR(table) (sizeof(table) / sizeof(*(table)))

const char *read_name(struct reader *reader, const struct tree *value, const char *what)
{
	const char *c;

	if (!tree_is(value, TREE_SCALAR, what, reader->diags))
		return NULL;
	for (c = value->text; isalnum((unsigned char)*c) || (*c && strchr("._-", *c)); c++)
		;
	if (*c) {
		diag_error(reader->diags, value->place, NULL,
			   "%s may have letters, digits, '.', '_' and '-'", what);
		return NULL;
	}
	if (strlen(value->text) > POLICY_MAX_NAME) {
		diag_error(reader->diags, value->place, NULL, "%s may have %d bytes, not %zu", what,
			   POLICY_MAX_NAME, strlen(value->text));
		return NULL;
	}
	return value->text;
}

int read_words(struct reader *reader, const struct tree *value, const char *what, bool may_be_empty,
	       int (*each)(struct reader *, const struct tree *, void *), void *into)
{
	struct name_map seen = { 0 };
	const struct tree *word;
	int ret;

	if (value->kind == TREE_SCALAR)
		return tree_is(value, TREE_SCALAR, what, reader->diags) ? each(reader, value, into)
									: 0;
	if (!tree_is(value, TREE_LIST, what, reader->diags))
		return 0;
	if (!value->nr && !may_be_empty)
		diag_error(reader->diags, value->place, NULL, "%s is empty", what);
	ret = value->nr > 1 ? name_map_init(&seen, reader->arena, value->nr) : 0;
	for (word = value->first; word && !ret; word = word->next) {
		if (!tree_is(word, TREE_SCALAR, what, reader->diags))
			continue;
		if (seen.slots && !name_map_add(&seen, word->text, 0))
			diag_error(reader->diags, word->place, NULL, "\"%s\" is listed twice",
				   word->text);
		else
			ret = each(reader, word, into);
	}
	return ret;
}

struct bits {
	enum value_kind kind;
	const char *what;
	__u32 *bits;
};

static int read_bit(struct reader *reader, const struct tree *word, void *into)
{
	const struct bits *bits = into;
	const char *const *names, *closest;
	char hint[256] = "it can be ";
	__u32 bit;
	size_t nr;
	int ret;

	ret = value_word(bits->kind, word->text, &bit);
	if (!ret && (bit >= GMEM_FLAGS_NAMED || *bits->bits & bit))
		diag_error(reader->diags, word->place, NULL,
			   bit >= GMEM_FLAGS_NAMED
				   ? "\"%s\" in %s is above 0xff, the largest number "
				     "that a rule can name"
				   : "\"%s\" in %s names what the list has already",
			   word->text, bits->what);
	else if (ret && ret != -ENOENT)
		diag_error(reader->diags, word->place, "write it as 0x4",
			   "\"%s\" in %s is not a number", word->text, bits->what);
	if (!ret)
		*bits->bits |= bit;
	if (ret != -ENOENT)
		return 0;
	names = value_names(bits->kind, &nr);
	closest = closest_name(word->text, names, nr);
	if (closest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", closest);
	else
		value_list(bits->kind, VALUE_ALL, ", ", hint + strlen(hint),
			   sizeof(hint) - strlen(hint));
	diag_error(reader->diags, word->place, hint, "\"%s\" is not known in %s", word->text,
		   bits->what);
	return 0;
}

int read_bits(struct reader *reader, const struct tree *value, enum value_kind kind,
	      const char *what, bool may_be_empty, __u32 *bits)
{
	struct bits into = { kind, what, bits };

	const struct tree *word = value->kind == TREE_LIST && value->nr == 1 ? value->first : value;

	*bits = 0;
	if (may_be_empty && word->kind == TREE_SCALAR && !strcmp(word->text, "none"))
		return 0;
	return read_words(reader, value, what, may_be_empty, read_bit, &into);
}

/* --- subjects --- */

static int read_exe(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy_subject *subject = into;

	subject->exe_place = value->place;
	if (!tree_is(value, TREE_SCALAR, "exe", reader->diags))
		return 0;
	if (*value->text != '/' || strlen(value->text) > MAX_PATH)
		diag_error(reader->diags, value->place, NULL,
			   "exe must be a path that begins with '/'");
	else
		subject->exe = value->text;
	return 0;
}

static int read_verity(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy_subject *subject = into;

	if (!tree_is(value, TREE_SCALAR, "verity", reader->diags))
		return 0;
	if (value_digest(value->text, &subject->verity))
		diag_error(
			reader->diags, value->place, "`fsverity measure FILE` prints it",
			"verity must be sha256: and 64 digits, or sha512: and 128 digits, 0 to f");
	subject->has_verity = true;
	return 0;
}

static int read_root(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy_subject *subject = into;

	subject->root_place = value->key->place;
	if (!tree_is(value, TREE_SCALAR, "root", reader->diags))
		return 0;
	subject->any_root = !strcmp(value->text, "any");
	if (!subject->any_root && strcmp(value->text, "host"))
		diag_error(reader->diags, value->place, NULL,
			   "root must be host or any, not \"%s\"", value->text);
	return 0;
}

static int read_uid(struct reader *reader, const struct tree *word, void *into)
{
	struct policy_subject *subject = into;
	struct policy_uid *uid = &subject->uids[subject->nr_uids];

	uid->name = word->text;
	uid->place = word->place;
	if (isdigit((unsigned char)*word->text)) {
		if (value_uid(word->text, &uid->uid)) {
			diag_error(reader->diags, word->place,
				   word->text[0] == '0' ? "write it without leading zeros" : NULL,
				   "\"%s\" is not the number of a user", word->text);
			return 0;
		}
		uid->known = true;
	}
	subject->nr_uids++;
	return 0;
}

static int read_uids(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy_subject *subject = into;

	subject->uids = arena_alloc(reader->arena, (value->nr + 1) * sizeof(*subject->uids));
	if (!subject->uids)
		return -ENOMEM;
	return read_words(reader, value, "uid", false, read_uid, subject);
}

/* A path as the kernel writes it: no empty, "." or ".." parts, no '/' at the end. */
static bool is_cgroup(const char *path)
{
	size_t len;

	if (!strcmp(path, "/"))
		return true;
	while (*path == '/') {
		len = strcspn(++path, "/");
		if (!len || !strncmp(path, "..", len > 2 ? len : 2) || (len == 1 && *path == '.'))
			return false;
		path += len;
	}
	return !*path;
}

static int read_cgroup(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy_subject *subject = into;

	subject->cgroup_place = value->place;
	if (!tree_is(value, TREE_SCALAR, "cgroup", reader->diags))
		return 0;
	if (!is_cgroup(value->text) || strlen(value->text) > MAX_PATH)
		diag_error(reader->diags, value->place, NULL,
			   "cgroup must be a path below the root of cgroup2, as /machine.slice");
	else
		subject->cgroup = value->text;
	return 0;
}

static const struct tree_key subject_keys[] = {
	{ "exe", read_exe, false },  { "verity", read_verity, false }, { "root", read_root, false },
	{ "uid", read_uids, false }, { "cgroup", read_cgroup, false },
};

static int read_subject(struct reader *reader, const struct tree *value)
{
	struct policy *policy = reader->policy;
	struct policy_subject *subject = &policy->subjects[policy->nr_subjects];
	const char *name;
	int ret;

	name = read_name(reader, value->key, "the name of a subject");
	if (name && !strcmp(name, "any")) {
		diag_error(reader->diags, value->key->place, NULL, "\"any\" means any subject");
		name = NULL;
	}
	subject->place = value->key->place;
	subject->name = name;
	ret = tree_read_map(value, "a subject", subject_keys, NR(subject_keys), reader, subject,
			    reader->diags);
	if (ret)
		return ret;
	if (subject->exe && subject->has_verity)
		diag_error(reader->diags, value->place, "verity alone is stricter",
			   "exe and verity: a subject has one of them");
	if (subject->root_place.line && !subject->exe && !subject->has_verity)
		diag_error(reader->diags, subject->root_place, NULL,
			   "root belongs to exe or verity, and the subject has neither");
	if (value->kind == TREE_MAP && !value->nr)
		diag_error(reader->diags, value->place, "write `subjects: any` in the rule",
			   "a subject without keys would match every task");
	if (name && name_map_add(&reader->subjects, name, (unsigned int)policy->nr_subjects)) {
		reader->subject_names[policy->nr_subjects++] = name;
		return 0;
	}
	if (name)
		diag_error(reader->diags, value->key->place, NULL,
			   "subject \"%s\" is defined twice, first in line %u", name,
			   policy->subjects[name_map_find(&reader->subjects, name)].place.line);
	memset(subject, 0, sizeof(*subject));
	return 0;
}

static int read_subjects(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;
	const struct tree *subject;
	int ret;

	if (!tree_is(value, TREE_MAP, "subjects", reader->diags))
		return 0;
	if (value->nr > GMEM_MAX_SUBJECTS) {
		diag_error(reader->diags, value->key->place, NULL,
			   "a policy has %d subjects at most, not %zu", GMEM_MAX_SUBJECTS,
			   value->nr);
		return 0;
	}
	policy->subjects = arena_alloc(reader->arena, (value->nr + 1) * sizeof(*policy->subjects));
	reader->subject_names =
		arena_alloc(reader->arena, (value->nr + 1) * sizeof(*reader->subject_names));
	if (!policy->subjects || !reader->subject_names)
		return -ENOMEM;
	ret = name_map_init(&reader->subjects, reader->arena, value->nr);
	for (subject = value->first; subject && !ret; subject = subject->next)
		ret = read_subject(reader, subject);
	return ret;
}

/* --- the rest of the head --- */

static int read_version(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;

	policy->version = 2;
	if (!tree_is(value, TREE_SCALAR, "version", reader->diags))
		return 0;
	if (!strcmp(value->text, "1"))
		policy->version = 1;
	else if (strcmp(value->text, "2"))
		diag_error(reader->diags, value->place, "the versions are 1 and 2",
			   "the language has no version %s", value->text);
	return 0;
}

static int read_policy_name(void *context, const struct tree *value, void *into)
{
	((struct policy *)into)->name = read_name(context, value, "the name of a policy");
	return 0;
}

static int read_mode(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;

	if (!tree_is(value, TREE_SCALAR, "mode", reader->diags))
		return 0;
	policy->enforce = !strcmp(value->text, "enforce");
	if (!policy->enforce && strcmp(value->text, "audit"))
		diag_error(reader->diags, value->place, NULL,
			   "mode must be enforce or audit, not \"%s\"", value->text);
	return 0;
}

static void set_default(struct reader *reader, const struct tree *value, __u32 ops,
			struct place place)
{
	struct policy *policy = reader->policy;
	int op;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (ops >> op & 1)
			policy->default_places[op] = place;
	}
	if (!tree_is(value, TREE_SCALAR, "a default", reader->diags))
		return;
	if (!strcmp(value->text, "allow"))
		policy->default_deny &= ~ops;
	else if (strcmp(value->text, "deny"))
		diag_error(reader->diags, value->place, NULL,
			   "a default must be allow or deny, not \"%s\"", value->text);
	else
		policy->default_deny |= ops;
}

static int read_default_of_all(void *context, const struct tree *value, void *into)
{
	(void)into;
	set_default(context, value, OPS_ALL, value->key->place);
	return 0;
}

static int read_default_of(void *context, const struct tree *value, void *into)
{
	(void)into;
	set_default(context, value, 1U << value_number(VALUE_OPERATION, value->key->text),
		    value->key->place);
	return 0;
}

/* In the order in which they are read: an operation's own default has precedence. */
static const struct tree_key default_keys[] = { { "all", read_default_of_all, false },
#define X(name, ...) { #name, read_default_of, false },
						GMEM_OPERATIONS(X)
#undef X
};

/* An operation that the file does not name, as one that did not exist when it was written, is
 * denied. */
static int read_default(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;
	char names[128];
	__u32 missing = 0;
	int op, ret;

	if (value->kind == TREE_SCALAR) {
		set_default(reader, value, OPS_ALL, value->key->place);
		return 0;
	}
	policy->default_deny = OPS_ALL;
	ret = tree_read_map(value, "default", default_keys, NR(default_keys), reader, into,
			    reader->diags);
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (policy->default_places[op].line)
			continue;
		policy->default_places[op] = value->key->place;
		missing |= 1U << op;
	}
	if (!ret && missing && value->kind == TREE_MAP)
		diag_warning(reader->diags, value->place, "name them, or write all: deny",
			     "default does not name %s: denied",
			     value_list(VALUE_OPERATION, missing, ", ", names, sizeof(names)));
	return ret;
}

static int read_guard(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;
	int guard = value_number(VALUE_GUARD, value->key->text);

	policy->guards_written |= 1U << guard;
	if (!tree_is(value, TREE_SCALAR, "a guard", reader->diags))
		return 0;
	if (!strcmp(value->text, "allow"))
		policy->guards &= ~(1U << guard);
	else if (guard == GMEM_GUARD_trace && !strcmp(value->text, "cgroup"))
		policy->guards |= GMEM_TRACE_BY_CGROUP;
	else if (strcmp(value->text, "deny"))
		diag_error(reader->diags, value->place, NULL,
			   "the guard %s must be deny%s or allow, not \"%s\"", value->key->text,
			   guard == GMEM_GUARD_trace ? ", cgroup" : "", value->text);
	return 0;
}

static const struct tree_key guard_keys[] = {
#define X(name, ...) { #name, read_guard, false },
	GMEM_POLICY_GUARDS(X)
#undef X
};

static int read_guards(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;

	policy->guards_place = value->key->place;
	return tree_read_map(value, "guards", guard_keys, NR(guard_keys), reader, into,
			     reader->diags);
}

static int read_rules(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;
	const struct tree *rule;
	int ret;

	if (!tree_is(value, TREE_LIST, "rules", reader->diags))
		return 0;
	if (value->nr > GMEM_MAX_RULES) {
		diag_error(reader->diags, value->key->place, NULL,
			   "a policy has %d rules at most, not %zu", GMEM_MAX_RULES, value->nr);
		return 0;
	}
	policy->rules = arena_alloc(reader->arena, (value->nr + 1) * sizeof(*policy->rules));
	if (!policy->rules)
		return -ENOMEM;
	ret = name_map_init(&reader->rules, reader->arena, value->nr);
	for (rule = value->first; rule && !ret; rule = rule->next)
		ret = read_rule(reader, rule, &policy->rules[policy->nr_rules++]);
	return ret;
}

/* The manager of a locked policy: with an executable, since other processes can become its user. */
static int read_manager(void *context, const struct tree *value, void *into)
{
	struct reader *reader = context;
	struct policy *policy = into;
	int number;

	if (!tree_is(value, TREE_SCALAR, "manager", reader->diags))
		return 0;
	number = read_subject_name(reader, value);
	if (number < 0)
		return 0;
	if (!policy->subjects[number].exe && !policy->subjects[number].has_verity)
		diag_error(reader->diags, value->place, "give it exe: /usr/sbin/gmemctl, or verity",
			   "the manager \"%s\" names no executable", value->text);
	if (policy->subjects[number].any_root)
		diag_error(reader->diags, value->place, "leave out its root: any",
			   "the manager \"%s\" must have the host's root directory", value->text);
	policy->manager = (__u32)number + 1;
	return 0;
}

/* Subjects are read before the rules that name them, in whichever order the file has them. */
static const struct tree_key policy_keys[] = {
	{ "version", read_version, true },  { "name", read_policy_name, true },
	{ "mode", read_mode, true },	    { "default", read_default, true },
	{ "guards", read_guards, false },   { "subjects", read_subjects, false },
	{ "manager", read_manager, false }, { "rules", read_rules, true },
};

static struct policy *policy_new(const char *text, size_t len, const char *file)
{
	struct arena arena = { 0 };
	struct policy *policy;

	policy = arena_alloc(&arena, sizeof(*policy));
	if (!policy)
		return NULL;
	policy->arena = arena_alloc(&arena, sizeof(arena));
	policy->file = arena_text(&arena, file, strlen(file));
	policy->shown_file = arena_text(&arena, file, strlen(file));
	policy->source = arena_text(&arena, text, len);
	policy->source_len = len;
	policy->guards = POLICY_GUARDS_ALL;
	policy->known_flags = GMEM_FLAGS_WITH_NAME;
	if (!policy->arena || !policy->file || !policy->shown_file || !policy->source) {
		arena_free(&arena);
		return NULL;
	}
	utf8_clean(policy->shown_file);
	*policy->arena = arena;
	return policy;
}

int policy_parse(const char *text, size_t len, const char *file, struct policy **policy,
		 struct diags *diags)
{
	struct reader reader = { .diags = diags };
	struct tree *tree;
	int ret;

	*policy = policy_new(text, len, file);
	if (!*policy)
		return -ENOMEM;
	diags->file = (*policy)->file;
	diags->text = (*policy)->source;
	diags->len = len;
	if (len > GMEM_MAX_SOURCE) {
		diag_error(diags, (struct place){ 0 }, NULL,
			   "a policy has %d bytes at most, not %zu", GMEM_MAX_SOURCE, len);
		return -EBADMSG;
	}
	reader.policy = *policy;
	reader.arena = (*policy)->arena;
	ret = tree_parse((*policy)->source, len, reader.arena, &tree, diags);
	if (!ret)
		ret = tree_read_map(tree, "a policy", policy_keys, NR(policy_keys), &reader,
				    *policy, diags);
	if (!ret && diags->nr_errors)
		ret = -EBADMSG;
	return ret;
}

void policy_free(struct policy *policy)
{
	struct arena arena;

	if (!policy)
		return;
	/* The arena is in itself. */
	arena = *policy->arena;
	arena_free(&arena);
}
