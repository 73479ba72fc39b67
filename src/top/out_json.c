// SPDX-License-Identifier: GPL-2.0-only
/* A frame as one line of JSON. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heat.h"
#include "key.h"
#include "out.h"

static const struct json_key field_keys[NR_FIELDS] = {
#define X(object, name, ...) JSON_KEY(#name),
	GMEM_FIELDS(X)
#undef X
};

/* FIELD() in a form that is cheaper to write. */
#define KEY(object, member) (&field_keys[FIELD_##object##_##member])

static void put_key(struct json *json, const struct json_key *name, uint64_t key)
{
	if (key)
		json_hex16(json, name, key);
	else
		json_word(json, name, "null");
}

static void put_value(struct json *json, const char *name, struct value value)
{
	switch (value.kind) {
	case VALUE_NONE: json_null(json, name); break;
	case VALUE_NUMBER: json_u64(json, name, value.number); break;
	case VALUE_FIXED: json_fixed(json, name, value.number); break;
	case VALUE_TEXT: json_str(json, name, value_text(&value)); break;
	}
}

static const struct json_key member_keys[NR_VM_MEMBERS] = {
#define X(name, ...) JSON_KEY(#name),
	GMEM_VM_FIELDS(X)
#undef X
};

static const struct json_key vm_keys[GMEM_VM_MAX] = {
#define X(name, ...) JSON_KEY(#name),
	GMEM_VM_COUNTERS(X)
#undef X
};

static const struct json_key inst_keys[GMEM_INST_MAX] = {
#define X(name, ...) JSON_KEY(#name),
	GMEM_INST_COUNTERS(X)
#undef X
};

static const struct json_key failure_keys[] = { JSON_KEY("errors"), JSON_KEY("denials") };

/* What numbers that are all 0 are written as, where these of them are known. */
struct zeros {
	char *text;
	size_t len;
	uint64_t known;
};

/* Most VMs do nothing in most intervals, and most of the others only a few things. */
static void put_rates(struct json *json, const struct json_key *keys,
		      const unsigned long long *rates, unsigned int nr, uint64_t known,
		      struct zeros *zeros)
{
	struct json text = { 0 };
	unsigned long long any = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		any |= rates[i];
	if (!any && zeros->text && zeros->known == known) {
		json_raw(json, zeros->text, zeros->len);
		return;
	}
	json_members(json, keys, rates, nr, known, JSON_MILLIONTHS);
	if (any)
		return;
	json_members(&text, keys, rates, nr, known, JSON_MILLIONTHS);
	free(zeros->text);
	zeros->text = json_take(&text, &zeros->len) ? text.buf : NULL;
	zeros->known = known;
}

/* Most of what is written of a VM. */
static void put_counters(struct json *json, const struct features *f, const struct model_vm *vm,
			 bool raw)
{
	static struct zeros vm_zeros, inst_zeros, failure_zeros;
	struct value errors, denials;
	uint64_t known_vm = vm_counters_known(f, vm), known_inst = inst_counters_known(f, vm);
	uint64_t rated = vm->rated ? ~0ULL : 0;

	json_begin(json, KEY(vm, counters), '{');
	json_members(json, vm_keys, vm->now.c, GMEM_VM_MAX, known_vm, JSON_ONES);
	json_members(json, inst_keys, vm->inst, GMEM_INST_MAX, known_inst, JSON_ONES);
	json_close(json, '}');
	if (raw)
		return;
	json_begin(json, KEY(vm, rates), '{');
	errors = columns[COLUMN_errors_rate].get(NULL, f, vm);
	denials = columns[COLUMN_denials_rate].get(NULL, f, vm);
	put_rates(json, vm_keys, vm->rate_vm, GMEM_VM_MAX, known_vm & rated, &vm_zeros);
	put_rates(json, inst_keys, vm->rate_inst, GMEM_INST_MAX, known_inst & rated, &inst_zeros);
	put_rates(json, failure_keys, (unsigned long long[]){ errors.number, denials.number }, 2,
		  (uint64_t)(errors.kind != VALUE_NONE) | (uint64_t)(denials.kind != VALUE_NONE)
								  << 1,
		  &failure_zeros);
	json_close(json, '}');
}

static const struct json_key op_keys[GMEM_OP_MAX] = {
#define X(name, ...) JSON_KEY(#name),
	GMEM_OPS(X)
#undef X
};

/* Host faults have no errno. */
static void put_refused(struct json *json, const struct features *f, uint64_t refused)
{
	static const struct json_key key = JSON_KEY("host_fault");

	if (!(f->facts & FACT(host_fault)) || !refused) {
		json_word(json, &key, f->facts & FACT(host_fault) ? "{}" : "null");
		return;
	}
	json_begin(json, KEY(errors, host_fault), '{');
	json_u64(json, FIELD(host_fault, refused), refused);
	json_close(json, '}');
}

/* What nearly every VM has: no errors. It is made once. */
static void put_no_errors(struct json *json, const struct features *f)
{
	static char text[1024];
	static uint32_t facts;
	static size_t len;
	bool known;
	int op;

	if (!len || facts != f->facts) {
		facts = f->facts;
		len = (size_t)snprintf(text, sizeof(text), "\"%s\":{",
				       FIELD(vm, errors_by_operation));
		for (op = 0; op < GMEM_OP_MAX; op++) {
			known = facts & (1U << op_facts[op]);
			len += (size_t)snprintf(text + len, sizeof(text) - len, "\"%s\":%s,",
						op_names[op], known ? "{}" : "null");
		}
		known = facts & FACT(host_fault);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "\"%s\":%s}",
					FIELD(errors, host_fault), known ? "{}" : "null");
	}
	json_raw(json, text, len);
}

static void put_errors(struct json *json, const struct features *f, const struct model_vm *vm)
{
	uint64_t refused = vm->inst[GMEM_INST_host_faults_refused];
	const struct sample_errors *errors = errors_in(vm);
	const struct gmem_errno *e;
	const char *name;
	char number[16];
	int op, i;

	if (!refused && !vm->errors) {
		put_no_errors(json, f);
		return;
	}
	json_begin(json, KEY(vm, errors_by_operation), '{');
	for (op = 0; op < GMEM_OP_MAX; op++) {
		if (!(f->facts & (1U << op_facts[op]))) {
			json_word(json, &op_keys[op], "null");
			continue;
		}
		if (!errors->err[op][0].err && !errors->other[op]) {
			json_word(json, &op_keys[op], "{}");
			continue;
		}
		json_open(json, op_names[op], '{');
		for (i = 0; i < GMEM_ERRNOS; i++) {
			e = &errors->err[op][i];
			if (!e->err)
				break;
			name = strerrorname_np((int)e->err);
			snprintf(number, sizeof(number), "%u", e->err);
			json_u64(json, name ? name : number, e->count);
		}
		if (errors->other[op])
			json_u64(json, FIELD(operation, other), errors->other[op]);
		json_close(json, '}');
	}
	put_refused(json, f, refused);
	json_close(json, '}');
}

/* Times in records are of CLOCK_MONOTONIC. */
static uint64_t realtime(const struct frames *frames, const struct model *model, uint64_t ns)
{
	return frames->time_ns - (model->now_ns - ns);
}

static void put_last_error(struct json *json, uint64_t time_ns, uint32_t op, uint32_t error)
{
	const char *name;
	char number[16];

	if (!error || op >= GMEM_OP_MAX) {
		json_word(json, KEY(vm, last_error), "null");
		return;
	}
	name = strerrorname_np((int)error);
	snprintf(number, sizeof(number), "%u", error);
	json_begin(json, KEY(vm, last_error), '{');
	json_u64(json, FIELD(last_error, time_ns), time_ns);
	json_str(json, FIELD(last_error, operation), op_names[op]);
	json_str(json, FIELD(last_error, error), name ? name : number);
	json_close(json, '}');
}

/* The VMs that ended last, newest first. */
static void put_ended(struct json *json, const struct frames *frames, const struct model *model)
{
	const struct model_ended *ended;
	unsigned int i;

	json_u64(json, FIELD(frame, ended_last_minute), model->ended_lately);
	json_begin(json, KEY(frame, ended), '[');
	for (i = 0; i < model->nr_ended; i++) {
		ended = &model->ended[i];
		json_open(json, NULL, '{');
		json_u64(json, FIELD(ended, id), ended->vm_id);
		put_key(json, KEY(ended, key), ended->key);
		json_u64(json, FIELD(ended, pid), ended->tgid);
		json_str(json, FIELD(ended, name), ended->name);
		json_u64(json, FIELD(ended, time_ns), realtime(frames, model, ended->at_ns));
		json_str(json, FIELD(ended, why), ended->why);
		put_last_error(json, realtime(frames, model, ended->error_ns), ended->error_op,
			       ended->error);
		json_u64(json, FIELD(ended, host_faults_refused), ended->refused);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* p50, p90, p99 and the maximum; null where there were no conversions. */
#define PERCENTILES 3
#define DURATIONS   (PERCENTILES + 1)

static uint64_t durations_of(const struct latency *latency, __u64 *ns)
{
	static const unsigned int percents[PERCENTILES] = { 50, 90, 99 };

	if (!latency || !latency_percentiles(latency, percents, PERCENTILES, ns))
		return 0;
	ns[PERCENTILES] = latency->max_ns;
	return (1U << DURATIONS) - 1;
}

/* Buckets that are not empty: the longest duration that it counts, and how many it has. */
static void put_histogram(struct json *json, const struct latency *latency)
{
	__u64 pairs[GMEM_HIST_BUCKETS][2];
	unsigned int i, nr = 0;

	for (i = latency->low; i < latency->high; i++) {
		if (!latency->hist[i])
			continue;
		pairs[nr][0] = latency_end(i, latency->max_ns);
		pairs[nr++][1] = latency->hist[i];
	}
	json_pairs(json, KEY(direction, histogram), pairs, nr);
}

void out_durations(struct json *json, const struct latency *total, const struct latency *interval)
{
	static const struct json_key keys[NR_SPANS * DURATIONS] = {
#define X(name, ...) JSON_KEY(#name),
		GMEM_DURATIONS(X)
#undef X
	};
	__u64 ns[NR_SPANS * DURATIONS];
	uint64_t known;

	known = durations_of(total, ns);
	known |= durations_of(interval, ns + DURATIONS) << DURATIONS;
	json_members(json, keys, ns, NR_SPANS * DURATIONS, known, JSON_ONES);
	put_histogram(json, total);
}

static void put_direction(struct json *json, int direction, const struct latency *total,
			  const struct latency *interval)
{
	static const struct json_key names[GMEM_DIRECTIONS] = {
#define X(name) JSON_KEY(#name),
		GMEM_DIRECTION_NAMES(X)
#undef X
	};

	json_begin(json, &names[direction], '{');
	out_durations(json, total, interval);
	json_close(json, '}');
}

static void put_latency(struct json *json, const struct features *f, const struct model_vm *vm,
			bool raw)
{
	bool rated = vm->rated && !raw;
	struct latency total, interval;
	int d;

	if (!(f->facts & FACT(convert))) {
		json_word(json, KEY(vm, latency), "null");
		return;
	}
	json_begin(json, KEY(vm, latency), '{');
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		model_latency(vm, d, SINCE_START, &total);
		if (rated)
			model_latency(vm, d, LAST_INTERVAL, &interval);
		put_direction(json, d, &total, rated ? &interval : NULL);
	}
	json_close(json, '}');
}

static void put_host_latency(struct json *json, const struct features *f, const struct model *model,
			     bool raw)
{
	bool rated = model->interval_ns && !raw;
	int d;

	if (!(f->facts & FACT(convert))) {
		json_word(json, KEY(vm, latency), "null");
		return;
	}
	json_begin(json, KEY(vm, latency), '{');
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		put_direction(json, d, &model->host[d][SINCE_START],
			      rated ? &model->host[d][LAST_INTERVAL] : NULL);
	json_close(json, '}');
}

/* Empty cells at the end are left out. */
static void put_heat(struct json *json, const struct features *f, const struct gmem_heat *heat)
{
	if (!(f->facts & FACT(convert))) {
		json_word(json, KEY(vm, heat), "null");
		return;
	}
	json_begin(json, KEY(vm, heat), '{');
	json_u64(json, FIELD(heat, cell_pages), 1ULL << heat->shift);
	json_array(json, FIELD(heat, pages), heat->pages, heat_cells(heat));
	json_u64(json, FIELD(heat, elsewhere), heat->elsewhere);
	json_close(json, '}');
}

static void put_dev(struct json *json, const char *name, uint32_t dev)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", dev >> 20, dev & 0xfffff);
	json_str(json, name, text);
}

static void put_instances(struct json *json, const struct features *f, struct model *model,
			  const struct model_vm *vm)
{
	struct model_inst **insts;
	const struct sample_inst *inst;
	size_t i, nr;
	int c;

	json_begin(json, KEY(vm, instance_list), '[');
	insts = model_insts_of(model, vm->now.id, &nr);
	for (i = 0; i < nr; i++) {
		inst = &insts[i]->now;
		if (inst->id == GMEM_ID_OTHER)
			continue;
		json_open(json, NULL, '{');
		json_u64(json, FIELD(instance, id), inst->id);
		put_key(json, KEY(instance, key), key_of_instance(vm->key, inst->dev, inst->ino));
		put_dev(json, FIELD(instance, dev), inst->dev);
		json_u64(json, FIELD(instance, ino), inst->ino);
		json_u64(json, FIELD(instance, size_pages), inst->size >> 12);
		json_u64(json, FIELD(instance, resident_pages), inst->resident);
		json_u64(json, FIELD(instance, flags), inst->flags);
		json_bool(json, FIELD(instance, existed), !inst->born);
		json_begin(json, KEY(vm, counters), '{');
		for (c = 0; c < GMEM_INST_MAX; c++) {
			if (f->facts & (1U << inst_counter_facts[c]))
				json_u64(json, inst_counter_names[c], inst->c[c]);
			else
				json_null(json, inst_counter_names[c]);
		}
		json_close(json, '}');
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_known(struct json *json, const char *name, uint64_t n)
{
	if (n == GMEM_UNKNOWN)
		json_null(json, name);
	else
		json_u64(json, name, n);
}

static void put_kinds(struct json *json, const struct sample_binding *b)
{
#define P(put, name, ...)                                                                   \
	put(json, FIELD(binding, backing_##name##_pages), b->by_kind[GMEM_BACKING_##name]); \
	put(json, FIELD(binding, waste_##name##_pages), b->twice[GMEM_BACKING_##name]);
	GMEM_BACKINGS(P, put_known)
#undef P
}

static void put_bindings(struct json *json, const struct model *model, const struct model_vm *vm)
{
	const struct model_binding *b;
	size_t i, nr;

	if (vm->bound == GMEM_UNKNOWN) {
		json_word(json, KEY(vm, binding_list), "null");
		return;
	}
	b = model_bindings_of(model, vm->now.id, &nr);
	json_begin(json, KEY(vm, binding_list), '[');
	for (i = 0; i < nr; i++, b++) {
		json_open(json, NULL, '{');
		json_u64(json, FIELD(binding, slot), b->now.slot);
		json_u64(json, FIELD(binding, address_space), b->now.space);
		json_u64(json, FIELD(binding, gpa), b->now.gfn << 12);
		json_u64(json, FIELD(binding, pages), b->now.pages);
		json_u64(json, FIELD(binding, instance), b->inst_id);
		put_dev(json, FIELD(binding, dev), b->now.dev);
		json_u64(json, FIELD(binding, ino), b->now.ino);
		json_u64(json, FIELD(binding, offset_pages), b->now.pgoff);
		json_u64(json, FIELD(binding, userspace_addr), b->now.userspace);
		if (model->looked & WANT_WASTE) {
			put_known(json, FIELD(binding, private_pages), b->now.private);
			put_known(json, FIELD(binding, resident_pages), b->now.resident);
			put_known(json, FIELD(binding, backing_pages), b->now.backing);
			put_known(json, FIELD(binding, waste_instance_pages),
				  b->now.waste_instance);
			put_known(json, FIELD(binding, waste_backing_pages), b->now.waste_backing);
			put_kinds(json, &b->now);
		}
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_holders(struct json *json, const struct model *model, const struct model_vm *vm)
{
	const struct model_holder *holder;
	size_t i, nr;

	holder = model_holders_of(model, vm->now.id, &nr);
	json_begin(json, KEY(vm, holder_list), '[');
	for (i = 0; i < nr; i++, holder++) {
		json_open(json, NULL, '{');
		json_u64(json, FIELD(holder, instance), holder->inst_id);
		json_u64(json, FIELD(holder, pid), holder->now.tgid);
		json_str(json, FIELD(holder, comm), holder->now.comm);
		json_u64(json, FIELD(holder, fds), holder->now.fds);
		json_u64(json, FIELD(holder, mappings), holder->now.mappings);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* What was not looked at is not there; what was, and could not be told, is null. */
static void put_members(struct json *json, const struct features *f, const struct model *model,
			const struct model_vm *vm)
{
	uint32_t looked = model->looked | (model->looked & WANT_WASTE ? WANT_BINDINGS : 0);
	const struct json_key *key = member_keys;
	const struct column *column = columns;
	__u64 numbers[NR_VM_MEMBERS];
	unsigned int nr = 0;
	uint64_t known = 0;
	struct value value;

	/* Numbers that stand side by side are written at once. */
	for (; column < columns + NR_VM_MEMBERS; column++, key++) {
		if (!(column->wants & ~looked) && column->kind != KIND_text) {
			value = column->get(column, f, vm);
			known |= (uint64_t)(value.kind != VALUE_NONE) << nr;
			numbers[nr++] = value.number;
			continue;
		}
		if (nr) {
			json_members(json, key - nr, numbers, nr, known, JSON_ONES);
			nr = 0;
			known = 0;
		}
		if (column->wants & ~looked)
			continue;
		if (column == &columns[COLUMN_key]) {
			put_key(json, key, vm->key);
			continue;
		}
		value = column->get(column, f, vm);
		if (value.kind == VALUE_TEXT) {
			json_key_text(json, key, value_text(&value));
		} else {
			json_word(json, key, "null");
		}
	}
	if (nr)
		json_members(json, key - nr, numbers, nr, known, JSON_ONES);
}

static void put_vm(struct batch *batch, const struct frames *frames, struct model *model,
		   const struct model_vm *vm)
{
	const struct features *f = frames->features;
	struct json *json = &batch->json;

	json_open(json, NULL, '{');
	put_members(json, f, model, vm);
	put_counters(json, f, vm, batch->raw);
	put_errors(json, f, vm);
	put_last_error(json, realtime(frames, model, vm->now.error_ns), vm->now.error_op,
		       vm->now.error);
	put_latency(json, f, vm, batch->raw);
	if (model->looked & WANT_HEAT)
		put_heat(json, f, heat_in(vm));
	if (batch->list_instances)
		put_instances(json, f, model, vm);
	if (model->looked & WANT_BINDINGS)
		put_bindings(json, model, vm);
	if (model->looked & WANT_HOLDERS)
		put_holders(json, model, vm);
	if (model->looked & WANT_LATENCY)
		out_phases(json, frames, model, vm, batch->raw);
	json_close(json, '}');
}

/* What the VMs that ended did is in it. */
static void put_host(struct json *json, const struct features *f, const struct model *model,
		     bool raw)
{
	struct model_vm host;

	model_host(model, &host);
	json_begin(json, KEY(frame, host), '{');
	put_counters(json, f, &host, raw);
	put_value(json, FIELD(host, errors), columns[COLUMN_errors].get(NULL, f, &host));
	put_value(json, FIELD(host, denials), columns[COLUMN_denials].get(NULL, f, &host));
	put_errors(json, f, &host);
	put_host_latency(json, f, model, raw);
	json_close(json, '}');
}

/* Why facts are missing, each reason once. */
static void put_reasons(struct json *json, const struct features *f)
{
	const char *why, *before = NULL;
	int n;

	for (n = 0; n < GMEM_FACT_MAX; n++) {
		why = features_why_missing(f, n);
		if (why && why != before)
			json_str(json, NULL, why);
		if (why)
			before = why;
	}
}

/* A frame, without the end of its line. @out: takes what is complete of it; NULL: nothing does */
static int put_frame(FILE *out, struct batch *batch, const struct frames *frames,
		     struct model *model, size_t nr)
{
	const struct features *f = frames->features;
	struct json *json = &batch->json;
	int n, ret = 0;
	size_t i;

	json_open(json, NULL, '{');
	json_u64(json, FIELD(frame, version), JSON_VERSION);
	json_u64(json, FIELD(frame, frame), model->frame);
	json_u64(json, FIELD(frame, time_ns), frames->time_ns);
	json_u64(json, FIELD(frame, interval_ns), model->interval_ns);
	json_str(json, FIELD(frame, kernel), frames->kernel);
	json_begin(json, KEY(frame, missing), '[');
	for (n = 0; n < GMEM_FACT_MAX; n++) {
		if (!(f->facts & (1U << n)))
			json_str(json, NULL, fact_names[n]);
	}
	json_close(json, ']');
	json_begin(json, KEY(frame, missing_because), '[');
	put_reasons(json, f);
	json_close(json, ']');
	json_str(json, FIELD(frame, private_from), features_private_from(f));
	json_begin(json, KEY(frame, lost), '{');
	for (n = 0; n < GMEM_LOST_MAX; n++)
		json_u64(json, loss_names[n], model->lost[n]);
	json_u64(json, FIELD(lost, missed), model->missed);
	json_close(json, '}');
	json_bool(json, FIELD(frame, lower_bounds), model_lower_bounds(model));
	policy_counts_json(&model->policy, FIELD(frame, policy), json);
	put_host(json, f, model, batch->raw);
	put_ended(json, frames, model);
	json_begin(json, KEY(frame, vms), '[');
	for (i = 0; i < nr && !ret; i++) {
		put_vm(batch, frames, model, batch->shown[i]);
		if (out)
			ret = json_write_part(json, out);
	}
	json_close(json, ']');
	json_close(json, '}');
	return ret;
}

int out_json(FILE *out, struct batch *batch, const struct frames *frames, struct model *model,
	     size_t nr)
{
	int ret = put_frame(out, batch, frames, model, nr);

	return ret ? ret : json_flush_line(&batch->json, out);
}

int out_json_line(struct batch *batch, const struct frames *frames, struct model *model, size_t nr,
		  const char **line, size_t *len)
{
	put_frame(NULL, batch, frames, model, nr);
	return json_take_line(&batch->json, line, len);
}
