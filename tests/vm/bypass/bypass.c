// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bypass suite, see bypass.h. Runs as root in the lab.
 *
 *   bypass [--lane NAME] [--rounds N] [--falsify] [--verbose] [--list]
 *          [--area A | --no-area A...] [--differs-from LANE] [--first-load | --no-first-load]
 * [CASE...]
 *
 * One line for each case; the exit status is 6 if one is not as expected. Each path is tried first
 * without any program of a policy, then under a policy.
 *
 * --falsify: no policy is loaded. Every case that expects to be stopped must report then that its
 * path succeeds; the exit status is 6 if one does not. Without names all such cases are run, but
 * those that say why they cannot be falsified.
 * --differs-from: only cases for which this lane expects something else than that one.
 * --first-load: only cases that begin with a first load of their own; they take seconds each.
 * --no-first-load: all others.
 * --list: print the selected cases instead: id, path, area and what this lane expects.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/probe.h"
#include "../../../src/lib/exits.h"
#include "../../../src/lib/log.h"
#include "../lib/wanted.h"
#include "bypass.h"
#include "lock.h"

#define ROUNDS 1000 /* of races, where nobody says how many */

struct bypass_run bypass_run = { .rounds = ROUNDS };

static const char *const outcomes[BYPASS_MAX] = {
#define X(name, text) [BYPASS_##name] = text,
	BYPASS_OUTCOMES(X)
#undef X
};

static const struct bypass_case *const areas[] = {
#define X(name) bypass_##name,
	BYPASS_AREAS(X)
#undef X
};

#define AREAS (sizeof(areas) / sizeof(areas[0]))

static const char *const area_names[] = {
#define X(name) #name,
	BYPASS_AREAS(X)
#undef X
};

#define each_case(c)                                \
	for (size_t area = 0; area < AREAS; area++) \
		for (const struct bypass_case *c = areas[area]; c->id; c++)

#define CASES_MAX 1024

/* --- which cases --- */

#define NO_AREAS_MAX 4

static const char *only_area;		   /* areas whose names begin so; NULL: all */
static const char *no_areas[NO_AREAS_MAX]; /* and those whose names begin so are left out */
static unsigned int nr_no_areas;
static int other_lane = -1; /* --differs-from */
static int first_load = -1; /* --first-load, --no-first-load */
static char **names;

/* Beside those with a column. */
#define LANE_PATCHED_612 LANE_MAX
#define LANE_STOCK_ARM64 (LANE_MAX + 1)

static const struct bypass_expected *expected_in(const struct bypass_case *c, int lane)
{
	const struct bypass_expected *old = &c->expected[LANE_stock_612];

	if (lane == LANE_STOCK_ARM64)
		return c->arm64 ?: &c->expected[LANE_stock_7];
	if (lane != LANE_PATCHED_612)
		return &c->expected[lane];
	if (!c->by_config && (old->outcome != c->expected[LANE_stock_7].outcome ||
			      old->code != c->expected[LANE_stock_7].code))
		return old;
	return &c->expected[LANE_patched];
}

static const struct bypass_expected *expected_of(const struct bypass_case *c)
{
	return expected_in(c, (int)bypass_run.lane);
}

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

static bool same_in_other_lane(const struct bypass_case *c)
{
	const struct bypass_expected *here = expected_of(c), *there;

	if (other_lane < 0)
		return false;
	there = expected_in(c, other_lane);
	return here->outcome == there->outcome && here->code == there->code;
}

static bool left_out(size_t area)
{
	for (unsigned int i = 0; i < nr_no_areas; i++) {
		if (begins(area_names[area], no_areas[i]))
			return true;
	}
	return false;
}

static bool should_be_stopped(const struct bypass_case *c)
{
	return expected_of(c)->outcome == BYPASS_stopped;
}

static bool named(size_t area, const struct bypass_case *c)
{
	if ((only_area && !begins(area_names[area], only_area)) || left_out(area) ||
	    same_in_other_lane(c) || (first_load >= 0 && c->first_load != first_load) ||
	    !wanted(c->id, names))
		return false;
	return !bypass_run.falsify || *names || (should_be_stopped(c) && !c->not_falsified);
}

static bool is_control(const struct bypass_case *control)
{
	each_case(c)
	{
		if (c->control && !strcmp(c->control, control->id) && named(area, c))
			return true;
	}
	return false;
}

static bool selected(size_t area, const struct bypass_case *c)
{
	if (c->no_arm64 && (int)bypass_run.lane == LANE_STOCK_ARM64)
		return false;
	return named(area, c) || is_control(c);
}

static void check_area(const char *given)
{
	for (size_t area = 0; area < AREAS; area++) {
		if (begins(area_names[area], given))
			return;
	}
	fprintf(stderr, "bypass: no area begins with '%s'; the areas are:", given);
	for (size_t area = 0; area < AREAS; area++)
		fprintf(stderr, " %s", area_names[area]);
	fputc('\n', stderr);
	exit(GMEM_EXIT_USAGE);
}

/* An area or a name that is none must not pass as a run of which nothing failed. */
static void check_selection(void)
{
	const char *ids[CASES_MAX];
	size_t nr = 0;

	each_case(c)
	{
		if (nr == CASES_MAX)
			abort();
		ids[nr++] = c->id;
	}
	wanted_check(names, ids, nr, sizeof(ids[0]), NULL);
	if (only_area)
		check_area(only_area);
	for (unsigned int i = 0; i < nr_no_areas; i++)
		check_area(no_areas[i]);
}

/* What a process of its own found out about a case. */
struct verdict {
	enum bypass_outcome outcome;
	int code;
};

static struct verdict *found; /* shared with that process */

void bypass_is(enum bypass_outcome outcome)
{
	found->outcome = outcome;
}

static const char *code_text(int code)
{
	static char text[32];

	switch (code) {
#define X(name, value, text) \
	case value: return text;
		BYPASS_CODES(X)
#undef X
	}
	if (code && strerrorname_np(code))
		return strerrorname_np(code);
	snprintf(text, sizeof(text), "%d", code);
	return text;
}

static void outcome_text(char *to, size_t size, enum bypass_outcome outcome, int code)
{
	bool with = outcome == BYPASS_stopped || outcome == BYPASS_refused;

	snprintf(to, size, "%s%s%s", outcomes[outcome], with ? " " : "",
		 with ? code_text(code) : "");
}

/* --- a case --- */

/*
 * In a process of its own, with a group of its own that is ended with it, and for a limited time.
 * Return: what @fn returned, ENDED_KILLED.
 */
static int apart(const struct bypass_case *c, int (*fn)(const struct bypass_case *c))
{
	unsigned int limit = (c->limit ?: BYPASS_LIMIT) + (unsigned int)(bypass_run.rounds / 100);
	int status = 0;
	siginfo_t info;
	pid_t pid;

	if (bypass_run.slow)
		limit *= 4;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(limit);
		_exit(fn(c));
	}
	if (pid < 0)
		return broken("fork");
	/* It is still there, and nobody else has its number, while its group is ended. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT))
		return broken("waitid");
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "%s: not done after %u s\n", c->id, limit);
	return ENDED_KILLED;
}

static bool has_attempt(const struct bypass_case *c)
{
	return c->attempt || c->act.fn;
}

int bypass_attempt(const struct bypass_case *c)
{
	int ret = c->prepare ? c->prepare() : 0;

	if (ret)
		return ret;
	if (c->attempt)
		return c->attempt();
	if (!c->react.fn)
		return play(c->act.who, c->act.fn);
	return play_two(c->act.who, c->act.fn, c->react.who, c->react.fn);
}

static int whole(const struct bypass_case *c)
{
	return c->whole(c);
}

/* Without a policy first (@bare), then under one. */
static struct verdict judge(const struct bypass_case *c, int bare)
{
	struct verdict v = { BYPASS_broken, bare };
	struct counts before;
	char *text;
	int ret;

	if (bare == ENDED_ABSENT) {
		v.outcome = BYPASS_absent;
		return v;
	}
	if (bare == ENDED_BROKEN || bare == ENDED_KILLED)
		return v;
	text = stage_policy(c);
	ret = stage_load(text, c->strict);
	free(text);
	if (ret) {
		v.outcome = ret == -EOPNOTSUPP ? BYPASS_unloadable : BYPASS_broken;
		v.code = ret == -EOPNOTSUPP ? 0 : -ret;
		return v;
	}
	drop_events();
	counts_read(&before);
	v.code = apart(c, bypass_attempt);
	if (v.code == bare) {
		if (!bare)
			v.outcome = expected_of(c)->outcome == BYPASS_allowed ? BYPASS_allowed
									      : BYPASS_possible;
		else
			v.outcome = BYPASS_refused;
	} else if (!bare) {
		v.outcome = BYPASS_stopped;
	}
	if (check_ledger(&before, c->op, v.outcome == BYPASS_stopped ? c->denials ?: 1 : 0)) {
		v.outcome = BYPASS_broken;
		failed("%s: counters and events, see above", c->id);
	}
	return v;
}

static struct verdict run_whole(const struct bypass_case *c)
{
	struct verdict v;

	bypass_run.now = c;
	found->outcome = BYPASS_broken;
	v.code = apart(c, whole);
	v.outcome = found->outcome;
	if (v.code == ENDED_BROKEN || v.code == ENDED_KILLED)
		v.outcome = BYPASS_broken;
	if (v.code == ENDED_ABSENT)
		v.outcome = BYPASS_absent;
	bypass_run.now = NULL;
	stage_forget();
	return v;
}

/* --- the table --- */

/* Is it what was expected? */
static bool as_expected(const struct bypass_case *c, const struct verdict *v)
{
	const struct bypass_expected *e = expected_of(c);

	if (e->outcome != v->outcome)
		return false;
	if ((e->outcome == BYPASS_stopped || e->outcome == BYPASS_refused) && e->code != v->code)
		return false;
	if (e->outcome == BYPASS_possible && !manual_says(e->why)) {
		failed("%s: the manual does not say: %s", c->id, e->why);
		return false;
	}
	return true;
}

/* Return: is it as it should be? Without a policy, the path of what should be stopped succeeds. */
static bool print_line(const struct bypass_case *c, const struct verdict *v)
{
	const struct bypass_expected *e = expected_of(c);
	bool ok = as_expected(c, v), good = ok;
	char wanted_text[64], got_text[64];

	if (bypass_run.falsify)
		good = !should_be_stopped(c) || (!v->code && (v->outcome == BYPASS_possible ||
							      v->outcome == BYPASS_allowed));
	outcome_text(wanted_text, sizeof(wanted_text), e->outcome, e->code);
	outcome_text(got_text, sizeof(got_text), v->outcome, v->code);
	if (v->outcome == BYPASS_broken)
		snprintf(got_text, sizeof(got_text), "broken (%s)", code_text(v->code));
	printf("%-4s %-62s %-10s %-18s %-18s %s%s%s%s\n", c->id, c->path, bypass_run.lane_name,
	       wanted_text, got_text, ok ? "ok" : "FAIL", good == ok ? "" : " (as it should)",
	       e->outcome == BYPASS_possible ? ": " : "",
	       e->outcome == BYPASS_possible ? e->why : "");
	return good;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What --falsify leaves out, by reason. */
static unsigned int print_not_falsified(void)
{
	const char *reasons[CASES_MAX];
	unsigned int nr = 0, nr_reasons = 0;

	each_case(c)
	{
		unsigned int i = 0;

		if (!c->not_falsified || !should_be_stopped(c) || selected(area, c))
			continue;
		while (i < nr_reasons && strcmp(reasons[i], c->not_falsified))
			i++;
		if (i == nr_reasons)
			reasons[nr_reasons++] = c->not_falsified;
	}
	for (unsigned int i = 0; i < nr_reasons; i++) {
		printf("not falsified:");
		each_case(c)
		{
			if (!c->not_falsified || !should_be_stopped(c) || selected(area, c) ||
			    strcmp(reasons[i], c->not_falsified))
				continue;
			printf(" %s", c->id);
			nr++;
		}
		printf(": %s\n", reasons[i]);
	}
	return nr;
}

/* What is left out here, and why. */
static void print_left_out(void)
{
	each_case(c)
	{
		if (c->no_arm64 && (int)bypass_run.lane == LANE_STOCK_ARM64 && named(area, c))
			printf("left out: %s (%s): %s\n", c->id, c->path, c->no_arm64);
	}
}

static int bare[CASES_MAX]; /* what attempts without a policy returned */

static void run_bare(void)
{
	unsigned int n = 0;
	long start;

	each_case(c)
	{
		start = now_ms();
		if (has_attempt(c) && selected(area, c)) {
			bare[n] = c->share ? c->share() : 0;
			bare[n] = bare[n] ?: apart(c, bypass_attempt);
			if (bypass_run.verbose)
				fprintf(stderr, "%s: %ld ms without a policy\n", c->id,
					now_ms() - start);
		}
		n++;
	}
	lock_keep_end();
}

static int run(void)
{
	unsigned int nr = 0, bad = 0, n = 0, absent = 0;
	struct verdict v;
	long start;

	run_bare();
	printf("%-4s %-62s %-10s %-18s %-18s\n", "No.", "Path", "Lane", "Expected", "Got");
	each_case(c)
	{
		bypass_run.bare = bare[n++];
		if (!selected(area, c))
			continue;
		start = now_ms();
		v = c->whole ? run_whole(c) : judge(c, bypass_run.bare);
		if (bypass_run.verbose)
			fprintf(stderr, "%s: %ld ms\n", c->id, now_ms() - start);
		nr++;
		absent += v.outcome == BYPASS_absent;
		bad += !print_line(c, &v);
		fflush(stdout);
	}
	/* A lock is there until the kernel ends. */
	if (!lock_is_on())
		stage_unload();
	print_left_out();
	if (bypass_run.falsify)
		printf("bypass: %u cases were not falsified\n", print_not_falsified());
	printf("bypass: %s: %u cases, %u not there in this kernel, %u %s\n", bypass_run.lane_name,
	       nr, absent, bad, bypass_run.falsify ? "did not notice" : "failed");
	if (!nr)
		fprintf(stderr, "bypass: no case was selected\n");
	return !nr ? GMEM_EXIT_USAGE : bad ? GMEM_EXIT_FOUND : GMEM_EXIT_OK;
}

static int list(void)
{
	char text[64];
	unsigned int nr = 0;

	each_case(c)
	{
		if (!selected(area, c))
			continue;
		outcome_text(text, sizeof(text), expected_of(c)->outcome, expected_of(c)->code);
		printf("%s\t%s\t%s\t%s\n", c->id, c->path, area_names[area], text);
		nr++;
	}
	return nr ? GMEM_EXIT_OK : GMEM_EXIT_USAGE;
}

/* --- the program --- */

/* Return: -1: there is none of that name. */
static int lane_of(const char *name)
{
	static const char *const lanes[LANE_MAX] = {
#define X(id, text) [LANE_##id] = text,
		BYPASS_LANES(X)
#undef X
	};

	/* The patched kernel with KASAN and lockdep. */
	if (!strcmp(name, "debug"))
		return LANE_patched;
	if (!strcmp(name, "patched-6.12"))
		return LANE_PATCHED_612;
	if (!strcmp(name, "stock-arm64"))
		return LANE_STOCK_ARM64;
	for (int lane = 0; lane < LANE_MAX; lane++) {
		if (!strcmp(name, lanes[lane]))
			return lane;
	}
	fprintf(stderr, "bypass: there is no lane '%s'\n", name);
	return -1;
}

static int use_lane(const char *name)
{
	int lane = lane_of(name);

	if (lane < 0)
		return -1;
	bypass_run.lane = (enum bypass_lane)lane;
	bypass_run.lane_name = name;
	bypass_run.slow = !strcmp(name, "debug");
	return 0;
}

static int probe(void)
{
	struct hooks hooks;
	struct plan plan;

	if (hooks_probe(&hooks))
		return -1;
	hooks_plan(&hooks, NULL, false, &plan);
	for (int op = 0; op < GMEM_DO_MAX; op++)
		bypass_run.carried |= (unsigned int)(plan.way[op] >= 0) << op;
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: bypass [--lane NAME] [--rounds N] [--falsify] [--verbose] "
			"[--list]\n       [--area A | --no-area A...] [--differs-from LANE] "
			"[--first-load | --no-first-load] [CASE...]\n");
	return GMEM_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "lane", required_argument, NULL, 'l' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "falsify", no_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "list", no_argument, NULL, 'L' },
		{ "area", required_argument, NULL, 'a' },
		{ "no-area", required_argument, NULL, 'n' },
		{ "differs-from", required_argument, NULL, 'd' },
		{ "first-load", no_argument, &first_load, 1 },
		{ "no-first-load", no_argument, &first_load, 0 },
		{ NULL, 0, NULL, 0 },
	};
	const char *lane = getenv("LANE") ?: "patched", *other = NULL;
	bool only_list = false;
	int opt, ret;

	player_main(argc, argv);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (opt) {
		case 0: break;
		case 'l': lane = optarg; break;
		case 'r': bypass_run.rounds = wanted_number(optarg); break;
		case 'f': bypass_run.falsify = true; break;
		case 'a': only_area = optarg; break;
		case 'n':
			if (nr_no_areas == NO_AREAS_MAX)
				return usage();
			no_areas[nr_no_areas++] = optarg;
			break;
		case 'v': bypass_run.verbose = !setenv(BYPASS_VERBOSE, "1", 1); break;
		case 'd': other = optarg; break;
		case 'L': only_list = true; break;
		default: return usage();
		}
	}
	other_lane = other ? lane_of(other) : -1;
	if (use_lane(lane) || (other && other_lane < 0) || (only_area && nr_no_areas))
		return usage();
	names = argv + optind;
	check_selection();
	if (only_list)
		return list();
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("bypass", false, bypass_run.verbose);
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (found == MAP_FAILED || probe())
		return GMEM_EXIT_FAILURE;
	stage_setup();
	stage_unload();
	ret = run();
	stage_remove();
	return ret;
}
