// SPDX-License-Identifier: GPL-2.0-only
/* What is drawn from tables: the help, the line of keys, the menu of columns. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "tui_state.h"

#define MENU_CELLS 30

static const char *const essence[] = {
	"Private pages are for the guest alone; the host can access shared ones, too.",
	"A conversion makes pages private or shared. An instance is one guest_memfd.",
	"PRIVATE exceeds RESIDENT while the guest has not touched its private pages.",
};

static const char *const words[] = {
	"",
	"PRIVATE RESIDENT SIZE  memory that is private, in memory, and the maximum",
	"PRIVATE* private*      counted in KVM's attributes: KVM has no statistic",
	"PRIV/S SHARED/S        conversions to private and to shared per second",
	"P99 P99ALL             99 % of the conversions of the last interval, and of",
	"                       all, took at most this long (up to 25 % too much)",
	"GUESTFLT/S HOSTFLT/S   guest faults and host faults per second",
	"MMAP                   instances that the host can map",
	"CONVERSIONS/S          of the last frames, each VM by its own maximum",
	"-                      not available on this kernel",
	"x + -                  a VM that has just ended; its instances are hidden, shown",
	"< >                    more columns at the left, at the right (Left, Right)",
	"own CPU >=             without gmemtop's BPF programs: the kernel times them",
	"                       while kernel.bpf_stats_enabled is 1 only",
	"lost                   events that were not counted",
	"missing                facts that are not available on this kernel",
};

void help_draw(struct tui *tui)
{
	static const char *const titles[] = { [VIEW_TABLE] = "In the table",
					      [VIEW_DETAIL] = "Only in the details",
					      [VIEW_ENDED] = "Only in the list of ended VMs",
					      [VIEW_HELP] = "Only in this help" };
	const struct screen *screen = &tui->screen;
	int line = 0, y;
	unsigned int v, i;

	for (i = 0; i < ARRAY_LEN(essence); i++)
		screen_put(screen, line++ - tui->scroll, 0, screen->cols, STYLE_NORMAL, essence[i]);

	for (v = 0; v < ARRAY_LEN(titles); v++) {
		for (i = 0; i < nr_tui_keys; i++) {
			if (tui_keys[i].views & (1U << v) && !(tui_keys[i].views & ((1U << v) - 1)))
				break;
		}
		if (i == nr_tui_keys)
			continue;
		y = line++ - tui->scroll;
		if (y < screen->lines - 1)
			screen_put(screen, y, 0, -screen->cols, STYLE_TITLE, titles[v]);
		for (i = 0; i < nr_tui_keys; i++) {
			/* In the first view that has it. */
			if (!(tui_keys[i].views & (1U << v)) ||
			    (tui_keys[i].views & ((1U << v) - 1)))
				continue;
			y = line++ - tui->scroll;
			if (y >= screen->lines - 1)
				continue;
			screen_put(screen, y, 1, 12, STYLE_KEY, tui_keys[i].label);
			screen_put(screen, y, 14, screen->cols, STYLE_NORMAL, tui_keys[i].help);
		}
	}
	for (i = 0; i < ARRAY_LEN(words); i++) {
		y = line++ - tui->scroll;
		if (y < screen->lines - 1)
			screen_put(screen, y, 1, screen->cols, STYLE_NORMAL, words[i]);
	}
	tui->max_scroll = line > screen->lines - 1 ? line - (screen->lines - 1) : 0;
}

void menu_draw(struct tui *tui)
{
	const struct screen *screen = &tui->screen;
	unsigned int lines = (unsigned int)table_lines(tui), top = 0, i;
	enum style style;

	if (tui->menu >= lines)
		top = tui->menu - lines + 1;
	screen_put(screen, HEADER, 0, -MENU_CELLS, STYLE_SORTED, "Sort by");
	for (i = top; i < top + lines; i++) {
		style = i == tui->menu ? STYLE_SELECTED : STYLE_NORMAL;
		screen_put(screen, HEADER + 1 + (int)(i - top), 0, -MENU_CELLS, style,
			   i < nr_columns ? columns[i].name : "");
	}
	if (tui->menu < nr_columns)
		screen_put(screen, screen->lines - 1, 0, -screen->cols, STYLE_NORMAL,
			   columns[tui->menu].help);
}

void keys_draw(struct tui *tui)
{
	const struct screen *screen = &tui->screen;
	int y = screen->lines - 1, x = 0;
	char key[16], more[32];
	unsigned int i;

	if (tui->prompt == PROMPT_SEARCH || tui->prompt == PROMPT_FILTER ||
	    tui->prompt == PROMPT_MOMENT) {
		x = screen_put(screen, y, 0, screen->cols, STYLE_LABEL,
			       tui->prompt == PROMPT_SEARCH   ? "Search:"
			       : tui->prompt == PROMPT_FILTER ? "Filter:"
							      : "Go to (16:05, +60, -60):") +
		    1;
		x = screen_put(screen, y, x, screen->cols, STYLE_VALUE,
			       tui->prompt == PROMPT_SEARCH   ? tui->search
			       : tui->prompt == PROMPT_FILTER ? tui->filter
							      : tui->moment);
		x = screen_put(screen, y, x, screen->cols, STYLE_SELECTED, " ") + 2;
		screen_put(screen, y, x, screen->cols, STYLE_WARN, tui->message);
		return;
	}
	if (*tui->message) {
		screen_put(screen, y, 0, screen->cols, STYLE_NORMAL, tui->message);
		return;
	}
	if (*tui->filter && tui->view == VIEW_TABLE) {
		x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "Filter:") + 1;
		x = screen_put(screen, y, x, screen->cols / 3, STYLE_WARN, tui->filter) + 1;
	}
	for (i = 0; i < nr_tui_keys; i++) {
		if (!tui_keys[i].bar || !(tui_keys[i].views & (1U << tui->view)))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(tui_keys[i].label, " "),
			 tui_keys[i].label);
		x = screen_put(screen, y, x, screen->cols, STYLE_KEY, key);
		x = screen_put(screen, y, x, screen->cols, STYLE_SELECTED, tui_keys[i].bar) + 1;
	}
	if (tui->view != VIEW_TABLE && tui->max_scroll > tui->scroll) {
		snprintf(more, sizeof(more), "%d more below", tui->max_scroll - tui->scroll);
		if (x + (int)strlen(more) <= screen->cols)
			screen_put(screen, y, screen->cols - (int)strlen(more), screen->cols,
				   STYLE_LABEL, more);
	}
}
