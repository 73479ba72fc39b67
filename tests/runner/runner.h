/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test runner: what its parts share.
 *
 * A table lists tests. A unit is what runs at once: a command on this machine, one VM with one or
 * more tests, or the build of a lane's kernel. A unit starts when all that it needs has passed.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SKIPPED 77 /* exit status of a test that says that it cannot run here */

/* In a VM's output: a mark before each test and one after it, "\036begin NAME", "\036end NAME ..." */
#define MARK '\036'

enum result { PASS, FAIL, SKIP, RESULT_MAX };

struct unit;

struct test {
	char *name, *command;
	int seconds; /* of a machine with nothing else to do, see speed.c */
	struct unit *unit;
	bool selected, done;
	enum result result;
	double took; /* s */
	char why[300];
};

enum unit_kind { UNIT_HOST, UNIT_VM, UNIT_KERNEL };

struct unit {
	enum unit_kind kind;
	char *lane;   /* "host", or the lane of a VM or kernel */
	char *cpus;   /* of the VM; NULL: as many as the lab gives */
	char *append; /* more words of the kernel's command line, or NULL */
	char **needs; /* names of tests, NULL at the end */
	struct test **tests;
	size_t nr_tests;
	/* While it runs: */
	pid_t pid; /* 0: it does not */
	bool started, done;
	double start, cpu; /* s; cpu: of all its processes */
	size_t at;	   /* UNIT_VM: tests that have ended */
	bool in_test;	   /* UNIT_VM: a test has begun and not ended */
	double left;	   /* of the limit in force, s */
	double test_start; /* UNIT_VM: when the current test began */
	int stage;	   /* 0: in time, 1: asked to end, 2: killed */
	long seen;	   /* UNIT_VM: bytes of the log that were read */
};

struct plan {
	struct unit **units;
	size_t nr_units;
	struct test **tests;
	size_t nr_tests;
	const char *out_dir; /* logs and the VMs' files */
	const char *lab;     /* tests/vm/lab.sh, or what stands in for it */
	const char *self;    /* this program, as a VM sees it too */
};

/* --- table.c --- */

/**
 * table_read - read a table of tests, and add the kernels that they need
 * @plan: empty; its units and tests live as long as the program
 *
 * Return: 0, or -1 after a message that names the line.
 */
int table_read(struct plan *plan, const char *path);
struct test *table_find(const struct plan *plan, const char *name);
/**
 * table_select - mark the tests to run, and all that they need
 * @patterns: names with wildcards, or lanes; NULL at the end; none: all tests
 *
 * Return: how many tests are selected.
 */
size_t table_select(struct plan *plan, char **patterns);
bool lane_known(const char *lane);
/* Does the text name a lane, or the host? */
bool lane_named_in(const char *text);
/* The names of kernels' tests begin so. */
#define KERNEL_TEST "kernel-"

/* --- unit.c --- */

/* Start it. Return: 0, or -errno with the reason in its first test. */
int unit_start(const struct plan *plan, struct unit *unit);
/**
 * unit_poll - has it ended?
 * @passed: seconds since the last call, as an idle machine would have counted them
 *
 * Ends what is over its limit. Return: true: it has ended and its tests have results.
 */
bool unit_poll(const struct plan *plan, struct unit *unit, double passed);
void unit_path(const struct plan *plan, const struct test *test, const char *suffix,
	       char path[4096]);

/* --- vm.c --- */

/* The list for inside_run(), in the unit's directory. Return: 0 or -errno. */
int vm_prepare(const struct plan *plan, struct unit *unit);
/* Read what the VM has printed since the last call: which test has begun, which has ended. */
void vm_follow(const struct plan *plan, struct unit *unit);
/* After its end: every test gets its own log and directory, and those that did not run a reason. */
void vm_collect(const struct plan *plan, struct unit *unit, int status);

/* --- inside.c --- */

/**
 * inside_run - run the tests of a list one after the other, in the VM
 * @list: lines of NAME, a tab, and a command for bash
 *
 * Each test begins with nothing of the one before it running. Return: an exit status: 0 when all
 * tests ran, whatever became of them.
 */
int inside_run(const char *list);

/* --- schedule.c --- */

/* Run what is selected, @jobs units at a time. Return: the signal that interrupted it, or 0. */
int schedule_run(struct plan *plan, int jobs);
/* What became of it, and where the time went. Return: the exit status. */
int schedule_report(const struct plan *plan, int interrupted);

/* --- speed.c --- */

double now(void); /* CLOCK_MONOTONIC, s */
/**
 * slowness - how much longer than on an idle machine does work take now?
 *
 * Return: 1 or more.
 */
double slowness(void);

/* --- files.c --- */

/* Make a directory and those above it. Return: 0 or -errno. */
int make_dirs(const char *path);
void last_line(const char *path, char *text, size_t size);
void *must(void *allocation); /* ends the program when it is NULL */

#endif /* RUNNER_H */
