// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/lib/closest.h"
#include "../../src/top/events_list.h"
#include "../../src/top/events_stack.h"

/* What is written to standard error while a list is parsed. */
static int parse(const char *list, uint32_t *mask, char *said, size_t size)
{
	int saved = dup(2), fds[2], ret;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], 2);
	ret = events_parse(list, mask);
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	return ret;
}

static void test_list(void **state)
{
	char said[256];
	uint32_t mask;

	(void)state;
	assert_int_equal(parse("convert", &mask, said, sizeof(said)), 0);
	assert_int_equal(mask, 1U << GMEM_EV_convert);
	assert_int_equal(parse("bind,create,bind", &mask, said, sizeof(said)), 0);
	assert_int_equal(mask, 1U << GMEM_EV_bind | 1U << GMEM_EV_create);
	assert_int_equal(parse("all", &mask, said, sizeof(said)), 0);
	assert_int_equal(mask, (1U << GMEM_EV_MAX) - 1);
	assert_int_equal(EVENTS_DEFAULT & (1U << GMEM_EV_guest_fault | 1U << GMEM_EV_host_fault),
			 0);
	assert_int_equal(__builtin_popcount(EVENTS_DEFAULT), GMEM_EV_MAX - 2);
}

static void test_wrong_names(void **state)
{
	char said[256];
	uint32_t mask;

	(void)state;
	assert_int_equal(parse("guestfault", &mask, said, sizeof(said)), -EINVAL);
	assert_non_null(strstr(said, "did you mean 'guest_fault'?"));
	assert_int_equal(parse("bind,relaese", &mask, said, sizeof(said)), -EINVAL);
	assert_non_null(strstr(said, "did you mean 'release'?"));
	assert_int_equal(parse("something", &mask, said, sizeof(said)), -EINVAL);
	assert_non_null(strstr(said, "help lists them"));
	assert_int_equal(parse("", &mask, said, sizeof(said)), -EINVAL);
	assert_int_equal(parse("bind,", &mask, said, sizeof(said)), -EINVAL);
}

/* Every event has fields, which are different ones, and a record has room for them. */
static void test_tables(void **state)
{
	unsigned int i, f, g;

	(void)state;
	for (i = 0; i < GMEM_EV_MAX; i++) {
		assert_in_range(event_descs[i].nr_fields, 1, GMEM_EV_VALUES);
		for (f = 0; f < event_descs[i].nr_fields; f++) {
			assert_non_null(event_descs[i].fields[f].text);
			for (g = 0; g < f; g++)
				assert_string_not_equal(event_descs[i].fields[f].name,
							event_descs[i].fields[g].name);
		}
	}
	assert_string_equal(event_descs[GMEM_EV_convert].fields[3].name, "changed_pages");
	assert_int_equal(GMEM_EV_BIT(convert, changed_pages), 1 << 3);
	assert_true(event_descs[GMEM_EV_host_fault].hot);
	assert_false(event_descs[GMEM_EV_convert].hot);
}

static void test_closest(void **state)
{
	static const char *const names[] = { "bind", "unbind", "convert" };
	static const char *const types[] = { "sev", "sev-snp", "software-protected" };

	(void)state;
	assert_string_equal(closest_name("bnid", names, 3), "bind");
	assert_string_equal(closest_name("unbnd", names, 3), "unbind");
	assert_string_equal(closest_name("conversion", names, 3), "convert");
	assert_null(closest_name("xyz", names, 3));
	assert_string_equal(closest_name("snp", types, 3), "sev-snp");
	assert_string_equal(closest_name("ev", types, 3), "sev");
	assert_string_equal(closest_name("protected", types, 3), "software-protected");
	assert_null(closest_name("", names, 3));
}

static FILE *file_of(const char *text)
{
	FILE *file = fmemopen((char *)text, strlen(text), "r");

	assert_non_null(file);
	return file;
}

static void test_symbols(void **state)
{
	static const char kallsyms[] = "ffffffff81000200 t second\n"
				       "ffffffff81000100 T first\n"
				       "ffffffff81000180 d data\n"
				       "ffffffffc0000000 t inside\t[kvm]\n";
	struct symbols *symbols = NULL;
	FILE *file = file_of(kallsyms);
	char buf[64];

	(void)state;
	assert_int_equal(symbols_read(file, &symbols), 0);
	fclose(file);
	symbols_name(symbols, 0xffffffff81000100, buf, sizeof(buf));
	assert_string_equal(buf, "first+0");
	symbols_name(symbols, 0xffffffff810001ff, buf, sizeof(buf));
	assert_string_equal(buf, "first+0xff");
	symbols_name(symbols, 0xffffffff81000201, buf, sizeof(buf));
	assert_string_equal(buf, "second+0x1");
	symbols_name(symbols, 0xffffffffc0000010, buf, sizeof(buf));
	assert_string_equal(buf, "inside+0x10 [kvm]");
	/* Before all of them, and far from all of them. */
	symbols_name(symbols, 0x1000, buf, sizeof(buf));
	assert_string_equal(buf, "0x1000");
	symbols_name(symbols, 0xffffffffd0000000, buf, sizeof(buf));
	assert_string_equal(buf, "0xffffffffd0000000");
	symbols_free(symbols);
	symbols_name(NULL, 16, buf, sizeof(buf));
	assert_string_equal(buf, "0x10");
}

static void test_hidden_symbols(void **state)
{
	FILE *file = file_of("0000000000000000 T first\n0000000000000000 t second\n");
	struct symbols *symbols = NULL;

	(void)state;
	assert_int_equal(symbols_read(file, &symbols), -EACCES);
	assert_null(symbols);
	fclose(file);
}

static void test_tracing_frames(void **state)
{
	(void)state;
	assert_true(frame_of_tracing("bpf_prog_0123_tp_convert+0x10 [bpf]"));
	assert_true(frame_of_tracing("bpf_trampoline_6442+0x41 [bpf]"));
	assert_true(frame_of_tracing("__traceiter_kvm_gmem_convert+0x1"));
	assert_false(frame_of_tracing("kvm_vm_ioctl+0x1 [kvm]"));
	assert_false(frame_of_tracing("bpf_other+0x1"));
}

static void test_maps(void **state)
{
	static const char text[] =
		"55d000000000-55d000001000 r--p 00000000 08:01 131 /usr/bin/a program\n"
		"55d000001000-55d000003000 r-xp 00001000 08:01 131 /usr/bin/a program\n"
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
		"7ffd00000000-7ffd00001000 rw-p 00000000 00:00 0                          [stack]\n";
	struct maps *maps = NULL;
	FILE *file = file_of(text);
	char buf[128];

	(void)state;
	assert_int_equal(maps_read(file, &maps), 0);
	fclose(file);
	assert_true(maps_name(maps, 0x55d000001234, buf, sizeof(buf)));
	assert_string_equal(buf, "/usr/bin/a program+0x1234");
	assert_true(maps_name(maps, 0x7f0000000010, buf, sizeof(buf)));
	assert_string_equal(buf, "[anon]+0x10");
	assert_true(maps_name(maps, 0x7ffd00000000, buf, sizeof(buf)));
	assert_string_equal(buf, "[stack]+0");
	assert_false(maps_name(maps, 0x55d000003000, buf, sizeof(buf)));
	assert_string_equal(buf, "0x55d000003000");
	maps_free(maps);
	assert_false(maps_name(NULL, 1, buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),	       cmocka_unit_test(test_wrong_names),
		cmocka_unit_test(test_tables),	       cmocka_unit_test(test_closest),
		cmocka_unit_test(test_symbols),	       cmocka_unit_test(test_hidden_symbols),
		cmocka_unit_test(test_tracing_frames), cmocka_unit_test(test_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
