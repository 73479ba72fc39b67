/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the parts of the parser. */
#ifndef GMEM_POLICY_READER_H
#define GMEM_POLICY_READER_H

#include "../lib/closest.h"
#include "model.h"
#include "tree.h"
#include "value.h"

struct reader {
	struct policy *policy;
	struct arena *arena;
	struct diags *diags;
	struct name_map subjects, rules;
	const char **subject_names; /* for "did you mean" */
};

/* The index of the subject that a word names, or -1 after an error was added. */
int read_subject_name(struct reader *reader, const struct tree *word);

/* The name of a policy, subject or rule. Adds an error and returns NULL if it is not valid. */
const char *read_name(struct reader *reader, const struct tree *value, const char *what);

/*
 * Walk over a list, or over a single word as a list of one. A repeated word is an error, and an
 * empty list unless @may_be_empty.
 * @each: is called with each word; returns 0 or -ENOMEM
 */
int read_words(struct reader *reader, const struct tree *value, const char *what, bool may_be_empty,
	       int (*each)(struct reader *, const struct tree *, void *), void *into);

/* Words of one kind, as bits. */
int read_bits(struct reader *reader, const struct tree *value, enum value_kind kind,
	      const char *what, bool may_be_empty, __u32 *bits);

/* Read one rule, after the subjects. Return: 0 or -ENOMEM. */
int read_rule(struct reader *reader, const struct tree *value, struct policy_rule *rule);

#endif /* GMEM_POLICY_READER_H */
