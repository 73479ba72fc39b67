// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests that stand in a table, one after the other, and counts.
 *
 *   runner [-l] [-o DIR] TABLE [PATTERN...]
 *
 * A line of the table: NAME LANE SECONDS COMMAND. LANE is "host" (the command runs here, by bash)
 * or a lane of the lab (it runs in a VM, through tests/vm/lab.sh); LANE/N gives that VM N CPUs.
 * Exit status 0 is a pass, 77 a
 * skip whose last line of output says why and where the test does run, anything else a failure.
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

struct test {
	char *name, *lane, *command;
	char *cpus; /* NULL: as many as the lab gives */
	int seconds;
	char why[300];
};

static const char *const lanes[] = { "vanilla", "patched", "debug", "stock-7", "stock-6.12" };
static struct test *tests;
static size_t nr_tests;
static const char *out_dir = "build/check";
static volatile sig_atomic_t interrupted;
static volatile pid_t running;

static void on_signal(int sig)
{
	interrupted = sig;
	if (running > 0)
		kill(-running, SIGTERM);
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
		for (size_t i = 0; i < nr_tests; i++) {
			if (!strcmp(tests[i].name, t.name)) {
				fprintf(stderr, "runner: %s:%d: a second test named %s\n", path, nr,
					t.name);
				return -1;
			}
		}
		tests[nr_tests++] = t;
	}
	free(line);
	fclose(f);
	return 0;
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

/* Wait until the deadline; what remains of the test's process group is ended then. */
static int wait_for(pid_t pid, int seconds, bool *late)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	double end = now() + seconds;
	int status, stage = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() > end) {
			*late = true;
			kill(-pid, stage++ ? SIGKILL : SIGTERM);
			end = now() + 15;
		}
		nanosleep(&pause, NULL);
	}
	kill(-pid, SIGKILL);
	return status;
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

enum result { PASS, FAIL, SKIP };

static enum result run(struct test *t)
{
	bool host = !strcmp(t->lane, "host"), late = false;
	char log[4096];
	int status;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/%s.log", out_dir, t->name);
	pid = fork();
	if (pid < 0) {
		snprintf(t->why, sizeof(t->why), "cannot fork: %s", strerror(errno));
		return FAIL;
	}
	if (pid == 0)
		child(t, log);
	setpgid(pid, pid);
	running = pid;
	status = wait_for(pid, t->seconds + (host ? 0 : LAB_GRACE), &late);
	running = 0;
	if (late || (!host && WIFEXITED(status) && WEXITSTATUS(status) == 124)) {
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

int main(int argc, char **argv)
{
	static const char *const words[] = { [PASS] = "ok", [FAIL] = "FAILED", [SKIP] = "skipped" };
	struct sigaction sa = { .sa_handler = on_signal };
	size_t count[3] = { 0 }, total = 0, at = 0;
	bool list = false;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "lo:")) != -1) {
		if (opt == 'l')
			list = true;
		else if (opt == 'o')
			out_dir = optarg;
		else
			optind = argc + 1;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: runner [-l] [-o DIR] TABLE [PATTERN|LANE...]\n");
		return 2;
	}
	if (read_table(argv[optind++]))
		return 2;
	for (size_t i = 0; i < nr_tests; i++)
		total += selected(&tests[i], argv + optind);
	if (!total) {
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
	out_dir = strdup(out_dir);
	if (!out_dir || make_dirs((char *)out_dir))
		return 1;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);

	struct test **failed = calloc(nr_tests, sizeof(*failed));

	if (!failed)
		return 1;
	for (size_t i = 0; i < nr_tests && !interrupted; i++) {
		struct test *t = &tests[i];
		double start = now();
		enum result r;

		if (!selected(t, argv + optind))
			continue;
		r = run(t);
		if (r == FAIL)
			failed[count[FAIL]] = t;
		count[r]++;
		printf("[%2zu/%zu] %-7s %s, %s, %.1f s%s%s\n", ++at, total, words[r], t->name,
		       t->lane, now() - start, t->why[0] ? ": " : "", t->why);
	}
	for (size_t i = 0; i < count[FAIL]; i++)
		printf("FAILED %s (%s): %s, log: %s/%s.log\n", failed[i]->name, failed[i]->lane,
		       failed[i]->why, out_dir, failed[i]->name);
	if (interrupted) {
		fprintf(stderr, "runner: interrupted by signal %d, %zu of %zu tests ran\n",
			(int)interrupted, at, total);
		return 128 + interrupted;
	}
	printf("%zu passed, %zu failed, %zu skipped\n", count[PASS], count[FAIL], count[SKIP]);
	free(failed);
	return count[FAIL] ? 1 : 0;
}
