// SPDX-License-Identifier: GPL-2.0-only
/* The lines above the table: the host as a whole. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "silence.h"
#include "tui_state.h"
#include "tui_text.h"

struct totals {
	uint64_t vms, gone, instances, size, resident, private_pages;
	struct model_vm host; /* also of VMs that ended */
	bool unknown;	      /* the private pages of a VM */
};

static void sum_up(const struct tui *tui, struct totals *sum)
{
	const struct model_vm *vm;
	size_t i;

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

	if (!policy->known)
		return x;
	x = screen_put(&tui->screen, 0, x, tui->screen.cols, STYLE_LABEL, "policy") + 1;
	return screen_put(&tui->screen, 0, x, tui->screen.cols, STYLE_VALUE,
			  !policy->in_force ? "none"
			  : policy->enforce ? "enforce"
					    : "audit") +
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
	if (tui->seeking)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[searching an alarm]");
	else if (tui->frozen)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[frozen]");
	else if (tui->ended)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[end of the recording]");
	else if (tui->starved)
		screen_put(screen, 0, x, screen->cols, STYLE_WARN, "[waiting for a frame]");
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
		x = screen_putf(screen, y, x, STYLE_VALUE, "%s%u.%02u%%",
				tui->model.programs_timed ? "" : ">=", tui->cpu / 100,
				tui->cpu % 100) +
		    2;
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "missing");
	if (features->silenced)
		x = screen_put(screen, y, x + 1, screen->cols, STYLE_WARN,
			       "(" SILENCE_SYSCTL "=0)");
	for (i = 0; i < GMEM_FACT_MAX; i++) {
		if (features->facts & (1U << i))
			continue;
		missing = true;
		x = screen_put(screen, y, x + 1, screen->cols, STYLE_WARN, fact_names[i]);
	}
	if (!missing)
		screen_put(screen, y, x + 1, screen->cols, STYLE_VALUE, "none");
}

#define NR_KINDS (GMEM_OP_MAX + 1)

/* Failures of a kind. */
struct kind {
	const char *name;
	uint64_t rate, total;
};

static int more_often(const void *a, const void *b)
{
	const struct kind *first = a, *second = b;

	if (first->rate != second->rate)
		return first->rate > second->rate ? -1 : 1;
	return first->total > second->total ? -1 : first->total < second->total;
}

/*
 * Errors per second and by kind, those of the last interval first. Kinds that do not fit are
 * counted: nothing is left out unseen.
 */
static void draw_errors(const struct tui *tui, int y, const struct model_vm *host)
{
	static const struct kind none = { 0 };
	const struct screen *screen = &tui->screen;
	char number[NUMBER_LEN], text[64];
	struct kind kinds[NR_KINDS], sum = none;
	unsigned int i, n = 0;
	bool rates = tui->model.interval_ns;
	int x;

	for (i = 0; i < NR_KINDS; i++) {
		kinds[i].name = i < GMEM_OP_MAX ? op_names[i] : "refused";
		kinds[i].rate = i < GMEM_OP_MAX ? host->rate_err[i]
						: host->rate_inst[GMEM_INST_host_faults_refused];
		kinds[i].total = i < GMEM_OP_MAX ? errors_of(host, i)
						 : host->inst[GMEM_INST_host_faults_refused];
		sum.rate += kinds[i].rate;
		sum.total += kinds[i].total;
		n += kinds[i].total > 0;
	}
	qsort(kinds, NR_KINDS, sizeof(kinds[0]), more_often);
	x = screen_put(screen, y, 0, screen->cols, STYLE_LABEL, "errors") + 1;
	format_number(number, sum.total * 100, UNIT_COUNT, false);
	x = screen_put(screen, y, x, screen->cols, sum.total ? STYLE_WARN : STYLE_VALUE, number) +
	    2;
	format_number(number, rate_hundredths(sum.rate), UNIT_COUNT, false);
	x = screen_putf(screen, y, x, sum.rate ? STYLE_WARN : STYLE_VALUE, "%s/s",
			rates ? number : "-") +
	    2;
	for (i = 0; i < n; i++) {
		format_number(number,
			      kinds[i].rate ? rate_hundredths(kinds[i].rate) : kinds[i].total * 100,
			      UNIT_COUNT, false);
		snprintf(text, sizeof(text), "%s %s%s", kinds[i].name, number,
			 kinds[i].rate ? "/s" : "");
		/* "+9 kinds" has to fit behind all but the last one. */
		if (x + (int)strlen(text) + (i + 1 < n ? 10 : 0) > screen->cols)
			break;
		x = screen_put(screen, y, x, screen->cols,
			       kinds[i].rate ? STYLE_WARN : STYLE_NORMAL, text) +
		    2;
	}
	if (i < n)
		screen_putf(screen, y, x, STYLE_WARN, "+%u kinds", n - i);
}

/* What policies denied, and which VMs ended with what. */
static void draw_trouble(const struct tui *tui, int y)
{
	const struct policy_counts *policy = &tui->model.policy;
	const struct model *model = &tui->model;
	const struct screen *screen = &tui->screen;
	const struct model_ended *last = &model->ended[0];
	char text[64];
	__u64 denied;
	int x = 0;

	if (policy->known) {
		denied = policy_denied(policy);
		x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "denied") + 1;
		x = screen_putf(screen, y, x, denied ? STYLE_WARN : STYLE_VALUE, "%llu", denied) +
		    2;
	}
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "ended in 60 s") + 1;
	x = screen_putf(screen, y, x, STYLE_VALUE, "%llu",
			(unsigned long long)model->ended_lately) +
	    2;
	if (!model->ended_lately || !model->nr_ended)
		return;
	/* What went wrong comes before the name, which may be long. */
	x = screen_put(screen, y, x, screen->cols, STYLE_LABEL, "last") + 1;
	model_error_text(last->error_op, last->error, text, sizeof(text));
	x = screen_put(screen, y, x, screen->cols, STYLE_NORMAL, last->why) + 1;
	if (*text || last->refused)
		x = screen_put(screen, y, x, screen->cols, STYLE_WARN,
			       *text ? text : "refused host fault") +
		    1;
	screen_put(screen, y, x, screen->cols, STYLE_GONE, last->name);
}

/*
 * "name[||||    42%]". The number is a lower bound where a part is not known. Return: the column
 * behind it.
 */
static int meter(const struct tui *tui, int y, int x, int cells, const char *name, enum style style,
		 uint64_t part, uint64_t whole, const char *before)
{
	const struct screen *screen = &tui->screen;
	char bar[LINE_LEN], number[NUMBER_LEN];
	int left, right = x + cells - 1, used;

	x = screen_put(screen, y, x, cells, STYLE_LABEL, name);
	left = screen_put(screen, y, x, 1, STYLE_VALUE, "[");
	screen_put(screen, y, right, 1, STYLE_VALUE, "]");
	snprintf(number, sizeof(number), "-");
	if (before && whole)
		snprintf(number, sizeof(number), "%s%.0f%%", before,
			 (double)part * 100 / (double)whole);
	used = (int)strlen(number);
	screen_put(screen, y, right - used, used, STYLE_NORMAL, number);
	if (!before || !whole)
		return right + 1;
	text_bar(bar, sizeof(bar), part < whole ? part : whole, whole, right - left - used - 1,
		 screen->ascii);
	screen_put(screen, y, left, right - left - used, style, bar);
	return right + 1;
}

#define WIDE	   120 /* columns of a screen that has room for a third meter */
#define METER_MAX  60
#define TREND_NAME "conversions/s"

/* How much of the instances is in memory and private; the conversions of the last frames. */
static void draw_meters(const struct tui *tui, int y, const struct totals *sum)
{
	bool known = tui->frames->features->facts & FACT(private_pages);
	int cols = tui->screen.cols, cells = cols / (cols >= WIDE ? 3 : 2) - 1, x, nr;
	char spark[4 * SAMPLES + 1];
	uint32_t samples[SAMPLES];

	cells = cells < METER_MAX ? cells : METER_MAX;
	x = meter(tui, y, 0, cells, "resident", STYLE_BAR_SHARED, sum->resident, sum->size, "");
	x = meter(tui, y, x + 1, cells, "private", STYLE_BAR_PRIVATE, sum->private_pages, sum->size,
		  !known	 ? NULL
		  : sum->unknown ? ">="
				 : "");
	if (cols < WIDE || !(tui->frames->features->facts & FACT(convert)))
		return;
	x = screen_put(&tui->screen, y, x + 1, cells, STYLE_LABEL, TREND_NAME) + 1;
	cells -= (int)strlen(TREND_NAME) + 1;
	nr = history_sum(tui, HISTORY_HOST, samples, cells);
	text_spark(spark, sizeof(spark), samples, nr, tui->screen.ascii);
	screen_put(&tui->screen, y, x, nr, STYLE_BAR_PRIVATE, spark);
}

/* p99 of both directions. */
static int draw_p99(const struct tui *tui, int x, const char *name, enum span span)
{
	static const unsigned int percent = 99;
	struct latency sum = tui->model.host[0][span];
	__u64 ns;
	bool known;

	latency_add(&sum, &tui->model.host[1][span]);
	known = latency_percentiles(&sum, &percent, 1, &ns) &&
		tui->frames->features->facts & FACT(convert) &&
		(span == SINCE_START || tui->model.interval_ns);
	return field(tui, 3, x, name, known, known ? ns * 100 : 0, UNIT_NS);
}

void header_draw(const struct tui *tui)
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
	field(tui, 1, x, "size", true, sum.size * 100, UNIT_PAGES);

	draw_meters(tui, 2, &sum);
	x = field(tui, 3, 0, "to-private/s", rates && facts & FACT(convert),
		  rate_hundredths(sum.host.rate_vm[GMEM_VM_to_private]), UNIT_COUNT);
	x = field(tui, 3, x, "to-shared/s", rates && facts & FACT(convert),
		  rate_hundredths(sum.host.rate_vm[GMEM_VM_to_shared]), UNIT_COUNT);
	x = draw_p99(tui, x, "p99", LAST_INTERVAL);
	x = field(tui, 3, x, "guest faults/s", rates && facts & FACT(guest_fault),
		  rate_hundredths(sum.host.rate_inst[GMEM_INST_guest_faults]), UNIT_COUNT);
	x = field(tui, 3, x, "host", rates && facts & FACT(host_fault),
		  rate_hundredths(sum.host.rate_inst[GMEM_INST_host_faults]), UNIT_COUNT);
	draw_p99(tui, x, "p99 of all", SINCE_START);
	draw_errors(tui, 4, &sum.host);
	draw_trouble(tui, 5);
	draw_losses(tui, 6);
}
