// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metrics: what a frame looks like in both formats (tests/unit/golden), and which of them is asked
 * for.
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

#include "metrics_frames.h"

/* A quote, a backslash, a line feed, a C1 control, and a byte that is no UTF-8. */
#define HOSTILE "e\"v\\i\nl\xc2\x9b\xff"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(texts),
		TEST(accept),
		TEST(gzip_accepted),
		TEST(exemplars),
		TEST(exemplars_listed_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
