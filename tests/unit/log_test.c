// SPDX-License-Identifier: GPL-2.0-only
/* What log_error() returns, and with which exit status a command then ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"

static void kernel_is_not_usage(void **state)
{
	(void)state;
	assert_int_equal(exit_status(log_error(-EINVAL, NULL, NULL, "ask the kernel")),
			 GMEM_EXIT_FAILURE);
	assert_int_equal(exit_status(log_error(-EINVAL, "there is no such mode", NULL, "mode 'x'")),
			 GMEM_EXIT_USAGE);
	assert_int_equal(exit_status(log_error(-EPERM, NULL, NULL, "ask the kernel")),
			 GMEM_EXIT_PERMISSION);
	assert_int_equal(exit_status(log_error(-EOPNOTSUPP, NULL, NULL, "ask the kernel")),
			 GMEM_EXIT_KERNEL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kernel_is_not_usage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
