// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filters of gmemtop events, and its account when most events are lost: against the workload's
 * own numbers.
 *
 * Usage: events_options_test [TEST...]
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* One file to compile, as every test here. */
#include "lib/compare.c"
#include "lib/offers.h"
#include "lib/stream.c"
#include "lib/trace_events.c"
#include "lib/wanted.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CGROUP	      "/sys/fs/cgroup/events_test"
#define SKIPPED	      77

/* The test itself cannot go on. */
static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- filters --- */

static uint64_t sum_members(struct json_object *obj)
{
	uint64_t sum = 0;

	json_object_object_foreach(obj, name, value)
	{
		(void)name;
		sum += json_object_get_uint64(value);
	}
	return sum;
}

/* How many conversions there were by the workload's account; @ok: those that were done too. */
static uint64_t conversions_of(struct json_object *counts, bool ok)
{
	static const char *const directions[] = { "to_private", "to_shared", "to_invalid" };
	struct json_object *cell;
	uint64_t sum = 0;
	char path[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		snprintf(path, sizeof(path), "convert.sum.%s", directions[i]);
		cell = stream_member(counts, path);
		sum += (ok ? value_of(cell, "ok") : 0) + sum_members(stream_member(cell, "failed"));
	}
	return sum;
}

static uint64_t all_conversions(struct json_object *report)
{
	return conversions_of(stream_member(report, "totals"), true);
}

/* A stream with these options while the workload runs; its account has been looked at. */
static struct json_object *watch(struct verdict *v, struct stream *s, const char *options,
				 const char *args)
{
	struct json_object *report;

	if (!stream_start(s, options)) {
		v->failed++;
		return NULL;
	}
	report = run_workload(args, "/dev/null");
	if (!stream_end(s, SIGTERM) || !report)
		v->failed++;
	else
		stream_account(v, s, false);
	return report;
}

/* All events must be of this kind. */
static void expect_events(struct verdict *v, const struct stream *s, const char *name,
			  bool (*fits)(struct json_object *obj))
{
	struct json_object *obj;
	size_t i;

	for (i = 0; i < json_object_array_length(s->events); i++) {
		obj = json_object_array_get_idx(s->events, i);
		v->compared++;
		if ((name && !stream_is(obj, "event", name)) || (fits && !fits(obj)))
			differs(v, "should not be there: %s", json_object_to_json_string(obj));
	}
}

static bool has_failed(struct json_object *obj)
{
	return stream_member(obj, "error") && value_of(obj, "errno");
}

#define ALL_OPS "-S @/all-ops.gmem"

static void test_errors(struct verdict *v)
{
	struct stream s = { 0 };
	struct json_object *report = watch(v, &s, "-e convert --errors", ALL_OPS);
	struct json_object *totals = stream_member(report, "totals");

	if (!report)
		return;
	expect_events(v, &s, "convert", has_failed);
	expect_number(v, "failed conversions", json_object_array_length(s.events),
		      conversions_of(totals, false));
	expect_number(v, "held back", value_of(s.summary, "filtered"),
		      conversions_of(totals, true) - conversions_of(totals, false));
	json_object_put(report);
	stream_forget(&s);
}

static void test_duration(struct verdict *v)
{
	struct stream s = { 0 };
	struct json_object *report = watch(v, &s, "--min-duration 1000", ALL_OPS);

	if (!report)
		return;
	expect_number(v, "longer than 1000 s", json_object_array_length(s.events), 0);
	expect_number(v, "held back conversions",
		      value_of(stream_member(s.summary, "events.convert"), "filtered"),
		      all_conversions(report));
	json_object_put(report);
	stream_forget(&s);
	report = watch(v, &s, "--min-duration 0.000000001", ALL_OPS);
	if (!report)
		return;
	expect_events(v, &s, "convert", NULL);
	v->compared++;
	/* A failure that was not followed has no duration. */
	if (json_object_array_length(s.events) <
	    all_conversions(report) - conversions_of(stream_member(report, "totals"), false))
		differs(v, "%zu conversions took any time", json_object_array_length(s.events));
	json_object_put(report);
	stream_forget(&s);
}

static void test_name(struct verdict *v)
{
	struct stream s = { 0 };
	struct json_object *report = watch(v, &s, "-e convert --vm gmem-w*d", ALL_OPS);

	if (!report)
		return;
	expect_number(v, "of this name", json_object_array_length(s.events),
		      all_conversions(report));
	json_object_put(report);
	stream_forget(&s);
	if (!stream_start(&s, "-e convert --vm gmem-workload?"))
		return;
	report = run_workload(ALL_OPS, "/dev/null");
	if (!report || !stream_end(&s, SIGTERM))
		return;
	expect_number(v, "of another name", json_object_array_length(s.events), 0);
	stream_account(v, &s, false);
	expect_number(v, "held back by the name", value_of(s.summary, "filtered_by_vm"),
		      all_conversions(report));
	json_object_put(report);
	stream_forget(&s);
}

/* It ends by itself after so many events. */
static void test_number(struct verdict *v)
{
	struct json_object *report;
	struct stream s = { 0 };

	if (!stream_start(&s, "-e convert,bind -n 5")) {
		v->failed++;
		return;
	}
	report = run_workload(ALL_OPS, "/dev/null");
	if (!stream_end(&s, 0) || !report) {
		v->failed++;
		return;
	}
	expect_number(v, "events", json_object_array_length(s.events), 5);
	expect_number(v, "status", (uint64_t)s.status, 0);
	expect_number(v, "first is a bind",
		      stream_is(json_object_array_get_idx(s.events, 0), "event", "bind"), 1);
	json_object_put(report);
	stream_forget(&s);
}

static bool in_the_cgroup(struct json_object *obj)
{
	return stream_is(obj, "who.cgroup", "/events_test");
}

static void move_to(const char *cgroup)
{
	char path[128], pid[16];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
		printf("  cannot move to %s: %s\n", cgroup, strerror(errno));
	close(fd);
}

static void test_cgroup(struct verdict *v)
{
	struct json_object *inside, *outside;
	struct stream s = { 0 };

	if (mkdir(CGROUP, 0755) && errno != EEXIST) {
		differs(v, "mkdir " CGROUP ": %s", strerror(errno));
		return;
	}
	if (!stream_start(&s, "-e convert --cgroup /events_test")) {
		v->failed++;
		return;
	}
	outside = run_workload(ALL_OPS, "/dev/null");
	move_to(CGROUP);
	inside = run_workload("-o 100 -m convert:1", "/dev/null");
	move_to("/sys/fs/cgroup");
	if (!stream_end(&s, SIGTERM) || !inside || !outside) {
		v->failed++;
	} else {
		stream_account(v, &s, false);
		expect_events(v, &s, "convert", in_the_cgroup);
		expect_number(v, "inside", json_object_array_length(s.events),
			      all_conversions(inside));
		expect_number(v, "outside", value_of(s.summary, "filtered"),
			      all_conversions(outside));
	}
	json_object_put(inside);
	json_object_put(outside);
	stream_forget(&s);
	rmdir(CGROUP);
}

/* The first process whose parent is @parent, 0: none. */
static pid_t child_of(pid_t parent)
{
	char path[64], line[512], *end;
	int pid, of;
	FILE *file;

	for (pid = parent + 1; pid < parent + 100; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "re");
		if (!file)
			continue;
		end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
		fclose(file);
		if (end && sscanf(end, ") %*c %d", &of) == 1 && of == parent)
			return pid;
	}
	return 0;
}

/* Two VMMs, which wait until the stream is there; one of them is asked for. */
static void test_pid(struct verdict *v)
{
	char *argv[] = { (char *)workload, "-j", "-w", "-o", "100", "-n", "2", "-m",
			 "convert:1",	   NULL };
	struct json_object *tmp, *report = NULL, *vm;
	char options[64], *line = NULL;
	posix_spawn_file_actions_t actions;
	int to[2], from[2], status;
	struct stream s = { 0 };
	size_t size = 0, i;
	pid_t pid, vmm;
	uint64_t wanted_nr = 0;
	FILE *out;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
		die("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	out = fdopen(from[0], "re");
	if (getline(&line, &size, out) < 0)
		die("the workload is not ready");
	vmm = child_of(pid);
	snprintf(options, sizeof(options), "-e convert -p %d", vmm);
	if (!stream_start(&s, options) || write(to[1], "\n", 1) != 1) {
		v->failed++;
		return;
	}
	while (getline(&line, &size, out) > 0) {
		tmp = json_tokener_parse(line);
		if (stream_member(tmp, "vms"))
			report = json_object_get(tmp);
		json_object_put(tmp);
	}
	waitpid(pid, &status, 0);
	if (!stream_end(&s, SIGTERM) || !report) {
		v->failed++;
		return;
	}
	stream_account(v, &s, false);
	for (i = 0; i < 2; i++) {
		vm = json_object_array_get_idx(stream_member(report, "vms"), i);
		if (value_of(vm, "pid") == (uint64_t)vmm)
			wanted_nr = conversions_of(stream_member(vm, "counts"), true);
	}
	expect_number(v, "conversions of one VMM", json_object_array_length(s.events), wanted_nr);
	expect_number(v, "of both", value_of(s.summary, "filtered") + wanted_nr,
		      all_conversions(report));
	for (i = 0; i < json_object_array_length(s.events); i++)
		expect_number(v, "pid", value_of(json_object_array_get_idx(s.events, i), "vm.pid"),
			      (uint64_t)vmm);
	v->compared++;
	if (!wanted_nr)
		differs(v, "process %d is not in the report", vmm);
	json_object_put(report);
	stream_forget(&s);
	fclose(out);
	close(to[1]);
	free(line);
}

static bool has_frame(struct json_object *obj, const char *stack, const char *part)
{
	struct json_object *list = stream_member(obj, stack);
	size_t i;

	for (i = 0; list && i < json_object_array_length(list); i++) {
		if (strstr(json_object_get_string(json_object_array_get_idx(list, i)), part))
			return true;
	}
	return false;
}

/* The files of a process can be told while it is there; else there are addresses. */
static bool has_stacks(struct json_object *obj)
{
	return has_frame(obj, "kernel_stack", "_sys_ioctl+0x") &&
	       !has_frame(obj, "kernel_stack", "bpf_") && has_frame(obj, "user_stack", "0x");
}

static void test_stack(struct verdict *v)
{
	struct stream s = { 0 };
	struct json_object *report = watch(v, &s, "-e convert --stack", "-o 20 -m convert:1");

	if (!report)
		return;
	expect_events(v, &s, "convert", has_stacks);
	expect_number(v, "first with a file",
		      has_frame(json_object_array_get_idx(s.events, 0), "user_stack", "libc.so"),
		      1);
	expect_number(v, "with stacks", json_object_array_length(s.events),
		      all_conversions(report));
	json_object_put(report);
	stream_forget(&s);
}

/* --- losses --- */

/* The reader stands still while much more happens than there is room for. */
static void test_flood(struct verdict *v)
{
	struct json_object *report;
	struct stream s = { 0 };
	uint64_t lost;

	if (!stream_start(&s, "-e convert --buffer 1")) {
		v->failed++;
		return;
	}
	kill(s.pid, SIGSTOP);
	report = run_workload("-o 12500 -m convert:4,redundant:1", "/dev/null");
	kill(s.pid, SIGCONT);
	if (!stream_end(&s, SIGTERM) || !report) {
		v->failed++;
		return;
	}
	stream_account(v, &s, true);
	lost = value_of(s.summary, "lost");
	expect_number(v, "shown and lost", json_object_array_length(s.events) + lost,
		      all_conversions(report));
	expect_number(v, "counted as emitted",
		      value_of(stream_member(s.summary, "events.convert"), "emitted"),
		      all_conversions(report));
	v->compared++;
	if (!lost || !json_object_array_length(s.events))
		differs(v, "%llu lost of %zu: that was no flood", (unsigned long long)lost,
			json_object_array_length(s.events));
	printf("  %zu shown, %llu lost, %zu times\n", json_object_array_length(s.events),
	       (unsigned long long)lost, json_object_array_length(s.lost));
	json_object_put(report);
	stream_forget(&s);
}

static const struct test {
	const char *name;
	void (*run)(struct verdict *v);
} tests[] = {
	{ "errors", test_errors }, { "duration", test_duration }, { "name", test_name },
	{ "number", test_number }, { "cgroup", test_cgroup },	  { "pid", test_pid },
	{ "stack", test_stack },   { "flood", test_flood },
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
	bool software = stream_possible("-t software-protected -e create;start");
	size_t i, passed = 0, failed = 0;

	WANTED_CHECK(argv + 1, tests, ARRAY_SIZE(tests));
	if (software != offer_can(OFFER_software_protected)) {
		printf("FAIL software-protected VMs: not as in tests/vm/lib/offers.h\n");
		failed++;
	}
	if (!failed && !software) {
		printf("lane %s has no software-protected VMs, lane patched has them\n",
		       getenv("LANE"));
		return SKIPPED;
	}
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!wanted(tests[i].name, argv + 1))
			continue;
		if (run_test(&tests[i]))
			passed++;
		else
			failed++;
	}
	printf("%zu passed, %zu failed\n", passed, failed);
	return failed || !passed;
}
