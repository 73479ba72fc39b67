// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "tui_text.h"

#define PAGE 4096

static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const parts[] = { "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };
static const char ascii_blocks[] = "_.-~=+*#";

/* Characters that change the order of others: a name must not disguise its neighbours. */
static bool reorders(wchar_t c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

struct character {
	size_t len; /* bytes read */
	int cells;
	bool good;
};

static struct character first_of(const char *text, bool ascii, mbstate_t *state)
{
	struct character c = { .len = 1, .cells = 1 };
	wchar_t wide = 0;
	size_t n = mbrtowc(&wide, text, strlen(text), state);

	if (n == (size_t)-1 || n == (size_t)-2 || !n) {
		memset(state, 0, sizeof(*state));
		return c;
	}
	c.len = n;
	if (wcwidth(wide) < 0 || reorders(wide) || (ascii && wide > 0x7e))
		return c;
	c.cells = wcwidth(wide);
	c.good = true;
	return c;
}

static int width_of(const char *text, bool ascii)
{
	mbstate_t state = { 0 };
	struct character c;
	int cells = 0;

	for (; *text; text += c.len) {
		c = first_of(text, ascii, &state);
		cells += c.cells;
	}
	return cells;
}

int text_fit(char *out, size_t size, const char *text, int cells, bool ascii)
{
	const char *ellipsis = ascii ? "~" : "…";
	bool cut = width_of(text, ascii) > cells;
	int used = 0, room = cut ? cells - 1 : cells;
	mbstate_t state = { 0 };
	struct character c;
	size_t n = 0;

	if (cells <= 0 || !size) {
		if (size)
			*out = '\0';
		return 0;
	}
	for (; *text; text += c.len) {
		c = first_of(text, ascii, &state);
		if (used + c.cells > room || n + c.len + 4 >= size)
			break;
		if (c.good) {
			memcpy(out + n, text, c.len);
			n += c.len;
		} else {
			out[n++] = '?';
		}
		used += c.cells;
	}
	out[n] = '\0';
	if (cut && n + strlen(ellipsis) < size) {
		strcpy(out + n, ellipsis);
		used++;
	}
	return used;
}

/* Three digits or more, and as many decimals as that leaves. */
static void scaled(char *buf, double value, const char *suffix)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(buf, NUMBER_LEN, "%.*f%s", decimals, value, suffix);
}

static void format_bytes(char *buf, double bytes)
{
	static const char *const suffixes[] = { "", "K", "M", "G", "T", "P", "E" };
	unsigned int i = 0;

	for (; bytes >= 1023.5 && i < 6; i++)
		bytes /= 1024;
	if (bytes == (double)(uint64_t)bytes)
		snprintf(buf, NUMBER_LEN, "%.0f%s", bytes, suffixes[i]);
	else
		scaled(buf, bytes, suffixes[i]);
}

static void format_count(char *buf, uint64_t hundredths)
{
	static const char *const suffixes[] = { "k", "M", "G", "T", "P", "E" };
	double value = (double)hundredths / 100;
	int i = -1;

	if (hundredths % 100 == 0 && hundredths < 10000000) {
		snprintf(buf, NUMBER_LEN, "%llu", (unsigned long long)hundredths / 100);
		return;
	}
	if (value < 99999.5) {
		scaled(buf, value, "");
		return;
	}
	for (; value >= 999.5 && i < 5; i++)
		value /= 1000;
	scaled(buf, value, suffixes[i]);
}

static void format_ns(char *buf, double ns)
{
	if (ns < 999.5)
		snprintf(buf, NUMBER_LEN, "%.0fns", ns);
	else if (ns < 999.5e3)
		scaled(buf, ns / 1e3, "us");
	else if (ns < 999.5e6)
		scaled(buf, ns / 1e6, "ms");
	else
		scaled(buf, ns / 1e9, "s");
}

void format_number(char *buf, uint64_t hundredths, enum unit unit, bool bytes)
{
	if (unit == UNIT_PLAIN)
		snprintf(buf, NUMBER_LEN, "%llu", (unsigned long long)hundredths / 100);
	else if (unit == UNIT_NS)
		format_ns(buf, (double)hundredths / 100);
	else if (unit == UNIT_PAGES && bytes)
		format_bytes(buf, (double)hundredths / 100 * PAGE);
	else
		format_count(buf, hundredths);
}

uint64_t rate_hundredths(uint64_t millionths)
{
	uint64_t hundredths = (millionths + 5000) / 10000;

	return millionths && !hundredths ? 1 : hundredths;
}

static size_t append(char *out, size_t size, size_t n, const char *text)
{
	size_t len = strlen(text);

	if (n + len + 1 > size)
		return n;
	memcpy(out + n, text, len + 1);
	return n + len;
}

uint32_t text_spark(char *out, size_t size, const uint32_t *values, int nr, bool ascii)
{
	char one[2] = " ";
	uint32_t max = 0;
	size_t n = 0;
	int i;

	*out = '\0';
	for (i = 0; i < nr; i++) {
		if (values[i] > max)
			max = values[i];
	}
	for (i = 0; i < nr; i++) {
		unsigned int level = max ? (unsigned int)((uint64_t)values[i] * 7 / max) : 0;

		/* The lowest level is nothing at all. */
		if (values[i] && !level)
			level = 1;
		one[0] = ascii_blocks[level];
		n = append(out, size, n, ascii ? one : blocks[level]);
	}
	return max;
}

int text_bar(char *out, size_t size, uint64_t part, uint64_t whole, int cells, bool ascii)
{
	uint64_t eighths = whole && cells > 0 ? (uint64_t)((double)part * cells * 8 / (double)whole)
					      : 0;
	int used = 0;
	size_t n = 0;

	*out = '\0';
	if (part && whole && !eighths && cells > 0)
		eighths = 1;
	for (; eighths >= 8; eighths -= 8, used++)
		n = append(out, size, n, ascii ? "#" : parts[7]);
	if (eighths && (!ascii || eighths >= 4 || !used)) {
		append(out, size, n, ascii ? "#" : parts[eighths - 1]);
		used++;
	}
	return used;
}

int heat_level(uint64_t value, uint64_t max)
{
	int bits = 63 - __builtin_clzll(max | 1), mine = 63 - __builtin_clzll(value | 1);

	if (!value)
		return 0;
	/* Halves count: what is converted now and then is to be seen beside what always is. */
	mine = HEAT_LEVELS - 1 - (bits - mine) / 2;
	return mine < 1 ? 1 : mine;
}

const char *heat_text(int level, bool ascii)
{
	static const char *const dense[HEAT_LEVELS] = {
		".", ":", "-", "=", "+", "*", "#", "%", "@"
	};

	if (ascii)
		return dense[level];
	return level ? blocks[level - 1] : "·";
}
