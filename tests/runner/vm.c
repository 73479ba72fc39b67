// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM that runs several tests: this machine's side. The VM prints marks between the output of its
 * tests (see inside.c); they divide its log, and say how far it is while it runs.
 *
 *   NAME.vm, NAME.vm.log   directory and log of the VM, by the name of its first test
 *   NAME.lab, NAME.log     directory ($LAB_OUT) and log of each test
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int vm_prepare(const struct plan *plan, struct unit *unit)
{
	char dir[4096], path[4096 + 16];
	int ret;
	FILE *f;

	for (size_t i = 0; i < unit->nr_tests; i++) {
		unit_path(plan, unit->tests[i], ".lab", dir);
		remove_tree(dir);
		unit_path(plan, unit->tests[i], ".log", dir);
		unlink(dir);
	}
	unit_path(plan, unit->tests[0], ".vm", dir);
	remove_tree(dir);
	ret = make_dirs(dir);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/tests", dir);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	for (size_t i = 0; i < unit->nr_tests; i++)
		if (unit->tests[i]->selected)
			fprintf(f, "%s\t%s\n", unit->tests[i]->name, unit->tests[i]->command);
	return fclose(f) ? -errno : 0;
}

/* The next test that is to run, from the one at @at on. */
static size_t next_selected(const struct unit *unit, size_t at)
{
	while (at < unit->nr_tests && !unit->tests[at]->selected)
		at++;
	return at;
}

static void test_ended(struct test *test, const char *text)
{
	int status = 0, n = 0;
	double seconds = 0;

	test->done = true;
	test->result = FAIL;
	if (sscanf(text, "%d %lf %n", &status, &seconds, &n) < 2 || !n) {
		snprintf(test->why, sizeof(test->why), "its end mark cannot be read");
		return;
	}
	test->took = seconds;
	if (text[n])
		snprintf(test->why, sizeof(test->why), "%s", text + n);
	else if (status == 0)
		test->result = PASS;
	else if (status == SKIPPED)
		test->result = SKIP; /* vm_collect() looks for the reason */
	else if (status > 128)
		snprintf(test->why, sizeof(test->why), "killed by signal %d", status - 128);
	else
		snprintf(test->why, sizeof(test->why), "exit status %d", status);
}

/* A mark: which test has begun, or ended. */
static void heed(struct unit *unit, const char *mark)
{
	const struct test *test;
	size_t length;

	unit->at = next_selected(unit, unit->at);
	if (unit->at == unit->nr_tests)
		return;
	test = unit->tests[unit->at];
	length = strlen(test->name);
	if (!strncmp(mark, "begin ", 6) && !strcmp(mark + 6, test->name)) {
		unit->in_test = true;
		unit->test_start = now();
	} else if (unit->in_test && !strncmp(mark, "end ", 4) &&
		   !strncmp(mark + 4, test->name, length) && mark[4 + length] == ' ') {
		test_ended(unit->tests[unit->at++], mark + 4 + length + 1);
		unit->in_test = false;
	}
}

static FILE *open_log(const struct plan *plan, const struct unit *unit)
{
	char path[4096];

	unit_path(plan, unit->tests[0], ".vm.log", path);
	return fopen(path, "re");
}

void vm_follow(const struct plan *plan, struct unit *unit)
{
	FILE *f = open_log(plan, unit);
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f || fseek(f, unit->seen, SEEK_SET))
		goto out;
	while ((n = getline(&line, &size, f)) > 0) {
		char *mark;

		if (line[n - 1] != '\n')
			break; /* the rest of it is still to come */
		line[n - 1] = '\0';
		unit->seen += n;
		mark = memchr(line, MARK, (size_t)n);
		if (mark)
			heed(unit, mark + 1);
	}
out:
	free(line);
	if (f)
		fclose(f);
}

/* Divide the VM's log: each test gets what stands between its marks, and the last one the rest. */
static void divide_log(const struct plan *plan, const struct unit *unit)
{
	FILE *f = open_log(plan, unit), *to = NULL;
	char path[4096], *line = NULL;
	size_t size = 0;
	ssize_t n;

	while (f && (n = getline(&line, &size, f)) > 0) {
		char *mark = memchr(line, MARK, (size_t)n);
		size_t text = mark ? (size_t)(mark - line) : (size_t)n;
		struct test *test;

		if (mark && !strncmp(mark + 1, "begin ", 6)) {
			mark[strcspn(mark, "\n")] = '\0';
			test = table_find(plan, mark + 7);
			if (test && test->unit == unit) {
				unit_path(plan, test, ".log", path);
				if (to)
					fclose(to);
				to = fopen(path, "we");
			}
			continue;
		}
		if (to)
			fwrite(line, 1, text, to);
	}
	free(line);
	if (to)
		fclose(to);
	if (f)
		fclose(f);
}

/* Where the VM itself failed: the reason, for all tests that it should have run, or for the last. */
static void vm_failed(const struct plan *plan, struct unit *unit, int status)
{
	char log[4096], why[200];
	struct test *last = NULL;

	unit_path(plan, unit->tests[0], ".vm.log", log);
	if (unit->stage)
		snprintf(why, sizeof(why), "the VM did not boot or end in time");
	else
		last_line(log, why, sizeof(why));
	for (size_t i = 0; i < unit->nr_tests; i++) {
		struct test *test = unit->tests[i];

		if (!test->selected)
			continue;
		last = test;
		if (test->done)
			continue;
		test->done = true;
		test->result = FAIL;
		if (i == unit->at && unit->in_test) {
			test->took = now() - unit->test_start;
			if (unit->stage)
				snprintf(test->why, sizeof(test->why),
					 "not finished after %d s (time limit)", test->seconds);
			else
				snprintf(test->why, sizeof(test->why), "the VM ended: %s", why);
		} else {
			snprintf(test->why, sizeof(test->why), "did not run, the VM ended: %s",
				 why);
		}
	}
	/* A report of the kernel is found when all tests are over. */
	if (last && last->result == PASS &&
	    (unit->stage || !WIFEXITED(status) || WEXITSTATUS(status))) {
		last->result = FAIL;
		snprintf(last->why, sizeof(last->why), "the VM: %s (all of it: %s.vm.log)", why,
			 unit->tests[0]->name);
	}
}

void vm_collect(const struct plan *plan, struct unit *unit, int status)
{
	char from[4096], dir[4096], to[4096], path[4096 + 300];

	divide_log(plan, unit);
	unit_path(plan, unit->tests[0], ".vm", dir);
	for (size_t i = 0; i < unit->nr_tests; i++) {
		struct test *test = unit->tests[i];

		if (!test->selected)
			continue;
		unit_path(plan, test, ".log", from);
		if (test->done && test->result == SKIP) {
			last_line(from, test->why, sizeof(test->why));
			if (!lane_named_in(test->why)) {
				test->result = FAIL;
				snprintf(test->why, sizeof(test->why),
					 "skipped without saying where it runs");
			}
		}
		snprintf(path, sizeof(path), "%s/%s", dir, test->name);
		unit_path(plan, test, ".lab", to);
		if (rename(path, to) && errno != ENOENT)
			fprintf(stderr, "runner: cannot move %s to %s: %s\n", path, to,
				strerror(errno));
	}
	vm_failed(plan, unit, status);
}
