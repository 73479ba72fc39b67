// SPDX-License-Identifier: GPL-2.0-only
/* The loop of the interactive view: a frame, a picture, a wait for keys. */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../lib/log.h"
#include "heat.h"
#include "tui_state.h"

#define NS_PER_S 1000000000ULL

static const char default_view[] =
	"pid,name,errors,private_pages,resident_pages,size_pages,to_private_rate,to_shared_rate,"
	"interval_p99_ns,guest_faults_rate,host_faults_rate,host_faults_refused,mappable,instances,type,"
	"p99_ns,id,cgroup";
static const char default_sort[] = "resident_pages";

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int setup(struct tui *tui)
{
	const struct batch *batch = tui->opts->batch;
	int ret = 0;

	tui->bytes = true;
	tui->delay_ns = tui->opts->delay_ns;
	tui->latency = batch->want & WANT_LATENCY;
	tui->sort = batch->sort ? batch->sort : column_by_name(default_sort);
	if (tui->opts->own_columns) {
		memcpy(tui->columns, batch->columns, sizeof(tui->columns));
		tui->nr_columns = batch->nr_columns;
	} else {
		ret = columns_parse(default_view, tui->columns, &tui->nr_columns);
	}
	memcpy(tui->first_columns, tui->columns, sizeof(tui->first_columns));
	tui->nr_first_columns = tui->nr_columns;
	tui->first_sort = tui->sort;
	return ret;
}

/* The VM of the details, as long as there is one. */
static void refresh_detail(struct tui *tui)
{
	const struct model *model = &tui->model;
	size_t i;

	for (i = 0; i < model->nr_vms && model->vms[i]->now.id != tui->detail.now.id; i++)
		;
	if (i == model->nr_vms) {
		tui->detail.gone = true;
		return;
	}
	tui->has_fresh = model->interval_ns && model->frame == tui->last_frame + 1 &&
			 model->looked & tui->heat_known & WANT_HEAT;
	if (tui->has_fresh)
		tui->fresh = heat_since(heat_in(model->vms[i]), heat_in(&tui->detail));
	tui->heat_known = model->looked;
	/* Without memory the numbers of the frame before stay. */
	model_copy_vm(&tui->detail, model->vms[i]);
}

static bool in_detail(const struct tui *tui)
{
	return tui->view == VIEW_DETAIL || (tui->view == VIEW_HELP && tui->behind == VIEW_DETAIL);
}

/* Request what is on the screen, and nothing else. */
static void say_wants(struct tui *tui)
{
	uint32_t want = WANT_RATES | (tui->sort ? tui->sort->wants : 0);
	unsigned int i;

	for (i = 0; i < tui->nr_columns; i++)
		want |= tui->columns[i]->wants;
	tui->frames->only = want & WANT_WASTE || !in_detail(tui) ? 0 : tui->detail.now.id;
	if (tui->tree || tui->nr_flipped)
		want |= WANT_BINDINGS | WANT_HOLDERS;
	if (in_detail(tui))
		want |= WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE | WANT_HEAT;
	if (tui->latency)
		want |= WANT_LATENCY;
	tui->frames->want = want;
}

/* Return: 0, also at the end of a recording, or a negative errno. */
static int take_frame(struct tui *tui)
{
	static uint64_t cpu_before, before, programs_before;
	uint64_t cpu, now, all;
	int ret;

	if (tui->ended)
		return 0;
	say_wants(tui);
	ret = frames_next(tui->frames, &tui->model);
	tui->starved = ret == -EAGAIN || ret == -EINTR;
	tui->ended = ret == -ENODATA;
	if (tui->ended && tui->seeking) {
		tui->seeking = false;
		snprintf(tui->message, sizeof(tui->message), "No alarm up to the end.");
	}
	if (tui->starved || tui->ended)
		return 0;
	if (ret)
		return ret;
	/* The programs run on the CPU time of the VMMs, iterators on our own. */
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	all = cpu - cpu_before + tui->model.programs_ns - programs_before;
	programs_before = tui->model.programs_ns;
	now = now_ns(CLOCK_MONOTONIC);
	if (now > before)
		tui->cpu = (uint32_t)(all * 10000 / (now - before));
	cpu_before = cpu;
	before = now;
	if (in_detail(tui))
		refresh_detail(tui);
	travel_check_alarm(tui);
	return history_add(tui);
}

static void draw(struct tui *tui)
{
	screen_begin(&tui->screen);
	if (tui->screen.small) {
		screen_putf(&tui->screen, 0, 0, STYLE_WARN, "too small: %dx%d, %dx%d is needed",
			    tui->screen.cols, tui->screen.lines, MIN_COLS, MIN_LINES);
	} else {
		if (tui->view == VIEW_TABLE)
			table_draw(tui);
		else if (tui->view == VIEW_DETAIL)
			detail_draw(tui);
		else if (tui->view == VIEW_ENDED)
			ended_draw(tui);
		else
			help_draw(tui);
		if (tui->prompt == PROMPT_SORT)
			menu_draw(tui);
		else if (tui->prompt == PROMPT_COLUMNS)
			chooser_draw(tui);
		else
			keys_draw(tui);
	}
	screen_end();
}

/* Wait for keys, a signal or the time of the next frame, and handle the keys. */
static int handle_keys(struct tui *tui, uint64_t next, const sigset_t *mask)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int64_t timeout = next > now ? (int64_t)(next - now) : 0;
	bool starved = tui->starved && !tui->frozen;
	int ret, code;

	if (tui->seeking && !tui->ended && !tui->starved)
		timeout = 0;
	else if (tui->frozen || tui->ended || tui->starved)
		timeout = -1;
	/* Keys behind one that wanted a frame have been read from the terminal already. */
	ret = tui->more_keys ? 0 : screen_wait(timeout, starved ? tui->frames->fd : -1, mask);
	tui->more_keys = false;
	while (!ret && !tui->quit && !*tui->opts->stop && (code = screen_key()) >= 0) {
		tui->seeking = false;
		keys_press(tui, code);
		if (!tui->quit && rows_build(tui))
			return -ENOMEM;
		if (tui->step) {
			tui->more_keys = true;
			break;
		}
	}
	return ret;
}

static int loop(struct tui *tui, const sigset_t *mask)
{
	uint64_t delay = 0, next = 0, now, taken = 0, drawn = 0;
	int ret = 0;

	while (!tui->quit && !*tui->opts->stop) {
		now = now_ns(CLOCK_MONOTONIC);
		if (tui->delay_ns != delay) {
			next = delay ? next - delay + tui->delay_ns : now;
			delay = tui->delay_ns;
		}
		if (tui->step || tui->seeking || ((tui->starved || now >= next) && !tui->frozen)) {
			ret = take_frame(tui);
			if (!ret)
				ret = rows_build(tui);
			if (ret)
				return ret;
			if (!tui->starved)
				next = tui->step || next + delay < now ? now + delay : next + delay;
			tui->step = false;
			taken += !tui->ended && !tui->starved;
		}
		/* Frames that are passed over are not all looked at. */
		if (!tui->seeking || now - drawn > NS_PER_S / 10) {
			draw(tui);
			drawn = now;
		}
		if (tui->opts->frames && taken >= tui->opts->frames)
			return 0;
		ret = handle_keys(tui, next, mask);
		if (ret)
			return ret;
	}
	return 0;
}

int tui_run(struct frames *frames, const struct tui_options *opts)
{
	struct tui *tui = calloc(1, sizeof(*tui));
	sigset_t block, mask;
	int ret;

	if (!tui)
		return log_error(-ENOMEM, NULL, NULL, "start");
	tui->frames = frames;
	/* Keys and signals must work while a recording stalls. */
	frames->no_wait = true;
	tui->opts = opts;
	setlocale(LC_CTYPE, "");
	ret = setup(tui);
	if (ret)
		goto out;
	/* Signals are delivered in ppoll() only, so that no signal is missed before it. */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &mask);
	ret = screen_start(&tui->screen, opts->ascii);
	if (!ret) {
		ret = loop(tui, &mask);
		screen_stop();
		/* The terminal has gone: there is no one to report an error to. */
		if (ret == -ENOTCONN)
			ret = 0;
		else if (ret)
			log_error(ret, NULL, NULL, "read the next frame");
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
out:
	rows_free(tui);
	history_free(tui);
	model_free(&tui->model);
	model_free_copy(&tui->detail);
	free(tui);
	return ret;
}
