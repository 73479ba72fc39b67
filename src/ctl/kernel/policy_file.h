/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy file: its text is read, parsed, resolved on this host, compiled and checked. */
#ifndef GMEM_CTL_KERNEL_POLICY_FILE_H
#define GMEM_CTL_KERNEL_POLICY_FILE_H

#include "../../policy/compile.h"

struct drop_ins;

struct policy_file {
	struct policy *policy;
	struct compiled compiled;
	struct diags diags;
	struct drop_ins *drop_ins; /* their texts, for diagnostics; NULL: none */
};

/**
 * policy_open - read a policy file with its drop-ins, and compile it
 * @path: the file, "-" is standard input, which has no drop-ins
 * @required: users, files and cgroups that are not here are errors
 * @file: to be given to policy_close(), also on error
 *
 * Prints nothing about the policy: that is in file->diags. What cannot be read is said.
 *
 * Return: 0, -EBADMSG if it is not a valid policy, or what reading failed with.
 */
int policy_open(const char *path, bool required, struct policy_file *file);
/* The same with a text that is in memory (the policy that is in force). */
int policy_open_text(const char *text, size_t len, const char *name, bool required,
		     struct policy_file *file);
void policy_close(struct policy_file *file);

/*
 * The text of a file, "-" is standard input: at most one byte more than a policy may have. @text is
 * to be freed. Return: 0 or a negative errno that has been explained.
 */
int policy_read_text(const char *path, char **text, size_t *len);

#endif /* GMEM_CTL_KERNEL_POLICY_FILE_H */
