// SPDX-License-Identifier: GPL-2.0-only
/* The menu that chooses the columns and their order. */
#define _GNU_SOURCE
#include <curses.h>
#include <stdio.h>
#include <string.h>

#include "presets.h"
#include "tui_state.h"

#define CELLS 34

/* The shown columns in their order, then all others. */
static void fill(struct tui *tui)
{
	struct chooser *chooser = &tui->chooser;
	unsigned int i, j, n = 0;

	for (i = 0; i < tui->nr_columns; i++) {
		/* --columns may name a column twice. */
		for (j = 0; j < n && chooser->list[j] != tui->columns[i]; j++)
			;
		if (j < n)
			continue;
		chooser->list[n] = tui->columns[i];
		chooser->on[n++] = true;
	}
	for (i = 0; i < nr_columns; i++) {
		for (j = 0; j < n && chooser->list[j] != &columns[i]; j++)
			;
		if (j < n)
			continue;
		chooser->list[n] = &columns[i];
		chooser->on[n++] = false;
	}
}

void chooser_open(struct tui *tui)
{
	_Static_assert(MAX_COLUMNS >= 100, "all columns fit into the list");
	fill(tui);
	tui->chooser.at = 0;
	tui->prompt = PROMPT_COLUMNS;
}

static void columns_changed(struct tui *tui)
{
	tui->first_column = 0;
	/* A new column may need data that the last frame has not got. */
	look_now(tui);
}

static void apply(struct tui *tui)
{
	const struct chooser *chooser = &tui->chooser;
	unsigned int i;

	tui->nr_columns = 0;
	for (i = 0; i < nr_columns; i++) {
		if (chooser->on[i])
			tui->columns[tui->nr_columns++] = chooser->list[i];
	}
	columns_changed(tui);
}

static void toggle(struct tui *tui)
{
	struct chooser *chooser = &tui->chooser;

	if (chooser->on[chooser->at] && tui->nr_columns == 1) {
		snprintf(tui->message, sizeof(tui->message), "one column must remain");
		return;
	}
	chooser->on[chooser->at] = !chooser->on[chooser->at];
	apply(tui);
}

/* @step: 1 or -1 */
static void shift(struct tui *tui, int step)
{
	struct chooser *chooser = &tui->chooser;
	unsigned int from = chooser->at, to = from + (unsigned int)step;
	const struct column *column = chooser->list[from];
	bool on = chooser->on[from];

	if (to >= nr_columns)
		return;
	chooser->list[from] = chooser->list[to];
	chooser->on[from] = chooser->on[to];
	chooser->list[to] = column;
	chooser->on[to] = on;
	chooser->at = to;
	apply(tui);
}

void preset_choose(struct tui *tui, unsigned int preset)
{
	if (!preset) {
		memcpy(tui->columns, tui->first_columns, sizeof(tui->columns));
		tui->nr_columns = tui->nr_first_columns;
		tui->sort = tui->first_sort;
		snprintf(tui->message, sizeof(tui->message), "the columns of the start");
	} else if (preset <= nr_presets) {
		/* Its names are right: a unit test says so. */
		columns_parse(presets[preset - 1].columns, tui->columns, &tui->nr_columns);
		tui->sort = column_by_name(presets[preset - 1].sort);
		snprintf(tui->message, sizeof(tui->message), "%s: %s", presets[preset - 1].name,
			 presets[preset - 1].help);
	} else {
		return;
	}
	columns_changed(tui);
	if (tui->prompt == PROMPT_COLUMNS)
		fill(tui);
}

void chooser_press(struct tui *tui, int code)
{
	struct chooser *chooser = &tui->chooser;
	unsigned int page = (unsigned int)table_lines(tui);

	switch (code) {
	case KEY_UP:
	case 'k': chooser->at -= chooser->at > 0; break;
	case KEY_DOWN:
	case 'j': chooser->at += chooser->at + 1 < nr_columns; break;
	case KEY_PPAGE: chooser->at -= chooser->at > page ? page : chooser->at; break;
	case KEY_NPAGE:
		chooser->at = chooser->at + page < nr_columns ? chooser->at + page : nr_columns - 1;
		break;
	case KEY_HOME: chooser->at = 0; break;
	case KEY_END: chooser->at = nr_columns - 1; break;
	case ' ': toggle(tui); break;
	case '[':
	case KEY_F(7): shift(tui, -1); break;
	case ']':
	case KEY_F(8): shift(tui, 1); break;
	case '0':
	case '1':
	case '2':
	case '3':
	case '4': preset_choose(tui, (unsigned int)(code - '0')); break;
	case '\r':
	case '\n':
	case KEY_ENTER:
	case 27:
	case 'q':
	case 'C':
	case KEY_F(2): tui->prompt = PROMPT_NONE; break;
	}
}

void chooser_draw(const struct tui *tui)
{
	const struct chooser *chooser = &tui->chooser;
	const struct screen *screen = &tui->screen;
	unsigned int lines = (unsigned int)table_lines(tui), top = 0, i;
	char line[LINE_LEN];
	enum style style;

	if (chooser->at >= lines)
		top = chooser->at - lines + 1;
	screen_put(screen, HEADER, 0, -CELLS, STYLE_SORTED, "Space shows/hides, [ ] move, 1-4");
	for (i = top; i < top + lines; i++) {
		*line = '\0';
		if (i < nr_columns)
			snprintf(line, sizeof(line), "[%c] %s", chooser->on[i] ? 'x' : ' ',
				 chooser->list[i]->name);
		style = i == chooser->at ? STYLE_SELECTED : STYLE_NORMAL;
		screen_put(screen, HEADER + 1 + (int)(i - top), 0, -CELLS, style, line);
	}
	snprintf(line, sizeof(line), "%s",
		 *tui->message ? tui->message : chooser->list[chooser->at]->help);
	screen_put(screen, screen->lines - 1, 0, -screen->cols, STYLE_NORMAL, line);
}
