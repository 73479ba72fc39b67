// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemctl tells of a policy at work: `monitor` against the kernel's counters, event by event,
 * `show` and gmemtop's frames. Runs as root.
 *
 *   policy_watch_test [CASE...]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include <json-c/json.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/gmemctl.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define SIZE  (4 * KVM_PAGE)
#define FLOOD 8000 /* events: more than have room */

/* --- monitor --- */

/* What the counters say that happened since. */
struct since {
	struct loader_status before, now;
};

static void since_begin(struct since *since)
{
	policy_status(&since->before);
}

static long since_verdict(struct since *since, int op, enum gmem_verdict verdict)
{
	return (long)(since->now.ops[op].n[verdict] - since->before.ops[op].n[verdict]);
}

static bool linger;

/* So many creations by a user, who is denied them or not. Return: his pid. */
static pid_t ask(uid_t uid, int n, int wanted_errno)
{
	int status, kvm, vm, fd;
	pid_t pid = fork();

	if (!pid) {
		kvm = kvm_open();
		if (seteuid(uid))
			_exit(1);
		vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
		while (n-- > 0) {
			fd = kvm_create_instance(vm, SIZE, 0);
			if ((fd < 0 ? errno : 0) != wanted_errno)
				_exit(2);
			close(fd);
		}
		/* Its executable can be told as long as it runs. */
		if (linger)
			sleep_ms(1000);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK(!status, "asking as %d: status %x", uid, status);
	return pid;
}

struct told {
	long denials, would, lost;
	long shown, events, all_lost; /* of the summary; -1: there was none */
	long policies;
	bool out_of_order;
};

/* Everything until the end of the output. */
static struct told read_all(struct child *child)
{
	struct told told = { .shown = -1 };
	struct json_object *object;
	long last = -1;

	while ((object = next(child))) {
		if (get(object, "lost")) {
			told.lost += number(object, "lost.events");
		} else if (get(object, "policy")) {
			told.policies++;
		} else if (get(object, "summary")) {
			told.shown = number(object, "summary.shown");
			told.events = number(object, "summary.events");
			told.all_lost = number(object, "summary.lost");
		} else {
			told.denials += is(object, "verdict", "denied");
			told.would += is(object, "verdict", "would_deny");
			if (!is(object, "verdict", "denied") &&
			    !is(object, "verdict", "would_deny"))
				CHECK(0, "%s", json_object_to_json_string(object));
			told.out_of_order |= number(object, "seq") <= last;
			last = number(object, "seq");
		}
		json_object_put(object);
	}
	return told;
}

/* So many denials as the counters have: all come, and each says what it is. */
static void test_exact(void)
{
	struct since since;
	struct json_object *object;
	struct child monitor;
	struct told told;
	long events;
	pid_t pid;
	int ret;

	load("may-not");
	since_begin(&since);
	monitor = RUN("monitor", "-o", "json", "--op", "create");
	object = next(&monitor);
	CHECK(is(object, "policy.name", "test") && is(object, "policy.mode", "enforce") &&
		      is(object, "policy.in_force", "true"),
	      "%s", json_object_to_json_string(object));
	json_object_put(object);
	linger = true;
	pid = ask(BAD, 1, EACCES);
	linger = false;
	object = next(&monitor);
	CHECK(object, "it did not come");
	CHECK(number(object, "who.pid") == pid && number(object, "who.uid") == BAD &&
		      is(object, "who.comm", "policy_watch_te"),
	      "%s", json_object_to_json_string(object));
	CHECK(is(object, "operation", "create") && is(object, "verdict", "denied") &&
		      is(object, "by.rule", "may-not") && is(object, "by.cause", "rule") &&
		      is(object, "by.policy", "test") && number(object, "by.line") == 7,
	      "%s", json_object_to_json_string(object));
	CHECK(is(object, "request.size", "16KiB") && is(object, "request.flags", "none"), "%s",
	      json_object_to_json_string(object));
	CHECK(number(object, "time_ns") / 1000000000 - time(NULL) < 5 &&
		      time(NULL) - number(object, "time_ns") / 1000000000 < 5,
	      "%s", json_object_to_json_string(object));
	CHECK(strstr(string(object, "who.exe"), "policy_watch_test"), "%s",
	      json_object_to_json_string(object));
	json_object_put(object);
	ask(BAD, 500, EACCES);
	ask(OTHER, 20, 0);
	sleep_ms(300);
	kill(monitor.pid, SIGINT);
	told = read_all(&monitor);
	ret = finish(&monitor, 0);
	policy_status(&since.now);
	events = (long)(since.now.journal.events - since.before.journal.events);
	CHECK(!ret, "exit status %d", ret);
	CHECK(told.denials == 500 && told.would == 20 && !told.lost && !told.out_of_order,
	      "%ld denied, %ld would be, %ld lost", told.denials, told.would, told.lost);
	CHECK(told.events == events && !told.all_lost, "%ld events of %ld, %ld lost", told.events,
	      events, told.all_lost);
	CHECK(since_verdict(&since, GMEM_DO_create, GMEM_VERDICT_denied) == 501 &&
		      since_verdict(&since, GMEM_DO_create, GMEM_VERDICT_would_deny) == 20 &&
		      told.shown == 521,
	      "shown %ld, counted %ld", told.shown,
	      since_verdict(&since, GMEM_DO_create, GMEM_VERDICT_denied));
	printf("exact: %ld denied and %ld would be, as counted\n", told.denials, told.would);
}

/* More than there is room for: what came and what is told to be lost is all there was. */
static void test_lost(void)
{
	struct since since;
	struct child monitor;
	struct told told;
	long events, lost;

	load("may-not");
	since_begin(&since);
	ask(BAD, FLOOD, EACCES);
	monitor = RUN("monitor", "-o", "json");
	sleep_ms(500);
	/* It does not read, while there is more than can wait. */
	kill(monitor.pid, SIGSTOP);
	ask(BAD, 10, EACCES);
	ask(BAD, FLOOD, EACCES);
	kill(monitor.pid, SIGCONT);
	/* Its pipe is full, so that it only goes on when it is read. */
	{
		pid_t killer = fork();

		if (!killer) {
			sleep_ms(2000);
			kill(monitor.pid, SIGTERM);
			_exit(0);
		}
		told = read_all(&monitor);
		waitpid(killer, NULL, 0);
	}
	CHECK(!finish(&monitor, 0), "exit status");
	policy_status(&since.now);
	events = (long)(since.now.journal.events - since.before.journal.events);
	lost = (long)(since.now.journal.lost - since.before.journal.lost);
	CHECK(told.all_lost == lost && lost > FLOOD / 10, "%ld lost, of %ld", told.all_lost, lost);
	CHECK(told.lost == told.all_lost, "told of %ld lost, in all %ld", told.lost, told.all_lost);
	CHECK(told.denials + told.all_lost == events && events == 2 * FLOOD + 10,
	      "%ld came, %ld lost, of %ld", told.denials, told.all_lost, events);
	CHECK(since_verdict(&since, GMEM_DO_create, GMEM_VERDICT_denied) == events,
	      "the counters have %ld", since_verdict(&since, GMEM_DO_create, GMEM_VERDICT_denied));
	printf("lost: %ld came + %ld lost = %ld\n", told.denials, told.all_lost, events);
}

static void test_one_reader(void)
{
	struct child first, second, pipe_closed;
	struct json_object *object;
	char text[512] = "";
	int ret;

	load("may-not");
	first = RUN("monitor", "-o", "json");
	json_object_put(next(&first));
	second = RUN("monitor");
	ret = (int)read(second.err, text, sizeof(text) - 1);
	CHECK(ret > 0 && strstr(text, "another gmemctl monitor"), "%s", text);
	ret = finish(&second, 0);
	CHECK(ret == GMEM_EXIT_FAILURE, "the second one ends with %d", ret);
	CHECK(finish(&first, SIGKILL) == 1000 + SIGKILL, "killed");
	second = RUN("monitor", "-o", "json", "-n", "2");
	object = next(&second);
	CHECK(is(object, "policy.in_force", "true"), "after a kill the place is free");
	json_object_put(object);
	ask(BAD, 3, EACCES);
	CHECK(read_all(&second).shown == 2, "-n 2");
	CHECK(!finish(&second, 0), "-n");
	/* Whoever reads it goes away. */
	pipe_closed = RUN("monitor");
	sleep_ms(300);
	fclose(pipe_closed.out);
	pipe_closed.out = fopen("/dev/null", "r");
	ask(BAD, 1, EACCES);
	ret = finish(&pipe_closed, 0);
	CHECK(!ret, "without a reader it ends with %d", ret);
}

/* The next line that has this member. */
static struct json_object *until(struct child *child, const char *path)
{
	struct json_object *object;

	while ((object = next(child)) && !get(object, path))
		json_object_put(object);
	return object;
}

static void expect_denial(struct child *monitor, const char *rule)
{
	struct json_object *object;
	pid_t pid = ask(BAD, 1, EACCES);

	while ((object = until(monitor, "verdict")) && number(object, "who.pid") != pid)
		json_object_put(object);
	CHECK(is(object, "by.rule", rule), "%s", json_object_to_json_string(object));
	json_object_put(object);
}

static void expect_policy(struct child *monitor, bool in_force, const char *mode)
{
	struct json_object *object = until(monitor, "policy");

	CHECK(is(object, "policy.in_force", in_force ? "true" : "false") &&
		      is(object, "policy.mode", mode),
	      "%s", json_object_to_json_string(object));
	json_object_put(object);
}

static void test_replaced(void)
{
	struct child monitor, second;
	enum proof proof;
	int ret;

	load("first");
	monitor = RUN("monitor", "-o", "json");
	expect_policy(&monitor, true, "enforce");
	expect_denial(&monitor, "first");
	load("second");
	expect_policy(&monitor, true, "enforce");
	expect_denial(&monitor, "second");
	loader_set_mode(NULL, false, true, &proof);
	expect_policy(&monitor, true, "audit");
	policy_unload();
	expect_policy(&monitor, false, "null");
	second = RUN("monitor");
	ret = finish(&second, 0);
	CHECK(ret == GMEM_EXIT_FAILURE, "without a policy: %d", ret);
	load("third");
	expect_policy(&monitor, true, "enforce");
	expect_denial(&monitor, "third");
	CHECK(!finish(&monitor, SIGTERM), "ended");
}

/* --- show, and gmemtop --- */

#define EXE    "/tmp/policy_watch_exe"
#define CGROUP "/sys/fs/cgroup/policy_watch"

static struct json_object *report(const char *command)
{
	struct child child = RUN(command, "-o", "json");
	struct json_object *object = next(&child);
	int ret = finish(&child, 0);

	CHECK(object && !ret, "%s ends with %d", command, ret);
	return object;
}

static struct json_object *show(void)
{
	return report("show");
}

static void make_exe(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file || fchmod(fileno(file), 0755))
		give_up(path);
	fclose(file);
}

/* Of the first subject. */
static void expect_state(const char *member, const char *state)
{
	struct json_object *shown = show();

	CHECK(is(item(shown, "subjects", 0), member, state), "%s",
	      json_object_to_json_string(get(shown, "subjects")));
	json_object_put(shown);
}

static void check_hits(struct json_object *object, const struct gmem_hits *hits)
{
	CHECK(number(object, "allowed") == (long)hits->n[GMEM_VERDICT_allowed] &&
		      number(object, "denied") == (long)hits->n[GMEM_VERDICT_denied] &&
		      number(object, "would_deny") == (long)hits->n[GMEM_VERDICT_would_deny] &&
		      number(object, "would_allow") == (long)hits->n[GMEM_VERDICT_would_allow],
	      "%s", json_object_to_json_string(object));
}

static void test_show(void)
{
	static struct loader_shown kernel;
	struct json_object *shown, *one;
	char *text, path[64], inode[96];
	struct stat st;
	int op;

	make_exe(EXE);
	if (mkdir(CGROUP, 0755))
		give_up(CGROUP);
	text = policy_text(0,
			   "subjects:\n"
			   "  one: { exe: %s, uid: [%d, %d], cgroup: /policy_watch }\n"
			   "  bad: { uid: [%d] }\n"
			   "rules:\n"
			   "  - { name: none, deny: [create], subjects: [one] }\n"
			   "  - { name: may-not, deny: [create], subjects: [bad] }\n",
			   EXE, BAD, OTHER, BAD);
	if (policy_load(text, true, 0))
		give_up("load");
	ask(BAD, 7, EACCES);
	ask(OTHER, 5, 0);
	shown = show();
	if (loader_show(NULL, &kernel))
		give_up("show");
	CHECK(is(shown, "source", text) && is(shown, "policy", "test") &&
		      is(shown, "mode", "enforce"),
	      "%s", json_object_to_json_string(shown));
	CHECK(is(item(shown, "rules", 1), "name", "may-not") &&
		      number(item(shown, "rules", 1), "denied") == 7 &&
		      number(item(shown, "rules", 0), "denied") == 0,
	      "%s", json_object_to_json_string(shown));
	check_hits(item(shown, "rules", 1), &kernel.rules[1]);
	/* Behind the rules come the defaults. */
	check_hits(item(shown, "rules", 2), &kernel.rules[GMEM_RULE_DEFAULT(0)]);
	for (op = 0; op < GMEM_DO_MAX; op++) {
		snprintf(path, sizeof(path), "operations.%s", operation_names[op]);
		check_hits(get(shown, path), &kernel.ops[op]);
	}
	one = item(shown, "subjects", 0);
	stat(EXE, &st);
	snprintf(inode, sizeof(inode), "%u:%u", major(st.st_dev), minor(st.st_dev));
	CHECK(is(one, "exe_inode.dev", inode) && number(one, "exe_inode.ino") == (long)st.st_ino &&
		      is(one, "exe_now", "same"),
	      "%s wanted %s", json_object_to_json_string(one), inode);
	CHECK(length(one, "uids") == 2 && length(item(shown, "subjects", 1), "uids") == 1 &&
		      json_object_get_int(item(item(shown, "subjects", 1), "uids", 0)) == BAD,
	      "%s", json_object_to_json_string(get(shown, "subjects")));
	CHECK(number(one, "cgroup_id") > 0 && is(one, "cgroup_now", "same"), "%s",
	      json_object_to_json_string(one));
	json_object_put(shown);
	loader_shown_free(&kernel);
	make_exe(EXE ".new");
	rename(EXE ".new", EXE);
	expect_state("exe_now", "other");
	unlink(EXE);
	expect_state("exe_now", "missing");
	rmdir(CGROUP);
	expect_state("cgroup_now", "gone");
	if (mkdir(CGROUP, 0755))
		give_up(CGROUP);
	expect_state("cgroup_now", "again");
	/* The same in the status, where the policy is otherwise fine. */
	shown = report("status");
	one = item(shown, "cgroups", 0);
	CHECK(length(shown, "cgroups") == 1 && is(one, "subject", "one") &&
		      is(one, "cgroup_now", "again"),
	      "%s", json_object_to_json_string(shown));
	json_object_put(shown);
	rmdir(CGROUP);
	free(text);
}

/* gmemtop has the same numbers. */
static void test_gmemtop(void)
{
	struct loader_status status;
	struct json_object *frame;
	struct child child;
	char path[64];
	int op;

	load("may-not");
	ask(BAD, 3, EACCES);
	ask(OTHER, 2, 0);
	child = start("build/gmemtop", (const char *const[]){ "--once", "--json", NULL });
	frame = next(&child);
	CHECK(!finish(&child, 0), "gmemtop");
	policy_status(&status);
	CHECK(is(frame, "policy.mode", "enforce") &&
		      number(frame, "policy.generation") ==
			      (long)GMEM_ACTIVE_GENERATION(status.word),
	      "%s", json_object_to_json_string(frame));
	for (op = 0; op < GMEM_DO_MAX; op++) {
		snprintf(path, sizeof(path), "policy.denied.%s", operation_names[op]);
		CHECK(number(frame, path) == (long)status.ops[op].n[GMEM_VERDICT_denied], "%s %ld",
		      path, number(frame, path));
		snprintf(path, sizeof(path), "policy.would_deny.%s", operation_names[op]);
		CHECK(number(frame, path) == (long)status.ops[op].n[GMEM_VERDICT_would_deny],
		      "%s %ld", path, number(frame, path));
	}
	CHECK(number(frame, "policy.denied.create") >= 3 &&
		      number(frame, "policy.would_deny.create") >= 2,
	      "%s", json_object_to_json_string(frame));
	json_object_put(frame);
}

/* What sha256sum(1) prints of a policy's text names it in every report. */
static void test_digest(void)
{
	char *text = policy_text(1U << GMEM_DO_create, "rules: []\n"), sum[80] = "sha256:";
	struct json_object *object;
	struct child child;
	FILE *file;

	file = fopen("/tmp/digest.yaml", "we");
	if (!file || fputs(text, file) < 0 || fclose(file))
		give_up("/tmp/digest.yaml");
	file = popen("sha256sum </tmp/digest.yaml", "r");
	if (!file || fscanf(file, "%64s", sum + strlen(sum)) != 1 || pclose(file))
		give_up("sha256sum");
	if (policy_load(text, true, 0))
		give_up("load");
	policy_read_events();
	object = report("status");
	CHECK(is(object, "digest", sum), "status: %s, wanted %s", string(object, "digest"), sum);
	json_object_put(object);
	object = report("show");
	CHECK(is(object, "digest", sum), "show: %s, wanted %s", string(object, "digest"), sum);
	json_object_put(object);
	child = RUN("status", "--check", "-o", "json");
	object = next(&child);
	CHECK(!finish(&child, 0) && is(item(object, "policies", 0), "digest", sum) &&
		      number(item(object, "policies", 0), "loaded_seconds") > 0,
	      "%s", json_object_to_json_string(object));
	json_object_put(object);
	ask(BAD, 1, EACCES);
	child = RUN("monitor", "--count", "1", "-o", "json");
	json_object_put(next(&child));
	object = next(&child);
	CHECK(is(object, "by.digest", sum), "%s", json_object_to_json_string(object));
	json_object_put(object);
	json_object_put(next(&child));
	CHECK(!finish(&child, 0), "monitor");
	free(text);
}

/* As text, denials that repeat are one line and their number. */
static void test_folded(void)
{
	unsigned long lines = 0, repeats = 0, n;
	struct child monitor;
	char line[1024];

	load("may-not");
	monitor = RUN("monitor");
	CHECK(fgets(line, sizeof(line), monitor.out) && strstr(line, "in force"), "%s", line);
	ask(BAD, 50, EACCES);
	sleep_ms(500);
	kill(monitor.pid, SIGINT);
	while (fgets(line, sizeof(line), monitor.out)) {
		lines += strstr(line, "may-not") != NULL;
		if (sscanf(line, "the last line repeated %lu time", &n) == 1)
			repeats += n;
	}
	CHECK(lines >= 1 && lines + repeats == 50, "%lu lines and %lu repeats", lines, repeats);
	CHECK(lines < 10, "%lu lines", lines);
	CHECK(!finish(&monitor, 0), "its end");
}

/* Whoever reads it has stopped: a signal ends it, and it reports that not all was read. */
static void test_stalled(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	char text[512];
	ssize_t n;

	load("may-not");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct child monitor = RUN("monitor", "-o", "json");

		json_object_put(next(&monitor));
		/* More than a pipe holds. */
		ask(BAD, 1000, EACCES);
		sleep_ms(500);
		kill(monitor.pid, signals[i]);
		n = read(monitor.err, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		CHECK(strstr(text, "took nothing for two seconds"), "signal %d: %s", signals[i],
		      text);
		n = finish(&monitor, 0);
		CHECK(n == GMEM_EXIT_FAILURE, "signal %d: it ends with %zd", signals[i], n);
	}
}

/* In this order programs are loaded twice: that takes seconds. */
static const struct test_case cases[] = {
	{ "show", test_show },	     { "gmemtop", test_gmemtop },
	{ "exact", test_exact },     { "lost", test_lost },
	{ "folded", test_folded },   { "one-reader", test_one_reader },
	{ "stalled", test_stalled }, { "replaced", test_replaced },
	{ "digest", test_digest },
};

int main(int argc __attribute__((unused)), char **argv)
{
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_watch_test", false, 0);
	ret = run_cases("watch", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
