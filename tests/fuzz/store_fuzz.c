// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings that somebody hostile made. An input is a file as it is, or, after a byte with bit 0
 * set, a block whose sums are made right, so that what is behind them is reached:
 *   lines (1 byte), bytes of text (2 bytes), the frame of zstd
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "../../src/top/store.h"

#define LINE "a line of a block that is right\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(int fd, const void *bytes, size_t size)
{
	if (write(fd, bytes, size) != (ssize_t)size)
		abort();
}

static void put_block(int fd, const uint8_t *data, size_t size)
{
	unsigned char header[STORE_HEADER];
	struct store_block block = { .first_ns = 1, .last_ns = 2 };

	block.lines = data[0];
	block.text = (uint64_t)data[1] | (uint64_t)data[2] << 8;
	block.compressed = size - 3;
	block.crc = (uint32_t)crc32_z(0, data + 3, size - 3);
	store_encode(&block, header);
	put(fd, header, sizeof(header));
	put(fd, data + 3, size - 3);
}

/* Everything that is read is whole lines, and as often as one looks. */
static void read_all(struct store_reader *reader)
{
	uint64_t first, last;
	const char *line;
	size_t len, i, nr[2] = { 0 };

	for (i = 0; i < 2; i++) {
		while (store_line(reader, &line, &len) == 1) {
			if (!len || memchr(line, '\n', len) != line + len - 1)
				abort();
			nr[i]++;
		}
		store_span(reader, &first, &last);
		store_seek(reader, 0);
	}
	if (nr[0] != nr[1])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_options options = { .block_ns = 1, .block_text = 1 };
	int fd = memfd_create("fuzz", 0);
	struct store_reader *reader;
	struct store_writer *writer;
	char path[64];

	if (fd < 0)
		abort();
	if (size > 4 && data[0] & 1)
		put_block(fd, data + 1, size - 1);
	else if (size)
		put(fd, data, size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!store_open(&reader, path)) {
		read_all(reader);
		store_close(reader);
	}
	/* A writer appends to it, or leaves it alone: then what it wrote is read. */
	if (!store_create(&writer, path, &options, NULL)) {
		if (store_add(writer, 7, LINE, strlen(LINE)) || store_finish(writer))
			abort();
		if (store_open(&reader, path))
			abort();
		store_seek(reader, UINT64_MAX);
		store_close(reader);
	}
	close(fd);
	return 0;
}
