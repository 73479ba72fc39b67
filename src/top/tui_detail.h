/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the view of one VM share. */
#ifndef GMEM_TUI_DETAIL_H
#define GMEM_TUI_DETAIL_H

#include "tui_state.h"
#include "tui_text.h"

struct area {
	struct tui *tui;
	int line; /* of the whole, which is longer than the screen may be */
};

/* Line @at of the whole on the screen, -1 if it is not there. */
int place(const struct area *area, int at);

void put(const struct area *area, int at, int x, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A bar with a text, after an empty line. */
void heading(struct area *area, const char *text);

/* "name value", the value "-" where it cannot be told. */
void field(const struct area *area, int at, int x, const char *name, struct value value,
	   enum unit unit);

/* GMEM_UNKNOWN is what cannot be told. */
struct value plain(uint64_t number);

/* --- tui_memory.c --- */

void draw_heat(struct area *area);
void draw_instances(struct area *area);

/* --- tui_phases.c --- */

void draw_phases(struct area *area);

#endif /* GMEM_TUI_DETAIL_H */
