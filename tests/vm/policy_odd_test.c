// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl where something is not as it should be. Each error says what and why, with the right exit
 * status, and what was in force stays in force. Runs as root in any lane, once in each boot: the
 * last case leaves a locked policy.
 *
 *   policy_odd_test [CASE...]
 */
#define _GNU_SOURCE
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/commands.h"
#include "lib/fuse_file.h"
#include "lib/gmemctl.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

#define DIR   "/tmp/odd"
#define FUSE  DIR "/fuse"
#define THEIR DIR "/their"

/* What each kernel can enforce. */
#define CREATE(verdict)                                                                            \
	"default: { create: " verdict ", bind: allow, mmap: allow, fault: allow, convert: allow, " \
	"punch: allow, receive: allow }\n"
#define POLICY(name, verdict) "version: 1\nname: " name "\nmode: enforce\n" CREATE(verdict)

static void write_file(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void write_file(const char *name, const char *fmt, ...)
{
	FILE *file = fopen(name, "we");
	va_list args;

	if (!file)
		give_up(name);
	va_start(args, fmt);
	vfprintf(file, fmt, args);
	va_end(args);
	if (fclose(file))
		give_up(name);
}

/* --- files by which nobody is known --- */

/* By whom a file may be run, and what it says then of what it could create. */
static int run(const char *exe)
{
	return command("exec %s --create", exe);
}

/* A policy for an executable, and what is said of it. @why: words of the warning */
static void check_made_up(const char *exe, const char *why)
{
	struct json_object *json;

	write_file(DIR "/made-up.yaml",
		   POLICY("made-up",
			  "deny") "subjects:\n"
				  "  vmm: { exe: %s }\n"
				  "rules: [ { name: r, allow: create, subjects: vmm } ]\n",
		   exe);
	CHECK(!command("gmemctl load --accept-default-change made-up.yaml"), "%s", said.err);
	CHECK(strstr(said.err, "made-up.yaml:6:15: warning: exe ") && strstr(said.err, exe) &&
		      strstr(said.err, why) && strstr(said.err, "no task is known by it; copy it"),
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
	CHECK(!command("gmemctl refresh") && strstr(said.out, "no task is known by the file"), "%s",
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
	check_made_up(FUSE "/vmm", "is a file of FUSE");
	/* Without a kernel to ask it is told too. */
	write_file(DIR "/fuse.yaml",
		   POLICY("fuse", "deny") "subjects:\n"
					  "  vmm: { exe: " FUSE "/vmm }\n"
					  "rules: [ { name: r, allow: create, subjects: vmm } ]\n");
	CHECK(!command("gmemctl check fuse.yaml") && strstr(said.err, "is a file of FUSE"), "%s",
	      said.err);
	CHECK(!command("gmemctl explain --policy fuse.yaml --op create --exe " FUSE "/vmm") &&
		      strstr(said.out, "create denied by default") &&
		      strstr(said.out, "exe " FUSE "/vmm: no task is known by the file"),
	      "%s", said.out);
	CHECK(!command("gmemctl explain -o json --policy fuse.yaml --op create --exe " FUSE "/vmm"),
	      "%s", said.err);
	json = said_json();
	CHECK(is(json, "subject.exe_made_up", "true") && is(json, "denied", "true"), "%s",
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
	check_made_up(exe, "was mounted in a user namespace");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- what is in force when something fails --- */

/* Also at once, before anybody sweeps. */
static void no_drafts(const char *after)
{
	glob_t found;

	CHECK(glob("/sys/fs/bpf/*-draft-*", 0, NULL, &found) == GLOB_NOMATCH, "after %s", after);
	globfree(&found);
}

/* @policy: "": none */
static void in_force(const char *after, const char *policy, bool enforcing)
{
	struct loader_status status;

	policy_status(&status);
	CHECK(!strcmp(status.word ? status.name : "", policy), "after %s: %s", after, status.name);
	if (*policy)
		CHECK(GMEM_ACTIVE_ENFORCES(status.word) == enforcing, "after %s", after);
	no_drafts(after);
}

#define CGROUP "/sys/fs/cgroup/odd"

/* Whoever is in there makes no child. */
static void make_childless(void)
{
	if (command("echo +pids >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p " CGROUP
		    " && echo 1 >" CGROUP "/pids.max"))
		give_up(said.err);
}

/* What is put in force and cannot be proven is not in force: there is no child to prove it with. */
static void test_unproven(void)
{
	static const struct {
		const char *before, *command;
		bool nothing; /* was in force, and nothing stays */
	} rows[] = {
		{ "true", "load deny.yaml", .nothing = true },
		{ "gmemctl load allow.yaml && gmemctl load --accept-default-change deny.yaml",
		  "load --accept-default-change allow.yaml", false },
		{ "true", "rollback", false },
		/* It has not been lost. */
		{ "gmemctl rollback && gmemctl rollback", "rollback", false },
		{ "true", "set-mode audit", false },
		{ "cp /bin/true exe && gmemctl load exe.yaml && cp /bin/true new && mv new exe",
		  "refresh", false },
		{ "true", "refresh --forget", false },
	};
	struct loader_status before, after;

	make_childless();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *what = rows[i].command;

		CHECK(!command("%s", rows[i].before), "before %s: %s", what, said.err);
		policy_status(&before);
		CHECK(command("echo $$ >" CGROUP "/cgroup.procs && exec gmemctl %s", what) == 1 &&
			      strstr(said.err, "verify the policy with a child: Resource"),
		      "%s: %d %s", what, said.status, said.err);
		policy_status(&after);
		CHECK(after.loaded != rows[i].nothing, "%s: pins", what);
		CHECK(!strcmp(before.name, after.name), "%s: %s, now %s", what, before.name,
		      after.name);
		CHECK(GMEM_ACTIVE_ENFORCES(before.word) == GMEM_ACTIVE_ENFORCES(after.word) &&
			      GMEM_ACTIVE_SLOT(before.word) == GMEM_ACTIVE_SLOT(after.word),
		      "%s: %llx, now %llx", what, before.word, after.word);
		no_drafts(what);
	}
	/* What was refused is done where it can be proven. */
	CHECK(!command("gmemctl refresh") && strstr(said.out, "verified: a child"), "%s", said.err);
	CHECK(!command("gmemctl rollback") && strstr(said.out, "verified: a child"), "%s",
	      said.err);
	CHECK(!command("gmemctl rollback -o json") && strstr(said.out, "\"proof\":\"denied\""),
	      "%s", said.out);
	CHECK(!command("gmemctl unload"), "%s", said.err);
}

/* --- signals --- */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Run one, with this signal after so long. Return: as said.status. */
static int signalled(const char *what, int sig, int64_t after_us)
{
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		dup2(null, 1);
		dup2(null, 2);
		execl("/bin/bash", "bash", "-c", what, NULL);
		_exit(127);
	}
	close(null);
	usleep((useconds_t)after_us);
	kill(pid, sig);
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * By its status one knows which policy is in force, whenever the signal comes, and nothing else is
 * left: the next one has nothing to sweep.
 */
static void test_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	static const struct {
		const char *first, *to, *from, *to_name, *from_name;
		int rounds;
	} changes[] = {
		{ "true", "exec gmemctl load deny.yaml", "gmemctl unload", "deny", "", 12 },
		{ "gmemctl load deny.yaml", "exec gmemctl load --accept-default-change allow.yaml",
		  "gmemctl load --accept-default-change deny.yaml", "allow", "deny", 15 },
		{ "true", "exec gmemctl rollback", "gmemctl rollback", "allow", "deny", 9 },
		{ "true", "exec gmemctl unload", "gmemctl load deny.yaml", "", "deny", 9 },
	};
	int64_t took;
	int done, ended, status, sig;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		CHECK(!command("%s", changes[i].first), "%s", said.err);
		took = now_us();
		CHECK(!command("%s", changes[i].to), "%s: %s", changes[i].to, said.err);
		took = now_us() - took;
		CHECK(!command("%s", changes[i].from), "%s: %s", changes[i].from, said.err);
		done = ended = 0;
		for (int round = 0; round < changes[i].rounds; round++) {
			sig = signals[round % 3];
			status = signalled(changes[i].to, sig,
					   1 + took * round * 3 / 2 / changes[i].rounds +
						   (round == changes[i].rounds - 1 ? 4 * took : 0));
			CHECK(!status || status == 128 + sig, "%s: %d", changes[i].to, status);
			in_force(changes[i].to, status ? changes[i].from_name : changes[i].to_name,
				 true);
			if (status)
				CHECK(*changes[i].from_name || access("/sys/fs/bpf/gmem", F_OK),
				      "pins are left");
			done += !status;
			ended += !!status;
			if (!status)
				CHECK(!command("%s", changes[i].from), "%s: %s", changes[i].from,
				      said.err);
		}
		printf("%s: %d ended by a signal, %d done\n", changes[i].to, ended, done);
		CHECK(ended && done, "%s: %d and %d", changes[i].to, ended, done);
	}
	CHECK(!command("gmemctl unload"), "%s", said.err);
}

static const struct test_case cases[] = {
	{ "fuse", test_fuse },
	{ "user-namespace", test_user_namespace },
	{ "unproven", test_unproven },
	{ "signals", test_signals },
};

int main(int argc, char **argv)
{
	char path[PATH_MAX + 128], here[PATH_MAX];

	if (argc > 1 && !strcmp(argv[1], "--create"))
		return request(REQUEST_create);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_odd_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	if (!getcwd(here, sizeof(here)))
		give_up("getcwd");
	snprintf(path, sizeof(path), "%s/build:%s", here, getenv("PATH") ?: "/bin");
	mkdir(DIR, 0755);
	if (setenv("PATH", path, 1) || chdir(DIR))
		give_up(DIR);
	write_file("deny.yaml", POLICY("deny", "deny") "rules: []\n");
	write_file("allow.yaml", POLICY("allow", "allow") "rules: []\n");
	write_file("exe.yaml",
		   POLICY("exe", "deny") "subjects: { s: { exe: " DIR "/exe } }\n"
					 "rules: [ { name: r, allow: create, subjects: s } ]\n");
	return run_cases("odd", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
