/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sample that is put together piece by piece and stepped to: for tests of the model and of what
 * shows it. begin_sample(), any number of put_*(), end_sample().
 */
#ifndef GMEM_TEST_STEP_H
#define GMEM_TEST_STEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/model.h"

/* A VM with the parts that a sample may have of it. */
struct whole_vm {
	struct sample_vm vm;
	struct sample_errors errors;
	struct gmem_heat heat;
};

static struct sample step_sample;

static inline void begin_sample(uint64_t now_ns, uint32_t looked)
{
	sample_begin(&step_sample, now_ns, looked);
}

static inline struct sample_vm *put_vm(const struct sample_vm *vm, bool ended)
{
	struct sample_vm *added = sample_add_vm(&step_sample, 0);

	assert_non_null(added);
	*added = *vm;
	added->parts = 0;
	added->ended = ended;
	return added;
}

static inline struct sample_vm *put_whole_vm(const struct whole_vm *vm, bool ended)
{
	uint32_t parts = (vm->vm.error ? GMEM_PART_ERRORS : 0) |
			 (step_sample.looked & WANT_HEAT ? GMEM_PART_HEAT : 0);
	struct sample_vm *added = sample_add_vm(&step_sample, parts);

	assert_non_null(added);
	*added = vm->vm;
	added->parts = parts;
	added->ended = ended;
	if (sample_errors_of(added))
		*sample_errors_of(added) = vm->errors;
	if (sample_heat_of(added))
		*sample_heat_of(added) = vm->heat;
	return added;
}

static inline void put_inst(struct sample_inst inst, bool ended)
{
	inst.ended = ended;
	assert_int_equal(sample_add_instance(&step_sample, &inst), 0);
}

static inline void put_vcpu(const struct sample_vcpu *vcpu, const uint32_t *wraps)
{
	size_t size = sizeof(*wraps) * GMEM_PHASE_MAX * GMEM_HIST_BUCKETS;
	struct sample_vcpu *added = sample_add_vcpu(&step_sample);
	uint32_t *copy = wraps ? sample_alloc(&step_sample, size) : NULL;

	assert_non_null(added);
	*added = *vcpu;
	added->wraps = copy;
	if (copy)
		memcpy(copy, wraps, size);
}

static inline void end_sample(struct model *model)
{
	assert_int_equal(model_step(model, &step_sample), 0);
}

#endif /* GMEM_TEST_STEP_H */
