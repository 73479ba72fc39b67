// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares runs of build/tests/bench_ops.
 *
 *   bench_table NAME=FILE...                prints the runs beside each other, and how much each
 *                                           differs from the first
 *   bench_table --max PERCENT NAME=FILE...  also exits 1 if a number differs by more, or is missing
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 8
#define MAX_OPS	 256
#define NAME_LEN 32

struct run {
	const char *name;
	double cost[MAX_OPS];
};

struct table {
	char op[MAX_OPS][NAME_LEN];
	int nr_ops;
	struct run run[MAX_RUNS];
	int nr_runs;
};

static int find_op(struct table *t, const char *name)
{
	for (int i = 0; i < t->nr_ops; i++)
		if (!strcmp(t->op[i], name))
			return i;
	if (t->nr_ops == MAX_OPS)
		return -1;
	snprintf(t->op[t->nr_ops], NAME_LEN, "%s", name);
	return t->nr_ops++;
}

/* A line is: name, operations of a round, cheapest, median. The median is what counts. */
static int read_run(struct table *t, char *arg)
{
	char *path = strchr(arg, '=');
	struct run *run = &t->run[t->nr_runs];
	char op[NAME_LEN];
	double median;
	FILE *f;
	int n = 0;

	if (!path || t->nr_runs == MAX_RUNS) {
		fprintf(stderr, "bench_table: '%s' is not NAME=FILE, or one too many\n", arg);
		return -1;
	}
	*path++ = '\0';
	run->name = arg;
	f = fopen(path, "r");
	if (!f) {
		perror(path);
		return -1;
	}
	while (fscanf(f, "%31s %*u %*f %lf", op, &median) == 2) {
		int i = find_op(t, op);

		if (i < 0 || !(median > 0))
			break;
		run->cost[i] = median;
		n++;
	}
	if (!feof(f) || !n) {
		fprintf(stderr, "bench_table: %s: not the output of bench_ops\n", path);
		n = 0;
	}
	fclose(f);
	t->nr_runs++;
	return n ? 0 : -1;
}

/* Prints the table; returns the largest difference from the first run in percent. */
static double print(const struct table *t)
{
	double worst = 0;

	printf("%-30s", "operation");
	for (int r = 0; r < t->nr_runs; r++)
		printf(r ? " %12s  differs" : " %12s", t->run[r].name);
	printf("\n");
	for (int i = 0; i < t->nr_ops; i++) {
		double base = t->run[0].cost[i];

		printf("%-30s %12.0f", t->op[i], base);
		for (int r = 1; r < t->nr_runs; r++) {
			double diff = base ? (t->run[r].cost[i] / base - 1) * 100 : INFINITY;

			printf(" %12.0f %+7.2f%%", t->run[r].cost[i], diff);
			worst = fmax(worst, fabs(diff));
		}
		printf("\n");
	}
	return worst;
}

int main(int argc, char **argv)
{
	static struct table t;
	double max = INFINITY;
	int i = 1;

	if (argc > 2 && !strcmp(argv[1], "--max")) {
		max = atof(argv[2]);
		i = 3;
	}
	if (i >= argc) {
		fprintf(stderr, "usage: bench_table [--max PERCENT] NAME=FILE...\n");
		return 2;
	}
	for (; i < argc; i++)
		if (read_run(&t, argv[i]))
			return 1;
	if (print(&t) <= max)
		return 0;
	printf("more than %.2f %% apart\n", max);
	return 1;
}
