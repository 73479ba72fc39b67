// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/closest.h"
#include "../lib/log.h"
#include "events_list.h"
#include "features.h"

#define ALL	  "all"
#define LONG_NAME 64

#define F(name, kind, text) { #name, text, EVENT_##kind },
#define ONE(...)	    +1
#define X(name, fact, hot, text)           \
	{                                  \
		#name,                     \
		text,                      \
		GMEM_FACT_##fact,          \
		hot,                       \
		0 GMEM_FIELDS_##name(ONE), \
		{ GMEM_FIELDS_##name(F) }  \
	},

const struct event_desc event_descs[GMEM_EV_MAX] = { GMEM_EVENTS(X) };

#undef X
#undef ONE
#undef F

static int unknown_event(const char *name)
{
	const char *names[GMEM_EV_MAX + 1], *closest;
	char todo[LONG_NAME + 32];
	int i;

	for (i = 0; i < GMEM_EV_MAX; i++)
		names[i] = event_descs[i].name;
	names[i] = ALL;
	closest = closest_name(name, names, GMEM_EV_MAX + 1);
	snprintf(todo, sizeof(todo), "did you mean '%s'?", closest ? closest : "");
	return log_error(-EINVAL, "there is no such event", closest ? todo : "-e help lists them",
			 "event '%s'", name);
}

int events_parse(const char *list, uint32_t *mask)
{
	char name[LONG_NAME];
	size_t len;
	int i;

	for (*mask = 0;; list += len + 1) {
		len = strcspn(list, ",");
		snprintf(name, sizeof(name), "%.*s", (int)len, list);
		for (i = 0; i < GMEM_EV_MAX && strcmp(name, event_descs[i].name); i++)
			;
		if (i < GMEM_EV_MAX)
			*mask |= 1U << i;
		else if (!strcmp(name, ALL))
			*mask = EVENTS_ALL;
		else
			return unknown_event(name);
		if (!list[len])
			return 0;
	}
}

void events_print(void)
{
	static const char *const written[] = {
#define X(name, in_json, ...) in_json,
		GMEM_KINDS(X)
#undef X
	};
	const struct event_desc *d;
	unsigned int i, f;

	for (i = 0; i < GMEM_EV_MAX; i++) {
		d = &event_descs[i];
		printf("%-16s %s%s\n", d->name, d->text, d->hot ? " (only if asked for)" : "");
		for (f = 0; f < d->nr_fields; f++)
			printf("  %-16s %s; %s\n", d->fields[f].name, d->fields[f].text,
			       written[d->fields[f].kind]);
	}
}

uint32_t events_facts(uint32_t mask)
{
	uint32_t facts = 0;
	int i;

	for (i = 0; i < GMEM_EV_MAX; i++) {
		if (mask & 1U << i)
			facts |= 1U << event_descs[i].fact;
	}
	/* What belongs to the same events, and the end of VMs, so that none is taken for another. */
	if (mask & 1U << GMEM_EV_convert)
		facts |= FACT(asked) | FACT(changed) | FACT(redundant);
	if (mask & 1U << GMEM_EV_deny)
		facts |= FACT(deny_fault);
	if (mask & 1U << GMEM_EV_guest_fault)
		facts |= FACT(first_touch);
	return facts | FACT(vm_end);
}
