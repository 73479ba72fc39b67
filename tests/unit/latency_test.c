// SPDX-License-Identifier: GPL-2.0-only
/* Buckets, percentiles, and that the last interval shows what happened in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/columns.h"
#include "step.h"

#define S  1000000000ULL
#define US 1000ULL
#define MS 1000000ULL

static void check_bucket(uint64_t ns)
{
	unsigned int bucket = gmem_bucket(ns);

	assert_true(bucket < GMEM_HIST_BUCKETS);
	assert_true(latency_begin(bucket) <= ns);
	assert_true(latency_end(bucket, UINT64_MAX) >= ns);
	if (bucket + 1 < GMEM_HIST_BUCKETS)
		assert_true(latency_end(bucket, 0) <=
			    latency_begin(bucket) + latency_begin(bucket) / 4);
}

/* Every duration is in the bucket that counts it, whose ends differ by a quarter at most. */
static void test_buckets(void **state)
{
	uint64_t ns;
	int shift;

	(void)state;
	for (ns = 0; ns < 1 << 15; ns++)
		check_bucket(ns);
	for (shift = 3; shift < 64; shift++) {
		check_bucket((1ULL << shift) - 1);
		check_bucket(1ULL << shift);
		check_bucket((1ULL << shift) + 1);
		check_bucket((5ULL << shift) / 4 - 1);
		check_bucket((5ULL << shift) / 4);
		check_bucket((7ULL << shift) / 4 + 1);
	}
	check_bucket(UINT64_MAX);
	/* Their ends meet. */
	for (shift = 0; shift + 1 < GMEM_HIST_BUCKETS; shift++)
		assert_int_equal(latency_end((unsigned int)shift, 0) + 1,
				 latency_begin((unsigned int)shift + 1));
}

static void count(struct sample_vm *vm, int direction, uint64_t ns, uint32_t nr)
{
	struct gmem_latency *latency = &vm->latency[direction];

	latency->hist[gmem_bucket(ns)] += nr;
	vm->c[GMEM_VM_to_private + direction * GMEM_PER_DIRECTION] += nr;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
}

static uint64_t percentile(const struct latency *latency, unsigned int percent)
{
	__u64 ns;

	assert_true(latency_percentiles(latency, &percent, 1, &ns));
	return ns;
}

static void test_percentiles(void **state)
{
	static const unsigned int percents[] = { 50, 99 };
	struct gmem_latency record = { 0 };
	struct sample_vm vm = { 0 };
	struct latency latency;
	__u64 ns[2];

	(void)state;
	latency_total(&record, NULL, latency_range(&record), &latency);
	assert_false(latency_percentiles(&latency, percents, 2, ns));
	count(&vm, 0, 1030, 98);
	count(&vm, 0, 1500000, 2);
	latency_total(&vm.latency[0], NULL, latency_range(&vm.latency[0]), &latency);
	assert_int_equal(percentile(&latency, 1), 1279);
	assert_int_equal(percentile(&latency, 98), 1279);
	assert_int_equal(percentile(&latency, 99), 1500000);
	assert_int_equal(percentile(&latency, 100), 1500000);
	/* What is longer than any bucket. */
	count(&vm, 0, 100 * S, 1000);
	latency_total(&vm.latency[0], NULL, latency_range(&vm.latency[0]), &latency);
	assert_int_equal(percentile(&latency, 99), 100 * S);
}

struct fixture {
	struct features features;
	struct model model;
	uint64_t time;
};

static struct value shown(struct fixture *f, const char *column)
{
	const struct column *c = column_by_name(column);

	assert_non_null(c);
	return c->get(c, &f->features, f->model.vms[0]);
}

static void frame(struct fixture *f, const struct sample_vm *vm)
{
	f->time += S;
	begin_sample(f->time, 0);
	put_vm(vm, false);
	end_sample(&f->model);
}

/* 60 million conversions of 1 us, then some that take 10 ms: the next frame shows it. */
static void test_step(void **state)
{
	struct sample_vm vm = { .id = 5, .kvm = 5, .first_ns = 1 };
	struct fixture f = { .features.facts = FACT(convert) };
	int i;

	(void)state;
	count(&vm, 0, US, 60000000);
	frame(&f, &vm);
	assert_int_equal(shown(&f, "p99_ns").number, US);
	/* What came before the first frame was in no interval. */
	assert_int_equal(shown(&f, "interval_p99_ns").kind, VALUE_NONE);
	count(&vm, 0, US, 1000);
	frame(&f, &vm);
	assert_int_equal(shown(&f, "interval_p50_ns").number, US);
	count(&vm, 0, 10 * MS, 100);
	frame(&f, &vm);
	for (i = 0; i < 2; i++) {
		/* It is the longest so far, which is known exactly. */
		assert_int_equal(shown(&f, "interval_p50_ns").number, 10 * MS);
		assert_int_equal(shown(&f, "interval_p99_ns").number, 10 * MS);
		assert_int_equal(shown(&f, "interval_max_ns").number, 10 * MS);
		assert_int_equal(shown(&f, "p99_ns").number, 1023);
		assert_int_equal(shown(&f, "max_ns").number, 10 * MS);
		assert_int_equal(percentile(&f.model.host[i][LAST_INTERVAL], 50), 10 * MS);
		assert_int_equal(percentile(&f.model.host[0][SINCE_START], 50), 1023);
		/* Both directions together. */
		count(&vm, 1, 10 * MS, 50);
		frame(&f, &vm);
	}
	assert_int_equal(f.model.host[1][SINCE_START].hist[gmem_bucket(10 * MS)], 100);
	/* Nothing happens: then nothing took any time. */
	frame(&f, &vm);
	assert_int_equal(shown(&f, "interval_p99_ns").kind, VALUE_NONE);
	assert_int_equal(shown(&f, "interval_max_ns").kind, VALUE_NONE);
	assert_int_equal(shown(&f, "p50_ns").number, 1023);
	/* Shorter ones again: the maximum is not known better than its bucket. */
	count(&vm, 0, MS, 1);
	frame(&f, &vm);
	assert_in_range(shown(&f, "interval_max_ns").number, MS, MS + MS / 4);
	model_free(&f.model);
}

/* The kernel counts modulo 2^32. */
static void test_wrap(void **state)
{
	struct sample_vm vm = { .id = 5, .kvm = 5, .first_ns = 1 };
	struct fixture f = { .features.facts = FACT(convert) };
	unsigned int bucket = gmem_bucket(US);
	struct latency latency;
	uint64_t wanted = 0;
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		count(&vm, 0, US, 1U << 31);
		wanted += 1U << 31;
		frame(&f, &vm);
		model_latency(f.model.vms[0], 0, SINCE_START, &latency);
		assert_int_equal(latency.hist[bucket], wanted);
		assert_int_equal(f.model.host[0][SINCE_START].hist[bucket], wanted);
		model_latency(f.model.vms[0], 0, LAST_INTERVAL, &latency);
		assert_int_equal(latency.hist[bucket], 1U << 31);
	}
	model_free(&f.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
