/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures the cost of operations to the calling thread, in nanoseconds of its CPU time. In the
 * lab's deterministic mode (ICOUNT=1) one instruction takes one nanosecond, so the result is a
 * number of instructions.
 *
 * Prints one line per operation: its name, the operations of a round, and the cost of one operation
 * in the cheapest round and in the median one.
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

#define MAX_ROUNDS 15
#define SETTLE_NS  40000000 /* a multiple of the tick for all usual HZ */

struct bench {
	const char *name;
	unsigned int ops; /* operations of a round */
	int (*setup)(void);
	int (*prepare)(void); /* before each round, not measured */
	int (*round)(unsigned int ops);
	int (*without)(unsigned int ops); /* after each: the same but for the operations */
	int least_rounds;		  /* whatever the command line says; 0: no minimum */
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
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/*
 * Sleep until what rounds left behind (RCU callbacks, work queues) is done, and to the same
 * distance from the timer's ticks: interrupts count as time of the thread. In the lab, waiting
 * executes no instructions.
 */
static void settle(void)
{
	struct timespec at;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &at);
	ns = (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
	ns = (ns / SETTLE_NS + 2) * SETTLE_NS;
	at.tv_sec = (time_t)(ns / 1000000000);
	at.tv_nsec = (long)(ns % 1000000000);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static int timed(int (*what)(unsigned int ops), unsigned int ops, int64_t *ns)
{
	uint64_t start;
	int r;

	settle();
	start = cpu_ns();
	r = what(ops);

	*ns = (int64_t)(cpu_ns() - start);
	return r;
}

static int round_cost(const struct bench *b, double *cost)
{
	int64_t with = 0, without = 0;
	int r = b->prepare ? b->prepare() : 0;

	if (!r)
		r = timed(b->round, b->ops, &with);
	if (!r && b->without)
		r = timed(b->without, b->ops, &without);
	if (!r && with < without)
		r = -ERANGE;
	*cost = (double)(with - without) / b->ops;
	return r;
}

static int bench_run(const struct bench *b, int rounds, void (*teardown)(void))
{
	double cost[MAX_ROUNDS];
	int r = b->setup ? b->setup() : 0;

	if (rounds < b->least_rounds)
		rounds = b->least_rounds;

	/* The first round fills the caches of slabs and page tables. */
	if (!r)
		r = round_cost(b, &cost[0]);
	for (int i = 0; !r && i < rounds; i++)
		r = round_cost(b, &cost[i]);
	teardown();
	if (r) {
		fprintf(stderr, "bench: %s: %s\n", b->name, strerror(-r));
		return r;
	}
	qsort(cost, (size_t)rounds, sizeof(cost[0]), by_value);
	printf("%s\t%u\t%.2f\t%.2f\n", b->name, b->ops, cost[0], cost[rounds / 2]);
	return 0;
}

/**
 * measure - measure the operations that the command line names
 * @args: [-r ROUNDS] [OPERATION...], NULL-terminated; without names, all operations
 * @benches: the operations
 * @nr: their number
 * @teardown: undoes the setup of an operation, also after it failed
 *
 * Return: the exit status: 0, 1 after a message if an operation could not be measured, or 2 after a
 * message about the arguments.
 */
static inline int measure(char **args, const struct bench *benches, size_t nr,
			  void (*teardown)(void))
{
	int rounds = MAX_ROUNDS, failed = 0;

	if (args[0] && !strcmp(args[0], "-r")) {
		rounds = args[1] ? atoi(args[1]) : 0;
		args += args[1] ? 2 : 1;
	}
	if (rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "bench: -r takes 1 to %d rounds\n", MAX_ROUNDS);
		return 2;
	}
	WANTED_CHECK(args, benches, nr);
	for (size_t i = 0; i < nr; i++)
		if (wanted(benches[i].name, args))
			failed |= !!bench_run(&benches[i], rounds, teardown);
	return failed;
}

#endif
