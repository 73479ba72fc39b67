/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop report: a recording as text, JSON or a page. */
#ifndef GMEM_REPORT_H
#define GMEM_REPORT_H

#include <stdio.h>

#include "diagnose.h"
#include "digest.h"

/* Of the JSON form: it changes when a name, a unit or a meaning does, not when a field is added. */
#define REPORT_VERSION 1

struct report {
	const char *path;
	struct digest digest;
	struct diagnosis diagnosis;
	const struct digest_vm **worst; /* by the time in conversions, then by errors */
	size_t nr_worst;		/* how many are shown */
};

/**
 * report_read - the digest of a recording
 * @path: as replay_open() takes it
 * @from, @to: as replay_choose() takes them
 * @digest: the result, for digest_free(), whatever is returned
 *
 * Return: 0 or a negative errno that was explained.
 */
int report_read(struct digest *digest, const char *path, const char *from, const char *to);

/**
 * report_frames - every frame of a recording, or of a part of it
 * @each: called with each; what it returns, if not 0, ends the reading
 * @arg: for @each
 *
 * Return: 0 or a negative errno that was explained; a recording without frames is an error.
 */
int report_frames(const char *path, const char *from, const char *to,
		  int (*each)(void *arg, const struct frames *frames, const struct model *model),
		  void *arg);

/* Write it. Return: 0 or a negative errno. */
int report_text(FILE *out, const struct report *report);
int report_json(FILE *out, const struct report *report);
int report_html(FILE *out, const struct report *report);

#define TIME_LEN 64

/* CLOCK_REALTIME by the local clock. @zone: with the name of its time zone. Return: @buf */
const char *report_time(char buf[TIME_LEN], uint64_t ns, bool zone);

/* Shown in place of the values of counters that are missing on this kernel. */
bool report_knows_vm(const struct report *report, int counter);
bool report_knows_inst(const struct report *report, int counter);

/* The command with its options. Return: an exit status, or a negative errno that was explained. */
int report_main(int argc, char **argv);

#endif /* GMEM_REPORT_H */
