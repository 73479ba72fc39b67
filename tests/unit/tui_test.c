// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the TUI that need no terminal: texts, keys, lines of the table, recordings. */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/top/heat.h"
#include "../../src/top/presets.h"
#include "../../src/top/source_replay.h"
#include "../../src/top/tui_state.h"
#include "../../src/top/tui_text.h"

/* --- texts --- */

static void fits(const char *text, int cells, bool ascii, const char *expected, int used)
{
	char buf[64];

	assert_int_equal(text_fit(buf, sizeof(buf), text, cells, ascii), used);
	assert_string_equal(buf, expected);
}

static void test_fit(void **state __attribute__((unused)))
{
	fits("name", 10, false, "name", 4);
	fits("name", 4, false, "name", 4);
	fits("a-longer-name", 5, false, "a-lo…", 5);
	fits("a-longer-name", 5, true, "a-lo~", 5);
	fits("name", 0, false, "", 0);
	fits("", 5, false, "", 0);
	/* Characters of two cells, of which half of one does not fit, and of none. */
	fits("東京東京", 8, false, "東京東京", 8);
	fits("東京東京", 7, false, "東京東…", 7);
	fits("東京東京", 6, false, "東京…", 5);
	fits("e\xcc\x81t\xc3\xa9", 3, false, "e\xcc\x81t\xc3\xa9", 3);
	fits("東京", 8, true, "??", 2);
	/* What would steer the terminal, is no UTF-8, or turns the direction of the text. */
	fits("a\x1b[2Jb\nc\x7f", 20, false, "a?[2Jb?c?", 9);
	fits("a\xc2\x9b"
	     "2Jb",
	     20, false, "a?2Jb", 5);
	fits("a\xff\xfe"
	     "b\xe6\x9d",
	     20, false, "a??b??", 6);
	fits("a\xe2\x80\xae"
	     "b",
	     20, false, "a?b", 3);
}

static void test_fit_small_buffer(void **state __attribute__((unused)))
{
	char buf[8];
	int cells;

	for (cells = 0; cells < 40; cells++) {
		text_fit(buf, sizeof(buf), "東京東京東京東京東京", cells, false);
		assert_true(strlen(buf) < sizeof(buf));
	}
}

static void test_numbers(void **state __attribute__((unused)))
{
	static const struct {
		uint64_t hundredths;
		enum unit unit;
		bool bytes;
		const char *expected;
	} cases[] = {
		{ 0, UNIT_COUNT, true, "0" },
		{ 25, UNIT_COUNT, true, "0.25" },
		{ 1230, UNIT_COUNT, true, "12.3" },
		{ 9999900, UNIT_COUNT, true, "99999" },
		{ 10000000, UNIT_COUNT, true, "100k" },
		{ 99999900, UNIT_COUNT, true, "1.00M" },
		{ 123456700, UNIT_COUNT, true, "1.23M" },
		{ 400000000, UNIT_PLAIN, true, "4000000" },
		{ 0, UNIT_PAGES, true, "0" },
		{ 100, UNIT_PAGES, true, "4K" },
		{ 26214400, UNIT_PAGES, true, "1G" },
		{ 30000000, UNIT_PAGES, true, "1.14G" },
		{ 26214400, UNIT_PAGES, false, "262k" },
		{ 99900, UNIT_NS, true, "999ns" },
		{ 123400, UNIT_NS, true, "1.23us" },
		{ 12345678900, UNIT_NS, true, "123ms" },
		{ 999900000000, UNIT_NS, true, "10.0s" },
	};
	char buf[NUMBER_LEN];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		format_number(buf, cases[i].hundredths, cases[i].unit, cases[i].bytes);
		assert_string_equal(buf, cases[i].expected);
	}
}

static void test_heat(void **state __attribute__((unused)))
{
	struct gmem_heat fine = { .shift = 9, .elsewhere = 3 }, coarse = { .shift = 12 }, since;
	char line[16] = "";
	int i;

	fine.pages[0] = 5;
	fine.pages[8] = 7;
	fine.pages[63] = 1;
	coarse.pages[0] = 100;
	coarse.pages[9] = 4;
	assert_int_equal(heat_cells(&fine), 64);
	assert_int_equal(heat_cells(&coarse), 10);
	heat_add(&coarse, &fine);
	assert_int_equal(coarse.shift, 12);
	assert_int_equal(coarse.pages[0], 105);
	assert_int_equal(coarse.pages[1], 7);
	assert_int_equal(coarse.pages[7], 1);
	assert_int_equal(coarse.pages[9], 4);
	assert_int_equal(coarse.elsewhere, 3);
	since = heat_since(&coarse, &fine);
	assert_int_equal(since.pages[0], 100);
	assert_int_equal(since.pages[1], 0);
	assert_int_equal(since.pages[9], 4);
	assert_int_equal(since.elsewhere, 0);
	assert_int_equal(heat_cells(&since), 10);
	heat_add(&fine, &coarse);
	assert_int_equal(fine.shift, 12);
	assert_int_equal(fine.pages[1], 14);
	for (i = 0; i <= 8; i++)
		strcat(line, heat_text(heat_level(i ? 1ULL << 2 * i : 0, 1 << 16), true));
	assert_string_equal(line, ".:-=+*#%@");
	assert_int_equal(heat_level(1, 1ULL << 40), 1);
	assert_int_equal(heat_level(~0ULL, ~0ULL), 8);
}

static void test_pictures(void **state __attribute__((unused)))
{
	static const uint32_t rising[] = { 0, 1, 50, 100 }, flat[] = { 0, 0 };
	char buf[64];

	assert_int_equal(text_spark(buf, sizeof(buf), rising, 4, false), 100);
	assert_string_equal(buf, "▁▂▄█");
	text_spark(buf, sizeof(buf), rising, 4, true);
	assert_string_equal(buf, "_.~#");
	assert_int_equal(text_spark(buf, sizeof(buf), flat, 2, true), 0);
	assert_string_equal(buf, "__");
	assert_int_equal(text_bar(buf, sizeof(buf), 1, 1000000, 10, false), 1);
	assert_string_equal(buf, "▏");
	assert_int_equal(text_bar(buf, sizeof(buf), 1, 1, 3, true), 3);
	assert_string_equal(buf, "###");
	assert_int_equal(text_bar(buf, sizeof(buf), 0, 9, 10, true), 0);
	assert_int_equal(text_bar(buf, sizeof(buf), 1, 0, 10, true), 0);
}

/* --- keys --- */

static char *read_text(const char *path)
{
	char *text = calloc(1, 1 << 16);
	FILE *file = fopen(path, "re");

	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
	assert_true(feof(file));
	fclose(file);
	return text;
}

static bool has_code(const struct tui_key *key, int code)
{
	int i;

	for (i = 0; i < MAX_CODES && key->codes[i]; i++) {
		if (key->codes[i] == code)
			return true;
	}
	return false;
}

/* In each view a key does one thing. */
static void test_keys(void **state __attribute__((unused)))
{
	const struct tui_key *key, *other;
	int i;

	for (key = tui_keys; key < tui_keys + nr_tui_keys; key++) {
		assert_non_null(key->action);
		assert_true(key->views);
		assert_true(strlen(key->label) && strlen(key->help));
		for (other = key + 1; other < tui_keys + nr_tui_keys; other++) {
			for (i = 0; i < MAX_CODES && key->codes[i]; i++) {
				if (!has_code(other, key->codes[i]))
					continue;
				if (key->views & other->views)
					fail_msg("%s and %s", key->label, other->label);
			}
		}
	}
}

/* The man page has the keys of the table, in its order, and no others. */
static void test_keys_of_man(void **state __attribute__((unused)))
{
	static const char *const where[] = { "table", "details", "ended", "help" };
	char *page = read_text("man/gmemtop.1.scd"), *at, *end, row[512], label[64];
	const struct tui_key *key;
	unsigned int v;
	size_t n, c;

	at = strstr(page, "\n# KEYS\n");
	assert_non_null(at);
	at = strstr(at, "\n|  ");
	end = at ? strstr(at, "\n# ") : NULL;
	assert_non_null(end);
	*end = '\0';
	for (key = tui_keys; key < tui_keys + nr_tui_keys; key++) {
		for (n = c = 0; key->label[c]; c++) {
			if (key->label[c] == '\\')
				label[n++] = '\\';
			label[n++] = key->label[c];
		}
		label[n] = '\0';
		n = (size_t)snprintf(row, sizeof(row), "\n|  %s\n: ", label);
		for (v = 0; v < ARRAY_LEN(where); v++) {
			if (key->views & (1U << v))
				n += (size_t)snprintf(row + n, sizeof(row) - n, " %s", where[v]);
		}
		n += (size_t)snprintf(row + n, sizeof(row) - n, "\n:  %s", key->help);
		if (strncmp(at, row, n))
			fail_msg("the man page lacks, or has in another place:%s", row);
		at += n;
	}
	assert_string_equal(at, "\n");
	free(page);
}

/* --- recordings and the lines of the table --- */

#define FRAME(n, vms)                                                                            \
	"{\"frame\":" #n ",\"time_ns\":1,\"interval_ns\":1000000000,\"missing\":[\"populate\"]," \
	"\"lost\":{\"unread\":3},\"vms\":[" vms "]}\n"
#define VM(id, name, resident, gone)                                                       \
	"{\"id\":" #id ",\"pid\":7,\"name\":\"" name "\",\"type\":\"tdx\",\"gone\":" #gone \
	",\"private_pages\":null,\"resident_pages\":" #resident                            \
	",\"instances\":1,\"counters\":{\"to_private\":5,\"guest_faults\":9},"             \
	"\"errors\":{\"bind\":{\"EEXIST\":4,\"other\":1}},\"instance_list\":[{\"id\":" #id \
	"0,\"ino\":5,\"resident_pages\":" #resident ",\"counters\":{\"guest_faults\":4}}]}"

static struct batch all;
static volatile sig_atomic_t stop;
static const struct tui_options opts = { .batch = &all, .stop = &stop };

static void open_text(struct tui *tui, const char *text)
{
	char path[] = "/tmp/tui_test.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(tui, 0, sizeof(*tui));
	tui->opts = &opts;
	assert_int_equal(replay_open(&tui->frames, path), 0);
	unlink(path);
}

static void close_tui(struct tui *tui)
{
	rows_free(tui);
	history_free(tui);
	model_free(&tui->model);
	tui->frames->close(tui->frames);
}

static void order_is(struct tui *tui, const char *names)
{
	char got[256] = "";
	size_t i;

	assert_int_equal(rows_build(tui), 0);
	for (i = 0; i < tui->nr_rows; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s ",
			 tui->rows[i].vm->name, tui->rows[i].inst ? "/" : "");
	assert_string_equal(got, names);
}

/* Filters find letters of ASCII in both cases, other letters as they are, in every locale. */
static void test_matches(void **state __attribute__((unused)))
{
	char cgroup[] = "/machine.slice/guest-ID";
	struct model_vm vm = { .now.tgid = 1234, .name = "Web-İst", .cgroup = cgroup };

	assert_true(vm_matches(&vm, ""));
	assert_true(vm_matches(&vm, "web"));
	assert_true(vm_matches(&vm, "WEB-İ"));
	assert_true(vm_matches(&vm, "guest-id"));
	assert_true(vm_matches(&vm, "MACHINE"));
	assert_true(vm_matches(&vm, "23"));
	assert_false(vm_matches(&vm, "web-i"));
	assert_false(vm_matches(&vm, "webs"));
}

static void test_rows(void **state __attribute__((unused)))
{
	struct tui tui;

	open_text(&tui,
		  FRAME(1, VM(2, "b", 10, false) "," VM(3, "a", 30, false) "," VM(4, "c", 20, true))
			  FRAME(2, VM(2, "b", 40, false) "," VM(3, "a", 30, false)));
	assert_int_equal(frames_next(tui.frames, &tui.model), 0);
	order_is(&tui, "b a c ");
	tui.sort = column_by_name("resident_pages");
	order_is(&tui, "a c b ");
	tui.reverse = true;
	order_is(&tui, "b c a ");
	tui.reverse = false;
	strcpy(tui.filter, "C");
	order_is(&tui, "c ");
	strcpy(tui.filter, "nothing");
	order_is(&tui, "");
	*tui.filter = '\0';
	tui.tree = true;
	order_is(&tui, "a a/ c c/ b b/ ");
	tui.tree = false;
	order_is(&tui, "a c b ");
	/* The cursor follows what was chosen, ... */
	tui.chosen = true;
	rows_select(&tui, 2);
	rows_flip(&tui);
	order_is(&tui, "a c b b/ ");
	assert_int_equal(frames_next(tui.frames, &tui.model), 0);
	order_is(&tui, "b b/ a ");
	assert_int_equal(tui.cursor, 0);
	/* ... and what nobody chose stays where it is. */
	tui.chosen = false;
	rows_select(&tui, 2);
	tui.reverse = true;
	order_is(&tui, "a b b/ ");
	assert_int_equal(tui.cursor, 2);
	assert_int_equal(frames_next(tui.frames, &tui.model), -ENODATA);
	close_tui(&tui);
}

static void test_replay(void **state __attribute__((unused)))
{
	const struct model_vm *vm;
	struct tui tui;

	open_text(&tui, FRAME(1, VM(2, "b", 10, false)));
	assert_int_equal(frames_next(tui.frames, &tui.model), 0);
	assert_int_equal(tui.model.nr_vms, 1);
	vm = tui.model.vms[0];
	assert_int_equal(vm->now.private_pages, GMEM_UNKNOWN);
	assert_int_equal(vm->now.type, 5);
	assert_int_equal(vm->resident, 10);
	/* Those of the instance and those of an instance that has ended. */
	assert_int_equal(vm->inst[GMEM_INST_guest_faults], 9);
	assert_int_equal(tui.model.insts[0]->now.c[GMEM_INST_guest_faults], 4);
	assert_int_equal(errors_of(vm, GMEM_OP_bind), 5);
	assert_int_equal(errors_in(vm)->err[GMEM_OP_bind][0].err, EEXIST);
	assert_int_equal(tui.model.lost[GMEM_LOST_unread], 3);
	assert_false(tui.frames->features->facts & FACT(populate));
	assert_true(tui.frames->features->facts & FACT(convert));
	assert_int_equal(history_add(&tui), 0);
	close_tui(&tui);
}

static void test_bad_recording(void **state __attribute__((unused)))
{
	static const char *const bad[] = {
		"{\n",	  "no json\n",	   "[]\n",
		"{}\n",	  "{\"vms\":5}\n", "{\"frame\":1,\"vms\":[{\"id\":2},\n",
		"null\n",
	};
	/* Odd, but no reason to give up. */
	static const char *const odd[] = {
		"{\"vms\":[]}\n",
		"{\"vms\":[5,null,{}],\"missing\":[5,null],\"lost\":7}\n",
		"{\"vms\":[{\"id\":2,\"errors\":[],\"latency\":1,\"instance_list\":{},"
		"\"name\":null,\"type\":9,\"counters\":\"x\"}]}\n",
		"{\"vms\":[{\"id\":2,\"instance_list\":[1,{\"dev\":5}],"
		"\"errors\":{\"bind\":{\"E\":1}},\"latency\":{\"to_private\":{\"histogram\":[{}]}}}]}\n",
	};
	struct tui tui;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		open_text(&tui, bad[i]);
		assert_int_equal(frames_next(tui.frames, &tui.model), -EBADMSG);
		close_tui(&tui);
	}
	for (i = 0; i < ARRAY_LEN(odd); i++) {
		open_text(&tui, odd[i]);
		assert_int_equal(frames_next(tui.frames, &tui.model), 0);
		assert_int_equal(rows_build(&tui), 0);
		close_tui(&tui);
	}
	open_text(&tui, "");
	assert_int_equal(frames_next(tui.frames, &tui.model), -ENODATA);
	close_tui(&tui);
}

/* A title names one column: two columns with the same title could not be told apart. */
static void test_titles(void **state __attribute__((unused)))
{
	char first[64], second[64];
	const char *a, *b;
	unsigned int i, j;
	int width;

	for (i = 0; i < nr_columns; i++) {
		a = title_of(&columns[i], first, sizeof(first), &width);
		assert_true(strlen(a) <= (size_t)abs(width));
		assert_null(strchr(a, ' '));
		for (j = 0; j < i; j++) {
			b = title_of(&columns[j], second, sizeof(second), &width);
			assert_string_not_equal(a, b);
		}
	}
}

static void test_presets(void **state __attribute__((unused)))
{
	const struct column *chosen[MAX_COLUMNS];
	unsigned int i, nr;

	for (i = 0; i < nr_presets; i++) {
		assert_int_equal(columns_parse(presets[i].columns, chosen, &nr), 0);
		assert_non_null(column_by_name(presets[i].sort));
		assert_ptr_equal(preset_by_name(presets[i].name), &presets[i]);
	}
	assert_null(preset_by_name("no-such"));
}

static void test_history(void **state __attribute__((unused)))
{
	struct model_vm vm = { .now = { .id = 5 } };
	struct model_vm *vms[] = { &vm };
	struct tui tui = { .model = { .vms = vms, .nr_vms = 1 } };
	uint32_t samples[SAMPLES];
	int frame, nr;

	for (frame = 1; frame <= SAMPLES + 10; frame++) {
		tui.model.frame = (uint64_t)frame;
		vm.rate_vm[GMEM_VM_to_shared] = (uint64_t)frame * 10000;
		assert_int_equal(history_add(&tui), 0);
		nr = history_get(&tui, 5, 1, samples, SAMPLES);
		assert_int_equal(nr, frame < SAMPLES ? frame : SAMPLES);
		assert_int_equal(samples[nr - 1], frame);
		assert_int_equal(samples[0], frame - nr + 1);
	}
	assert_int_equal(history_get(&tui, 5, 1, samples, 3), 3);
	assert_int_equal(samples[2], frame - 1);
	assert_int_equal(history_get(&tui, 6, 1, samples, 3), 0);
	/* After a leap back nothing of what was before is in the picture. */
	tui.model.frame = 7;
	assert_int_equal(history_add(&tui), 0);
	assert_int_equal(history_get(&tui, 5, 1, samples, SAMPLES), 1);
	assert_int_equal(history_get(&tui, HISTORY_HOST, 1, samples, SAMPLES), 1);
	tui.model.nr_vms = 0;
	assert_int_equal(history_add(&tui), 0);
	assert_int_equal(history_get(&tui, 5, 1, samples, 3), 0);
	history_free(&tui);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),	      cmocka_unit_test(test_fit_small_buffer),
		cmocka_unit_test(test_numbers),	      cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_heat),	      cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keys_of_man),   cmocka_unit_test(test_rows),
		cmocka_unit_test(test_matches),	      cmocka_unit_test(test_replay),
		cmocka_unit_test(test_bad_recording), cmocka_unit_test(test_history),
		cmocka_unit_test(test_titles),	      cmocka_unit_test(test_presets),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
