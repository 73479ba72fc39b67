// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests of a table, several at a time, and counts.
 *
 *   runner [-l] [-j JOBS] [-o DIR] [-L LAB] TABLE [PATTERN...]
 *
 * A line of the table: NAME WHERE SECONDS COMMAND. WHERE is one of
 *
 *   host[:NEED,...]       COMMAND runs on this machine, when the kernel of each lane and the tests
 *                         above that it needs are there;
 *   LANE[/CPUS][+WORDS]   in a VM of the lab (tests/vm/lab.sh) with that lane's kernel; WORDS go to
 *                         the kernel's command line;
 *   +                     in the VM of the line above, after its test.
 *
 * The kernel of a lane is a test of its own, kernel-LANE. Where it fails, the lane's tests are
 * skipped and all others run.
 *
 * Exit status 0 of a test is a pass, 77 a skip whose last line of output gives the reason and names
 * the lane where the test does run, anything else a failure. SECONDS is the limit on an idle
 * machine; on a slower or loaded one it is longer (speed.c). JOBS is 1 unless given.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner.h"

#define MAX_JOBS 64

static int usage(void)
{
	fprintf(stderr, "usage: runner [-l] [-j 1..%d] [-o DIR] [-L LAB] TABLE [PATTERN|LANE...]\n",
		MAX_JOBS);
	return 2;
}

static void list(const struct plan *plan)
{
	for (size_t i = 0; i < plan->nr_tests; i++) {
		const struct test *test = plan->tests[i];

		if (test->selected)
			printf("%-28s %-10s %5d s  %s\n", test->name, test->unit->lane,
			       test->seconds, test->command);
	}
}

int main(int argc, char **argv)
{
	struct plan plan = { .out_dir = "build/check", .lab = "tests/vm/lab.sh" };
	static char self[4096];
	bool list_only = false;
	int opt, jobs = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "i:j:L:lo:")) != -1) {
		switch (opt) {
		case 'i': return inside_run(optarg);
		case 'j': jobs = atoi(optarg); break;
		case 'L': plan.lab = optarg; break;
		case 'l': list_only = true; break;
		case 'o': plan.out_dir = optarg; break;
		default: return usage();
		}
	}
	if (optind >= argc || jobs < 1 || jobs > MAX_JOBS)
		return usage();
	if (table_read(&plan, argv[optind++]))
		return 2;
	if (!table_select(&plan, argv + optind)) {
		fprintf(stderr, "runner: no test is selected; -l lists them\n");
		return 2;
	}
	if (list_only) {
		list(&plan);
		return 0;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
		perror("runner: /proc/self/exe");
		return 1;
	}
	plan.self = self;
	if (make_dirs(plan.out_dir))
		return 1;
	return schedule_report(&plan, schedule_run(&plan, jobs));
}
