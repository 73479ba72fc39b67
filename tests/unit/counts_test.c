// SPDX-License-Identifier: GPL-2.0-only
/* When may gmemtop show null for a count that its lane offers? */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One file to compile, as the tests in VMs do. */
#include "../vm/lib/counts.c"

/* A VM that created and bound one instance, as the workload reports it. */
static struct json_object *workload_vm(void)
{
	return json_tokener_parse("{\"private_pages\":0,\"guest_faults_exact\":true,\"counts\":{"
				  "\"create\":{\"ok\":1,\"pages\":16},"
				  "\"release\":{\"ok\":1,\"pages\":16},"
				  "\"bind\":{\"ok\":1,\"pages\":16},"
				  "\"unbind\":{\"ok\":1,\"pages\":16}}}");
}

/* The same VM as gmemtop shows it in this lane: null for what the lane does not offer. */
static struct json_object *gmemtop_vm(struct json_object *told)
{
	struct json_object *vm = json_object_new_object(), *counters = json_object_new_object();
	struct json_object *all_errors = json_object_new_object();
	size_t i;

	for (i = 0; i < COUNT_OF(pairs); i++)
		json_object_object_add(counters, pairs[i].shown,
				       offer_fact(pairs[i].fact, false)
					       ? json_object_new_int64(number(
							 member(told, "counts"), pairs[i].told))
					       : NULL);
	for (i = 0; i < COUNT_OF(errors); i++)
		json_object_object_add(all_errors, errors[i].shown,
				       offer_fact(errors[i].fact, false) ? json_object_new_object()
									 : NULL);
	json_object_object_add(vm, "counters", counters);
	json_object_object_add(vm, "errors_by_operation", all_errors);
	json_object_object_add(vm, "private_pages", json_object_new_int64(0));
	json_object_object_add(
		vm, "latency",
		json_tokener_parse(
			"{\"to_private\":{\"histogram\":[]},\"to_shared\":{\"histogram\":[]}}"));
	return vm;
}

/*
 * gmemtop shows no end of bindings. @missed: runs of programs that the kernel left out.
 * @creates: creations that gmemtop counted, of one. Return: differences.
 */
static size_t differences_without_unbinds(const char *lane, uint64_t missed, int creates)
{
	struct verdict v = { .quiet = true, .missed = missed };
	struct json_object *told = workload_vm(), *shown, *counters;

	assert_int_equal(setenv("LANE", lane, 1), 0);
	shown = gmemtop_vm(told);
	compare_vm(&v, told, shown, false);
	assert_int_equal(v.failed, 0);
	counters = member(shown, "counters");
	json_object_object_add(counters, "creates", json_object_new_int(creates));
	json_object_object_add(counters, "unbinds", NULL);
	json_object_object_add(counters, "unbound_pages", NULL);
	compare_vm(&v, told, shown, false);
	check_missed(&v);
	json_object_put(told);
	json_object_put(shown);
	return v.failed;
}

/*
 * Where the kernel left out the run that would have counted a creation, the instance is older than
 * gmemtop to gmemtop, and KVM's functions do not report the end of its bindings.
 */
static void test_creation_left_out(void **state)
{
	(void)state;
	assert_int_equal(differences_without_unbinds("stock-7", 1, 0), 0);
	assert_int_equal(differences_without_unbinds("vanilla", 1, 0), 0);
}

static void test_null_without_reason(void **state)
{
	(void)state;
	/* Nothing was left out. */
	assert_int_equal(differences_without_unbinds("stock-7", 0, 1), 2);
	/* A run was left out, but not that of the creation. */
	assert_int_equal(differences_without_unbinds("stock-7", 1, 1), 2);
	/* A tracepoint reports every end, also of an instance that is older. */
	assert_int_equal(differences_without_unbinds("patched", 1, 0), 2);
}

/* gmemtop counted so many of one release, of one binding and of one end of it. Return: differences.
 */
static size_t differences_of_bindings(const char *lane, uint64_t missed, int releases, int binds,
				      int unbinds)
{
	struct verdict v = { .quiet = true, .missed = missed };
	struct json_object *told = workload_vm(), *shown, *counters;

	assert_int_equal(setenv("LANE", lane, 1), 0);
	shown = gmemtop_vm(told);
	counters = member(shown, "counters");
	json_object_object_add(counters, "releases", json_object_new_int(releases));
	json_object_object_add(counters, "binds", json_object_new_int(binds));
	json_object_object_add(counters, "unbinds", json_object_new_int(unbinds));
	compare_vm(&v, told, shown, false);
	check_missed(&v);
	json_object_put(told);
	json_object_put(shown);
	return v.failed;
}

/* Where ends are known from the bindings, one run that was left out lowers both. */
static void test_binding_left_out(void **state)
{
	(void)state;
	assert_int_equal(differences_of_bindings("stock-7", 1, 1, 0, 0), 0);
	assert_int_equal(differences_of_bindings("vanilla", 1, 1, 0, 0), 0);
	assert_int_equal(differences_of_bindings("stock-7", 1, 0, 1, 0), 0);
	assert_int_equal(differences_of_bindings("stock-7", 1, 1, 0, -1), 1);
	assert_int_equal(differences_of_bindings("stock-7", 1, 1, 1, -1), 1);
	assert_int_equal(differences_of_bindings("stock-7", 0, 1, 0, 0), 2);
	assert_int_equal(differences_of_bindings("patched", 1, 1, 0, 0), 1);
	assert_int_equal(differences_of_bindings("patched", 1, 0, 1, 0), 1);
	assert_int_equal(differences_of_bindings("patched", 2, 1, 0, 0), 0);
}

/* gmemtop shows no private pages of a VM; @ends: that it did not see. Return: differences. */
static size_t differences_without_private(const char *lane, uint64_t ends)
{
	struct verdict v = { .quiet = true, .missed = ends, .unseen_ends = ends };
	struct json_object *told = workload_vm(), *shown;

	assert_int_equal(setenv("LANE", lane, 1), 0);
	shown = gmemtop_vm(told);
	json_object_object_add(shown, "private_pages", NULL);
	compare_vm(&v, told, shown, false);
	/* The end of one VM explains one. */
	if (ends == 1)
		compare_vm(&v, told, shown, false);
	json_object_put(told);
	json_object_put(shown);
	return v.failed;
}

static void test_end_not_seen(void **state)
{
	(void)state;
	assert_int_equal(differences_without_private("stock-7", 0), 1);
	assert_int_equal(differences_without_private("stock-7", 1), 1);
	assert_int_equal(differences_without_private("stock-7", 2), 0);
	assert_int_equal(differences_without_private("patched", 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_creation_left_out),
		cmocka_unit_test(test_null_without_reason),
		cmocka_unit_test(test_binding_left_out),
		cmocka_unit_test(test_end_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
