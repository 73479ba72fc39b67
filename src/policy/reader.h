/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the parser share. */
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

/* The number of the subject that a word names, or -1: noted as an error. */
int read_subject_name(struct reader *reader, const struct tree *word);

/* A name as policies, subjects and rules have. Notes an error and returns NULL if it is none. */
const char *read_name(struct reader *reader, const struct tree *value, const char *what);

/*
 * Walk over a list, or a single word as if it were a list of one; empty ones and repeated words
 * are errors unless @may_be_empty.
 * @each: is given the words; 0 or -ENOMEM
 */
int read_words(struct reader *reader, const struct tree *value, const char *what, bool may_be_empty,
	       int (*each)(struct reader *, const struct tree *, void *), void *into);

/* Words of one kind, as bits. */
int read_bits(struct reader *reader, const struct tree *value, enum value_kind kind,
	      const char *what, bool may_be_empty, __u32 *bits);

/* One rule; the subjects have been read. Return: 0 or -ENOMEM. */
int read_rule(struct reader *reader, const struct tree *value, struct policy_rule *rule);

#endif /* GMEM_POLICY_READER_H */
