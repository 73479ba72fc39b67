/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests and requesting tasks as text, as in options and in cases of tests, and back. */
#ifndef GMEM_POLICY_REQUEST_H
#define GMEM_POLICY_REQUEST_H

#include <stddef.h>

#include "decide.h"

/* As written; NULL: not given. Lists are separated by commas. */
struct request_text {
	const char *op; /* required */
	const char *size, *flags, *prot, *direction, *range, *offset, *vm_type;
};

struct who_text {
	const char *exe, *verity, *uid, *cgroup;
	const char *root; /* of enum gmem_root; NULL: the host's */
};

/* By enum gmem_root. */
extern const char *const root_names[];

/* An error, for messages. */
struct request_error {
	const char *name; /* of the member, with '-' for '_' */
	const char *value;
	char why[160];
};

/**
 * request_parse - read a request
 *
 * A value that is not given is unknown; prot is required where it applies. A value that does not
 * apply to the operation is an error.
 *
 * Return: 0 or -EINVAL, with @error.
 */
int request_parse(const struct request_text *text, struct gmem_request *request,
		  struct request_error *error);

/* How the names of users and files are looked up. */
struct who_lookup {
	int (*user)(const char *name, __u32 *uid);	/* Return: 0 or a negative errno. */
	void (*exe)(const char *path, struct who *who); /* sets what is known of the file */
};

/**
 * who_parse - read the requesting task
 * @lookup: how to look up user and executable, or NULL: they are compared by name only
 * @who: borrows from @text
 *
 * Return: 0 or -EINVAL, with @error.
 */
int who_parse(const struct who_text *text, const struct who_lookup *lookup, struct who *who,
	      struct request_error *error);

#define REQUEST_TEXT 160

/* The value of a request that a condition tests. Returns @text. */
char *request_value(const struct gmem_request *request, enum policy_condition condition,
		    char text[REQUEST_TEXT]);

/* The value that a rule requires in a condition. Returns @text. */
char *condition_value(const struct policy_rule *rule, enum policy_condition condition,
		      char text[REQUEST_TEXT]);

#endif /* GMEM_POLICY_REQUEST_H */
