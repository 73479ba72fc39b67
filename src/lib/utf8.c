// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "utf8.h"

unsigned int utf8_character(const char *text, size_t len, size_t *bytes)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *byte = (const unsigned char *)text;
	unsigned int c = *byte;
	size_t n, i;

	*bytes = 1;
	if (c < 0x80)
		return c;
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	*bytes = 0;
	if (c < 0xc2 || c > 0xf4 || n > len)
		return c;
	c &= 0xff >> (n + 1);
	for (i = 1; i < n; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return *byte;
		c = c << 6 | (byte[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return *byte;
	*bytes = n;
	return c;
}

bool utf8_is_unsafe(unsigned int c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* What is printed instead of a character; 0: the character. */
static char stand_in(unsigned int c, size_t bytes)
{
	if (c == '\t')
		return ' ';
	return !bytes || utf8_is_unsafe(c) ? '?' : 0;
}

char *utf8_copy(char *to, size_t size, const char *text)
{
	size_t len = strlen(text), at = 0, bytes, i;
	unsigned int c;
	char other;

	for (i = 0; i < len; i += bytes ? bytes : 1) {
		c = utf8_character(text + i, len - i, &bytes);
		other = stand_in(c, bytes);
		if (at + (other ? 1 : bytes) >= size)
			break;
		if (other) {
			to[at++] = other;
			continue;
		}
		memcpy(to + at, text + i, bytes);
		at += bytes;
	}
	to[at] = '\0';
	return to;
}

void utf8_clean(char *text)
{
	size_t len = strlen(text), at = 0, bytes, i;
	unsigned int c;
	char other;

	for (i = 0; i < len; i += bytes ? bytes : 1) {
		c = utf8_character(text + i, len - i, &bytes);
		other = stand_in(c, bytes);
		if (other) {
			text[at++] = other;
			continue;
		}
		memmove(text + at, text + i, bytes);
		at += bytes;
	}
	text[at] = '\0';
}

void utf8_print(const char *text, size_t len, FILE *out)
{
	size_t i, bytes, done = 0;
	unsigned int c;
	char other;

	for (i = 0; i < len; i += bytes) {
		c = utf8_character(text + i, len - i, &bytes);
		other = stand_in(c, bytes);
		bytes = bytes ? bytes : 1;
		if (!other)
			continue;
		fwrite(text + done, 1, i - done, out);
		putc(other, out);
		done = i + bytes;
	}
	fwrite(text + done, 1, len - done, out);
}
