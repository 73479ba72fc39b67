/* SPDX-License-Identifier: GPL-2.0-only */
/* The stream of events from the kernel: programs, filters, ring buffer, losses. */
#ifndef GMEM_EVENTS_BPF_H
#define GMEM_EVENTS_BPF_H

#include <stddef.h>

#include "../../bpf/abi/events.h"
#include "features.h"

struct stream;

struct stream_options {
	uint32_t wanted;  /* events, one bit each */
	bool all_or_none; /* fail if the kernel cannot tell of one of them */
	uint32_t pid;	  /* only what this process does, and what happens to its VMs; 0: all */
	int cgroup;	  /* only what tasks in this open cgroup do; negative: all */
	bool errors;	  /* only what failed */
	uint64_t min_duration; /* only what took so many nanoseconds */
	bool stacks;
	unsigned int buffer_mib; /* rounded up to a power of two */
};

/* What was lost or held back, exactly. */
struct stream_counts {
	struct gmem_event_counts events[GMEM_EV_MAX];
	uint64_t missed;    /* runs of programs that the kernel left out */
	uint64_t unread;    /* requests that could not be read from the VMM's memory */
	uint64_t untracked; /* requests that could not be followed from entry to exit */
};

/* Called for each event. Return: 0 to go on. */
typedef int (*stream_event)(const struct gmem_event *e, void *arg);

/**
 * stream_open - attach to the kernel
 * @stream: the result
 * @event: called by stream_read()
 * @arg: for @event
 *
 * Return: 0, or a negative errno that has been explained to the user; -ENODEV, not explained: there
 * is no KVM yet.
 */
int stream_open(struct stream **stream, const struct stream_options *opts, stream_event event,
		void *arg);

/* What the kernel tells of the event with: "tracepoint kvm_gmem_create". */
void stream_source(const struct stream *stream, enum gmem_event_id event, char *buf, size_t size);

/* Which of the wanted events the kernel tells of. */
uint32_t stream_offered(const struct stream *stream);

/**
 * stream_read - wait for events and hand them over
 * @timeout_ms: how long to wait if there is none, 0: not at all
 *
 * Return: how many there were, -EINTR, or what the callback returned.
 */
int stream_read(struct stream *stream, int timeout_ms);

/* Detach: from now on no event comes. What came before can still be read. */
void stream_detach(struct stream *stream);

/* Final after stream_detach(). */
void stream_count(const struct stream *stream, struct stream_counts *counts);

void stream_close(struct stream *stream);

#endif /* GMEM_EVENTS_BPF_H */
