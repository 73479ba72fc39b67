// SPDX-License-Identifier: GPL-2.0-only
/* One unit: its processes, its time limit, and the results of its tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"

#define BOOT_SECONDS 90 /* from power-on to the first test, and from the last one to power-off */
#define END_SECONDS  15 /* from being asked to end to being killed */
/*
 * The lab's own limit is no measure here: it does not know how slow the machine is. It only ends a
 * VM whose runner is gone.
 */
#define LAB_TIMEOUT "14400"

void unit_path(const struct plan *plan, const struct test *test, const char *suffix,
	       char path[4096])
{
	snprintf(path, 4096, "%s/%s%s", plan->out_dir, test->name, suffix);
}

/* In the child. */
static void run_vm(const struct plan *plan, struct unit *unit)
{
	char dir[4096], *command;

	unit_path(plan, unit->tests[0], ".vm", dir);
	if (asprintf(&command, "'%s' -i \"$LAB_OUT/tests\"", plan->self) < 0)
		_exit(125);
	setenv("LANE", unit->lane, 1);
	setenv("CMD", command, 1);
	setenv("TIMEOUT", LAB_TIMEOUT, 1);
	setenv("LAB_DIR", dir, 1);
	unsetenv("TTY");
	if (unit->cpus)
		setenv("SMP", unit->cpus, 1);
	if (unit->append)
		setenv("APPEND", unit->append, 1);
	execl(plan->lab, plan->lab, NULL);
}

static void child(const struct plan *plan, struct unit *unit, const char *log)
{
	int fd, null;

	setpgid(0, 0);
	/* A runner that is killed must not leave VMs behind: the lab ends its VM at SIGTERM. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	null = open("/dev/null", O_RDONLY);
	if (fd < 0 || null < 0) {
		fprintf(stderr, "runner: cannot write the log %s: %s\n", log, strerror(errno));
		_exit(125);
	}
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (unit->kind == UNIT_VM) {
		run_vm(plan, unit);
	} else {
		/* A build takes all CPUs; what runs beside it goes first. */
		if (unit->kind == UNIT_KERNEL && nice(10) == -1)
			fprintf(stderr, "runner: cannot lower the priority of the build\n");
		execlp("bash", "bash", "-c", unit->tests[0]->command, NULL);
	}
	fprintf(stderr, "runner: cannot start the test: %s\n", strerror(errno));
	_exit(125);
}

/*
 * The limit of what a VM does now: a test, or what comes before the first and after the last one. A
 * kernel that checks itself takes minutes to boot and to look for leaks, and its tests have limits
 * to match.
 */
static int vm_limit(const struct unit *unit)
{
	size_t at = unit->at < unit->nr_tests ? unit->at : unit->nr_tests - 1;

	return unit->tests[at]->seconds + (unit->in_test ? 0 : BOOT_SECONDS);
}

int unit_start(const struct plan *plan, struct unit *unit)
{
	bool vm = unit->kind == UNIT_VM;
	struct test *first = unit->tests[0];
	char log[4096];
	pid_t pid = -1;
	int ret = 0;

	unit->started = true;
	unit->start = now();
	unit->left = vm ? vm_limit(unit) : first->seconds;
	unit_path(plan, first, vm ? ".vm.log" : ".log", log);
	if (vm)
		ret = vm_prepare(plan, unit);
	if (!ret) {
		fflush(stdout);
		pid = fork();
	}
	if (pid < 0) {
		ret = ret ?: -errno;
		snprintf(first->why, sizeof(first->why), "cannot start: %s", strerror(-ret));
		return ret;
	}
	if (pid == 0)
		child(plan, unit, log);
	setpgid(pid, pid);
	unit->pid = pid;
	return 0;
}

static void host_result(const struct plan *plan, struct unit *unit, int status)
{
	struct test *test = unit->tests[0];
	char log[4096];

	unit_path(plan, test, ".log", log);
	test->done = true;
	test->result = FAIL;
	test->took = now() - unit->start;
	if (unit->stage) {
		snprintf(test->why, sizeof(test->why), "not finished after %d s (time limit)",
			 test->seconds);
	} else if (WIFSIGNALED(status)) {
		snprintf(test->why, sizeof(test->why), "killed by signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) == 0) {
		test->result = PASS;
	} else if (WEXITSTATUS(status) == SKIPPED) {
		last_line(log, test->why, sizeof(test->why));
		if (lane_named_in(test->why))
			test->result = SKIP;
		else
			snprintf(test->why, sizeof(test->why),
				 "skipped without saying where it runs");
	} else if (unit->kind == UNIT_KERNEL) {
		/* Its last line is the reason, for whoever reads nothing but the summary. */
		last_line(log, test->why, sizeof(test->why));
	} else {
		snprintf(test->why, sizeof(test->why), "exit status %d", WEXITSTATUS(status));
	}
}

static double cpu_of(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

bool unit_poll(const struct plan *plan, struct unit *unit, double passed)
{
	struct rusage usage;
	int status;
	pid_t pid;

	pid = wait4(unit->pid, &status, WNOHANG, &usage);
	if (unit->kind == UNIT_VM) {
		size_t at = unit->at;
		bool in_test = unit->in_test;

		vm_follow(plan, unit);
		if (unit->at != at || unit->in_test != in_test)
			unit->left = vm_limit(unit);
	}
	if (pid == 0) {
		unit->left -= passed;
		if (unit->left < 0) {
			kill(-unit->pid, unit->stage++ ? SIGKILL : SIGTERM);
			unit->left = END_SECONDS;
		}
		return false;
	}
	kill(-unit->pid, SIGKILL); /* what the test has left behind */
	unit->cpu = cpu_of(&usage);
	if (unit->kind == UNIT_VM)
		vm_collect(plan, unit, status);
	else
		host_result(plan, unit, status);
	unit->pid = 0;
	unit->done = true;
	return true;
}
