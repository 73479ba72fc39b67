// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of a policy on kernels that have more or fewer hooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ctl/kernel/probe.h"
#include "../../src/policy/compile.h"
#include "../../src/ctl/kernel/policy_file.h"

#define ALL    (PROG_BIT(GMEM_PROG_MAX) - 1)
#define SERIES (PROG(create) | PROG(bind) | PROG(convert) | PROG(fault))

static struct plan plan_for(const struct hooks *hooks, const char *text, bool strict)
{
	struct policy_file file;
	struct plan plan;

	assert_int_equal(policy_open_text(text, strlen(text), "test", false, &file), 0);
	hooks_plan(hooks, file.policy, strict, &plan);
	policy_close(&file);
	return plan;
}

#define HEAD "version: 1\nname: t\nmode: enforce\n"
#define OPEN                                                                                      \
	HEAD "default: { create: allow, bind: allow, mmap: allow, fault: allow, convert: allow, " \
	     "punch: allow, receive: allow }\n"
#define CLOSED                                                                               \
	HEAD "default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, " \
	     "punch: deny, receive: deny }\n"
#define NO_RULES "rules: []\n"

static const struct hooks patched = { .present = ALL, .knows_kvm = true, .kvm = true };
static const struct hooks vanilla = { .present = ALL & ~SERIES, .knows_kvm = true, .kvm = true };
static const struct hooks old = {
	.present = ALL & ~SERIES,
	.knows_kvm = true,
	.kvm = true,
	.no_mmap = true,
};

static void test_patched(void **state)
{
	struct plan plan = plan_for(&patched, CLOSED NO_RULES, false);

	(void)state;
	assert_int_equal(plan.unmet, 0);
	for (int op = 0; op < GMEM_DO_MAX; op++)
		assert_int_equal(plan.guarantee[op], GUARANTEE_enforced);
	assert_false(plan.programs & PROG(create_anon));
	assert_int_equal(plan.programs & PROGS_TAG, PROGS_TAG);
}

static void test_vanilla(void **state)
{
	struct plan plan = plan_for(&vanilla, CLOSED NO_RULES, false);

	(void)state;
	assert_int_equal(plan.unmet,
			 1U << GMEM_DO_bind | 1U << GMEM_DO_fault | 1U << GMEM_DO_convert);
	assert_non_null(strstr(plan.why[GMEM_DO_bind], "guest_memfd_bind"));
	assert_non_null(strstr(plan.why[GMEM_DO_fault], "guest_memfd_fault"));
	assert_non_null(strstr(plan.why[GMEM_DO_convert], "kvm_memory_attributes"));
	assert_int_equal(plan.guarantee[GMEM_DO_create], GUARANTEE_limited);
	assert_true(plan.programs & PROG(create_anon));
	plan = plan_for(&vanilla, OPEN NO_RULES, false);
	assert_int_equal(plan.unmet, 0);
	assert_int_equal(plan.guarantee[GMEM_DO_fault], GUARANTEE_impossible);
}

/* Conversions have no size, so that a rule for them and others is whole without it. */
static void test_condition_of_others(void **state)
{
	struct plan plan =
		plan_for(&patched,
			 CLOSED "rules: [ { name: yes, allow: [create, convert], subjects: any, "
				"when: { size: \"<= 1GiB\", flags: [] } } ]\n",
			 false);

	(void)state;
	assert_int_equal(plan.unmet, 0);
}

static void test_deny_rule_restricts(void **state)
{
	struct plan plan = plan_for(
		&vanilla, OPEN "rules: [ { name: no, deny: [convert], subjects: any } ]\n", false);

	(void)state;
	assert_int_equal(plan.unmet, 1U << GMEM_DO_convert);
}

static void test_strict(void **state)
{
	struct plan plan = plan_for(&vanilla, CLOSED NO_RULES, true);

	(void)state;
	assert_int_equal(plan.unmet, 1U << GMEM_DO_fault);
	assert_int_equal(plan.guarantee[GMEM_DO_bind], GUARANTEE_command);
	assert_true(plan.programs & PROG(vm_ioctl) && plan.programs & PROG(vm_ioctl_compat));
	/* The number of an ioctl says nothing about what it asks for. */
	plan = plan_for(&vanilla,
			OPEN "rules: [ { name: no, deny: [convert], subjects: any, "
			     "when: { direction: to-shared } } ]\n",
			true);
	assert_int_equal(plan.unmet, 1U << GMEM_DO_convert);
	/* Where there are hooks it changes nothing. */
	plan = plan_for(&patched, CLOSED NO_RULES, true);
	assert_int_equal(plan.guarantee[GMEM_DO_bind], GUARANTEE_enforced);
}

static void test_conditions(void **state)
{
	static const char *const size = CLOSED "subjects: { a: { uid: [0] } }\n"
					       "rules: [ { name: r, allow: [create], subjects: [a],"
					       " when: { size: \"<= 1GiB\" } } ]\n";
	static const char *const type = CLOSED "subjects: { a: { uid: [0] } }\n"
					       "rules: [ { name: r, allow: [create], subjects: [a],"
					       " when: { vm-type: [default] } } ]\n";
	static const char *const to_bind = CLOSED
		"subjects: { a: { uid: [0] } }\n"
		"rules: [ { name: r, allow: [bind], subjects: [a],"
		" when: { size: \"<= 1GiB\", flags: [init-shared] } } ]\n";
	struct hooks no_types = patched;
	struct plan plan;

	(void)state;
	assert_int_equal(plan_for(&patched, size, false).unmet, 0);
	plan = plan_for(&vanilla, size, false);
	assert_true(plan.unmet >> GMEM_DO_create & 1);
	assert_non_null(strstr(plan.why[GMEM_DO_create], "guest_memfd_create"));
	plan = plan_for(&patched, type, false);
	assert_int_equal(plan.unmet, 0);
	assert_true(plan.programs & PROG(vm_ioctl) && plan.programs & PROG(vm_ioctl_compat));
	no_types.knows_kvm = false;
	plan = plan_for(&no_types, type, false);
	assert_int_equal(plan.unmet, 1U << GMEM_DO_create);
	/* By the words of the language. */
	assert_non_null(strstr(plan.why[GMEM_DO_create], "a rule looks at vm-type, "));
	no_types.present &= ~PROG(vm_ioctl);
	plan = plan_for(&no_types, type, false);
	assert_non_null(strstr(plan.why[GMEM_DO_create], "a rule looks at vm-type, "));
	plan = plan_for(&vanilla, to_bind, true);
	assert_non_null(strstr(plan.why[GMEM_DO_bind], "a rule looks at size, "));
	plan = plan_for(&no_types, to_bind, false);
	assert_non_null(strstr(plan.why[GMEM_DO_bind], "a rule looks at flags, "));
}

static void test_no_mmap(void **state)
{
	struct plan plan = plan_for(&old, CLOSED NO_RULES, false);

	(void)state;
	assert_int_equal(plan.guarantee[GMEM_DO_fault], GUARANTEE_moot);
	assert_int_equal(plan.guarantee[GMEM_DO_mmap], GUARANTEE_moot);
	assert_int_equal(plan.unmet, 1U << GMEM_DO_bind | 1U << GMEM_DO_convert);
}

/* As arm64: a policy that denies conversions lacks nothing, whether the kernel has the hook or not.
 */
static void test_no_convert(void **state)
{
	struct hooks hooks = vanilla;
	struct plan plan;

	(void)state;
	hooks.no_convert = true;
	plan = plan_for(&hooks, CLOSED NO_RULES, false);
	assert_int_equal(plan.guarantee[GMEM_DO_convert], GUARANTEE_moot);
	assert_string_equal(plan.why[GMEM_DO_convert], "");
	assert_int_equal(plan.unmet, 1U << GMEM_DO_bind | 1U << GMEM_DO_fault);
	hooks.present = ALL;
	plan = plan_for(&hooks, CLOSED NO_RULES, false);
	assert_int_equal(plan.guarantee[GMEM_DO_convert], GUARANTEE_moot);
	assert_false(plan.programs & PROG(convert));
	/* Ioctls on instances are decided in spite of it. */
	assert_true(plan.programs & PROG(ioctl));
	hooks.present &= ~PROG(ioctl);
	plan = plan_for(&hooks, CLOSED NO_RULES, false);
	assert_int_equal(plan.unmet, 1U << GMEM_DO_convert);
}

static void test_refused(void **state)
{
	struct hooks hooks = patched;
	struct plan plan;

	(void)state;
	hooks.refused = PROG(mprotect);
	hooks.refused_with = -13;
	plan = plan_for(&hooks, CLOSED NO_RULES, false);
	assert_int_equal(plan.unmet, 1U << GMEM_DO_mmap);
	assert_false(plan.programs & PROG(mprotect));
	assert_non_null(strstr(plan.why[GMEM_DO_mmap], "file_mprotect"));
}

/* A guard is attached where it is up; one that the kernel lacks is told, with its hook. */
static void test_guards(void **state)
{
	struct hooks hooks = patched;
	struct plan plan;

	(void)state;
	plan = plan_for(&hooks, OPEN NO_RULES, false);
	assert_int_equal(plan.guards, POLICY_GUARDS_ALL);
	assert_int_equal(plan.guards_unmet, 0);
	assert_true(plan.programs & PROG(guard_attach) && plan.programs & PROG(guard_traceme) &&
		    plan.programs & PROG(guard_sqpoll));
	plan = plan_for(&hooks, OPEN "guards: { trace: allow }\n" NO_RULES, false);
	assert_false(plan.programs & (PROG(guard_attach) | PROG(guard_traceme)));
	assert_true(plan.programs & PROG(guard_sqpoll));
	hooks.present &= ~PROG(guard_sqpoll);
	plan = plan_for(&hooks, OPEN NO_RULES, false);
	assert_int_equal(plan.guards_unmet, 1 << GMEM_GUARD_sqpoll);
	assert_int_equal(plan.guards_written, 0);
	assert_non_null(strstr(plan.guard_why[GMEM_GUARD_sqpoll], "uring_sqpoll"));
	plan = plan_for(&hooks, OPEN "guards: { trace: cgroup }\n" NO_RULES, false);
	assert_int_equal(plan.guards, POLICY_GUARDS_ALL | GMEM_TRACE_BY_CGROUP);
	plan = plan_for(&hooks, OPEN "guards: { sqpoll: deny }\n" NO_RULES, false);
	assert_int_equal(plan.guards_unmet & plan.guards_written, 1 << GMEM_GUARD_sqpoll);
	plan = plan_for(&hooks, OPEN "guards: { sqpoll: allow }\n" NO_RULES, false);
	assert_int_equal(plan.guards_unmet, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patched),
		cmocka_unit_test(test_vanilla),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_no_mmap),
		cmocka_unit_test(test_no_convert),
		cmocka_unit_test(test_deny_rule_restricts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_condition_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
