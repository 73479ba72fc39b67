// SPDX-License-Identifier: GPL-2.0-only
/* What the conversions of a VM spend their time on, in the view of one VM. */
#include "model_phases.h"
#include "tui_detail.h"

#define NAME_CELLS   9
#define NUMBER_CELLS 9

static void number(const struct area *area, int at, int column, uint64_t value, enum unit unit)
{
	char buf[NUMBER_LEN] = "-";

	if (value != GMEM_UNKNOWN)
		format_number(buf, value * 100, unit, false);
	put(area, at, NAME_CELLS + column * NUMBER_CELLS, STYLE_VALUE, "%*s", NUMBER_CELLS, buf);
}

static void titles(struct area *area, const char *first, const char *const *names, unsigned int nr)
{
	unsigned int i;

	put(area, area->line, 0, STYLE_LABEL, "%s", first);
	for (i = 0; i < nr; i++)
		put(area, area->line, NAME_CELLS + (int)i * NUMBER_CELLS, STYLE_LABEL, "%*s",
		    NUMBER_CELLS, names[i]);
	area->line++;
}

static void percentiles(const struct area *area, int column, const struct latency *latency)
{
	static const unsigned int percents[] = { 50, 99 };
	__u64 ns[ARRAY_LEN(percents)];
	bool known = latency_percentiles(latency, percents, ARRAY_LEN(percents), ns);
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(percents); i++)
		number(area, area->line, column + (int)i, known ? ns[i] : GMEM_UNKNOWN, UNIT_NS);
	number(area, area->line, column + (int)i, known ? latency->max_ns : GMEM_UNKNOWN, UNIT_NS);
}

static void draw_phase(struct area *area, const char *name, const struct model_phase *phase)
{
	put(area, area->line, 0, STYLE_VALUE, "%s", name);
	number(area, area->line, 0, phase->count, UNIT_COUNT);
	number(area, area->line, 1, phase->sum_ns, UNIT_NS);
	percentiles(area, 2, &phase->span[SINCE_START]);
	percentiles(area, 5, &phase->span[LAST_INTERVAL]);
	area->line++;
}

static void draw_vcpus(struct area *area, uint64_t vm_id)
{
	static const char *const names[] = { "count", "time",	 "p50",	    "p99",
					     "max",   "now p50", "now p99", "now max" };
	struct model_phase phase;
	struct model_vcpu **vcpus;
	char name[32];
	size_t nr, i;

	vcpus = model_vcpus_of(&area->tui->model, vm_id, &nr);
	if (nr < 2)
		return;
	area->line++;
	titles(area, "total of", names, ARRAY_LEN(names));
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "vCPU %u", vcpus[i]->now.id);
		model_vcpu_phase(vcpus[i], GMEM_PHASE_total, &phase);
		draw_phase(area, name, &phase);
	}
}

static void draw_slowest(struct area *area, uint64_t vm_id)
{
	struct model_slow slow[GMEM_SLOWEST];
	unsigned int nr = model_slowest(&area->tui->model, vm_id, slow), i, p;

	if (!nr)
		return;
	area->line++;
	titles(area, "slowest", phase_names, GMEM_PHASE_MAX);
	for (i = 0; i < nr; i++) {
		put(area, area->line, 0, STYLE_VALUE, "vCPU %u", slow[i].vcpu);
		for (p = 0; p < GMEM_PHASE_MAX; p++)
			number(area, area->line, (int)p, slow[i].now.ns[p], UNIT_NS);
		put(area, area->line, NAME_CELLS + GMEM_PHASE_MAX * NUMBER_CELLS + 1, STYLE_NORMAL,
		    "%s, %llu pages %s at %#llx", exit_names[slow[i].now.exit],
		    (unsigned long long)slow[i].now.pages, direction_names[slow[i].now.direction],
		    (unsigned long long)slow[i].now.gfn << 12);
		area->line++;
	}
}

void draw_phases(struct area *area)
{
	static const char *const names[] = { "count", "time",	 "p50",	    "p99",
					     "max",   "now p50", "now p99", "now max" };
	const struct features *f = area->tui->frames->features;
	uint64_t vm_id = area->tui->detail.now.id;
	struct model_phase phase;
	unsigned int p;

	if (!(area->tui->model.looked & WANT_LATENCY))
		return;
	heading(area, " Phases of conversions: from the guest's exit until it is entered again");
	if (!(f->facts & FACT(phases))) {
		put(area, area->line++, 0, STYLE_WARN, "not available on this kernel");
		return;
	}
	titles(area, "", names, ARRAY_LEN(names));
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		if (!(f->facts & 1U << phase_facts[p])) {
			put(area, area->line, 0, STYLE_VALUE, "%s", phase_names[p]);
			number(area, area->line++, 0, GMEM_UNKNOWN, UNIT_COUNT);
			continue;
		}
		model_vm_phase(&area->tui->model, vm_id, p, &phase);
		draw_phase(area, phase_names[p], &phase);
	}
	draw_vcpus(area, vm_id);
	draw_slowest(area, vm_id);
}
