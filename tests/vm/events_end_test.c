// SPDX-License-Identifier: GPL-2.0-only
/*
 * How gmemtop events ends, and what it refuses.
 *
 * Usage: events_end_test [TEST...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One file to compile, as every test here. */
#include "lib/bpf_objects.h"
#include "lib/compare.c"
#include "lib/stream.c"
#include "lib/trace_events.c"
#include "lib/wanted.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KILLS	      50
#define NOBODY	      65534

/* The test itself cannot go on. */
static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

/* What there was before any test. */
static struct bpf_objects before;

/* The kernel frees them late. */
static void expect_nothing_left(struct verdict *v)
{
	int tries;

	for (tries = 0; tries < 400 && bpf_objects_all_newer(&before); tries++)
		usleep(50000);
	expect_number(v, "BPF objects that are left", bpf_objects_all_newer(&before), 0);
}

static void test_killed(struct verdict *v)
{
	/* Few programs, so that it is soon there, and all kinds of objects. */
	char *argv[] = { GMEMTOP, "events", "-e", "convert", NULL };
	size_t most = 0, loaded = 0, now;
	posix_spawn_file_actions_t actions;
	struct timespec from, to;
	struct stream s;
	long start_us;
	pid_t pid;
	int i;

	/* How long it takes until it is attached, so that it is killed before and after. */
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!stream_start(&s, "-e convert")) {
		v->failed++;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	stream_end(&s, SIGKILL);
	stream_forget(&s);
	start_us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	srand(1);
	for (i = 0; i < KILLS; i++) {
		if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
			die("posix_spawn");
		usleep((useconds_t)(rand() % (start_us * 5 / 4)));
		now = bpf_objects_all_newer(&before);
		most = now > most ? now : most;
		loaded += now > 0;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	posix_spawn_file_actions_destroy(&actions);
	expect_nothing_left(v);
	v->compared++;
	if (!loaded)
		differs(v, "it never had loaded anything when it was killed");
	printf("  killed %d times within %ld us, %zu times with up to %zu objects loaded\n", KILLS,
	       start_us * 5 / 4, loaded, most);
}

/* Run it; its exit status comes back, and what it wrote to standard error. */
static int run_it(const char *args, uid_t uid, char *errors, size_t size)
{
	char copy[256], *argv[16] = { GMEMTOP, "events" }, *save, *word;
	int argc = 2, fds[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	if (pipe(fds))
		die("pipe");
	pid = fork();
	if (!pid) {
		dup2(fds[1], 2);
		close(fds[0]);
		if (!uid || !setuid(uid))
			execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], errors + len, size - 1 - (size_t)len)) > 0)
		len += n;
	errors[len] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_refused(struct verdict *v)
{
	static const struct {
		const char *args;
		uid_t uid;
		int status;
		const char *says;
	} wrong[] = {
		{ "-e convrt", 0, 2, "did you mean 'convert'?" },
		{ "-e convert,", 0, 2, "there is no such event" },
		{ "-e bind --min-duration 1", 0, 2, "only conversions have a duration" },
		{ "--cgroup /no/such/one", 0, 2, "--cgroup /no/such/one" },
		{ "--buffer 100000", 0, 2, "1024 is the most" },
		{ "--buffer 0", 0, 2, "--buffer 0" },
		{ "-p x", 0, 2, "not a whole number" },
		{ "--nothing", 0, 2, "there is no such option" },
		{ "--json -e convrt", 0, 2, "{\"error\":{\"what\":\"event 'convrt'\"" },
		{ "-n 1", NOBODY, 5, "be root" },
	};
	char errors[1024];
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		status = run_it(wrong[i].args, wrong[i].uid, errors, sizeof(errors));
		v->compared++;
		if (status != wrong[i].status || !strstr(errors, wrong[i].says))
			differs(v, "%s: status %d, %s", wrong[i].args, status, errors);
	}
}

/* An event of which this kernel does not tell: asked for by name it is an error, else a null. */
static void test_missing(struct verdict *v)
{
	struct stream s = { 0 };
	char errors[1024];
	int status;

	if (!stream_start(&s, "-d 0.1") || !stream_end(&s, 0)) {
		v->failed++;
		return;
	}
	v->compared++;
	if (stream_member(s.head, "sources.mmap")) {
		printf("  this kernel tells of all events\n");
	} else {
		status = run_it("-e mmap", 0, errors, sizeof(errors));
		if (status != 4 || !strstr(errors, "tracepoint kvm_gmem_mmap") ||
		    !strstr(errors, "function kvm_gmem_mmap"))
			differs(v, "-e mmap: status %d, %s", status, errors);
	}
	stream_forget(&s);
}

/* Nobody reads any more: it ends by itself, without an event. */
static void test_closed(struct verdict *v)
{
	char *argv[] = { GMEMTOP, "events", "--json", NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status = -1, ms;
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC))
		die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
		die("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (read(fds[0], &c, 1) != 1)
		differs(v, "it writes nothing");
	close(fds[0]);
	for (ms = 0; ms < 5000 && !waitpid(pid, &status, WNOHANG); ms += 10)
		usleep(10000);
	if (ms >= 5000) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	expect_number(v, "status after the reader went", (uint64_t)status, 0);
	expect_nothing_left(v);
}

static void test_signals(struct verdict *v)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;
	struct stream s;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		if (!stream_start(&s, "") || !stream_end(&s, signals[i])) {
			v->failed++;
			return;
		}
		stream_account(v, &s, false);
		stream_forget(&s);
	}
	expect_nothing_left(v);
}

/* It ends after so much time. */
static void test_time(struct verdict *v)
{
	struct timespec from, to;
	struct stream s = { 0 };
	double took;

	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!stream_start(&s, "-d 1.5") || !stream_end(&s, 0)) {
		v->failed++;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	stream_account(v, &s, false);
	v->compared++;
	took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	if (took < 1.5)
		differs(v, "ended after %f s", took);
	stream_forget(&s);
}

static const struct test {
	const char *name;
	void (*run)(struct verdict *v);
} tests[] = {
	{ "time", test_time },	     { "killed", test_killed }, { "refused", test_refused },
	{ "missing", test_missing }, { "closed", test_closed }, { "signals", test_signals },
};

static bool run_test(const struct test *t)
{
	struct verdict v = { 0 };

	t->run(&v);
	printf("%s %s: %zu comparisons, %zu differ\n", v.failed || !v.compared ? "FAIL" : "ok",
	       t->name, v.compared, v.failed);
	fflush(stdout);
	return !v.failed && v.compared;
}

int main(int argc __attribute__((unused)), char **argv)
{
	size_t i, passed = 0, failed = 0;

	WANTED_CHECK(argv + 1, tests, ARRAY_SIZE(tests));
	bpf_objects_now(&before);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!wanted(tests[i].name, argv + 1))
			continue;
		if (run_test(&tests[i]))
			passed++;
		else
			failed++;
	}
	printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
	return failed || !passed;
}
