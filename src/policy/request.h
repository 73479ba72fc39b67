/* SPDX-License-Identifier: GPL-2.0-only */
/* Who asks, and for what, as text: options of commands, cases of tests. And back. */
#ifndef GMEM_POLICY_REQUEST_H
#define GMEM_POLICY_REQUEST_H

#include <stddef.h>

#include "decide.h"

/* As they are written; NULL: not given. Lists have commas between. */
struct request_text {
	const char *op; /* needed */
	const char *size, *flags, *prot, *direction, *range, *offset, *vm_type;
};

struct who_text {
	const char *exe, *verity, *uid, *cgroup;
	const char *root; /* of enum gmem_root; NULL: the host's */
};

/* By enum gmem_root. */
extern const char *const root_names[];

/* What is wrong, for messages. */
struct request_error {
	const char *name; /* of the member, with '-' for '_' */
	const char *value;
	char why[160];
};

/**
 * request_parse - read a request
 *
 * What is not given is unknown; prot must be given where it means something. What means nothing
 * for the operation is an error.
 *
 * Return: 0 or -EINVAL, with @error.
 */
int request_parse(const struct request_text *text, struct gmem_request *request,
		  struct request_error *error);

/* How names are looked up on the host that a policy is decided for. */
struct who_lookup {
	int (*user)(const char *name, __u32 *uid);	/* Return: 0 or a negative errno. */
	void (*exe)(const char *path, struct who *who); /* sets what is known of the file */
};

/**
 * who_parse - read who asks
 * @lookup: how to look up user and executable, or NULL: they are known by their names only
 * @who: borrows from @text
 *
 * Return: 0 or -EINVAL, with @error.
 */
int who_parse(const struct who_text *text, const struct who_lookup *lookup, struct who *who,
	      struct request_error *error);

#define REQUEST_TEXT 160

/* What a request has for a condition. Returns @text. */
char *request_value(const struct gmem_request *request, enum policy_condition condition,
		    char text[REQUEST_TEXT]);

/* What a rule wants in a condition. Returns @text. */
char *condition_value(const struct policy_rule *rule, enum policy_condition condition,
		      char text[REQUEST_TEXT]);

#endif /* GMEM_POLICY_REQUEST_H */
