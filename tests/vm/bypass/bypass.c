// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bypass suite, see bypass.h. Runs as root in the lab.
 *
 *   bypass [--lane NAME] [--rounds N] [--falsify] [--verbose] [--area A | --no-area A] [CASE...]
 *   bypass --list
 *
 * One line for each case; the exit status is 6 if one is not as expected. First all paths are gone
 * without any program of a policy, then under it. With --falsify no policy is loaded: then what
 * should be stopped must not be, and the exit status is 6 if a case does not notice.
 */
#define _GNU_SOURCE
#include <ctype.h>
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

#include "../../../src/ctl/hooks.h"
#include "../../../src/lib/exits.h"
#include "../../../src/lib/log.h"
#include "../lib/wanted.h"
#include "bypass.h"
#include "lock.h"

#define ROUNDS 1000 /* of races, where nobody says how many */

/* Where limits must stand. */
static const char *const manuals[] = { "man/gmem-policy.5.scd", "man/gmemctl.8.scd" };

#define MANUALS (sizeof(manuals) / sizeof(manuals[0]))

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

/* Areas whose names begin so, or do not: NULL: all. */
static const char *only_area, *no_area;

static bool area_wanted(size_t area)
{
	const char *name = area_names[area];

	return (!only_area || !strncmp(name, only_area, strlen(only_area))) &&
	       (!no_area || strncmp(name, no_area, strlen(no_area)));
}

#define each_case(c)                                \
	for (size_t area = 0; area < AREAS; area++) \
		for (const struct bypass_case *c = areas[area]; c->id; c++)

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

static const struct bypass_expected *expected_of(const struct bypass_case *c)
{
	return &c->expected[bypass_run.lane];
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

	found->outcome = BYPASS_broken;
	v.code = apart(c, whole);
	v.outcome = found->outcome;
	if (v.code == ENDED_BROKEN || v.code == ENDED_KILLED)
		v.outcome = BYPASS_broken;
	if (v.code == ENDED_ABSENT)
		v.outcome = BYPASS_absent;
	stage_forget();
	return v;
}

/* --- the manual --- */

/* Without markup, and with one blank for what separates words. */
static char *plain(const char *text)
{
	char *to = malloc(strlen(text) + 2), *at = to;

	for (; *text; text++) {
		if (strchr("*_\\", *text))
			continue;
		if (!isspace((unsigned char)*text))
			*at++ = *text;
		else if (at == to || at[-1] != ' ')
			*at++ = ' ';
	}
	*at = '\0';
	return to;
}

static char *read_manual(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, *words;
	size_t size = 0;

	if (!f || getdelim(&text, &size, '\0', f) < 0) {
		perror(path);
		exit(1);
	}
	fclose(f);
	words = plain(text);
	free(text);
	return words;
}

static bool manual_says(const char *sentence)
{
	static char *known[MANUALS];
	char *looked_for = plain(sentence);
	bool says = false;

	for (size_t i = 0; i < MANUALS && !says; i++) {
		if (!known[i])
			known[i] = read_manual(manuals[i]);
		says = strstr(known[i], looked_for);
	}
	free(looked_for);
	return says;
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

/*
 * Return: is it as it should be? Where no policy is in force, what should be stopped must have been
 * noticed not to be.
 */
static bool print_line(const struct bypass_case *c, const struct verdict *v)
{
	const struct bypass_expected *e = expected_of(c);
	bool ok = as_expected(c, v), good = ok;
	char wanted_text[64], got_text[64];

	if (bypass_run.falsify)
		good = e->outcome == BYPASS_stopped ? !ok : true;
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

static int run(char **names)
{
	long start;
	static int bare[1024];
	unsigned int nr = 0, bad = 0, n = 0, absent = 0;
	struct verdict v;

	each_case(c)
	{
		if (n == sizeof(bare) / sizeof(bare[0]))
			abort();
		start = now_ms();
		if (has_attempt(c) && area_wanted(area) && wanted(c->id, names)) {
			bare[n] = apart(c, bypass_attempt);
			if (bypass_run.verbose)
				fprintf(stderr, "%s: %ld ms without a policy\n", c->id,
					now_ms() - start);
		}
		n++;
	}
	printf("%-4s %-62s %-10s %-18s %-18s\n", "No.", "Path", "Lane", "Expected", "Got");
	n = 0;
	each_case(c)
	{
		int without = bare[n++];

		if (!area_wanted(area) || !wanted(c->id, names))
			continue;
		bypass_run.bare = without;
		start = now_ms();
		v = c->whole ? run_whole(c) : judge(c, without);
		if (bypass_run.verbose)
			fprintf(stderr, "%s: %ld ms\n", c->id, now_ms() - start);
		nr++;
		absent += v.outcome == BYPASS_absent;
		bad += !print_line(c, &v);
		fflush(stdout);
	}
	/* A lock is there until the kernel ends. */
	if (!bypass_run.falsify && !lock_is_on())
		stage_unload();
	printf("bypass: %s: %u cases, %u not there in this kernel, %u %s\n", bypass_run.lane_name,
	       nr, absent, bad, bypass_run.falsify ? "did not notice" : "failed");
	return !nr ? GMEM_EXIT_USAGE : bad ? GMEM_EXIT_FOUND : GMEM_EXIT_OK;
}

/* --- the program --- */

static int find_lane(const char *name)
{
	static const char *const lanes[LANE_MAX] = {
#define X(id, text) [LANE_##id] = text,
		BYPASS_LANES(X)
#undef X
	};

	bypass_run.lane_name = name;
	if (!strcmp(name, "debug")) {
		bypass_run.slow = true;
		return 0;
	}
	for (int lane = 0; lane < LANE_MAX; lane++) {
		bypass_run.lane = (enum bypass_lane)lane;
		if (!strcmp(name, lanes[lane]))
			return 0;
	}
	fprintf(stderr, "bypass: lane '%s' is none\n", name);
	return -1;
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
			"[--area A | --no-area A] [CASE...] | --list\n");
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
		{ NULL, 0, NULL, 0 },
	};
	const char *lane = getenv("LANE") ?: "patched";
	int opt, ret;

	player_main(argc, argv);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (opt) {
		case 'l': lane = optarg; break;
		case 'r': bypass_run.rounds = strtoul(optarg, NULL, 10); break;
		case 'f': bypass_run.falsify = true; break;
		case 'a': only_area = optarg; break;
		case 'n': no_area = optarg; break;
		case 'v': bypass_run.verbose = !setenv(BYPASS_VERBOSE, "1", 1); break;
		case 'L': each_case(c) printf("%s\t%s\n", c->id, c->path); return 0;
		default: return usage();
		}
	}
	if (find_lane(lane))
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("bypass", false, bypass_run.verbose);
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (found == MAP_FAILED || probe())
		return GMEM_EXIT_FAILURE;
	stage_setup();
	stage_unload();
	ret = run(argv + optind);
	stage_remove();
	return ret;
}
