/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy with drop-ins: files with subjects and rules, which are merged to the text of one policy.
 *
 * The subjects of all files are those of the policy. The rules of drop-ins whose names sort before
 * "50" come first, then those of the policy, then those of the other drop-ins; drop-ins are ordered
 * by the bytes of their names. Nothing but subjects and rules can be in a drop-in: it can neither
 * change the mode, nor a default, nor a guard, nor the manager.
 */
#ifndef GMEM_POLICY_MERGE_H
#define GMEM_POLICY_MERGE_H

#include "diag.h"

/* A file. Texts are borrowed. */
struct part {
	const char *path; /* as messages and comments name it */
	const char *name; /* of a drop-in, without directories: its place in the order */
	const char *text;
	size_t len;
};

/**
 * policy_merge - one text of a policy and its drop-ins
 * @policy: the policy
 * @drop_ins: @nr of them, in any order; they are sorted
 * @diags: must be empty; errors are in one file, the first that has any
 * @text: the result, @len bytes and a NUL, to be freed; each subject and rule has a comment with
 * its file and line before it
 *
 * Only what belongs to one file is checked: that it is YAML with the right keys at the top. The
 * text that results is read by policy_parse().
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int policy_merge(const struct part *policy, struct part *drop_ins, size_t nr, struct diags *diags,
		 char **text, size_t *len);

#endif /* GMEM_POLICY_MERGE_H */
