// SPDX-License-Identifier: GPL-2.0-only
/* What gmemctl monitor says of an event, and what it counts as lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ctl/denial.h"
#include "../../src/policy/compile.h"
#include "../../src/lib/json.h"

static const char text[] =
	"version: 1\n"
	"name: p\n"
	"mode: enforce\n"
	"default:\n"
	"  { create: deny, bind: allow, mmap: deny, fault: allow, convert: deny, punch: deny,\n"
	"    receive: deny }\n"
	"subjects: { one: { uid: [1] } }\n"
	"rules:\n"
	"  - { name: no-view, deny: [mmap], subjects: any }\n"
	"  - { name: trial, deny: [bind], subjects: any, mode: audit }\n"
	"  - { name: may, allow: [bind], subjects: [one] }\n";

enum { RULE_NO_VIEW, RULE_TRIAL, RULE_MAY };

static struct policy *policy;

static int parse(void **state)
{
	struct diags *diags = calloc(1, sizeof(*diags));
	int ret;

	(void)state;
	ret = policy_parse(text, sizeof(text) - 1, "p.yaml", &policy, diags);
	diags_print(diags, stderr);
	diags_free(diags);
	free(diags);
	return ret;
}

static int release(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static struct gmem_denial event(__u32 op, __u32 rule, __u32 verdict)
{
	struct gmem_denial e = {
		.generation = 7,
		.sequence = 3,
		.tgid = 11,
		.pid = 12,
		.uid = 1000,
		.rule = rule,
		.audit_rule = GMEM_RULE_NONE,
		.verdict = verdict,
		.exe_known = 1,
		.comm = "a task",
		.request = { .op = op, .size = 8192 },
	};

	return e;
}

static void expect(const struct gmem_denial *e, const struct policy *of, const char *wanted)
{
	struct denial denial = { .event = e, .policy = of };
	char why[DENIAL_WHY];

	assert_string_equal(denial_why(&denial, why), wanted);
}

static void test_why(void **state)
{
	struct gmem_denial e;

	(void)state;
	e = event(GMEM_DO_mmap, RULE_NO_VIEW, GMEM_VERDICT_denied);
	expect(&e, policy, "rule no-view (p:9)");
	expect(&e, NULL, "rule number 1 (its policy is gone)");
	e = event(GMEM_DO_create, GMEM_RULE_DEFAULT(GMEM_DO_create), GMEM_VERDICT_denied);
	expect(&e, policy, "the default of create (p:5)");
	e = event(GMEM_DO_receive, GMEM_RULE_DEFAULT(GMEM_DO_receive), GMEM_VERDICT_denied);
	expect(&e, policy, "the default of receive (p:6)");
	e = event(GMEM_DO_mmap, GMEM_RULE_UNKNOWN, GMEM_VERDICT_denied);
	expect(&e, policy,
	       "no rule: the instance existed before the policy was loaded (see load --adopt)");
	e = event(GMEM_DO_mmap, GMEM_RULE_NO_MEMORY, GMEM_VERDICT_denied);
	expect(&e, policy, "no memory for a tag: the process could not be identified");
	e = event(GMEM_DO_convert, GMEM_RULE_IOCTL, GMEM_VERDICT_denied);
	e.request.start = 0x5401;
	expect(&e, policy, "nothing: no policy allows the ioctl 0x5401");
	e.request.start = POLICY_VALUE_UNKNOWN;
	expect(&e, policy, "nothing: a conversion by an ioctl on the instance needs a rule");
	e = event(GMEM_DO_mmap, GMEM_RULE_BROKEN, GMEM_VERDICT_denied);
	expect(&e, policy, "no rule: the policy was replaced meanwhile, or an entry is missing");
	e.exe_known = 0;
	expect(&e, policy, "no rule: the task has no identity");
}

/* A rule in audit mode decided only where what really decides allowed it. */
static void test_audit(void **state)
{
	struct gmem_denial e;

	(void)state;
	e = event(GMEM_DO_bind, RULE_MAY, GMEM_VERDICT_would_deny);
	e.audit_rule = RULE_TRIAL;
	expect(&e, policy, "rule trial in audit mode (p:10)");
	e.rule = GMEM_RULE_DEFAULT(GMEM_DO_bind);
	expect(&e, policy, "rule trial in audit mode (p:10)");
	/* The whole policy is in audit mode: the rule that denies is the one. */
	e = event(GMEM_DO_mmap, RULE_NO_VIEW, GMEM_VERDICT_would_deny);
	e.audit_rule = RULE_TRIAL;
	expect(&e, policy, "rule no-view (p:9)");
	e.rule = GMEM_RULE_DEFAULT(GMEM_DO_create);
	e.request.op = GMEM_DO_create;
	expect(&e, policy, "the default of create (p:5)");
}

static void test_text(void **state)
{
	struct gmem_denial e = event(GMEM_DO_mmap, RULE_NO_VIEW, GMEM_VERDICT_denied);
	struct denial denial = { .event = &e,
				 .policy = policy,
				 .time_ns = 1000000123456000ULL,
				 .exe = "/bin/x",
				 .cgroup = "/a" };
	char line[512] = "";
	FILE *out;

	(void)state;
	setenv("TZ", "UTC", 1);
	memcpy(e.comm, "a\ntask", 7);
	e.request.prot = 3;
	e.ino = 5;
	e.dev = 9 << 20 | 4;
	out = fmemopen(line, sizeof(line), "w");
	denial_print(&denial, out);
	fclose(out);
	assert_string_equal(line,
			    "1970-01-12 13:46:40.123456 denied mmap: pid 11 (a?task) uid 1000 exe "
			    "/bin/x cgroup /a instance 9:4/5 size 8KiB flags none prot read,write "
			    "vm-type default by rule no-view (p:9) generation 7\n");
}

static void test_json(void **state)
{
	struct gmem_denial e = event(GMEM_DO_bind, RULE_MAY, GMEM_VERDICT_would_deny);
	struct denial denial = { .event = &e, .policy = policy };
	struct json json = { 0 };

	(void)state;
	e.audit_rule = RULE_TRIAL;
	e.exe.kind = GMEM_BY_INODE;
	e.exe.ino = 77;
	e.exe.dev = 8 << 20 | 1;
	e.request.start = 0;
	e.request.end = 4096;
	e.request.offset = 4096;
	e.request.offset_end = 8192;
	e.request.type = GMEM_TYPE_unknown;
	denial_json(&denial, &json);
	assert_false(json.failed);
	json.buf[json.len] = '\0';
	assert_string_equal(
		json.buf,
		"{\"version\":1,\"report\":\"denial\",\"seq\":3,\"time_ns\":0,\"generation\":7,\"operation\":\"bind\",\"guard\":null,"
		"\"verdict\":\"would_deny\",\"mode\":\"audit\",\"subject\":\"any\",\"who\":{\"pid\":11,\"tid\":12,\"comm\":\"a task\","
		"\"uid\":1000,\"exe\":null,\"exe_certain\":false,\"exe_inode\":{\"dev\":\"8:1\",\"ino\":77,"
		"\"generation\":0,\"changed\":0,\"subvolume\":0},"
		"\"root\":\"host\",\"cgroup\":null},\"instance\":null,\"request\":{\"size\":\"8KiB\","
		"\"flags\":\"none\",\"range\":\"0x0-0x1000\",\"offset\":\"0x1000-0x2000\",\"vm-type\":\"unknown\"},\"target_pid\":null,\"lock\":null,"
		"\"by\":{\"cause\":\"rule\",\"policy\":\"p\",\"digest\":null,\"rule\":\"trial\",\"number\":2,"
		"\"line\":10,\"audit\":true,\"why\":\"rule trial in audit mode (p:10)\"}}");
	json_free(&json);
}

/* A lock's denial says what was tried, and on what. */
static void expect_lock(struct gmem_denial *e)
{
	struct denial denial = { .event = e, .policy = policy, .object = "heads" };
	struct json json = { 0 };
	char line[512] = "";
	FILE *out;

	e->request.action = GMEM_LOCK_DOES_open_map;
	e->request.start = 12;
	out = fmemopen(line, sizeof(line), "w");
	denial_print(&denial, out);
	fclose(out);
	assert_non_null(strstr(line, " to open the map heads (12) by the guard lock (p)"));
	denial_json(&denial, &json);
	json.buf[json.len] = '\0';
	assert_non_null(strstr(json.buf, "\"lock\":{\"action\":\"open_map\",\"kind\":\"map\","
					 "\"id\":12,\"name\":\"heads\"}"));
	json_free(&json);
	e->request.action = GMEM_LOCK_DOES_write_memory;
	e->request.start = 0;
	denial.object = NULL;
	memset(line, 0, sizeof(line));
	out = fmemopen(line, sizeof(line), "w");
	denial_print(&denial, out);
	fclose(out);
	assert_non_null(
		strstr(line, " to load a program that writes to memory of processes by the"));
	e->request.action = GMEM_LOCK_DOES_none;
}

/* What a guard kept off has no rule, and nothing of an instance. */
static void test_guard(void **state)
{
	struct gmem_denial e =
		event(GMEM_DO_GUARD(GMEM_GUARD_trace), GMEM_RULE_NONE, GMEM_VERDICT_denied);
	struct denial denial = { .event = &e, .policy = policy, .exe = "/bin/gdb" };
	struct json json = { 0 };
	char line[512] = "";
	FILE *out;

	(void)state;
	setenv("TZ", "UTC", 1);
	e.request.size = 0;
	e.request.start = 4711;
	out = fmemopen(line, sizeof(line), "w");
	denial_print(&denial, out);
	fclose(out);
	assert_string_equal(line, "1970-01-01 00:00:00.000000 denied trace: pid 11 (a task) uid "
				  "1000 exe /bin/gdb cgroup - of process 4711 by the guard trace "
				  "(p) generation 7\n");
	denial_json(&denial, &json);
	json.buf[json.len] = '\0';
	assert_non_null(strstr(json.buf, "\"operation\":null,\"guard\":\"trace\""));
	assert_non_null(strstr(json.buf, "\"request\":{},\"target_pid\":4711"));
	assert_non_null(strstr(
		json.buf, "\"cause\":\"guard\",\"policy\":\"p\",\"digest\":null,\"rule\":null"));
	json_free(&json);
	e.request.op = GMEM_DO_GUARD(GMEM_GUARD_sqpoll);
	expect(&e, policy, "the guard sqpoll (p)");
	e.request.op = GMEM_DO_GUARD(GMEM_GUARD_lock);
	expect(&e, NULL, "the guard lock (its policy is gone)");
	expect_lock(&e);
	e.request.op = GMEM_DO_GUARD(GMEM_GUARD_MAX);
	expect(&e, policy, "the guard ? (p)");
}

/* The last member is what must be told. */
static void test_gaps(void **state)
{
	struct denial_gaps gaps = { 0 };

	(void)state;
	gaps_take(&gaps, 10);
	gaps_take(&gaps, 11);
	assert_int_equal(gaps_look(&gaps, 12), 0);
	/* 12 is missing at one look, and comes. */
	gaps_take(&gaps, 13);
	assert_int_equal(gaps_look(&gaps, 14), 0);
	gaps_take(&gaps, 12);
	assert_int_equal(gaps_look(&gaps, 14), 0);
	assert_int_equal(gaps_look(&gaps, 14), 0);
	/* 14 to 16 are missing at two looks. */
	gaps_take(&gaps, 17);
	assert_int_equal(gaps_look(&gaps, 18), 0);
	assert_int_equal(gaps_look(&gaps, 18), 3);
	assert_int_equal(gaps_look(&gaps, 18), 0);
	/* Nothing comes any more, but there were more. */
	assert_int_equal(gaps_look(&gaps, 20), 0);
	assert_int_equal(gaps_look(&gaps, 25), 2);
	assert_int_equal(gaps_look(&gaps, 25), 5);
	assert_int_equal(gaps.end - gaps.base, gaps.came + 10);
}

/* What was before the first look was somebody else's; an order that is another loses nothing. */
static void test_gaps_begin(void **state)
{
	struct denial_gaps gaps = { 0 };

	(void)state;
	assert_int_equal(gaps_look(&gaps, 100), 0);
	assert_int_equal(gaps_look(&gaps, 100), 0);
	gaps_take(&gaps, 100);
	assert_int_equal(gaps_look(&gaps, 101), 0);
	assert_int_equal(gaps.end - gaps.base, gaps.came);
	memset(&gaps, 0, sizeof(gaps));
	gaps_take(&gaps, 6);
	gaps_take(&gaps, 5);
	gaps_take(&gaps, 7);
	assert_int_equal(gaps_look(&gaps, 8), 0);
	assert_int_equal(gaps_look(&gaps, 8), 0);
	assert_int_equal(gaps.end - gaps.base, gaps.came);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_why),   cmocka_unit_test(test_audit),
		cmocka_unit_test(test_text),  cmocka_unit_test(test_json),
		cmocka_unit_test(test_gaps),  cmocka_unit_test(test_gaps_begin),
		cmocka_unit_test(test_guard),
	};

	return cmocka_run_group_tests(tests, parse, release);
}
