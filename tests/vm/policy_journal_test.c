// SPDX-License-Identifier: GPL-2.0-only
/*
 * `gmemctl monitor --journal`: every record that arrives at the journal's socket, against the
 * kernel's counters and against the same denial as JSON. Runs as root, where no journal runs.
 *
 *   policy_journal_test [CASE...]
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <json-c/json.h>

#include "../../src/ctl/journal.h"
#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/gmemctl.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define DIR	"/run/systemd/journal"
#define SOCKET	DIR "/socket"
#define SIZE	(4 * KVM_PAGE)
#define FLOOD	8000 /* events: more than have room */
#define WAIT_MS 20000

static const char *const ids[] = {
#define X(name, id) id,
	JOURNAL_MESSAGES(X)
#undef X
};

/* What has arrived, by what it is about; the last record of each kind. */
static struct {
	pthread_mutex_t lock;
	long records[4], others, denied, would, lost;
	char last[4][8192]; /* lines: NAME=VALUE */
	int fd;
	bool paused;
} journal = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* The value of a field; NULL: the record has none. Valid until the next call. */
static const char *field(const char *record, const char *name)
{
	static char value[4096];
	const char *line = record;
	size_t len = strlen(name);

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) || line[len] != '=')
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 1, "\n"),
			 line + len + 1);
		return value;
	}
	return NULL;
}

static bool has(const char *record, const char *name, const char *wanted_value)
{
	const char *value = field(record, name);

	return value && !strcmp(value, wanted_value);
}

static void take(const char *record)
{
	const char *id = field(record, "MESSAGE_ID");
	size_t about;

	for (about = 0; about < 4 && (!id || strcmp(id, ids[about])); about++)
		;
	if (about == 4) {
		journal.others++;
		return;
	}
	journal.records[about]++;
	snprintf(journal.last[about], sizeof(journal.last[about]), "%s", record);
	if (about == JOURNAL_denial) {
		journal.denied += has(record, "GMEM_VERDICT", "denied");
		journal.would += has(record, "GMEM_VERDICT", "would_deny");
	} else if (about == JOURNAL_lost) {
		journal.lost += atol(field(record, "GMEM_LOST_EVENTS") ?: "0");
	}
}

static void *read_records(void *arg)
{
	static char record[8192];
	ssize_t len;

	(void)arg;
	for (;;) {
		len = recv(journal.fd, record, sizeof(record) - 1, 0);
		if (len <= 0)
			return NULL;
		record[len] = '\0';
		pthread_mutex_lock(&journal.lock);
		take(record);
		pthread_mutex_unlock(&journal.lock);
		while (__atomic_load_n(&journal.paused, __ATOMIC_ACQUIRE))
			sleep_ms(10);
	}
}

/* A journal that keeps what it is sent. */
static void journal_begin(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	pthread_t thread;

	memset(journal.records, 0, sizeof(journal.records));
	memset(journal.last, 0, sizeof(journal.last));
	journal.others = journal.denied = journal.would = journal.lost = 0;
	if (journal.fd >= 0)
		return;
	mkdir("/run/systemd", 0755);
	mkdir(DIR, 0755);
	journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(journal.fd, (struct sockaddr *)&at, sizeof(at)) ||
	    pthread_create(&thread, NULL, read_records, NULL)) {
		perror(SOCKET);
		exit(1);
	}
}

static long records(enum journal_message about)
{
	long nr;

	pthread_mutex_lock(&journal.lock);
	nr = journal.records[about];
	pthread_mutex_unlock(&journal.lock);
	return nr;
}

static bool wait_for(enum journal_message about, long nr)
{
	int ms;

	for (ms = 0; ms < WAIT_MS && records(about) < nr; ms += 20)
		sleep_ms(20);
	return records(about) >= nr;
}

/* So many creations by this process as a user. Return: the status to exit with. */
static int create_as(uid_t uid, int n, int wanted_errno)
{
	int kvm = kvm_open(), vm, fd;

	if (seteuid(uid))
		return 1;
	vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	while (n-- > 0) {
		fd = kvm_create_instance(vm, SIZE, 0);
		if ((fd < 0 ? errno : 0) != wanted_errno)
			return 2;
		close(fd);
	}
	return 0;
}

/* So many creations by a user. Return: the process, which has ended. */
static pid_t ask(uid_t uid, int n, int wanted_errno)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(create_as(uid, n, wanted_errno));
	waitpid(pid, &status, 0);
	CHECK(!status, "asking as %d: status %x", uid, status);
	return pid;
}

/*
 * One creation by a user who stays until let_go(): the path of an executable can be read in /proc
 * only as long as its process lives.
 */
static pid_t ask_and_stay(uid_t uid, int wanted_errno, int *stay)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds)) {
		perror("pipe");
		exit(1);
	}
	pid = fork();
	if (!pid) {
		int status = create_as(uid, 1, wanted_errno);
		char end;

		close(fds[1]);
		(void)!read(fds[0], &end, 1);
		_exit(status);
	}
	close(fds[0]);
	*stay = fds[1];
	return pid;
}

static void let_go(pid_t pid, int stay)
{
	int status;

	close(stay);
	waitpid(pid, &status, 0);
	CHECK(!status, "asking: status %x", status);
}

/* As many records as the kernel counted decisions, each with what it is about. */
static void test_exact(void)
{
	struct loader_status before, now;
	struct gmem_hits *was = &before.ops[GMEM_DO_create], *is_now = &now.ops[GMEM_DO_create];
	struct child monitor;
	char pid[16], *last;

	load("may-not");
	policy_status(&before);
	journal_begin();
	monitor = RUN("monitor", "--journal");
	CHECK(wait_for(JOURNAL_policy, 1), "no record about the policy");
	CHECK(has(journal.last[JOURNAL_policy], "GMEM_POLICY_NAME", "test") &&
		      has(journal.last[JOURNAL_policy], "GMEM_POLICY_MODE", "enforce"),
	      "%s", journal.last[JOURNAL_policy]);
	snprintf(pid, sizeof(pid), "%d", ask(BAD, 1, EACCES));
	CHECK(wait_for(JOURNAL_denial, 1), "no record about the denial");
	last = journal.last[JOURNAL_denial];
	CHECK(has(last, "GMEM_PID", pid) && has(last, "GMEM_UID", "1002") &&
		      has(last, "GMEM_OPERATION", "create") && has(last, "GMEM_MODE", "enforce") &&
		      has(last, "GMEM_SUBJECT", "bad") && has(last, "GMEM_BY_RULE", "may-not") &&
		      field(last, "GMEM_GENERATION") && has(last, "PRIORITY", "4"),
	      "%s", last);
	CHECK(strstr(field(last, "MESSAGE") ?: "", "denied create: pid "), "%s", last);
	ask(BAD, 500, EACCES);
	ask(OTHER, 20, 0);
	wait_for(JOURNAL_denial, 521);
	CHECK(has(journal.last[JOURNAL_denial], "GMEM_MODE", "audit") &&
		      has(journal.last[JOURNAL_denial], "PRIORITY", "5"),
	      "%s", journal.last[JOURNAL_denial]);
	CHECK(!finish(&monitor, SIGTERM), "exit status");
	CHECK(wait_for(JOURNAL_summary, 1), "no summary");
	policy_status(&now);
	CHECK(journal.denied == (long)(is_now->n[GMEM_VERDICT_denied] -
				       was->n[GMEM_VERDICT_denied]) &&
		      journal.denied == 501,
	      "%ld records, %lld counted", journal.denied,
	      is_now->n[GMEM_VERDICT_denied] - was->n[GMEM_VERDICT_denied]);
	CHECK(journal.would == (long)(is_now->n[GMEM_VERDICT_would_deny] -
				      was->n[GMEM_VERDICT_would_deny]) &&
		      journal.would == 20,
	      "%ld records in audit mode", journal.would);
	CHECK(!journal.lost && !journal.others, "%ld lost, %ld of no kind", journal.lost,
	      journal.others);
	printf("exact: %ld denied and %ld would be, as counted\n", journal.denied, journal.would);
}

/* A busy journal holds the monitor up: what came and what is lost is all there was. */
static void test_lost(void)
{
	struct loader_status before, now;
	struct child monitor;
	long events;

	load("may-not");
	policy_status(&before);
	journal_begin();
	monitor = RUN("monitor", "--journal");
	CHECK(wait_for(JOURNAL_policy, 1), "no record about the policy");
	__atomic_store_n(&journal.paused, true, __ATOMIC_RELEASE);
	ask(BAD, FLOOD, EACCES);
	__atomic_store_n(&journal.paused, false, __ATOMIC_RELEASE);
	CHECK(wait_for(JOURNAL_lost, 1), "nothing is lost");
	sleep_ms(500);
	CHECK(!finish(&monitor, SIGTERM), "exit status");
	CHECK(wait_for(JOURNAL_summary, 1), "no summary");
	policy_status(&now);
	events = (long)(now.journal.events - before.journal.events);
	CHECK(journal.denied + journal.lost == events && events == FLOOD &&
		      journal.lost > FLOOD / 10,
	      "%ld records, %ld lost, of %ld", journal.denied, journal.lost, events);
	printf("lost: %ld records + %ld lost = %ld\n", journal.denied, journal.lost, events);
}

/* Each member that is not null is a field with its value. */
static void compare(struct json_object *value, const char *name, const char *record)
{
	char member[128], *c;

	if (json_object_get_type(value) == json_type_object) {
		json_object_object_foreach(value, key, inner)
		{
			if (!strcmp(key, "who"))
				snprintf(member, sizeof(member), "%s", name);
			else
				snprintf(member, sizeof(member), "%s_%s", name, key);
			for (c = member; *c; c++)
				*c = isalnum((unsigned char)*c) ? (char)toupper(*c) : '_';
			compare(inner, member, record);
		}
	} else if (value && strcmp(name, "GMEM_SEQ") && strcmp(name, "GMEM_TIME_NS") &&
		   strcmp(name, "GMEM_INSTANCE_INO") && strcmp(name, "GMEM_PID") &&
		   strcmp(name, "GMEM_TID")) {
		CHECK(has(record, name, json_object_get_string(value)),
		      "%s is %s, in the journal %s", name, json_object_get_string(value),
		      field(record, name));
	} else if (value) {
		CHECK(field(record, name), "the record has no %s", name);
	} else {
		CHECK(!field(record, name), "%s is null, and a field", name);
	}
}

static void test_fields(void)
{
	struct json_object *object;
	struct child monitor;
	pid_t asker;
	int stay;

	load("may-not");
	monitor = RUN("monitor", "-o", "json", "-n", "1");
	json_object_put(next(&monitor));
	asker = ask_and_stay(BAD, EACCES, &stay);
	object = next(&monitor);
	let_go(asker, stay);
	finish(&monitor, 0);
	journal_begin();
	monitor = RUN("monitor", "--journal", "-n", "1");
	CHECK(wait_for(JOURNAL_policy, 1), "no record about the policy");
	asker = ask_and_stay(BAD, EACCES, &stay);
	CHECK(wait_for(JOURNAL_denial, 1), "no record");
	let_go(asker, stay);
	CHECK(!finish(&monitor, 0), "exit status");
	CHECK(is(object, "report", "denial"), "%s", json_object_to_json_string(object));
	compare(object, "GMEM", journal.last[JOURNAL_denial]);
	json_object_put(object);
}

/* A service begins before the first policy, and outlives each of them. */
static void test_waits(void)
{
	struct child monitor;

	policy_unload();
	journal_begin();
	monitor = RUN("monitor", "--journal");
	sleep_ms(500);
	CHECK(!records(JOURNAL_policy), "a policy without a policy");
	load("may-not");
	CHECK(wait_for(JOURNAL_policy, 1), "the first policy");
	policy_unload();
	CHECK(wait_for(JOURNAL_policy, 2), "it is unloaded");
	CHECK(has(journal.last[JOURNAL_policy], "GMEM_POLICY_IN_FORCE", "false") &&
		      has(journal.last[JOURNAL_policy], "PRIORITY", "4"),
	      "%s", journal.last[JOURNAL_policy]);
	CHECK(!finish(&monitor, SIGTERM), "exit status");
}

/* What cannot be written ends it with an error. Last: there is no journal after it. */
static void test_refused(void)
{
	struct child monitor;
	char text[512] = "";
	int ret;

	monitor = RUN("monitor", "--journal", "-o", "json");
	CHECK(finish(&monitor, 0) == GMEM_EXIT_USAGE, "--journal with -o json");
	load("may-not");
	unlink(SOCKET);
	monitor = RUN("monitor", "--journal");
	ret = (int)read(monitor.err, text, sizeof(text) - 1);
	CHECK(ret > 0 && strstr(text, "no journal runs here"), "%s", text);
	ret = finish(&monitor, 0);
	CHECK(ret == GMEM_EXIT_FAILURE, "without a journal: %d", ret);
	/* It goes away while there is something to write. */
	close(journal.fd);
	journal.fd = -1;
	journal_begin();
	monitor = RUN("monitor", "--journal");
	CHECK(wait_for(JOURNAL_policy, 1), "no record about the policy");
	unlink(SOCKET);
	shutdown(journal.fd, SHUT_RD);
	ask(BAD, 1, EACCES);
	ret = finish(&monitor, 0);
	CHECK(ret == GMEM_EXIT_FAILURE, "the journal went away: %d", ret);
}

static const struct test_case cases[] = {
	{ "exact", test_exact }, { "lost", test_lost },	      { "fields", test_fields },
	{ "waits", test_waits }, { "refused", test_refused },
};

int main(int argc __attribute__((unused)), char **argv)
{
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_journal_test", false, 0);
	ret = run_cases("journal", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
