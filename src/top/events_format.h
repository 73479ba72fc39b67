/* SPDX-License-Identifier: GPL-2.0-only */
/* An event as a line of text or as a JSON object. Pure: everything it needs is in the view. */
#ifndef GMEM_EVENTS_FORMAT_H
#define GMEM_EVENTS_FORMAT_H

#include <stdio.h>

#include "../lib/json.h"
#include "events_list.h"
#include "events_stack.h"

/* An event with the names that belong to it; NULL: not known. */
struct event_view {
	const struct gmem_event *e;
	uint64_t time_ns; /* CLOCK_REALTIME */
	const char *vm_name, *exe, *cgroup;
	uint32_t vm_pid;
	bool stacks; /* the following are there */
	unsigned int nr_kernel, nr_user;
	char kernel[GMEM_STACK_MAX][FRAME_LEN];
	char user[GMEM_STACK_MAX][FRAME_LEN];
};

/* What is wrong: the name of an errno or of a signal or fault, NULL if nothing is. */
const char *event_error(const struct gmem_event *e, char *buf, size_t size);

void event_json(struct json *json, const struct event_view *view);
void event_text(FILE *out, const struct event_view *view);

#endif /* GMEM_EVENTS_FORMAT_H */
