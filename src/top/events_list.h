/* SPDX-License-Identifier: GPL-2.0-only */
/* The events of the stream and their fields, as tables made from bpf/abi/events.h. */
#ifndef GMEM_EVENTS_LIST_H
#define GMEM_EVENTS_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/abi/events.h"

/* X(kind, how it is written in JSON); text writes sizes, flags and the like for people */
#define GMEM_KINDS(X)            \
	X(NUMBER, "number")      \
	X(SIZE, "number")        \
	X(ADDRESS, "number")     \
	X(OFFSET, "number")      \
	X(MODE, "number")        \
	X(FLAGS, "number")       \
	X(PROT, "number")        \
	X(ATTRIBUTES, "number")  \
	X(BOOL, "true or false") \
	X(REASON, "string")      \
	X(REFUSED, "string")     \
	X(RESULT, "string")      \
	X(DURATION, "number")

enum event_kind {
#define X(name, ...) EVENT_##name,
	GMEM_KINDS(X)
#undef X
};

struct event_field {
	const char *name;
	const char *text;
	enum event_kind kind;
};

struct event_desc {
	const char *name;
	const char *text;
	enum gmem_fact fact; /* without it the kernel does not tell of the event */
	bool hot;	     /* left out unless asked for */
	unsigned int nr_fields;
	struct event_field fields[GMEM_EV_VALUES];
};

extern const struct event_desc event_descs[GMEM_EV_MAX];

/* One bit per event. */
#define EVENTS_ALL     ((1U << GMEM_EV_MAX) - 1)
#define EVENTS_DEFAULT (EVENTS_ALL & ~(uint32_t)GMEM_EV_HOT)

/**
 * events_parse - a list of events as the user writes it
 * @list: names with commas between; "all" is every one, hot ones too
 * @mask: the result, one bit per event
 *
 * Return: 0 or -EINVAL, which has been explained to the user.
 */
int events_parse(const char *list, uint32_t *mask);

/* Print every event and its fields. */
void events_print(void);

/* The facts that bring these events. */
uint32_t events_facts(uint32_t mask);

#endif /* GMEM_EVENTS_LIST_H */
