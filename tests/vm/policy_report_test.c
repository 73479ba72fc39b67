// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemctl reports must be true: also where another policy is attached, where something else
 * denies, and for processes in namespaces of their own. Runs as root in any lane.
 *
 *   policy_report_test [CASE...]
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/commands.h"
#include "lib/gmemctl.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "lib/strangers.h"
#include "test.h"

#define DIR   "/tmp/report"
#define BPFFS "/tmp/report/bpffs"

#define CHECK_ROWS(rows) CHECK(!RUN_ROWS(rows, NULL), "see above")

#define UNLOAD "if [ -e /sys/fs/bpf/gmem ]; then gmemctl unload; fi"

/* --- another policy is in force --- */

#define FROM_ELSEWHERE ": policy first, generation 1, enforcing ("

/* In a mount namespace of its own with a BPF file system of its own. */
#define APART "unshare -m bash -c 'mount -t bpf bpffs /sys/fs/bpf && "

static void test_elsewhere(void)
{
	static const struct row rows[] = {
		{ "gmemctl load first.yaml", 0, NULL, "enforcing, verified" },
		{ "gmemctl status -o json", 0, NULL, "\"elsewhere\":[]" },
		/* Other pins. */
		{ "gmemctl status --pins " BPFFS "/gmem", 0, NULL, FROM_ELSEWHERE },
		{ "gmemctl status --pins " BPFFS "/gmem", 0, NULL,
		  "NOT ENFORCING: no policy is loaded here" },
		{ "gmemctl status --pins " BPFFS "/gmem -o json", 0, NULL,
		  "\"elsewhere\":[{\"policy\":\"first\",\"generation\":1,\"mode\":\"enforce\"" },
		{ "gmemctl load --pins " BPFFS "/gmem second.yaml", 1, FROM_ELSEWHERE, "" },
		{ "gmemctl load --dry-run --pins " BPFFS "/gmem second.yaml", 1, FROM_ELSEWHERE,
		  "" },
		{ "gmemctl load -o json --pins " BPFFS "/gmem second.yaml", 1,
		  "\"todo\":\"unload that policy first", "" },
		{ "ls " BPFFS, 0, NULL, "" },
		{ "gmemctl unload --pins " BPFFS "/gmem", 1, FROM_ELSEWHERE, "" },
		/* Another mount namespace, a fresh BPF file system. */
		{ APART "gmemctl status'", 0, NULL, FROM_ELSEWHERE },
		{ APART "gmemctl load second.yaml'", 1, FROM_ELSEWHERE, "" },
		{ APART "gmemctl unload'", 1, FROM_ELSEWHERE, "" },
		/* What was loaded first is as it was. */
		{ "gmemctl status", 0, NULL, "enforcing: policy first, generation 1" },
		{ "gmemctl load second.yaml", 0, NULL, "(generation 2)" },
		/* In audit mode too: two policies would deny what neither of them shows. */
		{ "gmemctl set-mode audit", 0, NULL, NULL },
		{ "gmemctl status --pins " BPFFS "/gmem", 0, NULL,
		  "policy second, generation 2, in audit mode" },
		{ "gmemctl load --pins " BPFFS "/gmem first.yaml", 1, "in audit mode", "" },
		{ "gmemctl unload", 0, NULL, "unloaded: no policy is in force" },
		{ "gmemctl load --pins " BPFFS "/gmem second.yaml", 0, NULL, "(generation 1)" },
		{ "gmemctl status", 0, NULL, "policy second, generation 1, enforcing" },
		{ "gmemctl unload --pins " BPFFS "/gmem", 0, NULL, NULL },
	};

	mkdir(BPFFS, 0700);
	if (mount("none", BPFFS, "bpf", 0, NULL))
		give_up("mounting a BPF file system");
	CHECK_ROWS(rows);
	umount(BPFFS);
}

/*
 * Programs outlive their pins while a process holds their links. After an unload they have no
 * policy, and that is what is said.
 */
static void test_held(void)
{
	struct json_object *shown;
	struct attached attached;
	int fd;

	CHECK(!command("gmemctl load first.yaml"), "%s", said.err);
	fd = bpf_obj_get("/sys/fs/bpf/gmem/links/tag_exec");
	CHECK(fd >= 0, "a link");
	CHECK(!command("gmemctl unload -o json"), "%s", said.err);
	shown = said_json();
	CHECK(is(shown, "done", "unloaded: no policy is in force, everything is allowed"), "%s",
	      said.out);
	json_object_put(shown);
	CHECK(!command("gmemctl unload; gmemctl status") &&
		      strstr(said.out, "ATTACHED FROM ELSEWHERE: 1 program without a policy"),
	      "%s %s", said.out, said.err);
	CHECK(command("gmemctl load first.yaml") == 1 && strstr(said.err, "without a policy"), "%s",
	      said.err);
	close(fd);
	CHECK(!command("gmemctl load first.yaml"), "%s", said.err);
	/* A program of somebody else's that looks like none of ours does not matter. */
	fd = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open", 0);
	CHECK(fd >= 0 && !attached_read(&attached) && attached.nr == 1, "%zu", attached.nr);
	attached_free(&attached);
	close(fd);
	CHECK(!command("gmemctl unload"), "%s", said.err);
}

/* --- what proves a load --- */

/* Counters and events of everybody are as before; the proof is in neither. */
static void test_proof(void)
{
	static const char *const commands[] = {
		"gmemctl load second.yaml",
		"gmemctl set-mode audit",
		"gmemctl set-mode enforce",
		"gmemctl rollback",
	};
	struct loader_status before, after;
	size_t i;

	CHECK(!command("gmemctl load first.yaml"), "%s", said.err);
	policy_status(&before);
	CHECK(!policy_read_events() && !before.ops[GMEM_DO_create].n[GMEM_VERDICT_denied] &&
		      !before.journal.events,
	      "%llu events of a load", before.journal.events);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		CHECK(!command("%s", commands[i]) && strstr(said.out, "verified"), "%s: %s %s",
		      commands[i], said.out, said.err);
		policy_status(&after);
		CHECK(!after.journal.events && !memcmp(before.ops, after.ops, sizeof(after.ops)),
		      "%s: %llu events", commands[i], after.journal.events);
	}
	CHECK(!policy_read_events(), "events");
	CHECK(!command("gmemctl unload"), "%s", said.err);
}

/* Another program denies before the policy is asked: nothing is proven, and nothing changes. */
static void test_another_denies(void)
{
	static const char *const hooks[] = { "guest_memfd_create", "inode_init_security_anon" };
	int fd = -1, link;
	size_t i;

	CHECK(!command("gmemctl load first.yaml"), "%s", said.err);
	for (i = 0; i < sizeof(hooks) / sizeof(hooks[0]) && fd < 0; i++)
		fd = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, hooks[i], -EACCES);
	/* The kernel asks the program that was attached last first. */
	link = fd < 0 ? -1 : bpf_raw_tracepoint_open(NULL, fd);
	CHECK(link >= 0, "a program that denies");
	CHECK(command("gmemctl load second.yaml") == 1 &&
		      strstr(said.err, "was denied, but not by this policy"),
	      "%d %s %s", said.status, said.out, said.err);
	CHECK(command("gmemctl set-mode audit") == 1 &&
		      strstr(said.err, "was denied, but not by this policy"),
	      "%d %s %s", said.status, said.out, said.err);
	CHECK(!command("gmemctl status") && strstr(said.out, "enforcing: policy first"), "%s",
	      said.out);
	CHECK(!command("gmemctl unload"), "%s", said.err);
	/* Asked before the other program, a first load is proven: it does deny by itself. */
	CHECK(!command("gmemctl load first.yaml") && !command("gmemctl unload"), "%s", said.err);
	close(link);
	close(fd);
}

/* --- namespaces in which processes or times are not the host's --- */

#define IN_PID_NS "unshare -pf --mount-proc gmemctl "
#define PID_NS	  "this PID namespace is not the host's"

static void test_namespaces(void)
{
	static const struct row rows[] = {
		{ IN_PID_NS "load first.yaml", 4, PID_NS, "" },
		{ IN_PID_NS "load --dry-run first.yaml", 4, PID_NS, "" },
		{ "ls /sys/fs/bpf", 0, NULL, "" },
		/* What /proc shows does not matter, but what numbers mean. */
		{ "unshare -pf gmemctl load first.yaml", 4, PID_NS, "" },
		{ "unshare -pf unshare -pf gmemctl load first.yaml", 4, PID_NS, "" },
		{ IN_PID_NS "holders", 4, PID_NS, "" },
		{ "gmemctl load first.yaml && gmemctl load second.yaml", 0, NULL, NULL },
		{ IN_PID_NS "load --lock first.yaml", 4, PID_NS, "" },
		{ IN_PID_NS "refresh", 4, PID_NS, "" },
		{ IN_PID_NS "set-mode audit", 4, PID_NS, "" },
		{ IN_PID_NS "rollback -o json", 4, "\"todo\":\"run it in the host's", "" },
		{ IN_PID_NS "monitor -n 1", 4, PID_NS, "" },
		{ IN_PID_NS "explain --op create --pid 1", 4, PID_NS, "" },
		{ "gmemctl status", 0, NULL, "enforcing: policy second, generation 2" },
		/* Elsewhere than on the host, and yet as good. */
		{ "unshare -C gmemctl load first.yaml", 4, "this cgroup namespace", "" },
		{ "unshare -C gmemctl holders", 4, "this cgroup namespace", "" },
		{ "unshare -m -n gmemctl load first.yaml", 0, NULL, "generation 3" },
		{ IN_PID_NS "status", 0, NULL, "policy first" },
		{ IN_PID_NS "unload", 0, NULL, NULL },
	};
	/* In stock-7: the lab's own kernels have none of these. */
	static const struct row time_rows[] = {
		{ "gmemctl load second.yaml", 0, NULL, NULL },
		{ "unshare -T --boottime 1000 gmemctl load first.yaml", 4, "this time namespace",
		  "" },
		{ "unshare -T --boottime 1000 gmemctl monitor -n 1", 4, "this time namespace", "" },
		{ "unshare -T gmemctl load first.yaml && gmemctl unload", 0, NULL, "generation 2" },
	};

	CHECK_ROWS(rows);
	if (!access("/proc/self/ns/time", F_OK))
		CHECK_ROWS(time_rows);
}

/* For monitoring: the exit status says it, and audit mode is not called enforced. */
static void test_check(void)
{
	static const struct row rows[] = {
		{ "gmemctl status --check", 1, NULL, "NOT ENFORCING" },
		{ "gmemctl load first.yaml && gmemctl status --check", 0, NULL,
		  "policy first, generation 1, enforcing" },
		{ "gmemctl status --check --pins /sys/fs/bpf/none -o json", 0, NULL,
		  "\"enforcing\":true,\"silenced\":false,\"policies\":[{\"policy\":\"first\"," },
		{ "gmemctl status -o json", 0, NULL,
		  "\"guarantee\":\"enforced\",\"enforced\":true" },
		{ "gmemctl set-mode audit && gmemctl status --check", 1, NULL, "in audit mode" },
		{ "gmemctl status", 0, NULL, "would be enforced" },
		{ "gmemctl status -o json", 0, NULL,
		  "\"guarantee\":\"enforced\",\"enforced\":false" },
		{ "gmemctl unload && gmemctl status --check -o json", 1, NULL, "\"policies\":[]" },
		{ "gmemctl check first.yaml", 0, NULL, "0 subjects, 0 rules, 0 warnings" },
		{ "gmemctl check one.yaml", 0, NULL, "1 subject, 1 rule, 0 warnings" },
	};

	CHECK_ROWS(rows);
}

static const struct test_case cases[] = {
	{ "elsewhere", test_elsewhere },   { "held", test_held },
	{ "proof", test_proof },	   { "another-denies", test_another_denies },
	{ "namespaces", test_namespaces }, { "check", test_check },
};

int main(int argc, char **argv)
{
	(void)argc;
	log_setup("policy_report_test", false, getenv("VERBOSE") ? 1 : 0);
	commands_begin(DIR);
	write_file("first.yaml", POLICY_HEAD("first", "allow") "rules: []\n");
	write_file("second.yaml", POLICY_HEAD("second", "allow") "rules: []\n");
	write_file("one.yaml", POLICY_HEAD("one", "allow") "subjects: { s: { uid: [0] } }\n"
							   "rules: [ { name: r, allow: [create], "
							   "subjects: [s] } ]\n");
	CHECK(!command(UNLOAD), "%s", said.err);
	return run_cases("report", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
