// SPDX-License-Identifier: GPL-2.0-only
/* Bindings, holders and waste in the model, and the masks that waste is counted from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/holds.h"
#include "../../src/top/model.h"
#include "../../src/top/waste.h"

static void test_masks(void **state __attribute__((unused)))
{
	uint64_t private[2] = { 0xff, ~0ULL }, resident[2] = { 0xf0f0, 5 };
	uint64_t backing[2] = { 0xff0f, ~0ULL };
	struct waste waste = { 0 };

	/* Bits behind the last page are somebody else's. */
	waste_count(&waste, private, resident, backing, 66, false);
	assert_int_equal(waste.private, 10);
	assert_int_equal(waste.resident, 9);
	assert_int_equal(waste.backing, 14);
	assert_int_equal(waste.instance, 4);
	assert_int_equal(waste.shared, 6);
	waste_count(&waste, private, resident, backing, 66, false);
	assert_int_equal(waste.instance, 8);
	memset(&waste, 0, sizeof(waste));
	waste_count(&waste, private, resident, backing, 128, true);
	assert_int_equal(waste.private, 72);
	assert_int_equal(waste.instance, 0);
	assert_int_equal(waste.shared, 0);
}

static void add_inst(struct model *model, uint64_t id, uint64_t vm_id, uint64_t ino,
		     uint64_t resident, uint64_t flags)
{
	struct sample_inst inst = {
		.id = id, .vm_id = vm_id, .ino = ino, .resident = resident, .flags = flags
	};

	assert_int_equal(model_add_instance(model, &inst, false), 0);
}

static struct model_binding *add_binding(struct model *model, uint64_t vm_id, uint16_t slot,
					 uint64_t ino, uint64_t pages)
{
	struct sample_binding binding = { .slot = slot, .ino = ino, .pages = pages };
	struct model_binding *b = model_add_binding(model, vm_id, &binding);

	assert_non_null(b);
	return b;
}

static void begin(struct model *model, uint32_t looked)
{
	struct sample_vm vm = { .first_ns = 1 };

	model_begin(model, 1000000000, looked);
	for (vm.id = 2; vm.id < 5; vm.id++)
		assert_int_equal(model_add_vm(model, &vm, false), 0);
	add_inst(model, 11, 3, 100, 50, 0);
	add_inst(model, 10, 3, 101, 7, 1);
	add_inst(model, 12, 2, 102, 9, 0);
}

static void test_bindings(void **state __attribute__((unused)))
{
	struct model model = { 0 };
	struct model_binding *b;
	size_t nr;

	begin(&model, WANT_BINDINGS | WANT_WASTE);
	model_vm(&model, 3)->bound = model_vm(&model, 2)->bound = 0;
	model_vm(&model, 3)->bound_private = model_vm(&model, 3)->waste_instance = 0;
	model_vm(&model, 3)->waste_backing = 0;
	b = add_binding(&model, 3, 9, 100, 32);
	b->private = 20;
	b->resident = 30;
	b->waste_instance = 10;
	add_binding(&model, 2, 1, 102, 5);
	b = add_binding(&model, 3, 7, 101, 64);
	b->private = b->waste_instance = b->waste_backing = 0;
	b->resident = 7;
	assert_int_equal(model_end(&model), 0);
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
	assert_int_equal(model_vm(&model, 2)->bound, 5);
	assert_int_equal(model_vm(&model, 2)->waste_instance, GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 4)->bound, GMEM_UNKNOWN);
	model_bindings_of(&model, 4, &nr);
	assert_int_equal(nr, 0);
	/* The next frame knows nothing of this one. */
	begin(&model, 0);
	assert_int_equal(model_end(&model), 0);
	assert_int_equal(model_vm(&model, 3)->bound, GMEM_UNKNOWN);
	assert_int_equal(model_vm(&model, 3)->waste_instance, GMEM_UNKNOWN);
	model_bindings_of(&model, 3, &nr);
	assert_int_equal(nr, 0);
	model_free(&model);
}

static int add_holder(void *model, const struct sample_holder *holder)
{
	return model_add_holder(model, holder);
}

static void test_holders(void **state __attribute__((unused)))
{
#define HOLD(number, pid, kind, in, place)                                              \
	{                                                                               \
		.inst.ino = number, .tgid = pid, .hold = GMEM_HOLD_##kind, .table = in, \
		.at = place                                                             \
	}
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

	begin(&model, WANT_HOLDERS);
	assert_int_equal(holds_sum(holds, nr, add_holder, &model), 0);
	assert_int_equal(model_end(&model), 0);
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

	begin(&model, 0);
	assert_int_equal(model_end(&model), 0);
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
