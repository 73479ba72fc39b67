// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identity in doubt: programs that are not what their file says, by who traces them, where they
 * begin and what they share with others, at their start and before there is a policy. Runs as root
 * in each lane.
 *
 *   policy_identity_test [CASE...]
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../src/lib/log.h"
#include "lib/actors.h"
#include "lib/cases.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

static int trace_me(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int in_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

/* The owner of the mount namespace is what counts, not where the task itself is. */
static int in_mounts_of_another(void)
{
	int ready[2], go[2], fd, ret;
	char path[64], byte;
	pid_t pid;

	if (pipe(ready) || pipe(go))
		return -1;
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || write(ready[1], "", 1) != 1 ||
		    read(go[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
	close(go[1]);
	waitpid(pid, NULL, 0);
	return ret;
}

static int in_mounts_of_its_own(void)
{
	return unshare(CLONE_NEWNS);
}

static int filtered(unsigned int flags)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog prog = { 1, allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) < 0 ? -1 : 0;
}

/* A process that stays shares its directories. */
static int with_shared_directories(void)
{
	if (syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, 0))
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pause();
}

static int with_filters(void)
{
	return filtered(0) ?: filtered(0);
}

/* Nothing is ever asked, but somebody could. */
static int with_supervisor(void)
{
	return filtered(SECCOMP_FILTER_FLAG_NEW_LISTENER) ?: filtered(0);
}

static void test_doubt(void)
{
	char *text;
	int status;
	pid_t pid;

	actors_load(true, "");
	CHECK(act(VMM, "create", 0) == 0, "as it is");
	pid = actor_start(VMM, "create", 0, trace_me, -1);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EACCES, "traced from its begin");
	CHECK(act_after(VMM, "create", in_user_namespace) == EACCES, "in a user namespace");
	CHECK(act_after(VMM, "create", in_mounts_of_another) == EACCES,
	      "in a mount namespace of one");
	CHECK(act_after(VMM, "create", in_mounts_of_its_own) == 0, "in a mount namespace of root");
	CHECK(act_after(VMM, "create", with_supervisor) == EACCES, "supervised");
	CHECK(act_after(VMM, "create", with_filters) == 0, "filtered");
	CHECK(act_after(VMM, "create", with_shared_directories) == EACCES, "shared directories");
	/* It is still who it is by its user. */
	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { root: { uid: 0 }, vmm: { exe: " VMM ", uid: 0 } }\n"
			   "rules:\n"
			   "  - { name: not-vmm, deny: [create], subjects: [vmm] }\n"
			   "  - { name: root, allow: [create], subjects: [root] }\n");
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(act(VMM, "create", 0) == EACCES, "as it is");
	CHECK(act_after(VMM, "create", with_supervisor) == 0, "supervised, as its user");
	free(text);
	policy_unload();
}

/* Who traced it before there were guards is found; so are those that another policy did not name. */
static void test_traced_before(void)
{
	struct target target, other;

	target = target_start(VMM, NULL);
	other = target_start(VMM, NULL);
	CHECK(!ptrace(PTRACE_SEIZE, target.pid, NULL, NULL), "seize");
	actors_load(true, "");
	ptrace(PTRACE_DETACH, target.pid, NULL, NULL);
	CHECK(target_end(&target) == EACCES, "traced at the first load");
	CHECK(target_end(&other) == 0, "not traced at the first load");

	actors_load(true, "guards: { trace: allow }\n");
	target = target_start(VMM, NULL);
	other = target_start(VMM, NULL);
	CHECK(!ptrace(PTRACE_SEIZE, target.pid, NULL, NULL), "seize: the guard is down");
	actors_load(false, "");
	actors_load(true, "");
	CHECK(ptrace(PTRACE_SEIZE, other.pid, NULL, NULL) < 0 && errno == EPERM, "the guard is up");
	CHECK(target_end(&target) == EACCES, "traced when the guard came up");
	CHECK(target_end(&other) == 0, "not traced when the guard came up");
	policy_unload();
}

/* In audit mode it keeps what it is. */
static void test_traced_in_audit(void)
{
	struct target target = target_start(VMM, NULL);
	enum proof proof;

	actors_load(false, "guards: { trace: allow }\n");
	CHECK(!ptrace(PTRACE_SEIZE, target.pid, NULL, NULL), "seize");
	actors_load(false, "");
	CHECK(!loader_set_mode(NULL, true, true, &proof), "enforce");
	CHECK(target_end(&target) == EACCES, "traced when it was enforced");
	policy_unload();
}

static const struct test_case cases[] = {
	{ "doubt", test_doubt },
	{ "traced-before", test_traced_before },
	{ "traced-in-audit", test_traced_in_audit },
};

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--do"))
		return strcmp(argv[2], "create") ? act_wait(0) : act_create(0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_identity_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	actors_make();
	return run_cases("identity", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
