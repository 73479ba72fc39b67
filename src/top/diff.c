// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/opts.h"
#include "diff.h"
#include "report.h"
#include "session.h"

struct options {
	const char *a, *b, *fail_if, *from, *to;
	bool json, list, help;
	int verbose;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "A", NULL, "the recording to compare with", AT(a), OPT_OPERAND, 0 },
	{ "B", NULL, "the recording that is compared", AT(b), OPT_OPERAND, 0 },
	{ "fail-if", "CONDITION",
	  "end with status 6 if it holds of B: 'p99 > 1.2x', 'errors > 0'; commas between several",
	  AT(fail_if), OPT_STRING, 0 },
	{ "measures", NULL, "list what conditions can be about", AT(list), OPT_FLAG, 0 },
	{ "json", NULL, "one JSON object", AT(json), OPT_FLAG, 0 },
	{ "from", "TIME", "compare what comes from there on in each: +60 or -60", AT(from),
	  OPT_STRING, 0 },
	{ "to", "TIME", "compare what comes up to there in each", AT(to), OPT_STRING, 0 },
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT,
	  'v' },
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' },
	{ 0 },
};

static const char usage[] =
	"Usage: gmemtop diff A B [OPTION]...\n\n"
	"What changed from recording A to recording B: totals, durations with their distribution,\n"
	"and causes of trouble that came or went. For tests of a kernel or a VMM: --fail-if.\n";

struct distance distance_of(const struct latency *a, const struct latency *b)
{
	const struct latency *both[2] = { a, b };
	double total[2] = { 0 }, sum[2] = { 0 }, apart;
	struct distance distance = { 0 };
	unsigned int i, s;

	for (s = 0; s < 2; s++) {
		for (i = both[s]->low; i < both[s]->high; i++)
			total[s] += (double)both[s]->hist[i];
	}
	if (total[0] == 0 || total[1] == 0)
		return distance;
	distance.known = true;
	distance.chance = 1.63 * sqrt((total[0] + total[1]) / (total[0] * total[1]));
	for (i = 0; i < GMEM_HIST_BUCKETS; i++) {
		for (s = 0; s < 2; s++) {
			if (i >= both[s]->low && i < both[s]->high)
				sum[s] += (double)both[s]->hist[i] / total[s];
		}
		apart = sum[0] - sum[1];
		if (fabs(apart) <= distance.most)
			continue;
		distance.most = fabs(apart);
		distance.at_ns = latency_end(i, a->max_ns > b->max_ns ? a->max_ns : b->max_ns);
		distance.slower = apart > 0;
	}
	return distance;
}

bool diff_crossed(const struct diff *diff, const struct condition *condition, bool *known)
{
	double value[2];
	int i;

	*known = measure_of(&diff->digests[1], condition->measure, &value[1]);
	value[0] = 0;
	if (condition->kind != CONDITION_VALUE)
		*known &= measure_of(&diff->digests[0], condition->measure, &value[0]);
	i = *known && condition_holds(condition, value[1], value[0]);
	return i;
}

static int list_measures(void)
{
	int i;

	for (i = 0; i < NR_MEASURES; i++)
		printf("%-22s %-6s %s\n", measures[i].name, unit_names[measures[i].unit],
		       measures[i].help);
	return GMEM_EXIT_OK;
}

/* A condition about what is unknown is an error: a test that checks nothing must not pass. */
static int check_conditions(const struct diff *diff)
{
	bool known, crossed = false;
	unsigned int i;

	for (i = 0; i < diff->nr_conditions; i++) {
		crossed |= diff_crossed(diff, &diff->conditions[i], &known);
		if (!known)
			return log_error(-ENODATA, "the recordings do not have that number", NULL,
					 "check '%s'", diff->conditions[i].text);
	}
	return crossed ? GMEM_EXIT_FOUND : 0;
}

int diff_main(int argc, char **argv)
{
	struct options opts = { 0 };
	struct diff diff = { 0 };
	const char *why;
	int ret, i;

	/* Errors in the options themselves are JSON already. */
	for (i = 1; i < argc; i++)
		opts.json |= !strcmp(argv[i], "--json");
	log_setup("gmemtop", opts.json, 0);
	ret = opts_parse(table, &opts, argc, argv);
	log_setup("gmemtop", opts.json, opts.verbose);
	if (ret)
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		opts_usage(table, usage);
		return GMEM_EXIT_OK;
	}
	if (opts.list)
		return list_measures();
	if (!opts.b)
		return log_error(-EINVAL, "it takes two recordings", NULL, "gmemtop diff");
	if (opts.fail_if &&
	    conditions_parse(opts.fail_if, true, diff.conditions, &diff.nr_conditions, &why))
		return log_error(-EINVAL, why, NULL, "--fail-if '%s'", opts.fail_if);
	session_catch_signals();
	diff.paths[0] = opts.a;
	diff.paths[1] = opts.b;
	for (i = 0; i < 2 && !ret; i++) {
		ret = report_read(&diff.digests[i], diff.paths[i], opts.from, opts.to);
		if (!ret && diagnose(&diff.diagnoses[i], &diff.digests[i]))
			ret = log_error(-ENOMEM, NULL, NULL, "compare %s", diff.paths[i]);
	}
	if (!ret)
		ret = opts.json ? diff_json(stdout, &diff) : diff_text(stdout, &diff);
	if (!ret)
		ret = check_conditions(&diff);
	for (i = 0; i < 2; i++) {
		diagnosis_free(&diff.diagnoses[i]);
		digest_free(&diff.digests[i]);
	}
	return ret;
}
