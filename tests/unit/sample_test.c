// SPDX-License-Identifier: GPL-2.0-only
/* Samples: VMs with different parts, and that the model keeps nothing of a sample but copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "step.h"

#define S   1000000000ULL
#define VMS 1000

/* Each VM has one of the four combinations of parts. */
static void fill(struct sample *sample)
{
	struct sample_vm *vm;
	uint64_t id;

	for (id = 1; id <= VMS; id++) {
		vm = sample_add_vm(sample, (uint32_t)(id & (GMEM_PART_ERRORS | GMEM_PART_HEAT)));
		assert_non_null(vm);
		memset(&vm->key, 0, sizeof(*vm) - offsetof(struct sample_vm, key));
		vm->parts = (uint32_t)(id & (GMEM_PART_ERRORS | GMEM_PART_HEAT));
		vm->id = id;
		vm->c[GMEM_VM_MAX - 1] = 3 * id;
		vm->latency[1].hist[GMEM_HIST_BUCKETS - 1] = (__u32)id;
		if (sample_errors_of(vm)) {
			memset(sample_errors_of(vm), 0, sizeof(struct sample_errors));
			sample_errors_of(vm)->other[GMEM_OP_MAX - 1] = 5 * id;
		}
		if (sample_heat_of(vm)) {
			memset(sample_heat_of(vm), 0, sizeof(struct gmem_heat));
			sample_heat_of(vm)->pages[GMEM_HEAT_CELLS - 1] = 7 * id;
		}
	}
}

static void test_parts(void **state)
{
	struct sample sample = { 0 };
	const struct sample_vm *vm;
	uint64_t id;
	int round;

	(void)state;
	for (round = 1; round < 3; round++) {
		sample_begin(&sample, (uint64_t)round * S, 0);
		assert_int_equal(sample.nr_vms, 0);
		fill(&sample);
		sample_end_vm(&sample, 17);
		for (id = 1; id <= VMS; id++) {
			vm = sample.vms[id - 1];
			assert_int_equal(vm->id, id);
			assert_int_equal(vm->ended, id == 17);
			assert_int_equal(vm->c[GMEM_VM_MAX - 1], 3 * id);
			assert_int_equal(vm->latency[1].hist[GMEM_HIST_BUCKETS - 1], id);
			assert_int_equal(!sample_errors_of(vm), !(id & GMEM_PART_ERRORS));
			assert_int_equal(!sample_heat_of(vm), !(id & GMEM_PART_HEAT));
			if (sample_errors_of(vm))
				assert_int_equal(sample_errors_of(vm)->other[GMEM_OP_MAX - 1],
						 5 * id);
			if (sample_heat_of(vm))
				assert_int_equal(sample_heat_of(vm)->pages[GMEM_HEAT_CELLS - 1],
						 7 * id);
		}
		assert_int_equal(sample.nr_vms, VMS);
	}
	sample_free(&sample);
}

static void spoil(struct sample_vm *vm)
{
	if (sample_errors_of(vm))
		memset(sample_errors_of(vm), 0xff, sizeof(struct sample_errors));
	if (sample_heat_of(vm))
		memset(sample_heat_of(vm), 0xff, sizeof(struct gmem_heat));
	memset(vm, 0xff, sizeof(*vm));
}

/* What the model has is the same whatever becomes of the sample, and of the texts of its source. */
static void test_owned(void **state)
{
	struct sample_identity identity = { .version = 1, .name = "web", .cgroup = "/a" };
	struct sample sample = { 0 };
	struct model model = { 0 };
	const struct model_vm *vm;
	size_t i;

	(void)state;
	sample_begin(&sample, S, WANT_HEAT);
	fill(&sample);
	sample.vms[0]->identity = &identity;
	assert_int_equal(model_step(&model, &sample), 0);
	for (i = 0; i < sample.nr_vms; i++)
		spoil(sample.vms[i]);
	memset(&identity, 0xff, sizeof(identity));
	vm = model_vm(&model, 1);
	assert_string_equal(vm->name, "web");
	assert_string_equal(vm->cgroup, "/a");
	assert_int_equal(vm->now.c[GMEM_VM_MAX - 1], 3);
	assert_int_equal(all_errors_of(vm), 5);
	vm = model_vm(&model, VMS - 1);
	assert_int_equal(all_errors_of(vm), 5 * (VMS - 1));
	assert_int_equal(vm->heat->pages[GMEM_HEAT_CELLS - 1], 7 * (VMS - 1));
	assert_null(model_vm(&model, 1)->now.identity);
	/* Of the same version the texts are the same: they are not copied again. */
	sample_begin(&sample, 2 * S, 0);
	fill(&sample);
	identity = (struct sample_identity){ .version = 1, .name = "other" };
	sample.vms[0]->identity = &identity;
	assert_int_equal(model_step(&model, &sample), 0);
	assert_string_equal(model_vm(&model, 1)->name, "web");
	identity.version = 2;
	assert_int_equal(model_step(&model, &sample), 0);
	assert_string_equal(model_vm(&model, 1)->name, "other");
	assert_null(model_vm(&model, 1)->cgroup);
	sample_free(&sample);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_owned),
	};

	return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
