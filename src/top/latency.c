// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "../../bpf/trace/buckets.h"
#include "latency.h"

uint64_t latency_begin(unsigned int bucket)
{
	return bucket < 4 ? bucket : (4ULL + bucket % 4) << (bucket / 4 - 1);
}

uint64_t latency_end(unsigned int bucket, uint64_t max_ns)
{
	return bucket + 1 < GMEM_HIST_BUCKETS ? latency_begin(bucket + 1) - 1 : max_ns;
}

#define AT_ONCE 8 /* buckets */

static inline bool all_empty(const uint32_t *hist)
{
	uint64_t a, b, c, d;

	memcpy(&a, hist, sizeof(a));
	memcpy(&b, hist + 2, sizeof(b));
	memcpy(&c, hist + 4, sizeof(c));
	memcpy(&d, hist + 6, sizeof(d));
	return !(a | b | c | d);
}

struct latency_range latency_range(const struct gmem_latency *latency)
{
	const uint32_t *first = latency->hist, *end = first + GMEM_HIST_BUCKETS, *at = first;

	while (at < end && all_empty(at))
		at += AT_ONCE;
	if (at == end)
		return (struct latency_range){ 0 };
	while (all_empty(end - AT_ONCE))
		end -= AT_ONCE;
	while (!*at)
		at++;
	while (!end[-1])
		end--;
	return (struct latency_range){ (uint8_t)(at - first), (uint8_t)(end - first) };
}

void latency_since(const struct gmem_latency *now, const struct gmem_latency *before,
		   struct latency_range range, struct latency *since)
{
	unsigned int i, last = GMEM_HIST_BUCKETS;
	uint64_t end;

	since->low = range.low;
	since->high = range.high;
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

void latency_total(const struct gmem_latency *now, const uint32_t *wraps,
		   struct latency_range range, struct latency *total)
{
	unsigned int i;

	total->max_ns = now->max_ns;
	total->low = range.low;
	total->high = range.high;
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
