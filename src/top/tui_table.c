// SPDX-License-Identifier: GPL-2.0-only
/* The header, the table of VMs and instances, and the line of keys. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tui_state.h"
#include "tui_text.h"

#define NAME_MIN       16
#define NAME_MAX_CELLS 48

/* Shorter titles and widths than elsewhere: 80 columns are few. */
static const struct {
	const char *name, *title;
	int width;
} short_titles[] = {
	{ "id", "ID", 5 },
	{ "pid", "PID", 7 },
	{ "name", "NAME", -NAME_MIN },
	{ "type", "TYPE", -18 },
	{ "cgroup", "CGROUP", -40 },
	{ "private_pages", "PRIVATE", 7 },
	{ "size_pages", "SIZE", 6 },
	{ "resident_pages", "RESIDENT", 8 },
	{ "instances", "INST", 4 },
	{ "bound", "BOUND", 6 },
	{ "holders", "HOLD", 4 },
	{ "bound_private", "BNDPRIV", 7 },
	{ "waste_instance", "WASTEIN", 7 },
	{ "waste_backing", "WASTEBK", 7 },
	{ "errors", "ERRORS", 6 },
	{ "p50_ns", "P50", 6 },
	{ "p90_ns", "P90", 6 },
	{ "p99_ns", "P99", 6 },
	{ "max_ns", "MAX", 6 },
	{ "interval_p50_ns", "P50NOW", 6 },
	{ "interval_p90_ns", "P90NOW", 6 },
	{ "interval_p99_ns", "P99NOW", 6 },
	{ "interval_max_ns", "MAXNOW", 6 },
	{ "to_private_rate", "TOPRV/S", 7 },
	{ "to_shared_rate", "TOSHR/S", 7 },
	{ "guest_faults_rate", "GFAULT/S", 8 },
	{ "host_faults_rate", "HFAULT/S", 8 },
	{ "host_faults_refused", "REFUSED", 7 },
};

static const char *title_of(const struct column *column, char *buf, size_t size, int *width)
{
	unsigned int i;
	size_t n;

	for (i = 0; i < ARRAY_LEN(short_titles); i++) {
		if (!strcmp(short_titles[i].name, column->name)) {
			*width = short_titles[i].width;
			return short_titles[i].title;
		}
	}
	snprintf(buf, size, "%s", column->title ? column->title : column->name);
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

static void format_value(const struct tui *tui, const char *name, struct value value, char *buf,
			 size_t size)
{
	char number[NUMBER_LEN];

	/* No rate in the first frame, and no duration of nothing. */
	if ((value.kind == VALUE_FIXED && !tui->model.interval_ns) ||
	    (value.kind == VALUE_NUMBER && !value.number && unit_of(name) == UNIT_NS))
		value.kind = VALUE_NONE;
	switch (value.kind) {
	case VALUE_NONE: snprintf(buf, size, "-"); return;
	case VALUE_TEXT: snprintf(buf, size, "%s", value.text); return;
	case VALUE_NUMBER:
		format_number(number, value.number * 100, unit_of(name), tui->bytes);
		break;
	case VALUE_FIXED: format_number(number, value.number, unit_of(name), tui->bytes); break;
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
	format_value(tui, column->name, value, buf, size);
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
	if (!strcmp(column->name, "size_pages") || !strcmp(column->name, "bound"))
		value = known(b->now.pages);
	else if (!strcmp(column->name, "resident_pages") && b->resident != GMEM_UNKNOWN)
		value = known(b->resident);
	else if (!strcmp(column->name, "bound_private"))
		value = known(b->private);
	else if (!strcmp(column->name, "waste_instance"))
		value = known(b->waste_instance);
	else if (!strcmp(column->name, "waste_backing"))
		value = known(b->waste_backing);
	else
		return;
	format_value(tui, column->name, value, buf, size);
}

void cell_format(const struct tui *tui, const struct column *column, const struct row *row,
		 char *buf, size_t size)
{
	if (row->below)
		format_below(tui, column, row, buf, size);
	else if (row->inst)
		format_inst(tui, column, row, buf, size);
	else
		format_value(tui, column->name, column->get(column, tui->frames->features, row->vm),
			     buf, size);
}

/* --- header --- */

struct totals {
	uint64_t vms, gone, instances, size, resident, private_pages, errors;
	struct model_vm host; /* also of VMs that ended */
	bool unknown;	      /* the private pages of a VM */
};

static void sum_up(const struct tui *tui, struct totals *sum)
{
	const struct model_vm *vm;
	size_t i;
	int c;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < tui->model.nr_vms; i++) {
		vm = tui->model.vms[i];
		if (vm->now.id != GMEM_ID_OTHER) {
			sum->vms += !vm->gone;
			sum->gone += vm->gone;
		}
		sum->instances += vm->nr_instances;
		sum->size += vm->size;
		sum->resident += vm->resident;
		if (vm->now.private_pages != GMEM_UNKNOWN)
			sum->private_pages += vm->now.private_pages;
		else if (!vm->gone && vm->now.id != GMEM_ID_OTHER)
			sum->unknown = true;
	}
	model_host(&tui->model, &sum->host);
	for (c = 0; c < GMEM_OP_MAX; c++)
		sum->errors += errors_of(&sum->host.now, c);
}

/* "name value  ", the value "-" where it cannot be told. Half a number is a wrong one. */
static int field(const struct tui *tui, int y, int x, const char *name, bool known,
		 uint64_t hundredths, enum unit unit)
{
	const struct screen *screen = &tui->screen;
	char number[NUMBER_LEN] = "-";

	if (known)
		format_number(number, hundredths, unit, tui->bytes);
	if (x + (int)(strlen(name) + 1 + strlen(number)) > screen->cols)
		return screen->cols;
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, name) + 1;
	return screen_put(screen, y, x, screen->cols, STYLE_VALUE, number) + 2;
}

/* Only where there is one. */
static int draw_policy(const struct tui *tui, int x)
{
	const struct policy_counts *policy = &tui->model.policy;
	__u64 denied = policy_denied(policy);

	if (!policy->known)
		return x;
	x = screen_put(&tui->screen, 0, x, tui->screen.cols, STYLE_LABEL, "policy") + 1;
	return screen_putf(&tui->screen, 0, x, denied ? STYLE_WARN : STYLE_VALUE, "%s, %llu denied",
			   !policy->in_force ? "none"
			   : policy->enforce ? "enforce"
					     : "audit",
			   denied) +
	       2;
}

static void draw_title(const struct tui *tui)
{
	const struct screen *screen = &tui->screen;
	time_t seconds = (time_t)(tui->frames->time_ns / 1000000000);
	char clock[16] = "", line[160];
	struct tm local;
	int x;

	if (localtime_r(&seconds, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	x = screen_put(screen, 0, 0, screen->cols, STYLE_VALUE, "gmemtop") + 2;
	snprintf(line, sizeof(line), "%s  kernel %s  frame %llu  every %g s", clock,
		 tui->frames->kernel, (unsigned long long)tui->model.frame,
		 (double)tui->delay_ns / 1e9);
	x = screen_put(screen, 0, x, screen->cols, STYLE_NORMAL, line) + 2;
	x = draw_policy(tui, x);
	if (tui->frozen)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[frozen]");
	else if (tui->ended)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[end of the recording]");
	else if (tui->frames->recorded)
		screen_put(screen, 0, x, screen->cols, STYLE_NORMAL, "[recording]");
}

static void draw_losses(const struct tui *tui, int y)
{
	const struct features *features = tui->frames->features;
	const struct screen *screen = &tui->screen;
	uint64_t lost = tui->model.missed;
	char number[NUMBER_LEN];
	bool missing = false;
	int i, x;

	for (i = 0; i < GMEM_LOST_MAX; i++)
		lost += tui->model.lost[i];
	x = screen_put(screen, y, 0, screen->cols, STYLE_LABEL, "lost") + 1;
	format_number(number, lost * 100, UNIT_COUNT, false);
	x = screen_put(screen, y, x, screen->cols, lost ? STYLE_WARN : STYLE_VALUE, number) + 2;
	if (model_lower_bounds(&tui->model))
		x = screen_put(screen, y, x - 1, screen->cols, STYLE_WARN,
			       "(all numbers are lower bounds)") +
		    2;
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "own CPU") + 1;
	if (tui->frames->recorded || tui->model.frame < 2)
		x = screen_put(screen, y, x, screen->cols, STYLE_VALUE, "-") + 2;
	else
		x = screen_putf(screen, y, x, STYLE_VALUE, "%u.%02u%%", tui->cpu / 100,
				tui->cpu % 100) +
		    2;
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "missing");
	for (i = 0; i < GMEM_FACT_MAX; i++) {
		if (features->facts & (1U << i))
			continue;
		missing = true;
		x = screen_put(screen, y, x + 1, screen->cols, STYLE_WARN, fact_names[i]);
	}
	if (!missing)
		screen_put(screen, y, x + 1, screen->cols, STYLE_VALUE, "none");
}

/* p99 of both directions, of the last interval and since the start. */
static int draw_p99(const struct tui *tui, int x)
{
	static const char *const names[NR_SPANS] = {
		[SINCE_START] = "of all", [LAST_INTERVAL] = "p99"
	};
	static const unsigned int percent = 99;
	struct latency sum;
	__u64 ns;
	int span;
	bool known;

	for (span = NR_SPANS - 1; span >= 0; span--) {
		sum = tui->model.host[0][span];
		latency_add(&sum, &tui->model.host[1][span]);
		known = latency_percentiles(&sum, &percent, 1, &ns) &&
			tui->frames->features->facts & FACT(convert) &&
			(span == SINCE_START || tui->model.interval_ns);
		x = field(tui, 2, x, names[span], known, known ? ns * 100 : 0, UNIT_NS);
	}
	return x;
}

static void draw_header(const struct tui *tui)
{
	uint32_t facts = tui->frames->features->facts;
	bool rates = tui->model.interval_ns, known = facts & FACT(private_pages);
	struct totals sum;
	char name[16];
	int x;

	sum_up(tui, &sum);
	draw_title(tui);
	x = field(tui, 1, 0, "VMs", true, sum.vms * 100, UNIT_COUNT);
	if (sum.gone)
		x = screen_putf(&tui->screen, 1, x - 1, STYLE_GONE, "(%llu gone)",
				(unsigned long long)sum.gone) +
		    2;
	x = field(tui, 1, x, "instances", true, sum.instances * 100, UNIT_COUNT);
	snprintf(name, sizeof(name), "private%s%s",
		 tui->frames->features->private_counted ? "*" : "",
		 known && sum.unknown ? " >=" : "");
	x = field(tui, 1, x, name, known, sum.private_pages * 100, UNIT_PAGES);
	x = field(tui, 1, x, "resident", true, sum.resident * 100, UNIT_PAGES);
	x = field(tui, 1, x, "size", true, sum.size * 100, UNIT_PAGES);
	field(tui, 1, x, "errors", true, sum.errors * 100, UNIT_COUNT);

	x = field(tui, 2, 0, "to-private/s", rates && facts & FACT(convert),
		  sum.host.rate_vm[GMEM_VM_to_private], UNIT_COUNT);
	x = field(tui, 2, x, "to-shared/s", rates && facts & FACT(convert),
		  sum.host.rate_vm[GMEM_VM_to_shared], UNIT_COUNT);
	x = draw_p99(tui, x);
	x = field(tui, 2, x, "gfaults/s", rates && facts & FACT(guest_fault),
		  sum.host.rate_inst[GMEM_INST_guest_faults], UNIT_COUNT);
	x = field(tui, 2, x, "hfaults/s", rates && facts & FACT(host_fault),
		  sum.host.rate_inst[GMEM_INST_host_faults], UNIT_COUNT);
	field(tui, 2, x, "refused/s", rates && facts & FACT(host_fault),
	      sum.host.rate_inst[GMEM_INST_host_faults_refused], UNIT_COUNT);
	draw_losses(tui, 3);
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
	draw_header(tui);
	draw_rows(tui);
}
