/* SPDX-License-Identifier: GPL-2.0-only */
/* What a recorder does when a condition begins to hold: gmemtop record --on 'p99 > 5ms' snapshot. */
#ifndef GMEM_ACTION_H
#define GMEM_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "digest.h"
#include "measures.h"

struct action {
	enum {
		ACTION_NONE,
		ACTION_SNAPSHOT, /* keep what was last in a file of its own */
		ACTION_SIGNAL,
		ACTION_EXEC,
		ACTION_EXIT,
	} kind;
	int sig, pid;	     /* of ACTION_SIGNAL */
	const char *command; /* of ACTION_EXEC */
	struct condition conditions[MAX_CONDITIONS];
	unsigned int nr_conditions;
	struct digest interval; /* what the last frame added */
	bool held;		/* in the frame before */
};

/**
 * action_parse - a condition and what to do
 * @on: as conditions_parse() takes it, without x and %
 * @what: snapshot, signal:NUMBER:PID, exec:COMMAND or exit
 *
 * Return: 0 or -EINVAL, which has been explained.
 */
int action_parse(struct action *action, const char *on, const char *what);

/**
 * action_due - look at a frame
 * @which: the condition that began to hold with this frame
 *
 * Return: 1 if one did, 0, or -ENOMEM. As long as it holds it is not due again.
 */
int action_due(struct action *action, const struct frames *frames, const struct model *model,
	       const struct condition **which);

/**
 * action_snapshot - copy the last lines of a recording
 * @from: the recording, whose last block was written
 * @to: a new file; it must not exist
 * @since_ns: lines from there on
 * @keep: renamed files of the recording, in which there may be more
 *
 * Return: 0 or a negative errno.
 */
int action_snapshot(const char *from, const char *to, uint64_t since_ns, unsigned int keep);

/* Signal or command. The command runs on its own; its standard input is /dev/null. Return: 0 or a
 * negative errno. */
int action_run(const struct action *action, const struct condition *which, const char *recording);

void action_free(struct action *action);

#endif /* GMEM_ACTION_H */
