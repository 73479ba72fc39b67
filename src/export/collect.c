// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <time.h>

#include "../lib/log.h"
#include "collect.h"
#include "privileges.h"
#include "../top/session.h"
#include "../top/source_live.h"
#include "../top/source_replay.h"

/*
 * What reading needs after the programs are attached. Maps and iterators are reached through
 * descriptors, and files of /proc that name a VM are open to everybody. Only /proc/PID/pagemap of
 * VMMs of other users is not.
 */
#define READING	      0
#define READING_WASTE (CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH))

/* Between two looks whether KVM is there; after a refusal, which is explained each time. */
#define RETRY_NS	 (2 * NS_PER_S)
#define RETRY_REFUSED_NS (300 * NS_PER_S)
/* Without scrapes: names of VMs that were born are kept for so long, and their last numbers. */
#define IDLE_NS (10 * NS_PER_S)

struct collector {
	const struct collect_options *options;
	struct frames *frames; /* NULL: nothing is counted yet */
	struct source_bpf *source;
	struct live live;
	struct model model;
	struct ledger *ledger;
	struct metrics_state state;
	struct text texts[NR_METRICS_FORMATS];
	bool written[NR_METRICS_FORMATS];
	bool failing; /* which has been reported */
	uint64_t serial, read_ns, retry_ns;
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int begin(struct collector *collector, struct frames *frames, uint64_t since_ns)
{
	collector->ledger = ledger_new(&collector->options->vms, since_ns);
	if (!collector->ledger)
		return -ENOMEM;
	collector->frames = frames;
	collector->frames->want = collector->options->want;
	collector->state.ledger = collector->ledger;
	collector->state.frames = frames;
	collector->state.model = &collector->model;
	return 0;
}

/* Return: 0, -ENODEV as long as there is no KVM, or another negative errno, explained. */
static int attach(struct collector *collector)
{
	uint64_t since_ns = realtime_ns();
	int ret;

	if (!kvm_present())
		return -ENODEV;
	ret = source_open(&collector->source, &collector->options->sizes);
	if (ret)
		return ret;
	policy_counts_prepare();
	ret = privileges_drop(collector->options->want & WANT_WASTE ? READING_WASTE : READING);
	if (!ret) {
		live_init(&collector->live, collector->source);
		ret = begin(collector, &collector->live.frames, since_ns);
	}
	if (ret) {
		source_close(collector->source);
		collector->source = NULL;
	}
	return ret;
}

static int open_replay(struct collector *collector)
{
	struct frames *frames;
	int ret;

	ret = replay_open(&frames, collector->options->replay);
	if (ret)
		return ret;
	ret = privileges_drop(0);
	if (!ret)
		ret = begin(collector, frames, 0);
	if (ret && !collector->frames)
		frames->close(frames);
	return ret;
}

int collect_open(struct collector **result, const struct collect_options *options)
{
	struct collector *collector = calloc(1, sizeof(*collector));
	int ret;

	if (!collector)
		return log_error(-ENOMEM, NULL, NULL, "begin to count");
	collector->options = options;
	collector->state.requests = options->requests;
	collector->state.no_created = options->no_created;
	collector->state.exemplars = options->exemplars;
	collector->state.why = DOWN_kvm_not_loaded;
	ret = options->replay ? open_replay(collector) : attach(collector);
	if (ret == -ENODEV) {
		log_note("KVM is not loaded yet, waiting for it");
		ret = 0;
	}
	if (ret) {
		collect_close(collector);
		return ret;
	}
	*result = collector;
	return 0;
}

void collect_close(struct collector *collector)
{
	int i;

	if (!collector)
		return;
	if (collector->frames)
		collector->frames->close(collector->frames);
	source_close(collector->source);
	ledger_free(collector->ledger);
	model_free(&collector->model);
	for (i = 0; i < NR_METRICS_FORMATS; i++)
		free(collector->texts[i].data);
	free(collector);
}

static void down(struct collector *collector, enum down_reason why)
{
	collector->state.up = false;
	collector->state.why = why;
}

static void try_to_attach(struct collector *collector)
{
	int ret;

	if (collector->retry_ns > now_ns())
		return;
	ret = attach(collector);
	if (!ret) {
		log_note("KVM is loaded, counting");
		return;
	}
	collector->retry_ns = now_ns() + (ret == -ENODEV ? RETRY_NS : RETRY_REFUSED_NS);
	down(collector, ret == -ENODEV	 ? DOWN_kvm_not_loaded
			: ret == -ENOMEM ? DOWN_out_of_memory
					 : DOWN_kernel_refused);
}

static void read_frame(struct collector *collector)
{
	uint64_t begun = now_ns();
	int ret;

	ret = frames_next(collector->frames, &collector->model);
	/* The last frame of a recording stays. */
	if (ret == -ENODATA && collector->model.frame)
		return;
	if (!ret)
		ret = ledger_step(collector->ledger, collector->frames, &collector->model);
	collector->state.frame_ns = now_ns() - begun;
	if (ret) {
		if (!collector->failing)
			log_error(ret, NULL, NULL, "read a frame");
		collector->failing = true;
		down(collector, ret == -ENOMEM ? DOWN_out_of_memory : DOWN_read_failed);
		return;
	}
	if (collector->failing)
		log_note("frames can be read again");
	collector->failing = false;
	collector->state.up = true;
}

static void refresh(struct collector *collector)
{
	int i;

	if (!collector->frames)
		try_to_attach(collector);
	if (collector->frames)
		read_frame(collector);
	collector->read_ns = now_ns();
	collector->serial++;
	for (i = 0; i < NR_METRICS_FORMATS; i++)
		collector->written[i] = false;
}

void collect_refresh(struct collector *collector)
{
	if (!collector->serial ||
	    now_ns() - collector->read_ns >= collector->options->min_interval_ns)
		refresh(collector);
}

int collect_idle(struct collector *collector)
{
	uint64_t every = collector->frames ? IDLE_NS : RETRY_NS, age;

	/* A recording does not go on by itself. */
	if (collector->options->replay)
		return -1;
	if (every < collector->options->min_interval_ns)
		every = collector->options->min_interval_ns;
	age = now_ns() - collector->read_ns;
	if (age >= every) {
		refresh(collector);
		age = 0;
	}
	return (int)((every - age) / (NS_PER_S / 1000)) + 1;
}

int collect_text(struct collector *collector, enum metrics_format format, const struct text **text)
{
	int ret;

	*text = &collector->texts[format];
	if (collector->written[format])
		return 0;
	ret = metrics_write(&collector->texts[format], &collector->state, format);
	collector->written[format] = !ret;
	return ret;
}

uint64_t collect_serial(const struct collector *collector)
{
	return collector->serial;
}

bool collect_healthy(const struct collector *collector)
{
	return collector->state.up || collector->state.why == DOWN_kvm_not_loaded;
}

bool collect_counts(const struct collector *collector)
{
	return collector->frames;
}
