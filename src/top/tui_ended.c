// SPDX-License-Identifier: GPL-2.0-only
/* The list of the VMs that ended last. */
#include <stdio.h>

#include "tui_detail.h"

/* How long ago, in the largest unit that is not 0. */
static void format_age(char *buf, size_t size, uint64_t ns)
{
	unsigned long long seconds = ns / 1000000000;

	if (seconds < 120)
		snprintf(buf, size, "%llu s", seconds);
	else if (seconds < 7200)
		snprintf(buf, size, "%llu min", seconds / 60);
	else
		snprintf(buf, size, "%llu h", seconds / 3600);
}

static void draw_one(struct area *area, const struct model_ended *ended)
{
	const struct model *model = &area->tui->model;
	char age[32], error[64];
	int y = area->line++;

	format_age(age, sizeof(age), model->now_ns - ended->at_ns);
	model_error_text(ended->error_op, ended->error, error, sizeof(error));
	put(area, y, 1, STYLE_NORMAL, "%8s", age);
	put(area, y, 11, STYLE_NORMAL, "%7u", ended->tgid);
	put(area, y, 19, STYLE_VALUE, "%s", ended->why);
	put(area, y, 34, *error ? STYLE_WARN : STYLE_NORMAL, "%s", *error ? error : "-");
	put(area, y, 57, STYLE_NORMAL, "%s", ended->name);
	if (!ended->refused)
		return;
	y = area->line++;
	put(area, y, 34, STYLE_WARN, "%llu host faults refused",
	    (unsigned long long)ended->refused);
}

void ended_draw(struct tui *tui)
{
	const struct screen *screen = &tui->screen;
	struct area area = { .tui = tui };
	unsigned int i;

	put(&area, area.line++, 0, STYLE_NORMAL, "%llu VMs ended in the last minute. The last %d:",
	    (unsigned long long)tui->model.ended_lately, MODEL_ENDED);
	screen_put(screen, place(&area, area.line++), 0, -screen->cols, STYLE_TITLE,
		   "    AGE        PID WHY            LAST ERROR             NAME");
	for (i = 0; i < tui->model.nr_ended; i++)
		draw_one(&area, &tui->model.ended[i]);
	if (!i)
		put(&area, area.line++, 1, STYLE_NORMAL, "None ended since gmemtop started.");
	tui->max_scroll = area.line - (screen->lines - 1);
	if (tui->max_scroll < 0)
		tui->max_scroll = 0;
}
