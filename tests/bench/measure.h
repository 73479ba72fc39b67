/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What operations cost the thread that asks for them, in nanoseconds of its CPU time. In the lab's
 * deterministic mode (ICOUNT=1) one instruction is one nanosecond, so that this is the number of
 * instructions.
 *
 * One line per operation: name, operations per round, cost of one operation in the cheapest round
 * and in the median one.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../vm/lib/wanted.h"

#define ROUNDS 15

struct bench {
	const char *name;
	unsigned int ops; /* operations of a round */
	int (*setup)(void);
	int (*prepare)(void); /* before each round, not measured */
	int (*round)(unsigned int ops);
	int (*without)(unsigned int ops); /* after each: the same but for the operations */
};

/* Of this thread, and of the children that it waited for. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;
	struct rusage children;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	getrusage(RUSAGE_CHILDREN, &children);
	return (uint64_t)(ts.tv_sec + children.ru_utime.tv_sec + children.ru_stime.tv_sec) *
		       1000000000 +
	       (uint64_t)ts.tv_nsec +
	       (uint64_t)(children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int timed(int (*what)(unsigned int ops), unsigned int ops, int64_t *ns)
{
	uint64_t start = cpu_ns();
	int r = what(ops);

	*ns = (int64_t)(cpu_ns() - start);
	return r;
}

static int round_cost(const struct bench *b, uint64_t *cost)
{
	int64_t with = 0, without = 0;
	int r = b->prepare ? b->prepare() : 0;

	if (!r)
		r = timed(b->round, b->ops, &with);
	if (!r && b->without)
		r = timed(b->without, b->ops, &without);
	if (!r && with < without)
		r = -ERANGE;
	*cost = (uint64_t)(with - without) / b->ops;
	return r;
}

static int bench_run(const struct bench *b, void (*teardown)(void))
{
	uint64_t cost[ROUNDS];
	int r = b->setup ? b->setup() : 0;

	/* The first round warms the caches of slabs and page tables. */
	if (!r)
		r = round_cost(b, &cost[0]);
	for (int i = 0; !r && i < ROUNDS; i++)
		r = round_cost(b, &cost[i]);
	teardown();
	if (r) {
		fprintf(stderr, "bench: %s: %s\n", b->name, strerror(-r));
		return r;
	}
	qsort(cost, ROUNDS, sizeof(cost[0]), by_value);
	printf("%s\t%u\t%llu\t%llu\n", b->name, b->ops, (unsigned long long)cost[0],
	       (unsigned long long)cost[ROUNDS / 2]);
	return 0;
}

/*
 * Measure what is asked for by @names (all: none), each followed by @teardown. Return: 0, 1: not
 * all of it could be measured, which has been said.
 */
static inline int measure(char **names, const struct bench *benches, size_t nr,
			  void (*teardown)(void))
{
	int failed = 0;

	WANTED_CHECK(names, benches, nr);
	for (size_t i = 0; i < nr; i++)
		if (wanted(benches[i].name, names))
			failed |= !!bench_run(&benches[i], teardown);
	return failed;
}

#endif
