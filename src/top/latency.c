// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "../../bpf/trace/buckets.h"
#include "latency.h"

#define AT_ONCE 8 /* buckets */

uint64_t latency_begin(unsigned int bucket)
{
	return bucket < 4 ? bucket : (4ULL + bucket % 4) << (bucket / 4 - 1);
}

uint64_t latency_end(unsigned int bucket, uint64_t max_ns)
{
	return bucket + 1 < GMEM_HIST_BUCKETS ? latency_begin(bucket + 1) - 1 : max_ns;
}

static bool all_empty(const uint32_t *hist)
{
	uint64_t pairs[AT_ONCE / 2];

	memcpy(pairs, hist, sizeof(pairs));
	return !(pairs[0] | pairs[1] | pairs[2] | pairs[3]);
}

/* The range that is not empty, as far as whole groups of AT_ONCE buckets are. */
static void find_range(const uint32_t *hist, struct latency *latency)
{
	unsigned int low = 0, high = GMEM_HIST_BUCKETS;

	while (low < high && all_empty(hist + low))
		low += AT_ONCE;
	while (high > low && all_empty(hist + high - AT_ONCE))
		high -= AT_ONCE;
	while (low < high && !hist[low])
		low++;
	while (high > low && !hist[high - 1])
		high--;
	latency->low = low;
	latency->high = high;
}

void latency_since(const struct gmem_latency *now, const struct gmem_latency *before, bool wrapped,
		   struct latency *since)
{
	unsigned int i, last = GMEM_HIST_BUCKETS;
	uint64_t end;

	if (wrapped) {
		since->low = 0;
		since->high = GMEM_HIST_BUCKETS;
	} else {
		find_range(now->hist, since);
	}
	for (i = since->low; i < since->high; i++) {
		since->hist[i] = now->hist[i] - before->hist[i];
		if (since->hist[i])
			last = i;
	}
	since->max_ns = now->max_ns;
	if (last == GMEM_HIST_BUCKETS) {
		since->max_ns = 0;
		since->low = since->high = 0;
		return;
	}
	end = latency_end(last, now->max_ns);
	if (now->max_ns == before->max_ns && end < now->max_ns)
		since->max_ns = end;
}

void latency_total(const struct gmem_latency *now, const uint32_t *wraps, struct latency *total)
{
	unsigned int i;

	total->max_ns = now->max_ns;
	if (wraps) {
		total->low = 0;
		total->high = GMEM_HIST_BUCKETS;
	} else {
		find_range(now->hist, total);
	}
	for (i = total->low; i < total->high; i++)
		total->hist[i] = now->hist[i] + (wraps ? (uint64_t)wraps[i] << 32 : 0);
}

void latency_add(struct latency *to, const struct latency *from)
{
	unsigned int i;

	if (from->low == from->high)
		return;
	if (to->low == to->high)
		to->low = to->high = from->low;
	while (to->low > from->low)
		to->hist[--to->low] = 0;
	while (to->high < from->high)
		to->hist[to->high++] = 0;
	for (i = from->low; i < from->high; i++)
		to->hist[i] += from->hist[i];
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

bool latency_percentiles(const struct latency *latency, const unsigned int *percents,
			 unsigned int nr, __u64 *ns)
{
	uint64_t total = 0, sum = 0, wanted;
	unsigned int i, p;

	for (i = latency->low; i < latency->high; i++)
		total += latency->hist[i];
	if (!total)
		return false;
	for (i = latency->low, p = 0; p < nr; p++) {
		wanted = total / 100 * percents[p] + (total % 100 * percents[p] + 99) / 100;
		while (sum < wanted)
			sum += latency->hist[i++];
		ns[p] = latency_end(i - 1, latency->max_ns);
		if (ns[p] > latency->max_ns)
			ns[p] = latency->max_ns;
	}
	return true;
}
