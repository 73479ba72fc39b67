// SPDX-License-Identifier: GPL-2.0-only
/* Executables that users other than root can replace: by file, directory, link and loader. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/ctl/kernel/writable.h"

#define PROGRAM "/bin/true"

static char dir[] = "/tmp/writable-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][256];
	static unsigned int next;
	char *to = path[next++ % 4];

	snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
	return to;
}

/* A copy of a program, whose loader is @loader if that is not NULL. */
static void copy_program(const char *to, const char *loader)
{
	static char bytes[1 << 20];
	FILE *in = fopen(PROGRAM, "r"), *out = fopen(to, "w");
	size_t len = fread(bytes, 1, sizeof(bytes), in);
	char *at = memmem(bytes, len, "/lib64/ld-linux", 15);

	if (loader && at)
		strcpy(at, loader);
	fwrite(bytes, 1, len, out);
	fclose(in);
	fclose(out);
	chmod(to, 0755);
}

static bool says(const char *path, const char *expect)
{
	char why[WRITABLE_WHY] = "";

	if (!exe_writable(path, why))
		return false;
	if (!strstr(why, expect))
		fail_msg("%s: %s, not %s", path, why, expect);
	return true;
}

static void test_writable(void **state)
{
	char why[WRITABLE_WHY];

	(void)state;
	assert_false(exe_writable(PROGRAM, why));
	assert_false(exe_writable("/no/such/file", why));
	assert_non_null(mkdtemp(dir));
	copy_program(in_dir("vmm"), NULL);
	if (geteuid()) {
		assert_true(says(in_dir("vmm"), "belongs to user"));
		print_message("not as root: owners other than the own user are left out\n");
		goto out;
	}
	/* Below /tmp, which has the sticky bit. */
	assert_false(exe_writable(in_dir("vmm"), why));
	chmod(in_dir("vmm"), 0757);
	assert_true(says(in_dir("vmm"), "all users can write to the file"));
	chmod(in_dir("vmm"), 0775);
	assert_false(exe_writable(in_dir("vmm"), why));
	assert_int_equal(chown(in_dir("vmm"), 0, 5), 0);
	assert_true(says(in_dir("vmm"), "group 5 can write to the file"));
	assert_int_equal(chown(in_dir("vmm"), 1000, 0), 0);
	chmod(in_dir("vmm"), 0555);
	assert_true(says(in_dir("vmm"), "belongs to user 1000"));
	assert_int_equal(chown(in_dir("vmm"), 0, 0), 0);

	mkdir(in_dir("open"), 0755);
	chmod(in_dir("open"), 0777);
	copy_program(in_dir("open/vmm"), NULL);
	assert_true(says(in_dir("open/vmm"), "all users can write to the directory"));
	/* A link that leads there, and one that stands there. */
	assert_int_equal(symlink("open/vmm", in_dir("there")), 0);
	assert_true(says(in_dir("there"), "all users can write to the directory"));
	assert_int_equal(symlink(in_dir("vmm"), in_dir("open/back")), 0);
	assert_true(says(in_dir("open/back"), "all users can write to the directory"));
	chmod(in_dir("open"), 01777);
	assert_false(exe_writable(in_dir("open/vmm"), why));

	/* Only the loader can be written. */
	copy_program(in_dir("ld"), NULL);
	chmod(in_dir("ld"), 0757);
	copy_program(in_dir("vmm"), in_dir("ld"));
	assert_true(says(in_dir("vmm"), "all users can write to its loader"));
out:
	snprintf(why, sizeof(why), "rm -rf %s", dir);
	assert_int_equal(system(why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
