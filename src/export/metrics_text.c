// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include <zlib.h>

#include "../lib/grow.h"
#include "../lib/utf8.h"
#include "metrics_text.h"

#define NS_PER_S     1000000000
#define DIGITS_OF_NS 9

void text_put_grow(struct text *text, const char *data, size_t len)
{
	if (text->failed || grow(&text->data, &text->room, text->len + len, 1)) {
		/* Later pieces may be short enough, and must not follow without this one. */
		text->failed = true;
		text->room = text->len;
		return;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
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
	char buf[1 + DIGITS_OF_NS];
	uint32_t rest = (uint32_t)(ns % NS_PER_S);
	int len = DIGITS_OF_NS, i;

	text_u64(text, ns / NS_PER_S);
	if (!rest)
		return;
	for (; rest % 10 == 0; len--)
		rest /= 10;
	for (i = len; i; i--, rest /= 10)
		buf[i] = (char)('0' + rest % 10);
	buf[0] = '.';
	text_put(text, buf, (size_t)len + 1);
}

/* Bytes that need no escape and are a character each. */
static size_t plain(const char *value, size_t len)
{
	size_t i;

	for (i = 0; i < len && value[i] >= ' ' && value[i] <= '~'; i++)
		if (value[i] == '"' || value[i] == '\\')
			break;
	return i;
}

void text_value(struct text *text, const char *value)
{
	size_t len = strlen(value), i, bytes;

	text_put(text, "\"", 1);
	for (i = 0; i < len; i += bytes) {
		bytes = plain(value + i, len - i);
		if (bytes) {
			text_put(text, value + i, bytes);
			continue;
		}
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
