// SPDX-License-Identifier: GPL-2.0-only
/*
 * Evaluates what tests/bench/lane.sh measured against the bounds of bounds.h.
 *
 *   bench_costs [--json] [--check] LANE=FILE...
 *   bench_costs --list
 *
 * LANE: vanilla, patched, and lab for what is measured in seconds. --check: the files are of
 * "bench.sh --check", which leaves out the rows marked "whole". --list: the rows with the numbers
 * that they need, for costs-test.sh.
 *
 * Exit status: 0, all bounds are met; 1, a bound is broken, a number is missing
 * or has no bound, or a file cannot be read; 2 wrong usage.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_NUMBERS   512
#define NAME_LEN      48
#define LINE_LEN      256
#define BPFTRACE      "bpftrace."
#define NO_BPFTRACE   "# no bpftrace: "

static const char *const lane_names[NR_LANES] = { "vanilla", "patched", "lab" };
static const char *const form_names[NR_FORMS] = { "value", "added", "percent", "times", "growth" };

struct number {
	enum lane lane;
	char name[NAME_LEN];
	double value;
	bool used; /* by a row */
};

enum verdict { MET, BROKEN, NOT_MEASURED, NR_VERDICTS };

static const char *const verdict_names[NR_VERDICTS] = { "met", "BROKEN", "NOT MEASURED" };

static struct number numbers[MAX_NUMBERS];
static size_t nr_numbers;
static char no_bpftrace[NR_LANES][LINE_LEN]; /* why, where there is none */

static struct number *find(enum lane lane, const char *name)
{
	size_t i;

	for (i = 0; i < nr_numbers; i++) {
		if (numbers[i].lane == lane && !strcmp(numbers[i].name, name))
			return &numbers[i];
	}
	return NULL;
}

/*
 * A number is measured once. Seconds are not deterministic: they are measured several times, and
 * the least counts.
 */
static int add_number(enum lane lane, const char *name, double value)
{
	struct number *n = find(lane, name);

	if (n && lane != LAB)
		return -1;
	if (n) {
		n->value = fmin(n->value, value);
		return 0;
	}
	if (nr_numbers == MAX_NUMBERS)
		return -1;
	n = &numbers[nr_numbers++];
	n->lane = lane;
	n->value = value;
	snprintf(n->name, sizeof(n->name), "%s", name);
	return 0;
}

/* NAME OPERATIONS CHEAPEST MEDIAN: the median counts. Or a comment, or why there is no bpftrace. */
static int read_line(enum lane lane, char *line)
{
	char name[NAME_LEN];
	double value;
	int end = 0;

	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, NO_BPFTRACE, strlen(NO_BPFTRACE))) {
		snprintf(no_bpftrace[lane], LINE_LEN, "%s", line + strlen(NO_BPFTRACE));
		return 0;
	}
	if (*line == '#')
		return 0;
	if (sscanf(line, "%47s %*u %*f %lf %n", name, &value, &end) != 2 || !end || line[end])
		return -1;
	return isfinite(value) ? add_number(lane, name, value) : -1;
}

static int read_lane(char *arg)
{
	char *path = strchr(arg, '='), line[LINE_LEN];
	int lane, nr = 0, bad = 0;
	FILE *f;

	if (path)
		*path++ = '\0';
	for (lane = 0; lane < NR_LANES && strcmp(arg, lane_names[lane]); lane++)
		;
	if (!path || lane == NR_LANES) {
		fprintf(stderr, "bench_costs: '%s' is not LANE=FILE\n", arg);
		return 2;
	}
	f = fopen(path, "re");
	if (!f) {
		perror(path);
		return 1;
	}
	while (!bad && fgets(line, sizeof(line), f)) {
		nr++;
		bad = read_line((enum lane)lane, line);
	}
	if (bad)
		fprintf(stderr,
			"bench_costs: %s:%d is not a line of lane.sh, or is there twice: %s\n",
			path, nr, line);
	fclose(f);
	return bad ? 1 : 0;
}

static double get(const struct number_key *key)
{
	struct number *n = key->name ? find(key->lane, key->name) : NULL;

	return n ? n->value : NAN;
}

/* The number of VMs that a name ends with. */
static double vms(const struct number_key *key)
{
	const char *digits = strrchr(key->name, '_');

	return digits ? atof(digits + 1) : NAN;
}

static double growth(const struct bound_row *row)
{
	double cost[2];
	int i;

	for (i = 0; i < 2; i++) {
		const struct number_key *from = &row->keys[2 * i], *to = from + 1;

		cost[i] = (get(to) - get(from)) / (vms(to) - vms(from));
	}
	return fmax(cost[1] / cost[0], cost[0] / cost[1]);
}

static double evaluate(const struct bound_row *row)
{
	double a = get(&row->keys[0]), b = get(&row->keys[1]);

	switch (row->form) {
	case VALUE: return a / (row->scale ?: 1);
	case ADDED: return a - b;
	case PERCENT: return 100 * (a - b) / b;
	case TIMES: return a / b;
	case GROWTH: return growth(row);
	case NR_FORMS: break;
	}
	return NAN;
}

static const char *unit(const struct bound_row *row)
{
	static const char *const units[NR_FORMS] = { NULL, "instructions", "percent", "times",
						     "times" };

	return row->form == VALUE ? row->unit : units[row->form];
}

static bool is_bpftrace(const struct number_key *key)
{
	return !strncmp(key->name, BPFTRACE, strlen(BPFTRACE));
}

/* What @key names must have been measured, unless it is bpftrace's and lane.sh says why not. */
static bool is_missing(const struct number_key *key)
{
	struct number *n;

	if (!key->name)
		return false;
	n = find(key->lane, key->name);
	if (n)
		n->used = true;
	return !n && !(is_bpftrace(key) && *no_bpftrace[key->lane]);
}

/* Prints which numbers of a row are missing; returns how many. */
static int report_missing(const struct bound_row *row, bool whole, bool quiet)
{
	const struct number_key *keys[MAX_KEYS + MAX_SHOWN];
	int i, missing = 0;

	for (i = 0; i < MAX_KEYS + MAX_SHOWN; i++)
		keys[i] = i < MAX_KEYS ? &row->keys[i] : &row->shown[i - MAX_KEYS];
	for (i = 0; i < MAX_KEYS + MAX_SHOWN; i++) {
		if (!is_missing(keys[i]) || (i >= MAX_KEYS && !whole))
			continue;
		missing++;
		if (!quiet)
			printf("not measured: %s: %s/%s\n", row->id, lane_names[keys[i]->lane],
			       keys[i]->name);
	}
	return missing;
}

static enum verdict judge(const struct bound_row *row, bool whole)
{
	double value = evaluate(row);

	if (report_missing(row, whole, true) || !isfinite(value))
		return NOT_MEASURED;
	return value > row->max ? BROKEN : MET;
}

static const char *why(const struct bound_row *row)
{
	return row->why ?: groups[row->group].why;
}

static void report(const struct bound_row *row, enum verdict verdict, bool whole)
{
	double value = evaluate(row);

	switch (verdict) {
	case BROKEN:
		printf("broken: %s: %.2f %s, the bound is %.10g (%s)\n", row->id, value, unit(row),
		       row->max, why(row));
		break;
	case NOT_MEASURED:
		if (!report_missing(row, whole, false))
			printf("not measured: %s: its numbers have no such relation\n", row->id);
		break;
	case MET:
	case NR_VERDICTS: break;
	}
}

/* Instructions with separators, anything else with two digits. */
static void cell(double value, bool sign, bool integer)
{
	char digits[32], text[48], *to = text;
	const char *at = digits;

	if (!isfinite(value)) {
		printf(" %14s", "-");
		return;
	}
	snprintf(digits, sizeof(digits), "%.*f", integer ? 0 : 2, fabs(value));
	if (sign || value < 0)
		*to++ = value < 0 ? '-' : '+';
	while (*at) {
		*to++ = *at++;
		if (integer && *at && strlen(at) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
	printf(" %14s", text);
}

static void print_row(const struct bound_row *row, enum verdict verdict, bool whole)
{
	bool integer = row->form == ADDED || (row->form == VALUE && strcmp(row->unit, "seconds"));
	bool sign = row->form == ADDED || row->form == PERCENT;
	double base = get(&row->keys[1]);
	int i;

	printf("  %-34s", row->id);
	cell(row->form == GROWTH ? NAN : get(&row->keys[0]), false, true);
	cell(row->form == GROWTH ? NAN : base, false, true);
	cell(evaluate(row), sign, integer);
	cell(row->max, sign, integer);
	printf(" %-15s %-12s", unit(row), verdict_names[verdict]);
	for (i = 0; whole && i < MAX_SHOWN; i++) {
		if (row->shown[i].name)
			cell((get(&row->shown[i]) - base) * (row->group == GMEMTOP ? 1 : -1), true,
			     true);
	}
	printf("\n");
}

static void print_heading(enum group group, bool whole)
{
	printf("%s%s\n  %-34s %14s %14s %14s %14s\n", group ? "\n" : "", groups[group].title,
	       "bound", "measured", "over", "is", "at most");
	if (group == GMEMTOP && whole)
		printf("  (last two columns: what empty programs in the same places add, and what "
		       "bpftrace adds)\n");
	if ((group == FILES || group == LOCKED) && whole)
		printf("  (last column: what the empty programs add)\n");
}

static void put(struct json_object *to, const char *name, double value)
{
	json_object_object_add(to, name, isfinite(value) ? json_object_new_double(value) : NULL);
}

static struct json_object *row_json(const struct bound_row *row, enum verdict verdict, bool whole)
{
	struct json_object *json = json_object_new_object(), *used = json_object_new_object();
	char name[NAME_LEN + 16];
	int i;

	for (i = 0; i < MAX_KEYS + MAX_SHOWN; i++) {
		const struct number_key *key = i < MAX_KEYS ? &row->keys[i]
							    : &row->shown[i - MAX_KEYS];

		if (!key->name || (i >= MAX_KEYS && !whole))
			continue;
		snprintf(name, sizeof(name), "%s/%s", lane_names[key->lane], key->name);
		put(used, name, get(key));
	}
	json_object_object_add(json, "id", json_object_new_string(row->id));
	json_object_object_add(json, "group", json_object_new_string(groups[row->group].title));
	json_object_object_add(json, "numbers", used);
	put(json, "value", evaluate(row));
	json_object_object_add(json, "unit", json_object_new_string(unit(row)));
	put(json, "bound", row->max);
	json_object_object_add(json, "verdict", json_object_new_string(verdict_names[verdict]));
	json_object_object_add(json, "why", json_object_new_string(why(row)));
	return json;
}

/* A number without a bound: somebody measures more, and forgot the row. */
static int report_unused(bool text)
{
	int unused = 0;
	size_t i;

	for (i = 0; i < nr_numbers; i++) {
		if (numbers[i].used)
			continue;
		unused++;
		if (text)
			printf("no bound: %s/%s: add a row to tests/bench/bounds.h\n",
			       lane_names[numbers[i].lane], numbers[i].name);
	}
	return unused;
}

static void print_no_bpftrace(void)
{
	int lane;

	for (lane = 0; lane < NR_LANES; lane++) {
		if (*no_bpftrace[lane])
			printf("no bpftrace in lane %s: %s\n", lane_names[lane], no_bpftrace[lane]);
	}
}

/* Returns the exit status. */
static int print(bool text, bool whole)
{
	struct json_object *json = json_object_new_array();
	int count[NR_VERDICTS] = { 0 }, unused, failed, group = -1;
	enum verdict verdicts[ARRAY_SIZE(bounds)];
	size_t i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(bounds); i++) {
		const struct bound_row *row = &bounds[i];

		/* A row of the whole bench is known to the check, and not asked for. */
		verdicts[i] = judge(row, whole);
		if (row->whole && !whole)
			continue;
		nr++;
		count[verdicts[i]]++;
		if (text && group != (int)row->group) {
			group = (int)row->group;
			print_heading(row->group, whole);
		}
		if (text)
			print_row(row, verdicts[i], whole);
		json_object_array_add(json, row_json(row, verdicts[i], whole));
	}
	if (text)
		printf("\n");
	for (i = 0; text && i < ARRAY_SIZE(bounds); i++) {
		if (whole || !bounds[i].whole)
			report(&bounds[i], verdicts[i], whole);
	}
	unused = report_unused(text);
	failed = count[BROKEN] + count[NOT_MEASURED] + unused;
	if (text) {
		print_no_bpftrace();
		printf("%zu bounds: met %d, broken %d, not measured %d; numbers without a bound: %d\n",
		       nr, count[MET], count[BROKEN], count[NOT_MEASURED], unused);
	} else {
		printf("%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	}
	json_object_put(json);
	return failed ? 1 : 0;
}

/* ID CHECK|WHOLE FORM MAX SCALE NUMBER...: fields are separated by tabs. */
static int list(void)
{
	const struct bound_row *row;
	size_t i;
	int k;

	for (i = 0; i < ARRAY_SIZE(bounds); i++) {
		row = &bounds[i];
		printf("%s\t%s\t%s\t%.10g\t%.10g", row->id, row->whole ? "whole" : "check",
		       form_names[row->form], row->max, row->scale ?: 1);
		for (k = 0; k < MAX_KEYS && row->keys[k].name; k++)
			printf("\t%s/%s", lane_names[row->keys[k].lane], row->keys[k].name);
		printf("\n");
	}
	return 0;
}

/* Every row has a bound and a name of its own. */
static int check_table(void)
{
	size_t i, j;
	int bad = 0;

	for (i = 0; i < ARRAY_SIZE(bounds); i++) {
		for (j = 0; j < i && strcmp(bounds[i].id, bounds[j].id); j++)
			;
		if (j == i && bounds[i].max > 0 && unit(&bounds[i]))
			continue;
		fprintf(stderr,
			"bench_costs: row %s has no bound, no unit or a name that is taken\n",
			bounds[i].id);
		bad = 1;
	}
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'c' },
		{ "list", no_argument, NULL, 'l' },
		{ 0 },
	};
	bool text = true, whole = true;
	int c, ret = check_table();

	while (!ret && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j': text = false; break;
		case 'c': whole = false; break;
		case 'l': return list();
		default: return 2;
		}
	}
	if (!ret && optind == argc) {
		fprintf(stderr, "usage: bench_costs [--json] [--check] LANE=FILE... | --list\n");
		return 2;
	}
	for (; !ret && optind < argc; optind++)
		ret = read_lane(argv[optind]);
	return ret ?: print(text, whole);
}
