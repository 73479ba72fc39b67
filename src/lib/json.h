/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON into a buffer that grows, without a tree in between: a refresh with thousands of VMs
 * must stay cheap. Names are NULL inside of arrays and at the top. When memory runs out the buffer
 * is poisoned and json_flush_line() says so.
 */
#ifndef GMEM_JSON_H
#define GMEM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	char *buf;
	size_t len, size;
	bool comma, failed;
};

/* Begin an object (@bracket '{') or an array ('['), and end it. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);

void json_u64(struct json *json, const char *name, uint64_t value);

/* The same, also below 0. @name: without characters that JSON quotes */
void json_i64(struct json *json, const char *name, int64_t value);

#define JSON_KEY_SIZE 32

/* A comma and a name with its quotes and colon, made at compile time. */
struct json_key {
	char text[JSON_KEY_SIZE];
	unsigned int len;
};

/* clang-format off */
#define JSON_KEY(name) { ",\"" name "\":", sizeof(",\"" name "\":") - 1 }
/* clang-format on */

enum json_unit {
	JSON_ONES,
	JSON_MILLIONTHS, /* written with two decimals, or more where the number is less than 1/100 */
};

/**
 * json_members - many numbers of an object at once, which is cheaper than one by one
 * @keys: their names
 * @values: what to write
 * @nr: how many, 64 at most
 * @known: where bit i is not set, member i is null
 * @unit: what the values count
 */
void json_members(struct json *json, const struct json_key *keys, const unsigned long long *values,
		  unsigned int nr, uint64_t known, enum json_unit unit);

/* As json_open(), with a name. */
void json_begin(struct json *json, const struct json_key *key, char bracket);

/* As json_str(), with a text that is not NULL. */
void json_key_text(struct json *json, const struct json_key *key, const char *text);

/* Members, or a value, that are JSON already. */
void json_raw(struct json *json, const char *text, size_t len);

/* A member whose value is JSON of 24 bytes at most. */
void json_word(struct json *json, const struct json_key *key, const char *word);

/* A number as a string of 16 hexadecimal digits. */
void json_hex16(struct json *json, const struct json_key *key, uint64_t value);

/* An array of pairs of numbers. @nr: pairs */
void json_pairs(struct json *json, const struct json_key *key,
		const unsigned long long (*values)[2], unsigned int nr);

/* An array of numbers. */
void json_array(struct json *json, const char *name, const unsigned long long *values,
		unsigned int nr);

void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);

/* NULL gives null; bytes that are no UTF-8 become U+FFFD. */
void json_str(struct json *json, const char *name, const char *value);

/* @millionths / 1000000, as JSON_MILLIONTHS. */
void json_fixed(struct json *json, const char *name, uint64_t millionths);

#define JSON_PART 65536

/**
 * json_write_part - write the buffer if it has JSON_PART bytes or more, in the middle of a line
 *
 * So a long line takes no long buffer. Nothing is written once memory has run out, which the end of
 * the line reports. Return: 0, or what write failed with.
 */
int json_write_part(struct json *json, FILE *out);

/**
 * json_flush_line - write the buffer and a newline at once, and empty it
 *
 * Return: 0, -ENOMEM if the text is not complete (nothing is written then), or what write failed
 * with.
 */
int json_flush_line(struct json *json, FILE *out);

/**
 * json_take_line - end the line with a newline and begin the next one
 * @text: the line, until something is written to @json
 * @len: bytes, the newline included
 *
 * Return: 0 or -ENOMEM if the text is not complete.
 */
int json_take_line(struct json *json, const char **text, size_t *len);

/* As json_flush_line(), without a flush, for many lines at once. */
int json_write_line(struct json *json, FILE *out);

/**
 * json_take - the text itself, and begin anew
 * @len: its length in bytes
 *
 * Return: the text, which is valid until something is added; NULL if memory ran out.
 */
const char *json_take(struct json *json, size_t *len);

void json_free(struct json *json);

#endif /* GMEM_JSON_H */
