/* SPDX-License-Identifier: GPL-2.0-only */
/* Events as lines of a recording, between its frames: gmemtop record --events. */
#ifndef GMEM_EVENTS_RECORD_H
#define GMEM_EVENTS_RECORD_H

#include <stdint.h>

struct store_writer;
struct event_recorder;

/**
 * event_recorder_open - begin
 * @list: events as events_parse() takes them
 * @pid: only what this process does, and what happens to its VMs; 0: all
 * @store: where the lines go
 *
 * Return: 0 or a negative errno that was explained.
 */
int event_recorder_open(struct event_recorder **recorder, const char *list, uint32_t pid,
			struct store_writer *store);

/**
 * event_recorder_until - record what comes until a moment, or a signal
 * @ns: CLOCK_MONOTONIC; 0: what is there already
 *
 * Return: 0 or a negative errno, which is that of store_add() perhaps.
 */
int event_recorder_until(struct event_recorder *recorder, uint64_t ns);

/* Detach, record what is left, and free. NULL is allowed. Return: as above. */
int event_recorder_close(struct event_recorder *recorder);

#endif /* GMEM_EVENTS_RECORD_H */
