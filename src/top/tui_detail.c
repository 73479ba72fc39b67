// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything about one VM. What is drawn is longer than the screen may be: lines are counted from
 * the top of the whole, and those that are scrolled away are not drawn.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memledger.h"
#include "tui_detail.h"
#include "tui_text.h"

#define LABEL_CELLS 24 /* of a slot of the histogram and of counters */

static const char *const directions[GMEM_DIRECTIONS] = { "TO PRIVATE", "TO SHARED" };
static const enum style bar_styles[GMEM_DIRECTIONS] = { STYLE_BAR_PRIVATE, STYLE_BAR_SHARED };

/* Line @at of the whole, -1 if it is not on the screen. */
int place(const struct area *area, int at)
{
	int y = at - area->tui->scroll;

	return y < 0 || y >= area->tui->screen.lines - 1 ? -1 : y;
}

void put(const struct area *area, int at, int x, enum style style, const char *fmt, ...)
{
	const struct screen *screen = &area->tui->screen;
	char buf[LINE_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	screen_put(screen, place(area, at), x, screen->cols - x, style, buf);
}

void heading(struct area *area, const char *text)
{
	area->line++;
	screen_put(&area->tui->screen, place(area, area->line++), 0, -area->tui->screen.cols,
		   STYLE_TITLE, text);
}

static const char *text_of(const struct area *area, struct value value, enum unit unit, char *buf)
{
	/* There is no rate in the first frame. */
	if (value.kind == VALUE_NONE ||
	    (value.kind == VALUE_FIXED && !area->tui->model.interval_ns))
		return "-";
	format_number(
		buf, value.kind == VALUE_FIXED ? rate_hundredths(value.number) : value.number * 100,
		unit, area->tui->bytes);
	return buf;
}

void field(const struct area *area, int at, int x, const char *name, struct value value,
	   enum unit unit)
{
	char buf[NUMBER_LEN];

	put(area, at, x, STYLE_LABEL, "%s", name);
	put(area, at, x + (int)strlen(name) + 1, STYLE_VALUE, "%s",
	    text_of(area, value, unit, buf));
}

struct value plain(uint64_t number)
{
	return (struct value){ .kind = number == GMEM_UNKNOWN ? VALUE_NONE : VALUE_NUMBER,
			       .number = number };
}

/* The kinds of shared backing that there are, and how to free what is held twice. */
static void draw_backing(struct area *area)
{
	const struct model_vm *vm = &area->tui->detail;
	char pages[NUMBER_LEN], twice[NUMBER_LEN];
	bool free_with;
	int kind;

	for (kind = 0; kind < GMEM_BACKING_MAX; kind++) {
		if (!vm->backing[kind] || vm->backing[kind] == GMEM_UNKNOWN)
			continue;
		free_with = vm->twice[kind] && vm->twice[kind] != GMEM_UNKNOWN;
		put(area, area->line++, 0, STYLE_NORMAL, "  %-10s %6s, twice %s%s%s",
		    memledger_kinds[kind],
		    text_of(area, plain(vm->backing[kind]), UNIT_PAGES, pages),
		    text_of(area, plain(vm->twice[kind]), UNIT_PAGES, twice), free_with ? ": " : "",
		    free_with ? memledger_calls[kind] : "");
	}
}

static void draw_head(struct area *area)
{
	const struct model_vm *vm = &area->tui->detail;
	const struct features *f = area->tui->frames->features;

	put(area, 0, 0, STYLE_VALUE, "%s", vm->name);
	put(area, 1, 0, vm->gone ? STYLE_WARN : STYLE_NORMAL, "VM %llu  pid %u  %s%s",
	    (unsigned long long)vm->now.id, vm->now.tgid,
	    vm->now.id == GMEM_ID_OTHER ? "everything for which there was no room"
					: vm_type_name(vm->now.type),
	    vm->gone ? "  has ended, these are its last numbers" : "");
	put(area, 2, 0, STYLE_LABEL, "cgroup");
	put(area, 2, 7, STYLE_NORMAL, "%s", vm->cgroup ? vm->cgroup : "-");
	field(area, 3, 0, f->private_counted ? "private*" : "private", vm_private(f, vm),
	      UNIT_PAGES);
	field(area, 3, 16, "resident", plain(vm->resident), UNIT_PAGES);
	field(area, 3, 33, "size", plain(vm->size), UNIT_PAGES);
	field(area, 3, 46, "instances", plain(vm->nr_instances), UNIT_COUNT);
	field(area, 4, 0, "bound", plain(vm->bound), UNIT_PAGES);
	field(area, 4, 16, "private now", plain(vm->bound_private), UNIT_PAGES);
	field(area, 4, 36, "holders", plain(vm->holders), UNIT_COUNT);
	put(area, 5, 0, STYLE_LABEL, "held twice:");
	field(area, 5, 12, "instances", plain(vm->waste_instance), UNIT_PAGES);
	field(area, 5, 31, "shared backing", plain(vm->waste_backing), UNIT_PAGES);
	if (area->tui->model.waste_done < area->tui->model.waste_pages)
		put(area, 5, 54, STYLE_WARN, "looked at %u %%",
		    (unsigned int)(area->tui->model.waste_done * 100 /
				   area->tui->model.waste_pages));
	area->line = 6;
	draw_backing(area);
}

/* --- conversions --- */

static void draw_spark(const struct area *area, int at, int x, int cells, int d)
{
	struct tui *tui = area->tui;
	uint32_t samples[SAMPLES];
	char spark[4 * SAMPLES], max[NUMBER_LEN];
	int nr;

	nr = history_get(tui, tui->detail.now.id, d, samples,
			 cells - 9 < SAMPLES ? cells - 9 : SAMPLES);
	format_number(max, text_spark(spark, sizeof(spark), samples, nr, tui->screen.ascii),
		      UNIT_COUNT, false);
	put(area, at, x, bar_styles[d], "%s", spark);
	if (nr)
		put(area, at, x + nr + 1, STYLE_NORMAL, "%s/s", max);
}

#define NUMBER_CELLS 8

/* A line of durations: p50, p90, p99 and the maximum. */
static void durations(const struct area *area, int at, int x, const char *name, int d,
		      enum span span)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	__u64 ns[ARRAY_LEN(percents) + 1];
	const struct model_vm *vm = &area->tui->detail;
	bool known = area->tui->frames->features->facts & FACT(convert);
	char number[NUMBER_LEN];
	struct latency latency;
	unsigned int i;

	model_latency(vm, d, span, &latency);
	known = known && (span == SINCE_START || vm->rated) &&
		latency_percentiles(&latency, percents, ARRAY_LEN(percents), ns);
	ns[ARRAY_LEN(percents)] = latency.max_ns;
	put(area, at, x, STYLE_LABEL, "%s", name);
	for (i = 0; i < ARRAY_LEN(ns); i++)
		put(area, at, x + 4 + (int)i * NUMBER_CELLS, STYLE_VALUE, "%*s", NUMBER_CELLS,
		    text_of(area, plain(known ? ns[i] : GMEM_UNKNOWN), UNIT_NS, number));
}

static int draw_direction(const struct area *area, int at, int x, int cells, int d)
{
	const struct features *f = area->tui->frames->features;
	const struct model_vm *vm = &area->tui->detail;
	bool known = f->facts & FACT(convert);
	int base = d * GMEM_PER_DIRECTION;
	struct value value;

	put(area, at, x, STYLE_VALUE, "%s", directions[d]);
	field(area, at++, x + 13, "redundant",
	      vm_counter(f, vm, base + GMEM_VM_to_private_redundant), UNIT_COUNT);
	field(area, at, x, "done", vm_counter(f, vm, base + GMEM_VM_to_private), UNIT_COUNT);
	field(area, at, x + 13, "per s", vm_rate(f, vm, base + GMEM_VM_to_private), UNIT_COUNT);
	value = plain(errors_of(vm, d ? GMEM_OP_convert_shared : GMEM_OP_convert_private));
	if (!known)
		value.kind = VALUE_NONE;
	field(area, at++, x + 26, "failed", value, UNIT_COUNT);
	field(area, at, x, "asked", vm_counter(f, vm, base + GMEM_VM_to_private_pages), UNIT_PAGES);
	field(area, at++, x + 13, "changed",
	      vm_counter(f, vm, base + GMEM_VM_to_private_changed_pages), UNIT_PAGES);
	put(area, at++, x + 4, STYLE_LABEL, "%*s%*s%*s%*s", NUMBER_CELLS, "p50", NUMBER_CELLS,
	    "p90", NUMBER_CELLS, "p99", NUMBER_CELLS, "max");
	durations(area, at++, x, "now", d, LAST_INTERVAL);
	durations(area, at++, x, "all", d, SINCE_START);
	if (known)
		draw_spark(area, at, x, cells, d);
	return at + 1;
}

#define PER_OCTAVE 4
#define OCTAVES	   (GMEM_HIST_BUCKETS / PER_OCTAVE)

/* Four buckets in a line, which is a power of two: there are enough lines. */
static void sum_octaves(const struct latency *latency, uint64_t *octaves)
{
	unsigned int i;

	for (i = latency->low; i < latency->high; i++)
		octaves[i / PER_OCTAVE] += latency->hist[i];
}

/* Both directions have the same lines, so that they can be compared. */
static void draw_histograms(struct area *area, int cells, const int *xs)
{
	uint64_t octaves[GMEM_DIRECTIONS][OCTAVES] = { 0 }, max[GMEM_DIRECTIONS] = { 0 };
	char from[NUMBER_LEN], to[NUMBER_LEN], count[NUMBER_LEN], bar[LINE_LEN];
	unsigned int low = OCTAVES, high = 0, i;
	struct latency latency;
	int d, used;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		model_latency(&area->tui->detail, d, SINCE_START, &latency);
		sum_octaves(&latency, octaves[d]);
		for (i = 0; i < OCTAVES; i++) {
			if (!octaves[d][i])
				continue;
			low = i < low ? i : low;
			high = i + 1 > high ? i + 1 : high;
			if (octaves[d][i] > max[d])
				max[d] = octaves[d][i];
		}
	}
	for (i = low; i < high; i++, area->line++) {
		format_number(from, 100 * latency_begin(i * PER_OCTAVE), UNIT_NS, false);
		format_number(to, 100 * latency_begin((i + 1) * PER_OCTAVE), UNIT_NS, false);
		for (d = 0; d < GMEM_DIRECTIONS; d++) {
			put(area, area->line, xs[d], STYLE_LABEL, "%6s-%-6s", from, to);
			used = text_bar(bar, sizeof(bar), octaves[d][i], max[d], cells - 14 - 8,
					area->tui->screen.ascii);
			put(area, area->line, xs[d] + 14, bar_styles[d], "%s", bar);
			format_number(count, octaves[d][i] * 100, UNIT_COUNT, false);
			if (octaves[d][i])
				put(area, area->line, xs[d] + 15 + used, STYLE_NORMAL, "%s", count);
		}
	}
}

static void draw_conversions(struct area *area)
{
	int half = area->tui->screen.cols / 2, end = 0, d;
	const int xs[GMEM_DIRECTIONS] = { 0, half + 1 };

	heading(area, " Conversions: how many, how long they take, how many per second so far");
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		end = draw_direction(area, area->line, xs[d], half - 1, d);
	area->line = end;
	if (area->tui->frames->features->facts & FACT(convert))
		draw_histograms(area, half - 1, xs);
}

/* --- the rest --- */

static void counter(const struct area *area, int at, int x, enum column_id id, struct value total,
		    struct value rate)
{
	char number[NUMBER_LEN], per_second[NUMBER_LEN];
	enum unit unit = columns[id].unit;

	put(area, at, x, STYLE_LABEL, "%s", columns[id].name);
	put(area, at, x + LABEL_CELLS, STYLE_VALUE, "%7s", text_of(area, total, unit, number));
	if (rate.kind != VALUE_NONE && rate.number)
		put(area, at, x + LABEL_CELLS + 8, STYLE_NORMAL, "%s/s",
		    text_of(area, rate, unit, per_second));
}

static void draw_counters(struct area *area)
{
	const struct features *f = area->tui->frames->features;
	const struct model_vm *vm = &area->tui->detail;
	int half = area->tui->screen.cols / 2 + 1, n = 0, i;

	heading(area, " Everything else: since the VM was first seen, and now");
	for (i = 0; i < GMEM_INST_MAX; i++, n++)
		counter(area, area->line + n / 2, n % 2 * half, INST_COLUMN(i),
			inst_counter(f, vm, i), inst_rate(f, vm, i));
	for (i = GMEM_VM_creates; i < GMEM_VM_MAX; i++, n++)
		counter(area, area->line + n / 2, n % 2 * half, VM_COLUMN(i), vm_counter(f, vm, i),
			vm_rate(f, vm, i));
	area->line += (n + 1) / 2;
}

static void draw_errors(struct area *area)
{
	const struct model_vm *vm = &area->tui->detail;
	const struct sample_errors *errors = errors_in(vm);
	const struct gmem_errno *e;
	const char *name;
	bool any = false;
	int op, i, x;

	heading(area, " Failures");
	for (op = 0; op < GMEM_OP_MAX; op++) {
		if (!errors_of(vm, op))
			continue;
		any = true;
		put(area, area->line, 0, STYLE_LABEL, "%s", op_names[op]);
		for (i = 0, x = LABEL_CELLS; i < GMEM_ERRNOS; i++) {
			e = &errors->err[op][i];
			if (!e->count)
				continue;
			name = strerrorname_np((int)e->err);
			put(area, area->line, x, STYLE_WARN, "%s %u", name ? name : "?", e->count);
			x += 20;
		}
		if (errors->other[op])
			put(area, area->line, x, STYLE_WARN, "other %llu",
			    (unsigned long long)errors->other[op]);
		area->line++;
	}
	if (!any)
		put(area, area->line++, 0, STYLE_NORMAL, "none");
}

void detail_draw(struct tui *tui)
{
	struct area area = { .tui = tui };

	draw_head(&area);
	draw_conversions(&area);
	draw_phases(&area);
	draw_heat(&area);
	draw_counters(&area);
	draw_errors(&area);
	draw_instances(&area);
	tui->max_scroll = area.line - (tui->screen.lines - 1);
	if (tui->max_scroll < 0)
		tui->max_scroll = 0;
}
