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
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../src/lib/log.h"
#include "lib/policies.h"
#include "test.h"

#define PINS	 "/sys/fs/bpf/gmem"
#define STRANGER "/tmp/stranger"
#define PLACE	 "/tmp/place"

static char self[4096];

/* --- what can be tried; all return 0 or an errno --- */

static int result(int ret)
{
	return ret < 0 ? errno : 0;
}

static int closed(int fd)
{
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* A program that returns a number, for a function of the kernel. Return: an fd, -1. */
static int program(enum bpf_prog_type type, enum bpf_attach_type attach, const char *function,
		   int returns)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = returns },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int id = libbpf_find_vmlinux_btf_id(function, attach);

	if (id < 0)
		give_up(function);
	opts.attach_btf_id = (__u32)id;
	return bpf_prog_load(type, "stranger", "GPL", code, 2, &opts);
}

static int open_map(void)
{
	return closed(bpf_obj_get(PINS "/maps/active"));
}

/* The first of all that is noted, by number: the kinds are enumerated by who is not the manager. */
static int first_refused(int (*next)(__u32, __u32 *), int (*open_id)(__u32))
{
	__u32 id = 0;

	while (!next(id, &id)) {
		int ret = closed(open_id(id));

		if (ret && ret != ENOENT)
			return ret;
	}
	return 0;
}

static int open_map_by_id(void)
{
	return first_refused(bpf_map_get_next_id, bpf_map_get_fd_by_id);
}

static int open_program_by_id(void)
{
	return first_refused(bpf_prog_get_next_id, bpf_prog_get_fd_by_id);
}

static int open_link_by_id(void)
{
	return first_refused(bpf_link_get_next_id, bpf_link_get_fd_by_id);
}

/* The one descriptor that there is: it must be of no use. */
static int use_link(void)
{
	int fd = bpf_obj_get(PINS "/links/tag_exec"), other, ret;

	if (fd < 0)
		return errno;
	if (!bpf_link_detach(fd) || errno != EOPNOTSUPP)
		return EPROTO;
	other = program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bprm_committed_creds", 0);
	if (other < 0)
		return errno;
	ret = bpf_link_update(fd, other, NULL);
	return ret && errno == EINVAL ? 0 : EPROTO;
}

static int unlink_pin(void)
{
	return result(unlink(PINS "/links/tag_exec"));
}

static int rename_pins(void)
{
	return result(rename(PINS, PINS "-away"));
}

static int rename_pin(void)
{
	return result(rename(PINS "/maps/active", "/sys/fs/bpf/away"));
}

static int make_dir(void)
{
	return result(mkdir(PINS "/links/mine", 0700));
}

static int make_symlink(void)
{
	return result(symlink("/tmp", PINS "/maps/mine"));
}

static int make_link(void)
{
	int ret = 0, fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mine", 4, 4, 1, NULL);

	if (fd < 0 || bpf_obj_pin(fd, "/sys/fs/bpf/mine"))
		return EPROTO;
	ret = result(link("/sys/fs/bpf/mine", PINS "/maps/mine"));
	unlink("/sys/fs/bpf/mine");
	return ret;
}

static int make_pin(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mine", 4, 4, 1, NULL);

	return fd < 0 ? EPROTO : result(bpf_obj_pin(fd, PINS "/maps/mine"));
}

static int change_mode(void)
{
	return result(chmod(PINS "/maps/active", 0666));
}

static int change_mode_of_dir(void)
{
	return result(chmod(PINS, 0777));
}

static int umount_bpffs(void)
{
	return result(umount2("/sys/fs/bpf", 0));
}

static int umount_sys(void)
{
	return result(umount2("/sys", MNT_DETACH));
}

static int mount_over_pins(void)
{
	return result(mount("none", PINS, "tmpfs", 0, NULL));
}

static int mount_over_sys(void)
{
	return result(mount("none", "/sys", "tmpfs", 0, NULL));
}

static int bind_over_bpffs(void)
{
	return result(mount("/tmp", "/sys/fs/bpf", NULL, MS_BIND, NULL));
}

static int move_bpffs(void)
{
	mkdir(PLACE, 0700);
	return result(mount("/sys/fs/bpf", PLACE, NULL, MS_MOVE, NULL));
}

/* What is shared with the namespace of the lock. */
static int umount_elsewhere(void)
{
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) || unshare(CLONE_NEWNS))
		return EPROTO;
	return umount_sys();
}

static int umount_tree_elsewhere(void)
{
	mkdir(PLACE, 0700);
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) || unshare(CLONE_NEWNS) ||
	    mount("/", PLACE, NULL, MS_BIND | MS_REC, NULL))
		return EPROTO;
	return result(umount2(PLACE, MNT_DETACH));
}

static int remove_mountpoint_elsewhere(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) ||
	    umount2("/sys", MNT_DETACH))
		return EPROTO;
	return result(rmdir("/sys"));
}

static int modify_bpf_map(void)
{
	return closed(program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_bpf_map", 1));
}

static int modify_file_permission(void)
{
	return closed(
		program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_file_permission", 1));
}

static int cgroup_bpf_map(void)
{
	return closed(program(BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, "bpf_map", 1));
}

static int write_ftrace_enabled(void)
{
	return closed(open("/proc/sys/kernel/ftrace_enabled", O_WRONLY));
}

static int write_library(void)
{
	return closed(open("/lib/x86_64-linux-gnu/libc.so.6", O_WRONLY));
}

static int truncate_library(void)
{
	return result(truncate("/lib/x86_64-linux-gnu/libc.so.6", 0));
}

/* --- what must go on --- */

static int own_map(void)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), zero = 0, value = 7;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mine", 4, 4, 1, NULL), again;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return errno;
	again = bpf_map_get_fd_by_id(info.id);
	if (again < 0 || bpf_map_update_elem(again, &zero, &value, BPF_ANY))
		return errno;
	return 0;
}

static int own_lsm_program(void)
{
	int fd = program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open", 0), link;

	if (fd < 0)
		return errno;
	link = bpf_raw_tracepoint_open(NULL, fd);
	return closed(link);
}

static int own_tracing_program(void)
{
	int fd = program(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "security_file_open", 0);

	return fd < 0 ? errno : closed(bpf_raw_tracepoint_open(NULL, fd));
}

static int modify_something_else(void)
{
	return closed(
		program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_socket_create", 0));
}

static int own_pins(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mine", 4, 4, 1, NULL);

	if (mkdir("/sys/fs/bpf/mine", 0700) || bpf_obj_pin(fd, "/sys/fs/bpf/mine/a") ||
	    closed(bpf_obj_get("/sys/fs/bpf/mine/a")) || chmod("/sys/fs/bpf/mine/a", 0600) ||
	    rename("/sys/fs/bpf/mine/a", "/sys/fs/bpf/mine/b") ||
	    link("/sys/fs/bpf/mine/b", "/sys/fs/bpf/mine/c") || unlink("/sys/fs/bpf/mine/b") ||
	    unlink("/sys/fs/bpf/mine/c") || rename("/sys/fs/bpf/mine", "/sys/fs/bpf/other") ||
	    rmdir("/sys/fs/bpf/other"))
		return errno;
	return 0;
}

static int own_bpffs(void)
{
	mkdir(PLACE, 0700);
	if (mount("none", PLACE, "bpf", 0, NULL) || mkdir(PLACE "/gmem", 0700) ||
	    mkdir(PLACE "/gmem/maps", 0700) || rename(PLACE "/gmem", PLACE "/x") ||
	    umount2(PLACE, 0))
		return errno;
	return 0;
}

static int own_mounts(void)
{
	mkdir(PLACE, 0700);
	if (mount("none", PLACE, "tmpfs", 0, NULL) || mkdir(PLACE "/sys", 0700) ||
	    mount("none", PLACE "/sys", "sysfs", 0, NULL) ||
	    mount("/sys/fs/bpf", PLACE, NULL, MS_BIND, NULL) || umount2(PLACE, 0) ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) || umount2(PLACE, MNT_DETACH))
		return errno;
	return 0;
}

/* As `ip netns exec` has it. */
static int netns_like(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount("", "/", "none", MS_SLAVE | MS_REC, NULL) || umount2("/sys", MNT_DETACH) ||
	    mount("x", "/sys", "sysfs", 0, NULL))
		return errno;
	return 0;
}

/* The same where the host's mounts are shared, as systemd has them. */
static int netns_like_shared(void)
{
	return mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) ? errno : netns_like();
}

/* As a container begins: its root is another, and the old one is taken down. */
static int container_like(void)
{
	mkdir(PLACE, 0700);
	if (unshare(CLONE_NEWNS) || mount("", "/", "none", MS_SLAVE | MS_REC, NULL) ||
	    mount("/", PLACE, NULL, MS_BIND | MS_REC, NULL) || chdir(PLACE) ||
	    syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/") ||
	    umount2("/sys", MNT_DETACH) || mount("x", "/sys", "sysfs", MS_RDONLY, NULL))
		return errno;
	return 0;
}

static int other_files(void)
{
	int fd = open("/tmp/file", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, 100) || rename("/tmp/file", "/tmp/file2") ||
	    chmod("/tmp/file2", 0644) || unlink("/tmp/file2") || mkdir("/tmp/d", 0700) ||
	    rename("/tmp/d", "/tmp/e") || rmdir("/tmp/e") ||
	    closed(open("/proc/sys/kernel/panic_on_oops", O_WRONLY)))
		return errno;
	return 0;
}

/* A package is replaced: a new file in the place of the manager's. The old one is put back. */
static int replace_manager(void)
{
	char aside[4200];

	snprintf(aside, sizeof(aside), "%s.aside", self);
	if (rename(self, aside) || closed(open(self, O_CREAT | O_WRONLY, 0700)) ||
	    rename(aside, self))
		return errno;
	return 0;
}

static const struct attempt {
	const char *name;
	int (*go)(void);
	bool refused;
} attempts[] = {
#define REFUSED(name)             \
	{                         \
#name, name, true \
	}
#define GOES_ON(name)              \
	{                          \
#name, name, false \
	}
	REFUSED(open_map),
	REFUSED(open_map_by_id),
	REFUSED(open_program_by_id),
	REFUSED(open_link_by_id),
	GOES_ON(use_link),
	REFUSED(unlink_pin),
	REFUSED(rename_pins),
	REFUSED(rename_pin),
	REFUSED(make_dir),
	REFUSED(make_symlink),
	REFUSED(make_link),
	REFUSED(make_pin),
	REFUSED(change_mode),
	REFUSED(change_mode_of_dir),
	REFUSED(umount_bpffs),
	REFUSED(umount_sys),
	REFUSED(mount_over_pins),
	REFUSED(mount_over_sys),
	REFUSED(bind_over_bpffs),
	REFUSED(move_bpffs),
	REFUSED(remove_mountpoint_elsewhere),
	REFUSED(modify_bpf_map),
	REFUSED(modify_file_permission),
	REFUSED(cgroup_bpf_map),
	REFUSED(write_ftrace_enabled),
	REFUSED(write_library),
	REFUSED(truncate_library),
	GOES_ON(own_map),
	GOES_ON(own_lsm_program),
	GOES_ON(own_tracing_program),
	GOES_ON(modify_something_else),
	GOES_ON(own_pins),
	GOES_ON(own_bpffs),
	GOES_ON(own_mounts),
	GOES_ON(netns_like),
	GOES_ON(container_like),
	GOES_ON(other_files),
	GOES_ON(replace_manager),
	/* From here on mounts are shared. */
	GOES_ON(netns_like_shared),
	REFUSED(umount_elsewhere),
	REFUSED(umount_tree_elsewhere),
	GOES_ON(container_like),
	REFUSED(umount_sys),
};

#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

static int run(const char *program_path, const char *what, int channel)
{
	char number[16];
	int status;
	pid_t pid = fork();

	if (!pid) {
		snprintf(number, sizeof(number), "%d", channel);
		execl(program_path, program_path, what, number, self, NULL);
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
	char number[16];
	__u64 before, after;
	size_t i;
	int ret;

	for (i = 0; i < ATTEMPTS; i++) {
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
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fd = steal(), pair[2];

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return fd >= 0 && !socketpair(AF_UNIX, SOCK_STREAM, 0, pair) &&
	       sendmsg(pair[0], &msg, 0) == 1 && !close(fd);
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
	return program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_bpf_map", 1) >= 0;
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
#define HOLDER(name)        \
	{                   \
#name, name \
	}
	HOLDER(hold_fd),     HOLDER(hold_mapping),  HOLDER(hold_in_flight), HOLDER(hold_by_program),
	HOLDER(hold_by_pin), HOLDER(hold_modifier), HOLDER(hold_sysctl),    HOLDER(hold_library),
};

#define HOLDERS (sizeof(holders) / sizeof(holders[0]))

static char *locked_policy(const char *guards, const char *more)
{
	return policy_text(1U << GMEM_DO_create | 1U << GMEM_DO_receive,
			   "%ssubjects:\n  me: { exe: %s%s }\nmanager: me\nrules: []\n", guards,
			   self, more);
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
	text = policy_text(1, "subjects: { it: { exe: " STRANGER " } }\nmanager: it\nrules: []\n");
	ret = policy_load(text, true, POLICY_LOCK);
	CHECK(ret == -EPERM, "another executable: %d", ret);
	free(text);
	policy_status(&status);
	CHECK(!status.word && !status.locked, "in force");
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
	CHECK(loader_rollback(NULL, &generation) == -EPERM, "to what has no manager");
	CHECK(loader_unload(NULL) == -EPERM, "unload");
	CHECK(loader_set_mode(NULL, false, &proof) == -EPERM, "audit");
	CHECK(loader_set_mode(NULL, true, &proof) == 0, "enforce");
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
	CHECK(!loader_rollback(NULL, &generation), "to what has this manager");
	policy_status(&status);
	CHECK(status.locked && GMEM_ACTIVE_GENERATION(status.word) == generation, "rolled back");
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
	snprintf(self, sizeof(self), "%s", argv[3]);
	log_setup("stranger", false, 0);
	if (!strcmp(argv[1], "trace"))
		return result((int)ptrace(PTRACE_SEIZE, atoi(argv[2]), NULL, NULL));
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
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		give_up("/proc/self/exe");
	/* A boot is the way out of a lock: pins are in memory, and nothing was loaded in this one. */
	CHECK(!statfs("/sys/fs/bpf", &fs) && fs.f_type == BPF_FS_MAGIC, "bpffs");
	CHECK(access(PINS, F_OK) && errno == ENOENT, "a boot leaves nothing");
	copy_to(STRANGER);
	test_unfit();
	/* So that there is something without a manager to roll back to. */
	text = policy_text(1U << GMEM_DO_create | 1U << GMEM_DO_receive, "rules: []\n");
	CHECK(!policy_load(text, true, 0), "load");
	test_holders();
	CHECK(!policy_load(text, true, 0), "load");
	free(text);
	ret = lock_with("", "", true);
	CHECK(!ret && policy_report.locked && is_locked(), "lock: %d", ret);
	if (!ret) {
		test_manager();
		try_all();
		test_trace();
	}
	CHECK(is_locked(), "still");
	printf("lock: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
