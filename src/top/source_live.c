// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "proc.h"
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

static int next(struct frames *frames, struct model *model)
{
	struct live *live = (struct live *)frames;
	const struct gmem_birth *birth;
	uint64_t last = 0;
	size_t i;
	int ret;

	frames->time_ns = now_ns(CLOCK_REALTIME);
	model_begin(model, now_ns(CLOCK_MONOTONIC), frames->want);
	ret = source_read(live->source, model, frames->only, frames->no_wait ? SLICE : UINT64_MAX);
	if (!ret)
		ret = model_end(model);
	if (ret)
		return ret;
	policy_counts_read(&model->policy);
	source_watch_ioctls(live->source, model->policy.in_force && model->policy.enforce);
	for (i = 0; i < model->nr_vms; i++) {
		last = model->vms[i]->now.id;
		birth = model->vms[i]->named ? NULL : source_birth(live->source, last);
		proc_identify(model->vms[i], birth, live->cgroups);
	}
	source_forget_births(live->source, last);
	model_note_ends(model);
	return 0;
}

void live_init(struct live *live, struct source_bpf *source)
{
	struct utsname uts;

	uname(&uts);
	*live = (struct live){ .source = source, .cgroups = cgroup_root() };
	live->frames.next = next;
	live->frames.features = source_features(source);
	snprintf(live->frames.kernel, sizeof(live->frames.kernel), "%.*s", KERNEL_LEN - 1,
		 uts.release);
}

void live_end(struct live *live)
{
	if (live->cgroups >= 0)
		close(live->cgroups);
}
