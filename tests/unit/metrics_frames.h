/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames for the tests of metrics: VMs by what they have, a second apart. Needs cmocka.h before it.
 */
#ifndef UNIT_METRICS_FRAMES_H
#define UNIT_METRICS_FRAMES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/lib/version.h"
#include "../../src/export/metrics.h"
#include "../../src/export/vms_choice.h"
#include "step.h"

#define S     1000000000ULL
#define EPOCH (1700000000 * S)

struct fixture {
	struct features features;
	struct frames frames;
	struct model model;
	struct policy_counts policy; /* of the next sample */
	uint64_t missed;
	struct vms_choice choice;
	struct ledger *ledger;
	struct text text;
	uint64_t second;
	uint64_t longest_ns[8]; /* of VMs by id, 0: 2000 */
};

/* What the next frame has of a VM. */
struct has {
	uint64_t id;
	const char *name;
	uint64_t conversions;
	bool ended;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	for (i = 0; i < GMEM_FACT_MAX; i++)
		f->features.chosen[i] = -1;
	f->features.facts = FACT(convert) | FACT(guest_fault) | FACT(private_pages) | FACT(bind);
	f->frames.features = &f->features;
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	ledger_free(f->ledger);
	vms_choice_free(&f->choice);
	model_free(&f->model);
	free(f->text.data);
	free(f);
	return 0;
}

static inline void begin(struct fixture *f, const char *vms)
{
	assert_int_equal(vms_choice_parse(vms, &f->choice), 0);
	f->ledger = ledger_new(&f->choice, EPOCH);
	assert_non_null(f->ledger);
}

static inline void add(const struct fixture *f, const struct has *has)
{
	struct sample_vm record = { .id = has->id, .kvm = has->id };

	/* A conversion takes 2 us and converts a page. */
	record.first_ns = f->second * S - S / 2;
	record.private_pages = 16;
	record.c[GMEM_VM_to_private] = has->conversions;
	record.c[GMEM_VM_to_private_pages] = has->conversions;
	record.c[GMEM_VM_to_private_ns] = 2000 * has->conversions;
	record.latency[0].hist[40] = (__u32)has->conversions;
	record.latency[0].max_ns = has->conversions ? 2000 : 0;
	if (has->id < 8 && f->longest_ns[has->id])
		record.latency[0].max_ns = f->longest_ns[has->id];
	record.key = 0xabc0000000000000 + has->id;
	record.bound = record.bound_private = GMEM_UNKNOWN;
	record.waste_instance = record.waste_backing = GMEM_UNKNOWN;
	put_vm(&record, has->ended);
}

static inline void frame(struct fixture *f, const struct has *has, size_t nr)
{
	struct model_vm *vm;
	size_t i;

	f->second++;
	f->frames.time_ns = EPOCH + f->second * S;
	begin_sample(f->second * S, 0);
	step_sample.policy = f->policy;
	step_sample.missed = f->missed;
	for (i = 0; i < nr; i++)
		add(f, &has[i]);
	end_sample(&f->model);
	for (i = 0; i < nr; i++) {
		vm = model_vm(&f->model, has[i].id);
		snprintf(vm->name, sizeof(vm->name), "%s", has[i].name);
	}
	assert_int_equal(ledger_step(f->ledger, &f->frames, &f->model), 0);
}

#define FRAME(f, ...)                                        \
	do {                                                 \
		const struct has has[] = { __VA_ARGS__ };    \
		frame(f, has, sizeof(has) / sizeof(has[0])); \
	} while (0)

static inline const struct row *row(struct fixture *f, const char *name)
{
	const struct row *const *rows;
	size_t nr, i;

	rows = ledger_rows(f->ledger, &nr);
	for (i = 0; i < nr; i++) {
		if (!strcmp(rows[i]->label, name))
			return rows[i];
	}
	return NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

#endif /* UNIT_METRICS_FRAMES_H */
