// SPDX-License-Identifier: GPL-2.0-only
/* What conversions spend their time on, as JSON and as a table. */
#include <errno.h>
#include <libsmartcols.h>

#include "model_phases.h"
#include "out.h"

static void put_phases(struct json *json, const struct features *f, const struct model *model,
		       const struct model_vm *vm, const struct model_vcpu *vcpu, bool raw)
{
	struct model_phase phase;
	unsigned int p;

	json_open(json, FIELD(vm, phases), '{');
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		if (!(f->facts & 1U << phase_facts[p])) {
			json_null(json, phase_names[p]);
			continue;
		}
		if (vcpu)
			model_vcpu_phase(vcpu, p, &phase);
		else
			model_vm_phase(model, vm->now.id, p, &phase);
		json_open(json, phase_names[p], '{');
		json_u64(json, FIELD(phase, count), phase.count);
		json_u64(json, FIELD(phase, sum_ns), phase.sum_ns);
		out_durations(json, &phase.span[SINCE_START],
			      vm->rated && !raw ? &phase.span[LAST_INTERVAL] : NULL);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void put_slowest(struct json *json, const struct frames *frames, const struct model *model,
			const struct model_vm *vm)
{
	struct model_slow slow[GMEM_SLOWEST];
	unsigned int nr = model_slowest(model, vm->now.id, slow), i, p;
	const struct gmem_slow *one;

	json_open(json, FIELD(vm, slowest), '[');
	for (i = 0; i < nr; i++) {
		one = &slow[i].now;
		json_open(json, NULL, '{');
		/* Times in records are of CLOCK_MONOTONIC. */
		json_u64(json, FIELD(slow, time_ns),
			 frames->time_ns - (model->now_ns - one->exit_ns));
		json_u64(json, FIELD(slow, vcpu), slow[i].vcpu);
		json_str(json, FIELD(slow, exit), exit_names[one->exit]);
		json_str(json, FIELD(slow, direction), direction_names[one->direction]);
		json_u64(json, FIELD(slow, gpa), one->gfn << 12);
		json_u64(json, FIELD(slow, pages), one->pages);
		json_open(json, FIELD(slow, phases_ns), '{');
		for (p = 0; p < GMEM_PHASE_MAX; p++) {
			if (one->ns[p] == GMEM_UNKNOWN)
				json_null(json, phase_names[p]);
			else
				json_u64(json, phase_names[p], one->ns[p]);
		}
		json_close(json, '}');
		json_close(json, '}');
	}
	json_close(json, ']');
}

void out_phases(struct json *json, const struct frames *frames, const struct model *model,
		const struct model_vm *vm, bool raw)
{
	const struct features *f = frames->features;
	struct model_vcpu **vcpus;
	size_t nr, i;

	if (!(f->facts & FACT(phases))) {
		json_null(json, FIELD(vm, phases));
		return;
	}
	put_phases(json, f, model, vm, NULL, raw);
	vcpus = model_vcpus_of(model, vm->now.id, &nr);
	json_open(json, FIELD(vm, vcpu_list), '[');
	for (i = 0; i < nr; i++) {
		json_open(json, NULL, '{');
		json_u64(json, FIELD(vcpu, id), vcpus[i]->now.id);
		put_phases(json, f, model, vm, vcpus[i], raw);
		json_close(json, '}');
	}
	json_close(json, ']');
	put_slowest(json, frames, model, vm);
}

/* --- text --- */

static const char *const titles[] = { "ID",	"NAME",	  "PHASE",  "COUNT",  "SUM_NS",
				      "P50_NS", "P90_NS", "P99_NS", "MAX_NS", "INTERVAL_P99_NS" };

#define NR_TITLES    (sizeof(titles) / sizeof(titles[0]))
#define FIRST_NUMBER 3

static int set_number(struct libscols_line *line, unsigned int column, bool known, uint64_t value)
{
	char text[24] = "-";

	if (known)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return scols_line_set_data(line, column, text);
}

static int add_line(struct libscols_table *table, const struct features *f,
		    const struct model *model, const struct model_vm *vm, enum gmem_phase_id p)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	struct libscols_line *line = scols_table_new_line(table, NULL);
	bool known = f->facts & 1U << phase_facts[p], any, lately;
	__u64 ns[3] = { 0 }, now[3] = { 0 };
	struct model_phase phase;
	char text[24];
	int ret;

	if (!line)
		return -ENOMEM;
	model_vm_phase(model, vm->now.id, p, &phase);
	any = known && latency_percentiles(&phase.span[SINCE_START], percents, 3, ns);
	lately = known && vm->rated &&
		 latency_percentiles(&phase.span[LAST_INTERVAL], percents, 3, now);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)vm->now.id);
	ret = scols_line_set_data(line, 0, text);
	ret = ret ?: scols_line_set_data(line, 1, vm->name);
	ret = ret ?: scols_line_set_data(line, 2, phase_names[p]);
	ret = ret ?: set_number(line, FIRST_NUMBER, known, phase.count);
	ret = ret ?: set_number(line, FIRST_NUMBER + 1, known, phase.sum_ns);
	ret = ret ?: set_number(line, FIRST_NUMBER + 2, any, ns[0]);
	ret = ret ?: set_number(line, FIRST_NUMBER + 3, any, ns[1]);
	ret = ret ?: set_number(line, FIRST_NUMBER + 4, any, ns[2]);
	ret = ret ?: set_number(line, FIRST_NUMBER + 5, any, phase.span[SINCE_START].max_ns);
	return ret ?: set_number(line, FIRST_NUMBER + 6, lately, now[2]);
}

int out_phases_text(FILE *out, const struct batch *batch, const struct frames *frames,
		    const struct model *model, size_t nr)
{
	struct libscols_table *table = scols_new_table();
	int ret = table ? 0 : -ENOMEM;
	unsigned int c, p;
	size_t i;

	for (c = 0; c < NR_TITLES && !ret; c++) {
		if (!scols_table_new_column(table, titles[c], 0,
					    c && c < FIRST_NUMBER ? 0 : SCOLS_FL_RIGHT))
			ret = -ENOMEM;
	}
	for (i = 0; i < nr && !ret; i++) {
		for (p = 0; p < GMEM_PHASE_MAX && !ret; p++)
			ret = add_line(table, frames->features, model, batch->shown[i], p);
	}
	if (!ret && nr) {
		scols_table_enable_nowrap(table, 1);
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
		scols_table_set_stream(table, out);
		ret = scols_print_table(table);
	}
	scols_unref_table(table);
	return ret;
}
