// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/lib/opts.h"
#include "../../src/top/columns.h"
#include "../../src/top/model.h"

#define S 1000000000ULL

static struct sample_vm vm(uint64_t id, uint64_t to_private)
{
	struct sample_vm vm = { .id = id, .kvm = id };

	vm.c[GMEM_VM_to_private] = to_private;
	return vm;
}

static struct sample_inst inst(uint64_t id, uint64_t vm_id, uint64_t faults)
{
	struct sample_inst inst = {
		.id = id, .vm_id = vm_id, .size = 1 << 20, .resident = 7, .born = 1
	};

	inst.c[GMEM_INST_guest_faults] = faults;
	return inst;
}

static void add_vm(struct model *model, struct sample_vm vm, bool ended)
{
	assert_int_equal(model_add_vm(model, &vm, ended), 0);
}

static void add_inst(struct model *model, struct sample_inst inst, bool ended)
{
	assert_int_equal(model_add_instance(model, &inst, ended), 0);
}

static void test_rates(void **state)
{
	struct model model = { 0 };

	(void)state;
	model_begin(&model, 10 * S, 0);
	add_vm(&model, vm(5, 1000), false);
	model_end(&model);
	assert_int_equal(model.interval_ns, 0);
	assert_int_equal(model.vms[0]->rate_vm[GMEM_VM_to_private], 0);
	model_begin(&model, 12 * S, 0);
	add_vm(&model, vm(5, 1003), false);
	model_end(&model);
	assert_int_equal(model.vms[0]->rate_vm[GMEM_VM_to_private], 1500000);
	model_free(&model);
}

/* Once in five minutes is not never. */
static void test_seldom(void **state)
{
	struct model model = { 0 };
	char text[32];
	__u64 *rate;

	(void)state;
	model_begin(&model, S, 0);
	add_vm(&model, vm(5, 7), false);
	model_end(&model);
	model_begin(&model, 301 * S, 0);
	add_vm(&model, vm(5, 8), false);
	model_end(&model);
	rate = &model.vms[0]->rate_vm[GMEM_VM_to_private];
	assert_int_equal(*rate, 3333);
	assert_string_equal(rate_text(*rate, text, sizeof(text)), "0.003333");
	assert_string_equal(rate_text(2500000, text, sizeof(text)), "2.50");
	assert_string_equal(rate_text(0, text, sizeof(text)), "0.00");
	model_free(&model);
}

/* What ended VMs did stays in the totals of the host, which never decrease. */
static void test_host(void **state)
{
	struct sample_vm first = vm(5, 100), second = vm(6, 10);
	struct model model = { 0 };
	struct model_vm host;
	int frame;

	(void)state;
	first.error = first.err[GMEM_OP_bind][0].err = 17;
	first.err[GMEM_OP_bind][0].count = 2;
	first.latency[0].hist[10] = 100;
	first.latency[0].max_ns = 15;
	second.error = second.err[GMEM_OP_bind][0].err = 22;
	second.err[GMEM_OP_bind][0].count = 1;
	for (frame = 0; frame < 6; frame++) {
		model_begin(&model, (uint64_t)(1 + frame) * S, 0);
		if (frame < 3)
			add_vm(&model, first, frame == 2);
		second.c[GMEM_VM_to_private] = 10 + (uint64_t)frame;
		add_vm(&model, second, false);
		assert_int_equal(model_end(&model), 0);
		model_host(&model, &host);
		assert_int_equal(host.now.c[GMEM_VM_to_private], 110 + frame);
		assert_int_equal(errors_of(&host.now, GMEM_OP_bind), 3);
		assert_int_equal(model.host[0][SINCE_START].hist[10], 100);
		assert_int_equal(model.host[0][SINCE_START].max_ns, 15);
		assert_int_equal(host.rate_vm[GMEM_VM_to_private], frame ? 1000000 : 0);
	}
	model_free(&model);
}

/* An instance that is seen living and then ended in one frame counts once; what ended stays
 * counted. */
static void test_end_of_instance(void **state)
{
	struct model model = { 0 };
	int frame;

	(void)state;
	model_begin(&model, S, 0);
	add_inst(&model, inst(9, 5, 10), false);
	add_inst(&model, inst(8, 5, 3), false);
	add_vm(&model, vm(5, 0), false);
	add_inst(&model, inst(9, 5, 11), true);
	model_end(&model);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 14);
	assert_int_equal(model.vms[0]->nr_instances, 1);
	assert_int_equal(model.vms[0]->resident, 7);
	assert_int_equal(model.vms[0]->size, 256);
	for (frame = 2; frame < 5; frame++) {
		model_begin(&model, (uint64_t)frame * S, 0);
		add_inst(&model, inst(8, 5, 4), false);
		add_vm(&model, vm(5, 0), false);
		model_end(&model);
		assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 15);
	}
	model_free(&model);
}

/* A VM is shown once as gone, with everything of its instances, whatever came first. */
static void test_end_of_vm(void **state)
{
	struct model model = { 0 };

	(void)state;
	model_begin(&model, S, 0);
	add_inst(&model, inst(9, 5, 10), true);
	model_end(&model);
	assert_int_equal(model.nr_vms, 0);
	model_begin(&model, 2 * S, 0);
	add_vm(&model, vm(5, 1), true);
	model_end(&model);
	assert_int_equal(model.nr_vms, 1);
	assert_true(model.vms[0]->gone);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 10);
	model_begin(&model, 3 * S, 0);
	model_end(&model);
	assert_int_equal(model.nr_vms, 0);
	assert_int_equal(model.nr_insts, 0);
	model_free(&model);
}

/* An iterator may miss an entry once; twice, and it is gone without a word. */
static void test_absence(void **state)
{
	struct model model = { 0 };

	(void)state;
	model_begin(&model, S, 0);
	add_inst(&model, inst(9, 5, 10), false);
	add_vm(&model, vm(5, 1), false);
	add_vm(&model, vm(0, 1), false);
	model_end(&model);
	model_begin(&model, 2 * S, 0);
	model_end(&model);
	assert_int_equal(model.nr_vms, 1);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 10);
	model_begin(&model, 3 * S, 0);
	model_end(&model);
	model_begin(&model, 4 * S, 0);
	model_end(&model);
	assert_int_equal(model.nr_vms, 0);
	assert_int_equal(model.nr_insts, 0);
	model_free(&model);
}

static void test_order(void **state)
{
	struct model model = { 0 };
	uint64_t id;
	size_t i;

	(void)state;
	model_begin(&model, S, 0);
	for (id = 1000; id > 0; id--)
		add_vm(&model, vm(id * 7919 % 1009 + 1, id), false);
	model_end(&model);
	assert_int_equal(model.nr_vms, 1000);
	for (i = 1; i < model.nr_vms; i++)
		assert_true(model.vms[i - 1]->now.id < model.vms[i]->now.id);
	model_free(&model);
}

static void test_errors(void **state)
{
	struct sample_vm v = { 0 };

	(void)state;
	v.err[GMEM_OP_bind][0] = (struct gmem_errno){ 22, 3 };
	v.err[GMEM_OP_bind][1] = (struct gmem_errno){ 17, 4 };
	v.err_other[GMEM_OP_bind] = 5;
	assert_int_equal(errors_of(&v, GMEM_OP_bind), 12);
	assert_int_equal(errors_of(&v, GMEM_OP_create), 0);
}

/* What fails shows at once, by kind, and what was refused is an error. */
static void test_error_rates(void **state)
{
	struct sample_inst in = inst(9, 5, 0);
	struct sample_vm v = vm(5, 0);
	struct model model = { 0 };
	struct model_vm host;

	(void)state;
	model_begin(&model, S, 0);
	add_vm(&model, v, false);
	add_inst(&model, in, false);
	model_end(&model);
	assert_int_equal(all_errors_of(model.vms[0]), 0);
	v.err[GMEM_OP_bind][0] = (struct gmem_errno){ 17, 3 };
	v.err[GMEM_OP_create][0] = (struct gmem_errno){ 22, 1 };
	v.error = 22;
	v.error_op = GMEM_OP_create;
	in.c[GMEM_INST_host_faults_refused] = 4;
	model_begin(&model, 3 * S, 0);
	add_vm(&model, v, false);
	add_inst(&model, in, false);
	model_end(&model);
	assert_int_equal(all_errors_of(model.vms[0]), 8);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_bind], 1500000);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_create], 500000);
	model_host(&model, &host);
	assert_int_equal(host.rate_err[GMEM_OP_bind], 1500000);
	model_begin(&model, 4 * S, 0);
	add_vm(&model, v, false);
	add_inst(&model, in, false);
	model_end(&model);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_bind], 0);
	model_free(&model);
}

/* The last ten that ended, newest first; how many ended in the last minute; and why. */
static void test_ended(void **state)
{
	struct sample_vm v = vm(5, 1);
	struct model model = { 0 };
	char text[64];
	uint64_t id;

	(void)state;
	for (id = 2; id < 14; id++) {
		v = vm(id, 1);
		v.tgid = 100;
		v.ended_by = id == 13 ? 7 : 100;
		v.ended_ns = id * S;
		v.exiting = id != 10;
		v.exit_code = id == 12 ? 9 : 3 << 8;
		v.error = id == 11 ? 17 : 0;
		v.error_op = GMEM_OP_bind;
		model_begin(&model, id * S, 0);
		add_vm(&model, v, true);
		model_end(&model);
		model_note_ends(&model);
		/* The same again, as a source that is paused may do. */
		model_note_ends(&model);
	}
	assert_int_equal(model.nr_ended, MODEL_ENDED);
	assert_int_equal(model.ended_lately, 12);
	assert_int_equal(model.ended[0].vm_id, 13);
	assert_int_equal(model.ended[9].vm_id, 4);
	assert_string_equal(model.ended[0].why, "exit 3 (process 7)");
	assert_string_equal(model.ended[1].why, "SIGKILL");
	assert_string_equal(model.ended[3].why, "closed");
	model_error_text(model.ended[2].error_op, model.ended[2].error, text, sizeof(text));
	assert_string_equal(text, "bind EEXIST");
	model_error_text(model.ended[1].error_op, model.ended[1].error, text, sizeof(text));
	assert_string_equal(text, "");
	model_begin(&model, 70 * S, 0);
	model_end(&model);
	model_note_ends(&model);
	/* At 10 s and before is longer ago than a minute. */
	assert_int_equal(model.ended_lately, 3);
	assert_int_equal(model.nr_ended, MODEL_ENDED);
	model_free(&model);
}

static void test_duration(void **state)
{
	static const char *const bad[] = { "",	  ".",	"-1",	 "1s",	       "1,5",
					   "1e3", " 1", "1.2.3", "99999999999" };
	uint64_t ns;
	size_t i;

	(void)state;
	assert_int_equal(parse_duration("1", &ns), 0);
	assert_int_equal(ns, S);
	assert_int_equal(parse_duration("0.25", &ns), 0);
	assert_int_equal(ns, S / 4);
	assert_int_equal(parse_duration(".5", &ns), 0);
	assert_int_equal(ns, S / 2);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(parse_duration(bad[i], &ns), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seldom),	    cmocka_unit_test(test_rates),
		cmocka_unit_test(test_host),	    cmocka_unit_test(test_end_of_instance),
		cmocka_unit_test(test_end_of_vm),   cmocka_unit_test(test_absence),
		cmocka_unit_test(test_order),	    cmocka_unit_test(test_errors),
		cmocka_unit_test(test_error_rates), cmocka_unit_test(test_ended),
		cmocka_unit_test(test_duration),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
