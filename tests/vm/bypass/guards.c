// SPDX-License-Identifier: GPL-2.0-only
/*
 * Acting as one who may, from outside: control by ptrace and its like, code that the environment
 * names, a ring that works for whoever shares it. And who must not be kept from the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "puppet.h"

#define CGROUP_1 "/sys/fs/cgroup/bypass-vm-1"
#define CGROUP_2 "/sys/fs/cgroup/bypass-vm-2"
#define TRACE	 GMEM_DO_GUARD(GMEM_GUARD_trace)
#define PRELOAD	 GMEM_DO_GUARD(GMEM_GUARD_preload)
#define SQPOLL	 GMEM_DO_GUARD(GMEM_GUARD_sqpoll)

/* --- 13, 28, 29: into a process that is there --- */

static int take_fd(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_getfd(&p, p.fd);
}

static int read_memory(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_read(&p);
}

static int open_mem(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_open_mem(&p);
}

static int attach(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_attach(&p) ?: puppet_peek(&p) ?: puppet_detach(&p);
}

static int seize(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_seize(&p) ?: puppet_peek(&p) ?: puppet_detach(&p);
}

/* What of a process's state /proc shows only to who could trace it. */
static int read_syscall(int peer)
{
	char path[64], text[256];
	struct puppet p;
	int fd, ret = 0;

	if (puppet_meet(peer, &p))
		return ENDED_BROKEN;
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)p.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (read(fd, text, sizeof(text)) <= 0)
		ret = errno;
	close(fd);
	return ret;
}

static int inject(int peer)
{
	struct puppet p;
	int ret;

	ret = puppet_meet(peer, &p) ?: puppet_attach(&p);
	if (ret)
		return ret;
	ret = puppet_inject(&p);
	return puppet_detach(&p) ?: ret;
}

/* --- 30: from the start --- */

/* The end of a child that stops at every signal. */
static int let_it_run(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, 0) != pid)
			return broken("waitpid");
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (!WIFSTOPPED(status))
			return ENDED_KILLED;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
}

static int start_traced(enum who who, player_fn fn)
{
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(broken("PTRACE_TRACEME"));
		_exit(become(who, fn, -1));
	}
	return let_it_run(pid);
}

static int start_a_traced(int peer)
{
	(void)peer;
	return start_traced(WHO_a, make);
}

static int ask_to_be_traced(int peer)
{
	(void)peer;
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int parent_of_one(int peer)
{
	(void)peer;
	return play(WHO_a, ask_to_be_traced);
}

/* --- 31: code that the environment names --- */

static enum who loader_of; /* is not needed over exec */

static int with_variable(const char *name)
{
	return setenv(name, EVIL, 1) ? broken("setenv") : become(loader_of, idle, -1);
}

static int preload(int peer)
{
	(void)peer;
	loader_of = WHO_a;
	return with_variable("LD_PRELOAD");
}

static int audit(int peer)
{
	(void)peer;
	loader_of = WHO_a;
	return with_variable("LD_AUDIT");
}

/* The guard starts the program as a secure one, and counts that. */
static int counted_as_secure(int (*fn)(void))
{
	struct counts before, after;
	uint64_t secured;
	int ret;

	counts_read(&before);
	ret = fn();
	counts_read(&after);
	secured = after.allowed[PRELOAD] - before.allowed[PRELOAD];
	if (ret == ENDED_NOTHING && secured != 1)
		return failed("%llu programs made secure", (unsigned long long)secured);
	return ret;
}

static int play_preload(void)
{
	return play(WHO_x, preload);
}

static int preload_a(void)
{
	return evil_ready() ?: counted_as_secure(play_preload);
}

static int play_audit(void)
{
	return play(WHO_x, audit);
}

static int audit_a(void)
{
	return evil_ready() ?: counted_as_secure(play_audit);
}

/* --- 20: a ring with a thread of its own --- */

static int sqpoll(int peer)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL };

	(void)peer;
	return result_of(syscall(SYS_io_uring_setup, 4, &params));
}

/* --- who must not be kept from it --- */

static int reach_in(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_read(&p) ?: puppet_open_mem(&p) ?:
	       puppet_getfd(&p, p.vm) ?: puppet_attach(&p) ?: puppet_peek(&p) ?: puppet_detach(&p);
}

static int look(int peer)
{
	static const char *const files[] = { "maps",   "smaps_rollup", "environ", "status",
					     "limits", "io",	       "auxv",	  "numa_maps" };
	char path[64], text[4096];
	struct puppet p;

	if (puppet_meet(peer, &p))
		return ENDED_BROKEN;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)p.pid, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* not in every kernel */
		if (fd < 0 || read(fd, text, sizeof(text)) < 0)
			return errno;
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)p.pid, (int)p.vm);
	if (readlink(path, text, sizeof(text)) < 0)
		return errno;
	if (syscall(SYS_kcmp, (pid_t)p.pid, getpid(), KCMP_VM, 0, 0) < 0)
		return errno;
	return 0;
}

static int start_b_traced(int peer)
{
	(void)peer;
	return start_traced(WHO_b, ask_to_be_traced) == EPERM ? 0 : ENDED_BROKEN;
}

/* Its tracer is there already, which is what EPERM says. */
static int preload_into_b(int peer)
{
	(void)peer;
	loader_of = WHO_b;
	return with_variable("LD_PRELOAD");
}

/* Nothing is asked for: that the library ran is all there is to see. */
static int x_preloads_b(void)
{
	int ret = evil_ready(), fd = open(EVIL_TAME, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	if (ret || fd < 0)
		return broken(EVIL_TAME);
	close(fd);
	ret = play(WHO_x, preload_into_b);
	unlink(EVIL_TAME);
	return ret;
}

/* --- 196, 197: one of the same executable, and another subject or another VM --- */

#define A_AS_OTHER                                                  \
	"subjects: { a: { exe: " BYPASS_DIR "/a, uid: [1002] } }\n" \
	"rules: [ { name: a, allow: all, subjects: [a] } ]\n"

/* Root, by the same executable, which is no subject, reads one that is. */
static int same_executable_other_user(void)
{
	int pair[2], ret, ret2;
	pid_t pid, pid2;

	if (socket_pair(pair))
		return ENDED_BROKEN;
	pid = player_start_as(OTHER_USER, WHO_a, puppet_without, pair[0]);
	pid2 = player_start(WHO_a, read_memory, pair[1]);
	close(pair[0]);
	close(pair[1]);
	ret2 = player_wait(pid2);
	ret = player_wait(pid);
	return ret ?: ret2;
}

static int make_cgroups(void)
{
	return shell("mkdir -p " CGROUP_1 " " CGROUP_2);
}

static int hold_in_1(int peer)
{
	return enter_cgroup(CGROUP_1) ? broken(CGROUP_1) : puppet_without(peer);
}

static int read_from_1(int peer)
{
	return enter_cgroup(CGROUP_1) ? broken(CGROUP_1) : read_memory(peer);
}

static int read_from_2(int peer)
{
	return enter_cgroup(CGROUP_2) ? broken(CGROUP_2) : read_memory(peer);
}

const struct bypass_case bypass_guards[] = {
	{ .id = "13",
	  .path = "pidfd_getfd of an instance, from who may",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, take_fd),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "20b",
	  .path = "a ring with SQPOLL, made by who may: the guard",
	  .op = SQPOLL,
	  PLAYER(a, sqpoll),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "28",
	  .path = "process_vm_readv of a mapping of who may",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, read_memory),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "28b",
	  .path = "/proc/PID/mem of who may",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, open_mem),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "28c",
	  .path = "PTRACE_ATTACH and PTRACE_PEEKDATA",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, attach),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "28d",
	  .path = "PTRACE_SEIZE and PTRACE_PEEKDATA",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, seize),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "28e",
	  .path = "/proc/PID/syscall: registers of who may",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, read_syscall),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "29",
	  .path = "PTRACE_ATTACH, and a creation in its name",
	  .op = TRACE,
	  PLAYERS(a, puppet_hold, x, inject),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "30",
	  .path = "PTRACE_TRACEME, then exec of who may: it is nobody",
	  .op = GMEM_DO_create,
	  PLAYER(x, start_a_traced),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "30b",
	  .path = "who may asks its parent to trace it",
	  .op = TRACE,
	  PLAYER(x, parent_of_one),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "31",
	  .path = "LD_PRELOAD into who may",
	  .op = PRELOAD,
	  .attempt = preload_a,
	  EVERYWHERE(STOPPED(ENDED_NOTHING)) },
	{ .id = "31b",
	  .path = "LD_AUDIT into who may",
	  .op = PRELOAD,
	  .attempt = audit_a,
	  EVERYWHERE(STOPPED(ENDED_NOTHING)) },
	{ .id = "196",
	  .path = "one of the same executable that is not the subject reads one that is",
	  .op = TRACE,
	  .policy = A_AS_OTHER,
	  .attempt = same_executable_other_user,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "197",
	  .path = "guards: { trace: cgroup }: a VMM reads one of another cgroup",
	  .op = TRACE,
	  .head = "guards: { trace: cgroup }\n",
	  .prepare = make_cgroups,
	  PLAYERS(a, hold_in_1, a, read_from_2),
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "F102",
	  .path = "guards: { trace: cgroup }: a VMM reads one of its own cgroup",
	  .op = BYPASS_NO_OP,
	  .head = "guards: { trace: cgroup }\n",
	  .prepare = make_cgroups,
	  PLAYERS(a, hold_in_1, a, read_from_1),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F103",
	  .path = "a VMM reads one of another cgroup, where the policy does not ask for it",
	  .op = BYPASS_NO_OP,
	  .prepare = make_cgroups,
	  PLAYERS(a, hold_in_1, a, read_from_2),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F50",
	  .path = "debugging of who is in no policy",
	  .op = BYPASS_NO_OP,
	  PLAYERS(x, puppet_without, b, reach_in),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F51",
	  .path = "one of the same executable reaches in",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, puppet_hold, a, reach_in),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F52",
	  .path = "who may debugs who is in no policy",
	  .op = BYPASS_NO_OP,
	  PLAYERS(x, puppet_without, a, reach_in),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F53",
	  .path = "monitoring of who may: /proc, kcmp",
	  .op = BYPASS_NO_OP,
	  PLAYERS(a, puppet_hold, x, look),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F54",
	  .path = "a program that is in no policy starts traced",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, start_b_traced),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F55",
	  .path = "LD_PRELOAD into a program that is in no policy",
	  .op = BYPASS_NO_OP,
	  .attempt = x_preloads_b,
	  EVERYWHERE(ALLOWED) },
	{ .id = "F56",
	  .path = "SQPOLL by who is in no policy",
	  .op = BYPASS_NO_OP,
	  PLAYER(x, sqpoll),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F57",
	  .path = "guards: { trace: allow }: debugging of who may",
	  .op = BYPASS_NO_OP,
	  .head = "guards: { trace: allow }\n",
	  PLAYERS(a, puppet_hold, x, attach),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F58",
	  .path = "guards: { preload: allow }: LD_PRELOAD into who may",
	  .op = BYPASS_NO_OP,
	  .head = "guards: { preload: allow }\n",
	  .prepare = evil_ready,
	  PLAYER(x, preload),
	  EVERYWHERE(ALLOWED) },
	{ .id = "F59",
	  .path = "guards: { sqpoll: allow }: a ring of who may",
	  .op = BYPASS_NO_OP,
	  .head = "guards: { sqpoll: allow }\n",
	  PLAYER(a, sqpoll),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
