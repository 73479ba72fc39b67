// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the rate of this machine's time stamp counter in kHz, for the VM's kernel.
 *
 * QEMU's software emulation passes the counter of this machine to the guest. A guest measures its
 * rate against an emulated timer while it boots; when the machine is loaded, that goes wrong by
 * factors, its clock runs too fast, and every time limit in the VM ends too early.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>

#define SAMPLES 64

struct moment {
	uint64_t tsc, ns;
};

/* Both clocks at once, as nearly as possible: the sample with the least time between the readings. */
static struct moment moment(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t before = __rdtsc(), after;
		struct timespec ts;

		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		after = __rdtsc();
		if (after - before >= least)
			continue;
		least = after - before;
		best.tsc = before + least / 2;
		best.ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct moment start = moment(), end;

	nanosleep(&pause, NULL);
	end = moment();
	printf("%" PRIu64 "\n", (end.tsc - start.tsc) * 1000000 / (end.ns - start.ns));
	return 0;
}
#else
int main(void)
{
	fprintf(stderr, "tsc_khz: this machine has no time stamp counter\n");
	return 1;
}
#endif
