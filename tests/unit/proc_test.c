// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/proc.h"

#define CMDLINE(text) text, sizeof(text)

static void test_cmdline(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0guest=web,debug-threads=on"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "web");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0debug-threads=on,guest=db"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "db");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-m\0"
						   "4G\0--name\0plain"),
					   name, sizeof(name)),
			 0);
	assert_string_equal(name, "plain");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0guest=a,,b,process=x"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "a,b");
	assert_int_equal(
		name_from_cmdline(CMDLINE("qemu\0-name\0a-name-that-is-far-too-long-for-it"), name,
				  sizeof(name)),
		0);
	assert_int_equal(strlen(name), sizeof(name) - 1);
}

static void test_no_name(void **state)
{
	static const char unended[] = { 'q', 0, '-', 'n', 'a', 'm', 'e', 0, 'x' };
	char name[32];

	(void)state;
	assert_int_not_equal(name_from_cmdline("", 0, name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-m\0"
						       "4G"),
					       name, sizeof(name)),
			     0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-name"), name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-name\0"), name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(unended, sizeof(unended), name, sizeof(name)), 0);
}

static void test_cgroup(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{ "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", "web" },
		{ "/machine.slice/machine-qemu\\x2d12\\x2dmy\\x2ddb.scope/libvirt/emulator",
		  "my-db" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice/x",
		  "pod0a1b" },
		{ "/kubepods/besteffort/pod12ab/34cd", "pod12ab" },
		{ "/user.slice/session-1.scope", NULL },
		{ "/", NULL },
		{ "", NULL },
		{ "/machine.slice/machine-qemu.scope", NULL },
		{ "/machine.slice/machine-qemu\\x2d1.scope", NULL },
		{ "/kubepods.slice", NULL },
	};
	char name[64];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ret = name_from_cgroup(cases[i].path, name, sizeof(name));
		assert_int_equal(!ret, cases[i].name != NULL);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_cgroup),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
