// SPDX-License-Identifier: GPL-2.0-only
/* A program that writes to a pipe, whose reader is slow or has stopped, is told to stop. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/output.h"
#include "../../src/lib/stop.h"

#define LINE	 "a line of this program's output, of which there are many\n"
#define LIMIT_MS 20000
#define MOMENTS	 40

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A program that writes @lines lines, 0: until it is told to stop. */
static pid_t start(int out[2], unsigned long lines)
{
	unsigned long i;
	pid_t pid;
	int ret = 0;

	assert_int_equal(pipe(out), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(out[1]);
		return pid;
	}
	close(out[0]);
	dup2(out[1], STDOUT_FILENO);
	close(out[1]);
	stop_on_signals();
	output_until_stopped();
	for (i = 0; !ret && (lines ? i < lines : !stop_asked); i++)
		ret = fputs(LINE, stdout) < 0 ? -errno : 0;
	_exit(output_end(ret));
}

/* Return: its exit status, or 128 and the signal that ended it. */
static int status_of(pid_t pid)
{
	long end = now_ms() + LIMIT_MS;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			fail_msg("it did not end in %d ms", LIMIT_MS);
		}
		pause_ms(10);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_reader_has_stopped(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int out[2];
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid = start(out, 0);
		/* The pipe is full, and it waits. */
		pause_ms(300);
		kill(pid, signals[i]);
		assert_int_equal(status_of(pid), GMEM_EXIT_FAILURE);
		close(out[0]);
	}
}

/* The signal can come just before a write that blocks: at any moment. */
static void test_any_moment(void **state)
{
	struct timespec moment = { 0 };
	int out[MOMENTS][2], i, status;
	pid_t pids[MOMENTS];

	(void)state;
	for (i = 0; i < MOMENTS; i++) {
		pids[i] = start(out[i], 0);
		moment.tv_nsec = i * 100000;
		nanosleep(&moment, NULL);
		kill(pids[i], SIGTERM);
	}
	for (i = 0; i < MOMENTS; i++) {
		status = status_of(pids[i]);
		/* Before it caught signals, before the pipe was full, or it gave up. */
		assert_true(status == 128 + SIGTERM || status == GMEM_EXIT_OK ||
			    status == GMEM_EXIT_FAILURE);
		close(out[i][0]);
	}
}

/* Slow is not stopped: all of it arrives. */
static void test_slow_reader(void **state)
{
	static char buf[4096];
	const size_t lines = 3000, wanted = lines * strlen(LINE);
	size_t got = 0;
	int out[2];
	ssize_t n;
	pid_t pid;

	(void)state;
	pid = start(out, lines);
	pause_ms(300);
	kill(pid, SIGTERM);
	while ((n = read(out[0], buf, sizeof(buf))) > 0) {
		got += (size_t)n;
		pause_ms(60);
	}
	assert_int_equal(got, wanted);
	assert_int_equal(status_of(pid), GMEM_EXIT_OK);
	close(out[0]);
}

static void test_reader_has_gone(void **state)
{
	int out[2];
	pid_t pid;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pid = start(out, 0);
	pause_ms(300);
	close(out[0]);
	assert_int_equal(status_of(pid), GMEM_EXIT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_has_stopped),
		cmocka_unit_test(test_any_moment),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_reader_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
