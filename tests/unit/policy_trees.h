/* SPDX-License-Identifier: GPL-2.0-only */
/* The two ways to read YAML, held against each other. */
#ifndef GMEM_POLICY_TREES_H
#define GMEM_POLICY_TREES_H

#include <stdio.h>
#include <string.h>

#include "../../src/policy/tree.h"

static inline bool same_tree(const struct tree *a, const struct tree *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->nr != b->nr ||
	    memcmp(&a->place, &b->place, sizeof(a->place)) ||
	    (a->kind == TREE_SCALAR && strcmp(a->text, b->text)) || !same_tree(a->key, b->key))
		return false;
	for (a = a->first, b = b->first; a && b; a = a->next, b = b->next) {
		if (!same_tree(a, b))
			return false;
	}
	return a == b;
}

/* Return: 1 the simple way has the tree that libfyaml has, 0 it has none, -1 they differ. */
static inline int compare_trees(const char *text, size_t size)
{
	struct diags diags = { .file = "text" };
	struct tree *simple, *yaml = NULL;
	struct arena arena = { 0 };
	int ret = 0;

	simple = tree_parse_simple(text, size, &arena);
	if (simple) {
		tree_parse_yaml(text, size, &arena, &yaml, &diags);
		ret = same_tree(simple, yaml) ? 1 : -1;
		if (ret < 0)
			fprintf(stderr, "libfyaml has %s tree\n", yaml ? "another" : "no");
		diags_print(&diags, stderr);
	}
	diags_free(&diags);
	arena_free(&arena);
	return ret;
}

#endif /* GMEM_POLICY_TREES_H */
