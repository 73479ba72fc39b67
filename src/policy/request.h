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

/**
 * who_parse - read who asks
 * @who: borrows from @text
 *
 * Files and users that are here are looked up. Return: 0 or -EINVAL, with @error.
 */
int who_parse(const struct who_text *text, struct who *who, struct request_error *error);

/* A cgroup and a name of a process, read from /proc. */
struct who_process {
	char exe[4096], cgroup[4096], uid[16];
	struct who who; /* points into this */
};

/* Who a process is; its fs-verity digest too. Return: 0, -ESRCH, or a negative errno. */
int who_of_process(unsigned int pid, struct who_process *process);

#define REQUEST_TEXT 160

/* What a request has for a condition. Returns @text. */
char *request_value(const struct gmem_request *request, enum policy_condition condition,
		    char text[REQUEST_TEXT]);

/* What a rule wants in a condition. Returns @text. */
char *condition_value(const struct policy_rule *rule, enum policy_condition condition,
		      char text[REQUEST_TEXT]);

#endif /* GMEM_POLICY_REQUEST_H */
