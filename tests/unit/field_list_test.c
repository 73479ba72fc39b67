// SPDX-License-Identifier: GPL-2.0-only
/* The one list of fields, src/top/fields.h: what is said of a field agrees with its name and value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/columns.h"

#define MAN "man/gmemtop.1.scd"

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), e = strlen(end);

	return n >= e && !strcmp(text + n - e, end);
}

static void check_unit(const char *name, enum field_kind kind, enum unit unit)
{
	bool pages = ends_with(name, "_pages") || ends_with(name, "_pages_rate");
	bool ns = ends_with(name, "_ns") || ends_with(name, "_ns_rate");

	/* The cells of a heat map, and a binding's size: older than the rule. */
	pages |= !strcmp(name, "pages") || !strcmp(name, "elsewhere");
	if (pages != (unit == UNIT_PAGES) || ns != (unit == UNIT_NS))
		fail_msg("%s counts %s", name, unit_names[unit]);
	if ((kind == KIND_rate) != ends_with(name, "_rate"))
		fail_msg("%s is a %s", name, kind_names[kind]);
}

static void test_units(void **state __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < NR_COLUMNS; i++)
		check_unit(columns[i].name, columns[i].kind, columns[i].unit);
	for (i = 0; i < NR_FIELDS; i++)
		check_unit(fields[i].name, fields[i].kind, fields[i].unit);
}

static void test_names(void **state __attribute__((unused)))
{
	unsigned int i, j;

	for (i = 0; i < NR_COLUMNS; i++) {
		assert_ptr_equal(column_by_name(columns[i].name), &columns[i]);
		assert_true(*columns[i].help);
	}
	for (i = 0; i < NR_FIELDS; i++) {
		assert_true(*fields[i].help);
		for (j = 0; j < i; j++) {
			if (!strcmp(fields[i].object, fields[j].object))
				assert_string_not_equal(fields[i].name, fields[j].name);
		}
	}
	for (i = 0; i < GMEM_VM_MAX; i++)
		assert_string_equal(columns[VM_COLUMN(i)].name, vm_counter_names[i]);
	for (i = 0; i < GMEM_INST_MAX; i++)
		assert_string_equal(columns[INST_COLUMN(i)].name, inst_counter_names[i]);
}

/* Without any fact no column that needs one has a value, with all facts all columns can have one. */
static void test_facts(void **state __attribute__((unused)))
{
	struct features none = { 0 }, all = { .facts = ~0U };
	struct model_vm vm = { .rated = true };
	unsigned int i, needy = 0;

	for (i = 0; i < GMEM_FACT_MAX; i++)
		all.chosen[i] = none.chosen[i] = -1;
	vm.bound = vm.bound_private = vm.waste_instance = vm.waste_backing = GMEM_UNKNOWN;
	memset(vm.backing, 0xff, sizeof(vm.backing));
	memset(vm.twice, 0xff, sizeof(vm.twice));
	for (i = 0; i < NR_COLUMNS; i++) {
		assert_true(column_known(&columns[i], &all));
		if (columns[i].kind == KIND_counter || columns[i].kind == KIND_rate)
			assert_int_not_equal(columns[i].get(&columns[i], &all, &vm).kind,
					     VALUE_NONE);
		if (column_known(&columns[i], &none))
			continue;
		needy++;
		if (columns[i].get(&columns[i], &none, &vm).kind != VALUE_NONE)
			fail_msg("%s is shown without its facts", columns[i].name);
	}
	assert_true(needy > GMEM_VM_MAX + GMEM_INST_MAX);
}

static bool is_word(const char *text, const char *at, size_t len)
{
	return (at == text || !strchr("abcdefghijklmnopqrstuvwxyz", at[-1])) &&
	       !strchr("abcdefghijklmnopqrstuvwxyz", at[len]);
}

/* The man page has the columns from the program; what is only in JSON it names itself. */
static void test_man(void **state __attribute__((unused)))
{
	static char text[65536];
	FILE *file = fopen(MAN, "r");
	const char *at;
	unsigned int i;

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_non_null(strstr(text, "@COLUMNS@"));
	for (i = 0; i < NR_FIELDS; i++) {
		for (at = strstr(text, fields[i].name);
		     at && !is_word(text, at, strlen(fields[i].name));)
			at = strstr(at + 1, fields[i].name);
		if (!at)
			fail_msg(MAN " does not explain %s.%s", fields[i].object, fields[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_man),
	};

	return cmocka_run_group_tests_name("field list", tests, NULL, NULL);
}
