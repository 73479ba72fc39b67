// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../lib/grow.h"
#include "store.h"

#define SEARCH 65536 /* bytes that are looked through at a time for the next header */

struct place {
	uint64_t at;
	struct store_block block;
};

struct store_reader {
	int fd;
	uint64_t size;
	struct place *places; /* of the blocks */
	size_t nr, room;
	size_t next; /* the block after the one that is read */
	ZSTD_DCtx *zstd;
	unsigned char *compressed;
	char *text;
	size_t room_compressed, room_text;
	size_t used, at; /* bytes in text, and of them read */
	struct store_health health;
};

/* Return: bytes, fewer only at the end of the file, or a negative errno. */
static ssize_t read_at(const struct store_reader *r, uint64_t at, void *bytes, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(r->fd, (char *)bytes + done, size - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Is there a block, and does the file have all of it? */
static bool is_whole(const struct store_reader *r, uint64_t at, struct store_block *block)
{
	unsigned char header[STORE_HEADER];

	return read_at(r, at, header, sizeof(header)) == (ssize_t)sizeof(header) &&
	       store_decode(header, block) && block->compressed <= r->size - at - STORE_HEADER;
}

/* The first whole block from @at on, the file's size if there is none. */
static uint64_t find_block(const struct store_reader *r, uint64_t at, struct store_block *block)
{
	unsigned char bytes[SEARCH], first[STORE_HEADER];
	const unsigned char *found, *from;
	ssize_t n;

	store_encode(&(struct store_block){ 0 }, first);
	for (;;) {
		n = read_at(r, at, bytes, sizeof(bytes));
		if (n < STORE_HEADER)
			return r->size;
		for (from = bytes; (found = memmem(from, (size_t)(bytes + n - from), first, 8));
		     from = found + 1) {
			if (is_whole(r, at + (uint64_t)(found - bytes), block))
				return at + (uint64_t)(found - bytes);
		}
		/* A header may begin with the last bytes. */
		at += (uint64_t)n - 7;
	}
}

/* Find all blocks. */
static int look_through(struct store_reader *r)
{
	struct place place = { 0 };
	uint64_t end = 0;
	int ret;

	while (end < r->size) {
		place.at = find_block(r, end, &place.block);
		if (place.at == r->size)
			break;
		r->health.damaged += place.at - end;
		end = place.at + STORE_HEADER + place.block.compressed;
		ret = grow(&r->places, &r->room, r->nr + 1, sizeof(*r->places));
		if (ret)
			return ret;
		r->places[r->nr++] = place;
	}
	r->health.cut = r->size - end;
	return 0;
}

int store_open(struct store_reader **reader, const char *path)
{
	struct store_reader *r = calloc(1, sizeof(*r));
	unsigned char begin[STORE_HEADER];
	struct stat st;
	ssize_t n;
	int ret;

	if (!r)
		return -ENOMEM;
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (r->fd < 0 || fstat(r->fd, &st)) {
		ret = -errno;
		goto fail;
	}
	ret = -EINVAL;
	if (!S_ISREG(st.st_mode))
		goto fail;
	r->size = (uint64_t)st.st_size;
	n = read_at(r, 0, begin, sizeof(begin));
	ret = n < 0 ? (int)n : -EBADMSG;
	if (n <= 0 || !store_begins(begin, (size_t)n))
		goto fail;
	r->zstd = ZSTD_createDCtx();
	ret = r->zstd ? look_through(r) : -ENOMEM;
	if (ret)
		goto fail;
	*reader = r;
	return 0;
fail:
	store_close(r);
	return ret;
}

static uint64_t count_lines(const char *text, size_t size)
{
	const char *end = text + size;
	uint64_t lines = 0;

	for (; (text = memchr(text, '\n', (size_t)(end - text))); text++)
		lines++;
	return lines;
}

/*
 * Get the text of a block. Everything that its header says must be true: of a file that somebody
 * changed no line is believed.
 *
 * Return: 0, -EBADMSG: it is damaged, or another negative errno.
 */
static int load(struct store_reader *r, const struct place *place)
{
	const struct store_block *block = &place->block;
	size_t n;
	int ret;

	if (!block->text || block->text > STORE_MAX_TEXT)
		return -EBADMSG;
	ret = grow(&r->compressed, &r->room_compressed, block->compressed, 1);
	if (!ret)
		ret = grow(&r->text, &r->room_text, block->text, 1);
	if (ret)
		return ret;
	n = (size_t)read_at(r, place->at + STORE_HEADER, r->compressed, block->compressed);
	if ((ssize_t)n < 0)
		return (int)n;
	if (n != block->compressed || crc32_z(0, r->compressed, n) != block->crc)
		return -EBADMSG;
	n = ZSTD_decompressDCtx(r->zstd, r->text, block->text, r->compressed, n);
	if (ZSTD_isError(n) || n != block->text || r->text[n - 1] != '\n' ||
	    count_lines(r->text, n) != block->lines)
		return -EBADMSG;
	r->used = n;
	r->at = 0;
	return 0;
}

int store_line(struct store_reader *r, const char **line, size_t *len)
{
	const struct place *place;
	const char *end;
	int ret;

	while (r->at == r->used) {
		if (r->next == r->nr)
			return 0;
		place = &r->places[r->next++];
		ret = load(r, place);
		if (ret == -EBADMSG)
			r->health.damaged += STORE_HEADER + place->block.compressed;
		else if (ret)
			return ret;
	}
	*line = r->text + r->at;
	end = memchr(*line, '\n', r->used - r->at);
	*len = (size_t)(end - *line) + 1;
	r->at += *len;
	return 1;
}

void store_seek(struct store_reader *r, uint64_t time_ns)
{
	size_t i;

	r->at = r->used = r->next = 0;
	for (i = 0; i < r->nr; i++) {
		if (r->places[i].block.first_ns < time_ns)
			r->next = i;
	}
}

uint64_t store_time(const char *line, size_t len)
{
	static const char key[] = "\"time_ns\":";
	const char *at = memmem(line, len, key, sizeof(key) - 1);

	return at ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

int store_fd(const struct store_reader *r)
{
	return r->fd;
}

bool store_span(const struct store_reader *r, uint64_t *first_ns, uint64_t *last_ns)
{
	if (!r->nr)
		return false;
	*first_ns = r->places[0].block.first_ns;
	*last_ns = r->places[r->nr - 1].block.last_ns;
	return true;
}

const struct store_health *store_health(const struct store_reader *r)
{
	return &r->health;
}

void store_close(struct store_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	free(r->places);
	free(r->compressed);
	free(r->text);
	free(r);
}
