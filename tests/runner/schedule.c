// SPDX-License-Identifier: GPL-2.0-only
/* Which unit runs next, and what became of all. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner.h"

#define TICK_NS	       (50 * 1000 * 1000)
#define SPEED_SECONDS  5   /* how often the machine's speed is measured */
#define SILENT_SECONDS 120 /* how long the runner says nothing */
#define TOP	       10

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

static bool unit_selected(const struct unit *unit)
{
	for (size_t i = 0; i < unit->nr_tests; i++)
		if (unit->tests[i]->selected)
			return true;
	return false;
}

static int unit_seconds(const struct unit *unit)
{
	int seconds = 0;

	for (size_t i = 0; i < unit->nr_tests; i++)
		if (unit->tests[i]->selected)
			seconds += unit->tests[i]->seconds;
	return seconds;
}

static bool needs(const struct unit *unit, const char *name)
{
	for (char **need = unit->needs; *need; need++)
		if (!strcmp(*need, name))
			return true;
	return false;
}

/* How much must wait for this unit, and then how long it takes: the larger, the earlier. */
static int urgency(const struct plan *plan, const struct unit *unit)
{
	int seconds = unit_seconds(unit);

	for (size_t i = 0; i < plan->nr_units; i++) {
		const struct unit *other = plan->units[i];

		if (other == unit || !unit_selected(other))
			continue;
		for (size_t j = 0; j < unit->nr_tests; j++)
			if (needs(other, unit->tests[j]->name))
				seconds += unit_seconds(other);
	}
	return seconds;
}

static bool is_build(const struct unit *unit)
{
	return unit->kind == UNIT_KERNEL && strncmp(unit->lane, "stock-", 6);
}

/* One build at a time: each of them takes all CPUs, and the second one finds what the first
 * compiled. */
static bool build_runs(const struct plan *plan)
{
	for (size_t i = 0; i < plan->nr_units; i++)
		if (plan->units[i]->pid && is_build(plan->units[i]))
			return true;
	return false;
}

/*
 * Return: 1: all that it needs has passed, 0: it has to wait, -1: it will never have it; then @why
 * says so.
 */
static int is_ready(const struct plan *plan, const struct unit *unit, char *why, size_t size)
{
	int ready = 1;

	for (char **need = unit->needs; *need; need++) {
		const struct test *test = table_find(plan, *need);

		if (!test->done) {
			ready = 0;
		} else if (test->result != PASS) {
			snprintf(why, size, "it needs %s, which %s", *need,
				 test->result == FAIL ? "failed" : "did not run");
			return -1;
		}
	}
	return ready && is_build(unit) && build_runs(plan) ? 0 : ready;
}

static void print_result(const struct plan *plan, const struct test *test)
{
	static const char *const words[] = { [PASS] = "ok", [FAIL] = "FAILED", [SKIP] = "skipped" };
	size_t done = 0, total = 0;

	for (size_t i = 0; i < plan->nr_tests; i++) {
		total += plan->tests[i]->selected;
		done += plan->tests[i]->selected && plan->tests[i]->done;
	}
	printf("[%2zu/%zu] %-7s %s, %s, %.1f s%s%s\n", done, total, words[test->result], test->name,
	       test->unit->lane, test->took, test->why[0] ? ": " : "", test->why);
}

static void skip_unit(const struct plan *plan, struct unit *unit, const char *why)
{
	unit->started = unit->done = true;
	for (size_t i = 0; i < unit->nr_tests; i++) {
		struct test *test = unit->tests[i];

		if (!test->selected)
			continue;
		test->done = true;
		test->result = SKIP;
		snprintf(test->why, sizeof(test->why), "%s", why);
		print_result(plan, test);
	}
}

/* The most urgent unit that can start; NULL where none can. What never can is skipped. */
static struct unit *next_unit(const struct plan *plan)
{
	struct unit *best = NULL;
	int best_urgency = -1;
	char why[300];

	for (size_t i = 0; i < plan->nr_units; i++) {
		struct unit *unit = plan->units[i];
		int ready, urgent;

		if (unit->started || !unit_selected(unit))
			continue;
		ready = is_ready(plan, unit, why, sizeof(why));
		if (ready < 0)
			skip_unit(plan, unit, why);
		if (ready <= 0)
			continue;
		urgent = urgency(plan, unit);
		if (urgent > best_urgency) {
			best = unit;
			best_urgency = urgent;
		}
	}
	return best;
}

static bool anything_left(const struct plan *plan)
{
	for (size_t i = 0; i < plan->nr_units; i++)
		if (!plan->units[i]->started && unit_selected(plan->units[i]))
			return true;
	return false;
}

static void print_running(const struct plan *plan)
{
	char log[4096], line[100];

	printf("still running:");
	for (size_t i = 0; i < plan->nr_units; i++) {
		const struct unit *unit = plan->units[i];
		const struct test *test = unit->tests[unit->in_test ? unit->at : 0];

		if (!unit->pid)
			continue;
		printf(" %s (%.0f s", test->name, now() - unit->start);
		if (unit->kind == UNIT_KERNEL) {
			unit_path(plan, test, ".log", log);
			last_line(log, line, sizeof(line));
			printf("; %s", line);
		}
		printf(")");
	}
	printf("\n");
}

static void unit_ended(const struct plan *plan, struct unit *unit)
{
	for (size_t i = 0; i < unit->nr_tests; i++)
		if (unit->tests[i]->selected)
			print_result(plan, unit->tests[i]);
}

static void start_failed(const struct plan *plan, struct unit *unit)
{
	unit->done = true;
	for (size_t i = 0; i < unit->nr_tests; i++) {
		struct test *test = unit->tests[i];

		test->done = true;
		test->result = FAIL;
		snprintf(test->why, sizeof(test->why), "%s", unit->tests[0]->why);
	}
	unit_ended(plan, unit);
}

int schedule_run(struct plan *plan, int jobs)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct sigaction sa = { .sa_handler = on_signal };
	double slow = slowness(), measured = now(), before = now(), spoke = now();
	int running = 0;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	while (running || (!interrupted && anything_left(plan))) {
		double passed = (now() - before) / slow;
		struct unit *unit;

		before = now();
		for (size_t i = 0; i < plan->nr_units; i++) {
			unit = plan->units[i];
			if (!unit->pid)
				continue;
			if (interrupted && !unit->stage)
				unit->left = -1;
			if (unit_poll(plan, unit, passed)) {
				unit_ended(plan, unit);
				running--;
				spoke = now();
			}
		}
		while (!interrupted && running < jobs && (unit = next_unit(plan))) {
			if (unit_start(plan, unit))
				start_failed(plan, unit);
			else
				running++;
		}
		if (now() - measured > SPEED_SECONDS) {
			slow = slowness();
			measured = now();
		}
		if (now() - spoke > SILENT_SECONDS) {
			print_running(plan);
			spoke = now();
		}
		nanosleep(&tick, NULL);
	}
	return interrupted;
}

/* --- the report --- */

static int by_time(const void *a, const void *b)
{
	const struct test *one = *(struct test *const *)a, *two = *(struct test *const *)b;

	return one->took < two->took ? 1 : -1;
}

/* Where the time went, in one line: the longest tests, and what the processors did in all. */
static void print_times(const struct plan *plan)
{
	struct test **order = must(calloc(plan->nr_tests + 1, sizeof(*order)));
	double cpu = 0, sum = 0;
	size_t nr = 0;

	for (size_t i = 0; i < plan->nr_units; i++)
		cpu += plan->units[i]->cpu;
	for (size_t i = 0; i < plan->nr_tests; i++) {
		if (!plan->tests[i]->done)
			continue;
		order[nr++] = plan->tests[i];
		sum += plan->tests[i]->took;
	}
	qsort(order, nr, sizeof(*order), by_time);
	printf("%.0f s of tests, %.0f s of CPU; the longest:", sum, cpu);
	for (size_t i = 0; i < nr && i < TOP; i++)
		printf("%s %s %.0f s", i ? "," : "", order[i]->name, order[i]->took);
	printf("\n");
	free(order);
}

int schedule_report(const struct plan *plan, int signal)
{
	size_t count[RESULT_MAX] = { 0 }, total = 0;

	for (size_t i = 0; i < plan->nr_tests; i++) {
		const struct test *test = plan->tests[i];

		total += test->selected;
		if (!test->selected || !test->done)
			continue;
		count[test->result]++;
		if (test->result == FAIL)
			printf("FAILED %s (%s): %s, log: %s/%s.log\n", test->name, test->unit->lane,
			       test->why, plan->out_dir, test->name);
	}
	if (signal) {
		fprintf(stderr, "runner: interrupted by signal %d, %zu of %zu tests ran\n", signal,
			count[PASS] + count[FAIL] + count[SKIP], total);
		return 128 + signal;
	}
	print_times(plan);
	printf("%zu passed, %zu failed, %zu skipped\n", count[PASS], count[FAIL], count[SKIP]);
	return count[FAIL] ? 1 : 0;
}
