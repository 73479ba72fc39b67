// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "../lib/grow.h"
#include "../lib/utf8.h"
#include "metrics_text.h"

void text_put(struct text *text, const char *data, size_t len)
{
	/* An empty text may have no data. */
	if (!len)
		return;
	if (text->failed || grow(&text->data, &text->room, text->len + len, 1)) {
		text->failed = true;
		return;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

void text_puts(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_u64(struct text *text, uint64_t value)
{
	char buf[20], *at = buf + sizeof(buf);

	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_put(text, at, (size_t)(buf + sizeof(buf) - at));
}

void text_seconds(struct text *text, uint64_t ns)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), ".%09u", (unsigned int)(ns % 1000000000));

	while (buf[len - 1] == '0')
		len--;
	text_u64(text, ns / 1000000000);
	if (len > 1)
		text_put(text, buf, (size_t)len);
}

void text_value(struct text *text, const char *value)
{
	size_t len = strlen(value), i, bytes;

	text_put(text, "\"", 1);
	for (i = 0; i < len; i += bytes) {
		utf8_character(value + i, len - i, &bytes);
		if (!bytes) {
			text_puts(text, "\xef\xbf\xbd");
			bytes = 1;
		} else if (value[i] == '\n') {
			text_puts(text, "\\n");
		} else {
			if (value[i] == '"' || value[i] == '\\')
				text_put(text, "\\", 1);
			text_put(text, value + i, bytes);
		}
	}
	text_put(text, "\"", 1);
}

/* Above 15, the largest window, zlib writes the head and the end of gzip. */
#define GZIP_WINDOW (15 + 16)
#define MEMORY	    8 /* zlib's own default */

/* The fastest level: names and labels that repeat are found by it too. */
int text_gzip(struct text *to, const struct text *from)
{
	z_stream stream = { 0 };
	uLong bound;
	int ret;

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bound = deflateBound(&stream, (uLong)from->len);
	ret = grow(&to->data, &to->room, bound, 1);
	if (!ret) {
		stream.next_in = (Bytef *)from->data;
		stream.avail_in = (uInt)from->len;
		stream.next_out = (Bytef *)to->data;
		stream.avail_out = (uInt)bound;
		/* All of the input and space for the worst case: one call is enough. */
		ret = deflate(&stream, Z_FINISH) == Z_STREAM_END ? 0 : -ENOMEM;
		to->len = stream.total_out;
	}
	deflateEnd(&stream);
	return ret;
}
