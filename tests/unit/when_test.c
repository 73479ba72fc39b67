// SPDX-License-Identifier: GPL-2.0-only
/* Moments as text, against what date(1) makes of the same, and the sizes of options. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../../src/lib/opts.h"
#include "../../src/lib/when.h"

#define SECOND 1000000000ULL

/* What `date -d @text +%s` prints. */
static uint64_t by_date(const char *text)
{
	char command[128], line[64];
	FILE *pipe;

	snprintf(command, sizeof(command), "date -d '%s' +%%s", text);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(line, sizeof(line), pipe));
	assert_int_equal(pclose(pipe), 0);
	return strtoull(line, NULL, 10) * SECOND;
}

static void test_moments(void **state)
{
	static const struct {
		const char *text, *date;
	} moments[] = {
		{ "2026-11-30T16:05:09", "2026-11-30 16:05:09" },
		{ "2026-11-30 16:05", "2026-11-30 16:05" },
		{ "2026-07-01T00:00", "2026-07-01 00:00" },
		{ "2026-11-30T16:05:09Z", "2026-11-30 16:05:09 UTC" },
		{ "23:59", "2026-11-30 23:59" },
		{ "22:00:01", "2026-11-30 22:00:01" },
		{ "00:10", "2026-12-01 00:10" },
		{ "+90", "2026-11-30 22:01:30" },
		{ "-5.5", "2026-12-01 00:59:54" },
	};
	uint64_t begin = by_date("2026-11-30 22:00"), end = by_date("2026-12-01 01:00"), ns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		assert_int_equal(when_parse(moments[i].text, true, begin, end, &ns), 0);
		assert_int_equal(ns / SECOND, by_date(moments[i].date) / SECOND);
	}
	assert_int_equal(when_parse("-5.5", true, begin, end, &ns), 0);
	assert_int_equal(ns % SECOND, SECOND / 2);
	assert_int_equal(when_parse("-999999999", true, begin, end, &ns), -EINVAL);
	assert_int_equal(when_parse("-31000000", true, 0, SECOND, &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(when_parse("+1m", true, SECOND, 100 * SECOND, &ns), 0);
	assert_int_equal(ns, 61 * SECOND);
}

static void test_no_moments(void **state)
{
	static const char *const texts[] = { "",	"now",	      "25:00", "12",
					     "+",	"-",	      "+1d",   "2026-13-01T00:00",
					     "12:00x",	"2026-11-30", "+-1",   "2026-11-30T16:05z",
					     "12:00:62" };
	uint64_t ns = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (when_parse(texts[i], true, SECOND, 2 * SECOND, &ns) != -EINVAL)
			fail_msg("'%s' was taken for a moment", texts[i]);
	assert_int_equal(when_parse("+1", false, 0, 0, &ns), -ESPIPE);
	assert_int_equal(when_parse("-1", false, 0, 0, &ns), -ESPIPE);
	assert_int_equal(when_parse("12:00", false, 0, 0, &ns), -ESPIPE);
	assert_int_equal(when_parse("2026-11-30T16:05", false, 0, 0, &ns), 0);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes; /* 0: refused */
	} sizes[] = {
		{ "1", 1 },
		{ "4096", 4096 },
		{ "64K", 65536 },
		{ "100M", 104857600 },
		{ "2G", 2147483648 },
		{ "3TiB", 3298534883328 },
		{ "16777215T", 16777215ULL << 40 },
		{ "16777216T", 0 },
		{ "0", 0 },
		{ "", 0 },
		{ "-1", 0 },
		{ "1k", 0 },
		{ "1KB", 0 },
		{ "1 K", 0 },
		{ "K", 0 },
		{ "99999999999999999999", 0 },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(parse_size(sizes[i].text, &bytes), sizes[i].bytes ? 0 : -EINVAL);
		if (sizes[i].bytes)
			assert_int_equal(bytes, sizes[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_no_moments),
		cmocka_unit_test(test_sizes),
	};

	/* With a summer time, in which a day begins at another second. */
	setenv("TZ", "Europe/Berlin", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
