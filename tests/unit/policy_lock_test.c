// SPDX-License-Identifier: GPL-2.0-only
/* What may be locked, and what a kernel must have for it. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ctl/kernel/lock.h"
#include "../../src/policy/compile.h"
#include "../../src/lib/log.h"
#include "../../src/ctl/kernel/policy_file.h"

#define HEAD                                                                            \
	"version: 1\nname: t\nmode: enforce\n"                                          \
	"default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, " \
	"punch: deny, receive: deny }\n"                                                \
	"subjects: { me: { exe: /bin/sh }, you: { verity: \"sha256:"                    \
	"00000000000000000000000000000000000000000000000000000000000000ff\" } }\n"      \
	"rules: [{ name: r, allow: all, subjects: [me, you] }]\n"

static void test_policies(void **state)
{
	static const struct {
		const char *text;
		bool lock, enforce;
		int ret;
		unsigned int manager;
	} cases[] = {
		{ HEAD, false, true, 0, 0 },
		{ HEAD, true, true, -EBADMSG, 0 },
		{ HEAD "manager: me\n", true, true, 0, 1 },
		{ HEAD "manager: you\n", true, true, 0, 2 },
		{ HEAD "manager: me\n", true, false, -EBADMSG, 1 },
		{ HEAD "manager: me\n", false, false, 0, 1 },
		{ HEAD "manager: me\nguards: { sqpoll: allow }\n", true, true, 0, 1 },
		{ HEAD "manager: me\nguards: { trace: allow }\n", true, true, -EBADMSG, 1 },
		{ HEAD "manager: me\nguards: { preload: allow }\n", true, true, -EBADMSG, 1 },
	};
	struct policy_file file;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(policy_open_text(cases[i].text, strlen(cases[i].text), "t", false,
						  &file),
				 0);
		assert_int_equal(file.compiled.head.manager, cases[i].manager);
		assert_int_equal(lock_allows(NULL, &file.compiled, cases[i].lock, cases[i].enforce),
				 cases[i].ret);
		policy_close(&file);
	}
}

/* Each of the hooks is needed, and what the kernel has refused is not there. */
static void test_hooks(void **state)
{
	struct plan plan = { .programs = PROG(create) };
	struct hooks hooks = { .present = ~0ULL };
	unsigned int i, needed = 0;

	(void)state;
	assert_int_equal(lock_plan(&hooks, &plan), 0);
	assert_true(plan.programs == (PROG(create) | PROGS_LOCK));
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		hooks.present = ~(1ULL << i);
		if (!(PROGS_LOCK >> i & 1)) {
			assert_int_equal(lock_plan(&hooks, &plan), 0);
			continue;
		}
		needed++;
		assert_int_equal(lock_plan(&hooks, &plan), -EOPNOTSUPP);
		hooks.present = ~0ULL;
		hooks.refused = 1ULL << i;
		assert_int_equal(lock_plan(&hooks, &plan), -EOPNOTSUPP);
		hooks.refused = 0;
	}
	assert_int_equal(needed, 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_hooks),
	};

	log_setup("policy_lock_test", false, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
