// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings that were damaged: cut at any byte, any byte changed, a disk that was full at any
 * byte, a writer that was killed. What is read is what was written, and nothing else.
 */
#define _GNU_SOURCE
#include "store_files.h"

static void test_cut(void **state)
{
	struct store_reader *reader;
	unsigned int nr, i, whole;
	size_t end[LINES], size, at;
	unsigned char *bytes;
	uint64_t cut;

	(void)state;
	record(path, &options, 0, LINES);
	bytes = slurp(path, &size);
	nr = ends(bytes, size, end);
	for (at = 1; at < size; at++) {
		for (whole = 0; whole < nr && end[whole] <= at; whole++)
			;
		spill(copy, bytes, at);
		reader = open_reader(copy);
		assert_int_equal(read_from(reader, 0), whole * BLOCK);
		cut = at - (whole ? end[whole - 1] : 0);
		assert_int_equal(store_health(reader)->cut, cut);
		assert_int_equal(store_health(reader)->damaged, 0);
		store_close(reader);
		/* A writer goes on after the last whole block. */
		store_finish(create(copy, &options, &cut));
		assert_int_equal(cut, at - (whole ? end[whole - 1] : 0));
		assert_int_equal(size_of(copy), at - cut);
		record(copy, &options, whole * BLOCK, LINES);
		reader = open_reader(copy);
		assert_int_equal(read_from(reader, 0), LINES);
		assert_int_equal(store_health(reader)->cut, 0);
		store_close(reader);
	}
	for (i = 0; i < nr; i++)
		assert_true(end[i] > STORE_HEADER);
	free(bytes);
}

/* Lines that are read are lines that were written, in their order. Return: how many are missing. */
static unsigned int missing(struct store_reader *reader)
{
	unsigned int n = 0, lost = 0;
	const char *line;
	char want[128];
	size_t len;

	while (store_line(reader, &line, &len) == 1) {
		for (; n < LINES &&
		       (line_of(n, want, sizeof(want)) != len || memcmp(line, want, len));
		     n++)
			lost++;
		assert_true(n < LINES);
		n++;
	}
	return lost + LINES - n;
}

static void test_changed(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct store_reader *reader;
	const struct store_health *health;
	unsigned char *bytes;
	size_t size, at, m;
	int ret;

	(void)state;
	record(path, &options, 0, LINES);
	bytes = slurp(path, &size);
	for (at = 0; at < size; at++) {
		for (m = 0; m < sizeof(masks); m++) {
			bytes[at] ^= masks[m];
			spill(copy, bytes, size);
			bytes[at] ^= masks[m];
			ret = store_open(&reader, copy);
			if (ret) {
				/* It does not begin as a recording does. */
				assert_int_equal(ret, -EBADMSG);
				assert_true(at < STORE_HEADER);
				continue;
			}
			assert_int_equal(missing(reader), BLOCK);
			health = store_health(reader);
			assert_true(health->damaged || health->cut);
			store_close(reader);
		}
	}
	free(bytes);
}

/* A header that is whole and says what is not true of the frame after it. */
static void test_untrue(void **state)
{
	struct store_reader *reader;
	struct store_block block, untrue;
	unsigned char *bytes;
	size_t size;
	int i;

	(void)state;
	record(path, &options, 0, LINES);
	bytes = slurp(path, &size);
	assert_true(store_decode(bytes, &block));
	for (i = 0; i < 6; i++) {
		untrue = block;
		switch (i) {
		case 0: untrue.lines--; break;
		case 1: untrue.text--; break;
		case 2: untrue.text++; break;
		case 3: untrue.text = STORE_MAX_TEXT + 1; break;
		case 4: untrue.text = 0; break;
		case 5: untrue.crc++; break;
		}
		store_encode(&untrue, bytes);
		spill(copy, bytes, size);
		reader = open_reader(copy);
		assert_int_equal(missing(reader), BLOCK);
		assert_int_equal(store_health(reader)->damaged, STORE_HEADER + block.compressed);
		store_close(reader);
	}
	/* A frame that is said to be longer than the file: what is searched behind it is found. */
	untrue = block;
	untrue.compressed = UINT64_MAX - 10;
	store_encode(&untrue, bytes);
	spill(copy, bytes, size);
	reader = open_reader(copy);
	assert_int_equal(missing(reader), BLOCK);
	store_close(reader);
	free(bytes);
}

/* The disk is full at byte @limit: add lines until that is noticed. */
static void fill(struct store_writer *writer, size_t limit)
{
	struct rlimit before, now;
	unsigned int n;
	int ret = 0;

	getrlimit(RLIMIT_FSIZE, &before);
	now = before;
	now.rlim_cur = limit;
	setrlimit(RLIMIT_FSIZE, &now);
	for (n = 0; n < LINES && !ret; n++)
		ret = add(writer, n);
	if (!ret)
		ret = store_flush(writer);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(ret, -EFBIG);
}

static void test_full(void **state)
{
	size_t end[LINES], size, limit;
	struct store_reader *reader;
	struct store_writer *writer;
	unsigned char *bytes;
	unsigned int nr, whole;

	(void)state;
	record(path, &options, 0, LINES);
	bytes = slurp(path, &size);
	nr = ends(bytes, size, end);
	free(bytes);
	for (limit = 0; limit < size; limit++) {
		for (whole = 0; whole < nr && end[whole] <= limit; whole++)
			;
		unlink(copy);
		writer = create(copy, &options, NULL);
		fill(writer, limit);
		/* Nothing half written stays, and when there is room again it goes on. */
		assert_int_equal(size_of(copy), whole ? end[whole - 1] : 0);
		for (nr = whole * BLOCK; nr < LINES; nr++)
			assert_int_equal(add(writer, nr), 0);
		nr = LINES / BLOCK;
		assert_int_equal(store_finish(writer), 0);
		reader = open_reader(copy);
		assert_int_equal(read_from(reader, 0), LINES);
		store_close(reader);
	}
}

static void test_killed(void **state)
{
	static const struct store_options small = { .block_ns = 3 * SECOND, .block_text = 1 << 20 };
	struct timespec pause = { 0, 0 };
	struct store_reader *reader;
	struct store_writer *writer;
	unsigned int round, n, status;
	pid_t pid;

	(void)state;
	for (round = 0; round < KILLS; round++) {
		unlink(path);
		store_finish(create(path, &small, NULL));
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			if (store_create(&writer, path, &small, NULL))
				_exit(1);
			for (n = 0; !add(writer, n); n++)
				;
			_exit(1);
		}
		pause.tv_nsec = 1000000 + round * 700000;
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, (int *)&status, 0), pid);
		assert_true(WIFSIGNALED(status));
		/* Nothing was written yet: an empty file is no recording. */
		if (store_open(&reader, path))
			continue;
		n = read_from(reader, 0);
		assert_int_equal(n % 3, 0);
		assert_int_equal(store_health(reader)->damaged, 0);
		store_close(reader);
		record(path, &small, n, n + 2);
		reader = open_reader(path);
		assert_int_equal(read_from(reader, 0), n + 2);
		store_close(reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cut, no_files),
		cmocka_unit_test_setup(test_changed, no_files),
		cmocka_unit_test_setup(test_untrue, no_files),
		cmocka_unit_test_setup(test_full, no_files),
		cmocka_unit_test_setup(test_killed, no_files),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
