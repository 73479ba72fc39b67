// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl refresh: an executable is replaced as a package manager does it, by another file of its
 * name. What runs goes on, what begins is recognised after the refresh and not before. Runs as root
 * in each lane, once in each boot: the last case leaves a locked policy.
 *
 *   policy_refresh_test [CASE...]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/ctl/kernel/loader.h"
#include "../../src/policy/compile.h"
#include "../../src/ctl/kernel/refresh.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

#define DIR    "/tmp/refresh"
#define VMM    DIR "/vmm"
#define OLD    DIR "/vmm-old"
#define AGENT  DIR "/agent"
#define CGROUP "/sys/fs/cgroup/refresh"

/* The player: waits until standard input ends, which is a pipe, and creates. */
static int play(void)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
	return request(REQUEST_create);
}

struct player {
	pid_t pid;
	int in; /* its standard input */
};

static struct player begin(const char *exe)
{
	char link[64], name[PATH_MAX] = "";
	struct player player;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		give_up("making a pipe");
	player.pid = fork();
	if (!player.pid) {
		dup2(ends[0], 0);
		execl(exe, exe, "--play", NULL);
		_exit(ASKED_NOT);
	}
	player.in = ends[1];
	close(ends[0]);
	snprintf(link, sizeof(link), "/proc/%d/exe", player.pid);
	for (int i = 0; i < 1000 && strcmp(name, exe); i++) {
		memset(name, 0, sizeof(name));
		if (readlink(link, name, sizeof(name) - 1) < 0)
			give_up(link);
		usleep(5000);
	}
	return player;
}

/* Return: what it could create. */
static int end(struct player *player)
{
	int status;

	close(player->in);
	if (waitpid(player->pid, &status, 0) != player->pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

static int run(const char *exe)
{
	struct player player = begin(exe);

	return end(&player);
}

/* As package managers do: another file gets the name. */
static void install(const char *exe)
{
	char cmd[256];

	mkdir(DIR, 0755);
	snprintf(cmd, sizeof(cmd), "cp /proc/%d/exe %s.new && mv -f %s.new %s", getpid(), exe, exe,
		 exe);
	if (system(cmd))
		give_up(cmd);
}

static void load(const char *rest)
{
	char *text = policy_text(1U << GMEM_DO_create, "%s", rest);

	if (policy_load(text, true, 0))
		give_up("loading a policy");
	free(text);
}

#define ONE_SUBJECT                                     \
	"subjects: { vmm: { exe: " VMM ", uid: 0 } }\n" \
	"rules: [ { name: vmm, allow: [create], subjects: [vmm] } ]\n"

/* What one refresh says. */
static struct refresh_report report;

static int refresh(bool forget)
{
	refresh_report_free(&report);
	return loader_refresh(NULL, forget, true, &report);
}

/* Return: 0, another number: it could not. */
static int refresh_by(const char *exe)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execl(exe, exe, "--refresh", NULL);
		_exit(ASKED_NOT);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
								    : ASKED_NOT;
}

static __u64 generation(void)
{
	struct loader_status status;

	policy_status(&status);
	return GMEM_ACTIVE_GENERATION(status.word);
}

static void test_upgrade(void)
{
	struct player first, second;
	struct loader_status status;
	enum proof proof;
	__u64 before;

	install(VMM);
	load(ONE_SUBJECT);
	first = begin(VMM);
	second = begin(VMM);
	before = generation();
	CHECK(!refresh(false) && !report.changed, "nothing to do");
	CHECK(report.subjects[0].state == REFRESH_same, "%u", report.subjects[0].state);
	CHECK(generation() == before && report.generation == before, "nothing was done");
	install(VMM);
	CHECK(run(VMM) == EACCES, "a new one before the refresh");
	CHECK(!refresh(false) && report.changed, "refresh");
	CHECK(report.subjects[0].state == REFRESH_replaced, "%u", report.subjects[0].state);
	CHECK(report.subjects[0].kept == 1 && !report.forgotten, "%zu kept, %zu forgotten",
	      report.subjects[0].kept, report.forgotten);
	CHECK(report.subjects[0].before.ino != report.subjects[0].now.ino, "the same inode");
	CHECK(report.proof == PROOF_denied && report.enforce, "%s", proof_names[report.proof]);
	CHECK(generation() == report.generation && report.generation > before, "generation %llu",
	      report.generation);
	CHECK(run(VMM) == 0, "a new one after it");
	CHECK(end(&first) == 0, "an old one goes on");
	CHECK(!refresh(false) && !report.changed && report.subjects[0].kept == 1, "again");
	CHECK(!refresh(true) && report.changed, "forget");
	CHECK(!report.subjects[0].kept && report.forgotten == 1, "%zu kept, %zu forgotten",
	      report.subjects[0].kept, report.forgotten);
	CHECK(end(&second) == EACCES, "an old one is forgotten");
	CHECK(run(VMM) == 0, "a new one is not");
	CHECK(!refresh(true) && !report.changed, "forget again");
	/* The mode is kept. */
	CHECK(!loader_set_mode(NULL, false, true, &proof), "audit");
	install(VMM);
	CHECK(!refresh(false) && report.changed && !report.enforce, "in audit mode");
	policy_status(&status);
	CHECK(!GMEM_ACTIVE_ENFORCES(status.word), "still in audit mode");
	policy_unload();
	CHECK(refresh(false) == -ENOENT, "without a policy");
}

/* Back is where it was: the old file alone counts. */
static void test_rollback(void)
{
	struct player old;
	__u64 back;

	install(VMM);
	load(ONE_SUBJECT);
	old = begin(VMM);
	install(VMM);
	CHECK(!refresh(true) && report.changed && run(VMM) == 0, "refresh");
	CHECK(!loader_rollback(NULL, true, &back, &(enum proof){ 0 }) && run(VMM) == EACCES,
	      "rolled back");
	CHECK(end(&old) == 0, "the old one");
	policy_unload();
}

/* Whoever keeps a link to a replaced file can run it until it is forgotten. */
static void test_link(void)
{
	install(VMM);
	unlink(OLD);
	load(ONE_SUBJECT);
	if (link(VMM, OLD))
		give_up("linking");
	install(VMM);
	CHECK(run(OLD) == 0, "the file that was named");
	CHECK(!refresh(false) && run(OLD) == 0 && run(VMM) == 0, "both count");
	CHECK(!refresh(true) && run(OLD) == EACCES && run(VMM) == 0, "one counts");
	policy_unload();
	unlink(OLD);
}

/* Removed, and installed later. */
static void test_missing(void)
{
	struct player old;

	install(VMM);
	load(ONE_SUBJECT);
	old = begin(VMM);
	if (rename(VMM, OLD))
		give_up("renaming");
	CHECK(!refresh(false) && !report.changed, "it is missing");
	CHECK(report.subjects[0].state == REFRESH_missing, "%u", report.subjects[0].state);
	CHECK(run(OLD) == 0, "it is where it was moved to");
	install(VMM);
	CHECK(!refresh(false) && report.changed && report.subjects[0].kept == 1, "it is back");
	CHECK(run(VMM) == 0, "the new one");
	unlink(VMM);
	CHECK(!refresh(true) && report.changed && report.forgotten == 2, "%zu forgotten",
	      report.forgotten);
	CHECK(end(&old) == EACCES && run(OLD) == EACCES, "nobody");
	policy_unload();
	unlink(OLD);
}

/* Two names of one file become two files, and one again: each is who it is named as. */
static void test_classes(void)
{
	struct player both;

	install(VMM);
	unlink(AGENT);
	if (link(VMM, AGENT))
		give_up("linking");
	load("subjects: { vmm: { exe: " VMM " }, agent: { exe: " AGENT " }, user: { uid: 0 } }\n"
	     "rules:\n"
	     "  - { name: vmm, allow: [create], subjects: [vmm] }\n"
	     "  - { name: rest, allow: [punch], subjects: [agent, user] }\n");
	CHECK(run(AGENT) == 0, "by its other name");
	both = begin(VMM);
	install(AGENT);
	CHECK(!refresh(false) && report.changed, "two files");
	CHECK(report.subjects[0].state == REFRESH_same &&
		      report.subjects[1].state == REFRESH_replaced,
	      "%u %u", report.subjects[0].state, report.subjects[1].state);
	CHECK(run(VMM) == 0, "one");
	CHECK(run(AGENT) == EACCES, "the other");
	CHECK(end(&both) == 0, "what was both");
	unlink(AGENT);
	if (link(VMM, AGENT))
		give_up("linking");
	CHECK(!refresh(true) && report.changed && report.forgotten == 1, "one file again");
	CHECK(run(AGENT) == 0, "by its other name again");
	policy_unload();
	unlink(AGENT);
}

/* What is in the kernel of users and cgroups stays there. */
static void test_others(void)
{
	char *const rest = "subjects: { vmm: { exe: " VMM
			   ", cgroup: /refresh }, nobody: { uid: 1 } }\n"
			   "rules: [ { name: vmm, allow: [create], subjects: [vmm, nobody] } ]\n";

	install(VMM);
	if (mkdir(CGROUP, 0755))
		give_up(CGROUP);
	load(rest);
	install(VMM);
	CHECK(!refresh(false) && report.changed, "refresh");
	CHECK(report.subjects[0].cgroup == CGROUP_same && !report.subjects[1].users_differ,
	      "the same");
	CHECK(run(VMM) == EACCES, "outside of the cgroup");
	CHECK(request_as(1, REQUEST_create) == 0, "the user");
	CHECK(request_as(2, REQUEST_create) == EACCES, "another user");
	if (rmdir(CGROUP) || mkdir(CGROUP, 0755))
		give_up(CGROUP);
	install(VMM);
	CHECK(!refresh(true) && report.changed && report.subjects[0].cgroup == CGROUP_again,
	      "another cgroup of that name");
	rmdir(CGROUP);
	CHECK(!refresh(false) && report.subjects[0].cgroup == CGROUP_gone, "no such cgroup");
	policy_unload();
}

/* Many upgrades without a restart. */
static void test_many(void)
{
	struct player first;

	install(VMM);
	load(ONE_SUBJECT);
	first = begin(VMM);
	for (int i = 1; i <= 20; i++) {
		install(VMM);
		CHECK(!refresh(false) && report.subjects[0].kept == (size_t)i, "%zu kept",
		      report.subjects[0].kept);
	}
	CHECK(run(VMM) == 0 && end(&first) == 0, "the last one and the first one");
	CHECK(!refresh(true) && report.forgotten == 20, "%zu forgotten", report.forgotten);
	policy_unload();
}

/* A removed file's number is given again: on ext4 to the next one. The generation is another. */
static void test_number(void)
{
	static const char image[] = "/tmp/refresh.img", disk[] = "/tmp/refresh-disk";
	static const char exe[] = "/tmp/refresh-disk/vmm";
	struct stat old, new;
	char cmd[512];

	CHECK(!system("command -v mkfs.ext4 >/dev/null"),
	      "there is no mkfs.ext4: run make deps (Debian: e2fsprogs)");
	snprintf(cmd, sizeof(cmd),
		 "modprobe -qa loop ext4; truncate -s 64M %s && mkfs.ext4 -q -F %s && mkdir -p %s "
		 "&& mount -t ext4 $(losetup -f --show %s) %s && cp /proc/%d/exe %s",
		 image, image, disk, image, disk, getpid(), exe);
	if (system(cmd) || stat(exe, &old))
		give_up(cmd);
	load("subjects: { vmm: { exe: /tmp/refresh-disk/vmm } }\n"
	     "rules: [ { name: vmm, allow: [create], subjects: [vmm] } ]\n");
	CHECK(run(exe) == 0, "the file");
	snprintf(cmd, sizeof(cmd), "rm %s && cp /proc/%d/exe %s", exe, getpid(), exe);
	if (system(cmd) || stat(exe, &new))
		give_up(cmd);
	CHECK(old.st_ino == new.st_ino, "another number: %lu and %lu", old.st_ino, new.st_ino);
	CHECK(run(exe) == EACCES, "another file of its number");
	CHECK(!refresh(true) && report.changed && report.forgotten == 1, "refresh");
	CHECK(report.subjects[0].before.ino == report.subjects[0].now.ino, "another number");
	CHECK(run(exe) == 0, "the other file");
	policy_unload();
	if (umount(disk))
		give_up("umount");
}

/* Under lock the manager alone refreshes, and it is still locked. */
static void test_locked(void)
{
	struct loader_status status;
	char self[PATH_MAX] = "";
	char *text;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		give_up("/proc/self/exe");
	install(VMM);
	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { vmm: { exe: " VMM " }, me: { exe: %s } }\n"
			   "manager: me\n"
			   "rules: [ { name: vmm, allow: [create], subjects: [vmm] } ]\n",
			   self);
	CHECK(!policy_load(text, true, POLICY_LOCK), "lock");
	free(text);
	install(VMM);
	CHECK(refresh_by(VMM) != 0 && run(VMM) == EACCES, "by another");
	CHECK(!refresh(false) && report.changed && run(VMM) == 0, "by the manager");
	policy_status(&status);
	CHECK(status.locked, "not locked any more");
	install(VMM);
	CHECK(refresh_by(VMM) != 0 && run(VMM) == EACCES, "by another, after that");
	CHECK(refresh_by(self) == 0 && run(VMM) == 0, "by the manager started anew");
}

static const struct test_case cases[] = {
	{ "upgrade", test_upgrade }, { "rollback", test_rollback }, { "link", test_link },
	{ "missing", test_missing }, { "classes", test_classes },   { "others", test_others },
	{ "many", test_many },	     { "number", test_number },	    { "locked", test_locked },
};

int main(int argc, char **argv)
{
	int ret;

	if (argc > 1 && !strcmp(argv[1], "--play"))
		return play();
	if (argc > 1 && !strcmp(argv[1], "--refresh"))
		return refresh(false) ? 1 : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_refresh_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	ret = run_cases("refresh", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	refresh_report_free(&report);
	return ret;
}
