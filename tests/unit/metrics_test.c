// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metrics: how counters go on when VMs come, go, are listed and are not.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics_frames.h"

/* Conversions of a series; -1: there is none */
static int64_t of(struct fixture *f, const char *name)
{
	const struct row *found = row(f, name);

	return found ? (int64_t)found->now.vm[GMEM_VM_to_private] : -1;
}

static int64_t host(struct fixture *f)
{
	return (int64_t)ledger_host(f->ledger)->now.vm[GMEM_VM_to_private];
}

/* Everything is counted once. */
static void check_sum(struct fixture *f)
{
	const struct row *const *rows;
	int64_t sum = 0;
	size_t nr, i;

	rows = ledger_rows(f->ledger, &nr);
	for (i = 0; i < nr; i++)
		sum += (int64_t)rows[i]->now.vm[GMEM_VM_to_private];
	assert_int_equal(sum, host(f));
}

static void test_listed(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 5);
	assert_int_equal(of(f, "b"), 7);
	assert_int_equal(of(f, "other"), 0);
	check_sum(f);
	FRAME(f, { 2, "a", 6, false }, { 3, "b", 7, false }, { 4, "c", 1, false });
	assert_int_equal(of(f, "a"), 6);
	assert_int_equal(of(f, "c"), 1);
	check_sum(f);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	/* It was born between the two frames. */
	assert_int_equal(row(f, "c")->created_ns, EPOCH + S + S / 2);
}

/* One place: the busier VM has it, and what a VM did without it stays with the others. */
static void test_top(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:1");
	FRAME(f, { 2, "a", 100, false }, { 3, "b", 10, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "b"), -1);
	assert_int_equal(of(f, "other"), 10);
	/* A little busier is not enough. */
	FRAME(f, { 2, "a", 100, false }, { 3, "b", 120, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "other"), 120);
	FRAME(f, { 2, "a", 101, false }, { 3, "b", 5000, false });
	assert_int_equal(of(f, "a"), -1);
	assert_int_equal(of(f, "b"), 0);
	assert_int_equal(of(f, "other"), 5001);
	assert_int_equal(row(f, "b")->created_ns, EPOCH + 3 * S);
	FRAME(f, { 2, "a", 102, false }, { 3, "b", 5005, false });
	assert_int_equal(of(f, "b"), 5);
	assert_int_equal(of(f, "other"), 5002);
	/* Back again: it goes on where it stopped, and began when it did. */
	FRAME(f, { 2, "a", 100000, false }, { 3, "b", 5006, false });
	assert_int_equal(of(f, "a"), 100);
	assert_int_equal(of(f, "b"), -1);
	assert_int_equal(of(f, "other"), 5002 + 99899);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	FRAME(f, { 2, "a", 100003, false }, { 3, "b", 5006, false });
	assert_int_equal(of(f, "a"), 103);
	assert_int_equal(host(f), 105009);
}

static void test_none(void **state)
{
	struct fixture *f = *state;
	size_t nr;

	begin(f, "none");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	ledger_rows(f->ledger, &nr);
	assert_int_equal(nr, 0);
	assert_int_equal(host(f), 12);
}

static void test_regex(void **state)
{
	struct fixture *f = *state;

	begin(f, "regex:web-[0-9]+");
	FRAME(f, { 2, "web-1", 5, false }, { 3, "web-x", 7, false }, { 4, "my-web-1", 1, false });
	assert_int_equal(of(f, "web-1"), 5);
	assert_int_equal(of(f, "web-x"), -1);
	assert_int_equal(of(f, "my-web-1"), -1);
	assert_int_equal(of(f, "other"), 8);
	check_sum(f);
}

/* Its last numbers stay for a while, without memory; then the series ends, and the total does not. */
static void test_ended(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	assert_int_equal(row(f, "a")->gauges[ROW_PRIVATE], 16 << 12);
	FRAME(f, { 2, "a", 9, true }, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 9);
	assert_true(row(f, "a")->gauges[ROW_PRIVATE] == GMEM_UNKNOWN);
	assert_null(row(f, "a")->vm);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
	FRAME(f, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 9);
	f->second += 119;
	FRAME(f, { 3, "b", 8, false });
	assert_int_equal(of(f, "a"), -1);
	assert_int_equal(of(f, "b"), 8);
	assert_int_equal(of(f, "other"), 0);
	assert_int_equal(host(f), 17);
	assert_int_equal(ledger_numbers(f->ledger)->vms, 1);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
}

/* However much time is between two frames, one more has it. */
static void test_ended_rarely_read(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false });
	f->second += 600;
	FRAME(f, { 2, "a", 9, true });
	assert_int_equal(of(f, "a"), 9);
	f->second += 600;
	FRAME(f, { 3, "b", 1, false });
	assert_int_equal(of(f, "a"), 9);
	f->second += 600;
	FRAME(f, { 3, "b", 1, false });
	assert_int_equal(of(f, "a"), -1);
}

/* It was in one frame and is missing in the next ones, without an end. */
static void test_vanished(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "b", 7, false });
	for (i = 0; i < 4; i++)
		FRAME(f, { 3, "b", 7, false });
	assert_int_equal(of(f, "a"), 5);
	assert_null(row(f, "a")->vm);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 1);
	assert_int_equal(host(f), 12);
}

/* A VM that lived between two frames is counted too. */
static void test_short(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 3, "b", 7, false });
	FRAME(f, { 3, "b", 7, false }, { 4, "job", 3, true });
	assert_int_equal(of(f, "job"), 3);
	FRAME(f, { 3, "b", 7, false }, { 5, "job", 4, true });
	assert_int_equal(of(f, "job"), 7);
	assert_int_equal(ledger_numbers(f->ledger)->vms_ended, 2);
	check_sum(f);
}

/* The series of a name goes on with the next VM of that name, also if both are in one frame. */
static void test_reused_name(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false });
	FRAME(f, { 2, "a", 9, true }, { 3, "a", 2, false });
	assert_int_equal(of(f, "a"), 11);
	assert_int_equal(row(f, "a")->created_ns, EPOCH);
	FRAME(f, { 3, "a", 4, false });
	assert_int_equal(of(f, "a"), 13);
	check_sum(f);
	FRAME(f, { 3, "a", 4, true });
	FRAME(f, { 4, "b", 1, false });
	f->second += 3600;
	FRAME(f, { 4, "b", 1, false });
	assert_int_equal(of(f, "a"), -1);
	FRAME(f, { 4, "b", 1, false }, { 5, "a", 1, false });
	assert_int_equal(of(f, "a"), 14);
	check_sum(f);
}

/* Two VMs of a name at a time: the second one has its key in the label, and keeps it. */
static void test_same_name(void **state)
{
	struct fixture *f = *state;

	begin(f, "top:20");
	FRAME(f, { 2, "a", 5, false }, { 3, "a", 7, false }, { 4, "other", 3, false });
	assert_int_equal(of(f, "a"), 5);
	assert_int_equal(of(f, "a@abc0000000000003"), 7);
	assert_int_equal(of(f, "other@abc0000000000004"), 3);
	assert_int_equal(of(f, "other"), 0);
	FRAME(f, { 2, "a", 5, true }, { 3, "a", 8, false });
	FRAME(f, { 3, "a", 9, false }, { 5, "a", 1, false });
	assert_int_equal(of(f, "a"), 6);
	assert_int_equal(of(f, "a@abc0000000000003"), 9);
	/* A VM whose name is another one's label. */
	FRAME(f, { 3, "a", 9, false }, { 5, "a", 1, false }, { 6, "a@abc0000000000003", 2, false });
	assert_int_equal(of(f, "a@abc0000000000003"), 9);
	assert_int_equal(of(f, "a@abc0000000000003@abc0000000000006"), 2);
}

/* Many VMs that come and go: there are never more series than twice the number, and none is lost. */
static void test_churn(void **state)
{
	struct fixture *f = *state;
	char name[32];
	uint64_t id;
	size_t nr;

	begin(f, "top:4");
	for (id = 2; id < 3000; id++) {
		snprintf(name, sizeof(name), "vm-%llu", (unsigned long long)id);
		FRAME(f, { id, name, 1, true });
		ledger_rows(f->ledger, &nr);
		assert_true(nr <= 2 * 4 + 1);
		assert_int_equal(host(f), id - 1);
	}
	/* The first ones are forgotten. */
	FRAME(f, { 5000, "vm-2", 1, false }, { 5001, "vm-2999", 1, false });
	assert_int_equal(of(f, "vm-2"), 1);
	assert_int_equal(of(f, "vm-2999"), 2);
}

/* What the kernel's iterators miss in a frame is no decrease. */
static void test_missed(void **state)
{
	struct fixture *f = *state;

	begin(f, "regex:a");
	FRAME(f, { 2, "a", 10, false }, { 3, "b", 20, false });
	FRAME(f, { 2, "a", 7, false }, { 3, "b", 15, false });
	assert_int_equal(of(f, "a"), 10);
	assert_int_equal(of(f, "other"), 20);
	assert_int_equal(host(f), 30);
	FRAME(f, { 2, "a", 11, false }, { 3, "b", 22, false });
	assert_int_equal(of(f, "a"), 11);
	assert_int_equal(of(f, "other"), 22);
	assert_int_equal(host(f), 33);
}

/* A policy that is attached anew counts from 0; the metric does not. */
static void test_policy(void **state)
{
	static const uint64_t counts[] = { 3, 5, 2, 2, 4 }, wanted[] = { 3, 5, 7, 7, 9 };
	struct fixture *f = *state;
	size_t i;

	begin(f, "none");
	for (i = 0; i < 5; i++) {
		f->policy.known = true;
		f->policy.denied[1] = counts[i];
		FRAME(f, { 2, "a", 5, false });
		assert_int_equal(ledger_numbers(f->ledger)->denied[0][1], wanted[i]);
	}
	f->policy.known = false;
	f->policy.denied[1] = 0;
	FRAME(f, { 2, "a", 5, false });
	f->policy.known = true;
	f->policy.denied[1] = 1;
	FRAME(f, { 2, "a", 5, false });
	assert_int_equal(ledger_numbers(f->ledger)->denied[0][1], 10);
}

static void test_choices(void **state)
{
	static const char *const wrong[] = { "",	"all",
					     "top",	"top:",
					     "top:0",	"top:-1",
					     "top:1x",	"TOP:3",
					     "none ",	"regex",
					     "regex:(", "top: 3",
					     "top:1e3", "top:99999999999999999999" };
	static const char *const right[] = { "top:1", "top:1000000", "none",
					     "regex:", "regex:a|b" };
	struct vms_choice choice;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(vms_choice_parse(wrong[i], &choice), -22);
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(vms_choice_parse(right[i], &choice), 0);
		if (i == 4)
			assert_true(vms_choice_matches(&choice, "b") &&
				    !vms_choice_matches(&choice, "ab"));
		vms_choice_free(&choice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listed),	 TEST(top),	TEST(none),
		TEST(regex),	 TEST(ended),	TEST(ended_rarely_read),
		TEST(vanished),	 TEST(short),	TEST(reused_name),
		TEST(same_name), TEST(churn),	TEST(missed),
		TEST(policy),	 TEST(choices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
