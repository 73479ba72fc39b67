// SPDX-License-Identifier: GPL-2.0-only
/* Names out of type information: all of them once, and nothing out of what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/btf.h>

#include "../../src/lib/btf_names.h"

#define TYPES 12 /* bytes that stand before the names */

static const char names[] = "\0bpf_lsm_file_open\0int\0struct_of_something";

static char seen[200];

static void take(const char *name, void *data)
{
	assert_ptr_equal(data, seen);
	strcat(strcat(seen, name), " ");
}

/* A file with this header and the names. Return: what btf_names() says of the first @len bytes. */
static int read_back(const struct btf_header *header, off_t len)
{
	char path[] = "/tmp/btf_names_test.XXXXXX", types[TYPES] = "bpf_no_name";
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, sizeof(*header)), sizeof(*header));
	assert_int_equal(write(fd, types, TYPES), TYPES);
	assert_int_equal(write(fd, names, sizeof(names)), sizeof(names));
	assert_int_equal(ftruncate(fd, len), 0);
	close(fd);
	seen[0] = '\0';
	ret = btf_names(path, take, seen);
	unlink(path);
	return ret;
}

static const struct btf_header good = { .magic = BTF_MAGIC,
					.version = 1,
					.hdr_len = sizeof(good),
					.type_len = TYPES,
					.str_off = TYPES,
					.str_len = sizeof(names) };
static const off_t whole = sizeof(good) + TYPES + sizeof(names);

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(read_back(&good, whole), 0);
	assert_string_equal(seen, "bpf_lsm_file_open int struct_of_something ");
}

static void test_none(void **state)
{
	struct btf_header header = good;

	(void)state;
	assert_int_equal(btf_names("/nowhere/btf", take, seen), -ENOENT);
	assert_int_equal(read_back(&good, whole - 1), -EBADMSG);
	assert_int_equal(read_back(&good, sizeof(good) - 1), -EBADMSG);
	header.magic = 0x9feb;
	assert_int_equal(read_back(&header, whole), -EBADMSG);
	header = good;
	header.str_len = 1U << 31;
	assert_int_equal(read_back(&header, whole), -EBADMSG);
	assert_string_equal(seen, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
