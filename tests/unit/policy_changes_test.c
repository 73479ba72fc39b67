// SPDX-License-Identifier: GPL-2.0-only
/* The record of changes: whole if nothing was done to it, and each thing that is done to it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/ctl/changes.h"

static char dir[] = "/tmp/policy_changes_test.XXXXXX", path[64];

static int append(int status)
{
	static char *const arguments[] = { "/etc/gmem/policy.yaml", "--mode=\"audit\"" };
	const struct change change = { .command = "load",
				       .arguments = arguments,
				       .nr_arguments = 2,
				       .status = status,
				       .policy = status ? NULL : "a",
				       .generation = 7,
				       .enforce = true,
				       .digest = "sha256:0" };

	return changes_append(dir, &change);
}

static void begin(int nr)
{
	unlink(path);
	while (nr--)
		assert_int_equal(append(nr % 3), 0);
}

static struct changes_report verify(void)
{
	struct changes_report report;

	assert_int_equal(changes_verify(path, NULL, NULL, NULL, &report), 0);
	return report;
}

/* Change the file by a command of the shell. */
static void tamper(const char *command)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", command, path);
	assert_int_equal(system(text), 0);
}

static void take(const struct changes_line *line, void *data)
{
	uint64_t *sum = data;

	*sum += line->number;
	assert_string_equal(line->command, "load");
	assert_string_equal(line->arguments, "/etc/gmem/policy.yaml --mode=\"audit\"");
}

static void test_whole(void **state)
{
	struct changes_report report;
	uint64_t sum = 0;

	(void)state;
	begin(10);
	assert_int_equal(changes_verify(path, NULL, take, &sum, &report), 0);
	assert_int_equal(report.entries, 10);
	assert_int_equal(report.wrong, 0);
	assert_int_equal(sum, 55);
	assert_false(report.contains);
	/* The hash of a line that was there before. */
	assert_int_equal(append(0), 0);
	assert_int_equal(changes_verify(path, report.last, NULL, NULL, &report), 0);
	assert_true(report.contains && report.entries == 11);
}

static void test_tampered(void **state)
{
	static const struct {
		const char *command;
		uint64_t wrong;
	} cases[] = {
		/* One character of a member, of a hash, of a number. */
		{ "sed -i '4s/\"uid\":/\"Uid\":/'", 4 },
		{ "sed -i '4s/\"hash\":\"sha256:./\"hash\":\"sha256:x/'", 4 },
		{ "sed -i '4s/\"number\":4/\"number\":5/'", 4 },
		{ "sed -i 4d", 4 }, /* removed */
		{ "sed -i 1d", 1 },
		{ "sed -i '4{h;d};5{p;x}'", 4 }, /* reordered */
		{ "sed -i 4p", 5 },		 /* twice */
		{ "sed -i '4i {}'", 4 },	 /* inserted */
		{ "truncate -s -5", 10 },	 /* cut off */
		{ "sed -i 4s/$/x/", 4 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(10);
		tamper(cases[i].command);
		if (verify().wrong != cases[i].wrong)
			fail_msg("%s: wrong is line %llu", cases[i].command,
				 (unsigned long long)verify().wrong);
		/* Whatever is recorded later does not cover it up. */
		assert_int_equal(append(0), 0);
		if (verify().wrong != cases[i].wrong)
			fail_msg("%s, and a line more: wrong is line %llu", cases[i].command,
				 (unsigned long long)verify().wrong);
	}
}

/* Lines that are removed at the end do not show in the file, but by a hash that is kept elsewhere. */
static void test_end(void **state)
{
	struct changes_report report, later;

	(void)state;
	begin(10);
	report = verify();
	tamper("sed -i 10d");
	assert_int_equal(changes_verify(path, report.last, NULL, NULL, &later), 0);
	assert_int_equal(later.wrong, 0);
	assert_false(later.contains);
}

static void test_at_once(void **state)
{
	int i, j, status;

	(void)state;
	begin(0);
	for (i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (j = 0; j < 50; j++) {
			if (append(0))
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < 4; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_int_equal(verify().entries, 200);
	assert_int_equal(verify().wrong, 0);
}

static void test_no_directory(void **state)
{
	const struct change change = { .command = "load" };

	(void)state;
	assert_int_equal(changes_append("/nonexistent", &change), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/" CHANGES_NAME, mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	     cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_end),	     cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
