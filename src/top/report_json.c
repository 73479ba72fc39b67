// SPDX-License-Identifier: GPL-2.0-only
/* A report as one JSON object; names of counters, gauges and errors are those of frames. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "../lib/json.h"
#include "columns.h"
#include "heat.h"
#include "key.h"
#include "report.h"

static void put_known(struct json *json, const char *name, bool known, uint64_t value)
{
	if (known)
		json_u64(json, name, value);
	else
		json_null(json, name);
}

static void put_counters(struct json *json, const struct digest_vm *vm)
{
	int c;

	json_open(json, FIELD(vm, counters), '{');
	for (c = 0; c < GMEM_VM_MAX; c++)
		put_known(json, vm_counter_names[c], vm->known_vm >> c & 1, vm->c[c]);
	for (c = 0; c < GMEM_INST_MAX; c++)
		put_known(json, inst_counter_names[c], vm->known_inst >> c & 1, vm->inst[c]);
	json_close(json, '}');
}

static void put_errors(struct json *json, const struct digest_vm *vm, uint32_t facts)
{
	const struct digest_error *e;
	const char *name;
	char number[16];
	int op;

	json_u64(json, VM_FIELD(errors), digest_errors(vm));
	put_known(json, VM_FIELD(denials), facts & FACT(deny), vm->denials);
	json_open(json, FIELD(vm, errors_by_operation), '{');
	for (op = 0; op < GMEM_OP_MAX; op++) {
		if (!(facts & (1U << op_facts[op]))) {
			json_null(json, op_names[op]);
			continue;
		}
		json_open(json, op_names[op], '{');
		for (e = vm->errors; e < vm->errors + vm->nr_errors; e++) {
			if ((int)e->op != op)
				continue;
			name = e->error ? strerrorname_np((int)e->error) : FIELD(operation, other);
			snprintf(number, sizeof(number), "%u", e->error);
			json_u64(json, name ? name : number, e->count);
		}
		json_close(json, '}');
	}
	if (facts & FACT(host_fault)) {
		json_open(json, FIELD(errors, host_fault), '{');
		if (vm->inst[GMEM_INST_host_faults_refused])
			json_u64(json, FIELD(host_fault, refused),
				 vm->inst[GMEM_INST_host_faults_refused]);
		json_close(json, '}');
	} else {
		json_null(json, FIELD(errors, host_fault));
	}
	json_close(json, '}');
}

/* Members of an object: percentiles and the histogram. */
static void put_percentiles(struct json *json, const struct latency *latency)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	static const enum column_id ids[] = { COLUMN_p50_ns, COLUMN_p90_ns, COLUMN_p99_ns };
	__u64 ns[3];
	bool any = latency_percentiles(latency, percents, 3, ns);
	unsigned int i;

	for (i = 0; i < 3; i++)
		put_known(json, columns[ids[i]].name, any, any ? ns[i] : 0);
	put_known(json, columns[COLUMN_max_ns].name, any, latency->max_ns);
	json_open(json, FIELD(direction, histogram), '[');
	for (i = latency->low; i < latency->high; i++) {
		if (!latency->hist[i])
			continue;
		json_open(json, NULL, '[');
		json_u64(json, NULL, latency_end(i, latency->max_ns));
		json_u64(json, NULL, latency->hist[i]);
		json_close(json, ']');
	}
	json_close(json, ']');
}

static void put_direction(struct json *json, const char *name, const struct latency *latency)
{
	json_open(json, name, '{');
	put_percentiles(json, latency);
	json_close(json, '}');
}

static void put_latency(struct json *json, const struct digest_vm *vm, uint32_t facts)
{
	int d;

	if (!(facts & FACT(convert))) {
		json_null(json, FIELD(vm, latency));
		return;
	}
	json_open(json, FIELD(vm, latency), '{');
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		put_direction(json, direction_names[d], &vm->latency[d]);
	json_close(json, '}');
}

/* Pairs: pages from which on a size counts, and conversions. */
static void put_sizes(struct json *json, const struct digest_vm *vm)
{
	int d, i;

	json_open(json, "mean_sizes", '{');
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		json_open(json, direction_names[d], '[');
		for (i = 0; i < DIGEST_SIZES; i++) {
			if (!vm->sizes[d][i])
				continue;
			json_open(json, NULL, '[');
			json_u64(json, NULL, 1ULL << i);
			json_u64(json, NULL, vm->sizes[d][i]);
			json_close(json, ']');
		}
		json_close(json, ']');
	}
	json_close(json, '}');
}

/* The value at the end, the largest one, and the largest one that two frames in a row had. */
static void put_gauge(struct json *json, const char *name, const struct digest_gauge *gauge)
{
	char derived[JSON_KEY_SIZE];

	put_known(json, name, gauge->frames, gauge->last);
	snprintf(derived, sizeof(derived), "%s_peak", name);
	put_known(json, derived, gauge->frames, gauge->peak);
	snprintf(derived, sizeof(derived), "%s_held", name);
	put_known(json, derived, gauge->frames, gauge->held);
}

static void put_timeline(struct json *json, const struct timeline *t)
{
	const struct timeline_slot *s;
	unsigned int i, used = timeline_used(t);

	json_open(json, "timeline", '{');
	json_u64(json, "begin_ns", t->begin_ns);
	json_u64(json, "slot_ns", t->slot_ns);
	json_open(json, "slots", '[');
	for (i = 0; i < used; i++) {
		s = &t->slots[i];
		json_open(json, NULL, '{');
		json_u64(json, "conversions", s->conversions);
		json_u64(json, "converted_pages", s->pages);
		json_u64(json, "conversions_ns", s->ns);
		json_u64(json, inst_counter_names[GMEM_INST_guest_faults], s->faults);
		json_u64(json, VM_FIELD(errors), s->errors);
		json_u64(json, VM_FIELD(private_pages), s->private);
		json_u64(json, VM_FIELD(resident_pages), s->resident);
		json_u64(json, "waste_pages", s->waste);
		if (t->heat) {
			json_open(json, FIELD(vm, heat), '{');
			json_u64(json, FIELD(heat, cell_pages), 1ULL << t->heat[i].shift);
			json_array(json, FIELD(heat, pages), t->heat[i].pages,
				   heat_cells(&t->heat[i]));
			json_u64(json, FIELD(heat, elsewhere), t->heat[i].elsewhere);
			json_close(json, '}');
		}
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void put_phases(struct json *json, const struct digest_vm *vm)
{
	unsigned int p;

	if (!vm->phases) {
		json_null(json, FIELD(vm, phases));
		return;
	}
	json_open(json, FIELD(vm, phases), '{');
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		json_open(json, phase_names[p], '{');
		json_u64(json, FIELD(phase, count), vm->phases[p].count);
		json_u64(json, FIELD(phase, sum_ns), vm->phases[p].sum_ns);
		put_percentiles(json, &vm->phases[p].latency);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void identify(struct json *json, const struct digest_vm *vm)
{
	char key[KEY_LEN];

	json_u64(json, VM_FIELD(id), vm->id);
	json_str(json, VM_FIELD(key), key_text(vm->key, key));
	json_u64(json, "run", vm->run);
	json_u64(json, VM_FIELD(pid), vm->pid);
	json_str(json, VM_FIELD(name), vm->name);
}

static void put_slowest(struct json *json, const struct digest *digest)
{
	const struct digest_slow *s;
	unsigned int p;

	json_open(json, FIELD(vm, slowest), '[');
	for (s = digest->slowest; s < digest->slowest + digest->nr_slowest; s++) {
		json_open(json, NULL, '{');
		json_open(json, "vm", '{');
		identify(json, s->vm);
		json_close(json, '}');
		json_u64(json, FIELD(slow, time_ns), s->time_ns);
		json_u64(json, FIELD(slow, vcpu), s->slow.vcpu);
		json_str(json, FIELD(slow, exit),
			 exit_names[s->slow.now.exit % GMEM_GUEST_EXIT_MAX]);
		json_str(json, FIELD(slow, direction),
			 direction_names[s->slow.now.direction % GMEM_DIRECTIONS]);
		json_u64(json, FIELD(slow, gpa), s->slow.now.gfn << 12);
		json_u64(json, FIELD(slow, pages), s->slow.now.pages);
		json_open(json, FIELD(slow, phases_ns), '{');
		for (p = 0; p < GMEM_PHASE_MAX; p++)
			put_known(json, phase_names[p], s->slow.now.ns[p] != GMEM_UNKNOWN,
				  s->slow.now.ns[p]);
		json_close(json, '}');
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_vm(struct json *json, const struct digest_vm *vm, uint32_t facts)
{
	put_counters(json, vm);
	put_errors(json, vm, facts);
	put_latency(json, vm, facts);
	put_phases(json, vm);
	put_sizes(json, vm);
	put_gauge(json, VM_FIELD(size_pages), &vm->size);
	put_gauge(json, VM_FIELD(private_pages), &vm->private);
	put_gauge(json, VM_FIELD(resident_pages), &vm->resident);
	put_gauge(json, VM_FIELD(waste_instance_pages), &vm->waste_instance);
	put_gauge(json, VM_FIELD(waste_backing_pages), &vm->waste_backing);
	put_timeline(json, &vm->timeline);
}

static void put_vms(struct json *json, const struct report *report)
{
	const struct digest_vm *vm;
	size_t i;

	json_open(json, FIELD(frame, vms), '[');
	for (i = 0; i < report->nr_worst; i++) {
		vm = report->worst[i];
		json_open(json, NULL, '{');
		identify(json, vm);
		json_str(json, VM_FIELD(type), vm_type_name(vm->type));
		json_str(json, VM_FIELD(cgroup), vm->cgroup);
		json_u64(json, "first_seen_ns", vm->first_ns);
		json_u64(json, "last_seen_ns", vm->last_ns);
		json_bool(json, "ended", vm->ended);
		json_str(json, FIELD(ended, why), vm->why[0] ? vm->why : NULL);
		put_vm(json, vm, report->digest.facts);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_findings(struct json *json, const struct diagnosis *diagnosis)
{
	const struct finding *f;
	unsigned int i;

	json_open(json, "findings", '[');
	for (f = diagnosis->findings; f < diagnosis->findings + diagnosis->nr; f++) {
		json_open(json, NULL, '{');
		json_str(json, "rule", f->rule->name);
		json_str(json, "cause", f->rule->cause);
		json_open(json, "vm", '{');
		identify(json, f->vm);
		json_close(json, '}');
		json_str(json, "evidence", f->evidence.text);
		json_open(json, "numbers", '{');
		for (i = 0; i < f->evidence.nr; i++)
			json_u64(json, f->evidence.numbers[i].name, f->evidence.numbers[i].value);
		json_close(json, '}');
		json_str(json, "saving", f->evidence.saving[0] ? f->evidence.saving : NULL);
		json_str(json, "advice", f->rule->advice);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_unchecked(struct json *json, const struct diagnosis *diagnosis)
{
	const struct unchecked *u;
	int fact;

	json_open(json, "not_checked", '[');
	for (u = diagnosis->unchecked; u < diagnosis->unchecked + diagnosis->nr_unchecked; u++) {
		json_open(json, NULL, '{');
		json_str(json, "rule", u->rule->name);
		json_open(json, FIELD(frame, missing), '[');
		for (fact = 0; fact < GMEM_FACT_MAX; fact++) {
			if (u->missing & (1U << fact))
				json_str(json, NULL, fact_names[fact]);
		}
		json_close(json, ']');
		json_str(json, "record_with", u->missing ? NULL : u->rule->record);
		json_close(json, '}');
	}
	json_close(json, ']');
}

int report_json(FILE *out, const struct report *report)
{
	const struct digest *d = &report->digest;
	struct json json = { 0 };
	int n, ret;

	json_open(&json, NULL, '{');
	json_u64(&json, FIELD(frame, version), REPORT_VERSION);
	json_str(&json, "file", report->path);
	json_u64(&json, "first_ns", d->first_ns);
	json_u64(&json, "last_ns", d->last_ns);
	json_u64(&json, "covered_ns", d->watched_ns);
	json_u64(&json, "frames", d->frames);
	json_u64(&json, "runs", d->runs);
	json_bool(&json, "begins_in_the_middle", d->middle);
	json_str(&json, FIELD(frame, kernel), d->kernel);
	json_open(&json, FIELD(frame, missing), '[');
	for (n = 0; n < GMEM_FACT_MAX; n++) {
		if (!(d->facts & (1U << n)))
			json_str(&json, NULL, fact_names[n]);
	}
	json_close(&json, ']');
	json_open(&json, FIELD(frame, lost), '{');
	for (n = 0; n < GMEM_LOST_MAX; n++)
		json_u64(&json, loss_names[n], d->lost[n]);
	json_u64(&json, FIELD(lost, missed), d->missed);
	json_close(&json, '}');
	json_bool(&json, FIELD(frame, lower_bounds), d->lower_bounds);
	json_u64(&json, "vms_seen", d->nr_vms);
	json_open(&json, FIELD(frame, host), '{');
	put_vm(&json, &d->host, d->facts);
	json_close(&json, '}');
	put_vms(&json, report);
	put_slowest(&json, d);
	put_findings(&json, &report->diagnosis);
	put_unchecked(&json, &report->diagnosis);
	json_close(&json, '}');
	ret = json_flush_line(&json, out);
	json_free(&json);
	return ret;
}
