// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/utf8.h"
#include "merge.h"
#include "tree.h"

#define BEFORE_THE_POLICY "50" /* drop-ins whose names sort before this one */

#define NR(table) (sizeof(table) / sizeof(*(table)))

/* The trees of a file. */
struct parsed {
	const struct part *part;
	const struct tree *whole, *subjects, *rules, *version;
};

/* --- writing --- */

static void write_key(FILE *out, const struct tree *item)
{
	tree_write_text(out, item->key->text);
	fputs(": ", out);
}

static void write_tree(FILE *out, const struct tree *tree)
{
	const struct tree *item;

	if (tree->kind == TREE_SCALAR) {
		tree_write_text(out, tree->text);
		return;
	}
	fputs(tree->kind == TREE_MAP ? "{ " : "[", out);
	for (item = tree->first; item; item = item->next) {
		if (item != tree->first)
			fputs(", ", out);
		if (tree->kind == TREE_MAP)
			write_key(out, item);
		write_tree(out, item);
	}
	fputs(tree->kind == TREE_MAP ? " }" : "]", out);
}

static void write_origin(FILE *out, const struct parsed *file, const struct tree *item)
{
	fputs("  # ", out);
	utf8_print(file->part->path, strlen(file->part->path), out);
	fprintf(out, ":%u\n", item->place.line);
}

static void write_subjects(FILE *out, const struct parsed *file)
{
	const struct tree *item;

	for (item = file->subjects ? file->subjects->first : NULL; item; item = item->next) {
		write_origin(out, file, item->key);
		fputs("  ", out);
		write_key(out, item);
		write_tree(out, item);
		fputc('\n', out);
	}
}

static void write_rules(FILE *out, const struct parsed *file)
{
	const struct tree *item;

	for (item = file->rules ? file->rules->first : NULL; item; item = item->next) {
		write_origin(out, file, item);
		fputs("  - ", out);
		write_tree(out, item);
		fputc('\n', out);
	}
}

static size_t nr_of(const struct parsed *files, size_t nr, bool rules)
{
	size_t i, sum = 0;

	for (i = 0; i < nr; i++) {
		const struct tree *list = rules ? files[i].rules : files[i].subjects;

		sum += list ? list->nr : 0;
	}
	return sum;
}

static bool comes_first(const struct parsed *file)
{
	return strcmp(file->part->name, BEFORE_THE_POLICY) < 0;
}

/* @files: the policy, then its drop-ins */
static void write_all(FILE *out, const struct parsed *files, size_t nr)
{
	const struct tree *item;
	size_t i;

	for (item = files[0].whole->first; item; item = item->next) {
		if (item == files[0].subjects || item == files[0].rules)
			continue;
		write_key(out, item);
		write_tree(out, item);
		fputc('\n', out);
	}
	fputs(nr_of(files, nr, false) ? "subjects:\n" : "subjects: {}\n", out);
	for (i = 0; i < nr; i++)
		write_subjects(out, &files[i]);
	fputs(nr_of(files, nr, true) ? "rules:\n" : "rules: []\n", out);
	for (i = 1; i < nr; i++) {
		if (comes_first(&files[i]))
			write_rules(out, &files[i]);
	}
	write_rules(out, &files[0]);
	for (i = 1; i < nr; i++) {
		if (!comes_first(&files[i]))
			write_rules(out, &files[i]);
	}
}

/* --- reading --- */

static int take_version(void *context, const struct tree *value, void *into)
{
	struct diags *diags = context;

	if (tree_is(value, TREE_SCALAR, "version", diags))
		((struct parsed *)into)->version = value;
	return 0;
}

static int take_subjects(void *context, const struct tree *value, void *into)
{
	struct diags *diags = context;

	if (tree_is(value, TREE_MAP, "subjects", diags))
		((struct parsed *)into)->subjects = value;
	return 0;
}

static int take_rules(void *context, const struct tree *value, void *into)
{
	struct diags *diags = context;

	if (tree_is(value, TREE_LIST, "rules", diags))
		((struct parsed *)into)->rules = value;
	return 0;
}

static const struct tree_key drop_in_keys[] = {
	{ "version", take_version, false },
	{ "subjects", take_subjects, false },
	{ "rules", take_rules, false },
};

static const struct tree *member(const struct tree *map, const char *name)
{
	const struct tree *item;

	for (item = map->first; item; item = item->next) {
		if (!strcmp(item->key->text, name))
			return item;
	}
	return NULL;
}

/* Of the policy itself everything but subjects and rules is left as it is. */
static void take_policy(struct parsed *file, struct diags *diags)
{
	const struct tree *subjects, *rules;

	if (!tree_is(file->whole, TREE_MAP, "a policy", diags))
		return;
	file->version = member(file->whole, "version");
	subjects = member(file->whole, "subjects");
	rules = member(file->whole, "rules");
	if (subjects && tree_is(subjects, TREE_MAP, "subjects", diags))
		file->subjects = subjects;
	if (rules && tree_is(rules, TREE_LIST, "rules", diags))
		file->rules = rules;
}

static int read_part(struct parsed *file, const struct parsed *policy, struct arena *arena,
		     struct diags *diags)
{
	struct tree *tree;
	int ret;

	diags->file = file->part->path;
	diags->text = file->part->text;
	diags->len = file->part->len;
	ret = tree_parse(file->part->text, file->part->len, arena, &tree, diags);
	if (ret)
		return ret;
	file->whole = tree;
	if (!policy)
		take_policy(file, diags);
	else
		ret = tree_read_map(tree, "a drop-in", drop_in_keys, NR(drop_in_keys), diags, file,
				    diags);
	if (!ret && policy && file->version && policy->version &&
	    strcmp(file->version->text, policy->version->text))
		diag_error(diags, file->version->place, "write both in the same version",
			   "the policy has version %s", policy->version->text);
	return ret ?: diags->nr_errors ? -EBADMSG : 0;
}

static int compare_names(const void *x, const void *y)
{
	const struct part *a = x, *b = y;

	return strcmp(a->name, b->name);
}

static int write_text(const struct parsed *files, size_t nr, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	write_all(out, files, nr);
	if (!fclose(out))
		return 0;
	free(*text);
	*text = NULL;
	return -ENOMEM;
}

int policy_merge(const struct part *policy, struct part *drop_ins, size_t nr, struct diags *diags,
		 char **text, size_t *len)
{
	struct parsed *files = calloc(nr + 1, sizeof(*files));
	struct arena arena = { 0 };
	size_t i;
	int ret;

	*text = NULL;
	*len = 0;
	if (!files)
		return -ENOMEM;
	qsort(drop_ins, nr, sizeof(*drop_ins), compare_names);
	files[0].part = policy;
	ret = read_part(&files[0], NULL, &arena, diags);
	for (i = 1; i <= nr && !ret; i++) {
		files[i].part = &drop_ins[i - 1];
		ret = read_part(&files[i], &files[0], &arena, diags);
	}
	if (!ret)
		ret = write_text(files, nr + 1, text, len);
	arena_free(&arena);
	free(files);
	return ret;
}
