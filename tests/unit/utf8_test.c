// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/lib/utf8.h"

static const struct {
	const char *text;
	unsigned int number;
	size_t bytes;
} characters[] = {
	{ "a", 'a', 1 },
	{ "\xc3\xa4", 0xe4, 2 },
	{ "\xe2\x82\xac", 0x20ac, 3 },
	{ "\xf0\x9f\x98\x80", 0x1f600, 4 },
	{ "\xff", 0xff, 0 },
	{ "\x80", 0x80, 0 },
	{ "\xc0\x80", 0xc0, 0 }, /* overlong */
	{ "\xe0\x80\xaf", 0xe0, 0 },
	{ "\xed\xa0\x80", 0xed, 0 },	 /* a surrogate */
	{ "\xf4\x90\x80\x80", 0xf4, 0 }, /* behind the last */
	{ "\xe2\x82", 0xe2, 0 },	 /* cut off */
};

static void test_character(void **state)
{
	size_t i, bytes;

	(void)state;
	for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		assert_int_equal(utf8_character(characters[i].text, strlen(characters[i].text),
						&bytes),
				 characters[i].number);
		assert_int_equal(bytes, characters[i].bytes);
	}
}

/* What commands a terminal, in one byte and in two, and what is no text. */
static const struct {
	const char *text, *shown;
} lines[] = {
	{ "", "" },
	{ "qemu-system-x86", "qemu-system-x86" },
	{ "\x1b[31mred\x1b[0m", "?[31mred?[0m" },
	{ "one\ntwo\tthree\x7f", "one?two three?" },
	{ "\xc2\x9b"
	  "31m\xc3\xa4",
	  "?31m\xc3\xa4" },
	{ "\x9b"
	  "31m\xff",
	  "?31m?" },
	{ "\xe2\x82", "??" },
	/* Bidirectional controls, a line separator. */
	{ "a\xe2\x80\xae"
	  "b\xe2\x81\xa6"
	  "c\xd8\x9c"
	  "d\xe2\x80\xa8"
	  "e",
	  "a?b?c?d?e" },
};

static void test_lines(void **state)
{
	char text[64], *printed;
	size_t i, len;
	FILE *out;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		out = open_memstream(&printed, &len);
		utf8_print(lines[i].text, strlen(lines[i].text), out);
		fclose(out);
		assert_string_equal(printed, lines[i].shown);
		free(printed);
		strcpy(text, lines[i].text);
		utf8_clean(text);
		assert_string_equal(text, lines[i].shown);
		assert_string_equal(utf8_copy(text, sizeof(text), lines[i].text), lines[i].shown);
	}
}

/* A character fits whole or not at all. */
static void test_copy(void **state)
{
	char text[4];

	(void)state;
	assert_string_equal(utf8_copy(text, sizeof(text), "abcd"), "abc");
	assert_string_equal(utf8_copy(text, sizeof(text), "ab\xc3\xa4"), "ab");
	assert_string_equal(utf8_copy(text, 1, "a"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_character),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
