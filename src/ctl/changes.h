/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of changes: a line of JSON for each command that changed the policy in force, or tried
 * to. Each line contains the hash of the line before it and ends with its own, so that a line that
 * is changed, removed or inserted later shows. It is written where its directory exists.
 */
#ifndef GMEM_CTL_CHANGES_H
#define GMEM_CTL_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/abi/policy.h"

#define CHANGES_DIR  "/var/lib/gmem"
#define CHANGES_NAME "changes"

/* MESSAGE_ID of its record in the journal; the field GMEM_CHANGE is the line. */
#define JOURNAL_CHANGE_ID "3386105c4a52adcbdf358fcd6c347d57"

#define CHANGE_HASH (sizeof("sha256:") + 64)

/* The last member of each line. What is before it is hashed. */
#define CHANGE_HASH_MEMBER ",\"hash\":\""

/* A change. Texts are borrowed. */
struct change {
	const char *command;
	char *const *arguments; /* @nr_arguments of them */
	int nr_arguments;
	int status; /* of the command, as of lib/exits.h; negative: a signal interrupted it */
	/* The policy in force afterwards; NULL: none, or not known. */
	const char *policy;
	__u64 generation;
	bool enforce;
	const char *digest; /* or NULL */
};

/**
 * changes_append - record a change
 * @dir: the directory, CHANGES_DIR; if it does not exist, nothing is recorded
 *
 * The record is sent to the journal too, if one runs.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int changes_append(const char *dir, const struct change *change);

struct changes_report {
	uint64_t entries;
	uint64_t wrong; /* the first line that is not what was written, from 1; 0: all are */
	char why[128];	/* what is wrong there */
	char last[CHANGE_HASH]; /* the hash of the last line, "" if there is none */
	bool contains;		/* the hash that was asked for is there */
};

/* A line of the record. Texts are borrowed; NULL: null. */
struct changes_line {
	const char *text; /* the line itself */
	uint64_t number, time_ns;
	const char *command, *outcome, *uid, *login_uid;
	char arguments[1024]; /* with blanks between them, as many as fit */
	const char *policy, *generation, *mode;
};

typedef void (*changes_fn)(const struct changes_line *line, void *data);

/**
 * changes_verify - read a record of changes and check its hashes
 * @path: the file
 * @hash: one that must be in it, or NULL
 * @fn: called with each line up to the first that is wrong, may be NULL
 *
 * Return: 0, with @report, or a negative errno that has been explained.
 */
int changes_verify(const char *path, const char *hash, changes_fn fn, void *data,
		   struct changes_report *report);

#endif /* GMEM_CTL_CHANGES_H */
