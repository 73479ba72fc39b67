/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recordings: files that lines of text are appended to in compressed blocks.
 *
 * A block is a skippable frame of zstd (RFC 8878, section 3.1.2) with the header below, and one
 * frame of zstd with the lines, so that zstdcat prints the lines of a whole file. Each block can be
 * read without the others. A block is written at once when it is full; what a writer that was
 * killed or a full disk left of one is found by its length and its CRC, and is not read.
 *
 * Nothing here writes messages: callers explain errors.
 */
#ifndef GMEM_STORE_H
#define GMEM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a header, the eight that make it a skippable frame included. */
#define STORE_HEADER 64

/* What a header says, all little-endian: see store_format.c for the places. */
struct store_block {
	uint64_t first_ns, last_ns; /* times of its first and its last line, CLOCK_REALTIME */
	uint64_t text;		    /* bytes of its lines */
	uint64_t compressed;	    /* bytes of the frame that follows */
	uint32_t lines;
	uint32_t crc; /* CRC-32 (ISO 3309, as in zlib) of the frame that follows */
};

/* No block of a writer has more text; a reader takes one that claims more for damaged. In bytes. */
#define STORE_MAX_TEXT (256UL << 20)

/* --- store_format.c --- */

void store_encode(const struct store_block *block, unsigned char header[STORE_HEADER]);

/* Return: true; false: that is no header of a block. */
bool store_decode(const unsigned char header[STORE_HEADER], struct store_block *block);

/* Can a file that begins with these bytes, as many as there are up to STORE_HEADER, be a recording?
 */
bool store_begins(const unsigned char *bytes, size_t nr);

/* --- store_write.c --- */

struct store_options {
	uint64_t block_ns;     /* a block has the lines of at most this time, */
	size_t block_text;     /* and is written when it has this many bytes of text */
	uint64_t rotate_bytes; /* no file gets larger, unless one block is; 0: no limit */
	uint64_t rotate_ns;    /* no file has the lines of a longer time; 0: no limit */
	unsigned int keep;     /* files that were rotated away: PATH.1 (the newest) to PATH.KEEP */
};

struct store_writer;

/**
 * store_create - append to a recording, a new one if there is none
 * @writer: the result, for store_finish()
 * @path: of the file; the names of rotated files are made from it
 * @options: copied
 * @cut: bytes at the end that were no whole block and were cut off; may be NULL
 *
 * The file is locked (flock) as long as it is written to.
 *
 * Return: 0, -EBUSY (another process writes to it), -EBADMSG (it is not a recording and was not
 * changed), -EINVAL (not a regular file), or another negative errno.
 */
int store_create(struct store_writer **writer, const char *path,
		 const struct store_options *options, uint64_t *cut);

/**
 * store_add - append a line
 * @time_ns: CLOCK_REALTIME; it may be less than that of the line before
 * @line: its bytes, with the newline at the end
 *
 * Return: 0, -EINVAL for what is no line, or a negative errno from writing: then the file ends with
 * its last whole block, and the lines of the block that could not be written are lost.
 */
int store_add(struct store_writer *writer, uint64_t time_ns, const char *line, size_t len);

/*
 * Write the block that is not full. Return: as store_add(); where only the rotation failed, the
 * error of that, and the block is in the file that was written to before.
 */
int store_flush(struct store_writer *writer);

/*
 * Flush, wait for the disk, and free, whatever happens. A file that is new and empty is removed.
 * NULL is allowed. Return: as store_add().
 */
int store_finish(struct store_writer *writer);

/* --- store_read.c --- */

struct store_health {
	uint64_t cut;	  /* bytes at the end that are no whole block */
	uint64_t damaged; /* bytes elsewhere that were skipped; of blocks, as they are read */
};

struct store_reader;

/**
 * store_open - read a recording
 * @reader: the result, for store_close()
 *
 * It looks at the headers only. Blocks that are appended later are not seen.
 *
 * Return: 0, -EBADMSG (not a recording), -EINVAL (not a regular file), or another negative errno.
 */
int store_open(struct store_reader **reader, const char *path);

/**
 * store_line - the next line
 * @line: it, with its newline, until the next call
 * @len: bytes
 *
 * Return: 1, 0 at the end, or a negative errno.
 */
int store_line(struct store_reader *reader, const char **line, size_t *len);

/*
 * The next line will be the first one of the last block that begins before @time_ns; of the first
 * block if none does.
 */
void store_seek(struct store_reader *reader, uint64_t time_ns);

/* The time of a frame or an event, found without reading the rest of its line; 0: it has none. */
uint64_t store_time(const char *line, size_t len);

/* Times of the first and of the last line. Return: false if there is no line. */
bool store_span(const struct store_reader *reader, uint64_t *first_ns, uint64_t *last_ns);

/* The file, which is the reader's. It can always be read. */
int store_fd(const struct store_reader *reader);

const struct store_health *store_health(const struct store_reader *reader);

/* NULL is allowed. */
void store_close(struct store_reader *reader);

#endif /* GMEM_STORE_H */
