// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl where something is not as it should be. Each error says what and why, with the right exit
 * status, and what was in force stays in force. Runs as root in any lane, once in each boot: the
 * last case leaves a locked policy.
 *
 *   policy_odd_test [CASE...]
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../src/ctl/kernel/refresh.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/commands.h"
#include "lib/gmemctl.h"
#include "lib/in_force.h"
#include "lib/policies.h"
#include "test.h"

#define DIR "/tmp/odd"

/* Rows are one check each. */
#define CHECK_ROWS(rows, after) CHECK(!RUN_ROWS(rows, after), "see above")

static const char *gmemctl;

/* --- what is missing, or in the way --- */

static void test_nothing_loaded(void)
{
	static const char no_policy[] = "no policy is loaded; gmemctl load FILE";
	static const struct row rows[] = {
		{ "gmemctl status", 0, NULL, "NOT ENFORCING: no policy is loaded" },
		{ "gmemctl show", 1, no_policy, NULL },
		{ "gmemctl rollback", 1, no_policy, NULL },
		{ "gmemctl refresh", 1, no_policy, NULL },
		{ "gmemctl set-mode audit", 1, no_policy, NULL },
		{ "gmemctl monitor -n 1", 1, no_policy, NULL },
		{ "gmemctl explain --op create --uid 0", 1, no_policy, NULL },
		{ "gmemctl unload", 1, "no policy is loaded", NULL },
		{ "gmemctl probe -o json", 0, NULL, "\"trace\":{\"state\":\"possible\"" },
		{ "gmemctl probe -o json", 0, NULL, "\"preload\":{\"state\":\"possible\"" },
		{ "gmemctl probe -o json", 0, NULL, "\"sqpoll\":{\"state\":\"possible\"" },
	};

	CHECK_ROWS(rows, no_drafts);
}

static void test_file_system(void)
{
	static const struct row rows[] = {
		{ "umount /sys/fs/bpf && gmemctl load deny.yaml", 1,
		  "it is not in a BPF file system; mount -t bpf bpffs /sys/fs/bpf", NULL },
		{ "gmemctl status -o json", 1, "\"todo\":\"mount -t bpf bpffs /sys/fs/bpf\"",
		  NULL },
		{ "mount -t bpf -o ro bpffs /sys/fs/bpf && gmemctl load deny.yaml", 1,
		  "Read-only file system", NULL },
		{ "mount -o remount,rw /sys/fs/bpf && gmemctl load --pins /tmp/pins deny.yaml", 2,
		  "use /tmp/pins: it is not in a BPF file system", NULL },
		/* Somebody else's: it is not taken, and not taken away. */
		{ "mkdir -p /sys/fs/bpf/gmem/theirs && gmemctl load deny.yaml", 1,
		  "Directory not empty; what stands there is not gmemctl's: remove it, or name "
		  "another directory with --pins",
		  NULL },
		{ "rmdir /sys/fs/bpf/gmem/theirs /sys/fs/bpf/gmem", 0, NULL, NULL },
		{ "bpftool map create /sys/fs/bpf/gmem type array key 4 value 4 entries 1 name odd && "
		  "gmemctl load deny.yaml",
		  1, "Not a directory; what stands there is not gmemctl's: remove it", NULL },
		{ "rm /sys/fs/bpf/gmem", 0, NULL, NULL },
	};

	CHECK_ROWS(rows, no_drafts);
}

/* A user with texts longer than is usual is one. */
static void test_user(void)
{
	CHECK(!command("printf 'long:x:4711:4711:%%s:/:/bin/sh\\n' "
		       "$(head -c 20000 /dev/zero | tr '\\0' x) >>/etc/passwd && "
		       "gmemctl check user.yaml") &&
		      strstr(said.err, "there is no user \"none-such\" here") &&
		      !strstr(said.err, "\"long\""),
	      "%d %s", said.status, said.err);
	CHECK(!command("sed -i /^long:/d /etc/passwd"), "%s", said.err);
}

/* In mounts of its own, which are made so. */
#define WITH(mounts, run) "unshare -m sh -c '" mounts " && exec " run "'"

/* Limits, directories and inputs that have nothing to do with it, and those that have. */
static void test_surroundings(void)
{
	static const struct row rows[] = {
		{ LOAD, 0, NULL, NULL },
		{ "prlimit --memlock=0 " LOAD, 0, NULL, NULL },
		{ "prlimit --core=0 --fsize=0 " LOAD " | cat; exit ${PIPESTATUS[0]}", 0, NULL,
		  NULL },
		{ "env -i $(command -v gmemctl) load deny.yaml", 0, NULL, NULL },
		{ WITH("mount -t tmpfs -o ro none /run", LOAD), 0, NULL, NULL },
		{ WITH("mount -t tmpfs -o size=4k none /run && ! head -c 9999 /dev/zero 2>&- >/run/a",
		       LOAD),
		  0, NULL, NULL },
		{ WITH("mount -t tmpfs none /run", LOAD), 0, NULL, NULL },
		{ WITH("mount -t tmpfs none /etc", LOAD), 0, NULL, NULL },
		{ WITH("mount -t tmpfs none /etc", "gmemctl load user.yaml"), 3,
		  "there is no user \"none-such\" here", NULL },
		{ WITH("mount -t tmpfs none /dev", LOAD), 0, NULL,
		  "not verified: no instance can be created here to try it" },
		{ "mkdir gone && cd gone && rmdir ../gone && exec gmemctl load deny.yaml", 1,
		  "read deny.yaml: No such file or directory", NULL },
		{ "mkdir gone && cd gone && rmdir ../gone && exec gmemctl load " DIR "/deny.yaml",
		  0, NULL, NULL },
		{ "gmemctl load - <deny.yaml", 0, NULL, NULL },
		{ "gmemctl load - <&-", 1, "read standard input: it is closed", NULL },
		{ "gmemctl load - </dev/null", 3, "the file is empty", NULL },
		{ LOAD " <&-", 0, NULL, NULL },
		{ "mkfifo fifo && (cat deny.yaml >fifo & gmemctl load fifo)", 0, NULL, NULL },
		{ "gmemctl load .", 1, "read .: Is a directory", NULL },
		{ "gmemctl load /dev/kvm", 1, "read /dev/kvm: it is a device; name a file", NULL },
		{ "truncate -s 2G large && gmemctl load large", 3,
		  "a policy has 1048576 bytes at most", NULL },
		{ "gmemctl load \"$(head -c 5000 /dev/zero | tr '\\0' a)\"", 1,
		  "File name too long", NULL },
	};

	CHECK_ROWS(rows, deny_in_force);
}

/* --- what is not permitted, or cut short --- */

static const char *const commands[] = {
	"status",	  "show",	  "refresh", "rollback",       "unload",
	"set-mode audit", "monitor -n 1", "holders", "load deny.yaml", "explain --op create --uid 0"
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void test_not_root(void)
{
	CHECK(!command(LOAD), "%s", said.err);
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		CHECK(command("setpriv --reuid 1000 --regid 1000 --clear-groups gmemctl %s",
			      commands[i]) == 5 &&
			      strstr(said.err, "be root") && !strstr(said.out, "NOT ENFORCING"),
		      "%s: %d %s", commands[i], said.status, said.err);
		deny_in_force(commands[i]);
	}
}

/* With ever more descriptors until it is done: before, all is as it was. */
static void sweep(const char *what, const char *before)
{
	int n;

	for (n = 6; n < 64 && command("prlimit --nofile=%d gmemctl %s", n, what); n++) {
		CHECK(said.status == 1 && strstr(said.err, "Too many open files"), "%s: %d %s",
		      what, said.status, said.err);
		in_force(what, before, true);
	}
	CHECK(n > 10 && n < 64, "%s: done with %d descriptors", what, n);
}

static void test_descriptors(void)
{
	static const int few[] = { 4, 5, 8, 16 }, few_to_attach[] = { 12, 40 };

	CHECK(!command(LOAD), "%s", said.err);
	for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
		for (size_t j = 0; j < NR_COMMANDS; j++)
			CHECK(command("prlimit --nofile=%d gmemctl %s", few[i], commands[j]) == 1 &&
				      strstr(said.err, "Too many open files") &&
				      !strstr(said.err, "unload, then load"),
			      "%s with %d: %d %s", commands[j], few[i], said.status, said.err);
	}
	deny_in_force("few descriptors");
	CHECK(!command("gmemctl load --accept-default-change allow.yaml"), "%s", said.err);
	sweep("load --accept-default-change deny.yaml", "allow");
	deny_in_force("a load");
	sweep("rollback", "deny");
	in_force("a rollback", "allow", true);
	sweep("set-mode audit", "allow");
	in_force("set-mode", "allow", false);
	CHECK(!command("gmemctl unload"), "%s", said.err);
	/* A lack of descriptors is no hook that is refused: a load must not do with less. */
	for (size_t i = 0; i < sizeof(few_to_attach) / sizeof(few_to_attach[0]); i++) {
		CHECK(command("prlimit --nofile=%d " LOAD, few_to_attach[i]) == 1 &&
			      strstr(said.err, "Too many open files") &&
			      !strstr(said.err, "refuses the program") &&
			      !strstr(said.err, "has no effect"),
		      "with %d: %d %s", few_to_attach[i], said.status, said.err);
		CHECK(access("/sys/fs/bpf/gmem", F_OK), "pins of a load that failed");
	}
}

#define CGROUP "/sys/fs/cgroup/odd"

/* Whoever is in there makes no child. */
static void make_childless(void)
{
	if (command("echo +pids >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p " CGROUP
		    " && echo 1 >" CGROUP "/pids.max"))
		give_up(said.err);
}

/* So many more children can be made by this process; negative: any number. */
static int children = -1;

/* In the place of the C library's. */
pid_t fork(void)
{
	if (!children) {
		errno = EAGAIN;
		return -1;
	}
	children -= children > 0;
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, NULL, NULL, 0);
}

static int load_allow(void)
{
	return policy_load(POLICY_HEAD("allow", "allow") "rules: []\n", true, 0);
}

static int roll_back(void)
{
	return loader_rollback(NULL, true, &(__u64){ 0 }, &(enum proof){ 0 });
}

static int set_audit(void)
{
	return loader_set_mode(NULL, false, true, &(enum proof){ 0 });
}

static int refresh(void)
{
	struct refresh_report report;
	int ret = loader_refresh(NULL, false, true, &report);

	refresh_report_free(&report);
	return ret;
}

static bool same_in_force(const struct loader_status *a, const struct loader_status *b)
{
	return a->loaded == b->loaded && !strcmp(a->name, b->name) &&
	       GMEM_ACTIVE_ENFORCES(a->word) == GMEM_ACTIVE_ENFORCES(b->word) &&
	       GMEM_ACTIVE_SLOT(a->word) == GMEM_ACTIVE_SLOT(b->word);
}

/*
 * Each change with more and more children until it is done. The last child is that of the proof:
 * without it everything has been done but the proof, and is undone. The first load without any
 * child is test_unproven_first().
 */
static void test_children(void)
{
	static const struct {
		const char *name, *before;
		int (*change)(void);
		int least; /* children */
	} changes[] = {
		{ "first load", UNLOAD, load_allow, 1 },
		{ "load", LOAD, load_allow, 0 },
		{ "rollback", "true", roll_back, 0 },
		{ "set-mode", "true", set_audit, 0 },
		{ "refresh",
		  "cp /bin/true exe && gmemctl load --accept-default-change exe.yaml && "
		  "cp /bin/true new && mv new exe",
		  refresh, 0 },
	};
	struct loader_status before, after;
	int n, ret;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		CHECK(!command("%s", changes[i].before), "%s: %s", changes[i].name, said.err);
		policy_status(&before);
		for (n = changes[i].least, ret = -1; ret && n < 10; n++) {
			children = n;
			ret = changes[i].change();
			children = -1;
			policy_status(&after);
			CHECK(!ret || (ret == -EAGAIN && same_in_force(&before, &after)),
			      "%s with %d: %d, %s, now %s", changes[i].name, n, ret, before.name,
			      after.name);
			no_drafts(changes[i].name);
		}
		CHECK(!ret && n > 1, "%s: %d with %d children", changes[i].name, ret, n);
	}
}

/*
 * A change that cannot be proven is undone: in the cgroup it has no child to prove it with.
 * Return: what is in force then.
 */
static struct loader_status unproven(const char *before_it, const char *what)
{
	struct loader_status before, after;

	make_childless();
	CHECK(!command("%s", before_it), "before %s: %s", what, said.err);
	policy_status(&before);
	CHECK(command("echo $$ >" CGROUP "/cgroup.procs && exec gmemctl %s", what) == 1 &&
		      strstr(said.err, "Resource temporarily unavailable"),
	      "%s: %d %s", what, said.status, said.err);
	policy_status(&after);
	CHECK(same_in_force(&before, &after), "%s: %s, now %s", what, before.name, after.name);
	no_drafts(what);
	return after;
}

static void test_unproven_first(void)
{
	CHECK(!unproven(UNLOAD, "load deny.yaml").loaded, "pins");
}

static void test_unproven(void)
{
	static const struct {
		const char *before, *command;
	} rows[] = {
		{ "gmemctl load --accept-default-change allow.yaml && " LOAD,
		  "load --accept-default-change allow.yaml" },
		{ "true", "rollback" },
		/* It has not been lost. */
		{ "gmemctl rollback && gmemctl rollback", "rollback" },
		{ "true", "set-mode audit" },
		{ "cp /bin/true exe && gmemctl load --accept-default-change exe.yaml && "
		  "cp /bin/true new && mv new exe",
		  "refresh" },
		{ "true", "refresh --forget" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(unproven(rows[i].before, rows[i].command).loaded, "no pins");
	/* What was refused is done where it can be proven. */
	CHECK(!command("gmemctl refresh") && strstr(said.out, "verified: a child"), "%s", said.err);
	CHECK(!command("gmemctl rollback") && strstr(said.out, "verified: a child"), "%s",
	      said.err);
	CHECK(!command("gmemctl rollback -o json") && strstr(said.out, "\"proof\":\"denied\""),
	      "%s", said.out);
}

/* --- where nobody listens --- */

static void allow_in_force(const char *after)
{
	in_force(after, "allow", true);
}

static void test_output(void)
{
	static const struct row rows[] = {
		{ "gmemctl load --accept-default-change allow.yaml >&-", 1,
		  "write to standard output", NULL },
		{ "gmemctl show | :; exit ${PIPESTATUS[0]}", 0, NULL, NULL },
		{ "gmemctl monitor >/dev/full", 1, "No space left on device", NULL },
	};
	struct json_object *json;

	CHECK_ROWS(rows, allow_in_force);
	CHECK(!command("gmemctl show -o json"), "%s", said.err);
	json = said_json();
	for (size_t i = 0; i < GMEM_DO_MAX; i++)
		CHECK(is(item(json, "rules", i), "name", "(default)") &&
			      number(item(json, "rules", i), "line") == 4,
		      "%s", said.out);
	json_object_put(json);
}

/* --- last, as it lasts --- */

/* What status tells to the manager. */
static int64_t lock_denied(void)
{
	struct json_object *json, *denied;
	int64_t n = -1;

	CHECK(!command("./manager status -o json"), "%s", said.err);
	json = said_json();
	if (json_object_object_get_ex(json, "lock_denied", &denied))
		n = json_object_get_int64(denied);
	json_object_put(json);
	return n;
}

/*
 * What cannot be locked is in force without. The manager cannot unload, also where descriptors are
 * short before the lock is read.
 */
static void test_lock(void)
{
	static const int descriptors[] = { 4, 5, 8, 12, 16, 1024 };
	struct json_object *json;
	struct child monitor;
	int64_t before, after;

	write_file("locked.yaml", POLICY_HEAD("locked", "deny") "subjects: { manager: { exe: " DIR
								"/manager, uid: 0 } }\n"
								"manager: manager\nrules: []\n");
	CHECK(!command("cp $(command -v gmemctl) manager && "
		       "gmemctl load --accept-default-change allow.yaml"),
	      "%s", said.err);
	monitor = start(gmemctl, (const char *const[]){ "monitor", "-o", "json", NULL });
	json_object_put(next(&monitor));
	CHECK(command("./manager load --lock --accept-default-change locked.yaml") == 1 &&
		      strstr(said.err, "it would not be locked out"),
	      "%d %s", said.status, said.err);
	in_force("a lock that failed", "locked", true);
	finish(&monitor, SIGTERM);
	CHECK(!command("./manager load --lock --accept-default-change locked.yaml"), "%s",
	      said.err);
	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		command("prlimit --nofile=%d ./manager unload", descriptors[i]);
		CHECK(said.status == (descriptors[i] < 1024 ? 1 : 5), "%d: %d %s", descriptors[i],
		      said.status, said.err);
		CHECK(!command("./manager status -o json"), "%s", said.err);
		json = said_json();
		CHECK(is(json, "policy", "locked") && is(json, "locked", "true") &&
			      is(json, "enforcing", "true"),
		      "%s", said.out);
		json_object_put(json);
	}
	CHECK(command("gmemctl unload") == 5 && strstr(said.err, "this process is not its manager"),
	      "%d %s", said.status, said.err);
	before = lock_denied();
	CHECK(command("unlink /sys/fs/bpf/gmem/maps/active"), "a pin was removed");
	after = lock_denied();
	CHECK(before > 0 && after == before + 1, "denied %lld times, then %lld", (long long)before,
	      (long long)after);
}

static const struct test_case cases[] = {
	{ "nothing-loaded", test_nothing_loaded },
	{ "file-system", test_file_system },
	{ "user", test_user },
	{ "surroundings", test_surroundings },
	{ "not-root", test_not_root },
	{ "descriptors", test_descriptors },
	{ "unproven-first", test_unproven_first },
	{ "children", test_children },
	{ "unproven", test_unproven },
	{ "output", test_output },
	{ "lock", test_lock },
};

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_odd_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	gmemctl = commands_begin(DIR);
	write_file("deny.yaml", POLICY_HEAD("deny", "deny") "rules: []\n");
	write_file("allow.yaml", POLICY_HEAD("allow", "allow") "rules: []\n");
	write_file("exe.yaml",
		   POLICY_HEAD("exe",
			       "deny") "subjects: { s: { exe: " DIR "/exe } }\n"
				       "rules: [ { name: r, allow: create, subjects: s } ]\n");
	write_file("user.yaml",
		   POLICY_HEAD("a",
			       "deny") "subjects: { s: { uid: [long, \"4712\", none-such] } }\n"
				       "rules: [ { name: r, deny: create, subjects: s } ]\n");
	return run_cases("odd", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
