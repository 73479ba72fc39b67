/* SPDX-License-Identifier: GPL-2.0-only */
/* A text that grows, for the writer of metrics. */
#ifndef GMEM_METRICS_TEXT_H
#define GMEM_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zero is an empty one. When memory runs out, @failed is set and nothing more is added. */
struct text {
	char *data;
	size_t len, room;
	bool failed;
};

/* What text_put() does when the memory of the text does not suffice. */
void text_put_grow(struct text *text, const char *data, size_t len);

/* Thousands of samples are written for each scrape, and each in several pieces. */
static inline void text_put(struct text *text, const char *data, size_t len)
{
	if (len > text->room - text->len) {
		text_put_grow(text, data, len);
	} else if (len) {
		memcpy(text->data + text->len, data, len);
		text->len += len;
	}
}

static inline void text_puts(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_u64(struct text *text, uint64_t value);

/* Nanoseconds as seconds, without zeros at the end. */
void text_seconds(struct text *text, uint64_t ns);

/*
 * The value of a label in quotes: quotes, backslashes and line feeds are escaped, bytes that are
 * not UTF-8 become U+FFFD.
 */
void text_value(struct text *text, const char *value);

/**
 * text_gzip - compress a text (RFC 1952)
 * @to: the result, which replaces what is there; belongs to the caller, who frees @to->data
 *
 * Return: 0 or -ENOMEM.
 */
int text_gzip(struct text *to, const struct text *from);

#endif /* GMEM_METRICS_TEXT_H */
