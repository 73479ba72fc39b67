// SPDX-License-Identifier: GPL-2.0-only
/* The table of VMs and instances. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui_state.h"
#include "tui_text.h"

#define NAME_MAX_CELLS 48
#define TREND_SCREEN   110 /* columns of a screen that has room for the trend */
#define TREND_MIN      16
#define TREND_MAX      60

static const char trend_title[] = "CONVERSIONS/S";

static void format_value(const struct tui *tui, enum unit unit, struct value value, char *buf,
			 size_t size)
{
	char number[NUMBER_LEN];

	/* No rate in the first frame, and no duration of nothing. */
	if ((value.kind == VALUE_FIXED && !tui->model.interval_ns) ||
	    (value.kind == VALUE_NUMBER && !value.number && unit == UNIT_NS))
		value.kind = VALUE_NONE;
	switch (value.kind) {
	case VALUE_NONE: snprintf(buf, size, "-"); return;
	case VALUE_TEXT: snprintf(buf, size, "%s", value_text(&value)); return;
	case VALUE_NUMBER: format_number(number, value.number * 100, unit, tui->bytes); break;
	case VALUE_FIXED:
		format_number(number, rate_hundredths(value.number), unit, tui->bytes);
		break;
	}
	snprintf(buf, size, "%s", number);
}

static void inst_name(const struct tui *tui, const struct row *row, char *buf, size_t size)
{
	const struct sample_inst *inst = &row->inst->now;
	const char *branch = row->last ? "└─ " : "├─ ";

	if (tui->screen.ascii)
		branch = row->last ? "`- " : "|- ";
	snprintf(buf, size, "%sino %llu%s%s", branch, (unsigned long long)inst->ino,
		 inst->flags & 1 ? " mmap" : "", inst->flags & 2 ? " init-shared" : "");
}

static void below_name(const struct tui *tui, const struct row *row, char *buf, size_t size)
{
	const char *before = row->last ? "   " : "│  ", *branch = row->last_below ? "└─ " : "├─ ";
	char at[NUMBER_LEN];

	if (tui->screen.ascii) {
		before = row->last ? "   " : "|  ";
		branch = row->last_below ? "`- " : "|- ";
	}
	if (row->holder) {
		snprintf(buf, size, "%s%s%s", before, branch, row->holder->now.comm);
		return;
	}
	format_number(at, row->binding->now.gfn * 100, UNIT_PAGES, true);
	snprintf(buf, size, "%s%s%s slot %u", before, branch, at, row->binding->now.slot);
}

/* Of an instance: its own numbers, and blanks where the VM has one that instances have not. */
static void format_inst(const struct tui *tui, const struct column *column, const struct row *row,
			char *buf, size_t size)
{
	const struct sample_inst *inst = &row->inst->now;
	struct value value = { .kind = VALUE_NUMBER };
	size_t len;
	int i;

	*buf = '\0';
	if (!strcmp(column->name, "name")) {
		inst_name(tui, row, buf, size);
		return;
	}
	if (!strcmp(column->name, "id")) {
		value.number = inst->id;
	} else if (!strcmp(column->name, "size_pages")) {
		value.number = inst->size >> 12;
	} else if (!strcmp(column->name, "resident_pages")) {
		value.number = inst->resident;
	} else {
		for (i = 0; i < GMEM_INST_MAX; i++) {
			len = strlen(inst_counter_names[i]);
			if (!strncmp(column->name, inst_counter_names[i], len) &&
			    (!column->name[len] || !strcmp(column->name + len, "_rate")))
				break;
		}
		if (i == GMEM_INST_MAX)
			return;
		if (column->name[len]) {
			value = inst_rate(tui->frames->features, row->vm, i);
			value.number = row->inst->rate[i];
		} else {
			value = inst_counter(tui->frames->features, row->vm, i);
			value.number = inst->c[i];
		}
	}
	format_value(tui, column->unit, value, buf, size);
}

static struct value known(uint64_t n)
{
	return (struct value){ .kind = n == GMEM_UNKNOWN ? VALUE_NONE : VALUE_NUMBER, .number = n };
}

/* Of a binding: its part of the instance; of a holder: who it is. */
static void format_below(const struct tui *tui, const struct column *column, const struct row *row,
			 char *buf, size_t size)
{
	const struct model_binding *b = row->binding;
	struct value value;

	*buf = '\0';
	if (!strcmp(column->name, "name")) {
		below_name(tui, row, buf, size);
		return;
	}
	if (row->holder) {
		if (!strcmp(column->name, "pid"))
			snprintf(buf, size, "%u", row->holder->now.tgid);
		return;
	}
	if (!strcmp(column->name, "size_pages") || !strcmp(column->name, "bound_now_pages"))
		value = known(b->now.pages);
	else if (!strcmp(column->name, "resident_pages") && b->now.resident != GMEM_UNKNOWN)
		value = known(b->now.resident);
	else if (!strcmp(column->name, "bound_private_pages"))
		value = known(b->now.private);
	else if (!strcmp(column->name, "waste_instance_pages"))
		value = known(b->now.waste_instance);
	else if (!strcmp(column->name, "waste_backing_pages"))
		value = known(b->now.waste_backing);
	else
		return;
	format_value(tui, column->unit, value, buf, size);
}

void cell_format(const struct tui *tui, const struct column *column, const struct row *row,
		 char *buf, size_t size)
{
	if (!row->inst && row->vm->now.vmm_gone && !strcmp(column->name, "name"))
		snprintf(buf, size, "%s (VMM gone)", row->vm->name);
	else if (row->below)
		format_below(tui, column, row, buf, size);
	else if (row->inst)
		format_inst(tui, column, row, buf, size);
	else
		format_value(tui, column->unit, column->get(column, tui->frames->features, row->vm),
			     buf, size);
}

/* --- table --- */

int table_lines(const struct tui *tui)
{
	return tui->screen.lines - HEADER - 2;
}

/* Cells of what has no fixed width. */
struct layout {
	int name, trend; /* 0: there is none */
};

/* What the columns leave goes to the name, then to the trend. */
static struct layout lay_out(const struct tui *tui)
{
	struct layout layout = { .name = NAME_MIN };
	int width, spare = tui->screen.cols - 1, more;
	bool named = false;
	char buf[64];
	unsigned int i;

	for (i = 0; i < tui->nr_columns; i++) {
		title_of(tui->columns[i], buf, sizeof(buf), &width);
		named |= !strcmp(tui->columns[i]->name, "name");
		spare -= 1 + abs(width);
	}
	if (!named)
		return layout;
	if (tui->screen.cols >= TREND_SCREEN) {
		layout.trend = TREND_MIN;
		spare -= 1 + TREND_MIN;
	}
	more = spare < NAME_MAX_CELLS - NAME_MIN ? spare : NAME_MAX_CELLS - NAME_MIN;
	if (more > 0) {
		layout.name += more;
		spare -= more;
	}
	if (layout.trend && spare > 0)
		layout.trend += spare < TREND_MAX - TREND_MIN ? spare : TREND_MAX - TREND_MIN;
	return layout;
}

static int column_width(const struct layout *layout, const struct column *column)
{
	char buf[64];
	int width;

	if (!strcmp(column->name, "name"))
		return -layout->name;
	title_of(column, buf, sizeof(buf), &width);
	return width;
}

/* Columns up to the name stay where they are, the others can be scrolled. */
static unsigned int fixed_columns(const struct tui *tui)
{
	unsigned int i;

	for (i = 0; i < tui->nr_columns; i++) {
		if (!strcmp(tui->columns[i]->name, "name"))
			return i + 1;
	}
	return 0;
}

/* Do not scroll further than until the last column is on the screen. */
static void limit_scroll(struct tui *tui)
{
	unsigned int fixed = fixed_columns(tui), i;
	struct layout layout = lay_out(tui);
	int room = tui->screen.cols - 1;

	for (i = 0; i < fixed; i++)
		room -= 1 + abs(column_width(&layout, tui->columns[i]));
	if (layout.trend)
		room -= 1 + layout.trend;
	for (i = tui->nr_columns; i > fixed; i--) {
		room -= 1 + abs(column_width(&layout, tui->columns[i - 1]));
		if (room < 0 && i < tui->nr_columns)
			break;
	}
	if (tui->first_column > i - fixed)
		tui->first_column = i - fixed;
}

static int cell(const struct tui *tui, int y, int x, int width, enum style style, const char *text)
{
	char buf[LINE_LEN];
	int used;

	if (width < 0)
		return screen_put(&tui->screen, y, x, width, style, text);
	used = text_fit(buf, sizeof(buf), text, width, tui->screen.ascii);
	screen_put(&tui->screen, y, x, -width, style, "");
	screen_put(&tui->screen, y, x + width - used, used, style, buf);
	return x + width;
}

/* Something failed in the last interval. */
static bool fails(const struct tui *tui, const struct row *row, const struct column *column)
{
	struct value rate;

	if (!row || row->inst || strcmp(column->name, "errors"))
		return false;
	rate = column_by_name("errors_rate")
		       ->get(column_by_name("errors_rate"), tui->frames->features, row->vm);
	return rate.kind == VALUE_FIXED && rate.number;
}

/* The conversions per second of the last frames, in both directions together. */
static void draw_trend(const struct tui *tui, int y, int x, int cells, const struct row *row,
		       enum style style)
{
	uint32_t samples[TREND_MAX];
	char spark[4 * TREND_MAX + 1];
	int nr;

	if (!row) {
		screen_put(&tui->screen, y, x, -cells, style, trend_title);
		return;
	}
	if (row->inst)
		return;
	if (!(tui->frames->features->facts & FACT(convert))) {
		screen_put(&tui->screen, y, x + cells - 1, 1, style, "-");
		return;
	}
	nr = history_sum(tui, row->vm->now.id, samples, cells);
	text_spark(spark, sizeof(spark), samples, nr, tui->screen.ascii);
	screen_put(&tui->screen, y, x + cells - nr, nr,
		   style == STYLE_NORMAL ? STYLE_BAR_PRIVATE : style, spark);
}

/* Columns that do not fit at the sides are announced in the line of titles. */
static void mark_hidden(const struct tui *tui, int y)
{
	if (tui->first_column)
		screen_put(&tui->screen, y, 0, 1, STYLE_SORTED, "<");
	if (tui->more_columns)
		screen_put(&tui->screen, y, tui->screen.cols - 1, 1, STYLE_SORTED, ">");
}

/* The cell at the right edge is for the mark. Return: columns that do not fit. */
static unsigned int draw_line(const struct tui *tui, int y, const struct row *row, enum style style)
{
	unsigned int i, fixed = fixed_columns(tui);
	struct layout layout = lay_out(tui);
	const struct column *column;
	enum style here;
	char buf[256], title[64];
	const char *mark = " ";
	int x, width, end = tui->screen.cols - 1;

	if (row && !row->inst && row->vm->gone)
		mark = "x";
	else if (row && !row->inst && row->vm->nr_instances)
		mark = row + 1 < tui->rows + tui->nr_rows && row[1].inst ? "-" : "+";
	screen_put(&tui->screen, y, 0, -tui->screen.cols, style, mark);
	for (i = 0, x = 1; i < tui->nr_columns && x < end; i++) {
		column = tui->columns[i];
		if (i >= fixed && i < fixed + tui->first_column)
			continue;
		width = column_width(&layout, column);
		if (width > 0 && x + width > end)
			break;
		here = style;
		if (row) {
			cell_format(tui, column, row, buf, sizeof(buf));
			if (fails(tui, row, column) && style != STYLE_SELECTED)
				here = STYLE_WARN;
		} else {
			snprintf(buf, sizeof(buf), "%s",
				 column_title(tui, column, title, sizeof(title)));
			if (column == tui->sort)
				here = STYLE_SORTED;
		}
		if (width < 0 && x - width > end)
			width = x - end;
		x = cell(tui, y, x, width, here, buf) + 1;
		if (layout.trend && i + 1 == fixed) {
			draw_trend(tui, y, x, layout.trend, row, style);
			x += layout.trend + 1;
		}
	}
	return tui->nr_columns - i;
}

static void draw_rows(struct tui *tui)
{
	size_t lines = (size_t)table_lines(tui), i;
	const struct row *row;
	enum style style;

	if (tui->cursor < tui->top)
		tui->top = tui->cursor;
	if (tui->cursor >= tui->top + lines)
		tui->top = tui->cursor - lines + 1;
	if (tui->top + lines > tui->nr_rows)
		tui->top = tui->nr_rows > lines ? tui->nr_rows - lines : 0;
	limit_scroll(tui);
	tui->more_columns = draw_line(tui, HEADER, NULL, STYLE_TITLE);
	mark_hidden(tui, HEADER);
	for (i = tui->top; i < tui->nr_rows && i < tui->top + lines; i++) {
		row = &tui->rows[i];
		style = row->vm->gone ? STYLE_GONE : STYLE_NORMAL;
		if (*tui->search && !row->inst && vm_matches(row->vm, tui->search))
			style = STYLE_FOUND;
		if (i == tui->cursor)
			style = STYLE_SELECTED;
		draw_line(tui, HEADER + 1 + (int)(i - tui->top), row, style);
	}
	if (!tui->nr_rows)
		screen_put(&tui->screen, HEADER + 2, 2, tui->screen.cols, STYLE_NORMAL,
			   *tui->filter || tui->model.nr_vms > 1 ? "No VM fits the filter."
								 : "No VM has guest_memfd now.");
}

void table_draw(struct tui *tui)
{
	header_draw(tui);
	draw_rows(tui);
}
