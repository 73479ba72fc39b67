// SPDX-License-Identifier: GPL-2.0-only
/* The table of VMs and instances. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tui_state.h"
#include "tui_text.h"

#define NAME_MIN       16
#define NAME_MAX_CELLS 48

/* Shorter titles and widths than elsewhere: 80 columns are few. */
static const struct {
	const char *title;
	int width;
} short_titles[NR_COLUMNS] = {
	[COLUMN_id] = { "ID", 5 },
	[COLUMN_pid] = { "PID", 7 },
	[COLUMN_name] = { "NAME", -NAME_MIN },
	[COLUMN_type] = { "TYPE", -18 },
	[COLUMN_cgroup] = { "CGROUP", -40 },
	[COLUMN_private_pages] = { "PRIVATE", 7 },
	[COLUMN_size_pages] = { "SIZE", 6 },
	[COLUMN_resident_pages] = { "RESIDENT", 8 },
	[COLUMN_instances] = { "INST", 4 },
	[COLUMN_bound_now_pages] = { "BOUND", 6 },
	[COLUMN_holders] = { "HOLD", 4 },
	[COLUMN_bound_private_pages] = { "BNDPRIV", 7 },
	[COLUMN_waste_instance_pages] = { "WASTEIN", 7 },
	[COLUMN_waste_backing_pages] = { "WASTEBK", 7 },
	[COLUMN_errors] = { "ERRORS", 6 },
	[COLUMN_p50_ns] = { "P50", 6 },
	[COLUMN_p90_ns] = { "P90", 6 },
	[COLUMN_p99_ns] = { "P99", 6 },
	[COLUMN_max_ns] = { "MAX", 6 },
	[COLUMN_interval_p50_ns] = { "P50NOW", 6 },
	[COLUMN_interval_p90_ns] = { "P90NOW", 6 },
	[COLUMN_interval_p99_ns] = { "P99NOW", 6 },
	[COLUMN_interval_max_ns] = { "MAXNOW", 6 },
	[COLUMN_to_private_rate] = { "PRIV/S", 6 },
	[COLUMN_to_shared_rate] = { "SHARED/S", 8 },
	[COLUMN_guest_faults_rate] = { "GFAULT/S", 8 },
	[COLUMN_host_faults_rate] = { "HFAULT/S", 8 },
	[COLUMN_host_faults_refused] = { "REFUSED", 7 },
};

static const char *title_of(const struct column *column, char *buf, size_t size, int *width)
{
	size_t n = (size_t)(column - columns);

	if (short_titles[n].title) {
		*width = short_titles[n].width;
		return short_titles[n].title;
	}
	snprintf(buf, size, "%s", column->name);
	for (n = 0; buf[n]; n++)
		buf[n] = (char)toupper((unsigned char)buf[n]);
	*width = n < 7 ? 7 : (int)n;
	if (column->width < 0)
		*width = -*width;
	return buf;
}

const char *column_title(const struct tui *tui, const struct column *column, char *buf, size_t size)
{
	const char *title, *mark = column_mark(column, tui->frames->features);
	int width;

	title = title_of(column, buf, size, &width);
	if (!*mark)
		return title;
	/* The last letter makes room for it. */
	snprintf(buf, size, "%.*s%s", width - 1, title, mark);
	return buf;
}

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
	const struct gmem_inst *inst = &row->inst->now;
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
		snprintf(buf, size, "%s%s%s", before, branch, row->holder->comm);
		return;
	}
	format_number(at, row->binding->now.gfn * 100, UNIT_PAGES, true);
	snprintf(buf, size, "%s%s%s slot %u", before, branch, at, row->binding->now.slot);
}

/* Of an instance: its own numbers, and blanks where the VM has one that instances have not. */
static void format_inst(const struct tui *tui, const struct column *column, const struct row *row,
			char *buf, size_t size)
{
	const struct gmem_inst *inst = &row->inst->now;
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
			snprintf(buf, size, "%u", row->holder->tgid);
		return;
	}
	if (!strcmp(column->name, "size_pages") || !strcmp(column->name, "bound_now_pages"))
		value = known(b->now.pages);
	else if (!strcmp(column->name, "resident_pages") && b->resident != GMEM_UNKNOWN)
		value = known(b->resident);
	else if (!strcmp(column->name, "bound_private_pages"))
		value = known(b->private);
	else if (!strcmp(column->name, "waste_instance_pages"))
		value = known(b->waste_instance);
	else if (!strcmp(column->name, "waste_backing_pages"))
		value = known(b->waste_backing);
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

/* The name gets what the other columns leave. */
static int column_width(const struct tui *tui, const struct column *column)
{
	char buf[64];
	int width, sum = 0, others;
	unsigned int i;

	title_of(column, buf, sizeof(buf), &width);
	if (strcmp(column->name, "name"))
		return width;
	for (i = 0; i < tui->nr_columns; i++) {
		title_of(tui->columns[i], buf, sizeof(buf), &others);
		sum += 1 + (others < 0 ? -others : others);
	}
	sum = tui->screen.cols - 1 - (sum - NAME_MIN);
	if (sum > NAME_MAX_CELLS)
		sum = NAME_MAX_CELLS;
	return sum > NAME_MIN ? -sum : width;
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

static void draw_line(const struct tui *tui, int y, const struct row *row, enum style style)
{
	unsigned int i, fixed = fixed_columns(tui);
	const struct column *column;
	enum style here;
	char buf[256], title[64];
	const char *mark = " ";
	int x, width;

	if (row && !row->inst && row->vm->gone)
		mark = "x";
	else if (row && !row->inst && row->vm->nr_instances)
		mark = row + 1 < tui->rows + tui->nr_rows && row[1].inst ? "-" : "+";
	screen_put(&tui->screen, y, 0, -tui->screen.cols, style, mark);
	for (i = 0, x = 1; i < tui->nr_columns && x < tui->screen.cols; i++) {
		column = tui->columns[i];
		if (i >= fixed && i < fixed + tui->first_column)
			continue;
		width = column_width(tui, column);
		if (width > 0 && x + width > tui->screen.cols)
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
		x = cell(tui, y, x, width, here, buf) + 1;
	}
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
	draw_line(tui, HEADER, NULL, STYLE_TITLE);
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
