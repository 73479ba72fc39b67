// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a frame looks like in each form, with names that somebody hostile chose. The wanted text is
 * in tests/unit/golden.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/out.h"
#include "step.h"

#define S	   1000000000ULL
#define COLUMNS	   "pid,name,cgroup,private_pages,to_private,to_private_rate,first_touches,errors"
#define LONG_GROUP 400

/* A bell, a C1 control, a bidirectional override, a quote, a comma. */
#define HOSTILE          \
	"evil\a\xc2\x9b" \
	"31m\xe2\x80\xae\",x"

struct fixture {
	struct features features;
	struct frames frames;
	struct model model;
	struct batch batch;
};

static void add(uint64_t id, uint64_t conversions)
{
	struct whole_vm record = { .vm.id = id, .vm.kvm = id, .vm.tgid = (__u32)(100 + id) };

	record.vm.c[GMEM_VM_to_private] = conversions;
	record.errors.err[GMEM_OP_bind][0].err = 17;
	record.errors.err[GMEM_OP_bind][0].count = 2;
	record.vm.error = 17;
	record.vm.error_op = GMEM_OP_bind;
	record.vm.error_ns = S / 2;
	record.vm.private_pages = 7;
	put_whole_vm(&record, false);
}

static void name(struct model *model, uint64_t id, const char *name, const char *cgroup)
{
	struct model_vm *vm = model_vm(model, id);

	strcpy(vm->name, name);
	free(vm->cgroup);
	vm->cgroup = strdup(cgroup);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char group[LONG_GROUP + 1];
	int i;

	memset(group, 'g', LONG_GROUP);
	group[0] = '/';
	group[LONG_GROUP] = '\0';
	for (i = 0; i < GMEM_FACT_MAX; i++)
		f->features.chosen[i] = -1;
	f->features.facts = FACT(convert) | FACT(bind) | FACT(private_pages);
	f->frames.features = &f->features;
	f->frames.time_ns = 1700000000 * S + 123456789;
	strcpy(f->frames.kernel, "7.3.4");
	for (i = 0; i < 2; i++) {
		begin_sample((uint64_t)(1 + 2 * i) * S, 0);
		add(2, (uint64_t)(10 + 3 * i));
		add(3, 5);
		end_sample(&f->model);
		name(&f->model, 2, HOSTILE, group);
		name(&f->model, 3, "=1+1", "/");
	}
	f->model.missed = 1;
	f->model.nr_ended = 1;
	f->model.ended_lately = 1;
	f->model.ended[0] = (struct model_ended){ .vm_id = 1,
						  .at_ns = S,
						  .tgid = 101,
						  .error_op = GMEM_OP_create,
						  .error = 22,
						  .error_ns = S,
						  .refused = 5,
						  .name = HOSTILE,
						  .why = "SIGKILL" };
	assert_int_equal(columns_parse(COLUMNS, f->batch.columns, &f->batch.nr_columns), 0);
	for (i = 0; i < 2; i++) {
		f->batch.shown = realloc(f->batch.shown, 2 * sizeof(*f->batch.shown));
		f->batch.shown[i] = f->model.vms[i];
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	model_free(&f->model);
	batch_free(&f->batch);
	free(f);
	return 0;
}

/* The first line of a file is its licence. */
static void expect(const char *shown, const char *path)
{
	char wanted[8192], licence[128];
	FILE *file;
	size_t len;

	if (getenv("UPDATE")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, "# SPDX-License-Identifier: GPL-2.0-only\n%s", shown);
		fclose(file);
	}
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(licence, sizeof(licence), file));
	len = fread(wanted, 1, sizeof(wanted) - 1, file);
	wanted[len] = '\0';
	fclose(file);
	assert_string_equal(shown, wanted);
}

static void test_text(void **state)
{
	struct fixture *f = *state;
	char *shown;
	size_t len;
	FILE *out = open_memstream(&shown, &len);

	assert_int_equal(out_text(out, &f->batch, &f->frames, &f->model, 2), 0);
	fclose(out);
	expect(shown, "tests/unit/golden/frame.text");
	free(shown);
}

static void test_csv(void **state)
{
	struct fixture *f = *state;
	char *shown;
	size_t len;
	FILE *out = open_memstream(&shown, &len);

	assert_int_equal(out_csv(out, &f->batch, &f->frames, &f->model, 2), 0);
	/* Titles once. */
	assert_int_equal(out_csv(out, &f->batch, &f->frames, &f->model, 1), 0);
	fclose(out);
	expect(shown, "tests/unit/golden/frame.csv");
	free(shown);
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	char *shown;
	size_t len;
	FILE *out = open_memstream(&shown, &len);

	assert_int_equal(out_json(out, &f->batch, &f->frames, &f->model, 2), 0);
	fclose(out);
	expect(shown, "tests/unit/golden/frame.jsonl");
	free(shown);
}

/* A VM that gmemtop found when it started, and that never had to do with guest_memfd. */
static void test_unused(void **state)
{
	struct sample_vm record = { .id = 9, .kvm = 9, .private_pages = GMEM_UNKNOWN };
	struct sample_inst inst = { .id = 5, .vm_id = 9 };
	struct fixture *f = *state;

	begin_sample(9 * S, 0);
	put_vm(&record, false);
	end_sample(&f->model);
	assert_false(batch_wanted(&f->batch, model_vm(&f->model, 9)));
	begin_sample(10 * S, 0);
	record.c[GMEM_VM_releases] = 1;
	put_vm(&record, false);
	end_sample(&f->model);
	assert_true(batch_wanted(&f->batch, model_vm(&f->model, 9)));
	begin_sample(11 * S, 0);
	record.c[GMEM_VM_releases] = 0;
	put_vm(&record, false);
	put_inst(inst, false);
	end_sample(&f->model);
	assert_true(batch_wanted(&f->batch, model_vm(&f->model, 9)));
}

/* A kernel that converts through instances: what nobody sees is missing, and never 0. */
static void test_in_place(void **state)
{
	const struct column *convert = column_by_name("to_private");
	struct fixture *f = *state;
	struct value value = convert->get(convert, &f->features, f->model.vms[0]);

	assert_int_equal(value.kind, VALUE_NUMBER);
	features_forget_in_place(&f->features);
	value = convert->get(convert, &f->features, f->model.vms[0]);
	assert_int_equal(value.kind, VALUE_NONE);
	assert_int_equal(vm_private(&f->features, f->model.vms[0]).kind, VALUE_NONE);
	assert_non_null(features_why_missing(&f->features, GMEM_FACT_convert));
	assert_null(features_why_missing(&f->features, GMEM_FACT_bind));
	/* What counts by bits is not asked again for the old ones. */
	assert_false(vm_counters_known(&f->features, f->model.vms[0]) & 1ULL << GMEM_VM_to_private);
}

/* As arm64: no VM converts, and the reason is given for each fact that attributes bring. */
static void test_no_conversions(void **state)
{
	static const enum gmem_fact gone[] = { GMEM_FACT_convert, GMEM_FACT_private_pages,
					       GMEM_FACT_phases };
	const struct column *convert = column_by_name("to_private");
	struct fixture *f = *state;

	f->features.facts |= FACT(phases);
	f->features.private_counted = true;
	features_forget_conversions(&f->features);
	assert_int_equal(convert->get(convert, &f->features, f->model.vms[0]).kind, VALUE_NONE);
	assert_int_equal(vm_private(&f->features, f->model.vms[0]).kind, VALUE_NONE);
	assert_int_equal(f->features.facts, FACT(bind));
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		const char *why = features_why_missing(&f->features, gone[i]);

		assert_non_null(why);
		assert_non_null(strstr(why, "no memory attributes"));
	}
	assert_null(features_why_missing(&f->features, GMEM_FACT_bind));
	assert_false(f->features.private_counted);
}

/* A disk that is full is an error in each form. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	assert_true(out_text(out, &f->batch, &f->frames, &f->model, 2) < 0);
	clearerr(out);
	assert_true(out_csv(out, &f->batch, &f->frames, &f->model, 2) < 0);
	clearerr(out);
	assert_true(out_json(out, &f->batch, &f->frames, &f->model, 2) < 0);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_csv, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_conversions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
