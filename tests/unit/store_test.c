// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings, whatever happened to them: cut at any byte, any byte changed, a disk that was full at
 * any byte, a writer that was killed. What is read is what was written, and nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/top/store.h"

#define LINES  30
#define BLOCK  5 /* lines, each of a second */
#define SECOND 1000000000ULL
#define KILLS  20

/* Memory, as each recording is synced. */
static char dir[] = "/dev/shm/store_test.XXXXXX";
static char path[64], copy[64];

static const struct store_options options = { .block_ns = BLOCK * SECOND, .block_text = 1 << 20 };

/* Line @n, the same each time. Return: its bytes. */
static size_t line_of(unsigned int n, char *line, size_t size)
{
	return (size_t)snprintf(line, size, "{\"frame\":%u,\"noise\":%u,\"more\":\"%08x\"}\n", n,
				n * n * 7919, n * 2654435761U);
}

static int add(struct store_writer *writer, unsigned int n)
{
	char line[128];
	size_t len = line_of(n, line, sizeof(line));

	return store_add(writer, n * SECOND, line, len);
}

static struct store_writer *create(const char *name, const struct store_options *how, uint64_t *cut)
{
	struct store_writer *writer = NULL;

	assert_int_equal(store_create(&writer, name, how, cut), 0);
	return writer;
}

static void record(const char *name, const struct store_options *how, unsigned int from,
		   unsigned int to)
{
	struct store_writer *writer = create(name, how, NULL);

	for (; from < to; from++)
		assert_int_equal(add(writer, from), 0);
	assert_int_equal(store_finish(writer), 0);
}

static struct store_reader *open_reader(const char *name)
{
	struct store_reader *reader = NULL;

	assert_int_equal(store_open(&reader, name), 0);
	return reader;
}

/* Are the lines that follow @from, @from + 1, ...? Return: the number after the last. */
static unsigned int read_from(struct store_reader *reader, unsigned int from)
{
	const char *line;
	char want[128];
	size_t len;

	while (store_line(reader, &line, &len) == 1) {
		assert_int_equal(len, line_of(from++, want, sizeof(want)));
		assert_memory_equal(line, want, len);
	}
	return from;
}

static unsigned char *slurp(const char *name, size_t *size)
{
	unsigned char *bytes = malloc(1 << 20);
	int fd = open(name, O_RDONLY);
	ssize_t n;

	assert_non_null(bytes);
	assert_true(fd >= 0);
	n = read(fd, bytes, 1 << 20);
	assert_true(n > 0);
	close(fd);
	*size = (size_t)n;
	return bytes;
}

static size_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return (size_t)st.st_size;
}

static void spill(const char *name, const unsigned char *bytes, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

/* Where the blocks of a whole recording end, by its headers. Return: how many there are. */
static unsigned int ends(const unsigned char *bytes, size_t size, size_t *end)
{
	struct store_block block;
	unsigned int nr = 0;
	size_t at = 0;

	while (at < size) {
		assert_true(store_decode(bytes + at, &block));
		at += STORE_HEADER + block.compressed;
		end[nr++] = at;
	}
	assert_int_equal(at, size);
	return nr;
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/recording", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int no_files(void **state)
{
	char name[80];
	int i;

	(void)state;
	unlink(path);
	unlink(copy);
	for (i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
	return 0;
}

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
		cmocka_unit_test_setup(test_whole, no_files),
		cmocka_unit_test_setup(test_zstdcat, no_files),
		cmocka_unit_test_setup(test_appended, no_files),
		cmocka_unit_test_setup(test_cut, no_files),
		cmocka_unit_test_setup(test_changed, no_files),
		cmocka_unit_test_setup(test_untrue, no_files),
		cmocka_unit_test_setup(test_full, no_files),
		cmocka_unit_test_setup(test_rotated, no_files),
		cmocka_unit_test_setup(test_rotation_fails, no_files),
		cmocka_unit_test_setup(test_nothing_recorded, no_files),
		cmocka_unit_test_setup(test_refused, no_files),
		cmocka_unit_test_setup(test_sought, no_files),
		cmocka_unit_test_setup(test_set_back, no_files),
		cmocka_unit_test_setup(test_killed, no_files),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
