/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop diff: what changed from one recording to another. */
#ifndef GMEM_DIFF_H
#define GMEM_DIFF_H

#include <stdio.h>

#include "diagnose.h"
#include "digest.h"
#include "measures.h"

/*
 * How far two distributions are apart: the largest difference between the parts of all conversions
 * that took at most a given time (the distance of Kolmogorov and Smirnov).
 */
struct distance {
	bool known;    /* there were conversions in both */
	double most;   /* 0 to 1 */
	double chance; /* two samples of one distribution exceed this in 1 of 100 cases */
	uint64_t at_ns;
	bool slower; /* at that time, less of B was done than of A */
};

struct diff {
	const char *paths[2];
	struct digest digests[2];
	struct diagnosis diagnoses[2];
	struct condition conditions[MAX_CONDITIONS];
	unsigned int nr_conditions;
};

struct distance distance_of(const struct latency *a, const struct latency *b);

/* Is a condition fulfilled? Where a value is unknown it cannot be, and @known is false. */
bool diff_crossed(const struct diff *diff, const struct condition *condition, bool *known);

int diff_text(FILE *out, const struct diff *diff);
int diff_json(FILE *out, const struct diff *diff);

/* The command with its options. Return: an exit status, or a negative errno that was explained. */
int diff_main(int argc, char **argv);

#endif /* GMEM_DIFF_H */
