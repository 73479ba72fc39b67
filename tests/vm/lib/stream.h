/* SPDX-License-Identifier: GPL-2.0-only */
/* A running `gmemtop events --json`, and what it wrote. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "trace_events.h"

struct json_object;
struct verdict;

struct stream {
	pid_t pid;
	int status;		     /* as of waitpid() */
	char path[32];		     /* to which it writes */
	struct json_object *head;    /* where events come from */
	struct json_object *events;  /* an array */
	struct json_object *lost;    /* an array: what it said about losses, in between */
	struct json_object *summary; /* NULL: it did not end by itself */
};

/**
 * stream_start - start it, and wait until it is attached
 * @args: words of the command line, after events --json
 *
 * Return: false if it ended before that.
 */
bool stream_start(struct stream *s, const char *args);

/**
 * stream_end - end it, and read what it wrote
 * @sig: to be sent, 0: it ends by itself
 *
 * Return: false if something in there is no JSON, which has been said.
 */
bool stream_end(struct stream *s, int sig);

void stream_forget(struct stream *s);

/* The events in the form of the workload's log. Return: 0 or -errno. */
int stream_records(const struct stream *s, struct records *records);

/* The member at a path of names with dots between, or NULL. */
struct json_object *stream_member(struct json_object *obj, const char *path);

/* Is the member this text? */
bool stream_is(struct json_object *obj, const char *path, const char *text);

/* Is what the stream says of itself right? @lost: events may have been lost. */
void stream_account(struct verdict *v, const struct stream *s, bool lost);

/* Can this kernel do it? With these words the workload can. */
bool stream_possible(const char *args);

#endif /* STREAM_H */
