// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

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
