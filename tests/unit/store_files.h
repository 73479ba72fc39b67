/* SPDX-License-Identifier: GPL-2.0-only */
/* Recordings of a directory of their own, with lines that say which one they are. */
#ifndef UNIT_STORE_FILES_H
#define UNIT_STORE_FILES_H

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
static inline size_t line_of(unsigned int n, char *line, size_t size)
{
	return (size_t)snprintf(line, size, "{\"frame\":%u,\"noise\":%u,\"more\":\"%08x\"}\n", n,
				n * n * 7919, n * 2654435761U);
}

static inline int add(struct store_writer *writer, unsigned int n)
{
	char line[128];
	size_t len = line_of(n, line, sizeof(line));

	return store_add(writer, n * SECOND, line, len);
}

static inline struct store_writer *create(const char *name, const struct store_options *how,
					  uint64_t *cut)
{
	struct store_writer *writer = NULL;

	assert_int_equal(store_create(&writer, name, how, cut), 0);
	return writer;
}

static inline void record(const char *name, const struct store_options *how, unsigned int from,
			  unsigned int to)
{
	struct store_writer *writer = create(name, how, NULL);

	for (; from < to; from++)
		assert_int_equal(add(writer, from), 0);
	assert_int_equal(store_finish(writer), 0);
}

static inline struct store_reader *open_reader(const char *name)
{
	struct store_reader *reader = NULL;

	assert_int_equal(store_open(&reader, name), 0);
	return reader;
}

/* Are the lines that follow @from, @from + 1, ...? Return: the number after the last. */
static inline unsigned int read_from(struct store_reader *reader, unsigned int from)
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

static inline unsigned char *slurp(const char *name, size_t *size)
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

static inline size_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return (size_t)st.st_size;
}

static inline void spill(const char *name, const unsigned char *bytes, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

/* Where the blocks of a whole recording end, by its headers. Return: how many there are. */
static inline unsigned int ends(const unsigned char *bytes, size_t size, size_t *end)
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

static inline int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/recording", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

static inline int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static inline int no_files(void **state)
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

#endif /* UNIT_STORE_FILES_H */
