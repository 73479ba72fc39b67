// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl try: the policy is in force, and what was before is in force again unless it is
 * confirmed, whatever became of the terminal and of gmemctl. Runs as root in any lane; last in its
 * VM, since it ends with a lock.
 */
#define _GNU_SOURCE
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/ctl/changes.h"
#include "../../src/lib/log.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define FILES	  "/run/policy-try"
#define FIRST	  FILES "/first.yaml"  /* allows the user 1001 */
#define SECOND	  FILES "/second.yaml" /* allows the user 1002 */
#define MANAGED	  FILES "/managed.yaml"
#define GMEMCTL	  "build/gmemctl"
#define PATIENCE  20 /* seconds; the machine may be slow */
#define LONG_TIME "1h"

/* Run gmemctl. Return: its exit status. */
static int gmemctl(const char *command, const char *file, const char *confirm, const char *more)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execl(GMEMCTL, GMEMCTL, command, file, confirm ? "--confirm" : more,
		      confirm ? confirm : NULL, more, NULL);
		_exit(255);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int create_as_child(uid_t uid)
{
	int kvm = kvm_open(), vm, fd;

	if (kvm < 0 || seteuid(uid))
		return 255;
	vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (vm < 0)
		return 255;
	fd = kvm_create_instance(vm, KVM_PAGE, 0);
	return fd < 0 ? errno : 0;
}

/* What becomes of a creation by a user: 0 or errno. */
static int create_as(uid_t uid)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(create_as_child(uid));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* The user that the policy in force allows; 0: there is no policy. */
static uid_t allowed(void)
{
	int first = create_as(1001), second = create_as(1002);

	if (!first && !second)
		return 0;
	CHECK((first == EACCES) + (second == EACCES) == 1, "1001: %d, 1002: %d", first, second);
	return first ? 1002 : 1001;
}

static __u64 word(void)
{
	struct loader_status status;
	__u64 now;

	policy_status(&status);
	now = status.word;
	loader_status_free(&status);
	return now;
}

/* Is this slot the active one? No policy in force: ~0 */
static bool slot_is(__u64 slot)
{
	__u64 now = word();

	return now ? GMEM_ACTIVE_SLOT(now) == slot : slot == ~0ULL;
}

/* Wait until something is so. */
static bool within(bool (*is)(__u64), __u64 arg)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	time_t end = time(NULL) + PATIENCE;

	while (!is(arg)) {
		if (time(NULL) > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void test_first(void)
{
	CHECK(gmemctl("try", FIRST, "0", NULL) == 2, "a trial of no time");
	CHECK(!gmemctl("try", FIRST, "2s", NULL), "try");
	CHECK(within(slot_is, ~0ULL), "a first policy stays");
	CHECK(!allowed(), "something is denied afterwards");
}

static void test_back(void)
{
	__u64 before;

	CHECK(!gmemctl("load", FIRST, NULL, NULL), "load");
	before = word();
	CHECK(!gmemctl("try", SECOND, LONG_TIME, NULL), "try");
	CHECK(allowed() == 1002, "the policy on trial decides");
	CHECK(gmemctl("try", FIRST, LONG_TIME, NULL) == 1, "a trial of a trial");
	CHECK(!gmemctl("rollback", NULL, NULL, NULL) && allowed() == 1001, "rollback");
	CHECK(gmemctl("confirm", NULL, NULL, NULL) == 1, "confirm what is not on trial");
	CHECK(!gmemctl("try", SECOND, "2s", NULL), "try");
	CHECK(within(slot_is, GMEM_ACTIVE_SLOT(before)), "the policy stays");
	CHECK(allowed() == 1001 && GMEM_ACTIVE_ENFORCES(word()), "back: %llx, before %llx", word(),
	      before);
}

/* What ends a trial changes nothing that was confirmed, or loaded meanwhile. */
static void expect_no_end(void)
{
	__u64 before = word();

	CHECK(!gmemctl("rollback", "--unconfirmed", NULL, NULL), "the end of no trial");
	CHECK(word() == before && allowed() == 1002, "%llx, before %llx", word(), before);
}

static void test_confirm(void)
{
	CHECK(!gmemctl("try", SECOND, LONG_TIME, NULL), "try");
	CHECK(!gmemctl("confirm", NULL, NULL, NULL), "confirm");
	expect_no_end();
	CHECK(!gmemctl("try", FIRST, LONG_TIME, NULL), "try");
	CHECK(!gmemctl("load", SECOND, NULL, NULL), "load");
	expect_no_end();
}

/* A refresh during a trial would make that the policy to go back to. */
static void test_refresh(void)
{
	__u64 before;

	CHECK(!gmemctl("load", FIRST, NULL, NULL), "load");
	CHECK(!gmemctl("try", SECOND, LONG_TIME, NULL), "try");
	before = word();
	CHECK(gmemctl("refresh", NULL, NULL, NULL) == 1, "a refresh during a trial");
	CHECK(word() == before, "%llx, before %llx", word(), before);
	CHECK(!gmemctl("rollback", NULL, NULL, NULL) && allowed() == 1001, "rollback");
}

/* The terminal, in which it was called, hangs up; gmemctl is killed. */
static void test_terminal(void)
{
	int terminal, status;
	char byte;
	__u64 before;
	pid_t pid;

	CHECK(!gmemctl("load", FIRST, NULL, NULL), "load");
	before = word();
	pid = forkpty(&terminal, NULL, NULL, NULL);
	if (!pid) {
		status = gmemctl("try", SECOND, "3s", NULL);
		if (!status) {
			printf("!\n");
			pause();
		}
		_exit(1);
	}
	do {
		if (read(terminal, &byte, 1) != 1)
			give_up("terminal");
	} while (byte != '!');
	close(terminal);
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP, "status %x", status);
	CHECK(within(slot_is, GMEM_ACTIVE_SLOT(before)) && allowed() == 1001, "the policy stays");
}

static void test_mode(void)
{
	struct loader_status status;
	__u64 before = word();

	CHECK(!gmemctl("try", SECOND, LONG_TIME, "--mode=audit"), "audit mode");
	policy_status(&status);
	CHECK(status.how.trial_until_ns && status.how.trial_back && !status.how.enforce, "status");
	loader_status_free(&status);
	CHECK(!gmemctl("rollback", NULL, NULL, NULL) && word() != before && allowed() == 1001,
	      "rollback");
}

/* This process is not the manager, and sees by creations only what is in force. */
static void test_lock(void)
{
	CHECK(!gmemctl("load", MANAGED, NULL, "--lock"), "lock");
	CHECK(gmemctl("try", SECOND, LONG_TIME, NULL) == 5, "a trial under a lock");
	CHECK(create_as(1001) == EACCES && create_as(1002) == EACCES, "another policy is in force");
}

static void put(const char *path, const char *rest)
{
	char *text = policy_text(1U << GMEM_DO_create, "%s", rest);
	FILE *file = fopen(path, "we");

	if (!file || fputs(text, file) < 0 || fclose(file))
		give_up(path);
	free(text);
}

#define ALLOW(uid)                                 \
	"subjects: { user: { uid: [" uid "] } }\n" \
	"rules: [ { name: user, allow: [create], subjects: [user] } ]\n"

int main(void)
{
	char managed[512], *exe;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_try_test", false, 0);
	if ((mkdir(FILES, 0755) && errno != EEXIST) ||
	    (mkdir(CHANGES_DIR, 0755) && errno != EEXIST))
		give_up(FILES);
	put(FIRST, ALLOW("1001"));
	put(SECOND, ALLOW("1002"));
	exe = realpath(GMEMCTL, NULL);
	snprintf(managed, sizeof(managed),
		 "subjects: { m: { exe: %s } }\nmanager: m\n"
		 "rules: [ { name: m, allow: [create], subjects: [m] } ]\n",
		 exe ?: "");
	put(MANAGED, managed);
	free(exe);
	test_first();
	test_back();
	test_confirm();
	test_refresh();
	test_terminal();
	test_mode();
	test_lock();
	printf("try: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
