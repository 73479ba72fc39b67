// SPDX-License-Identifier: GPL-2.0-only
/* Bindings, holders and waste in the model, and the masks that waste is counted from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/holds.h"
#include "../../src/top/waste.h"
#include "step.h"

static void test_masks(void **state __attribute__((unused)))
{
	uint64_t private[2] = { 0xff, ~0ULL }, resident[2] = { 0xf0f0, 5 };
	uint64_t backing[2] = { 0xff0f, ~0ULL };
	struct waste waste = { 0 };

	/* Bits behind the last page are somebody else's. */
	waste_count(&waste, private, resident, 66, false);
	waste_count_backing(&waste, GMEM_BACKING_shmem, private, backing, 66, false);
	assert_int_equal(waste.private, 10);
	assert_int_equal(waste.resident, 9);
	assert_int_equal(waste.backing[GMEM_BACKING_shmem], 14);
	assert_int_equal(waste.instance, 4);
	assert_int_equal(waste.twice[GMEM_BACKING_shmem], 6);
	waste_count(&waste, private, resident, 66, false);
	assert_int_equal(waste.instance, 8);
	/* The copies of pages of a file are other pages than those of the file. */
	waste_count_backing(&waste, GMEM_BACKING_copies, private, backing, 66, false);
	assert_int_equal(waste_sum(waste.backing), 28);
	assert_int_equal(waste_sum(waste.twice), 12);
	memset(&waste, 0, sizeof(waste));
	waste_count(&waste, private, resident, 128, true);
	waste_count_backing(&waste, GMEM_BACKING_file, private, backing, 128, true);
	assert_int_equal(waste.private, 72);
	assert_int_equal(waste.instance, 0);
	assert_int_equal(waste.backing[GMEM_BACKING_file], 76);
	assert_int_equal(waste_sum(waste.twice), 0);
}

static void add_inst(uint64_t id, uint64_t vm_id, uint64_t ino, uint64_t resident, uint64_t flags)
{
	struct sample_inst inst = {
		.id = id, .vm_id = vm_id, .ino = ino, .resident = resident, .flags = flags
	};

	put_inst(inst, false);
}

static void add_binding(struct sample_binding binding)
{
	assert_int_equal(sample_add_binding(&step_sample, &binding), 0);
}

/* VM 3 was looked at in all ways, VM 2 for bindings only, VM 4 not at all. */
static void begin(uint32_t looked)
{
	struct sample_vm vm = { .first_ns = 1 };

	begin_sample(1000000000, looked);
	for (vm.id = 2; vm.id < 5; vm.id++) {
		vm.bound = looked && vm.id < 4 ? 0 : GMEM_UNKNOWN;
		vm.bound_private = vm.waste_instance = looked && vm.id == 3 ? 0 : GMEM_UNKNOWN;
		vm.waste_backing = vm.bound_private;
		put_vm(&vm, false);
	}
	add_inst(11, 3, 100, 50, 0);
	add_inst(10, 3, 101, 7, 1);
	add_inst(12, 2, 102, 9, 0);
}

static void test_bindings(void **state __attribute__((unused)))
{
	struct model model = { 0 };
	struct model_binding *b;
	size_t nr;

	begin(WANT_BINDINGS | WANT_WASTE);
	add_binding((struct sample_binding){ .vm_id = 3,
					     .slot = 9,
					     .ino = 100,
					     .pages = 32,
					     .private = 20,
					     .resident = 30,
					     .waste_instance = 10,
					     .backing = GMEM_UNKNOWN,
					     .waste_backing = GMEM_UNKNOWN });
	add_binding((struct sample_binding){ .vm_id = 2, .slot = 1, .ino = 102, .pages = 5 });
	add_binding((struct sample_binding){ .vm_id = 3,
					     .slot = 7,
					     .ino = 101,
					     .pages = 64,
					     .resident = 7,
					     .by_kind = { [GMEM_BACKING_shmem] = 5 },
					     .twice = { [GMEM_BACKING_file] = 4 } });
	end_sample(&model);
	b = model_bindings_of(&model, 3, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(b[0].now.slot, 7);
	assert_int_equal(b[0].inst_id, 10);
	assert_int_equal(b[1].inst_id, 11);
	assert_int_equal(model_vm(&model, 3)->bound, 96);
	assert_int_equal(model_vm(&model, 3)->bound_private, 20);
	/* Those of the binding, and those in memory that are not bound; not those of 101. */
	assert_int_equal(model_vm(&model, 3)->waste_instance, 10 + 20);
	/* One part that is not known makes the sum unknown. */
	assert_int_equal(model_vm(&model, 3)->waste_backing, GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 3)->backing[GMEM_BACKING_shmem], 5);
	assert_int_equal(model_vm(&model, 3)->twice[GMEM_BACKING_file], 4);
	assert_int_equal(model_vm(&model, 2)->backing[GMEM_BACKING_shmem], GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 2)->bound, 5);
	assert_int_equal(model_vm(&model, 2)->waste_instance, GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 4)->bound, GMEM_UNKNOWN);
	model_bindings_of(&model, 4, &nr);
	assert_int_equal(nr, 0);
	/* The next frame knows nothing of this one. */
	begin(0);
	end_sample(&model);
	assert_int_equal(model_vm(&model, 3)->bound, GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 3)->waste_instance, GMEM_UNKNOWN);
	model_bindings_of(&model, 3, &nr);
	assert_int_equal(nr, 0);
	model_free(&model);
}

static int add_holder(void *sample, const struct sample_holder *holder)
{
	return sample_add_holder(sample, holder);
}

/* clang-format off */
#define HOLD(number, pid, kind, in, place) \
	{ .inst.ino = number, .tgid = pid, .hold = GMEM_HOLD_##kind, .table = in, .at = place }
/* clang-format on */

static void test_holders(void **state __attribute__((unused)))
{
	struct gmem_holder holds[] = {
		HOLD(101, 70, FD, 1, 5),
		HOLD(100, 70, FD, 1, 4),
		HOLD(100, 71, MAPPING, 2, 4096),
		HOLD(100, 70, FD, 1, 6),
		/* Seen twice, and the same number in another table. */
		HOLD(100, 70, FD, 1, 4),
		HOLD(100, 70, FD, 3, 4),
		HOLD(999, 70, FD, 1, 9),
		HOLD(100, 70, MAPPING, 2, 8192),
	};
	size_t nr = sizeof(holds) / sizeof(holds[0]);
	struct model model = { 0 };
	struct model_holder *h;

	begin(WANT_HOLDERS);
	assert_int_equal(holds_sum(holds, nr, add_holder, &step_sample), 0);
	end_sample(&model);
	h = model_holders_of(&model, 3, &nr);
	assert_int_equal(nr, 3);
	assert_int_equal(h[0].inst_id, 10);
	assert_int_equal(h[1].inst_id, 11);
	assert_int_equal(h[1].now.tgid, 70);
	assert_int_equal(h[1].now.fds, 3);
	assert_int_equal(h[1].now.mappings, 1);
	assert_int_equal(h[2].now.tgid, 71);
	assert_int_equal(h[2].now.mappings, 1);
	assert_int_equal(model_vm(&model, 3)->holders, 2);
	assert_int_equal(model_vm(&model, 2)->holders, 0);
	model_free(&model);
}

static void test_instances(void **state __attribute__((unused)))
{
	struct model model = { 0 };
	struct model_inst **insts;
	size_t nr;

	begin(0);
	end_sample(&model);
	insts = model_insts_of(&model, 3, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(insts[0]->now.id, 10);
	assert_int_equal(insts[1]->now.id, 11);
	model_insts_of(&model, 4, &nr);
	assert_int_equal(nr, 0);
	model_free(&model);
}

static void test_lower_bounds(void **state __attribute__((unused)))
{
	struct model model = { 0 };

	assert_false(model_lower_bounds(&model));
	model.lost[GMEM_LOST_vms_full] = 1;
	assert_false(model_lower_bounds(&model));
	model.missed = 1;
	assert_true(model_lower_bounds(&model));
	model.missed = 0;
	model.lost[GMEM_LOST_untracked] = 1;
	assert_true(model_lower_bounds(&model));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),	     cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_holders),	     cmocka_unit_test(test_instances),
		cmocka_unit_test(test_lower_bounds),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
