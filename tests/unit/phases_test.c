// SPDX-License-Identifier: GPL-2.0-only
/* Phases of conversions in the model: sums over vCPUs, intervals, the slowest, and their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/model_phases.h"
#include "../../src/top/out.h"
#include "step.h"

#define S 1000000000ULL

static void begin(uint64_t frame, uint32_t want)
{
	struct sample_vm vm = { .id = 2, .first_ns = 1, .private_pages = GMEM_UNKNOWN };

	begin_sample(frame * S, want);
	vm.c[GMEM_VM_to_private] = frame;
	put_vm(&vm, false);
}

static void count(struct sample_vcpu *vcpu, enum gmem_phase_id phase, uint64_t ns)
{
	struct gmem_phase *p = &vcpu->phase[phase];

	p->count++;
	p->sum_ns += ns;
	p->latency.hist[gmem_bucket(ns)]++;
	if (ns > p->latency.max_ns)
		p->latency.max_ns = ns;
}

static void test_sums(void **state __attribute__((unused)))
{
	struct sample_vcpu first = { .vm_id = 2, .id = 7 }, second = { .vm_id = 2, .id = 1 };
	struct model_phase phase;
	struct model_vcpu **vcpus;
	struct model model = { 0 };
	uint64_t ns;
	size_t nr;

	begin(1, WANT_LATENCY);
	count(&first, GMEM_PHASE_total, 100);
	count(&first, GMEM_PHASE_total, 5000);
	count(&second, GMEM_PHASE_total, 200);
	put_vcpu(&first, NULL);
	put_vcpu(&second, NULL);
	end_sample(&model);
	begin(2, WANT_LATENCY);
	count(&second, GMEM_PHASE_total, 300);
	put_vcpu(&first, NULL);
	put_vcpu(&second, NULL);
	end_sample(&model);

	vcpus = model_vcpus_of(&model, 2, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(vcpus[0]->now.id, 1);
	assert_int_equal(vcpus[1]->now.id, 7);
	model_vm_phase(&model, 2, GMEM_PHASE_total, &phase);
	assert_int_equal(phase.count, 4);
	assert_int_equal(phase.sum_ns, 5600);
	assert_int_equal(phase.span[SINCE_START].max_ns, 5000);
	assert_int_equal(phase.span[SINCE_START].hist[gmem_bucket(100)], 1);
	assert_int_equal(phase.span[LAST_INTERVAL].hist[gmem_bucket(300)], 1);
	for (ns = 100; ns < 300; ns += 100)
		assert_int_equal(phase.span[LAST_INTERVAL].hist[gmem_bucket(ns)], 0);
	model_vcpu_phase(vcpus[1], GMEM_PHASE_total, &phase);
	assert_int_equal(phase.count, 2);
	assert_int_equal(phase.span[LAST_INTERVAL].low, phase.span[LAST_INTERVAL].high);
	model_vm_phase(&model, 2, GMEM_PHASE_fault, &phase);
	assert_int_equal(phase.count, 0);

	/* What nobody wants any more is forgotten, and so are the vCPUs of VMs that are gone. */
	begin(3, 0);
	end_sample(&model);
	model_vcpus_of(&model, 2, &nr);
	assert_int_equal(nr, 0);
	begin(4, WANT_LATENCY);
	put_vcpu(&first, NULL);
	second.vm_id = 3;
	put_vcpu(&second, NULL);
	sample_end_vm(&step_sample, 2);
	end_sample(&model);
	assert_int_equal(model.nr_vcpus, 1);
	begin_sample(5 * S, WANT_LATENCY);
	end_sample(&model);
	assert_int_equal(model.nr_vcpus, 0);
	model_free(&model);
}

/* A bucket that counts more than 32 bits hold. */
static void test_wraps(void **state __attribute__((unused)))
{
	struct sample_vcpu vcpu = { .vm_id = 2 };
	struct model model = { 0 };
	struct model_phase phase;

	vcpu.phase[GMEM_PHASE_set].count = UINT32_MAX;
	vcpu.phase[GMEM_PHASE_set].latency.hist[9] = UINT32_MAX;
	begin(1, WANT_LATENCY);
	put_vcpu(&vcpu, NULL);
	end_sample(&model);
	vcpu.phase[GMEM_PHASE_set].count += 5;
	vcpu.phase[GMEM_PHASE_set].latency.hist[9] += 5;
	begin(2, WANT_LATENCY);
	put_vcpu(&vcpu, NULL);
	end_sample(&model);
	model_vm_phase(&model, 2, GMEM_PHASE_set, &phase);
	assert_int_equal(phase.span[SINCE_START].hist[9], UINT32_MAX + 5ULL);
	assert_int_equal(phase.span[LAST_INTERVAL].hist[9], 5);
	model_free(&model);
}

static void test_slowest(void **state __attribute__((unused)))
{
	struct sample_vcpu vcpu = { .vm_id = 2 };
	struct model_slow slow[GMEM_SLOWEST];
	struct model model = { 0 };
	unsigned int i;

	begin(1, WANT_LATENCY);
	for (vcpu.id = 0; vcpu.id < 3; vcpu.id++) {
		for (i = 0; i < 5; i++) {
			vcpu.slow[i].exit_ns = 10 + i;
			vcpu.slow[i].ns[GMEM_PHASE_total] = (i * 7 % 5) * 10 + vcpu.id;
		}
		put_vcpu(&vcpu, NULL);
	}
	end_sample(&model);
	assert_int_equal(model_slowest(&model, 2, slow), GMEM_SLOWEST);
	for (i = 0; i < GMEM_SLOWEST; i++) {
		assert_int_equal(slow[i].now.ns[GMEM_PHASE_total], (4 - i / 3) * 10 + 2 - i % 3);
		assert_int_equal(slow[i].vcpu, 2 - i % 3);
	}
	assert_int_equal(model_slowest(&model, 3, slow), 0);
	model_free(&model);
}

/* The table of --latency as text: a line for each phase, and what is unknown is no number. */
static void test_text(void **state __attribute__((unused)))
{
	struct features features = { .facts = FACT(phases) | FACT(phase_lock) };
	struct frames frames = { .features = &features };
	struct sample_vcpu vcpu = { .vm_id = 2 };
	const struct model_vm *shown[1];
	struct batch batch = { .shown = shown };
	struct model model = { 0 };
	char *text = NULL;
	size_t size;
	FILE *out;

	begin(1, WANT_LATENCY);
	count(&vcpu, GMEM_PHASE_vmm, 77);
	put_vcpu(&vcpu, NULL);
	end_sample(&model);
	shown[0] = model.vms[0];
	out = open_memstream(&text, &size);
	assert_int_equal(out_phases_text(out, &batch, &frames, &model, 1), 0);
	fclose(out);
	assert_string_equal(
		text, "ID NAME PHASE  COUNT SUM_NS P50_NS P90_NS P99_NS MAX_NS INTERVAL_P99_NS\n"
		      " 2      vmm        1     77     77     77     77     77               -\n"
		      " 2      lock       0      0      -      -      -      -               -\n"
		      " 2      set        0      0      -      -      -      -               -\n"
		      " 2      memory     -      -      -      -      -      -               -\n"
		      " 2      total      0      0      -      -      -      -               -\n"
		      " 2      fault      -      -      -      -      -      -               -\n");
	free(text);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_slowest),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
