// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>

#include "../lib/utf8.h"
#include "columns.h"
#include "heat.h"
#include "report_svg.h"
#include "tui_text.h"

/* In units of the view box; the page scales it. */
#define WIDTH	 1000
#define HEIGHT	 190
#define LEFT	 80
#define RIGHT	 10
#define TOP	 14
#define BOTTOM	 30
#define PLOT_W	 (WIDTH - LEFT - RIGHT)
#define PLOT_H	 (HEIGHT - TOP - BOTTOM)
#define CHAR_W	 7 /* a character of a label is no wider */
#define TEXT_MAX 512

static const char *const colors[GMEM_DIRECTIONS] = { "#6f4fa3", "#d9822b" };

static const char *scaled(char *buf, uint64_t value, enum unit unit)
{
	format_number(buf, value * 100, unit, true);
	return buf;
}

void svg_text(FILE *out, const char *text)
{
	char clean[TEXT_MAX];
	const char *c;

	for (c = utf8_copy(clean, sizeof(clean), text); *c; c++) {
		switch (*c) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default: putc(*c, out);
		}
	}
}

static void begin(FILE *out, const char *title, unsigned int height)
{
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" role=\"img\">\n"
		"<title>%s</title>\n",
		WIDTH, height, title);
}

/* Lines at half and full height, with their values. */
static void grid(FILE *out, uint64_t max, enum unit unit)
{
	char buf[NUMBER_LEN];
	int i, y;

	for (i = 0; i <= 2; i++) {
		y = TOP + PLOT_H - PLOT_H * i / 2;
		fprintf(out,
			"<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#d5d9e2\"/>\n"
			"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
			LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4,
			scaled(buf, (uint64_t)((double)max * i / 2), unit));
	}
}

static void key(FILE *out, const char *name, const char *color)
{
	fprintf(out, "<span style=\"background:%s\"></span>%s", color, name);
}

static uint64_t value_of(const struct timeline_slot *slot, const struct svg_series *series)
{
	uint64_t value;

	memcpy(&value, (const char *)slot + series->offset, sizeof(value));
	return value;
}

static double height_of(uint64_t value, uint64_t max)
{
	return max ? (double)value / (double)max * PLOT_H : 0;
}

/* Steps: a slot is as wide as its time. */
static void line(FILE *out, const struct timeline *timeline, unsigned int used,
		 const struct svg_series *series, uint64_t max)
{
	double step = (double)PLOT_W / used, y;
	unsigned int i;

	fprintf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" d=\"M", series->color);
	for (i = 0; i < used; i++) {
		y = TOP + PLOT_H - height_of(value_of(&timeline->slots[i], series), max);
		fprintf(out, "%.1f %.1f H%.1f ", LEFT + i * step, y, LEFT + (i + 1) * step);
		if (i + 1 < used)
			putc('L', out);
	}
	fputs("\"/>\n", out);
}

static void time_axis(FILE *out, const struct timeline *timeline, unsigned int used, int y)
{
	char buf[NUMBER_LEN];
	unsigned int i;

	for (i = 0; i <= 4; i++)
		fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">+%s</text>\n",
			LEFT + (int)(PLOT_W * i / 4), y,
			i == 4 ? "end"
			: i    ? "middle"
			       : "start",
			scaled(buf, timeline->slot_ns * used / 4 * i, UNIT_NS));
}

void svg_timeline(FILE *out, const struct timeline *timeline, const struct svg_series *series,
		  unsigned int nr, const char *title)
{
	unsigned int used = timeline_used(timeline), i, s;
	uint64_t max = 1, value;

	if (!used)
		return;
	for (i = 0; i < used; i++) {
		for (s = 0; s < nr; s++) {
			value = value_of(&timeline->slots[i], &series[s]);
			max = value > max ? value : max;
		}
	}
	fputs("<p class=\"key\">", out);
	fprintf(out, "%s:", title);
	for (s = 0; s < nr; s++)
		key(out, series[s].name, series[s].color);
	fputs("</p>\n", out);
	begin(out, title, HEIGHT);
	grid(out, max, series->unit);
	for (s = 0; s < nr; s++)
		line(out, timeline, used, &series[s], max);
	time_axis(out, timeline, used, HEIGHT - 10);
	fputs("</svg>\n", out);
}

static void directions(FILE *out)
{
	int d;

	fputs("<p class=\"key\">Conversions:", out);
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		key(out, direction_names[d], colors[d]);
	fputs("</p>\n", out);
}

static void bar(FILE *out, double x, double width, uint64_t value, uint64_t max, const char *color)
{
	double height = height_of(value, max);

	/* What is not 0 is seen. */
	if (value && height < 1)
		height = 1;
	if (value)
		fprintf(out,
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">"
			"<title>%" PRIu64 "</title></rect>\n",
			x, TOP + PLOT_H - height, width, height, color, value);
}

/* A label that begins below its bar; the last one ends where the chart does, if it is too long. */
static void label(FILE *out, double x, const char *text)
{
	bool fits = x + CHAR_W * (double)strlen(text) <= WIDTH;

	fprintf(out, "<text x=\"%.1f\" y=\"%d\"%s>%s</text>\n", fits ? x : WIDTH - 1, HEIGHT - 10,
		fits ? "" : " text-anchor=\"end\"", text);
}

void svg_histogram(FILE *out, const struct latency latency[GMEM_DIRECTIONS])
{
	unsigned int low = GMEM_HIST_BUCKETS, high = 0, i, n;
	uint64_t max = 0;
	char buf[NUMBER_LEN];
	double step;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		for (i = latency[d].low; i < latency[d].high; i++) {
			if (!latency[d].hist[i])
				continue;
			low = i < low ? i : low;
			high = i + 1 > high ? i + 1 : high;
			max = latency[d].hist[i] > max ? latency[d].hist[i] : max;
		}
	}
	if (!high)
		return;
	n = high - low;
	step = (double)PLOT_W / n;
	directions(out);
	begin(out, "How long conversions took", HEIGHT);
	grid(out, max, UNIT_COUNT);
	for (i = low; i < high; i++) {
		for (d = 0; d < GMEM_DIRECTIONS; d++) {
			if (i >= latency[d].low && i < latency[d].high)
				bar(out, LEFT + (i - low + 0.05 + 0.45 * d) * step, 0.45 * step,
				    latency[d].hist[i], max, colors[d]);
		}
		if ((i - low) % (n / 10 + 1) == 0)
			label(out, LEFT + (i - low) * step, scaled(buf, latency_begin(i), UNIT_NS));
	}
	fputs("</svg>\n", out);
}

void svg_sizes(FILE *out, const uint64_t sizes[GMEM_DIRECTIONS][DIGEST_SIZES])
{
	double step = (double)PLOT_W / DIGEST_SIZES;
	char buf[NUMBER_LEN];
	uint64_t max = 1;
	int d, i;

	for (i = 0; i < DIGEST_SIZES; i++) {
		for (d = 0; d < GMEM_DIRECTIONS; d++)
			max = sizes[d][i] > max ? sizes[d][i] : max;
	}
	directions(out);
	begin(out, "Sizes of conversions", HEIGHT);
	grid(out, max, UNIT_COUNT);
	for (i = 0; i < DIGEST_SIZES; i++) {
		for (d = 0; d < GMEM_DIRECTIONS; d++)
			bar(out, LEFT + (i + 0.05 + 0.45 * d) * step, 0.45 * step, sizes[d][i], max,
			    colors[d]);
		if (i % 2 == 0)
			label(out, LEFT + i * step, scaled(buf, 1ULL << i, UNIT_PAGES));
	}
	fputs("</svg>\n", out);
}

void svg_phases(FILE *out, const struct digest_phase *phases)
{
	static const char *const shades[GMEM_PHASE_total] = { "#3b6fb6", "#c23030", "#6f4fa3",
							      "#3a8f5c" };
	uint64_t total = phases[GMEM_PHASE_total].sum_ns;
	double x = LEFT, width;
	unsigned int p;

	if (!total)
		return;
	fputs("<p class=\"key\">Time:", out);
	for (p = 0; p < GMEM_PHASE_total; p++)
		key(out, phase_names[p], shades[p]);
	fputs("</p>\n", out);
	begin(out, "What conversions spent their time on", 40);
	for (p = 0; p < GMEM_PHASE_total; p++) {
		width = (double)phases[p].sum_ns / (double)total * PLOT_W;
		fprintf(out,
			"<rect x=\"%.1f\" y=\"4\" width=\"%.1f\" height=\"30\" fill=\"%s\">"
			"<title>%s: %.1f %%</title></rect>\n",
			x, width, shades[p], phase_names[p],
			(double)phases[p].sum_ns * 100 / (double)total);
		x += width;
	}
	fputs("</svg>\n", out);
}

/* All slots in the largest cells of any of them. */
static unsigned int align(const struct timeline *timeline, unsigned int used,
			  struct gmem_heat slots[TIMELINE_SLOTS], uint64_t *max)
{
	unsigned int i, cell, cells;
	struct gmem_heat all = { 0 };

	for (i = 0; i < used; i++)
		heat_add(&all, &timeline->heat[i]);
	cells = heat_cells(&all);
	*max = 0;
	for (i = 0; i < used; i++) {
		slots[i] = (struct gmem_heat){ .shift = all.shift };
		heat_add(&slots[i], &timeline->heat[i]);
		for (cell = 0; cell < cells; cell++)
			*max = slots[i].pages[cell] > *max ? slots[i].pages[cell] : *max;
	}
	return cells;
}

void svg_heat(FILE *out, const struct timeline *timeline)
{
	static const char *const shades[HEAT_LEVELS] = { "#f3f4f7", "#fdeccf", "#fbd7a2",
							 "#f8bb6d", "#f29a45", "#e5742b",
							 "#cf4d1f", "#a82c1b", "#761616" };
	struct gmem_heat slots[TIMELINE_SLOTS];
	unsigned int used = timeline_used(timeline), cells, i, cell, first = 0;
	char buf[NUMBER_LEN];
	double w, h;
	uint64_t max;

	cells = align(timeline, used, slots, &max);
	if (!cells)
		return;
	/* Empty cells below the first one that is not take no room. */
	for (cell = 0; cell < cells && !first; cell++) {
		for (i = 0; i < used; i++)
			first = slots[i].pages[cell] ? cell + 1 : first;
	}
	first--;
	w = (double)PLOT_W / used;
	h = (double)PLOT_H / (cells - first);
	begin(out, "Heat over time", HEIGHT);
	for (i = 0; i < used; i++) {
		for (cell = first; cell < cells; cell++)
			fprintf(out,
				"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
				LEFT + i * w, TOP + PLOT_H - (cell - first + 1) * h, w + 0.3,
				h + 0.3, shades[heat_level(slots[i].pages[cell], max)]);
	}
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 6,
		TOP + PLOT_H, scaled(buf, (uint64_t)first << slots->shift, UNIT_PAGES));
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 6, TOP + 10,
		scaled(buf, (uint64_t)cells << slots->shift, UNIT_PAGES));
	time_axis(out, timeline, used, HEIGHT - 10);
	fputs("</svg>\n", out);
}
