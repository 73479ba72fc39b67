// SPDX-License-Identifier: GPL-2.0-only
/* Conditions about recordings, and how far two distributions are apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/diff.h"

static const struct {
	const char *text;
	bool relative, holds;
	double value, other;
} conditions[] = {
	{ "p99 > 1.2x", true, true, 121, 100 },	   { "p99 > 1.2x", true, false, 120, 100 },
	{ "p99 >= 1.2x", true, true, 120, 100 },   { "p99>20%", true, true, 121, 100 },
	{ "p99 > 20 %", true, false, 120, 100 },   { "errors > 0", false, true, 1, 0 },
	{ "errors > 0", false, false, 0, 0 },	   { "max < 5ms", false, true, 4999999, 0 },
	{ "max < 5ms", false, false, 5000000, 0 }, { "max <= 5ms", false, true, 5000000, 0 },
	{ "p50 > 1.5us", false, true, 1501, 0 },   { "mean > 2s", false, false, 2e9, 0 },
	{ "waste >= 1G", false, true, 262144, 0 }, { "waste >= 1G", false, false, 262143, 0 },
	{ "private > 4K", false, false, 1, 0 },	   { "private > 100", false, true, 101, 0 },
	{ "p99 > 0", false, true, 1, 0 },
};

static void conditions_hold(void **state)
{
	struct condition parsed[MAX_CONDITIONS];
	unsigned int i, nr;
	const char *why;

	(void)state;
	for (i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		if (conditions_parse(conditions[i].text, conditions[i].relative, parsed, &nr, &why))
			fail_msg("'%s': %s", conditions[i].text, why);
		assert_int_equal(nr, 1);
		if (condition_holds(parsed, conditions[i].value, conditions[i].other) !=
		    conditions[i].holds)
			fail_msg("'%s' of %f beside %f", conditions[i].text, conditions[i].value,
				 conditions[i].other);
	}
	assert_int_equal(conditions_parse("p99 > 1.2x , errors>0,vms < 5", true, parsed, &nr, &why),
			 0);
	assert_int_equal(nr, 3);
	assert_string_equal(parsed[0].text, "p99 > 1.2x");
	assert_int_equal(parsed[2].measure, MEASURE_vms);
	assert_true(parsed[2].less);
}

static void conditions_are_refused(void **state)
{
	static const char *const bad[] = {
		"",	      "p99",	     "p99 >",	     "p98 > 1ms", "p99 > 1",
		"p99 = 1ms",  "p99 > 1msx",  "errors > 5ms", "p99 > 5G",  "waste > 1ms",
		"p99 > -1ms", "p99 > nanms", "p99 > 1ms,",   "p9 > 1ms",  "p99 > 1ms errors > 0",
		"p99 >> 1ms", "p99 > infx",
	};
	struct condition parsed[MAX_CONDITIONS];
	char many[512] = "vms > 1";
	unsigned int i, nr;
	const char *why;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why = NULL;
		if (!conditions_parse(bad[i], true, parsed, &nr, &why))
			fail_msg("'%s' is taken", bad[i]);
		assert_non_null(why);
	}
	assert_int_not_equal(conditions_parse("p99 > 1.2x", false, parsed, &nr, &why), 0);
	assert_int_not_equal(conditions_parse("p99 > 20%", false, parsed, &nr, &why), 0);
	for (i = 1; i < MAX_CONDITIONS; i++)
		strcat(many, ",vms > 1");
	assert_int_equal(conditions_parse(many, true, parsed, &nr, &why), 0);
	strcat(many, ",vms > 1");
	assert_int_not_equal(conditions_parse(many, true, parsed, &nr, &why), 0);
}

static struct latency durations(uint64_t ns, uint64_t n)
{
	struct latency l = { .max_ns = ns, .high = GMEM_HIST_BUCKETS };

	l.hist[gmem_bucket(ns)] = n;
	return l;
}

static void distributions_differ(void **state)
{
	struct latency a = durations(1000, 1000), b = durations(1000, 500), none = { 0 };
	struct distance d;

	(void)state;
	assert_false(distance_of(&a, &none).known);
	d = distance_of(&a, &b);
	assert_true(d.known);
	assert_true(d.most < 1e-9);
	/* A fifth of B is slow. */
	b.hist[gmem_bucket(1000)] = 400;
	b.hist[gmem_bucket(80000)] = 100;
	b.max_ns = 80000;
	d = distance_of(&a, &b);
	assert_true(d.most > 0.199 && d.most < 0.201);
	assert_true(d.slower);
	assert_in_range(d.at_ns, 1000, 1250);
	assert_true(d.chance > 0.08 && d.chance < 0.1);
	d = distance_of(&b, &a);
	assert_false(d.slower);
}

static void unknown_is_not_crossed(void **state)
{
	struct diff diff = { 0 };
	const char *why;
	unsigned int nr;
	bool known;

	(void)state;
	diff.digests[0].facts = diff.digests[1].facts = ~0U;
	assert_int_equal(conditions_parse("p99 < 5s", true, diff.conditions, &nr, &why), 0);
	assert_false(diff_crossed(&diff, diff.conditions, &known));
	assert_false(known);
	diff.digests[1].host.latency[0] = durations(1000, 5);
	assert_true(diff_crossed(&diff, diff.conditions, &known));
	assert_true(known);
	assert_int_equal(conditions_parse("p99 < 5x", true, diff.conditions, &nr, &why), 0);
	assert_false(diff_crossed(&diff, diff.conditions, &known));
	assert_false(known);
	diff.digests[0].host.latency[0] = durations(1000, 5);
	diff.digests[1].facts &= ~FACT(convert);
	assert_false(diff_crossed(&diff, diff.conditions, &known));
	assert_false(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_hold),
		cmocka_unit_test(conditions_are_refused),
		cmocka_unit_test(distributions_differ),
		cmocka_unit_test(unknown_is_not_crossed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
