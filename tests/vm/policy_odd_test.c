// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl where something is not as it should be. Each error says what and why, with the right exit
 * status, and what was in force stays in force. Runs as root in any lane, once in each boot: the
 * last case leaves a locked policy.
 *
 *   policy_odd_test [CASE...]
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
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

static const struct test_case cases[] = {
	{ "fuse", test_fuse },
	{ "user-namespace", test_user_namespace },
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
	return run_cases("odd", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
