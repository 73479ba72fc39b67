// SPDX-License-Identifier: GPL-2.0-only
/* The header of a block: see docs/recording.md. */
#include <endian.h>
#include <string.h>
#include <zlib.h>

#include "store.h"

#define SKIPPABLE 0x184d2a5b /* one of the 16 numbers of skippable frames */
#define VERSION	  1

/* What is the same in each header: the frame's number and length, a name, the version. */
#define CONSTANT 20

struct header {
	uint32_t skippable, size;
	char name[8];
	uint32_t version, lines;
	uint64_t first_ns, last_ns, text, compressed;
	uint32_t crc, header_crc; /* of the frame; of all before it */
};

_Static_assert(sizeof(struct header) == STORE_HEADER, "no padding");
_Static_assert(offsetof(struct header, lines) == CONSTANT, "lines follow the version");

static uint32_t header_crc(const struct header *header)
{
	return (uint32_t)crc32(0, (const unsigned char *)header,
			       offsetof(struct header, header_crc));
}

static void begin(struct header *header)
{
	memset(header, 0, sizeof(*header));
	header->skippable = htole32(SKIPPABLE);
	header->size = htole32(STORE_HEADER - 8);
	memcpy(header->name, "gmemrec", sizeof(header->name));
	header->version = htole32(VERSION);
}

void store_encode(const struct store_block *block, unsigned char bytes[STORE_HEADER])
{
	struct header header;

	begin(&header);
	header.lines = htole32(block->lines);
	header.first_ns = htole64(block->first_ns);
	header.last_ns = htole64(block->last_ns);
	header.text = htole64(block->text);
	header.compressed = htole64(block->compressed);
	header.crc = htole32(block->crc);
	header.header_crc = htole32(header_crc(&header));
	memcpy(bytes, &header, sizeof(header));
}

bool store_decode(const unsigned char bytes[STORE_HEADER], struct store_block *block)
{
	struct header header;

	memcpy(&header, bytes, sizeof(header));
	if (!store_begins(bytes, STORE_HEADER) || le32toh(header.header_crc) != header_crc(&header))
		return false;
	*block = (struct store_block){
		.first_ns = le64toh(header.first_ns),
		.last_ns = le64toh(header.last_ns),
		.text = le64toh(header.text),
		.compressed = le64toh(header.compressed),
		.lines = le32toh(header.lines),
		.crc = le32toh(header.crc),
	};
	return true;
}

bool store_begins(const unsigned char *bytes, size_t nr)
{
	struct header header;

	begin(&header);
	return !memcmp(bytes, &header, nr < CONSTANT ? nr : CONSTANT);
}
