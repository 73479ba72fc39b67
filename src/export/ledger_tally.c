// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "ledger_tally.h"

/* Buckets of latency.h up to this one end below 2^10 ns; four of them make a power of two. */
#define FIRST_STEP_LAST 35
#define PER_STEP	4
#define FIRST_STEP_BITS 10

#define COUNTERS (sizeof(struct tally) / sizeof(uint64_t))

_Static_assert(FIRST_STEP_LAST + 1 + PER_STEP * (DURATION_STEPS - 1) == GMEM_HIST_BUCKETS,
	       "the last step is the last power of two, in which the bucket without an end is");

uint64_t duration_step_end(unsigned int step)
{
	return (1ULL << (FIRST_STEP_BITS + step)) - 1;
}

static void add_durations(uint64_t *steps, const struct latency *latency)
{
	unsigned int i;

	for (i = latency->low; i < latency->high; i++)
		steps[i <= FIRST_STEP_LAST ? 0 : (i - FIRST_STEP_LAST - 1) / PER_STEP + 1] +=
			latency->hist[i];
}

static void take_counters(struct tally *tally, const struct model_vm *vm)
{
	int i;

	memset(tally, 0, sizeof(*tally));
	for (i = 0; i < GMEM_VM_MAX; i++)
		tally->vm[i] = vm->now.c[i];
	for (i = 0; i < GMEM_INST_MAX; i++)
		tally->inst[i] = vm->inst[i];
	for (i = 0; i < GMEM_OP_MAX; i++)
		tally->errors[i] = errors_of(vm, i);
}

void tally_of(struct tally *tally, const struct model_vm *vm)
{
	struct latency latency;
	int d;

	take_counters(tally, vm);
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		model_latency(vm, d, SINCE_START, &latency);
		add_durations(tally->durations[d], &latency);
	}
}

void tally_of_host(struct tally *tally, const struct model_vm *host, const struct model *model)
{
	int d;

	take_counters(tally, host);
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		add_durations(tally->durations[d], &model->host[d][SINCE_START]);
}

/* A tally is an array of counters. */
_Static_assert(sizeof(struct tally) % sizeof(uint64_t) == 0, "counters only");

void tally_add(struct tally *to, const struct tally *what)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)what;
	size_t i;

	for (i = 0; i < COUNTERS; i++)
		a[i] += b[i];
}

void tally_sub(struct tally *from, const struct tally *what)
{
	uint64_t *a = (uint64_t *)from;
	const uint64_t *b = (const uint64_t *)what;
	size_t i;

	for (i = 0; i < COUNTERS; i++)
		a[i] = a[i] > b[i] ? a[i] - b[i] : 0;
}

void tally_raise(struct tally *to, const struct tally *what)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)what;
	size_t i;

	for (i = 0; i < COUNTERS; i++)
		a[i] = a[i] > b[i] ? a[i] : b[i];
}
