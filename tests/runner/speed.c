// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time limits are those of an idle machine of the speed that they were measured on. On a slower or
 * a loaded machine, time passes more slowly: a test there is late, not failed.
 */
#include <stdint.h>
#include <time.h>

#include "runner.h"

/* Takes 10 ms where the limits in tests/suite were measured: 2 vCPUs of an AMD EPYC. */
#define WORK	     6400000
#define WORK_SECONDS 0.010
#define SLOWEST	     16.0 /* a machine slower than that is stuck, and the limits must end it */

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Marsaglia's xorshift64: each step needs the one before it, so no compiler can shorten it. */
static uint64_t work(uint64_t x, unsigned int steps)
{
	while (steps--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

double slowness(void)
{
	static volatile uint64_t sink = 88172645463325252ULL;
	double start = now(), factor;

	sink = work(sink, WORK);
	factor = (now() - start) / WORK_SECONDS;
	return factor < 1 ? 1 : factor > SLOWEST ? SLOWEST : factor;
}
