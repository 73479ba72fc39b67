// SPDX-License-Identifier: GPL-2.0-only
/* The table of tests, see main.c for its form. */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

/* Given by the Makefile, from tests/vm/lib.sh: names with blanks between them. */
static const char lanes[] = GMEM_LANES;

/* A kernel's build may take this long on an idle machine of two CPUs. */
#define KERNEL_SECONDS 2400

static bool next_lane(const char **at, char name[64])
{
	size_t length;

	*at += strspn(*at, " ");
	length = strcspn(*at, " ");
	if (!length || length >= 64)
		return false;
	memcpy(name, *at, length);
	name[length] = '\0';
	*at += length;
	return true;
}

bool lane_known(const char *lane)
{
	const char *at = lanes;
	char name[64];

	while (next_lane(&at, name))
		if (!strcmp(lane, name))
			return true;
	return false;
}

bool lane_named_in(const char *text)
{
	const char *at = lanes;
	char name[64];

	while (next_lane(&at, name))
		if (strstr(text, name))
			return true;
	return strstr(text, "host") || strstr(text, "machine");
}

struct test *table_find(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->nr_tests; i++)
		if (!strcmp(plan->tests[i]->name, name))
			return plan->tests[i];
	return NULL;
}

static struct unit *add_unit(struct plan *plan, enum unit_kind kind, const char *lane)
{
	struct unit *unit = must(calloc(1, sizeof(*unit)));

	unit->kind = kind;
	unit->lane = must(strdup(lane));
	unit->needs = must(calloc(1, sizeof(*unit->needs)));
	plan->units = must(reallocarray(plan->units, plan->nr_units + 1, sizeof(*plan->units)));
	plan->units[plan->nr_units++] = unit;
	return unit;
}

static struct test *add_test(struct plan *plan, struct unit *unit, const char *name, int seconds,
			     const char *command)
{
	struct test *test = must(calloc(1, sizeof(*test)));

	test->name = must(strdup(name));
	test->command = must(strdup(command));
	test->seconds = seconds;
	test->unit = unit;
	unit->tests = must(reallocarray(unit->tests, unit->nr_tests + 1, sizeof(*unit->tests)));
	unit->tests[unit->nr_tests++] = test;
	plan->tests = must(reallocarray(plan->tests, plan->nr_tests + 1, sizeof(*plan->tests)));
	plan->tests[plan->nr_tests++] = test;
	return test;
}

static void add_need(struct unit *unit, const char *name)
{
	size_t nr = 0;

	while (unit->needs[nr])
		nr++;
	unit->needs = must(reallocarray(unit->needs, nr + 2, sizeof(*unit->needs)));
	unit->needs[nr] = must(strdup(name));
	unit->needs[nr + 1] = NULL;
}

static void need_kernel(struct plan *plan, struct unit *unit, const char *lane)
{
	char *name = NULL, *command = NULL;
	struct unit *kernel;

	if (asprintf(&name, KERNEL_TEST "%s", lane) < 0 ||
	    asprintf(&command, "tests/vm/kernel.sh %s", lane) < 0)
		must(NULL);
	add_need(unit, name);
	if (!table_find(plan, name)) {
		kernel = add_unit(plan, UNIT_KERNEL, lane);
		add_test(plan, kernel, name, KERNEL_SECONDS, command);
	}
	free(name);
	free(command);
}

/* host[:NEED,NEED...]: Return: NULL where a need is neither a lane nor the name of a test above. */
static struct unit *host_unit(struct plan *plan, char *needs)
{
	struct unit *unit = add_unit(plan, UNIT_HOST, "host");
	char *need, *rest = needs;

	while ((need = strsep(&rest, ","))) {
		if (lane_known(need))
			need_kernel(plan, unit, need);
		else if (table_find(plan, need))
			add_need(unit, need);
		else
			return NULL;
	}
	return unit;
}

/* LANE[/CPUS][+WORDS] */
static struct unit *vm_unit(struct plan *plan, char *text)
{
	char *append = strchr(text, '+'), *cpus;
	struct unit *unit;

	if (append)
		*append++ = '\0';
	cpus = strchr(text, '/');
	if (cpus)
		*cpus++ = '\0';
	if (!lane_known(text) || (append && !*append) ||
	    (cpus && (!*cpus || cpus[strspn(cpus, "0123456789")])))
		return NULL;
	unit = add_unit(plan, UNIT_VM, text);
	unit->append = append ? must(strdup(append)) : NULL;
	unit->cpus = cpus ? must(strdup(cpus)) : NULL;
	need_kernel(plan, unit, text);
	return unit;
}

/* Return: what is wrong with it, or NULL. */
static const char *add_line(struct plan *plan, const char *line, struct unit **last_vm)
{
	char *name = NULL, *where = NULL;
	const char *wrong = NULL;
	struct unit *unit;
	int seconds, at = 0;

	if (sscanf(line, "%ms %ms %d %n", &name, &where, &seconds, &at) != 3 || !at || !line[at] ||
	    seconds <= 0 || strchr(name, '/')) {
		wrong = "not NAME WHERE SECONDS COMMAND";
		goto out;
	}
	if (table_find(plan, name)) {
		wrong = "a second test of that name";
		goto out;
	}
	if (!strcmp(where, "+")) {
		unit = *last_vm;
		wrong = unit ? NULL : "\"+\", and no VM above it";
	} else if (!strcmp(where, "host")) {
		unit = host_unit(plan, NULL);
	} else if (!strncmp(where, "host:", 5)) {
		unit = host_unit(plan, where + 5);
		wrong = unit ? NULL : "it needs what is neither a lane nor a test above";
	} else {
		unit = vm_unit(plan, where);
		wrong = unit ? NULL : "no such lane";
	}
	if (!wrong) {
		add_test(plan, unit, name, seconds, line + at);
		*last_vm = unit->kind == UNIT_VM ? unit : NULL;
	}
out:
	free(name);
	free(where);
	return wrong;
}

int table_read(struct plan *plan, const char *path)
{
	struct unit *last_vm = NULL;
	const char *wrong = NULL;
	char *line = NULL;
	size_t size = 0;
	int nr = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		fprintf(stderr, "runner: cannot read the table %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (!wrong && getline(&line, &size, f) > 0) {
		nr++;
		line[strcspn(line, "\n")] = '\0';
		if (line[strspn(line, " \t")] && line[0] != '#')
			wrong = add_line(plan, line, &last_vm);
	}
	if (wrong)
		fprintf(stderr, "runner: %s:%d: %s: %s\n", path, nr, wrong, line);
	free(line);
	fclose(f);
	return wrong ? -1 : 0;
}

static bool wanted(const struct test *test, char **patterns)
{
	if (!*patterns)
		return test->unit->kind != UNIT_KERNEL;
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, test->name, 0) ||
		    (test->unit->kind != UNIT_KERNEL && !strcmp(*patterns, test->unit->lane)))
			return true;
	return false;
}

static size_t select_with_needs(struct plan *plan, struct test *test)
{
	size_t nr = 1;

	if (test->selected)
		return 0;
	test->selected = true;
	for (char **need = test->unit->needs; *need; need++)
		nr += select_with_needs(plan, table_find(plan, *need));
	return nr;
}

size_t table_select(struct plan *plan, char **patterns)
{
	size_t nr = 0;

	for (size_t i = 0; i < plan->nr_tests; i++)
		if (wanted(plan->tests[i], patterns))
			nr += select_with_needs(plan, plan->tests[i]);
	return nr;
}
