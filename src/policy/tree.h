/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A YAML text as a tree with positions. Maps are read by tables of keys, which detect unknown,
 * repeated and missing keys.
 */
#ifndef GMEM_POLICY_TREE_H
#define GMEM_POLICY_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../lib/arena.h"
#include "diag.h"

/* Nesting of maps and lists; the language needs 5. */
#define TREE_DEPTH 16

enum tree_kind {
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
};

struct tree {
	enum tree_kind kind;
	struct place place;
	const char *text;    /* of a scalar, ends with NUL */
	struct tree *key;    /* in a map: the scalar that names it */
	struct tree *first;  /* of a list or map: its items, in the order of the text */
	struct tree *next;   /* the next item of its parent */
	struct tree *parent; /* the list or map that contains it */
	size_t nr;	     /* of items */
};

/**
 * tree_parse - read a YAML text
 * @tree: the root, which lives in @arena; NULL on error
 *
 * One document without anchors, aliases and tags; keys must be scalars.
 *
 * Return: 0, -EBADMSG if @diags has errors, -ENOMEM.
 */
int tree_parse(const char *text, size_t len, struct arena *arena, struct tree **tree,
	       struct diags *diags);

/* The kind of a tree for messages: "a list". */
const char *tree_kind_name(const struct tree *tree);

/* Is the tree of this kind? If not, an error that names @what is added. */
bool tree_is(const struct tree *tree, enum tree_kind kind, const char *what, struct diags *diags);

/* Write a text in quotes, so that no word is read as anything but a text. */
void tree_write_text(FILE *out, const char *text);

/* A key of a map, and what reads its value. */
struct tree_key {
	const char *name;
	/* Adds its errors itself. Return: 0 or -ENOMEM. */
	int (*read)(void *context, const struct tree *value, void *into);
	bool required;
};

/**
 * tree_read_map - read a map by a table of its keys
 * @what: the map, for messages: "a rule"
 * @keys: @nr of them, at most 32; they are read in the order of the table
 * @context: passed to their functions, as @into
 *
 * Return: 0 or -ENOMEM; errors are in @diags.
 */
int tree_read_map(const struct tree *tree, const char *what, const struct tree_key *keys, size_t nr,
		  void *context, void *into, struct diags *diags);

/* A hash map of names to numbers. All zero: empty. */
struct name_map {
	struct name_slot *slots;
	size_t size;
};

/* Allocate for @nr names. Return: 0 or -ENOMEM. */
int name_map_init(struct name_map *map, struct arena *arena, size_t nr);

/* Return: true, or false if the map has the name. The name is borrowed. */
bool name_map_add(struct name_map *map, const char *name, unsigned int number);

/* The number of a name, or -1. */
int name_map_find(const struct name_map *map, const char *name);

#endif /* GMEM_POLICY_TREE_H */
