// SPDX-License-Identifier: GPL-2.0-only
/* Digests of frames, the rules that find causes in them, and the forms of a report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/report.h"
#include "step.h"

#define S   1000000000ULL
#define ALL ((1U << GMEM_FACT_MAX) - 1)

/* Frames that a test makes itself. */
struct maker {
	struct frames frames;
	struct features features;
	struct model model;
	struct digest digest;
	struct whole_vm vm;
	__u64 lost[GMEM_LOST_MAX];
	struct sample_inst inst;
	uint64_t waste_instance, waste_backing;
	struct sample_vcpu vcpu;
	uint64_t clock_ns;
};

static void begin(struct maker *m)
{
	memset(m, 0, sizeof(*m));
	m->features.facts = ALL;
	m->frames.features = &m->features;
	m->clock_ns = 1000 * S;
	m->vm = (struct whole_vm){ .vm = { .id = 2, .first_ns = 1, .tgid = 100, .key = 7 } };
	m->inst =
		(struct sample_inst){ .id = 3, .vm_id = 2, .size = 64 << 20, .born = 1, .ino = 9 };
	m->waste_instance = m->waste_backing = GMEM_UNKNOWN;
}

/* A second later. @number: of the frame, 0: the next one */
static void frame_with(struct maker *m, uint64_t number, bool ended)
{
	struct model_vm *vm;
	int d;

	m->clock_ns += S;
	m->frames.time_ns = m->clock_ns + 5000 * S;
	begin_sample(m->clock_ns, WANT_WASTE | WANT_LATENCY);
	step_sample.number = number;
	memcpy(step_sample.lost, m->lost, sizeof(m->lost));
	step_sample.restart = number && number <= m->model.frame;
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		m->vm.vm.latency[d].judged =
			m->vm.vm.c[GMEM_VM_to_private + d * GMEM_PER_DIRECTION];
	put_whole_vm(&m->vm, ended);
	put_inst(m->inst, ended);
	if (m->vcpu.vm_id)
		put_vcpu(&m->vcpu, NULL);
	end_sample(&m->model);
	vm = model_vm(&m->model, m->vm.vm.id);
	assert_non_null(vm);
	vm->waste_instance = m->waste_instance;
	vm->waste_backing = m->waste_backing;
	snprintf(vm->name, sizeof(vm->name), "web <1>");
	assert_int_equal(digest_add(&m->digest, &m->frames, &m->model), 0);
}

static void frame(struct maker *m)
{
	frame_with(m, 0, false);
}

static void end(struct maker *m)
{
	model_free(&m->model);
	digest_free(&m->digest);
}

static void convert(struct maker *m, uint64_t n, uint64_t pages, uint64_t ns)
{
	m->vm.vm.c[GMEM_VM_to_private] += n;
	m->vm.vm.c[GMEM_VM_to_private_pages] += n * pages;
	m->vm.vm.c[GMEM_VM_to_private_ns] += n * ns;
	m->vm.vm.latency[0].hist[gmem_bucket(ns)] += (uint32_t)n;
	if (ns > m->vm.vm.latency[0].max_ns)
		m->vm.vm.latency[0].max_ns = ns;
}

static void add_failure(struct maker *m, enum gmem_op op, unsigned int error, unsigned int count)
{
	m->vm.errors.err[op][0] =
		(struct gmem_errno){ error, m->vm.errors.err[op][0].count + count };
	m->vm.vm.error = error;
	m->vm.vm.error_op = op;
}

/* --- digests --- */

static void counts_from_the_start(void **state)
{
	struct maker m;
	const struct digest_vm *vm;

	(void)state;
	begin(&m);
	convert(&m, 5, 2, 1000);
	add_failure(&m, GMEM_OP_bind, EEXIST, 3);
	frame(&m);
	convert(&m, 7, 16, 50000);
	add_failure(&m, GMEM_OP_bind, EEXIST, 1);
	m.inst.resident = 40;
	frame(&m);
	m.inst.resident = 10;
	frame(&m);
	frame_with(&m, 0, true);
	digest_end(&m.digest);
	assert_int_equal(m.digest.frames, 4);
	assert_int_equal(m.digest.watched_ns, 3 * S);
	assert_false(m.digest.middle);
	assert_int_equal(m.digest.nr_vms, 1);
	vm = m.digest.vms[0];
	assert_int_equal(digest_conversions(vm), 12);
	assert_int_equal(digest_asked(vm), 5 * 2 + 7 * 16);
	assert_int_equal(digest_conversions(&m.digest.host), 12);
	assert_int_equal(vm->latency[0].hist[gmem_bucket(1000)], 5);
	assert_int_equal(vm->latency[0].hist[gmem_bucket(50000)], 7);
	assert_int_equal(vm->latency[0].max_ns, 50000);
	assert_int_equal(m.digest.host.latency[0].hist[gmem_bucket(1000)], 5);
	assert_int_equal(vm->sizes[0][1], 5);
	assert_int_equal(vm->sizes[0][4], 7);
	assert_int_equal(digest_errno(vm, GMEM_OP_bind, EEXIST), 4);
	assert_int_equal(digest_errors(&m.digest.host), 4);
	assert_int_equal(vm->resident.peak, 40);
	assert_int_equal(vm->resident.held, 10);
	assert_true(vm->ended);
	end(&m);
}

/* What the first frame has, happened before it. */
static void counts_from_the_middle(void **state)
{
	struct maker m;

	(void)state;
	begin(&m);
	convert(&m, 5, 2, 1000);
	add_failure(&m, GMEM_OP_bind, EEXIST, 3);
	m.lost[GMEM_LOST_unread] = 4;
	frame_with(&m, 50, false);
	convert(&m, 7, 16, 50000);
	add_failure(&m, GMEM_OP_bind, EEXIST, 2);
	m.lost[GMEM_LOST_unread] = 6;
	frame(&m);
	digest_end(&m.digest);
	assert_true(m.digest.middle);
	assert_int_equal(digest_conversions(m.digest.vms[0]), 7);
	assert_int_equal(digest_conversions(&m.digest.host), 7);
	assert_int_equal(m.digest.host.latency[0].hist[gmem_bucket(1000)], 0);
	assert_int_equal(m.digest.host.latency[0].hist[gmem_bucket(50000)], 7);
	assert_int_equal(digest_errors(m.digest.vms[0]), 2);
	assert_int_equal(m.digest.lost[GMEM_LOST_unread], 2);
	end(&m);
}

/* Another recorder counts from 0, and gives the same number to another VM. */
static void counts_two_runs(void **state)
{
	struct maker m;

	(void)state;
	begin(&m);
	convert(&m, 5, 2, 1000);
	frame(&m);
	frame(&m);
	memset(m.vm.vm.c, 0, sizeof(m.vm.vm.c));
	memset(m.vm.vm.latency, 0, sizeof(m.vm.vm.latency));
	convert(&m, 9, 1, 1000);
	frame_with(&m, 1, false);
	frame(&m);
	digest_end(&m.digest);
	assert_int_equal(m.digest.runs, 2);
	assert_int_equal(m.digest.nr_vms, 2);
	assert_int_equal(digest_conversions(m.digest.vms[0]), 5);
	assert_int_equal(digest_conversions(m.digest.vms[1]), 9);
	assert_int_equal(digest_conversions(&m.digest.host), 14);
	assert_int_equal(m.digest.host.latency[0].hist[gmem_bucket(1000)], 14);
	/* The time between the runs is not covered. */
	assert_int_equal(m.digest.watched_ns, 2 * S);
	end(&m);
}

static void slots_grow(void **state)
{
	struct timeline t = { 0 };
	struct gmem_heat heat = { .shift = 9 };
	unsigned int i, slot;
	uint64_t sum = 0;

	(void)state;
	heat.pages[1] = 1;
	for (i = 0; i < 1000; i++) {
		slot = timeline_at(&t, 100 * S, (100 + i) * S);
		assert_in_range(slot, 0, TIMELINE_SLOTS - 1);
		t.slots[slot].seen = true;
		t.slots[slot].conversions++;
		assert_int_equal(timeline_heat(&t, slot, &heat), 0);
	}
	assert_int_equal(t.slot_ns, 32 * S);
	assert_int_equal(timeline_used(&t), 32);
	for (i = 0; i < TIMELINE_SLOTS; i++) {
		assert_int_equal(t.heat[i].pages[1], t.slots[i].conversions);
		sum += t.slots[i].conversions;
	}
	assert_int_equal(sum, 1000);
	/* A clock that was set back. */
	assert_int_equal(timeline_at(&t, 100 * S, 5), 0);
	timeline_free(&t);
}

static void phase(struct maker *m, enum gmem_phase_id id, uint64_t n, uint64_t ns)
{
	m->vcpu.vm_id = m->vm.vm.id;
	m->vcpu.phase[id].count += n;
	m->vcpu.phase[id].sum_ns += n * ns;
	m->vcpu.phase[id].latency.hist[gmem_bucket(ns)] += (uint32_t)n;
	if (ns > m->vcpu.phase[id].latency.max_ns)
		m->vcpu.phase[id].latency.max_ns = ns;
}

/* Phases are those of the VM and of all VMs; a slow conversion is listed once. */
static void phases_add_up(void **state)
{
	const struct digest_phase *p;
	struct maker m;

	(void)state;
	begin(&m);
	convert(&m, 1, 1, 1000);
	phase(&m, GMEM_PHASE_total, 2, 1000);
	m.vcpu.slow[0] = (struct gmem_slow){ .exit_ns = m.clock_ns, .gfn = 5, .pages = 1 };
	m.vcpu.slow[0].ns[GMEM_PHASE_total] = 1000;
	frame(&m);
	phase(&m, GMEM_PHASE_total, 3, 70000);
	m.vcpu.slow[1] = m.vcpu.slow[0];
	m.vcpu.slow[1].exit_ns++;
	m.vcpu.slow[1].ns[GMEM_PHASE_total] = 70000;
	frame(&m);
	frame(&m);
	digest_end(&m.digest);
	p = m.digest.vms[0]->phases;
	assert_non_null(p);
	assert_int_equal(p[GMEM_PHASE_total].count, 5);
	assert_int_equal(p[GMEM_PHASE_total].sum_ns, 2000 + 210000);
	assert_int_equal(p[GMEM_PHASE_total].latency.hist[gmem_bucket(70000)], 3);
	assert_int_equal(p[GMEM_PHASE_total].latency.max_ns, 70000);
	assert_int_equal(p[GMEM_PHASE_lock].count, 0);
	assert_int_equal(m.digest.host.phases[GMEM_PHASE_total].count, 5);
	assert_int_equal(m.digest.nr_slowest, 2);
	assert_int_equal(m.digest.slowest[0].slow.now.ns[GMEM_PHASE_total], 70000);
	assert_int_equal(m.digest.slowest[1].slow.now.ns[GMEM_PHASE_total], 1000);
	end(&m);
}

/* --- rules: what applies, and what is near to it --- */

static bool applies(struct maker *m, const char *name)
{
	struct diagnosis diagnosis;
	bool found = false;
	size_t i;

	digest_end(&m->digest);
	assert_int_equal(diagnose(&diagnosis, &m->digest), 0);
	for (i = 0; i < diagnosis.nr; i++) {
		found |= !strcmp(diagnosis.findings[i].rule->name, name);
		assert_true(diagnosis.findings[i].evidence.text[0]);
		assert_true(diagnosis.findings[i].evidence.nr > 0);
	}
	diagnosis_free(&diagnosis);
	end(m);
	return found;
}

/* 1000 pages of 1001, and a range for every 512: 4 ranges. */
static void of_single(struct maker *m, int amount)
{
	m->inst.size = 1005 << 12;
	m->vm.vm.private_pages = 1004;
	convert(m, 1004 + (uint64_t)amount - (amount < 0), 1, 1000);
	frame(m);
}

static void of_redundant(struct maker *m, int amount)
{
	convert(m, 1000, 1, 1000);
	m->vm.vm.c[GMEM_VM_to_private_redundant] = 100 + (uint64_t)amount;
	frame(m);
}

static void of_lock(struct maker *m, int amount)
{
	convert(m, 1000, 1, 1000);
	phase(m, GMEM_PHASE_lock, 1, 1000000 + (uint64_t)amount);
	phase(m, GMEM_PHASE_total, 1, 5000000);
	frame(m);
}

static void of_instance(struct maker *m, int amount)
{
	m->inst.resident = 1000;
	m->waste_instance = 5000;
	frame(m);
	m->waste_instance = 256 + (uint64_t)amount;
	frame(m);
	m->waste_instance = 0;
	frame(m);
}

static void of_backing(struct maker *m, int amount)
{
	m->inst.resident = 1000;
	m->waste_backing = 256 + (uint64_t)amount;
	frame(m);
	frame(m);
}

static void of_loop(struct maker *m, int amount)
{
	m->inst.resident = 3;
	frame(m);
	m->inst.c[GMEM_INST_guest_faults] = 1000 + (uint64_t)amount + 2;
	m->inst.c[GMEM_INST_first_touches] = 2;
	m->inst.resident = 5;
	frame(m);
}

static void of_interrupts(struct maker *m, int amount)
{
	add_failure(m, GMEM_OP_allocate, EINTR, (unsigned int)(10 + amount));
	m->inst.c[GMEM_INST_allocates] = 500;
	frame(m);
}

static void of_memory(struct maker *m, int amount)
{
	add_failure(m, GMEM_OP_guest_fault, ENOMEM, (unsigned int)(1 + amount));
	m->inst.c[GMEM_INST_allocates] = 1;
	frame(m);
}

static void of_broken(struct maker *m, int amount)
{
	m->inst.c[GMEM_INST_memory_failures] = 1 + (uint64_t)amount;
	m->inst.c[GMEM_INST_binds] = 1;
	frame(m);
}

static void of_refused(struct maker *m, int amount)
{
	m->inst.c[GMEM_INST_host_faults_refused] = 1 + (uint64_t)amount;
	m->inst.c[GMEM_INST_host_faults] = 99;
	frame(m);
}

static void of_orphan(struct maker *m, int amount)
{
	frame(m);
	m->vm.vm.vmm_gone = 1;
	m->vm.vm.tgid = 0;
	if (amount >= 0)
		frame(m);
	frame(m);
	frame_with(m, 0, true);
}

/* At its limit a rule applies, one less is too little; an amount at which only the part is too
 * small. */
static const struct {
	const char *rule;
	void (*make)(struct maker *m, int amount);
} limits[] = {
	{ "single-pages", of_single },		{ "redundant-conversions", of_redundant },
	{ "instance-held-twice", of_instance }, { "slots-lock", of_lock },
	{ "backing-held-twice", of_backing },	{ "fault-loop", of_loop },
	{ "interrupted-calls", of_interrupts }, { "allocation-failures", of_memory },
	{ "memory-failures", of_broken },	{ "host-faults-refused", of_refused },
	{ "instances-outlive-vm", of_orphan },
};

static void rules_have_limits(void **state)
{
	const struct rule *rule;
	struct maker m;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		begin(&m);
		limits[i].make(&m, 0);
		if (!applies(&m, limits[i].rule))
			fail_msg("%s does not apply at its limit", limits[i].rule);
		begin(&m);
		limits[i].make(&m, -1);
		if (applies(&m, limits[i].rule))
			fail_msg("%s applies below its limit", limits[i].rule);
	}
	for (rule = rules; rule < rules + nr_rules; rule++) {
		for (i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
			if (!strcmp(limits[i].rule, rule->name))
				break;
		}
		if (i == sizeof(limits) / sizeof(*limits))
			fail_msg("%s has no test", rule->name);
	}
}

/* Many, but a small part of all. */
static void rules_have_parts(void **state)
{
	struct maker m;

	(void)state;
	begin(&m);
	convert(&m, 1001, 1, 1000);
	m.vm.vm.c[GMEM_VM_to_private_redundant] = 100;
	frame(&m);
	assert_false(applies(&m, "redundant-conversions"));
	begin(&m);
	add_failure(&m, GMEM_OP_allocate, EINTR, 10);
	m.inst.c[GMEM_INST_allocates] = 991;
	frame(&m);
	assert_false(applies(&m, "interrupted-calls"));
	begin(&m);
	m.inst.resident = 256 * 20 + 1;
	m.waste_instance = 256;
	frame(&m);
	frame(&m);
	assert_false(applies(&m, "instance-held-twice"));
	/* Every second page: as many ranges as pages. */
	begin(&m);
	m.inst.size = 4000 << 12;
	m.vm.vm.private_pages = 2000;
	convert(&m, 2000, 1, 1000);
	frame(&m);
	assert_false(applies(&m, "single-pages"));
	/* The same page, there and back. */
	begin(&m);
	m.inst.size = 4000 << 12;
	m.vm.vm.private_pages = 4000;
	convert(&m, 40000, 1, 1000);
	frame(&m);
	assert_false(applies(&m, "single-pages"));
	/* Larger pieces. */
	begin(&m);
	m.inst.size = 40000 << 12;
	m.vm.vm.private_pages = 40000;
	convert(&m, 5000, 8, 1000);
	frame(&m);
	assert_false(applies(&m, "single-pages"));
	/* As many faults, on pages of which nobody knows whether they were in memory before. */
	begin(&m);
	m.inst.resident = 3;
	m.inst.c[GMEM_INST_guest_faults] = 2000;
	m.inst.c[GMEM_INST_first_touches] = 1;
	frame(&m);
	assert_false(applies(&m, "fault-loop"));
	/* Pages that came and went: each was touched for the first time. */
	begin(&m);
	m.inst.resident = 3;
	frame(&m);
	m.inst.c[GMEM_INST_guest_faults] = m.inst.c[GMEM_INST_first_touches] = 2000;
	frame(&m);
	assert_false(applies(&m, "fault-loop"));
}

/* What the kernel cannot tell, or the recording does not have, is not "no finding". */
static void rules_are_not_checked(void **state)
{
	struct diagnosis diagnosis;
	struct maker m;
	unsigned int i;
	bool found = false;

	(void)state;
	begin(&m);
	m.features.facts &= ~FACT(host_fault);
	of_refused(&m, 5);
	digest_end(&m.digest);
	assert_int_equal(diagnose(&diagnosis, &m.digest), 0);
	assert_int_equal(diagnosis.nr, 0);
	for (i = 0; i < diagnosis.nr_unchecked; i++) {
		if (strcmp(diagnosis.unchecked[i].rule->name, "host-faults-refused"))
			continue;
		found = true;
		assert_int_equal(diagnosis.unchecked[i].missing, FACT(host_fault));
	}
	assert_true(found);
	diagnosis_free(&diagnosis);
	end(&m);
}

/* --- forms --- */

static char *written(struct maker *m, int (*form)(FILE *out, const struct report *report))
{
	const struct digest_vm *worst[1];
	struct report report = { .path = "a\x1b[31m.gmem", .worst = worst, .nr_worst = 1 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	digest_end(&m->digest);
	report.digest = m->digest;
	worst[0] = m->digest.vms[0];
	assert_int_equal(diagnose(&report.diagnosis, &m->digest), 0);
	assert_int_equal(form(out, &report), 0);
	fclose(out);
	diagnosis_free(&report.diagnosis);
	return text;
}

static void a_little_of_everything(struct maker *m)
{
	begin(m);
	of_redundant(m, 0);
	of_refused(m, 0);
	of_orphan(m, 0);
}

static uint64_t at(struct json_object *object, const char *a, const char *b)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, a, &value));
	if (b)
		assert_true(json_object_object_get_ex(value, b, &value));
	return json_object_get_uint64(value);
}

static void pid_of_the_vmm_stays(void **state)
{
	struct maker m;

	(void)state;
	begin(&m);
	of_orphan(&m, 0);
	digest_end(&m.digest);
	assert_int_equal(m.digest.vms[0]->pid, 100);
	end(&m);
}

static void json_has_all(void **state)
{
	struct json_object *json, *list;
	struct maker m;
	char *text;

	(void)state;
	a_little_of_everything(&m);
	text = written(&m, report_json);
	json = json_tokener_parse(text);
	assert_non_null(json);
	assert_int_equal(at(json, "version", NULL), REPORT_VERSION);
	assert_int_equal(at(json, "frames", NULL), m.digest.frames);
	assert_true(json_object_object_get_ex(json, "host", &list));
	assert_int_equal(at(list, "counters", "to_private"), 1000);
	assert_int_equal(at(list, "errors", NULL), 1);
	assert_true(json_object_object_get_ex(json, "findings", &list));
	assert_int_equal(json_object_array_length(list), 3);
	json_object_put(json);
	free(text);
	end(&m);
}

static void text_has_all(void **state)
{
	static const char *const parts[] = {
		"DIAGNOSIS", "redundant-conversions", "host-faults-refused",
		"web <1>",   "to_private_pages",      "LOST",
		"TOTALS"
	};
	struct maker m;
	unsigned int i;
	char *text;

	(void)state;
	a_little_of_everything(&m);
	text = written(&m, report_text);
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!strstr(text, parts[i]))
			fail_msg("'%s' is not in: %s", parts[i], text);
	}
	/* Nothing steers the terminal. */
	assert_null(strchr(text, '\x1b'));
	free(text);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_from_the_start),
		cmocka_unit_test(counts_from_the_middle),
		cmocka_unit_test(counts_two_runs),
		cmocka_unit_test(phases_add_up),
		cmocka_unit_test(slots_grow),
		cmocka_unit_test(rules_have_limits),
		cmocka_unit_test(rules_have_parts),
		cmocka_unit_test(rules_are_not_checked),
		cmocka_unit_test(pid_of_the_vmm_stays),
		cmocka_unit_test(json_has_all),
		cmocka_unit_test(text_has_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
