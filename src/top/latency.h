/* SPDX-License-Identifier: GPL-2.0-only */
/* How long conversions took: histograms and what is computed from them. Pure. */
#ifndef GMEM_LATENCY_H
#define GMEM_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/abi/trace.h"

/* Buckets outside of [low, high) are empty, and not filled in. */
struct latency {
	uint64_t max_ns;
	unsigned int low, high;
	uint64_t hist[GMEM_HIST_BUCKETS];
};

/* Buckets outside of [low, high) are empty. */
struct latency_range {
	uint8_t low, high;
};

struct latency_range latency_range(const struct gmem_latency *latency);

/* The shortest duration that a bucket counts. */
uint64_t latency_begin(unsigned int bucket);

/* The longest duration that a bucket counts. @max_ns: for the last one, which has no end */
uint64_t latency_end(unsigned int bucket, uint64_t max_ns);

/**
 * latency_since - the conversions between two records
 * @now: the newer record
 * @before: the older one
 * @range: of the newer one; with all buckets if one may have wrapped, even to 0
 * @since: the result
 *
 * The maximum is exact if it is the maximum of @now too, else it is the end of its bucket.
 */
void latency_since(const struct gmem_latency *now, const struct gmem_latency *before,
		   struct latency_range range, struct latency *since);

/**
 * latency_total - all conversions of a record
 * @wraps: how often each bucket wrapped, NULL: none did
 * @range: as above
 */
void latency_total(const struct gmem_latency *now, const uint32_t *wraps,
		   struct latency_range range, struct latency *total);

void latency_add(struct latency *to, const struct latency *from);

/**
 * latency_percentiles - durations that a part of all conversions did not exceed
 * @percents: 1 to 100, rising
 * @nr: how many
 * @ns: the results: the end of the bucket, or the maximum where that is less
 *
 * A result is too long by a quarter at most. Return: false if there were no conversions; then @ns
 * is not filled in.
 */
bool latency_percentiles(const struct latency *latency, const unsigned int *percents,
			 unsigned int nr, __u64 *ns);

#endif /* GMEM_LATENCY_H */
