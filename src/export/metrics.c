// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/version.h"
#include "../top/columns.h"
#include "../top/key.h"
#include "metrics.h"
#include "metrics_text.h"

/* Of a VM every second power of two is a bucket, of the host each. */
#define VM_STEPS   2
#define HOST_STEPS 1

static const char *const down_names[] = {
#define X(name) #name,
	GMEM_DOWN_REASONS(X)
#undef X
};

static const char *const code_names[NR_CODES] = {
#define X(status) #status,
	METRICS_CODES(X)
#undef X
};

static const char *const mode_names[2] = { "enforce", "audit" };

/* --- samples --- */

/* A family that is being written. */
struct family {
	struct text *text;
	const struct metrics_state *state;
	const struct metric *metric;
	enum metrics_format format;
	bool node;
	char name[METRIC_NAME_SIZE];
	size_t len;
	unsigned int steps;
	/* The labels of the row, and of the sample. */
	struct text row;
	struct text labels;
	/* When the counters of the row began, as text; many rows have the same time. */
	uint64_t created_ns;
	struct text created;
	struct text buckets; /* what the buckets of a histogram begin with */
};

static void label(struct text *labels, const char *name, const char *value)
{
	if (labels->len)
		text_put(labels, ",", 1);
	text_puts(labels, name);
	text_put(labels, "=", 1);
	text_value(labels, value);
}

/* The labels of a sample begin with those of its row. */
static void begin(struct family *family, const char *name, const char *value)
{
	family->labels.len = 0;
	text_put(&family->labels, family->row.data, family->row.len);
	if (name)
		label(&family->labels, name, value);
}

/* The name of a sample and its labels. */
static void head(struct family *family, const char *suffix)
{
	struct text *text = family->text, *labels = &family->labels;

	text_put(text, family->name, family->len);
	text_puts(text, suffix);
	if (labels->len) {
		text_put(text, "{", 1);
		text_put(text, labels->data, labels->len);
		text_put(text, "}", 1);
	}
	text_put(text, " ", 1);
}

static void sample(struct family *family, const char *suffix, uint64_t value)
{
	head(family, suffix);
	text_u64(family->text, value);
	text_put(family->text, "\n", 1);
}

static void sample_seconds(struct family *family, const char *suffix, uint64_t ns)
{
	head(family, suffix);
	text_seconds(family->text, ns);
	text_put(family->text, "\n", 1);
}

/* When the counter was 0. Only OpenMetrics has that. */
static void created(struct family *family, uint64_t ns)
{
	if (family->format != METRICS_OPENMETRICS || !ns || family->state->no_created)
		return;
	if (family->created_ns != ns) {
		family->created.len = 0;
		text_seconds(&family->created, ns);
		text_put(&family->created, "\n", 1);
		family->created_ns = ns;
	}
	head(family, "_created");
	text_put(family->text, family->created.data, family->created.len);
}

static void counter(struct family *family, uint64_t value, uint64_t created_ns)
{
	sample(family, "_total", value);
	created(family, created_ns);
}

/* --- families of rows --- */

static void write_vm_info(struct family *family, const struct row *row)
{
	const struct model_vm *vm = row->vm;
	char key[KEY_LEN];

	if (!vm)
		return;
	begin(family, "key", key_text(vm->key, key) ? key : "");
	label(&family->labels, "type", vm_type_name(vm->now.type));
	label(&family->labels, "cgroup", vm->cgroup ? vm->cgroup : "");
	snprintf(key, sizeof(key), "%.16s", vm->now.comm);
	label(&family->labels, "vmm", key);
	sample(family, "_info", 1);
}

static void write_gauge(struct family *family, const struct row *row, unsigned int gauge,
			const char *name, const char *value)
{
	if (row->gauges[gauge] == GMEM_UNKNOWN)
		return;
	begin(family, name, value);
	sample(family, "", row->gauges[gauge]);
}

static void write_directions(struct family *family, const struct row *row)
{
	unsigned int d, index = family->metric->argument;

	for (d = 0; d < GMEM_DIRECTIONS; d++, index += GMEM_PER_DIRECTION) {
		if (!(row->known_vm >> index & 1))
			continue;
		begin(family, DIRECTION, direction_names[d]);
		counter(family, row->now.vm[index], row->created_ns);
	}
}

/* The end of the labels of a bucket: its bound. */
static const char *step_text(unsigned int step)
{
	static char texts[DURATION_STEPS][32];
	char *text = texts[step];

	if (!*text && step < DURATION_STEPS - 1)
		snprintf(text, sizeof(texts[step]), "%.10g\"} ",
			 (double)duration_step_end(step) / 1e9);
	return step < DURATION_STEPS - 1 ? text : "+Inf\"} ";
}

/* The buckets of a histogram differ in their bounds only. */
static void begin_buckets(struct family *family)
{
	struct text *buckets = &family->buckets;

	buckets->len = 0;
	text_put(buckets, family->name, family->len);
	text_puts(buckets, "_bucket{");
	text_put(buckets, family->labels.data, family->labels.len);
	text_puts(buckets, family->labels.len ? ",le=\"" : "le=\"");
}

/* Which VM it was says the key; the name is in the labels already, except in those of the host. */
static void put_exemplar(struct family *family, const struct longest *longest)
{
	struct text *text = family->text;
	char key[KEY_LEN];

	text_puts(text, " # {key=");
	text_value(text, key_text(longest->key, key) ? key : "");
	if (family->node) {
		text_puts(text, ",vm=");
		text_value(text, longest->vm);
	}
	text_puts(text, "} ");
	text_seconds(text, longest->ns);
	text_puts(text, " ");
	text_seconds(text, longest->time_ns);
}

/*
 * Only OpenMetrics has exemplars. A duration that was counted before the VM had this series is in
 * no bucket of it. @last: the step of the bucket before; @more: what this one counts beyond that.
 */
static bool has_exemplar(const struct family *family, const struct longest *longest, int last,
			 unsigned int step, uint64_t more)
{
	return family->state->exemplars && family->format == METRICS_OPENMETRICS && longest->ns &&
	       more && (last < 0 || longest->ns > duration_step_end((unsigned int)last)) &&
	       (step == DURATION_STEPS - 1 || longest->ns <= duration_step_end(step));
}

static void write_durations(struct family *family, const struct row *row)
{
	unsigned int d, s, index = GMEM_VM_to_private_ns;
	uint64_t sum, before;
	int last;

	for (d = 0; d < GMEM_DIRECTIONS; d++, index += GMEM_PER_DIRECTION) {
		if (!(row->known_vm >> index & 1))
			continue;
		begin(family, DIRECTION, direction_names[d]);
		begin_buckets(family);
		for (s = 0, sum = 0, before = 0, last = -1; s < DURATION_STEPS; s++) {
			sum += row->now.durations[d][s];
			if (s % family->steps && s != DURATION_STEPS - 1)
				continue;
			text_put(family->text, family->buckets.data, family->buckets.len);
			text_puts(family->text, step_text(s));
			text_u64(family->text, sum);
			if (has_exemplar(family, &row->longest[d], last, s, sum - before))
				put_exemplar(family, &row->longest[d]);
			text_put(family->text, "\n", 1);
			before = sum;
			last = (int)s;
		}
		sample(family, "_count", sum);
		sample_seconds(family, "_sum", row->now.vm[index]);
		created(family, row->created_ns);
	}
}

static void write_errors(struct family *family, const struct row *row)
{
	unsigned int op;

	for (op = 0; op < GMEM_OP_MAX; op++) {
		if (!(row->known_errors >> op & 1))
			continue;
		begin(family, OPERATION, op_names[op]);
		counter(family, row->now.errors[op], row->created_ns);
	}
}

static void write_counter(struct family *family, const struct row *row, uint64_t known,
			  const uint64_t *counters)
{
	unsigned int index = family->metric->argument;

	if (!(known >> index & 1))
		return;
	begin(family, NULL, NULL);
	counter(family, counters[index], row->created_ns);
}

static void write_row(struct family *family, const struct row *row)
{
	family->row.len = 0;
	if (!family->node)
		label(&family->row, "vm", row->label);
	switch (family->metric->writer) {
	case METRIC_BY_VM_INFO: write_vm_info(family, row); break;
	case METRIC_BY_GAUGE: write_gauge(family, row, family->metric->argument, NULL, NULL); break;
	case METRIC_BY_WASTED:
		write_gauge(family, row, ROW_WASTE_INSTANCE, "where", "instance");
		write_gauge(family, row, ROW_WASTE_BACKING, "where", "backing");
		break;
	case METRIC_BY_DIRECTIONS: write_directions(family, row); break;
	case METRIC_BY_DURATIONS: write_durations(family, row); break;
	case METRIC_BY_ERRORS: write_errors(family, row); break;
	case METRIC_BY_VM_COUNTER: write_counter(family, row, row->known_vm, row->now.vm); break;
	case METRIC_BY_INST_COUNTER:
		write_counter(family, row, row->known_inst, row->now.inst);
		break;
	default: break;
	}
}

/* --- families of the host --- */

static void write_up(struct family *family)
{
	const struct metrics_state *state = family->state;

	if (state->up)
		begin(family, NULL, NULL);
	else
		begin(family, "reason", down_names[state->why]);
	sample(family, "", state->up);
}

/* "0.9.0 (1a2b3c)" */
static void write_build(struct family *family)
{
	char version[64], *commit;

	snprintf(version, sizeof(version), "%s", gmem_version);
	commit = strchr(version, '(');
	version[strcspn(version, " ")] = '\0';
	if (commit)
		commit[strcspn(commit, ")")] = '\0';
	begin(family, "version", version);
	label(&family->labels, "commit", commit ? commit + 1 : "");
	sample(family, "_info", 1);
}

static void write_facts(struct family *family)
{
	int fact;

	for (fact = 0; fact < GMEM_FACT_MAX; fact++) {
		begin(family, "fact", fact_names[fact]);
		sample(family, "", family->state->frames->features->facts >> fact & 1);
	}
}

static void write_lost(struct family *family, const struct ledger_host *numbers, uint64_t since_ns)
{
	int reason;

	for (reason = 0; reason < GMEM_LOST_MAX; reason++) {
		begin(family, "reason", loss_names[reason]);
		counter(family, numbers->lost[reason], since_ns);
	}
	begin(family, "reason", "missed");
	counter(family, numbers->missed, since_ns);
}

static void write_policy(struct family *family)
{
	const struct policy_counts *policy = &family->state->model->policy;

	if (!policy->known)
		return;
	if (family->metric->writer == METRIC_BY_POLICY) {
		begin(family, "mode",
		      policy->in_force ? mode_names[policy->enforce ? 0 : 1] : "none");
		sample(family, "_info", 1);
		return;
	}
	begin(family, NULL, NULL);
	sample(family, "", policy->generation);
}

/* The policy counts since its programs were attached, which is not known here: no _created. */
static void write_denials(struct family *family, const struct ledger_host *numbers)
{
	int op, mode;

	if (!family->state->model->policy.known)
		return;
	for (op = 0; op < POLICY_OPERATIONS; op++) {
		for (mode = 0; mode < 2; mode++) {
			begin(family, OPERATION, policy_operation_names[op]);
			label(&family->labels, "mode", mode_names[mode]);
			counter(family, numbers->denied[mode][op], 0);
		}
	}
}

static void write_requests(struct family *family)
{
	int code;

	for (code = 0; code < NR_CODES && family->state->requests; code++) {
		begin(family, "code", code_names[code]);
		counter(family, family->state->requests[code], 0);
	}
}

/* Does the metric need nothing of a frame? */
static bool is_of_exporter(const struct metric *metric)
{
	return metric->writer == METRIC_BY_UP || metric->writer == METRIC_BY_BUILD ||
	       metric->writer == METRIC_BY_REQUESTS;
}

static void write_host(struct family *family)
{
	const struct metrics_state *state = family->state;
	const struct ledger_host *numbers = NULL;
	uint64_t since_ns = 0;

	/* Before the first frame there is no ledger. */
	if (state->up) {
		numbers = ledger_numbers(state->ledger);
		since_ns = ledger_host(state->ledger)->created_ns;
	}
	begin(family, NULL, NULL);
	switch (family->metric->writer) {
	case METRIC_BY_UP: write_up(family); break;
	case METRIC_BY_BUILD: write_build(family); break;
	case METRIC_BY_REQUESTS: write_requests(family); break;
	case METRIC_BY_FACTS: write_facts(family); break;
	case METRIC_BY_LOWER_BOUNDS: sample(family, "", model_lower_bounds(state->model)); break;
	case METRIC_BY_LOST: write_lost(family, numbers, since_ns); break;
	case METRIC_BY_FRAME: sample_seconds(family, "", state->frame_ns); break;
	case METRIC_BY_VMS: sample(family, "", numbers->vms); break;
	case METRIC_BY_VMS_WITHOUT_VMM: sample(family, "", numbers->vms_without_vmm); break;
	case METRIC_BY_VMS_ENDED: counter(family, numbers->vms_ended, since_ns); break;
	case METRIC_BY_POLICY:
	case METRIC_BY_POLICY_GENERATION: write_policy(family); break;
	case METRIC_BY_DENIALS: write_denials(family, numbers); break;
	default: break;
	}
}

/* --- all families --- */

/* In OpenMetrics the family's name has no suffix; the older format knows no information. */
static void put_header(struct family *family)
{
	const struct metric *metric = family->metric;
	struct text *text = family->text;
	const char *type = metric_type_names[metric->type];
	char name[METRIC_NAME_SIZE], first[1];

	if (family->format == METRICS_OPENMETRICS) {
		snprintf(name, sizeof(name), "%s", family->name);
	} else {
		metric_full_name(metric, family->node, name, sizeof(name));
		if (metric->type == METRIC_INFO)
			type = metric_type_names[METRIC_GAUGE];
	}
	text_puts(text, "# HELP ");
	text_puts(text, name);
	text_put(text, " ", 1);
	/* Helps of counters begin with a small letter. */
	*first = (char)toupper((unsigned char)*metric->help);
	text_put(text, first, 1);
	text_puts(text, metric->help + 1);
	if (family->node)
		text_puts(text, ", of all VMs of the host");
	text_puts(text, ".\n# TYPE ");
	text_puts(text, name);
	text_put(text, " ", 1);
	text_puts(text, type);
	text_put(text, "\n", 1);
	if (family->format == METRICS_OPENMETRICS && *metric->unit) {
		text_puts(text, "# UNIT ");
		text_puts(text, name);
		text_put(text, " ", 1);
		text_puts(text, metric->unit);
		text_put(text, "\n", 1);
	}
}

/* A family without samples is left out. */
static void write_family(struct family *family, const struct metric *metric, bool node)
{
	const struct metrics_state *state = family->state;
	size_t start = family->text->len, header, i, nr;
	const struct row *const *rows;

	family->metric = metric;
	family->node = node;
	family->row.len = 0;
	family->steps = node ? HOST_STEPS : VM_STEPS;
	family->len = (size_t)snprintf(family->name, sizeof(family->name), "%s%s",
				       node ? METRIC_NODE_PREFIX : METRIC_PREFIX, metric->name);
	put_header(family);
	header = family->text->len;
	if (metric->scope == METRIC_HOST && (state->up || is_of_exporter(metric))) {
		write_host(family);
	} else if (metric->scope != METRIC_HOST && state->up && node) {
		write_row(family, ledger_host(state->ledger));
	} else if (metric->scope != METRIC_HOST && state->up) {
		rows = ledger_rows(state->ledger, &nr);
		/* The last row is that of all other VMs. */
		for (i = 0; i < nr - (nr && metric->scope == METRIC_VM); i++)
			write_row(family, rows[i]);
	}
	if (family->text->len == header)
		family->text->len = start;
}

int metrics_write(struct text *text, const struct metrics_state *state, enum metrics_format format)
{
	struct family family = { .text = text, .state = state, .format = format };
	unsigned int i;

	text->len = 0;
	text->failed = false;
	for (i = 0; i < nr_metrics; i++) {
		if (metrics[i].skipped)
			continue;
		write_family(&family, &metrics[i], false);
		if (metrics[i].scope == METRIC_VMS)
			write_family(&family, &metrics[i], true);
	}
	if (format == METRICS_OPENMETRICS)
		text_puts(text, "# EOF\n");
	free(family.row.data);
	free(family.labels.data);
	free(family.created.data);
	free(family.buckets.data);
	return text->failed || family.row.failed || family.labels.failed || family.created.failed ||
			       family.buckets.failed
		       ? -ENOMEM
		       : 0;
}
