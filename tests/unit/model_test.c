// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/lib/opts.h"
#include "../../src/top/columns.h"
#include "step.h"

#define S 1000000000ULL

static struct whole_vm vm(uint64_t id, uint64_t to_private)
{
	struct whole_vm vm = { .vm.id = id, .vm.kvm = id };

	vm.vm.c[GMEM_VM_to_private] = to_private;
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

static void add_vm(struct whole_vm vm, bool ended)
{
	put_whole_vm(&vm, ended);
}

static void test_rates(void **state)
{
	struct model model = { 0 };

	(void)state;
	begin_sample(10 * S, 0);
	add_vm(vm(5, 1000), false);
	end_sample(&model);
	assert_int_equal(model.interval_ns, 0);
	assert_int_equal(model.vms[0]->rate_vm[GMEM_VM_to_private], 0);
	begin_sample(12 * S, 0);
	add_vm(vm(5, 1003), false);
	end_sample(&model);
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
	begin_sample(S, 0);
	add_vm(vm(5, 7), false);
	end_sample(&model);
	begin_sample(301 * S, 0);
	add_vm(vm(5, 8), false);
	end_sample(&model);
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
	struct whole_vm first = vm(5, 100), second = vm(6, 10);
	struct model model = { 0 };
	struct model_vm host;
	int frame;

	(void)state;
	first.errors.err[GMEM_OP_bind][0].err = 17;
	first.errors.err[GMEM_OP_bind][0].count = 2;
	first.vm.latency[0].hist[10] = 100;
	first.vm.latency[0].max_ns = 15;
	second.errors.err[GMEM_OP_bind][0].err = 22;
	second.errors.err[GMEM_OP_bind][0].count = 1;
	first.vm.error = second.vm.error = 17;
	for (frame = 0; frame < 6; frame++) {
		begin_sample((uint64_t)(1 + frame) * S, 0);
		if (frame < 3)
			add_vm(first, frame == 2);
		second.vm.c[GMEM_VM_to_private] = 10 + (uint64_t)frame;
		add_vm(second, false);
		end_sample(&model);
		model_host(&model, &host);
		assert_int_equal(host.now.c[GMEM_VM_to_private], 110 + frame);
		assert_int_equal(errors_of(&host, GMEM_OP_bind), 3);
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
	begin_sample(S, 0);
	put_inst(inst(9, 5, 10), false);
	put_inst(inst(8, 5, 3), false);
	add_vm(vm(5, 0), false);
	put_inst(inst(9, 5, 11), true);
	end_sample(&model);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 14);
	assert_int_equal(model.vms[0]->nr_instances, 1);
	assert_int_equal(model.vms[0]->resident, 7);
	assert_int_equal(model.vms[0]->size, 256);
	for (frame = 2; frame < 5; frame++) {
		begin_sample((uint64_t)frame * S, 0);
		put_inst(inst(8, 5, 4), false);
		add_vm(vm(5, 0), false);
		end_sample(&model);
		assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 15);
	}
	model_free(&model);
}

/* A VM is shown once as gone, with everything of its instances, whatever came first. */
static void test_end_of_vm(void **state)
{
	struct model model = { 0 };

	(void)state;
	begin_sample(S, 0);
	put_inst(inst(9, 5, 10), true);
	end_sample(&model);
	assert_int_equal(model.nr_vms, 0);
	begin_sample(2 * S, 0);
	add_vm(vm(5, 1), true);
	end_sample(&model);
	assert_int_equal(model.nr_vms, 1);
	assert_true(model.vms[0]->gone);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 10);
	begin_sample(3 * S, 0);
	end_sample(&model);
	assert_int_equal(model.nr_vms, 0);
	assert_int_equal(model.nr_insts, 0);
	model_free(&model);
}

/* An iterator may miss an entry once; twice, and it is gone without a word. */
static void test_absence(void **state)
{
	struct model model = { 0 };

	(void)state;
	begin_sample(S, 0);
	put_inst(inst(9, 5, 10), false);
	add_vm(vm(5, 1), false);
	end_sample(&model);
	begin_sample(2 * S, 0);
	end_sample(&model);
	assert_int_equal(model.nr_vms, 1);
	assert_int_equal(model.vms[0]->inst[GMEM_INST_guest_faults], 10);
	begin_sample(3 * S, 0);
	end_sample(&model);
	begin_sample(4 * S, 0);
	end_sample(&model);
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
	begin_sample(S, 0);
	for (id = 1000; id > 0; id--)
		add_vm(vm(id * 7919 % 1009 + 1, id), false);
	end_sample(&model);
	assert_int_equal(model.nr_vms, 1000);
	for (i = 1; i < model.nr_vms; i++)
		assert_true(model.vms[i - 1]->now.id < model.vms[i]->now.id);
	model_free(&model);
}

static void test_errors(void **state)
{
	struct sample_errors errors = { 0 };
	struct model_vm v = { 0 };

	(void)state;
	assert_int_equal(errors_of(&v, GMEM_OP_bind), 0);
	v.errors = &errors;
	errors.err[GMEM_OP_bind][0] = (struct gmem_errno){ 22, 3 };
	errors.err[GMEM_OP_bind][1] = (struct gmem_errno){ 17, 4 };
	errors.other[GMEM_OP_bind] = 5;
	assert_int_equal(errors_of(&v, GMEM_OP_bind), 12);
	assert_int_equal(errors_of(&v, GMEM_OP_create), 0);
}

/* What fails shows at once, by kind, and what was refused is an error. */
static void test_error_rates(void **state)
{
	struct sample_inst in = inst(9, 5, 0);
	struct whole_vm v = vm(5, 0);
	struct model model = { 0 };
	struct model_vm host;

	(void)state;
	begin_sample(S, 0);
	add_vm(v, false);
	put_inst(in, false);
	end_sample(&model);
	assert_int_equal(all_errors_of(model.vms[0]), 0);
	v.errors.err[GMEM_OP_bind][0] = (struct gmem_errno){ 17, 3 };
	v.errors.err[GMEM_OP_create][0] = (struct gmem_errno){ 22, 1 };
	v.vm.error = 22;
	v.vm.error_op = GMEM_OP_create;
	in.c[GMEM_INST_host_faults_refused] = 4;
	begin_sample(3 * S, 0);
	add_vm(v, false);
	put_inst(in, false);
	end_sample(&model);
	assert_int_equal(all_errors_of(model.vms[0]), 8);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_bind], 1500000);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_create], 500000);
	model_host(&model, &host);
	assert_int_equal(host.rate_err[GMEM_OP_bind], 1500000);
	begin_sample(4 * S, 0);
	add_vm(v, false);
	put_inst(in, false);
	end_sample(&model);
	assert_int_equal(model.vms[0]->rate_err[GMEM_OP_bind], 0);
	model_free(&model);
}

/* The last ten that ended, newest first; how many ended in the last minute; and why. */
static void test_ended(void **state)
{
	struct whole_vm v = vm(5, 1);
	struct model model = { 0 };
	char text[64];
	uint64_t id;

	(void)state;
	for (id = 2; id < 14; id++) {
		v = vm(id, 1);
		v.vm.tgid = 100;
		v.vm.ended_by = id == 13 ? 7 : 100;
		v.vm.ended_ns = id * S;
		v.vm.exiting = id != 10;
		v.vm.exit_code = id == 12 ? 9 : 3 << 8;
		v.vm.error = id == 11 ? 17 : 0;
		v.vm.error_op = GMEM_OP_bind;
		begin_sample(id * S, 0);
		add_vm(v, true);
		end_sample(&model);
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
	begin_sample(70 * S, 0);
	end_sample(&model);
	/* At 10 s and before is longer ago than a minute. */
	assert_int_equal(model.ended_lately, 3);
	assert_int_equal(model.nr_ended, MODEL_ENDED);
	model_free(&model);
}

static void test_duration(void **state)
{
	static const char *const bad[] = { "",	  ".",	 "-1",	  "1d",		 "1,5",
					   "1e3", " 1",	 "1.2.3", "99999999999", "s",
					   ".m",  "1ss", "10 m",  "31536000h" };
	uint64_t ns;
	size_t i;

	(void)state;
	assert_int_equal(parse_duration("1", &ns), 0);
	assert_int_equal(ns, S);
	assert_int_equal(parse_duration("0.25", &ns), 0);
	assert_int_equal(ns, S / 4);
	assert_int_equal(parse_duration(".5", &ns), 0);
	assert_int_equal(ns, S / 2);
	assert_int_equal(parse_duration("90s", &ns), 0);
	assert_int_equal(ns, 90 * S);
	assert_int_equal(parse_duration("1.5m", &ns), 0);
	assert_int_equal(ns, 90 * S);
	assert_int_equal(parse_duration("2h", &ns), 0);
	assert_int_equal(ns, 7200 * S);
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
