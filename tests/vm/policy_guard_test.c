// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards: what is kept off from processes that the policy names, enforced and in audit mode, by its
 * errno, the counter and the event; and everything near it that must go on. Runs as root in each
 * lane.
 *
 *   policy_guard_test [CASE...]
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../../src/ctl/kernel/loader.h"
#include "../../src/policy/compile.h"
#include "../../src/lib/log.h"
#include "lib/actors.h"
#include "lib/cases.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

static struct hooks hooks;
static struct plan plan;

/* --- what players do: FILE --do WORD [PID] --- */

static int result(long ret)
{
	return ret < 0 ? errno : 0;
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64], byte;
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags);
	if (fd < 0)
		return errno;
	ret = flags == O_RDONLY && read(fd, &byte, 1) < 0 ? errno : 0;
	close(fd);
	return ret;
}

static int do_attach(pid_t pid)
{
	int ret = result(ptrace(PTRACE_ATTACH, pid, NULL, NULL));

	if (!ret && waitpid(pid, NULL, 0) == pid)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return ret;
}

static int do_seize(pid_t pid)
{
	return result(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
}

static int do_mem(pid_t pid)
{
	return open_proc(pid, "mem", O_RDWR);
}

static int do_syscall(pid_t pid)
{
	return open_proc(pid, "syscall", O_RDONLY);
}

/* One byte of a place that both have. */
static int reach_in(pid_t pid, long nr)
{
	char byte = 0;
	struct iovec mine = { &byte, 1 }, its = { (void *)getauxval(AT_SYSINFO_EHDR), 1 };

	return result(syscall(nr, pid, &mine, 1, &its, 1, 0)) == EPERM ? EPERM : 0;
}

static int do_readv(pid_t pid)
{
	return reach_in(pid, SYS_process_vm_readv);
}

static int do_writev(pid_t pid)
{
	return reach_in(pid, SYS_process_vm_writev);
}

static int do_getfd(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return result(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static int do_maps(pid_t pid)
{
	return open_proc(pid, "maps", O_RDONLY);
}

static int do_environ(pid_t pid)
{
	return open_proc(pid, "environ", O_RDONLY);
}

static int do_fd(pid_t pid)
{
	char path[64], to[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/0", pid);
	return result(readlink(path, to, sizeof(to)));
}

/* Its parent is not this executable. */
static int do_traceme(pid_t pid)
{
	(void)pid;
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int ring(uint32_t flags)
{
	struct io_uring_params params = { .flags = flags };

	return result(syscall(SYS_io_uring_setup, 4, &params));
}

static int do_sqpoll(pid_t pid)
{
	(void)pid;
	return ring(IORING_SETUP_SQPOLL);
}

static int do_ring(pid_t pid)
{
	(void)pid;
	return ring(0);
}

/* Return: 1: begun as a secure one, and the environment says nothing. */
static int do_secure(pid_t pid)
{
	(void)pid;
	return getauxval(AT_SECURE) && !getenv("LD_LIBRARY_PATH");
}

static const struct act {
	const char *name;
	int (*run)(pid_t pid);
	int denied; /* what it is when a guard keeps it off, 0: no guard does */
} acts[] = {
	{ "attach", do_attach, EPERM },	  { "seize", do_seize, EPERM },
	{ "mem", do_mem, EACCES },	  { "syscall", do_syscall, EPERM },
	{ "readv", do_readv, EPERM },	  { "writev", do_writev, EPERM },
	{ "getfd", do_getfd, EPERM },	  { "maps", do_maps, 0 },
	{ "environ", do_environ, 0 },	  { "fd", do_fd, 0 },
	{ "traceme", do_traceme, EPERM }, { "sqpoll", do_sqpoll, EACCES },
	{ "ring", do_ring, 0 },		  { "secure", do_secure, 0 },
	{ "create", act_create, 0 },	  { "wait", act_wait, 0 },
};

#define ACTS	(sizeof(acts) / sizeof(acts[0]))
#define OUTSIDE 10 /* the first of these reach into another process */
#define CONTROL 7  /* and of those the first are control */

static int play(char **argv)
{
	for (size_t i = 0; i < ACTS; i++) {
		if (!strcmp(argv[0], acts[i].name))
			return acts[i].run(argv[1] ? atoi(argv[1]) : 0);
	}
	return ASKED_NOT;
}

static struct gmem_hits hits_of(enum gmem_guard guard)
{
	struct loader_status status;

	policy_status(&status);
	return status.guards[guard];
}

/*
 * Something is done, and the guard says that much about it: @denied, @would. Return: the event, if
 * there was to be one.
 */
static const struct gmem_denial *check_guard(const char *what, enum gmem_guard guard,
					     struct gmem_hits before, unsigned int denied,
					     unsigned int would)
{
	struct gmem_hits after = hits_of(guard);
	unsigned int events = policy_read_events();
	const struct gmem_denial *e = &policy_events[0];

	CHECK(after.n[GMEM_VERDICT_denied] - before.n[GMEM_VERDICT_denied] == denied,
	      "%s: denied %llu", what,
	      after.n[GMEM_VERDICT_denied] - before.n[GMEM_VERDICT_denied]);
	CHECK(after.n[GMEM_VERDICT_would_deny] - before.n[GMEM_VERDICT_would_deny] == would,
	      "%s: would deny %llu", what,
	      after.n[GMEM_VERDICT_would_deny] - before.n[GMEM_VERDICT_would_deny]);
	CHECK(events == denied + would, "%s: %u events", what, events);
	if (!events)
		return NULL;
	CHECK(e->request.op == (unsigned int)GMEM_DO_GUARD(guard), "%s: op %u", what,
	      e->request.op);
	CHECK(e->verdict == (denied ? GMEM_VERDICT_denied : GMEM_VERDICT_would_deny),
	      "%s: verdict %u", what, e->verdict);
	CHECK(e->rule == GMEM_RULE_NONE && e->audit_rule == GMEM_RULE_NONE, "%s: rule %u", what,
	      e->rule);
	CHECK(e->exe_known && e->exe.ino && e->pid && e->cgroup, "%s: by nobody", what);
	return e;
}

/* --- trace --- */

/* Everything that reaches into another process, by one executable into another. */
static void reach(const char *by, const char *into, bool kept_off, bool enforce)
{
	struct target target = target_start(into, NULL);
	const struct gmem_denial *e;
	struct gmem_hits before;
	char what[128];

	policy_read_events();
	for (size_t i = 0; i < OUTSIDE; i++) {
		bool stopped = kept_off && i < CONTROL;
		int ret;

		snprintf(what, sizeof(what), "%s of %s by %s, %s", acts[i].name, into, by,
			 enforce ? "enforce" : "audit");
		before = hits_of(GMEM_GUARD_trace);
		ret = act(by, acts[i].name, target.pid);
		CHECK(ret == (stopped && enforce ? acts[i].denied : 0), "%s: %s", what,
		      strerror(ret));
		e = check_guard(what, GMEM_GUARD_trace, before, stopped && enforce,
				stopped && !enforce);
		CHECK(!e || e->request.start == (__u64)target.pid, "%s: of %llu", what,
		      e ? e->request.start : 0);
		CHECK(!e || e->tgid != (__u32)target.pid, "%s: by itself", what);
	}
	CHECK(target_end(&target) == (strcmp(into, PLAIN) && enforce ? 0
				      : enforce			     ? EACCES
								     : 0),
	      "%s lives", into);
}

static void test_trace(void)
{
	for (int enforce = 0; enforce < 2; enforce++) {
		actors_load(enforce, "");
		reach(PLAIN, VMM, true, enforce);
		reach(AGENT, VMM, true, enforce);
		reach(VMM, VMM, false, enforce);
		reach(VMM, PLAIN, false, enforce);
		reach(PLAIN, PLAIN, false, enforce);
	}
	actors_load(true, "guards: { trace: allow }\n");
	reach(PLAIN, VMM, false, true);
}

/* The parent is this test, which is none of them. */
static void test_traceme(void)
{
	struct gmem_hits before;
	const struct gmem_denial *e;

	actors_load(true, "");
	policy_read_events();
	before = hits_of(GMEM_GUARD_trace);
	CHECK(act(VMM, "traceme", 0) == EPERM, "a guarded one");
	e = check_guard("traceme", GMEM_GUARD_trace, before, 1, 0);
	CHECK(e && e->request.start == e->tgid, "itself");
	before = hits_of(GMEM_GUARD_trace);
	CHECK(act(PLAIN, "traceme", 0) == 0, "another");
	check_guard("traceme of another", GMEM_GUARD_trace, before, 0, 0);
	actors_load(false, "");
	before = hits_of(GMEM_GUARD_trace);
	CHECK(act(VMM, "traceme", 0) == 0, "in audit mode");
	check_guard("traceme in audit mode", GMEM_GUARD_trace, before, 0, 1);
}

/* --- preload --- */

static int test_environment(const char *exe)
{
	int ret;

	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	ret = act(exe, "secure", 0);
	unsetenv("LD_LIBRARY_PATH");
	return ret;
}

/* Behind variables of every length around that of a step. */
static void test_long_environment(void)
{
	char value[200], name[32];
	struct gmem_hits before;
	int i;

	for (i = 0; i < 150; i++) {
		memset(value, 'x', sizeof(value));
		value[i] = '\0';
		snprintf(name, sizeof(name), "LONG_%d", i);
		setenv(name, value, 1);
	}
	before = hits_of(GMEM_GUARD_preload);
	CHECK(test_environment(VMM) == 1, "behind long variables");
	check_guard("behind long variables", GMEM_GUARD_preload, before, 1, 0);
	before = hits_of(GMEM_GUARD_preload);
	CHECK(act(VMM, "secure", 0) == 1, "with long variables");
	check_guard("with long variables", GMEM_GUARD_preload, before, 0, 0);
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "LONG_%d", i);
		unsetenv(name);
	}
}

static void test_preload(void)
{
	struct gmem_hits before, after;

	actors_load(true, "");
	policy_read_events();
	before = hits_of(GMEM_GUARD_preload);
	CHECK(test_environment(VMM) == 1, "a guarded one");
	after = hits_of(GMEM_GUARD_preload);
	CHECK(after.n[GMEM_VERDICT_allowed] == before.n[GMEM_VERDICT_allowed] + 1, "counted %llu",
	      after.n[GMEM_VERDICT_allowed] - before.n[GMEM_VERDICT_allowed]);
	/* The start with the variable is reported, one without it is not. */
	check_guard("preload", GMEM_GUARD_preload, before, 1, 0);
	before = hits_of(GMEM_GUARD_preload);
	CHECK(act(VMM, "secure", 0) == 1, "without a variable");
	check_guard("without a variable", GMEM_GUARD_preload, before, 0, 0);
	setenv("GMEM_LD_PRELOAD", "LD_PRELOAD=/nowhere", 1);
	CHECK(act(VMM, "secure", 0) == 1, "with another variable");
	unsetenv("GMEM_LD_PRELOAD");
	check_guard("with another variable", GMEM_GUARD_preload, before, 0, 0);
	test_long_environment();
	after = hits_of(GMEM_GUARD_preload);
	CHECK(test_environment(PLAIN) == 0, "another");
	CHECK(hits_of(GMEM_GUARD_preload).n[GMEM_VERDICT_allowed] == after.n[GMEM_VERDICT_allowed],
	      "another is counted");
	actors_load(true, "guards: { preload: allow }\n");
	CHECK(test_environment(VMM) == 0, "the guard is down");
	actors_load(false, "");
	before = hits_of(GMEM_GUARD_preload);
	CHECK(test_environment(VMM) == 0, "in audit mode");
	check_guard("in audit mode", GMEM_GUARD_preload, before, 0, 1);
}

/* --- sqpoll --- */

static void test_sqpoll(void)
{
	struct gmem_hits before;

	/* Every lane has io_uring: without it this case would pass for want of a ring. */
	CHECK(!act(PLAIN, "ring", 0), "a process that the guard does not protect gets no ring");
	for (int enforce = 0; enforce < 2; enforce++) {
		actors_load(enforce, "");
		policy_read_events();
		before = hits_of(GMEM_GUARD_sqpoll);
		CHECK(act(VMM, "sqpoll", 0) == (enforce ? EACCES : 0), "a guarded one");
		check_guard("sqpoll", GMEM_GUARD_sqpoll, before, enforce, !enforce);
		before = hits_of(GMEM_GUARD_sqpoll);
		CHECK(act(VMM, "ring", 0) == 0, "without a thread");
		CHECK(act(PLAIN, "sqpoll", 0) == 0, "another");
		check_guard("sqpoll of another", GMEM_GUARD_sqpoll, before, 0, 0);
	}
	actors_load(true, "guards: { sqpoll: allow }\n");
	CHECK(act(VMM, "sqpoll", 0) == 0, "the guard is down");
}

/*
 * Each one's policy replaces that of the one before: a load where there is none takes the verifier
 * as long as a case.
 */
static const struct test_case cases[] = {
	{ "trace", test_trace },
	{ "traceme", test_traceme },
	{ "preload", test_preload },
	{ "sqpoll", test_sqpoll },
};

int main(int argc, char **argv)
{
	int ret;

	if (argc > 2 && !strcmp(argv[1], "--do"))
		return play(argv + 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_guard_test", false, getenv("VERBOSE") ? 1 : 0);
	if (hooks_probe(&hooks))
		return 1;
	hooks_plan(&hooks, NULL, false, &plan);
	CHECK(!plan.guards_unmet, "this kernel lacks guards: %x", plan.guards_unmet);
	policy_unload();
	actors_make();
	ret = run_cases("guards", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
