// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/log.h"
#include "events_bpf.h"
#include "events_list.h"
#include "gmem_events.skel.h"
#include "programs.h"

#define MIB (1U << 20)

struct stream {
	struct features features;
	struct gmem_events_bpf *skel;
	struct ring_buffer *ring;
	uint32_t offered;
	stream_event event;
	void *arg;
};

/* What the kernel would need for an event, from the table. */
static void what_is_missing(enum gmem_fact fact, char *buf, size_t size)
{
	const struct hook *hook;
	unsigned int i;
	size_t n = 0;

	*buf = '\0';
	for (i = 0; i < nr_sources && n < size; i++) {
		hook = &sources[i].hooks[0];
		if (sources[i].facts & (1U << fact))
			n += (size_t)snprintf(buf + n, size - n, "%s %s %s", n ? ", nor the" : "no",
					      is_tracepoint(hook) ? "tracepoint" : "function",
					      hook->targets[0]);
	}
}

static int check_offered(struct stream *s, const struct stream_options *opts)
{
	char missing[256];
	int i;

	for (i = 0; i < GMEM_EV_MAX; i++) {
		if (!(opts->wanted & 1U << i))
			continue;
		if (s->features.facts & (1U << event_descs[i].fact)) {
			s->offered |= 1U << i;
			continue;
		}
		if (!opts->all_or_none)
			continue;
		what_is_missing(event_descs[i].fact, missing, sizeof(missing));
		return log_error(-EOPNOTSUPP, missing,
				 "leave it out, or use a kernel with gmem's patches",
				 "look for the event %s", event_descs[i].name);
	}
	if (s->offered)
		return 0;
	return log_error(-EOPNOTSUPP, "this kernel tells of none", "see gmemtop --features",
			 "look for events");
}

static unsigned int buffer_size(unsigned int mib)
{
	unsigned int size = MIB;

	while (size < mib * MIB)
		size *= 2;
	return size;
}

/* On kernels without tracepoints the end of an instance tells of two more events. */
static uint32_t facts_of(const struct stream *s)
{
	uint32_t facts = events_facts(s->offered);

	if (features_from_function(&s->features, GMEM_FACT_release) &&
	    s->offered & (1U << GMEM_EV_unbind | 1U << GMEM_EV_invalidate))
		facts |= FACT(release);
	return facts;
}

static int set_up(struct stream *s, const struct stream_options *opts)
{
	int ret;

	s->skel->rodata->wanted = s->offered;
	s->skel->rodata->only_pid = opts->pid;
	s->skel->rodata->only_cgroup = opts->cgroup >= 0;
	s->skel->rodata->only_errors = opts->errors;
	s->skel->rodata->min_duration = opts->min_duration;
	s->skel->rodata->with_stacks = opts->stacks;
	s->skel->rodata->wake_at = buffer_size(opts->buffer_mib) / 4;
	s->skel->rodata->fn_converts = s->offered & 1U << GMEM_EV_convert &&
				       features_from_function(&s->features, GMEM_FACT_convert);
	s->skel->rodata->fn_binds = s->offered & 1U << GMEM_EV_bind &&
				    features_from_function(&s->features, GMEM_FACT_bind);
	ret = bpf_map__set_max_entries(s->skel->maps.gmem_stream, buffer_size(opts->buffer_mib));
	if (!ret && opts->cgroup < 0)
		ret = bpf_map__set_autocreate(s->skel->maps.gmem_cgroups, false);
	if (!ret)
		ret = programs_choose(s->skel->obj, &s->features, facts_of(s));
	return ret;
}

static int load(struct stream *s, const struct stream_options *opts, bool attachable)
{
	__u32 zero = 0;
	int ret;

	features_free(&s->features);
	ret = features_probe(&s->features, true, attachable);
	if (ret)
		return programs_probe_error(ret);
	s->offered = 0;
	ret = check_offered(s, opts);
	if (ret)
		return ret;
	ret = programs_take_over();
	if (ret)
		return ret;
	s->skel = gmem_events_bpf__open();
	if (!s->skel)
		return -errno;
	ret = set_up(s, opts);
	if (!ret)
		ret = gmem_events_bpf__load(s->skel);
	if (!ret && opts->cgroup >= 0)
		ret = bpf_map_update_elem(bpf_map__fd(s->skel->maps.gmem_cgroups), &zero,
					  &opts->cgroup, BPF_ANY);
	if (ret) {
		gmem_events_bpf__destroy(s->skel);
		s->skel = NULL;
	}
	return ret;
}

static int on_record(void *arg, void *data, size_t size __attribute__((unused)))
{
	struct stream *s = arg;

	return s->event(data, s->arg);
}

int stream_open(struct stream **stream, const struct stream_options *opts, stream_event event,
		void *arg)
{
	struct stream *s;
	int ret;

	s = calloc(1, sizeof(*s));
	if (!s)
		return log_error(-ENOMEM, NULL, NULL, "start");
	s->event = event;
	s->arg = arg;
	ret = load(s, opts, false);
	/* A function may be in the type information and yet not traceable. */
	if (ret && ret != -ENODEV && ret != -EPERM && ret != -EOPNOTSUPP)
		ret = load(s, opts, true);
	if (ret) {
		ret = programs_load_error(ret);
		goto err;
	}
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.gmem_stream), on_record, s, NULL);
	ret = s->ring ? gmem_events_bpf__attach(s->skel) : -errno;
	if (ret) {
		ret = programs_refused(ret, "attach to the kernel");
		goto err;
	}
	*stream = s;
	return 0;
err:
	stream_close(s);
	return ret;
}

void stream_source(const struct stream *stream, enum gmem_event_id event, char *buf, size_t size)
{
	int source = stream->features.chosen[event_descs[event].fact];
	const char *target;
	size_t n = 0;
	int h;

	*buf = '\0';
	for (h = 0; source >= 0 && h < MAX_HOOKS && n < size; h++) {
		target = stream->features.targets[source * MAX_HOOKS + h];
		if (target)
			n += (size_t)snprintf(buf + n, size - n, "%s%s %s", n ? ", " : "",
					      is_tracepoint(&sources[source].hooks[h])
						      ? "tracepoint"
						      : "function",
					      target);
	}
}

uint32_t stream_offered(const struct stream *stream)
{
	return stream->offered;
}

int stream_read(struct stream *stream, int timeout_ms)
{
	int ret = timeout_ms ? ring_buffer__poll(stream->ring, timeout_ms) : 0;

	/* Only a buffer that fills up wakes. */
	return ret ? ret : ring_buffer__consume(stream->ring);
}

void stream_detach(struct stream *stream)
{
	gmem_events_bpf__detach(stream->skel);
}

void stream_count(const struct stream *stream, struct stream_counts *counts)
{
	struct programs_use use;

	memcpy(counts->events, stream->skel->bss->counts, sizeof(counts->events));
	programs_count(stream->skel->obj, &use);
	counts->missed = use.missed;
	counts->unread = stream->skel->bss->unread;
	counts->untracked = stream->skel->bss->untracked;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	ring_buffer__free(stream->ring);
	gmem_events_bpf__destroy(stream->skel);
	features_free(&stream->features);
	free(stream);
}
