// SPDX-License-Identifier: GPL-2.0-only
/* Arguments of tests that select no case: each must end the test with exit status 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../vm/lib/wanted.h"

static const struct {
	const char *name;
	int other;
} cases[] = { { "one", 1 }, { "two", 2 } };

static void check(char **names)
{
	WANTED_CHECK(names, cases, 2);
}

static void check_with_more(char **names)
{
	wanted_check(names, &cases[0].name, 2, sizeof(cases[0]), "more");
}

static void take_number(char **names)
{
	wanted_number(names[0]);
}

static void take_nothing(char **names)
{
	wanted_no_more(names[0]);
}

/* In a child, since it may end the program. Return: its exit status, 0: it went on. */
static int status_of(void (*fn)(char **names), char *first, char *second)
{
	char *names[] = { first, second, NULL };
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		close(2);
		fn(names);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(status_of(check, NULL, NULL), 0);
	assert_int_equal(status_of(check, "two", NULL), 0);
	assert_int_equal(status_of(check, "two", "one"), 0);
	assert_int_equal(status_of(check, "three", NULL), 2);
	assert_int_equal(status_of(check, "one", "three"), 2);
	assert_int_equal(status_of(check, "on", NULL), 2);
	assert_int_equal(status_of(check, "", NULL), 2);
	assert_int_equal(status_of(check, "--falsify", NULL), 2);
	assert_int_equal(status_of(check, "more", NULL), 2);
	assert_int_equal(status_of(check_with_more, "more", "one"), 0);
	assert_int_equal(status_of(check_with_more, "more", "two "), 2);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(status_of(take_number, "40", NULL), 0);
	assert_int_equal(status_of(take_number, "0", NULL), 2);
	assert_int_equal(status_of(take_number, "-1", NULL), 2);
	assert_int_equal(status_of(take_number, "", NULL), 2);
	assert_int_equal(status_of(take_number, "5x", NULL), 2);
	assert_int_equal(status_of(take_number, "many", NULL), 2);
	assert_int_equal(status_of(take_nothing, NULL, NULL), 0);
	assert_int_equal(status_of(take_nothing, "more", NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
