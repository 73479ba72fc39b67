// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "source_bpf.h"
#include "source_live.h"

#define NS_PER_S 1000000000ULL
/* Pages of which a look takes some 80 million instructions. */
#define SLICE (1ULL << 20)

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int next(struct frames *frames, struct sample *sample)
{
	struct live *live = (struct live *)frames;
	int ret;

	frames->time_ns = now_ns(CLOCK_REALTIME);
	sample_begin(sample, now_ns(CLOCK_MONOTONIC), frames->want);
	ret = source_read(live->source, sample, frames->only, frames->no_wait ? SLICE : UINT64_MAX,
			  live->cgroups);
	if (!ret)
		policy_counts_read(&sample->policy);
	if (!ret)
		source_watch_ioctls(live->source,
				    sample->policy.in_force && sample->policy.enforce);
	return ret;
}

static void end(struct frames *frames)
{
	struct live *live = (struct live *)frames;

	sample_free(&frames->sample);
	if (live->cgroups >= 0)
		close(live->cgroups);
}

void live_init(struct live *live, struct source_bpf *source)
{
	struct utsname uts;

	uname(&uts);
	*live = (struct live){ .source = source, .cgroups = cgroup_root() };
	live->frames.next = next;
	live->frames.close = end;
	live->frames.features = source_features(source);
	snprintf(live->frames.kernel, sizeof(live->frames.kernel), "%.*s", KERNEL_LEN - 1,
		 uts.release);
}
