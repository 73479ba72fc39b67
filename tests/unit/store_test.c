// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings: what is read is what was written, also after a rotation, from a time on, and when the
 * clock was set back.
 */
#define _GNU_SOURCE
#include "store_files.h"

static void test_whole(void **state)
{
	struct store_reader *reader;
	uint64_t first, last;
	size_t end[LINES];
	unsigned char *bytes;
	size_t size;

	(void)state;
	record(path, &options, 0, LINES);
	bytes = slurp(path, &size);
	assert_int_equal(ends(bytes, size, end), LINES / BLOCK);
	free(bytes);
	reader = open_reader(path);
	assert_true(store_span(reader, &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, (LINES - 1) * SECOND);
	assert_int_equal(read_from(reader, 0), LINES);
	assert_int_equal(store_health(reader)->cut, 0);
	assert_int_equal(store_health(reader)->damaged, 0);
	store_close(reader);
}

/* Who has no gmemtop has zstdcat. */
static void test_zstdcat(void **state)
{
	char command[128], line[128], want[128];
	unsigned int n = 0;
	FILE *pipe;

	(void)state;
	record(path, &options, 0, LINES);
	snprintf(command, sizeof(command), "zstdcat <%s", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		line_of(n++, want, sizeof(want));
		assert_string_equal(line, want);
	}
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(n, LINES);
}

static void test_appended(void **state)
{
	struct store_reader *reader;
	uint64_t cut = 1;

	(void)state;
	record(path, &options, 0, 7);
	store_finish(create(path, &options, &cut));
	assert_int_equal(cut, 0);
	record(path, &options, 7, LINES);
	reader = open_reader(path);
	assert_int_equal(read_from(reader, 0), LINES);
	store_close(reader);
}

static void test_rotated(void **state)
{
	static const struct {
		struct store_options options;
		unsigned int first; /* lines of the oldest file that is kept */
	} cases[] = {
		{ { 1 * SECOND, 1 << 20, 600, 0, 2 }, 0 },
		{ { 1 * SECOND, 1 << 20, 0, 4 * SECOND, 2 }, 0 },
		{ { 1 * SECOND, 1 << 20, 600, 0, 0 }, 0 },
	};
	unsigned int i, k, n, first;
	struct store_reader *reader;
	char name[80];
	struct stat st;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		no_files(NULL);
		record(path, &cases[i].options, 0, LINES);
		/* They follow each other, to the last line. */
		for (n = 0, k = cases[i].options.keep + 1; k--;) {
			snprintf(name, sizeof(name), k ? "%s.%u" : "%s", path, k);
			assert_true(!cases[i].options.rotate_bytes || size_of(name) <= 600);
			reader = open_reader(name);
			if (!n) {
				uint64_t from, to;

				assert_true(store_span(reader, &from, &to));
				n = (unsigned int)(from / SECOND);
				assert_true(n > 0);
			}
			first = n;
			n = read_from(reader, n);
			if (cases[i].options.rotate_ns)
				assert_true(n - first <= 5);
			store_close(reader);
		}
		assert_int_equal(n, LINES);
		snprintf(name, sizeof(name), "%s.%u", path, cases[i].options.keep + 1);
		assert_int_equal(stat(name, &st), -1);
	}
}

/* A file that cannot be renamed, and a new one that cannot be opened: no line is lost. */
static void test_rotation_fails(void **state)
{
	static const struct store_options how = { 1 * SECOND, 1 << 20, 600, 0, 1 };
	struct store_reader *reader;
	struct store_writer *writer;
	struct rlimit before, none;
	unsigned int n, first;
	char name[80];
	int ret;

	(void)state;
	snprintf(name, sizeof(name), "%s.1", path);
	assert_int_equal(mkdir(name, 0700), 0);
	writer = create(path, &how, NULL);
	for (n = 0, ret = 0; n < LINES && !ret; n++)
		ret = add(writer, n);
	/* The line that came too late for the block is not taken. */
	assert_int_equal(ret, -EISDIR);
	assert_int_equal(store_finish(writer), 0);
	reader = open_reader(path);
	assert_int_equal(read_from(reader, 0), n - 1);
	store_close(reader);
	assert_int_equal(rmdir(name), 0);
	no_files(NULL);
	/* No descriptor is free for the next file. */
	writer = create(path, &how, NULL);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	for (n = 0, ret = 0; n < LINES && !ret; n++)
		ret = add(writer, n);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(ret, -EMFILE);
	assert_int_equal(store_finish(writer), 0);
	reader = open_reader(name);
	first = read_from(reader, 0);
	assert_int_equal(first, n - 1);
	store_close(reader);
}

/* What is new and empty goes; what was there stays. */
static void test_nothing_recorded(void **state)
{
	struct store_writer *writer;
	struct stat st;

	(void)state;
	writer = create(path, &options, NULL);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(store_finish(writer), 0);
	assert_int_equal(stat(path, &st), -1);
	spill(path, (const unsigned char *)"", 0);
	writer = create(path, &options, NULL);
	assert_int_equal(store_finish(writer), 0);
	assert_int_equal(stat(path, &st), 0);
	record(path, &options, 0, 3);
	writer = create(path, &options, NULL);
	assert_int_equal(store_finish(writer), 0);
	assert_true(size_of(path) > 0);
}

static void test_refused(void **state)
{
	static const char text[] = "version: 1\n";
	struct store_writer *writer, *second;
	struct store_reader *reader;
	unsigned char *bytes;
	char line[] = "a\nb\n";
	size_t size;

	(void)state;
	writer = create(path, &options, NULL);
	assert_int_equal(store_create(&second, path, &options, NULL), -EBUSY);
	assert_int_equal(store_add(writer, 0, line, 0), -EINVAL);
	assert_int_equal(store_add(writer, 0, line, 1), -EINVAL);
	assert_int_equal(store_add(writer, 0, line, 4), -EINVAL);
	assert_int_equal(store_finish(writer), 0);
	/* Somebody's file is not touched. */
	spill(path, (const unsigned char *)text, sizeof(text) - 1);
	assert_int_equal(store_create(&writer, path, &options, NULL), -EBADMSG);
	assert_int_equal(store_open(&reader, path), -EBADMSG);
	bytes = slurp(path, &size);
	assert_int_equal(size, sizeof(text) - 1);
	assert_memory_equal(bytes, text, size);
	free(bytes);
	unlink(path);
	assert_int_equal(store_open(&reader, path), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(store_create(&writer, path, &options, NULL), -EINVAL);
	assert_int_equal(store_open(&reader, path), -EINVAL);
	assert_int_equal(store_open(&reader, dir), -EINVAL);
	assert_int_equal(store_finish(NULL), 0);
	store_close(NULL);
}

static void test_sought(void **state)
{
	struct store_reader *reader;
	unsigned int n, from;

	(void)state;
	record(path, &options, 0, LINES);
	reader = open_reader(path);
	for (n = 1; n < LINES + 3; n++) {
		/* There is always a line before. */
		from = (n < LINES ? n : LINES) - 1;
		store_seek(reader, n * SECOND);
		assert_int_equal(read_from(reader, from - from % BLOCK), LINES);
	}
	store_seek(reader, 0);
	assert_int_equal(read_from(reader, 0), LINES);
	store_close(reader);
}

/* A clock that is set back begins a new block: no line is lost, and each block's times are in
 * order. */
static void test_set_back(void **state)
{
	struct store_writer *writer = create(path, &options, NULL);
	struct store_reader *reader;
	size_t end[LINES], size;
	unsigned char *bytes;
	char line[128];
	unsigned int n;

	(void)state;
	for (n = 0; n < 4; n++)
		assert_int_equal(store_add(writer, (n == 2 ? 0 : n) * SECOND, line,
					   line_of(n, line, sizeof(line))),
				 0);
	assert_int_equal(store_finish(writer), 0);
	bytes = slurp(path, &size);
	assert_int_equal(ends(bytes, size, end), 2);
	free(bytes);
	reader = open_reader(path);
	assert_int_equal(read_from(reader, 0), 4);
	store_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole, no_files),
		cmocka_unit_test_setup(test_zstdcat, no_files),
		cmocka_unit_test_setup(test_appended, no_files),
		cmocka_unit_test_setup(test_rotated, no_files),
		cmocka_unit_test_setup(test_rotation_fails, no_files),
		cmocka_unit_test_setup(test_nothing_recorded, no_files),
		cmocka_unit_test_setup(test_refused, no_files),
		cmocka_unit_test_setup(test_sought, no_files),
		cmocka_unit_test_setup(test_set_back, no_files),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
