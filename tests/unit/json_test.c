// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/lib/json.h"

static void expect(struct json *json, const char *text)
{
	assert_int_equal(json->len, strlen(text));
	assert_memory_equal(json->buf, text, json->len);
	json_free(json);
}

static void test_structure(void **state)
{
	struct json json = { 0 };

	(void)state;
	json_open(&json, NULL, '{');
	json_u64(&json, "a", 0);
	json_open(&json, "list", '[');
	json_u64(&json, NULL, UINT64_MAX);
	json_null(&json, NULL);
	json_close(&json, ']');
	json_open(&json, "empty", '{');
	json_close(&json, '}');
	json_bool(&json, "yes", true);
	json_str(&json, "none", NULL);
	json_close(&json, '}');
	expect(&json, "{\"a\":0,\"list\":[18446744073709551615,null],\"empty\":{},\"yes\":true,"
		      "\"none\":null}");
}

static void test_members(void **state)
{
	static const struct json_key keys[] = { JSON_KEY("a"), JSON_KEY("longer_name"),
						JSON_KEY("c"), JSON_KEY("d") };
	static const unsigned long long values[] = { 7, 1234567890123456789ULL, 5, 0 };
	static const unsigned long long rates[] = { 0, 100000, 123450000, 99000000 };
	struct json json = { 0 };

	(void)state;
	json_open(&json, NULL, '{');
	json_members(&json, keys, values, 4, 0xb, JSON_ONES);
	json_members(&json, keys, rates, 4, ~0ULL, JSON_MILLIONTHS);
	json_members(&json, keys, values, 0, ~0ULL, JSON_ONES);
	json_word(&json, &keys[2], "{}");
	json_close(&json, '}');
	expect(&json, "{\"a\":7,\"longer_name\":1234567890123456789,\"c\":null,\"d\":0,"
		      "\"a\":0,\"longer_name\":0.1,\"c\":123.45,\"d\":99,\"c\":{}}");
	json_open(&json, NULL, '{');
	json_word(&json, &keys[0], "null");
	json_close(&json, '}');
	expect(&json, "{\"a\":null}");
}

/* Every digit in every place, as printf() writes them. */
static void test_hex16(void **state)
{
	static const struct json_key key = JSON_KEY("key");
	struct json json = { 0 };
	unsigned int place, digit;
	uint64_t value;
	char text[64];

	(void)state;
	for (place = 0; place < 16; place++) {
		for (digit = 0; digit < 16; digit++) {
			value = (0x0123456789abcdef & ~(15ULL << place * 4)) | (uint64_t)digit
										       << place * 4;
			json_open(&json, NULL, '{');
			json_hex16(&json, &key, value);
			json_close(&json, '}');
			snprintf(text, sizeof(text), "{\"key\":\"%016" PRIx64 "\"}", value);
			expect(&json, text);
		}
	}
}

/* Each byte, in the middle of a string. */
static void test_each_byte(void **state)
{
	struct json json = { 0 };
	char text[4] = "a.b", want[16];
	int c;

	(void)state;
	for (c = 1; c < 0x80; c++) {
		text[1] = (char)c;
		if (c == '"' || c == '\\')
			snprintf(want, sizeof(want), "\"a\\%cb\"", c);
		else if (c < 0x20 || c == 0x7f)
			snprintf(want, sizeof(want), "\"a\\u%04xb\"", (unsigned int)c);
		else
			snprintf(want, sizeof(want), "\"a%cb\"", c);
		json_str(&json, NULL, text);
		/* There are shorter forms of some. */
		if (c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f')
			json_free(&json);
		else
			expect(&json, want);
	}
}

static void test_array(void **state)
{
	static const unsigned long long values[] = { 9, 10, 99, 100, 9999, 10000, 99999999, ~0ULL };
	struct json json = { 0 };

	(void)state;
	json_open(&json, NULL, '{');
	json_array(&json, "none", values, 0);
	json_array(&json, "some", values, 8);
	json_u64(&json, "after", 1);
	json_close(&json, '}');
	expect(&json, "{\"none\":[],\"some\":[9,10,99,100,9999,10000,99999999,"
		      "18446744073709551615],\"after\":1}");
}

static void test_fixed(void **state)
{
	struct json json = { 0 };

	(void)state;
	json_open(&json, NULL, '[');
	json_fixed(&json, NULL, 0);
	json_fixed(&json, NULL, 50000);
	json_fixed(&json, NULL, 3333);
	json_fixed(&json, NULL, 500000);
	json_fixed(&json, NULL, 123450000);
	json_fixed(&json, NULL, 7000000);
	json_close(&json, ']');
	expect(&json, "[0,0.05,0.003333,0.5,123.45,7]");
}

static void test_strings(void **state)
{
	struct json json = { 0 };

	(void)state;
	json_open(&json, NULL, '[');
	json_str(&json, NULL, "a\"b\\c\n\x1b\x7f");
	json_str(&json, NULL, "K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x90\xa7");
	/* No UTF-8: a lone byte, overlong, a surrogate, beyond Unicode, cut off. */
	json_str(&json, NULL, "\xff\xc0\xaf\xed\xa0\x80\xf5\x80\xe2\x82");
	json_close(&json, ']');
#define BAD "\xef\xbf\xbd"
	expect(&json, "[\"a\\\"b\\\\c\\u000a\\u001b\\u007f\","
		      "\"K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x90\xa7\","
		      "\"" BAD BAD BAD BAD BAD BAD BAD BAD BAD BAD "\"]");
}

static void test_growth(void **state)
{
	struct json json = { 0 };
	size_t i;

	(void)state;
	json_open(&json, NULL, '[');
	for (i = 0; i < 100000; i++)
		json_u64(&json, NULL, 7);
	json_close(&json, ']');
	assert_int_equal(json.len, 200001);
	json_free(&json);
}

static void test_flush(void **state)
{
	struct json json = { 0 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	json_u64(&json, NULL, 1);
	assert_int_equal(json_flush_line(&json, out), 0);
	json_u64(&json, NULL, 2);
	assert_int_equal(json_flush_line(&json, out), 0);
	json.failed = true;
	assert_int_not_equal(json_flush_line(&json, out), 0);
	fclose(out);
	assert_string_equal(text, "1\n2\n");
	free(text);
	json_free(&json);
}

/* A line in parts is the same line, and its buffer stays small. */
static void test_parts(void **state)
{
	struct json json = { 0 }, whole = { 0 };
	char *text = NULL, *wanted = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size), *once = open_memstream(&wanted, &size);

	(void)state;
	json_open(&json, NULL, '[');
	json_open(&whole, NULL, '[');
	for (i = 0; i < JSON_PART; i++) {
		json_u64(&json, NULL, i);
		json_u64(&whole, NULL, i);
		assert_int_equal(json_write_part(&json, out), 0);
	}
	json_close(&json, ']');
	json_close(&whole, ']');
	assert_int_equal(json_flush_line(&json, out), 0);
	assert_int_equal(json_flush_line(&whole, once), 0);
	assert_in_range(json.size, JSON_PART, 2 * JSON_PART);
	fclose(out);
	fclose(once);
	assert_string_equal(text, wanted);
	free(text);
	free(wanted);
	json_free(&json);
	json_free(&whole);
}

/* What cannot be written is an error at once. */
static void test_part_full(void **state)
{
	struct json json = { 0 };
	FILE *full = fopen("/dev/full", "w");
	size_t i;

	(void)state;
	assert_non_null(full);
	for (i = 0; i < JSON_PART; i++)
		json_u64(&json, NULL, i);
	assert_int_equal(json_write_part(&json, full), -ENOSPC);
	fclose(full);
	json_free(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_members),
		cmocka_unit_test(test_hex16),	  cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_array),	  cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_strings),	  cmocka_unit_test(test_growth),
		cmocka_unit_test(test_flush),	  cmocka_unit_test(test_parts),
		cmocka_unit_test(test_part_full),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
