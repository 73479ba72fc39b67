// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metrics: what a frame looks like in both formats (tests/unit/golden), and how counters go on when
 * VMs come, go, are listed and are not.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/lib/version.h"
#include "../../src/export/metrics.h"
#include "../../src/export/vms_choice.h"
#include "step.h"

#define S     1000000000ULL
#define EPOCH (1700000000 * S)

/* A quote, a backslash, a line feed, a C1 control, and a byte that is no UTF-8. */
#define HOSTILE "e\"v\\i\nl\xc2\x9b\xff"

struct fixture {
	struct features features;
	struct frames frames;
	struct model model;
	struct policy_counts policy; /* of the next sample */
	uint64_t missed;
	struct vms_choice choice;
	struct ledger *ledger;
	struct text text;
	uint64_t second;
	uint64_t longest_ns[8]; /* of VMs by id, 0: 2000 */
};

/* What the next frame has of a VM. */
struct has {
	uint64_t id;
	const char *name;
	uint64_t conversions;
	bool ended;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	for (i = 0; i < GMEM_FACT_MAX; i++)
		f->features.chosen[i] = -1;
	f->features.facts = FACT(convert) | FACT(guest_fault) | FACT(private_pages) | FACT(bind);
	f->frames.features = &f->features;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ledger_free(f->ledger);
	vms_choice_free(&f->choice);
	model_free(&f->model);
	free(f->text.data);
	free(f);
	return 0;
}

static void begin(struct fixture *f, const char *vms)
{
	assert_int_equal(vms_choice_parse(vms, &f->choice), 0);
	f->ledger = ledger_new(&f->choice, EPOCH);
	assert_non_null(f->ledger);
}

static void add(const struct fixture *f, const struct has *has)
{
	struct sample_vm record = { .id = has->id, .kvm = has->id };

	/* A conversion takes 2 us and converts a page. */
	record.first_ns = f->second * S - S / 2;
	record.private_pages = 16;
	record.c[GMEM_VM_to_private] = has->conversions;
	record.c[GMEM_VM_to_private_pages] = has->conversions;
	record.c[GMEM_VM_to_private_ns] = 2000 * has->conversions;
	record.latency[0].hist[40] = (__u32)has->conversions;
	record.latency[0].max_ns = has->conversions ? 2000 : 0;
	if (has->id < 8 && f->longest_ns[has->id])
		record.latency[0].max_ns = f->longest_ns[has->id];
	record.key = 0xabc0000000000000 + has->id;
	record.bound = record.bound_private = GMEM_UNKNOWN;
	record.waste_instance = record.waste_backing = GMEM_UNKNOWN;
	put_vm(&record, has->ended);
}

static void frame(struct fixture *f, const struct has *has, size_t nr)
{
	struct model_vm *vm;
	size_t i;

	f->second++;
	f->frames.time_ns = EPOCH + f->second * S;
	begin_sample(f->second * S, 0);
	step_sample.policy = f->policy;
	step_sample.missed = f->missed;
	for (i = 0; i < nr; i++)
		add(f, &has[i]);
	end_sample(&f->model);
	for (i = 0; i < nr; i++) {
		vm = model_vm(&f->model, has[i].id);
		snprintf(vm->name, sizeof(vm->name), "%s", has[i].name);
	}
	assert_int_equal(ledger_step(f->ledger, &f->frames, &f->model), 0);
}

#define FRAME(f, ...)                                        \
	do {                                                 \
		const struct has has[] = { __VA_ARGS__ };    \
		frame(f, has, sizeof(has) / sizeof(has[0])); \
	} while (0)

static const struct row *row(struct fixture *f, const char *name)
{
	const struct row *const *rows;
	size_t nr, i;

	rows = ledger_rows(f->ledger, &nr);
	for (i = 0; i < nr; i++) {
		if (!strcmp(rows[i]->label, name))
			return rows[i];
	}
	return NULL;
}

/* Conversions of a series; -1: there is none */
static int64_t of(struct fixture *f, const char *name)
{
	const struct row *found = row(f, name);

	return found ? (int64_t)found->now.vm[GMEM_VM_to_private] : -1;
}

static int64_t host(struct fixture *f)
{
	return (int64_t)ledger_host(f->ledger)->now.vm[GMEM_VM_to_private];
}

/* Everything is counted once. */
static void check_sum(struct fixture *f)
{
	const struct row *const *rows;
	int64_t sum = 0;
	size_t nr, i;

	rows = ledger_rows(f->ledger, &nr);
	for (i = 0; i < nr; i++)
		sum += (int64_t)rows[i]->now.vm[GMEM_VM_to_private];
	assert_int_equal(sum, host(f));
}

static void test_listed(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 5);
	assert_int_equal(of(f, "b"), 7);
	assert_int_equal(of(f, "other"), 0);
	check_sum(f);
	FRAME(f, { 2, "a", 6, false }, { 3, "b", 7, false }, { 4, "c", 1, false });
	assert_int_equal(of(f, "a"), 6);
	assert_int_equal(of(f, "c"), 1);
	check_sum(f);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	/* It was born between the two frames. */
	assert_int_equal(row(f, "c")->created_ns, EPOCH + S + S / 2);
}

/* One place: the busier VM has it, and what a VM did without it stays with the others. */
static void test_top(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:1");
	FRAME(f, { 2, "a", 100, false }, { 3, "b", 10, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "b"), -1);
	assert_int_equal(of(f, "other"), 10);
	/* A little busier is not enough. */
	FRAME(f, { 2, "a", 100, false }, { 3, "b", 120, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "other"), 120);
	FRAME(f, { 2, "a", 101, false }, { 3, "b", 5000, false });
	assert_int_equal(of(f, "a"), -1);
	assert_int_equal(of(f, "b"), 0);
	assert_int_equal(of(f, "other"), 5001);
	assert_int_equal(row(f, "b")->created_ns, EPOCH + 3 * S);
	FRAME(f, { 2, "a", 102, false }, { 3, "b", 5005, false });
	assert_int_equal(of(f, "b"), 5);
	assert_int_equal(of(f, "other"), 5002);
	/* Back again: it goes on where it stopped, and began when it did. */
	FRAME(f, { 2, "a", 100000, false }, { 3, "b", 5006, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "b"), -1);
	assert_int_equal(of(f, "other"), 5002 + 99899);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	FRAME(f, { 2, "a", 100003, false }, { 3, "b", 5006, false });
	assert_int_equal(of(f, "a"), 103);
	assert_int_equal(host(f), 105009);
}

static void test_none(void **state)
{
	struct fixture *f = *state;
	size_t nr;

	begin(f, "none");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	ledger_rows(f->ledger, &nr);
	assert_int_equal(nr, 0);
	assert_int_equal(host(f), 12);
}

static void test_regex(void **state)
{
	struct fixture *f = *state;

	begin(f, "regex:web-[0-9]+");
	FRAME(f, { 2, "web-1", 5, false }, { 3, "web-x", 7, false }, { 4, "my-web-1", 1, false });
	assert_int_equal(of(f, "web-1"), 5);
	assert_int_equal(of(f, "web-x"), -1);
	assert_int_equal(of(f, "my-web-1"), -1);
	assert_int_equal(of(f, "other"), 8);
	check_sum(f);
}

/* Its last numbers stay for a while, without memory; then the series ends, and the total does not. */
static void test_ended(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	assert_int_equal(row(f, "a")->gauges[ROW_PRIVATE], 16 << 12);
	FRAME(f, { 2, "a", 9, true }, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 9);
	assert_true(row(f, "a")->gauges[ROW_PRIVATE] == GMEM_UNKNOWN);
	assert_null(row(f, "a")->vm);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
	FRAME(f, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 9);
	f->second += 119;
	FRAME(f, { 3, "b", 8, false });
	assert_int_equal(of(f, "a"), -1);
	assert_int_equal(of(f, "b"), 8);
	assert_int_equal(of(f, "other"), 0);
	assert_int_equal(host(f), 17);
	assert_int_equal(ledger_numbers(f->ledger)->vms, 1);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
}

/* However much time is between two frames, one more has it. */
static void test_ended_rarely_read(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false });
	f->second += 600;
	FRAME(f, { 2, "a", 9, true });
	assert_int_equal(of(f, "a"), 9);
	f->second += 600;
	FRAME(f, { 3, "b", 1, false });
	assert_int_equal(of(f, "a"), 9);
	f->second += 600;
	FRAME(f, { 3, "b", 1, false });
	assert_int_equal(of(f, "a"), -1);
}

/* It was in one frame and is missing in the next ones, without an end. */
static void test_vanished(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	for (i = 0; i < 4; i++)
		FRAME(f, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 5);
	assert_null(row(f, "a")->vm);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
	assert_int_equal(host(f), 12);
}

/* A VM that lived between two frames is counted too. */
static void test_short(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 3, "b", 7, false });
	FRAME(f, { 3, "b", 7, false }, { 4, "job", 3, true });
	assert_int_equal(of(f, "job"), 3);
	FRAME(f, { 3, "b", 7, false }, { 5, "job", 4, true });
	assert_int_equal(of(f, "job"), 7);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 2);
	check_sum(f);
}

/* The series of a name goes on with the next VM of that name, also if both are in one frame. */
static void test_reused_name(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false });
	FRAME(f, { 2, "a", 9, true }, { 3, "a", 2, false });
	assert_int_equal(of(f, "a"), 11);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	FRAME(f, { 3, "a", 4, false });
	assert_int_equal(of(f, "a"), 13);
	check_sum(f);
	FRAME(f, { 3, "a", 4, true });
	FRAME(f, { 4, "b", 1, false });
	f->second += 3600;
	FRAME(f, { 4, "b", 1, false });
	assert_int_equal(of(f, "a"), -1);
	FRAME(f, { 4, "b", 1, false }, { 5, "a", 1, false });
	assert_int_equal(of(f, "a"), 14);
	check_sum(f);
}

/* Two VMs of a name at a time: the second one has its key in the label, and keeps it. */
static void test_same_name(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "a", 7, false }, { 4, "other", 3, false });
	assert_int_equal(of(f, "a"), 5);
	assert_int_equal(of(f, "a@abc0000000000003"), 7);
	assert_int_equal(of(f, "other@abc0000000000004"), 3);
	assert_int_equal(of(f, "other"), 0);
	FRAME(f, { 2, "a", 5, true }, { 3, "a", 8, false });
	FRAME(f, { 3, "a", 9, false }, { 5, "a", 1, false });
	assert_int_equal(of(f, "a"), 6);
	assert_int_equal(of(f, "a@abc0000000000003"), 9);
	/* A VM whose name is another one's label. */
	FRAME(f, { 3, "a", 9, false }, { 5, "a", 1, false }, { 6, "a@abc0000000000003", 2, false });
	assert_int_equal(of(f, "a@abc0000000000003"), 9);
	assert_int_equal(of(f, "a@abc0000000000003@abc0000000000006"), 2);
}

/* Many VMs that come and go: there are never more series than twice the number, and none is lost. */
static void test_churn(void **state)
{
	struct fixture *f = *state;
	char name[32];
	uint64_t id;
	size_t nr;

	begin(f, "top:4");
	for (id = 2; id < 3000; id++) {
		snprintf(name, sizeof(name), "vm-%llu", (unsigned long long)id);
		FRAME(f, { id, name, 1, true });
		ledger_rows(f->ledger, &nr);
		assert_true(nr <= 2 * 4 + 1);
		assert_int_equal(host(f), id - 1);
	}
	/* The first ones are forgotten. */
	FRAME(f, { 5000, "vm-2", 1, false }, { 5001, "vm-2999", 1, false });
	assert_int_equal(of(f, "vm-2"), 1);
	assert_int_equal(of(f, "vm-2999"), 2);
}

/* What the kernel's iterators miss in a frame is no decrease. */
static void test_missed(void **state)
{
	struct fixture *f = *state;

	begin(f, "regex:a");
	FRAME(f, { 2, "a", 10, false }, { 3, "b", 20, false });
	FRAME(f, { 2, "a", 7, false }, { 3, "b", 15, false });
	assert_int_equal(of(f, "a"), 10);
	assert_int_equal(of(f, "other"), 20);
	assert_int_equal(host(f), 30);
	FRAME(f, { 2, "a", 11, false }, { 3, "b", 22, false });
	assert_int_equal(of(f, "a"), 11);
	assert_int_equal(of(f, "other"), 22);
	assert_int_equal(host(f), 33);
}

/* A policy that is attached anew counts from 0; the metric does not. */
static void test_policy(void **state)
{
	static const uint64_t counts[] = { 3, 5, 2, 2, 4 }, wanted[] = { 3, 5, 7, 7, 9 };
	struct fixture *f = *state;
	size_t i;

	begin(f, "none");
	for (i = 0; i < 5; i++) {
		f->policy.known = true;
		f->policy.denied[1] = counts[i];
		FRAME(f, { 2, "a", 5, false });
		assert_int_equal(ledger_numbers(f->ledger)->denied[0][1], wanted[i]);
	}
	f->policy.known = false;
	f->policy.denied[1] = 0;
	FRAME(f, { 2, "a", 5, false });
	f->policy.known = true;
	f->policy.denied[1] = 1;
	FRAME(f, { 2, "a", 5, false });
	assert_int_equal(ledger_numbers(f->ledger)->denied[0][1], 10);
}

static void test_choices(void **state)
{
	static const char *const wrong[] = { "",	"all",
					     "top",	"top:",
					     "top:0",	"top:-1",
					     "top:1x",	"TOP:3",
					     "none ",	"regex",
					     "regex:(", "top: 3",
					     "top:1e3", "top:99999999999999999999" };
	static const char *const right[] = { "top:1", "top:1000000", "none",
					     "regex:", "regex:a|b" };
	struct vms_choice choice;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(vms_choice_parse(wrong[i], &choice), -22);
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(vms_choice_parse(right[i], &choice), 0);
		if (i == 4)
			assert_true(vms_choice_matches(&choice, "b") &&
				    !vms_choice_matches(&choice, "ab"));
		vms_choice_free(&choice);
	}
}

/* --- as text --- */

/* The first line of a file is its licence; the version is not in it. */
static void expect(const char *shown, size_t len, const char *path)
{
	char *wanted = NULL, licence[128];
	size_t size = 0;
	FILE *file;

	if (getenv("UPDATE")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, "# SPDX-License-Identifier: GPL-2.0-only\n%.*s", (int)len, shown);
		fclose(file);
	}
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(licence, sizeof(licence), file));
	assert_true(getdelim(&wanted, &size, '\0', file) > 0);
	fclose(file);
	assert_string_equal(shown, wanted);
	free(wanted);
}

static void write(struct fixture *f, const struct metrics_state *state, enum metrics_format format,
		  const char *path)
{
	char *build;

	assert_int_equal(metrics_write(&f->text, state, format), 0);
	f->text.data = realloc(f->text.data, f->text.len + 1);
	f->text.room = f->text.len + 1;
	f->text.data[f->text.len] = '\0';
	/* Which commit this is. */
	build = strstr(f->text.data, "gmem_build_info{");
	assert_non_null(build);
	build += strlen("gmem_build_info{");
	memmove(build, strchr(build, '}'), strlen(strchr(build, '}')) + 1);
	expect(f->text.data, strlen(f->text.data), path);
}

static void test_texts(void **state)
{
	uint64_t requests[NR_CODES] = { 4, 0, 1 };
	struct fixture *f = *state;
	struct metrics_state all = {
		.up = true,
		.frames = &f->frames,
		.model = &f->model,
		.frame_ns = 1234000,
	};

	begin(f, "top:2");
	FRAME(f, { 2, HOSTILE, 5, false }, { 3, "b", 70, false }, { 4, "c", 1, false });
	f->policy.known = f->policy.in_force = true;
	f->policy.denied[1] = 3;
	f->policy.generation = 9;
	f->missed = 1;
	FRAME(f, { 2, HOSTILE, 6, false }, { 3, "b", 80, true }, { 4, "c", 2, false });
	all.ledger = f->ledger;
	all.requests = requests;
	write(f, &all, METRICS_OPENMETRICS, "tests/unit/golden/metrics.openmetrics");
	write(f, &all, METRICS_TEXT, "tests/unit/golden/metrics.text");
	all.up = false;
	all.why = DOWN_kvm_not_loaded;
	all.requests = NULL;
	/* As it is before KVM is loaded. */
	all.ledger = NULL;
	all.frames = NULL;
	all.model = NULL;
	write(f, &all, METRICS_OPENMETRICS, "tests/unit/golden/metrics-down.openmetrics");
}

/* The text has the sample of a bucket of conversions to private, with this behind it. */
static bool has_bucket(struct fixture *f, const char *labels, const char *le, const char *rest)
{
	char line[512];

	snprintf(line, sizeof(line), "conversion_duration_seconds_bucket{%sle=\"%s\"} %s\n", labels,
		 le, rest);
	return memmem(f->text.data, f->text.len, line, strlen(line));
}

static void write_exemplars(struct fixture *f, enum metrics_format format, bool exemplars)
{
	struct metrics_state show = { .up = true,
				      .ledger = f->ledger,
				      .frames = &f->frames,
				      .model = &f->model,
				      .exemplars = exemplars };

	assert_int_equal(metrics_write(&f->text, &show, format), 0);
}

#define A    "vm=\"a\",direction=\"to_private\","
#define B    "vm=\"b\",direction=\"to_private\","
#define NODE "direction=\"to_private\","
#define LE   "4.095e-06"

/* Each in the one bucket that its conversion is in, from when it was first seen. */
static void test_exemplars(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	f->longest_ns[2] = 3000;
	f->longest_ns[3] = 2500;
	FRAME(f, { .id = 2, .name = "a", .conversions = 5 },
	      { .id = 3, .name = "b", .conversions = 7 });
	write_exemplars(f, METRICS_OPENMETRICS, true);
	assert_true(has_bucket(f, A, LE, "5 # {key=\"abc0000000000002\"} 0.000003 1700000001"));
	assert_true(has_bucket(f, B, LE, "7 # {key=\"abc0000000000003\"} 0.0000025 1700000001"));
	assert_true(has_bucket(f, NODE, LE,
			       "12 # {key=\"abc0000000000002\",vm=\"a\"} 0.000003 1700000001"));
	assert_true(has_bucket(f, A, "+Inf", "5"));
	assert_true(has_bucket(f, NODE, "2.047e-06", "0"));
	/* Longer than before: another VM, and another bucket is empty of them. */
	f->longest_ns[2] = 3000;
	f->longest_ns[3] = 4000;
	FRAME(f, { .id = 2, .name = "a", .conversions = 6 },
	      { .id = 3, .name = "b", .conversions = 8 });
	write_exemplars(f, METRICS_OPENMETRICS, true);
	assert_true(has_bucket(f, A, LE, "6 # {key=\"abc0000000000002\"} 0.000003 1700000001"));
	assert_true(has_bucket(f, B, LE, "8 # {key=\"abc0000000000003\"} 0.000004 1700000002"));
	assert_true(has_bucket(f, NODE, LE,
			       "14 # {key=\"abc0000000000003\",vm=\"b\"} 0.000004 1700000002"));
	/* The longest one is in no bucket yet: it came between two looks. */
	f->longest_ns[2] = 9000;
	f->longest_ns[3] = 4000;
	FRAME(f, { .id = 2, .name = "a", .conversions = 6 },
	      { .id = 3, .name = "b", .conversions = 8 });
	write_exemplars(f, METRICS_OPENMETRICS, true);
	assert_null(memmem(f->text.data, f->text.len, "0.000009", 8));
	/* Not asked for, or not in this format. */
	write_exemplars(f, METRICS_OPENMETRICS, false);
	assert_null(memmem(f->text.data, f->text.len, "} 8 #", 5));
	write_exemplars(f, METRICS_TEXT, true);
	assert_null(memmem(f->text.data, f->text.len, "} 8 #", 5));
}

/* What a VM did before it was listed is in no bucket of its series, nor is it an exemplar. */
static void test_exemplars_listed_later(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:1");
	f->longest_ns[2] = 3000;
	f->longest_ns[3] = 3500;
	FRAME(f, { .id = 2, .name = "a", .conversions = 50 },
	      { .id = 3, .name = "b", .conversions = 10 });
	f->longest_ns[2] = 3000;
	f->longest_ns[3] = 3500;
	FRAME(f, { .id = 2, .name = "a", .conversions = 50 },
	      { .id = 3, .name = "b", .conversions = 1000 });
	f->longest_ns[2] = 3000;
	f->longest_ns[3] = 3500;
	FRAME(f, { .id = 2, .name = "a", .conversions = 50 },
	      { .id = 3, .name = "b", .conversions = 1000 });
	write_exemplars(f, METRICS_OPENMETRICS, true);
	assert_non_null(row(f, "b"));
	assert_true(has_bucket(f, B, LE, "0"));
	assert_true(has_bucket(f, NODE, LE,
			       "1050 # {key=\"abc0000000000003\",vm=\"b\"} 0.0000035 1700000001"));
}

static void test_accept(void **state)
{
	(void)state;
	assert_int_equal(metrics_accepted(NULL), METRICS_TEXT);
	assert_int_equal(metrics_accepted(""), METRICS_TEXT);
	assert_int_equal(metrics_accepted("*/*"), METRICS_TEXT);
	assert_int_equal(metrics_accepted("text/html,application/xhtml+xml,*/*;q=0.8"),
			 METRICS_TEXT);
	assert_int_equal(metrics_accepted("application/openmetrics-text"), METRICS_OPENMETRICS);
	assert_int_equal(metrics_accepted("Application/OpenMetrics-Text ; version=1.0.0"),
			 METRICS_OPENMETRICS);
	/* As Prometheus asks. */
	assert_int_equal(metrics_accepted("application/openmetrics-text;version=1.0.0,application/"
					  "openmetrics-text;version=0.0.1;q=0.75,text/"
					  "plain;version=0.0.4;q=0.5,*/*;q=0.1"),
			 METRICS_OPENMETRICS);
	assert_int_equal(
		metrics_accepted("text/plain;version=0.0.4,application/openmetrics-text;q=0.5"),
		METRICS_TEXT);
	assert_int_equal(metrics_accepted("application/openmetrics-text;q=0,*/*"), METRICS_TEXT);
	assert_int_equal(metrics_accepted("application/openmetrics-text;q=0.000"), METRICS_TEXT);
	assert_int_equal(metrics_accepted("application/openmetrics-text;version=0.0.1"),
			 METRICS_TEXT);
	assert_int_equal(metrics_accepted(",;=,q=;;,application/openmetrics-textile"),
			 METRICS_TEXT);
	assert_int_equal(metrics_accepted("application/openmetrics-text;"), METRICS_OPENMETRICS);
}

static void test_gzip_accepted(void **state)
{
	(void)state;
	assert_false(gzip_accepted(NULL));
	assert_false(gzip_accepted(""));
	assert_false(gzip_accepted("identity"));
	assert_false(gzip_accepted("br, deflate"));
	assert_false(gzip_accepted("gzi"));
	assert_false(gzip_accepted("gzip2"));
	assert_false(gzip_accepted("gzip;q=0"));
	assert_false(gzip_accepted("gzip; q=0.000 , *"));
	assert_false(gzip_accepted("*, gzip;q=0"));
	assert_false(gzip_accepted("*;q=0"));
	assert_true(gzip_accepted("gzip"));
	assert_true(gzip_accepted("deflate,GZip;q=0.001"));
	assert_true(gzip_accepted("x-gzip"));
	assert_true(gzip_accepted("*"));
	assert_true(gzip_accepted("gzip, deflate, br"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listed),
		TEST(top),
		TEST(none),
		TEST(regex),
		TEST(ended),
		TEST(ended_rarely_read),
		TEST(vanished),
		TEST(short),
		TEST(reused_name),
		TEST(same_name),
		TEST(churn),
		TEST(missed),
		TEST(policy),
		TEST(choices),
		TEST(texts),
		TEST(accept),
		TEST(gzip_accepted),
		TEST(exemplars),
		TEST(exemplars_listed_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
