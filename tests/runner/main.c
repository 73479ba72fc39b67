// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests that stand in a table, several at a time, and counts.
 *
 *   runner [-l] [-j JOBS] [-o DIR] TABLE [PATTERN...]
 *
 * A line of the table: NAME LANE SECONDS COMMAND. LANE is "host" (the command runs here, by bash)
 * or a lane of the lab (it runs in a VM, through tests/vm/lab.sh); LANE/N gives that VM N CPUs.
 * A line "wait" holds back what follows until all before it has ended. Exit status 0 is a pass, 77
 * a skip whose last line of output says why and where the test does run, anything else a failure.
 * JOBS is 1 unless said otherwise: a VM of the lab keeps one CPU of the machine busy. With more of
 * them what has the longest time is started first, so that in the end no job waits for a last one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAB	  "tests/vm/lab.sh"
#define LAB_GRACE 90 /* seconds for the boot and for reading the logs, on top of the test's own */
#define SKIPPED	  77
#define MAX_JOBS  64

enum result { PASS, FAIL, SKIP };

struct test {
	char *name, *lane, *command;
	char *cpus; /* NULL: as many as the lab gives */
	int seconds;
	bool after_all; /* a "wait" stands before it */
	size_t place;	/* in the table */
	char why[300];
};

/* A test that runs; pid is 0 where none does. */
struct job {
	struct test *test;
	volatile pid_t pid;
	double start, end; /* end: when patience ends */
	int stage;	   /* 0: in time, 1: asked to end, 2: killed */
};

static const char *const lanes[] = { "vanilla", "patched", "debug", "stock-7", "stock-6.12" };
static struct test *tests;
static size_t nr_tests;
static const char *out_dir = "build/check";
static volatile sig_atomic_t interrupted;
static struct job jobs[MAX_JOBS];
static int max_jobs = 1;

static void on_signal(int sig)
{
	interrupted = sig;
	for (int i = 0; i < max_jobs; i++)
		if (jobs[i].pid > 0)
			kill(-jobs[i].pid, SIGTERM);
}

static bool known_lane(const char *lane)
{
	if (!strcmp(lane, "host"))
		return true;
	for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
		if (!strcmp(lane, lanes[i]))
			return true;
	return false;
}

static int read_table(const char *path)
{
	char *line = NULL;
	bool barrier = false;
	size_t size = 0;
	int nr = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		fprintf(stderr, "runner: cannot read the table %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (getline(&line, &size, f) > 0) {
		struct test t = { 0 }, *more;
		int at = 0;

		nr++;
		line[strcspn(line, "\n")] = '\0';
		if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
			continue;
		if (!strcmp(line, "wait")) {
			barrier = true;
			continue;
		}
		if (sscanf(line, "%ms %ms %d %n", &t.name, &t.lane, &t.seconds, &at) == 3)
			t.cpus = strchr(t.lane, '/');
		if (t.cpus)
			*t.cpus++ = '\0';
		if (!at || !line[at] || t.seconds <= 0 || strchr(t.name, '/') ||
		    !known_lane(t.lane)) {
			fprintf(stderr, "runner: %s:%d: not NAME LANE SECONDS COMMAND: %s\n", path,
				nr, line);
			return -1;
		}
		t.command = strdup(line + at);
		more = realloc(tests, (nr_tests + 1) * sizeof(*tests));
		if (!more || !t.command) {
			fprintf(stderr, "runner: out of memory at %s:%d\n", path, nr);
			return -1;
		}
		tests = more;
		t.after_all = barrier;
		barrier = false;
		for (size_t i = 0; i < nr_tests; i++) {
			if (!strcmp(tests[i].name, t.name)) {
				fprintf(stderr, "runner: %s:%d: a second test named %s\n", path, nr,
					t.name);
				return -1;
			}
		}
		t.place = nr_tests;
		tests[nr_tests++] = t;
	}
	free(line);
	fclose(f);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct test *one = a, *two = b;

	if (one->seconds != two->seconds)
		return two->seconds - one->seconds;
	return one->place < two->place ? -1 : 1;
}

/* The longest first, in each part of the table that a "wait" ends. */
static void put_longest_first(void)
{
	size_t first = 0, end;
	bool barrier;

	for (; first < nr_tests; first = end) {
		barrier = tests[first].after_all;
		tests[first].after_all = false;
		for (end = first + 1; end < nr_tests && !tests[end].after_all; end++)
			;
		qsort(tests + first, end - first, sizeof(*tests), by_time);
		tests[first].after_all = barrier;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void child(const struct test *t, const char *log)
{
	char text[32], *dir = NULL;
	int fd, null;

	setpgid(0, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	null = open("/dev/null", O_RDONLY);
	if (fd < 0 || null < 0) {
		fprintf(stderr, "runner: cannot write the log %s: %s\n", log, strerror(errno));
		_exit(125);
	}
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (!strcmp(t->lane, "host")) {
		execlp("bash", "bash", "-c", t->command, NULL);
	} else {
		snprintf(text, sizeof(text), "%d", t->seconds);
		if (asprintf(&dir, "%s/%s.lab", out_dir, t->name) < 0)
			_exit(125);
		setenv("LANE", t->lane, 1);
		setenv("CMD", t->command, 1);
		setenv("TIMEOUT", text, 1);
		setenv("LAB_DIR", dir, 1);
		unsetenv("TTY");
		if (t->cpus)
			setenv("SMP", t->cpus, 1);
		execl(LAB, LAB, NULL);
	}
	fprintf(stderr, "runner: cannot start the test: %s\n", strerror(errno));
	_exit(125);
}

static void last_line(const char *log, char *text, size_t size)
{
	char *line = NULL;
	size_t room = 0;
	FILE *f = fopen(log, "re");

	text[0] = '\0';
	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0])
			snprintf(text, size, "%s", line);
	}
	free(line);
	fclose(f);
}

/* A skip that does not say where the test does run is a hole, not a skip. */
static bool names_a_place(const char *reason)
{
	for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
		if (strstr(reason, lanes[i]))
			return true;
	return strstr(reason, "host") || strstr(reason, "machine");
}

static bool on_host(const struct test *t)
{
	return !strcmp(t->lane, "host");
}

/* Returns 0, or -errno and says why in the test. */
static int start(struct job *job, struct test *t)
{
	char log[4096];
	pid_t pid;

	snprintf(log, sizeof(log), "%s/%s.log", out_dir, t->name);
	job->test = t;
	job->stage = 0;
	job->start = now();
	job->end = job->start + t->seconds + (on_host(t) ? 0 : LAB_GRACE);
	pid = fork();
	if (pid < 0) {
		snprintf(t->why, sizeof(t->why), "cannot fork: %s", strerror(errno));
		return -errno;
	}
	if (pid == 0)
		child(t, log);
	setpgid(pid, pid);
	job->pid = pid;
	return 0;
}

static enum result judge(struct test *t, int status, bool late)
{
	char log[4096];

	snprintf(log, sizeof(log), "%s/%s.log", out_dir, t->name);
	if (late || (!on_host(t) && WIFEXITED(status) && WEXITSTATUS(status) == 124)) {
		snprintf(t->why, sizeof(t->why), "not finished after %d s", t->seconds);
		return FAIL;
	}
	if (WIFSIGNALED(status)) {
		snprintf(t->why, sizeof(t->why), "killed by signal %d", WTERMSIG(status));
		return FAIL;
	}
	if (WEXITSTATUS(status) == 0)
		return PASS;
	if (WEXITSTATUS(status) == SKIPPED) {
		last_line(log, t->why, sizeof(t->why));
		if (names_a_place(t->why))
			return SKIP;
		snprintf(t->why, sizeof(t->why), "skipped without saying where it runs");
		return FAIL;
	}
	snprintf(t->why, sizeof(t->why), "exit status %d", WEXITSTATUS(status));
	return FAIL;
}

/*
 * Has the job ended? What is late is asked to end, then killed; what remains of the process group
 * of an ended test is killed.
 */
static bool ended(struct job *job, enum result *result)
{
	int status;

	if (waitpid(job->pid, &status, WNOHANG) == 0) {
		if (now() > job->end) {
			kill(-job->pid, job->stage++ ? SIGKILL : SIGTERM);
			job->end = now() + 15;
		}
		return false;
	}
	kill(-job->pid, SIGKILL);
	*result = judge(job->test, status, job->stage > 0);
	job->pid = 0;
	return true;
}

static bool selected(const struct test *t, char **patterns)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, t->name, 0) || !strcmp(*patterns, t->lane))
			return true;
	return false;
}

static int make_dirs(char *path)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST) {
			fprintf(stderr, "runner: cannot make %s: %s\n", path, strerror(errno));
			return -1;
		}
		*p = c;
		if (!c)
			return 0;
	}
}

struct tally {
	struct test **failed; /* room for all tests */
	size_t count[3], done, total;
};

static void note(struct tally *tally, struct job *job, enum result r)
{
	static const char *const words[] = { [PASS] = "ok", [FAIL] = "FAILED", [SKIP] = "skipped" };
	struct test *t = job->test;

	if (r == FAIL)
		tally->failed[tally->count[FAIL]] = t;
	tally->count[r]++;
	printf("[%2zu/%zu] %-7s %s, %s, %.1f s%s%s\n", ++tally->done, tally->total, words[r],
	       t->name, t->lane, now() - job->start, t->why[0] ? ": " : "", t->why);
}

/* Run what is selected; at an interruption, wait for what runs. */
static void run_all(struct tally *tally, char **patterns)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	bool barrier = false;
	size_t next = 0;
	int running = 0;

	while (next < nr_tests || running) {
		for (int i = 0; i < max_jobs; i++) {
			struct job *job = &jobs[i];
			enum result r;

			if (job->pid && ended(job, &r)) {
				note(tally, job, r);
				running--;
			}
			while (next < nr_tests && !selected(&tests[next], patterns))
				barrier |= tests[next++].after_all;
			if (interrupted)
				next = nr_tests;
			if (job->pid || next == nr_tests)
				continue;
			barrier |= tests[next].after_all;
			if (barrier && running)
				continue;
			barrier = false;
			if (start(job, &tests[next++]))
				note(tally, job, FAIL);
			else
				running++;
		}
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tally tally = { 0 };
	bool list = false;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "j:lo:")) != -1) {
		if (opt == 'l')
			list = true;
		else if (opt == 'o')
			out_dir = optarg;
		else if (opt == 'j')
			max_jobs = atoi(optarg);
		else
			optind = argc + 1;
	}
	if (optind >= argc || max_jobs < 1 || max_jobs > MAX_JOBS) {
		fprintf(stderr, "usage: runner [-l] [-j 1..%d] [-o DIR] TABLE [PATTERN|LANE...]\n",
			MAX_JOBS);
		return 2;
	}
	if (read_table(argv[optind++]))
		return 2;
	for (size_t i = 0; i < nr_tests; i++)
		tally.total += selected(&tests[i], argv + optind);
	if (!tally.total) {
		fprintf(stderr, "runner: no test is selected; -l lists them\n");
		return 2;
	}
	if (list) {
		for (size_t i = 0; i < nr_tests; i++)
			if (selected(&tests[i], argv + optind))
				printf("%-28s %-10s %5d s  %s\n", tests[i].name, tests[i].lane,
				       tests[i].seconds, tests[i].command);
		return 0;
	}
	if (max_jobs > 1)
		put_longest_first();
	out_dir = strdup(out_dir);
	tally.failed = calloc(nr_tests, sizeof(*tally.failed));
	if (!out_dir || !tally.failed || make_dirs((char *)out_dir))
		return 1;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);

	run_all(&tally, argv + optind);
	for (size_t i = 0; i < tally.count[FAIL]; i++)
		printf("FAILED %s (%s): %s, log: %s/%s.log\n", tally.failed[i]->name,
		       tally.failed[i]->lane, tally.failed[i]->why, out_dir, tally.failed[i]->name);
	if (interrupted) {
		fprintf(stderr, "runner: interrupted by signal %d, %zu of %zu tests ran\n",
			(int)interrupted, tally.done, tally.total);
		return 128 + interrupted;
	}
	printf("%zu passed, %zu failed, %zu skipped\n", tally.count[PASS], tally.count[FAIL],
	       tally.count[SKIP]);
	free(tally.failed);
	return tally.count[FAIL] ? 1 : 0;
}
