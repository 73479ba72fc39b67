// SPDX-License-Identifier: GPL-2.0-only
/* The lines above the table: the host as a whole. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tui_state.h"
#include "tui_text.h"

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
