// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "utf8.h"

#define FIRST_SIZE 4096
#define MAX_DIGITS 20

/* Room for n more bytes, out of line. */
static char *grow(struct json *json, size_t n)
{
	size_t size = json->size ? json->size : FIRST_SIZE;
	char *buf;

	if (json->failed)
		return NULL;
	while (size - json->len < n)
		size *= 2;
	buf = realloc(json->buf, size);
	if (!buf) {
		json->failed = true;
		return NULL;
	}
	json->buf = buf;
	json->size = size;
	return json->buf + json->len;
}

static inline char *room(struct json *json, size_t n)
{
	if (json->size - json->len >= n && !json->failed)
		return json->buf + json->len;
	return grow(json, n);
}

static void put(struct json *json, const char *text, size_t n)
{
	char *to = room(json, n);

	if (!to)
		return;
	memcpy(to, text, n);
	json->len += n;
}

static inline unsigned int nr_digits(uint64_t value)
{
	unsigned int nr = 1;

	for (; value >= 10000; value /= 10000)
		nr += 4;
	return nr + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Two digits at a time: a division costs more than all the rest. */
static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

static inline char *digits_of(char *to, uint64_t value)
{
	char *end, *at;

	if (value < 10) {
		*to = (char)('0' + value);
		return to + 1;
	}
	end = at = to + nr_digits(value);
	for (; value >= 100; value /= 100) {
		at -= 2;
		memcpy(at, pairs + 2 * (value % 100), 2);
	}
	if (value >= 10)
		memcpy(to, pairs + 2 * value, 2);
	else
		*to = (char)('0' + value);
	return end;
}

/* Below 1/100 with as many decimals as there are: seldom is not never. */
static inline char *small_of(char *to, uint64_t millionths)
{
	uint64_t unit = 100000;

	*to++ = '0';
	*to++ = '.';
	for (; millionths; millionths %= unit, unit /= 10)
		*to++ = (char)('0' + millionths / unit);
	return to;
}

static inline char *hundredths_of(char *to, uint64_t hundredths)
{
	uint64_t rest = hundredths % 100;

	to = digits_of(to, hundredths / 100);
	if (!rest)
		return to;
	*to++ = '.';
	*to++ = (char)('0' + rest / 10);
	if (rest % 10)
		*to++ = (char)('0' + rest % 10);
	return to;
}

static inline char *millionths_of(char *to, uint64_t millionths)
{
	return millionths && millionths < 5000 ? small_of(to, millionths)
					       : hundredths_of(to, (millionths + 5000) / 10000);
}

/* How many bytes stand for themselves: printable ASCII but '"' and '\\'. */
static size_t plain_length(const unsigned char *s)
{
	static const bool plain[256] = { [' ' ... '!'] = true,
					 ['#' ... '['] = true,
					 [']' ... '~'] = true };
	size_t n = 0;

	while (plain[s[n]])
		n++;
	return n;
}

static void put_escaped(struct json *json, const char *text)
{
	const char *end = text + strlen(text), *s;
	char escaped[8];
	unsigned int c;
	size_t n;

	put(json, "\"", 1);
	for (s = text;; s += n) {
		n = plain_length((const unsigned char *)s);
		put(json, s, n);
		s += n;
		if (s == end)
			break;
		c = utf8_character(s, (size_t)(end - s), &n);
		if (!n) {
			put(json, "\xef\xbf\xbd", 3);
			n = 1;
		} else if (c == '"' || c == '\\') {
			escaped[0] = '\\';
			escaped[1] = (char)c;
			put(json, escaped, 2);
		} else if (utf8_is_unsafe(c)) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			put(json, escaped, 6);
		} else {
			put(json, s, n);
		}
	}
	put(json, "\"", 1);
}

/* Most texts need no escapes. */
static void put_string(struct json *json, const char *text)
{
	size_t n = plain_length((const unsigned char *)text);
	char *to;

	if (text[n]) {
		put_escaped(json, text);
		return;
	}
	to = room(json, n + 2);
	if (!to)
		return;
	*to++ = '"';
	memcpy(to, text, n);
	to[n] = '"';
	json->len += n + 2;
}

/*
 * What comes before a value: a comma, and the name, which needs no escapes. There is room for a
 * number behind it: what follows it goes to the returned place, and ends with finish().
 */
static inline char *begin(struct json *json, const char *name)
{
	size_t n = name ? strlen(name) : 0;
	char *to = room(json, n + MAX_DIGITS + 8);

	if (!to)
		return NULL;
	if (json->comma)
		*to++ = ',';
	if (name) {
		*to++ = '"';
		memcpy(to, name, n);
		to += n;
		*to++ = '"';
		*to++ = ':';
	}
	json->comma = true;
	return to;
}

static void finish(struct json *json, const char *to)
{
	json->len = (size_t)(to - json->buf);
}

void json_open(struct json *json, const char *name, char bracket)
{
	char *to = begin(json, name);

	if (!to)
		return;
	*to++ = bracket;
	finish(json, to);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	char *to = room(json, 1);

	if (to)
		*to = bracket;
	json->len += to != NULL;
	json->comma = true;
}

void json_i64(struct json *json, const char *name, int64_t value)
{
	char text[192];
	int n;

	if (value >= 0) {
		json_u64(json, name, (uint64_t)value);
		return;
	}
	n = snprintf(text, sizeof(text), "\"%s\":%" PRId64, name, value);
	json_raw(json, text, (size_t)n);
}

void json_u64(struct json *json, const char *name, uint64_t value)
{
	char *to = begin(json, name);

	if (to)
		finish(json, digits_of(to, value));
}

/* A member: all of its key, of a size that is known; what is too much is overwritten. */
static inline char *member(char *to, const struct json_key *key, uint64_t value, uint64_t known,
			   enum json_unit unit)
{
	memcpy(to, key->text, JSON_KEY_SIZE);
	to += key->len;
	if (!known) {
		memcpy(to, "null", 4);
		return to + 4;
	}
	if (!value) {
		*to = '0';
		return to + 1;
	}
	return unit == JSON_MILLIONTHS ? millionths_of(to, value) : digits_of(to, value);
}

void json_members(struct json *json, const struct json_key *keys, const unsigned long long *values,
		  unsigned int nr, uint64_t known, enum json_unit unit)
{
	char *to = room(json, nr * (JSON_KEY_SIZE + MAX_DIGITS) + JSON_KEY_SIZE), *first = to;
	const struct json_key *end = keys + nr;

	if (!to || !nr)
		return;
	for (; keys < end; keys++, values++, known >>= 1)
		to = member(to, keys, *values, known & 1, unit);
	/* The comma before the first one. */
	if (!json->comma) {
		memmove(first, first + 1, (size_t)(to - first) - 1);
		to--;
	}
	finish(json, to);
	json->comma = true;
}

/*
 * The same with a key that is ready. Its size is known: what is too much is overwritten. Whatever
 * follows has room for a word of JSON.
 */
static inline char *begin_key(struct json *json, const struct json_key *key)
{
	unsigned int skip = !json->comma;
	char *to = room(json, JSON_KEY_SIZE + MAX_DIGITS + 8);

	if (!to)
		return NULL;
	memcpy(to, key->text + skip, JSON_KEY_SIZE - 1);
	json->comma = true;
	return to + key->len - skip;
}

void json_begin(struct json *json, const struct json_key *key, char bracket)
{
	char *to = begin_key(json, key);

	if (!to)
		return;
	*to++ = bracket;
	finish(json, to);
	json->comma = false;
}

void json_key_text(struct json *json, const struct json_key *key, const char *text)
{
	char *to = begin_key(json, key);

	if (!to)
		return;
	finish(json, to);
	put_string(json, text);
}

void json_raw(struct json *json, const char *text, size_t len)
{
	char *to = room(json, len + 1);

	if (!to)
		return;
	if (json->comma)
		*to++ = ',';
	memcpy(to, text, len);
	finish(json, to + len);
	json->comma = true;
}

void json_word(struct json *json, const struct json_key *key, const char *word)
{
	char *to = begin_key(json, key);

	if (!to)
		return;
	while (*word)
		*to++ = *word++;
	finish(json, to);
}

void json_pairs(struct json *json, const struct json_key *key,
		const unsigned long long (*values)[2], unsigned int nr)
{
	unsigned int i;
	char *to;

	json_begin(json, key, '[');
	to = room(json, nr * (2 * MAX_DIGITS + 4) + 1);
	if (!to)
		return;
	for (i = 0; i < nr; i++) {
		*to++ = '[';
		to = digits_of(to, values[i][0]);
		*to++ = ',';
		to = digits_of(to, values[i][1]);
		*to++ = ']';
		*to++ = ',';
	}
	finish(json, nr ? to - 1 : to);
	json_close(json, ']');
}

/* Eight hexadecimal digits, all at once: a byte for each digit, the last one lowest. */
static inline char *hex8_of(char *to, uint32_t value)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t digits = value, letters;

	digits = (digits | digits << 16) & 0x0000ffff0000ffff;
	digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
	digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
	/* 1 where it is more than 9. */
	letters = (digits + 6 * ones) >> 4 & ones;
	digits = htobe64(digits + '0' * ones + ('a' - '0' - 10) * letters);
	memcpy(to, &digits, sizeof(digits));
	return to + sizeof(digits);
}

void json_hex16(struct json *json, const struct json_key *key, uint64_t value)
{
	char *to = begin_key(json, key);

	if (!to)
		return;
	*to++ = '"';
	to = hex8_of(to, (uint32_t)(value >> 32));
	to = hex8_of(to, (uint32_t)value);
	*to++ = '"';
	finish(json, to);
}

void json_array(struct json *json, const char *name, const unsigned long long *values,
		unsigned int nr)
{
	unsigned int i;
	char *to;

	json_open(json, name, '[');
	to = room(json, nr * (MAX_DIGITS + 1) + 1);
	if (!to)
		return;
	for (i = 0; i < nr; i++) {
		to = digits_of(to, values[i]);
		*to++ = ',';
	}
	finish(json, nr ? to - 1 : to);
	json_close(json, ']');
}

static void put_word(struct json *json, const char *name, const char *word, size_t n)
{
	char *to = begin(json, name);

	if (!to)
		return;
	memcpy(to, word, n);
	finish(json, to + n);
}

void json_bool(struct json *json, const char *name, bool value)
{
	put_word(json, name, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json, const char *name)
{
	put_word(json, name, "null", 4);
}

void json_str(struct json *json, const char *name, const char *value)
{
	char *to;

	if (!value) {
		json_null(json, name);
		return;
	}
	to = begin(json, name);
	if (!to)
		return;
	finish(json, to);
	put_string(json, value);
}

void json_fixed(struct json *json, const char *name, uint64_t millionths)
{
	char *to = begin(json, name);

	if (to)
		finish(json, millionths_of(to, millionths));
}

const char *json_take(struct json *json, size_t *len)
{
	bool failed = json->failed;

	*len = json->len;
	json->len = 0;
	json->comma = false;
	json->failed = false;
	return failed ? NULL : json->buf;
}

int json_take_line(struct json *json, const char **text, size_t *len)
{
	put(json, "\n", 1);
	*text = json_take(json, len);
	return *text ? 0 : -ENOMEM;
}

int json_write_line(struct json *json, FILE *out)
{
	const char *text;
	size_t len;
	int ret;

	ret = json_take_line(json, &text, &len);
	return !ret && fwrite(text, 1, len, out) != len ? -errno : ret;
}

int json_write_part(struct json *json, FILE *out)
{
	if (json->failed || json->len < JSON_PART)
		return 0;
	if (fwrite(json->buf, 1, json->len, out) != json->len)
		return -errno;
	json->len = 0;
	return 0;
}

int json_flush_line(struct json *json, FILE *out)
{
	int ret = json_write_line(json, out);

	return !ret && fflush(out) ? -errno : ret;
}

void json_free(struct json *json)
{
	free(json->buf);
	memset(json, 0, sizeof(*json));
}
