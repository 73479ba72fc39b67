// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../src/top/events_format.h"

static struct gmem_event event_of(enum gmem_event_id id)
{
	struct gmem_event e = {
		.seq = 7,
		.time_ns = 11,
		.vm = { .id = 2, .tgid = 100, .type = 1, .comm = "qemu" },
		.inst = { .ino = 5, .size = 1 << 20, .flags = 3, .dev = 8 << 20 | 1 },
		.pid = 101,
		.tid = 102,
		.uid = 1000,
		.event = id,
	};

	/* It fills the array, without a 0 at the end. */
	memcpy(e.comm, "sixteen_letters_", sizeof(e.comm));
	return e;
}

static struct event_view view_of(const struct gmem_event *e)
{
	struct event_view view = {
		.e = e,
		.time_ns = 1000000001,
		.vm_pid = 100,
		.vm_name = "web \"1\"",
		.exe = "/usr/bin/qemu",
	};

	return view;
}

static char *json_text(const struct event_view *view)
{
	struct json json = { 0 };
	char *text;

	event_json(&json, view);
	assert_false(json.failed);
	text = strndup(json.buf, json.len);
	json_free(&json);
	return text;
}

static char *plain_text(const struct event_view *view)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	event_text(out, view);
	fclose(out);
	return text;
}

static void expect_json(const struct gmem_event *e, const char *wanted)
{
	struct event_view view = view_of(e);
	char *text = json_text(&view);

	assert_string_equal(text, wanted);
	free(text);
}

/* Everything after the one who did it. */
static void expect_text(const struct gmem_event *e, const char *wanted)
{
	struct event_view view = view_of(e);
	char *text = plain_text(&view), *rest = strstr(text, "uid=1000 ");

	assert_non_null(rest);
	assert_string_equal(rest, wanted);
	free(text);
}

static void test_whole_object(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_create);

	(void)state;
	e.create.size = 1 << 20;
	e.create.flags = 3;
	e.create.fd = 9;
	e.exe_dev = 254 << 20 | 3;
	e.exe_ino = 77;
	e.exe_generation = 4711;
	e.exe_subvolume = 256;
	expect_json(
		&e,
		"{\"seq\":7,\"time_ns\":1000000001,\"monotonic_ns\":11,\"event\":\"create\","
		"\"vm\":{\"id\":2,\"key\":null,\"pid\":100,\"name\":\"web \\\"1\\\"\","
		"\"type\":\"software-protected\"},"
		"\"who\":{\"pid\":101,\"tid\":102,\"comm\":\"sixteen_letters_\",\"uid\":1000,"
		"\"exe\":\"/usr/bin/qemu\",\"exe_inode\":{\"dev\":\"254:3\",\"ino\":77,"
		"\"generation\":4711,\"changed\":0,\"subvolume\":256},\"cgroup\":null},"
		"\"instance\":{\"key\":null,\"dev\":\"8:1\",\"ino\":5,\"size\":1048576,\"flags\":3},"
		"\"size\":1048576,\"flags\":3,\"fd\":9,\"errno\":0,\"error\":null}");
}

/* What is written of the event has such a member. */
static void expect_member(const struct gmem_event *e, const char *name, const char *wanted)
{
	struct event_view view = view_of(e);
	char *text = json_text(&view), member[128], *at;

	snprintf(member, sizeof(member), ",\"%s\":%s", name, wanted);
	at = strstr(text, member);
	if (!at || !strchr(",}", at[strlen(member)]))
		fail_msg("no %s in %s", member, text);
	free(text);
}

static void test_unknown(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_convert);

	(void)state;
	e.convert.size = 8192;
	e.convert.attributes = 8;
	e.convert.changed_pages = 2;
	expect_member(&e, "changed_pages", "2");
	expect_member(&e, "before", "\"shared\"");
	expect_member(&e, "direction", "\"to_private\"");
	e.unknown = GMEM_EV_BIT(convert, changed_pages);
	expect_member(&e, "changed_pages", "null");
	expect_member(&e, "before", "null");
	e.unknown |= GMEM_EV_BIT(convert, attributes);
	expect_member(&e, "direction", "null");
	expect_member(&e, "attributes", "null");
	expect_member(&e, "start", "0");
	e.vm.id = 0;
	expect_member(&e, "vm", "null");
	e.inst.ino = 0;
	expect_member(&e, "instance", "null");
}

static void test_conversions(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_convert);

	(void)state;
	e.convert.size = 65536;
	e.convert.changed_pages = 3;
	expect_member(&e, "direction", "\"to_shared\"");
	expect_member(&e, "before", "\"mixed\"");
	e.convert.changed_pages = 0;
	expect_member(&e, "before", "\"shared\"");
	e.convert.changed_pages = 16;
	expect_member(&e, "before", "\"private\"");
	e.convert.attributes = 1;
	e.ret = -22;
	expect_member(&e, "direction", "\"other\"");
	expect_member(&e, "before", "null");
	expect_member(&e, "errno", "22");
	expect_member(&e, "error", "\"EINVAL\"");
}

static void test_faults(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_host_fault);

	(void)state;
	e.host_fault.result = 0x200;
	e.host_fault.write = 1;
	expect_member(&e, "result", "\"LOCKED\"");
	expect_member(&e, "write", "true");
	expect_member(&e, "errno", "null");
	expect_member(&e, "error", "null");
	e.ret = 0x12;
	e.host_fault.result = 0x10012;
	expect_member(&e, "error", "\"SIGBUS,HWPOISON\"");
	expect_member(&e, "result", "\"SIGBUS,HWPOISON,0x10000\"");
}

static void test_text(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_create);

	(void)state;
	e.create.size = 3 << 20;
	e.create.flags = 7;
	e.create.fd = 9;
	expect_text(&e, "uid=1000 inst=8:1:5 size=3M flags=mmap,init-shared,0x4 fd=9\n");
	e.ret = -22;
	e.inst.ino = 0;
	e.create.size = 4097;
	e.create.flags = 0;
	e.unknown = GMEM_EV_BIT(create, fd);
	expect_text(&e, "uid=1000 size=4097 flags=0 fd=- error=EINVAL(22)\n");

	e = event_of(GMEM_EV_mmap);
	e.mmap.address = 0x7000;
	e.mmap.size = 4096;
	e.mmap.prot = 5;
	expect_text(&e, "uid=1000 inst=8:1:5 address=0x7000 offset=0 size=4K prot=r-x\n");

	e = event_of(GMEM_EV_convert);
	e.inst.ino = 0;
	e.convert.size = 0;
	e.convert.attributes = 8;
	e.convert.duration_ns = 1234567;
	expect_text(&e, "uid=1000 to_private start=0 size=0 changed_pages=0 duration_ns=1.2ms\n");
	e.convert.attributes = 1;
	e.convert.duration_ns = 999;
	expect_text(&e, "uid=1000 other start=0 size=0 attributes=0x1 changed_pages=0 "
			"duration_ns=999ns\n");

	e = event_of(GMEM_EV_invalidate);
	e.inst.ino = 0;
	e.invalidate.reason = GMEM_REASON_RELEASE;
	e.invalidate.size = 1ULL << 40;
	expect_text(&e, "uid=1000 offset=0 size=1T reason=release\n");
}

/* Who did it may have any name. */
static void test_names_do_not_steer(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_release);
	struct event_view view = view_of(&e);
	char *text;

	(void)state;
	memcpy(e.comm, "a\033[31m\nb", 9);
	view.vm_name = "\x7f\r";
	text = plain_text(&view);
	assert_non_null(strstr(text, " ??[100] by a?[31m?b[101/102] uid=1000 "));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void test_time(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_release);
	struct event_view view = view_of(&e);
	char *text;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	view.time_ns = 86399000000042ULL;
	text = plain_text(&view);
	assert_memory_equal(text, "23:59:59.000000042 release     web \"1\"[100] by ", 46);
	free(text);
}

static void test_stacks(void **state)
{
	struct gmem_event e = event_of(GMEM_EV_release);
	struct event_view view = view_of(&e);
	char *text;

	(void)state;
	view.stacks = true;
	view.nr_kernel = 2;
	view.nr_user = 1;
	strcpy(view.kernel[0], "kvm_vm_ioctl+0x1 [kvm]");
	strcpy(view.kernel[1], "0x10");
	strcpy(view.user[0], "/lib/libc.so+0x2");
	text = json_text(&view);
	assert_non_null(strstr(text, "\"error\":null,\"kernel_stack\":[\"kvm_vm_ioctl+0x1 [kvm]\","
				     "\"0x10\"],\"user_stack\":[\"/lib/libc.so+0x2\"]}"));
	free(text);
	text = plain_text(&view);
	assert_non_null(strstr(text, "\n    kernel kvm_vm_ioctl+0x1 [kvm]\n    kernel 0x10\n"
				     "    user   /lib/libc.so+0x2\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_object), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_conversions),  cmocka_unit_test(test_faults),
		cmocka_unit_test(test_text),	     cmocka_unit_test(test_names_do_not_steer),
		cmocka_unit_test(test_time),	     cmocka_unit_test(test_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
