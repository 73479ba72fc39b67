// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl about processes and files that are not who they seem: what it says of them, and what the
 * kernel makes of them. Runs as root in each lane.
 *
 *   policy_explain_test [CASE...]
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/commands.h"
#include "lib/fuse_file.h"
#include "lib/gmemctl.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

#define DIR   "/tmp/explain"
#define FUSE  DIR "/fuse"
#define THEIR DIR "/their"
#define NAMED DIR "/named" /* by the policy of the cases of processes */

#define SAYS(stream, text) CHECK(strstr(said.stream, text), "%s", said.stream)
#define DOES(...)	   CHECK(!command(__VA_ARGS__), "%d %s", said.status, said.err)

static const char *gmemctl;

/* --- files by which nobody is known --- */

/* By whom a file may be run, and what it says then of what it could create. */
static int run(const char *exe)
{
	return command("exec %s --create", exe);
}

/* A policy for an executable, and what is said of it. @why: words of the warning */
static void check_untrusted_fs(const char *exe, const char *why)
{
	struct json_object *json;

	write_file(DIR "/made-up.yaml",
		   POLICY_HEAD("made-up",
			       "deny") "subjects:\n"
				       "  vmm: { exe: %s }\n"
				       "rules: [ { name: r, allow: create, subjects: vmm } ]\n",
		   exe);
	CHECK(!command("gmemctl load --accept-default-change made-up.yaml"), "%s", said.err);
	CHECK(strstr(said.err, "made-up.yaml:6:15: warning: exe ") && strstr(said.err, exe) &&
		      strstr(said.err, why) && strstr(said.err, "identifies no task; copy it"),
	      "%s", said.err);
	CHECK(run(exe) == EACCES, "it is known: %d %s", said.status, said.err);
	CHECK(!command("gmemctl load -o json --accept-default-change made-up.yaml"), "%s",
	      said.err);
	CHECK(strstr(said.err, "{\"warning\":") && strstr(said.err, why), "%s", said.err);
	json = said_json();
	CHECK(length(json, "without_identity") == 1 &&
		      is(item(json, "without_identity", 0), "exe", exe) &&
		      number(item(json, "without_identity", 0), "line") == 6,
	      "%s", said.out);
	json_object_put(json);
	CHECK(!command("gmemctl load --dry-run --accept-default-change made-up.yaml") &&
		      strstr(said.err, why),
	      "%s", said.err);
	CHECK(!command("gmemctl show -o json"), "%s", said.err);
	json = said_json();
	CHECK(is(item(json, "subjects", 0), "exe_now", "made_up") &&
		      is(item(json, "subjects", 0), "exe_inode", "null"),
	      "%s", said.out);
	json_object_put(json);
	CHECK(!command("gmemctl refresh") && strstr(said.out, "the file identifies no task"), "%s",
	      said.out);
	/* One in its place is another file, which counts. */
	CHECK(!command("cp /proc/%d/exe plain", getpid()), "%s", said.err);
	CHECK(!command("sed -i 's|exe: .* }|exe: " DIR "/plain }|' made-up.yaml && "
		       "gmemctl load made-up.yaml") &&
		      !*said.err,
	      "%s", said.err);
	CHECK(run("./plain") == 0, "%d", said.status);
	CHECK(!command("gmemctl unload"), "%s", said.err);
}

static void test_fuse(void)
{
	struct fuse_file file = { .name = "vmm", .ino = 7, .generation = 1 };
	struct json_object *json;
	char options[128];
	pid_t pid;

	if (command("modprobe -q fuse; mkdir " FUSE "; test -c /dev/fuse"))
		give_up("/dev/fuse");
	file.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	file.bytes = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", file.fuse);
	if (mount("odd", FUSE, "fuse", MS_NOSUID | MS_NODEV, options))
		give_up(FUSE);
	pid = fuse_file_serve(&file);
	close(file.fuse);
	check_untrusted_fs(FUSE "/vmm", "is a file of FUSE");
	/* Without a kernel to ask it is told too. */
	write_file(DIR "/fuse.yaml",
		   POLICY_HEAD("fuse",
			       "deny") "subjects:\n"
				       "  vmm: { exe: " FUSE "/vmm }\n"
				       "rules: [ { name: r, allow: create, subjects: vmm } ]\n");
	CHECK(!command("gmemctl check fuse.yaml") && strstr(said.err, "is a file of FUSE"), "%s",
	      said.err);
	CHECK(!command("gmemctl explain --policy fuse.yaml --op create --exe " FUSE "/vmm") &&
		      strstr(said.out, "create denied by default") &&
		      strstr(said.out, "exe " FUSE "/vmm: the file identifies no task"),
	      "%s", said.out);
	CHECK(!command("gmemctl explain -o json --policy fuse.yaml --op create --exe " FUSE "/vmm"),
	      "%s", said.err);
	json = said_json();
	CHECK(is(json, "subject.exe_untrusted_fs", "true") && is(json, "denied", "true"), "%s",
	      said.out);
	json_object_put(json);
	umount2(FUSE, MNT_DETACH);
	waitpid(pid, NULL, 0);
}

/* In a user namespace and mounts of its own, with a file system that it mounted. */
static void __attribute__((noreturn)) own_mounts(int ready)
{
	char copy[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		_exit(1);
	snprintf(copy, sizeof(copy), "cp /proc/%d/exe vmm", getpid());
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 0 1\n");
	write_file("/proc/self/gid_map", "0 0 1\n");
	if (mount("odd", THEIR, "tmpfs", 0, NULL) || chdir(THEIR) || system(copy) ||
	    write(ready, "", 1) != 1)
		_exit(1);
	while (pause())
		;
	_exit(0);
}

static void test_user_namespace(void)
{
	char exe[128], byte;
	int ready[2];
	pid_t pid;

	mkdir(THEIR, 0755);
	if (pipe(ready))
		give_up("pipe");
	pid = fork();
	if (!pid)
		own_mounts(ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		give_up("mounts of a user namespace");
	close(ready[0]);
	snprintf(exe, sizeof(exe), "/proc/%d/root" THEIR "/vmm", pid);
	check_untrusted_fs(exe, "was mounted in a user namespace");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- processes that are not what /proc says --- */

static int trace_me(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int in_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

/* Waits, as the program that the policy names. Return: its pid. */
static pid_t begin(int (*before)(void))
{
	char link[64], name[PATH_MAX] = "";
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (before && before())
			_exit(1);
		execl(NAMED, NAMED, "--wait", NULL);
		_exit(1);
	}
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	for (int i = 0; i < 1000 && strcmp(name, NAMED); i++) {
		memset(name, 0, sizeof(name));
		if (readlink(link, name, sizeof(name) - 1) < 0)
			give_up(link);
		usleep(5000);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void load_named(void)
{
	write_file("who.yaml",
		   POLICY_HEAD("who",
			       "deny") "subjects: { s: { exe: " NAMED " } }\n"
				       "rules: [ { name: named, allow: create, subjects: s } ]\n");
	DOES("rm -f " NAMED "; cp /proc/%d/exe " NAMED " && gmemctl load who.yaml", getpid());
}

static const struct who {
	const char *name;
	int (*before)(void);
	const char *otherwise; /* that the kernel decides, and why; NULL: it does not */
	bool identity;
} whos[] = {
	{ "plain", NULL, NULL, true },
	{ "user namespace", in_user_namespace,
	  "create denied by default; it has no executable there", true },
	/* /proc does not show who was traced when it began. */
	{ "traced", trace_me, "create denied by default; it has no identity there", false },
};

static void check_who(const struct who *who)
{
	pid_t pid = begin(who->before);
	struct json_object *json;
	char text[256];

	DOES("gmemctl explain --op create --pid %d", pid);
	SAYS(out, "create allowed by rule named");
	snprintf(text, sizeof(text), "but the kernel decides otherwise for process %d: %s", pid,
		 who->otherwise);
	CHECK(!who->otherwise == !strstr(said.out, "otherwise"), "%s: %s", who->name, said.out);
	if (who->otherwise)
		SAYS(out, text);
	DOES("gmemctl explain --op create --pid %d -o json", pid);
	json = said_json();
	CHECK(is(json, "verdict", "allow"), "%s", said.out);
	CHECK(is(json, "denied", who->otherwise ? "true" : "false"), "%s", said.out);
	CHECK(is(json, "in_kernel.identity", who->identity ? "true" : "false"), "%s", said.out);
	CHECK(is(json, "in_kernel.executable", who->otherwise ? "false" : "true"), "%s", said.out);
	CHECK(is(json, "in_kernel.verdict", who->otherwise ? "deny" : "allow"), "%s", said.out);
	json_object_put(json);
	/* Of a policy in a file the kernel knows nothing. */
	DOES("gmemctl explain --policy who.yaml --op create --pid %d -o json", pid);
	json = said_json();
	CHECK(is(json, "in_kernel", "null") && is(json, "denied", "false"), "%s", said.out);
	json_object_put(json);
	end(pid);
}

static void test_processes(void)
{
	load_named();
	for (size_t i = 0; i < sizeof(whos) / sizeof(whos[0]); i++)
		check_who(&whos[i]);
	DOES("gmemctl unload");
}

/* --- events, and what became of it then --- */

/* The one denial of a command, as the file "event". */
static void denial_of(const char *op, const char *denied)
{
	struct child child = start(gmemctl, (const char *const[]){ "monitor", "-o", "json", "-n",
								   "1", "--op", op, NULL });
	struct json_object *object = next(&child);

	CHECK(is(object, "policy.in_force", "true"), "what is in force is not told first");
	json_object_put(object);
	CHECK(command("%s", denied), "%s: not denied", denied);
	object = next(&child);
	CHECK(get(object, "seq"), "no denial by %s", denied);
	write_file("event", "%s\n", object ? json_object_to_json_string(object) : "");
	json_object_put(object);
	CHECK(!finish(&child, 0), "monitor");
}

static void test_events(void)
{
	struct json_object *json;
	char reach[64];
	pid_t pid;

	load_named();
	/* What a guard keeps off, no rule decides. */
	pid = begin(NULL);
	snprintf(reach, sizeof(reach), "head -c 1 /proc/%d/mem", pid);
	denial_of("trace", reach);
	end(pid);
	DOES("gmemctl explain event");
	SAYS(out, "denied by the guard trace (who), generation");
	DOES("gmemctl explain -o json - <event");
	json = said_json();
	CHECK(is(json, "event.guard", "trace") && is(json, "event.verdict", "denied"), "%s",
	      said.out);
	json_object_put(json);
	denial_of("create", "exec /proc/$PPID/exe --create");
	DOES("gmemctl explain event");
	SAYS(out, "when it happened: denied by the default of create (who:4), generation");
	DOES("gmemctl unload");
}

static const struct test_case cases[] = {
	{ "fuse", test_fuse },
	{ "user-namespace", test_user_namespace },
	{ "processes", test_processes },
	{ "events", test_events },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--create"))
		return request(REQUEST_create);
	if (argc > 1 && !strcmp(argv[1], "--wait"))
		return pause();
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_explain_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	gmemctl = commands_begin(DIR);
	return run_cases("explain", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
