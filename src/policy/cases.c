// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "tree.h"

#define MAX_CASES 65536

#define NR(table) (sizeof(table) / sizeof(*(table)))

struct case_reader {
	struct policy_cases *cases;
	const struct who_lookup *lookup;
	struct diags *diags;
};

/* A case while it is read: several keys make up one request. */
struct case_text {
	struct policy_case *to;
	struct who_text who;
	struct request_text request;
};

static int read_text(struct case_reader *reader, const struct tree *value, const char **text)
{
	if (tree_is(value, TREE_SCALAR, value->key->text, reader->diags))
		*text = value->text;
	return 0;
}

/* A list as in options: separated by commas; "none" for the empty list. */
static int read_list(struct case_reader *reader, const struct tree *value, const char **text)
{
	const struct tree *word;
	size_t size = 8;
	char *list;

	if (value->kind == TREE_SCALAR)
		return read_text(reader, value, text);
	if (!tree_is(value, TREE_LIST, value->key->text, reader->diags))
		return 0;
	for (word = value->first; word; word = word->next) {
		if (!tree_is(word, TREE_SCALAR, value->key->text, reader->diags))
			return 0;
		size += strlen(word->text) + 1;
	}
	list = arena_alloc(reader->cases->arena, size);
	if (!list)
		return -ENOMEM;
	*text = list;
	if (!value->nr)
		memcpy(list, "none", sizeof("none"));
	for (word = value->first; word; word = word->next)
		list += sprintf(list, "%s%s", word == value->first ? "" : ",", word->text);
	return 0;
}

#define READ_INTO(function, name, read, member)                                           \
	static int function##_##name(void *context, const struct tree *value, void *into) \
	{                                                                                 \
		return read(context, value, &((struct case_text *)into)->member);         \
	}

READ_INTO(who, exe, read_text, who.exe)
READ_INTO(who, verity, read_text, who.verity)
READ_INTO(who, uid, read_text, who.uid)
READ_INTO(who, cgroup, read_text, who.cgroup)
READ_INTO(who, root, read_text, who.root)

static const struct tree_key who_keys[] = {
	{ "exe", who_exe, false },	 { "verity", who_verity, false }, { "uid", who_uid, false },
	{ "cgroup", who_cgroup, false }, { "root", who_root, false },
};

READ_INTO(with, size, read_text, request.size)
READ_INTO(with, flags, read_list, request.flags)
READ_INTO(with, prot, read_list, request.prot)
READ_INTO(with, direction, read_text, request.direction)
READ_INTO(with, range, read_text, request.range)
READ_INTO(with, offset, read_text, request.offset)
READ_INTO(with, vm_type, read_text, request.vm_type)

static const struct tree_key with_keys[] = {
	{ "size", with_size, false },	    { "flags", with_flags, false },
	{ "prot", with_prot, false },	    { "direction", with_direction, false },
	{ "offset", with_offset, false },   { "range", with_range, false },
	{ "vm-type", with_vm_type, false },
};

READ_INTO(case, name, read_text, to->name)
READ_INTO(case, op, read_text, request.op)
READ_INTO(case, rule, read_text, to->rule)
READ_INTO(case, audit, read_text, to->audit)

static int case_subject(void *context, const struct tree *value, void *into)
{
	struct case_reader *reader = context;

	return tree_read_map(value, "subject", who_keys, NR(who_keys), reader, into, reader->diags);
}

static int case_with(void *context, const struct tree *value, void *into)
{
	struct case_reader *reader = context;

	return tree_read_map(value, "with", with_keys, NR(with_keys), reader, into, reader->diags);
}

static int case_expect(void *context, const struct tree *value, void *into)
{
	struct case_reader *reader = context;
	struct case_text *text = into;

	if (!tree_is(value, TREE_SCALAR, "expect", reader->diags))
		return 0;
	text->to->deny = !strcmp(value->text, "deny");
	if (!text->to->deny && strcmp(value->text, "allow"))
		diag_error(reader->diags, value->place, NULL,
			   "expect must be allow or deny, not \"%s\"", value->text);
	return 0;
}

static const struct tree_key case_keys[] = {
	{ "name", case_name, true },
	{ "subject", case_subject, false },
	{ "op", case_op, true },
	{ "with", case_with, false },
	{ "expect", case_expect, true },
	{ "rule", case_rule, false },
	{ "audit-rule", case_audit, false },
};

static int read_case(struct case_reader *reader, const struct tree *value, struct policy_case *to)
{
	struct request_error error = { 0 };
	struct case_text text = { .to = to };
	size_t errors = reader->diags->nr_errors;
	int ret;

	to->place = value->place;
	ret = tree_read_map(value, "a case", case_keys, NR(case_keys), reader, &text,
			    reader->diags);
	if (ret || reader->diags->nr_errors != errors)
		return ret;
	if (request_parse(&text.request, &to->request, &error) ||
	    who_parse(&text.who, reader->lookup, &to->who, &error))
		diag_error(reader->diags, value->place, NULL, "%s \"%s\": %s", error.name,
			   error.value, error.why);
	return 0;
}

static int read_policy_file(void *context, const struct tree *value, void *into)
{
	return read_text(context, value, &((struct policy_cases *)into)->policy);
}

static int read_cases(void *context, const struct tree *value, void *into)
{
	struct case_reader *reader = context;
	struct policy_cases *cases = into;
	const struct tree *one;
	int ret = 0;

	if (!tree_is(value, TREE_LIST, "cases", reader->diags))
		return 0;
	if (!value->nr || value->nr > MAX_CASES) {
		diag_error(reader->diags, value->key->place, NULL,
			   "a file of cases has 1 to %d cases, not %zu", MAX_CASES, value->nr);
		return 0;
	}
	cases->cases = arena_alloc(cases->arena, value->nr * sizeof(*cases->cases));
	if (!cases->cases)
		return -ENOMEM;
	for (one = value->first; one && !ret; one = one->next)
		ret = read_case(reader, one, &cases->cases[cases->nr++]);
	return ret;
}

static const struct tree_key file_keys[] = {
	{ "policy", read_policy_file, false },
	{ "cases", read_cases, true },
};

int cases_parse(const char *text, size_t len, const char *file, const struct who_lookup *lookup,
		struct policy_cases *cases, struct diags *diags)
{
	struct case_reader reader = { .cases = cases, .lookup = lookup, .diags = diags };
	struct tree *tree;
	int ret;

	memset(cases, 0, sizeof(*cases));
	diags->file = file;
	diags->text = text;
	diags->len = len;
	cases->arena = calloc(1, sizeof(*cases->arena));
	if (!cases->arena)
		return -ENOMEM;
	if (len > GMEM_MAX_SOURCE) {
		diag_error(diags, (struct place){ 0 }, "split it",
			   "a file of cases has %d bytes at most", GMEM_MAX_SOURCE);
		return -EBADMSG;
	}
	ret = tree_parse(text, len, cases->arena, &tree, diags);
	if (!ret)
		ret = tree_read_map(tree, "a file of cases", file_keys, NR(file_keys), &reader,
				    cases, diags);
	if (!ret && diags->nr_errors)
		ret = -EBADMSG;
	return ret;
}

void cases_free(struct policy_cases *cases)
{
	if (cases->arena)
		arena_free(cases->arena);
	free(cases->arena);
	memset(cases, 0, sizeof(*cases));
}
