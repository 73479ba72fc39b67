// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lock of a policy: who is inside keeps it from being locked, strangers are refused whatever
 * they try, what is not the policy's goes on, and the manager itself cannot undo it. This program
 * is the manager, and a copy of it the stranger. Runs as root in any lane, once in each boot: a
 * lock lasts.
 */
#define _GNU_SOURCE
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "../../src/ctl/kernel/programs.h"
#include "../../src/lib/log.h"
#include "lib/fds.h"
#include "lib/policies.h"
#include "lib/strangers.h"
#include "test.h"

#define STRANGER "/tmp/stranger"
#define LINKS	 PINS "/links/"

static int run(const char *program_path, const char *what, int channel)
{
	char number[16];
	int status;
	pid_t pid = fork();

	if (!pid) {
		snprintf(number, sizeof(number), "%d", channel);
		execl(program_path, program_path, what, number, manager_path, NULL);
		_exit(255);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static __u64 denied(void)
{
	struct loader_status status;

	policy_status(&status);
	return status.guards[GMEM_GUARD_lock].n[GMEM_VERDICT_denied];
}

static void try_all(void)
{
	char number[24];
	__u64 before, after;
	size_t i;
	int ret;

	for (i = 0; i < nr_attempts; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		before = denied();
		ret = run(STRANGER, number, 0);
		after = denied();
		CHECK(ret == (attempts[i].refused ? EACCES : 0), "%s: %s", attempts[i].name,
		      strerror(ret));
		CHECK(after == before + attempts[i].refused, "%s: %llu counted", attempts[i].name,
		      (unsigned long long)(after - before));
	}
}

/* --- who is inside before --- */

static int steal(void)
{
	return bpf_obj_get(PINS "/maps/active");
}

static bool hold_fd(void)
{
	return steal() >= 0;
}

static bool hold_mapping(void)
{
	int fd = steal();
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem != MAP_FAILED && !close(fd);
}

static bool hold_in_flight(void)
{
	int fd = steal(), pair[2];

	return fd >= 0 && !socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && !fd_send(pair[0], fd) &&
	       !close(fd);
}

static bool hold_by_program(void)
{
	int fd = steal();
	struct bpf_insn code[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return fd >= 0 &&
	       bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "user", "GPL", code, 4, NULL) >= 0 &&
	       !close(fd);
}

static bool hold_by_pin(void)
{
	int fd = steal();

	return !bpf_obj_pin(fd, "/sys/fs/bpf/stolen") && !close(fd);
}

static bool hold_modifier(void)
{
	return stranger_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_bpf_map", 1) >=
	       0;
}

static bool hold_sysctl(void)
{
	return open("/proc/sys/kernel/ftrace_enabled", O_WRONLY) >= 0;
}

static bool hold_library(void)
{
	return open("/lib/x86_64-linux-gnu/libc.so.6", O_WRONLY) >= 0;
}

static const struct {
	const char *name;
	bool (*hold)(void);
} holders[] = {
/* clang-format off */
#define HOLDER(name) { #name, name }
	/* clang-format on */
	HOLDER(hold_fd),     HOLDER(hold_mapping),  HOLDER(hold_in_flight), HOLDER(hold_by_program),
	HOLDER(hold_by_pin), HOLDER(hold_modifier), HOLDER(hold_sysctl),    HOLDER(hold_library),
};

#define HOLDERS (sizeof(holders) / sizeof(holders[0]))

static char *locked_policy(const char *guards, const char *more)
{
	return policy_text(1U << GMEM_DO_create | 1U << GMEM_DO_receive,
			   "%ssubjects:\n  me: { exe: %s%s }\nmanager: me\nrules: []\n", guards,
			   manager_path, more);
}

static int lock_with(const char *guards, const char *more, bool enforce)
{
	char *text = locked_policy(guards, more);
	int ret = policy_load(text, enforce, POLICY_LOCK);

	free(text);
	return ret;
}

static bool is_locked(void)
{
	struct loader_status status;

	policy_status(&status);
	return status.locked;
}

static void test_holders(void)
{
	int pair[2], ret, status;
	size_t i;
	char byte;
	pid_t pid;

	for (i = 0; i < HOLDERS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			give_up("socketpair");
		pid = fork();
		if (!pid) {
			close(pair[0]);
			byte = holders[i].hold();
			if (write(pair[1], &byte, 1) == 1 && read(pair[1], &byte, 1) < 0)
				_exit(1);
			_exit(0);
		}
		close(pair[1]);
		CHECK(read(pair[0], &byte, 1) == 1 && byte, "%s", holders[i].name);
		ret = lock_with("", "", true);
		CHECK(ret == -EBUSY, "%s: %d", holders[i].name, ret);
		CHECK(!is_locked() && !policy_report.locked, "%s", holders[i].name);
		close(pair[0]);
		waitpid(pid, &status, 0);
		unlink("/sys/fs/bpf/stolen");
	}
}

/* Return: what the load returned in a mount namespace of its own. */
static int in_own_mounts(const char *text)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWNS) ? 255 : -policy_load(text, true, POLICY_LOCK));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* With nothing loaded: a lock that is refused leaves nothing. */
static void test_unfit(void)
{
	struct loader_status status;
	char *text;
	int ret;

	text = policy_text(1, "rules: []\n");
	CHECK(policy_load(text, true, POLICY_LOCK) == -EBADMSG, "without a manager");
	free(text);
	CHECK(lock_with("", "", false) == -EBADMSG, "in audit mode");
	CHECK(lock_with("guards: { trace: allow }\n", "", true) == -EBADMSG, "without trace");
	CHECK(lock_with("guards: { preload: allow }\n", "", true) == -EBADMSG, "without preload");
	policy_status(&status);
	CHECK(!status.loaded, "loaded");
	ret = lock_with("", ", uid: 4711", true);
	CHECK(ret == -EPERM, "another user: %d", ret);
	policy_status(&status);
	CHECK(!status.word && !status.locked, "in force");
}

/* With a policy loaded, which stays in force: a first load would take the verifier seconds. */
static void test_unfit_replaced(void)
{
	struct loader_status before, after;
	char *text;
	int ret;

	policy_status(&before);
	text = policy_text(1, "subjects: { it: { exe: " STRANGER " } }\nmanager: it\nrules: []\n");
	ret = policy_load(text, true, POLICY_LOCK);
	CHECK(ret == -EPERM, "another executable: %d", ret);
	free(text);
	text = locked_policy("", "");
	CHECK(in_own_mounts(text) == -EPERM, "in another mount namespace");
	free(text);
	policy_status(&after);
	CHECK(after.word == before.word && !after.locked, "in force: %llx, before %llx", after.word,
	      before.word);
}

/* The manager under the lock: it changes the policy, and cannot undo the lock. */
static void test_manager(void)
{
	struct loader_status status;
	__u64 generation, before;
	enum proof proof;
	char *text;
	int ret;

	policy_status(&status);
	CHECK(status.locked && !strcmp(status.manager, "me"), "%d %s", status.locked,
	      status.manager);
	before = status.word;
	CHECK(loader_rollback(NULL, true, &generation, &(enum proof){ 0 }) == -EPERM,
	      "to what has no manager");
	CHECK(loader_unload(NULL) == -EPERM, "unload");
	CHECK(loader_set_mode(NULL, false, true, &proof) == -EPERM, "audit");
	CHECK(loader_set_mode(NULL, true, true, &proof) == 0, "enforce");
	text = locked_policy("", "");
	CHECK(policy_load(text, true, 0) == -EPERM, "without a lock");
	CHECK(policy_load(text, false, POLICY_LOCK) == -EPERM, "in audit mode");
	free(text);
	text = policy_text(1, "rules: []\n");
	CHECK(policy_load(text, true, POLICY_LOCK) == -EPERM, "without a manager");
	free(text);
	CHECK(lock_with("guards: { trace: allow }\n", "", true) == -EPERM, "without trace");
	CHECK(lock_with("", ", uid: 4711", true) == -EPERM, "another manager");
	policy_status(&status);
	CHECK(status.locked && status.word == before, "changed");
	ret = lock_with("", ", uid: 0", true);
	CHECK(!ret && policy_report.locked, "again: %d", ret);
	CHECK(!loader_rollback(NULL, true, &generation, &(enum proof){ 0 }),
	      "to what has this manager");
	policy_status(&status);
	CHECK(status.locked && GMEM_ACTIVE_GENERATION(status.word) == generation, "rolled back");
}

/* Only the manager replaces programs, and only by what it has pinned to replace them. */
static void test_upgrade(void)
{
	struct program_info before, after;
	struct store store;
	struct pins pins;
	int fd, ret;

	CHECK(!store_open_dir(&store, &pins, NULL), "open");
	fd = pins_link(&pins, GMEM_PROG_punch);
	CHECK(fd >= 0 && !pins_add_new(&pins, GMEM_PROG_punch, fd), "a new link");
	close(fd);
	CHECK(run(STRANGER, "take-new", 0) == EACCES, "a stranger removes it");
	CHECK(run(STRANGER, "put-new", 0) == EACCES, "a stranger puts it in place");
	CHECK(!pins_remove_new(&pins, GMEM_PROG_punch), "the manager removes it");
	CHECK(unlink(LINKS "punch") && errno == EACCES, "the manager removes a link: %d", errno);
	CHECK(rename(LINKS "punch", LINKS "receive") && errno == EACCES, "over another: %d", errno);
	CHECK(rename(LINKS "punch", "/sys/fs/bpf/away") && errno == EACCES, "away: %d", errno);
	CHECK(!program_read(&pins, GMEM_PROG_tag_exec, &before) && !before.differs, "read");
	/* As if they had been loaded before KVM: they are replaced. */
	store.loads->knows = 0;
	store_close(&store);
	ret = lock_with("", "", true);
	CHECK(!ret && policy_report.replaced && policy_report.locked, "upgrade: %d", ret);
	CHECK(!program_read(&pins, GMEM_PROG_tag_exec, &after) && !after.differs &&
		      after.id != before.id && after.build.serial > before.build.serial,
	      "%u, before %u", after.id, before.id);
	CHECK(!pins_new_programs(&pins), "new links are left");
	pins_close(&pins);
}

/* No program can write to what decides who is locked out, nor to what it names. */
static void test_read_only(void)
{
	static const enum pinned_map maps[] = { MAP_exes, MAP_uids, MAP_cgroups, MAP_locked,
						MAP_locked_ids };
	struct pins pins;

	CHECK(!pins_open(&pins, NULL, false), "pins");
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = pins_map(&pins, maps[i]);

		CHECK(fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
			      info.map_flags & BPF_F_RDONLY_PROG,
		      "%s: flags %x", map_names[maps[i]], info.map_flags);
		close(fd);
	}
}

static bool write_sysctl(const char *text)
{
	int fd = open("/proc/sys/kernel/ftrace_enabled", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, 1) == 1;

	close(fd);
	return done;
}

/* Without a lock: where the kernel stops calling programs, status says so, and a load fails. */
static void test_silenced(const char *text)
{
	struct loader_status status;
	bool heeds = write_sysctl("0");

	policy_status(&status);
	CHECK(status.silenced == heeds && !status.locked, "%d, the kernel heeds it: %d",
	      status.silenced, heeds);
	CHECK(policy_load(text, true, 0) == (heeds ? -EPROTO : 0), "load");
	if (heeds && !write_sysctl("1"))
		give_up("kernel.ftrace_enabled");
	policy_status(&status);
	CHECK(!status.silenced, "again");
	printf("kernel.ftrace_enabled=0 %s\n", heeds ? "silences programs" : "is refused");
}

/* Nobody controls the manager, not even root. */
static void test_trace(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		pause();
		_exit(0);
	}
	status = run(STRANGER, "trace", pid);
	CHECK(status == EPERM, "%s", strerror(status));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static int stranger(char **argv)
{
	snprintf(manager_path, sizeof(manager_path), "%s", argv[3]);
	log_setup("stranger", false, 0);
	if (!strcmp(argv[1], "trace"))
		return ptrace(PTRACE_SEIZE, atoi(argv[2]), NULL, NULL) ? errno : 0;
	if (!strcmp(argv[1], "take-new"))
		return unlink(LINKS "new-punch") ? errno : 0;
	if (!strcmp(argv[1], "put-new"))
		return rename(LINKS "new-punch", LINKS "punch") ? errno : 0;
	return attempts[atoi(argv[1])].go();
}

static void copy_to(const char *to)
{
	char command[8300];

	snprintf(command, sizeof(command), "cp /proc/%d/exe %s", getpid(), to);
	if (system(command))
		give_up(to);
}

int main(int argc, char **argv)
{
	struct statfs fs;
	char *text;
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 3)
		return stranger(argv);
	log_setup("policy_lock_test", false, 0);
	if (readlink("/proc/self/exe", manager_path, sizeof(manager_path) - 1) < 0)
		give_up("/proc/self/exe");
	/* A boot is the way out of a lock: pins are in memory, and nothing was loaded in this one. */
	CHECK(!statfs("/sys/fs/bpf", &fs) && fs.f_type == BPF_FS_MAGIC, "bpffs");
	CHECK(access(PINS, F_OK) && errno == ENOENT, "a boot leaves nothing");
	copy_to(STRANGER);
	test_unfit();
	/* So that there is something without a manager to roll back to. */
	text = policy_text(1U << GMEM_DO_create | 1U << GMEM_DO_receive, "rules: []\n");
	CHECK(!policy_load(text, true, 0), "load");
	test_unfit_replaced();
	test_read_only();
	test_silenced(text);
	test_holders();
	CHECK(!policy_load(text, true, 0), "load");
	free(text);
	ret = lock_with("", "", true);
	CHECK(!ret && policy_report.locked && is_locked(), "lock: %d", ret);
	if (!ret) {
		test_manager();
		test_upgrade();
		try_all();
		test_trace();
	}
	CHECK(is_locked(), "still");
	printf("lock: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
