// SPDX-License-Identifier: GPL-2.0-only
/*
 * `gmemctl monitor --audit`: every record that the kernel passes to the audit daemon, which this
 * program is, against the kernel's counters of denials. Runs as root.
 *
 *   policy_audit_test [CASE...]
 */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/gmemctl.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define SIZE	(4 * KVM_PAGE)
#define WAIT_MS 20000
#define BATCH	20
#define BATCHES 10

static int audit = -1;
static long denied, would, lost;
static char last[8192]; /* the last record of a denial */

/*
 * From now on the kernel sends the records here. It is not enabled: what else is audited then
 * (programs that are loaded) would wait for this program, which loads them.
 */
static void audit_daemon(void)
{
	struct {
		struct nlmsghdr head;
		struct audit_status status;
	} set = {
		.head = { .nlmsg_len = sizeof(set),
			  .nlmsg_type = AUDIT_SET,
			  .nlmsg_flags = NLM_F_REQUEST },
		.status = { .mask = AUDIT_STATUS_PID, .pid = (__u32)getpid() },
	};

	if (audit >= 0)
		return;
	audit = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	if (audit < 0 || send(audit, &set, sizeof(set), 0) != sizeof(set)) {
		perror("audit");
		exit(1);
	}
}

/* A record of gmemctl: gmem: WHAT and the fields. */
static void take(const char *record)
{
	const char *at = strstr(record, "msg='gmem: ");

	if (!at)
		return;
	at += strlen("msg='gmem: ");
	if (!strncmp(at, "lost ", 5)) {
		at = strstr(at, " gmem_lost_events=");
		lost += at ? atol(at + strlen(" gmem_lost_events=")) : 0;
		return;
	}
	denied += !strncmp(at, "denied ", 7);
	would += !strncmp(at, "would deny ", 11);
	snprintf(last, sizeof(last), "%s", record);
}

/* Until so many have come, or none comes any more. */
static bool wait_for(const long *what, long nr)
{
	struct pollfd fd = { .fd = audit, .events = POLLIN };
	union {
		struct nlmsghdr head;
		char bytes[16384];
	} got;
	ssize_t len;

	while (*what < nr && poll(&fd, 1, WAIT_MS) > 0) {
		len = recv(audit, &got, sizeof(got) - 1, 0);
		if (len < (ssize_t)sizeof(got.head))
			continue;
		got.bytes[len] = '\0';
		if (got.head.nlmsg_type == AUDIT_USER_AVC)
			take(NLMSG_DATA(&got.head));
	}
	return *what >= nr;
}

/* So many creations by a user. Return: the process, which has ended. */
static pid_t ask(uid_t uid, int n, int wanted_errno)
{
	int status, vm, fd;
	pid_t pid = fork();

	if (!pid) {
		int kvm = kvm_open();

		if (seteuid(uid))
			_exit(1);
		vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
		if (vm < 0) /* a kernel without the type */
			vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
		while (n-- > 0) {
			fd = kvm_create_instance(vm, SIZE, 0);
			if ((fd < 0 ? errno : 0) != wanted_errno)
				_exit(2);
			close(fd);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK(!status, "asking as %d: status %x", uid, status);
	return pid;
}

static bool has(const char *field)
{
	const char *at = strstr(last, field);

	return at && (at[strlen(field)] == ' ' || at[strlen(field)] == ':');
}

/* As many records as the kernel counted decisions, each with what it is about. */
static void test_exact(void)
{
	struct loader_status before, now;
	struct gmem_hits *was = &before.ops[GMEM_DO_create], *is_now = &now.ops[GMEM_DO_create];
	struct child monitor;
	char pid[32];
	int i;

	denied = would = lost = 0;
	load("may-not");
	policy_status(&before);
	audit_daemon();
	monitor = RUN("monitor", "--audit");
	snprintf(pid, sizeof(pid), " gmem_pid=%d", ask(BAD, 1, EACCES));
	CHECK(wait_for(&denied, 1), "no record of the denial");
	CHECK(has(pid) && has(" gmem_uid=1002") && has(" gmem_operation=\"create\"") &&
		      has(" gmem_mode=\"enforce\"") && has(" gmem_subject=\"bad\"") &&
		      has(" gmem_verdict=\"denied\"") && has(" gmem_comm=\"policy_audit_te\""),
	      "%s", last);
	/* No more at a time than a socket has room for. */
	for (i = 1; i <= BATCHES; i++) {
		ask(BAD, BATCH, EACCES);
		if (!wait_for(&denied, 1 + i * BATCH))
			break;
	}
	ask(OTHER, BATCH, 0);
	CHECK(wait_for(&denied, 1 + BATCHES * BATCH) && wait_for(&would, BATCH),
	      "%ld denied, %ld would be, %ld lost", denied, would, lost);
	CHECK(has(" gmem_mode=\"audit\"") && has(" gmem_verdict=\"would_deny\""), "%s", last);
	CHECK(!finish(&monitor, SIGTERM), "exit status");
	policy_status(&now);
	CHECK(denied == (long)(is_now->n[GMEM_VERDICT_denied] - was->n[GMEM_VERDICT_denied]) &&
		      would == (long)(is_now->n[GMEM_VERDICT_would_deny] -
				      was->n[GMEM_VERDICT_would_deny]) &&
		      !lost,
	      "%ld denied, %ld would be, %ld lost; counted %lld", denied, would, lost,
	      is_now->n[GMEM_VERDICT_denied] - was->n[GMEM_VERDICT_denied]);
	close(audit);
	audit = -1;
	printf("exact: %ld denied and %ld would be, as counted\n", denied, would);
}

/* Without the capability no record can be written, and the command ends at once. */
static void test_refused(void)
{
	struct child monitor;
	struct pollfd err = { .events = POLLIN };
	char text[512] = "";
	int ret;

	monitor = RUN("monitor", "--audit", "-o", "json");
	CHECK(finish(&monitor, 0) == GMEM_EXIT_USAGE, "--audit with -o json");
	load("may-not");
	monitor = start("/usr/bin/setpriv",
			(const char *const[]){ "--bounding-set=-audit_write", GMEMCTL, "monitor",
					       "--audit", NULL });
	ask(BAD, 1, EACCES);
	err.fd = monitor.err;
	ret = poll(&err, 1, WAIT_MS) == 1 ? (int)read(err.fd, text, sizeof(text) - 1) : 0;
	CHECK(ret > 0 && strstr(text, "CAP_AUDIT_WRITE"), "%s", text);
	ret = finish(&monitor, ret > 0 ? 0 : SIGKILL);
	CHECK(ret == GMEM_EXIT_PERMISSION, "without the capability: %d", ret);
}

static const struct test_case cases[] = {
	{ "exact", test_exact },
	{ "refused", test_refused },
};

int main(int argc __attribute__((unused)), char **argv)
{
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_audit_test", false, 0);
	ret = run_cases("audit", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
