/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded events and denials, as requests: what `gmemtop events --json` writes, what `gmemctl
 * monitor -o json` writes, and the records of the journal that `gmemctl monitor --journal` writes,
 * as `journalctl -o json` prints them. One JSON object on each line.
 */
#ifndef GMEM_POLICY_EVENTS_H
#define GMEM_POLICY_EVENTS_H

#include "request.h"

enum event_outcome {
	EVENT_DONE,   /* it happened; in audit mode also what would have been denied */
	EVENT_DENIED, /* a policy or another security module refused it */
	EVENT_FAILED, /* it failed for another reason */
};

/* All texts are borrowed, and valid until the function that gets the event returns. */
struct event {
	struct gmem_request request;
	struct who who;
	enum event_outcome outcome;
	const char *host; /* file of a directory, or host of a journal; NULL: not known */
	const char *vm;	  /* name, or NULL */
	__u32 pid;	  /* 0: not known */
	__u64 seq;
	char instance[48]; /* device and inode number, "": not known */
};

struct event_counts {
	__u64 events;	/* that were passed on */
	__u64 skipped;	/* of other kinds */
	__u64 lost;	/* that could not be recorded */
	__u64 unplaced; /* without a value that a decision needs */
	__u64 files, hosts;
	__u32 absent; /* operations that were not recorded: bits */
};

/* Return: 0 or a negative errno, which ends the reading. */
typedef int (*event_fn)(const struct event *event, void *data);

/**
 * events_read - read events
 * @path: a file, "-" for standard input, or, if @directories, a directory: all files in it and
 * below, a file for each host; files whose names begin with '.' are left out
 * @lookup: for the users and executables of the events, or NULL
 * @fn: called with each event and @data
 * @counts: added to
 *
 * Return: 0 or a negative errno that has been explained.
 */
int events_read(const char *path, bool directories, const struct who_lookup *lookup, event_fn fn,
		void *data, struct event_counts *counts);

/* The request in an event of `gmemctl monitor -o json` or `gmemtop events --json`. */
struct event_question {
	struct gmem_request request; /* not set for a guard */
	struct who who;
	/* The decision as `gmemctl monitor` writes it; NULL: not in the event. */
	const char *guard, *verdict, *why;
	__u64 generation;
	void *json; /* owns the texts */
};

/**
 * event_question_read - read the first event in a text that a policy or a guard decides
 * @question: to be passed to event_question_free()
 *
 * Return: 0, -ENOENT if there is no such event, -EINVAL if the text is not valid.
 */
int event_question_read(const char *text, const struct who_lookup *lookup,
			struct event_question *question);
void event_question_free(struct event_question *question);

#endif /* GMEM_POLICY_EVENTS_H */
