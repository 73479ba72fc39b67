// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../lib/json.h"
#include "../lib/log.h"
#include "../lib/stop.h"
#include "events_bpf.h"
#include "events_format.h"
#include "events_record.h"
#include "events_who.h"
#include "fields.h"
#include "session.h"
#include "store.h"

#define BUFFER_MIB 16
#define WAIT_NS	   (NS_PER_S / 10)

struct event_recorder {
	struct stream *stream;
	struct who *who;
	struct store_writer *store;
	struct json json;
	struct event_view view;
	uint64_t offset_ns; /* from CLOCK_MONOTONIC to CLOCK_REALTIME */
	uint64_t last_ns;   /* of the line before */
	uint64_t last_seq, lost;
	bool any;
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Events of several CPUs are not quite in the order of their times. To the store a line is never
 * older than the one before, which would begin a new block.
 */
static int add_line(struct event_recorder *r, uint64_t time_ns)
{
	const char *line;
	size_t len;
	int ret;

	ret = json_take_line(&r->json, &line, &len);
	if (ret)
		return ret;
	if (time_ns > r->last_ns)
		r->last_ns = time_ns;
	return store_add(r->store, r->last_ns, line, len);
}

/*
 * As in the stream of gmemtop events: events were lost before this one, or (NULL) behind the last
 * one. @lost: how many up to here
 */
static int add_lost(struct event_recorder *r, const struct gmem_event *e, uint64_t lost)
{
	struct json *json = &r->json;
	uint64_t nr = lost - r->lost;

	/* Events of other CPUs may come with an older count. */
	if (lost <= r->lost)
		return 0;
	r->lost = lost;
	json_open(json, NULL, '{');
	json_open(json, FIELD(line, lost), '{');
	json_u64(json, FIELD(gap, events), nr);
	if (r->any)
		json_u64(json, FIELD(gap, after_seq), r->last_seq);
	else
		json_null(json, FIELD(gap, after_seq));
	if (e)
		json_u64(json, FIELD(gap, before_seq), e->seq);
	else
		json_null(json, FIELD(gap, before_seq));
	json_close(json, '}');
	json_close(json, '}');
	return add_line(r, e ? e->time_ns + r->offset_ns : r->last_ns);
}

static int on_event(const struct gmem_event *e, void *arg)
{
	struct event_recorder *r = arg;
	int ret;

	if (e->event >= GMEM_EV_MAX)
		return -EPROTO;
	ret = add_lost(r, e, e->lost_before);
	if (ret)
		return ret;
	r->last_seq = e->seq;
	r->any = true;
	r->view.e = e;
	r->view.time_ns = e->time_ns + r->offset_ns;
	r->view.vm_name = who_vm(r->who, &e->vm, &r->view.vm_pid);
	r->view.exe = who_exe(r->who, e);
	r->view.cgroup = who_cgroup(r->who, e);
	event_json(&r->json, &r->view);
	return add_line(r, r->view.time_ns);
}

int event_recorder_open(struct event_recorder **recorder, const char *list, uint32_t pid,
			struct store_writer *store)
{
	struct stream_options how = { .cgroup = -1, .pid = pid, .buffer_mib = BUFFER_MIB };
	struct event_recorder *r;
	int ret;

	ret = events_parse(list, &how.wanted);
	if (ret)
		return ret;
	how.all_or_none = how.wanted != EVENTS_ALL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return log_error(-ENOMEM, NULL, NULL, "record events");
	r->store = store;
	r->who = who_new();
	ret = r->who ? stream_open(&r->stream, &how, on_event, r)
		     : log_error(-ENOMEM, NULL, NULL, "record events");
	if (ret) {
		who_free(r->who);
		free(r);
		return ret;
	}
	*recorder = r;
	return 0;
}

int event_recorder_until(struct event_recorder *r, uint64_t ns)
{
	uint64_t now;
	int ret;

	do {
		r->offset_ns = realtime_ns() - now_ns();
		now = now_ns();
		ret = stream_read(r->stream, ns <= now ? 0
					     : ns - now < WAIT_NS
						     ? (int)((ns - now) / (NS_PER_S / 1000))
						     : (int)(WAIT_NS / (NS_PER_S / 1000)));
		if (ret < 0 && ret != -EINTR)
			return ret;
	} while (now_ns() < ns && !stop_asked);
	return 0;
}

int event_recorder_close(struct event_recorder *r)
{
	struct stream_counts counts;
	uint64_t lost = 0;
	int ret, i;

	if (!r)
		return 0;
	stream_detach(r->stream);
	ret = event_recorder_until(r, 0);
	stream_count(r->stream, &counts);
	for (i = 0; i < GMEM_EV_MAX; i++)
		lost += counts.events[i].lost;
	if (!ret)
		ret = add_lost(r, NULL, lost);
	stream_close(r->stream);
	who_free(r->who);
	json_free(&r->json);
	free(r);
	return ret;
}
