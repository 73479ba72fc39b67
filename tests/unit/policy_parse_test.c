// SPDX-License-Identifier: GPL-2.0-only
/* The policy language: every error is told, where it is, and all of them in one run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/policy/compile.h"
#include "../../src/policy/value.h"
#include "policy_random.h"
#include "../../src/ctl/kernel/policy_file.h"

#define HEAD_TOP "version: 1\nname: t\nmode: audit\n"
#define DEFAULT                                                                         \
	"default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, " \
	"punch: deny, receive: deny }\n"
#define HEAD	  HEAD_TOP DEFAULT
#define SUBJECTS  HEAD "subjects: { s: { uid: 1 } }\nrules:\n"
#define RULE(...) SUBJECTS "  - { name: a, subjects: [s], " __VA_ARGS__ " }\n"

/* A text and one of its errors (or warnings): line:column: message, as far as it is given here. */
static const struct {
	const char *text, *expect;
} errors[] = {
	/* YAML */
	{ "", "1:1: the file is empty" },
	{ "a: [", "not valid YAML" },
	{ "%YAML 1.2\n---\n", "1:1: directives are not part" },
	{ "a: \x01", "1:4: the character U+0001 is not allowed" },
	{ "\xef\xbb\xbfversion: 1\n",
	  "1:1: the file begins with a byte order mark (U+FEFF); save it as UTF-8 without one" },
	{ "a: \xef\xbb\xbf", "1:4: the character U+FEFF is not allowed" },
	{ "\xc3\xa4: \xe2\x80\xa8", "1:4: the character U+2028 is not allowed" },
	{ "\xc3\xa4: \xc2\x85", "1:4: the character U+0085 is not allowed" },
	{ "a:\n \xc3\xa4\x80", "2:3: not UTF-8: byte 0x80" },
	{ "a: \xed\xa0\x80", "1:4: not UTF-8" },
	{ "a: \xf4\x90\x80\x80", "1:4: not UTF-8" },
	{ "a: \xe0\x80\xaf", "1:4: not UTF-8" },
	{ "a: \xe2\x82", "1:4: not UTF-8" },
	{ "a: b\n--- \nc: d\n", "2:1: a second document" },
	{ HEAD "rules: &x []\n", "5:11: anchors are not part" },
	{ HEAD "rules: *x\n", "5:9: aliases are not part" },
	{ HEAD "rules: !!seq []\n", "tags are not part" },
	{ HEAD "? [a]\n: b\nrules: []\n", "5:3: a key must be a word, this is a list" },
	{ "[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]", "1:17: nested too deeply" },
	/* the head */
	{ "- a\n", "1:1: a policy must be a map, this is a list" },
	{ "version: 1\n", "a policy lacks \"name\"" },
	{ "version: 1\n", "a policy lacks \"rules\"" },
	{ "version: 3\n" DEFAULT, "1:10: the language has no version 3" },
	{ HEAD "rules: []\nrule: []\n",
	  "6:1: a policy has no key \"rule\"; did you mean \"rules\"?" },
	{ HEAD "rules: []\nrules: []\n", "6:1: \"rules\" is defined twice, first in line 5" },
	{ "name: a b\n", "1:7: the name of a policy may have" },
	{ "name: 0123456789012345678901234567890123456789012345678901234567890123\n",
	  "1:7: the name of a policy may have 63 bytes, not 64" },
	{ "mode: on\n", "1:7: mode must be enforce or audit, not \"on\"" },
	{ "mode:\n", "mode must be a word, this is nothing" },
	{ HEAD_TOP "default: { create: deny, mmap: allow, fault: deny, punch: deny }\n",
	  "4:10: default does not name bind, convert, receive: denied; name them, or write all: deny" },
	{ HEAD_TOP "default: {}\n",
	  "4:10: default does not name create, bind, mmap, fault, convert, "
	  "punch, receive: denied" },
	{ HEAD_TOP "default: { all: maybe }\n", "4:17: a default must be allow or deny" },
	{ HEAD_TOP "default: { al: deny }\n",
	  "4:12: default has no key \"al\"; did you mean \"all\"?" },
	{ HEAD_TOP "default: [deny]\n", "4:10: default must be a map, this is a list" },
	{ HEAD_TOP "default: { create: no }\n",
	  "4:20: a default must be allow or deny, not \"no\"" },
	{ HEAD_TOP "default: denied\n", "4:10: a default must be allow or deny, not \"denied\"" },
	/* guards */
	{ HEAD "guards: deny\n", "5:9: guards must be a map, this is a word" },
	{ HEAD "guards: { trace: no }\n",
	  "5:18: the guard trace must be deny, cgroup or allow, not \"no\"" },
	{ HEAD "guards: { trace: [deny] }\n", "a guard must be a word, this is a list" },
	{ HEAD "guards: { trce: deny }\n",
	  "5:11: guards has no key \"trce\"; did you mean \"trace\"?" },
	{ HEAD "guards: { lock: deny }\n",
	  "5:11: guards has no key \"lock\"; it can have trace, preload, sqpoll" },
	{ HEAD "guards: { sqpoll: deny, sqpoll: allow }\n",
	  "5:25: \"sqpoll\" is defined twice, first in line 5" },
	{ HEAD "guards: { preload: deny }\nguards: { preload: deny }\n",
	  "6:1: \"guards\" is defined twice, first in line 5" },
	{ HEAD "guards: { trace: deny }\nsubjects: { s: { uid: 1 } }\nrules: []\n",
	  "5:1: guards have no effect" },
	/* manager */
	{ HEAD "subjects: { ctl: { exe: /bin/sh } }\nmanager: clt\nrules: []\n",
	  "6:10: there is no subject \"clt\"; did you mean \"ctl\"?" },
	{ HEAD "subjects: { ctl: { uid: 1 } }\nmanager: ctl\nrules: []\n",
	  "6:10: the manager \"ctl\" names no executable" },
	{ HEAD "subjects: { ctl: { exe: /bin/sh } }\nmanager: [ctl]\nrules: []\n",
	  "manager must be a word, this is a list" },
	{ HEAD "manager: any\nrules: []\n", "5:10: there is no subject \"any\"" },
	{ HEAD "subjects: { ctl: { exe: /bin/sh } }\nmanager: ctl\nmanager: ctl\nrules: []\n",
	  "7:1: \"manager\" is defined twice, first in line 6" },
	/* subjects */
	{ HEAD "subjects: { a: { exe: qemu } }\n", "5:23: exe must be a path that begins" },
	{ HEAD "subjects: { a: { uid: [] } }\n", "5:23: uid is empty" },
	{ HEAD "subjects: { a: { uid: 4294967295 } }\n", "5:23: \"4294967295\" is not the number" },
	{ HEAD "subjects: { a: { uid: [010, 10] } }\n",
	  "5:24: \"010\" is not the number of a user; write it without leading zeros" },
	{ HEAD "subjects: { a: { uid: 00 } }\n", "5:23: \"00\" is not the number of a user" },
	{ HEAD "subjects: { a: { uid: 0x10 } }\n", "5:23: \"0x10\" is not the number of a user" },
	{ HEAD "subjects: { a: { uid: 10k } }\n", "5:23: \"10k\" is not the number of a user" },
	{ HEAD "subjects: { a: { uid: [1, 1] } }\n", "5:27: \"1\" is listed twice" },
	{ HEAD "subjects: { a: { verity: \"sha256:12\" } }\n", "5:27: verity must be sha256" },
	{ HEAD "subjects: { a: { cgroup: a } }\n", "5:26: cgroup must be a path below" },
	{ HEAD "subjects: { a: { cgroup: /a/../b } }\n", "5:26: cgroup must be a path below" },
	{ HEAD "subjects: { a: { cgroup: /a/ } }\n", "5:26: cgroup must be a path below" },
	{ HEAD "subjects: { a: {} }\n", "5:16: a subject without keys" },
	{ HEAD "subjects: { any: { uid: 1 } }\n", "5:13: \"any\" means any subject" },
	{ HEAD "subjects: { a: { uid: 1 }, a: { uid: 2 } }\n",
	  "5:28: subject \"a\" is defined twice, first in line 5" },
	{ HEAD "subjects: { a: { uid: 1, gid: 1 } }\n",
	  "5:26: a subject has no key \"gid\"; did you mean \"uid\"?" },
	{ HEAD "subjects: { a: { exe: /a, root: container } }\n",
	  "5:33: root must be host or any, not \"container\"" },
	{ HEAD "subjects: { a: { uid: 1, root: any } }\n",
	  "5:26: root belongs to exe or verity, and the subject has neither" },
	{ HEAD "subjects: { a: { exe: /a, root: any } }\nmanager: a\n",
	  "6:10: the manager \"a\" must have the host's root directory" },
	{ HEAD "subjects: { a: { exe: /a, verity: \"sha256:"
	       "0000000000000000000000000000000000000000000000000000000000000000\" } }\n",
	  "5:16: exe and verity: a subject has one" },
	/* rules */
	{ RULE("allow: creat"), "7:38: \"creat\" is not known in the list of operations; did you "
				"mean \"create\"?" },
	{ RULE("allow: []"), "7:38: the list of operations is empty" },
	{ RULE("allow: [all, create]"), "7:39: \"all\" is not known" },
	{ RULE("allow: create, deny: bind"), "7:5: allow and deny in one rule" },
	{ RULE("mode: audit"), "7:5: neither allow nor deny" },
	{ RULE("allow: create, mode: on"), "the mode of a rule must be audit or enforce" },
	{ RULE("allow: create, when: {}"), "when is empty" },
	{ RULE("allow: create, when: { colour: red }"),
	  "when has no key \"colour\"; it can have size, flags, prot, direction, offset, range, vm-type, flags-are" },
	{ RULE("allow: create, when: { vm-type: snp }"), "did you mean \"sev-snp\"?" },
	{ RULE("allow: create, when: { size: 1GiB }"), "7:60: size must be <=" },
	{ RULE("allow: create, when: { size: <= 1QiB }"), "7:60: size must be <=" },
	{ RULE("allow: create, when: { size: <= 010GiB }"), "7:60: size must be <=" },
	{ RULE("allow: create, when: { size: <= 99999999999999999999 }"), "is too large" },
	{ RULE("allow: create, when: { size: <= 16777216TiB }"), "is too large" },
	{ RULE("allow: create, when: { size: < 0 }"), "no size satisfies \"< 0\"" },
	{ RULE("allow: create, when: { size: [\"> 2GiB\", \"< 1GiB\"] }"),
	  "no size satisfies \"< 1GiB\" and the comparisons before it" },
	{ RULE("allow: create, when: { flags: [map] }"), "did you mean \"mmap\"?" },
	{ RULE("allow: create, when: { flags: [0x3, mmap] }"),
	  "7:67: \"mmap\" in flags names what the list has already" },
	{ RULE("allow: create, when: { flags: [0x100] }"), "\"0x100\" in flags is above 0xff" },
	{ RULE("allow: create, when: { flags: [0x] }"), "\"0x\" in flags is not a number" },
	{ RULE("allow: create, when: { flags: [04] }"), "\"04\" in flags is not a number" },
	{ RULE("allow: create, when: { flags: [0] }"), "\"0\" in flags is not a number" },
	{ RULE("allow: create, when: { flags: [none, mmap] }"), "\"none\" is not known in flags" },
	{ RULE("allow: create, when: { flags: [], flags-are: [] }"),
	  "7:65: flags and flags-are in one rule" },
	{ RULE("deny: create, when: { flags: none }"),
	  ": a rule that denies empty flags never matches; flags-are: none" },
	{ RULE("deny: mmap, when: { prot: none }"), "a rule that denies an empty prot" },
	/* what it meant before version 2 */
	{ RULE("deny: create, when: { flags: [init-shared] }"),
	  "7:60: flags does not mean exactly these flags any more: the rule matches instances that "
	  "have any of them; write version: 2" },
	{ RULE("allow: create, when: { flags: [init-shared] }"),
	  "7:61: flags does not mean exactly these flags any more: the rule matches instances that "
	  "have no others; write version: 2" },
	{ RULE("allow: create, when: { prot: [read] }"), "7:54: prot applies to no operation" },
	{ RULE("allow: create, when: { direction: to-shared }"), "direction applies to no" },
	{ RULE("allow: convert, when: { direction: other }"),
	  "\"other\" is not known in direction" },
	{ RULE("allow: convert, when: { size: <= 1GiB }"), "size applies to no" },
	{ RULE("allow: convert, when: { range: 8KiB-4KiB }"), "the range \"8KiB-4KiB\" is empty" },
	{ RULE("allow: convert, when: { range: 0x0-0x3fffffff }"),
	  "7:62: the limits in \"0x0-0x3fffffff\" must be multiples of 4KiB; the end does not belong "
	  "to the range: did you mean \"0x0-0x40000000\"?" },
	{ RULE("allow: convert, when: { range: 1-4KiB }"), "must be multiples of 4KiB" },
	{ RULE("allow: convert, when: { range: 0+1 }"), "must be multiples of 4KiB" },
	{ RULE("allow: convert, when: { range: 0-010000 }"), "range must be two guest addresses" },
	{ RULE("allow: convert, when: { range: 5 }"), "range must be two guest addresses" },
	{ RULE("allow: bind, when: { offset: 5 }"), "offset must be two offsets" },
	{ RULE("allow: bind, when: { offset: 0-4095 }"), "did you mean \"0x0-0x1000\"?" },
	{ RULE("allow: convert, when: { offset: 0-4096 }"), "offset applies to no operation" },
	{ RULE("allow: create, when: { vm-type: [] }"), "vm-type is empty" },
	{ RULE("allow: create, when: { vm-type: sev_snp }"), "did you mean \"sev-snp\"?" },
	{ RULE("deny: mmap, when: { prot: [] }"), "a rule that denies an empty prot" },
	{ SUBJECTS "  - { name: a, subjects: [t], allow: create }\n",
	  "7:27: there is no subject \"t\"" },
	{ SUBJECTS "  - { name: a, subjects: [], allow: create }\n", "7:26: subjects is empty" },
	{ SUBJECTS "  - { name: a, allow: create }\n", "7:5: a rule lacks \"subjects\"" },
	{ SUBJECTS "  - { subjects: any, allow: create }\n", "7:5: a rule lacks \"name\"" },
	{ SUBJECTS "  - { name: a, subjects: any, allow: create }\n"
		   "  - { name: a, subjects: any, allow: bind }\n",
	  "8:13: rule \"a\" is defined twice, first in line 7" },
	{ SUBJECTS "  -\n", "a rule must be a map, this is nothing" },
	/* what is found when it is compiled */
	{ SUBJECTS "  - { name: a, subjects: any, allow: create }\n"
		   "  - { name: b, subjects: [s], deny: create }\n",
	  "8:5: rule \"b\" never decides: earlier rules match all its requests, as \"a\" in line 7" },
	{ HEAD "subjects: { s: { uid: 1 } }\nrules: []\n", "5:13: no rule names subject \"s\"" },
	{ HEAD "subjects: { s: { uid: nobody-here } }\nrules: []\n",
	  "5:23: there is no user \"nobody-here\" here" },
	{ HEAD "subjects: { s: { uid: rot } }\nrules: []\n", "did you mean \"root\"?" },
	{ HEAD "subjects: { s: { exe: /no/such } }\nrules: []\n",
	  "5:23: exe /no/such: No such file or directory" },
	{ HEAD "subjects: { s: { exe: / } }\nrules: []\n", "5:23: exe /: not a regular file" },
	{ HEAD "subjects: { s: { cgroup: /no/such } }\nrules: []\n", "5:26: cgroup /no/such: " },
};

static bool has(const struct diags *diags, const char *expect)
{
	char text[1024];
	size_t i;

	for (i = 0; i < diags->nr; i++) {
		const struct diag *diag = &diags->list[i];

		snprintf(text, sizeof(text), "%u:%u: %s; %s", diag->place.line, diag->place.column,
			 diag->message, diag->hint ? diag->hint : "");
		if (strstr(text, expect))
			return true;
	}
	return false;
}

static void test_errors(void **state)
{
	struct policy_file file;
	size_t i, failed = 0;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		policy_open_text(errors[i].text, strlen(errors[i].text), "test", false, &file);
		if (!has(&file.diags, errors[i].expect)) {
			fprintf(stderr, "case %zu: no \"%s\"\n", i, errors[i].expect);
			diags_print(&file.diags, stderr);
			failed++;
		}
		policy_close(&file);
	}
	assert_int_equal(failed, 0);
}

/* One wrong thing in each line: none hides another. */
static void test_all_at_once(void **state)
{
	static const char text[] =
		"version: 7\n"
		"name: a b\n"
		"mode: on\n"
		"default: { create: x, bind: deny }\n"
		"subjects: { s: { exe: x, uid: [x y, 99999999999] } }\n"
		"rules:\n"
		"  - { name: a, subjects: [t], allow: [x] }\n"
		"  - { name: a, subjects: any, deny: [create], when: { size: 1 } }\n"
		"  - x\n"
		"  - { name: e, subjects: any, alow: create }\n"
		"  - { name: f, subjects: any, allow: bind }\n"
		"  - { name: g, subjects: any, allow: bind }\n"
		"more: 1\n";
	struct policy_file file;
	unsigned int line;
	char place[16];

	(void)state;
	assert_int_equal(policy_open_text(text, strlen(text), "test", false, &file), -EBADMSG);
	for (line = 1; line <= 13; line++) {
		snprintf(place, sizeof(place), "%u:", line);
		if (line != 6 && line != 11 && !has(&file.diags, place)) {
			diags_print(&file.diags, stderr);
			fail_msg("nothing in line %u", line);
		}
	}
	policy_close(&file);
}

/* What load wants to be here is an error, what check wants is a warning. */
static void test_required(void **state)
{
	static const char text[] = HEAD "subjects: { s: { uid: nobody-here, exe: /no/such } }\n"
					"rules: [ { name: a, subjects: s, allow: create } ]\n";
	struct policy_file file;

	(void)state;
	assert_int_equal(policy_open_text(text, strlen(text), "test", false, &file), 0);
	assert_int_equal(file.diags.nr_warnings, 2);
	policy_close(&file);
	assert_int_equal(policy_open_text(text, strlen(text), "test", true, &file), -EBADMSG);
	assert_int_equal(file.diags.nr_errors, 2);
	policy_close(&file);
}

/* All are up, but for those that the file takes down. */
static void test_guards(void **state)
{
	static const struct {
		const char *text;
		__u32 guards, written;
	} cases[] = {
		{ "", POLICY_GUARDS_ALL, 0 },
		{ "guards: {}\n", POLICY_GUARDS_ALL, 0 },
		{ "guards: { trace: deny }\n", POLICY_GUARDS_ALL, 1 << GMEM_GUARD_trace },
		{ "guards: { sqpoll: allow, trace: deny }\n",
		  1 << GMEM_GUARD_trace | 1 << GMEM_GUARD_preload,
		  1 << GMEM_GUARD_trace | 1 << GMEM_GUARD_sqpoll },
		{ "guards:\n  trace: allow\n  preload: allow\n  sqpoll: allow\n", 0,
		  POLICY_GUARDS_ALL },
	};
	struct policy_file file;
	char text[1024];
	size_t i;

	(void)state;
	assert_int_equal(POLICY_GUARDS_ALL, 7);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), HEAD "%srules: []\n", cases[i].text);
		assert_int_equal(policy_open_text(text, strlen(text), "test", false, &file), 0);
		assert_int_equal(file.compiled.head.guards, cases[i].guards);
		assert_int_equal(file.policy->guards_written, cases[i].written);
		policy_close(&file);
	}
}

/* What the default says of each operation. */
static void test_default(void **state)
{
	static const struct {
		const char *text;
		__u32 deny;
		size_t warnings;
	} cases[] = {
		{ "default: deny\n", OPS_ALL, 0 },
		{ "default: allow\n", 0, 0 },
		{ "default: { all: allow }\n", 0, 0 },
		{ "default: { mmap: deny, all: allow }\n", OP_BIT(mmap), 0 },
		{ "default: { all: deny, mmap: allow }\n", OPS_ALL & ~OP_BIT(mmap), 0 },
		/* as an operation of a later version, which no older policy names */
		{ "default: { create: allow, bind: allow, mmap: allow, fault: allow, convert: allow, "
		  "punch: allow }\n",
		  OP_BIT(receive), 1 },
		{ "default: {}\n", OPS_ALL, 1 },
	};
	struct policy_file file;
	char text[1024];
	size_t i;
	int op;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), HEAD_TOP "%srules: []\n", cases[i].text);
		assert_int_equal(policy_open_text(text, strlen(text), "test", false, &file), 0);
		assert_int_equal(file.compiled.head.default_deny, cases[i].deny);
		assert_int_equal(file.diags.nr_warnings, cases[i].warnings);
		for (op = 0; op < GMEM_DO_MAX; op++)
			assert_int_equal(file.policy->default_places[op].line, 4);
		policy_close(&file);
	}
}

/* What a file is called commands no terminal, and is no more than one line. */
static void test_file_name(void **state)
{
	char *text = NULL;
	size_t size = 0;
	struct policy_file file;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	policy_open_text("a: [", 4, "x\x1b]0;y\x07\n\xc2\x9b.yaml", false, &file);
	assert_string_equal(file.policy->file, "x\x1b]0;y\x07\n\xc2\x9b.yaml");
	assert_string_equal(file.policy->shown_file, "x?]0;y???.yaml");
	diags_print(&file.diags, out);
	fclose(out);
	assert_null(strpbrk(text, "\x1b\x07"));
	assert_null(strstr(text, "\xc2\x9b"));
	assert_int_equal(strncmp(text, "x?]0;y???.yaml:2:", 17), 0);
	free(text);
	policy_close(&file);
}

/* So many rules; in what they say an 'N' stands for the number of each, from 1. */
static size_t write_rules(char *text, size_t size, unsigned int nr, const char *form)
{
	size_t len = (size_t)snprintf(text, size, "%s", HEAD "rules:\n");
	unsigned int i;

	for (i = 0; i < nr; i++) {
		len += (size_t)snprintf(text + len, size - len, "  - { name: r%u, subjects: any, ",
					i);
		len += (size_t)snprintf(text + len, size - len, "%.*s%u%s }\n",
					(int)strcspn(form, "N"), form, i + 1,
					strchr(form, 'N') + 1);
	}
	return len;
}

static void test_limits(void **state)
{
	static char text[2 << 20];
	struct policy_file file;
	unsigned int i;
	size_t len;

	(void)state;
	len = write_rules(text, sizeof(text), 1023,
			  "mode: audit, deny: create, when: { size: == NKiB }");
	assert_int_equal(policy_open_text(text, len, "test", false, &file), -EBADMSG);
	assert_true(has(&file.diags, "more than 1022 different sizes"));
	policy_close(&file);

	len = write_rules(text, sizeof(text), 1022, "allow: create, when: { size: <= NKiB }");
	assert_int_equal(policy_open_text(text, len, "test", false, &file), 0);
	policy_close(&file);

	len = write_rules(text, sizeof(text), 1025, "allow: create, when: { size: <= NKiB }");
	assert_int_equal(policy_open_text(text, len, "test", false, &file), -EBADMSG);
	assert_true(has(&file.diags, "a policy has 1024 rules at most, not 1025"));
	policy_close(&file);

	len = (size_t)snprintf(text, sizeof(text), "%s", HEAD "rules: []\nsubjects:\n");
	for (i = 0; i < 1025; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "  s%u: { uid: 1 }\n", i);
	assert_int_equal(policy_open_text(text, len, "test", false, &file), -EBADMSG);
	assert_true(has(&file.diags, "a policy has 1024 subjects at most, not 1025"));
	policy_close(&file);

	len = (size_t)snprintf(text, sizeof(text), "%s",
			       HEAD "rules: [{ name: a, subjects: s, allow: all }]\n"
				    "subjects: { s: { uid: [");
	for (i = 0; i < 4097; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u,", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "] } }\n");
	assert_int_equal(policy_open_text(text, len, "test", false, &file), -EBADMSG);
	assert_true(has(&file.diags, "a policy names 4096 users"));
	policy_close(&file);

	memset(text, '#', sizeof(text));
	assert_int_equal(policy_open_text(text, (1 << 20) + 1, "test", false, &file), -EBADMSG);
	assert_true(has(&file.diags, "a policy has 1048576 bytes at most"));
	policy_close(&file);
}

static void test_values(void **state)
{
	static const struct {
		const char *text;
		int ret;
		__u64 start, end;
	} ranges[] = {
		{ "0x0-0x40000000", 0, 0, 1 << 30 },
		{ "0x0-0x3fffffff", -EXDEV, 0, 0 },
		{ "2048-4096", -EXDEV, 0, 0 },
		{ "0+4095", -EXDEV, 0, 0 },
		{ "0-1GiB", 0, 0, 1 << 30 },
		{ "1MiB + 4KiB", 0, 1 << 20, (1 << 20) + 4096 },
		{ "4096-8192", 0, 4096, 8192 },
		{ "4096-4096", -EDOM, 0, 0 },
		{ "1GiB-1GiB", -EDOM, 0, 0 },
		{ "0+0", -EDOM, 0, 0 },
		{ "0-0xffffffffffffffff", -EXDEV, 0, 0 },
		{ "0-0x10000000000000000", -ERANGE, 0, 0 },
		{ "0-0xfffffffffffff000", 0, 0, 0xfffffffffffff000 },
		{ "0-010", -EINVAL, 0, 0 },
		{ "1-", -EINVAL, 0, 0 },
		{ "0x-1", -EINVAL, 0, 0 },
		{ "-1", -EINVAL, 0, 0 },
		{ "1-2-3", -EINVAL, 0, 0 },
		{ "0xffffffffffffffff+1", -ERANGE, 0, 0 },
	};
	static const struct {
		const char *text;
		int ret;
		__u64 min, max;
	} comparisons[] = {
		{ "<= 64GiB", 0, 0, 64ULL << 30 },
		{ "<1", 0, 0, 0 },
		{ "> 1 KiB", 0, 1025, ~0ULL },
		{ ">=0x10", 0, 16, ~0ULL },
		{ "== 7", 0, 7, 7 },
		{ "= 7", -EINVAL, 0, 0 },
		{ "<= 07", -EINVAL, 0, 0 },
		{ "<= 0", 0, 0, 0 },
		{ "<= 0x0", 0, 0, 0 },
		{ "<= -1", -EINVAL, 0, 0 },
		{ "<= 1 GB", -EINVAL, 0, 0 },
		{ "<=", -EINVAL, 0, 0 },
	};
	char text[VALUE_SIZE_TEXT];
	__u64 low, high;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		assert_int_equal(value_range(ranges[i].text, &low, &high), ranges[i].ret);
		if (ranges[i].ret)
			continue;
		assert_int_equal(low, ranges[i].start);
		assert_int_equal(high, ranges[i].end);
	}
	for (i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++) {
		low = 0;
		high = ~0ULL;
		assert_int_equal(value_comparison(comparisons[i].text, &low, &high),
				 comparisons[i].ret);
		if (comparisons[i].ret)
			continue;
		assert_int_equal(low, comparisons[i].min);
		assert_int_equal(high, comparisons[i].max);
	}
	assert_string_equal(value_size_text(64ULL << 30, text), "64GiB");
	assert_string_equal(value_size_text(1025, text), "1025");
	assert_string_equal(value_size_text(0, text), "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),	 cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_required), cmocka_unit_test(test_guards),
		cmocka_unit_test(test_limits),	 cmocka_unit_test(test_values),
		cmocka_unit_test(test_default),	 cmocka_unit_test(test_file_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
