// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../lib/grow.h"
#include "store.h"

/*
 * Frames differ little from each other, so that the larger part of a line is found in the line
 * before. The window has to hold some of them, and the table of hashes has to reach that far: at
 * level 1 it would not. With 1,000 VMs of which one in ten works the result is a seventh of what it
 * is otherwise. Long-distance matching finds the same, in more time.
 */
#define LEVEL	   1
#define LINES	   4
#define MIN_WINDOW 17 /* powers of two of bytes */
#define MAX_WINDOW 25 /* 27 is what zstd reads unless told otherwise */
#define MAX_HASH   20 /* powers of two of entries */

struct store_writer {
	char *path;
	struct store_options options;
	int fd;
	bool created;	   /* the file did not exist before */
	uint64_t end;	   /* of the last whole block in the file */
	uint64_t began_ns; /* time of the first line in the file */
	ZSTD_CCtx *zstd;
	struct store_block block; /* which is not written yet; lines is 0: there is none */
	unsigned char *bytes;	  /* its header, and what there is of its frame */
	size_t used, room;
};

/* Compress @len bytes of text. Return: 0 or a negative errno. */
static int compress_text(struct store_writer *w, const char *text, size_t len,
			 ZSTD_EndDirective what)
{
	ZSTD_inBuffer in = { text, len, 0 };
	ZSTD_outBuffer out;
	size_t left;
	int ret;

	do {
		ret = grow(&w->bytes, &w->room, w->used + ZSTD_CStreamOutSize(), 1);
		if (ret)
			return ret;
		out = (ZSTD_outBuffer){ w->bytes + w->used, w->room - w->used, 0 };
		left = ZSTD_compressStream2(w->zstd, &out, &in, what);
		w->used += out.pos;
		if (ZSTD_isError(left))
			return -ENOMEM;
	} while (in.pos < in.size || (what == ZSTD_e_end && left));
	return 0;
}

static void drop_block(struct store_writer *w)
{
	w->block.lines = 0;
	w->used = 0;
}

static int begin_block(struct store_writer *w, uint64_t time_ns, size_t line)
{
	int window = MIN_WINDOW;

	while (window < MAX_WINDOW && 1UL << window < LINES * line)
		window++;
	ZSTD_CCtx_reset(w->zstd, ZSTD_reset_session_and_parameters);
	if (ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_windowLog, window)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_enableLongDistanceMatching, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)))
		return -EINVAL;
	w->block = (struct store_block){ .first_ns = time_ns };
	w->used = STORE_HEADER;
	return 0;
}

/* All of it, or the file is as it was before. */
static int write_whole(struct store_writer *w, const unsigned char *bytes, size_t size)
{
	size_t done = 0;
	ssize_t n;
	int ret;

	while (done < size) {
		n = pwrite(w->fd, bytes + done, size - done, (off_t)(w->end + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ret = n ? -errno : -EIO;
			/* If that fails too, the next writer cuts it off, and readers see it. */
			if (ftruncate(w->fd, (off_t)w->end))
				return ret;
			return ret;
		}
		done += (size_t)n;
	}
	w->end += size;
	return 0;
}

/* Open and lock @w->path. What it has at its end besides whole blocks is cut off. */
static int open_file(struct store_writer *w, uint64_t *cut)
{
	static const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	unsigned char begin[STORE_HEADER];
	struct store_reader *reader;
	struct stat st;
	ssize_t n;
	int ret;

	w->fd = open(w->path, flags);
	w->created = w->fd < 0 && errno == ENOENT;
	if (w->created)
		w->fd = open(w->path, flags | O_CREAT, 0640);
	if (w->fd < 0)
		return -errno;
	if (fstat(w->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flock(w->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	n = pread(w->fd, begin, sizeof(begin), 0);
	if (n < 0)
		return -errno;
	if (!store_begins(begin, (size_t)n))
		return -EBADMSG;
	*cut = (uint64_t)st.st_size;
	w->end = 0;
	if (n == STORE_HEADER) {
		ret = store_open(&reader, w->path);
		if (ret)
			return ret;
		*cut = store_health(reader)->cut;
		w->end = (uint64_t)st.st_size - *cut;
		store_span(reader, &w->began_ns, &(uint64_t){ 0 });
		store_close(reader);
	}
	return *cut && ftruncate(w->fd, (off_t)w->end) ? -errno : 0;
}

static int rename_to(const struct store_writer *w, unsigned int from, unsigned int to)
{
	char *a = NULL, *b = NULL;
	int ret = -ENOMEM;

	if ((from ? asprintf(&a, "%s.%u", w->path, from) : asprintf(&a, "%s", w->path)) < 0)
		return ret;
	if (asprintf(&b, "%s.%u", w->path, to) >= 0)
		ret = rename(a, b) && errno != ENOENT ? -errno : 0;
	free(a);
	free(b);
	return ret;
}

static int rename_all(const struct store_writer *w)
{
	unsigned int i;
	int ret = 0;

	for (i = w->options.keep; i > 1 && !ret; i--)
		ret = rename_to(w, i - 1, i);
	if (!ret && w->options.keep)
		return rename_to(w, 0, 1);
	return !ret && unlink(w->path) ? -errno : ret;
}

/*
 * The file becomes PATH.1, and what is PATH.KEEP is replaced. Where that fails, the file that was
 * written to, whatever its name is now, is still the one that is written to.
 */
static int rotate(struct store_writer *w)
{
	struct store_writer old = *w;
	uint64_t cut;
	int ret;

	ret = rename_all(w);
	if (ret)
		return ret;
	ret = open_file(w, &cut);
	if (ret) {
		if (w->fd >= 0)
			close(w->fd);
		w->fd = old.fd;
		w->end = old.end;
		w->created = false;
		return ret;
	}
	close(old.fd);
	return 0;
}

static bool wants_rotation(const struct store_writer *w)
{
	const struct store_options *o = &w->options;

	if (!w->end)
		return false;
	return (o->rotate_bytes && w->end + w->used > o->rotate_bytes) ||
	       (o->rotate_ns && w->block.last_ns > w->began_ns &&
		w->block.last_ns - w->began_ns > o->rotate_ns);
}

int store_flush(struct store_writer *w)
{
	int ret, rotated = 0;

	if (!w->block.lines)
		return 0;
	ret = compress_text(w, NULL, 0, ZSTD_e_end);
	if (!ret && wants_rotation(w))
		rotated = rotate(w);
	/* Rather a file that is too large than a block that is lost. */
	if (!ret) {
		w->block.compressed = w->used - STORE_HEADER;
		w->block.crc =
			(uint32_t)crc32_z(0, w->bytes + STORE_HEADER, w->used - STORE_HEADER);
		store_encode(&w->block, w->bytes);
		if (!w->end)
			w->began_ns = w->block.first_ns;
		ret = write_whole(w, w->bytes, w->used);
	}
	drop_block(w);
	return ret ? ret : rotated;
}

/* Is there no room for another line of this time in the block? */
static bool is_full(const struct store_writer *w, uint64_t time_ns, size_t len)
{
	const struct store_block *block = &w->block;

	if (!block->lines)
		return false;
	/* A clock that was set back ends a block too: its times are in order. */
	return time_ns < block->last_ns || time_ns - block->first_ns >= w->options.block_ns ||
	       block->text + len > STORE_MAX_TEXT || block->text >= w->options.block_text;
}

int store_add(struct store_writer *w, uint64_t time_ns, const char *line, size_t len)
{
	int ret = 0;

	if (!len || len > STORE_MAX_TEXT || memchr(line, '\n', len) != line + len - 1)
		return -EINVAL;
	if (is_full(w, time_ns, len))
		ret = store_flush(w);
	if (!ret && !w->block.lines)
		ret = begin_block(w, time_ns, len);
	if (!ret)
		ret = compress_text(w, line, len, ZSTD_e_continue);
	if (ret) {
		drop_block(w);
		return ret;
	}
	w->block.last_ns = time_ns;
	w->block.text += len;
	w->block.lines++;
	return 0;
}

static void free_writer(struct store_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	ZSTD_freeCCtx(w->zstd);
	free(w->bytes);
	free(w->path);
	free(w);
}

int store_create(struct store_writer **writer, const char *path,
		 const struct store_options *options, uint64_t *cut)
{
	struct store_writer *w = calloc(1, sizeof(*w));
	uint64_t ignored;
	int ret = -ENOMEM;

	if (!w)
		return ret;
	w->fd = -1;
	w->options = *options;
	w->path = strdup(path);
	w->zstd = ZSTD_createCCtx();
	if (w->path && w->zstd)
		ret = open_file(w, cut ? cut : &ignored);
	if (ret)
		free_writer(w);
	else
		*writer = w;
	return ret;
}

int store_finish(struct store_writer *w)
{
	int ret;

	if (!w)
		return 0;
	ret = store_flush(w);
	if (fsync(w->fd) && !ret)
		ret = -errno;
	/* Of a recorder that could not begin nothing stays. */
	if (w->created && !w->end && unlink(w->path) && !ret)
		ret = -errno;
	free_writer(w);
	return ret;
}
