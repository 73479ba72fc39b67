// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root to a locked policy: its pins, maps, programs and links, and what stands before them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lock.h"
#include "puppet.h"

/* --- 40: pins --- */

static int first_error;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (remove(path) && !first_error)
		first_error = errno;
	return 0;
}

static int unlink_pins(void)
{
	first_error = 0;
	if (nftw(PINS, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		return broken("nftw");
	return first_error ?: lock_policy_ends();
}

static int rename_pins(void)
{
	return result_of(rename(PINS, PINS "-away"));
}

static int own_map(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "own", 4, 8, 1, NULL);
}

#define OWN_PIN	  "/sys/fs/bpf/gmem-other"
#define SAVED_PIN "/sys/fs/bpf/gmem-saved"

static int exchange_pin(void)
{
	int map = own_map(), ret;

	unlink(OWN_PIN);
	if (map < 0 || bpf_obj_pin(map, OWN_PIN))
		return broken(OWN_PIN);
	ret = result_of(renameat2(AT_FDCWD, OWN_PIN, AT_FDCWD, ACTIVE_PIN, RENAME_EXCHANGE));
	if (!ret && renameat2(AT_FDCWD, OWN_PIN, AT_FDCWD, ACTIVE_PIN, RENAME_EXCHANGE))
		ret = broken("exchanging them again");
	unlink(OWN_PIN);
	close(map);
	return ret;
}

static int rename_over_pin(void)
{
	int map = own_map(), ret;

	unlink(OWN_PIN);
	if (map < 0 || bpf_obj_pin(map, OWN_PIN))
		return broken(OWN_PIN);
	if (link(ACTIVE_PIN, SAVED_PIN))
		return broken(SAVED_PIN);
	ret = result_of(rename(OWN_PIN, ACTIVE_PIN));
	if (ret)
		unlink(SAVED_PIN);
	else if (rename(SAVED_PIN, ACTIVE_PIN))
		ret = broken(SAVED_PIN);
	unlink(OWN_PIN);
	close(map);
	return ret;
}

static int chmod_pins(void)
{
	int ret = result_of(chmod(PINS "/maps", 0777));

	return ret ?: result_of(chmod(PINS "/maps", 0700));
}

static int chown_pin(void)
{
	int ret = result_of(chown(ACTIVE_PIN, OTHER_USER, OTHER_USER));

	return ret ?: result_of(chown(ACTIVE_PIN, 0, 0));
}

static int pin_there(void)
{
	int map = own_map(), ret;

	if (map < 0)
		return broken("bpf_map_create");
	ret = bpf_obj_pin(map, PINS "/maps/foreign") ? errno : 0;
	close(map);
	return ret ?: result_of(unlink(PINS "/maps/foreign"));
}

static int mkdir_there(void)
{
	return result_of(mkdir(PINS "/foreign", 0700)) ?: result_of(rmdir(PINS "/foreign"));
}

/* --- descriptors --- */

static int open_map(void)
{
	int fd = bpf_obj_get(ACTIVE_PIN), ret;

	if (fd < 0)
		return errno;
	ret = lock_switch_off(fd);
	close(fd);
	return ret;
}

static int switch_off_by_id(__u32 id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), ret;

	if (fd < 0)
		return errno == EACCES ? EACCES : ENOENT;
	ret = bpf_obj_get_info_by_fd(fd, &info, &len) || strcmp(info.name, "active")
		      ? ENOENT
		      : lock_switch_off(fd);
	close(fd);
	return ret;
}

/* Any map that is not to be had is one of the policy's. */
static int map_by_id(void)
{
	int ret = ENOENT;

	for (__u32 id = 0; ret == ENOENT && !bpf_map_get_next_id(id, &id);)
		ret = switch_off_by_id(id);
	return ret == ENOENT ? failed("the map is not there") : ret;
}

/* Of a kind of objects: one that is refused, or else one whose name begins so. */
static int program_by_id(void)
{
	for (__u32 id = 0; !bpf_prog_get_next_id(id, &id);) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id), ours;

		if (fd < 0 && errno == EACCES)
			return EACCES;
		ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		       !strcmp(info.name, "tag_exec");
		if (fd >= 0)
			close(fd);
		if (ours)
			return 0;
	}
	return failed("the program is not there");
}

static int link_fd_by_id(void)
{
	for (__u32 id = 0; !bpf_link_get_next_id(id, &id);) {
		struct bpf_link_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0 && errno == EACCES)
			return -1;
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_TRACING)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	errno = ENOENT;
	return -1;
}

static int link_by_id(void)
{
	int fd = link_fd_by_id();

	if (fd < 0)
		return errno == ENOENT ? failed("the link is not there") : errno;
	close(fd);
	return 0;
}

/* There is no hook for the descriptor of a link: it can do nothing. */
static int detach_link(void)
{
	int fd = bpf_obj_get(PINS "/links/tag_exec"), ret;

	if (fd < 0)
		return broken("the pin of a link");
	ret = bpf_link_detach(fd) ? errno : 0;
	close(fd);
	return ret;
}

static int lsm_program(const char *hook, int returns, enum bpf_attach_type attach)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = returns },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	int id = libbpf_find_vmlinux_btf_id(hook, attach);

	if (id < 0) {
		errno = ENOENT;
		return -1;
	}
	opts.attach_btf_id = (__u32)id;
	return bpf_prog_load(attach == BPF_MODIFY_RETURN ? BPF_PROG_TYPE_TRACING
							 : BPF_PROG_TYPE_LSM,
			     "own", "GPL", code, 2, &opts);
}

static int update_link(void)
{
	int fd = bpf_obj_get(PINS "/links/tag_exec"), ret;
	int program = lsm_program("bprm_committed_creds", 0, BPF_LSM_MAC);

	if (fd < 0 || program < 0)
		return broken("the pin of a link, or a program");
	ret = bpf_link_update(fd, program, NULL) ? errno : 0;
	close(fd);
	close(program);
	return ret;
}

/* --- 41, 42: programs that answer instead --- */

static int modify(const char *function, int returns)
{
	int program = lsm_program(function, returns, BPF_MODIFY_RETURN), ret, link;

	if (program < 0)
		return errno == ENOENT ? broken(function) : errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	ret = link < 0 ? errno : 0;
	close(program);
	if (link >= 0)
		close(link);
	return ret;
}

/* Skips the hook, and is taken for "yes" by who asks whether it is below 0. */
static int modify_bpf_map(void)
{
	return modify("security_bpf_map", 1);
}

static int modify_receive(void)
{
	return modify("security_file_receive", 1);
}

static int modify_umount(void)
{
	return modify("security_sb_umount", 0);
}

static int modify_fork(void)
{
	return modify("security_task_alloc", 0);
}

static int cgroup_program(void)
{
	int program = lsm_program("bpf_map", 0, BPF_LSM_CGROUP);

	if (program < 0)
		return errno == ENOENT ? broken("bpf_map") : errno;
	close(program);
	return 0;
}

/* An LSM program that says more than 0: to some who ask that is yes. */
static int positive_program(void)
{
	int program = lsm_program("file_receive", 1, BPF_LSM_MAC);

	if (program < 0)
		return errno;
	close(program);
	return 0;
}

/* --- 96: bpf(2) out of a program --- */

static int call_bpf(int cmd, __u32 id)
{
	const struct bpf_insn code[] = {
		/* attr = { 0 }, attr.map_id = id */
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -16 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8 },
		{ .code = BPF_ST | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_10,
		  .off = -16,
		  .imm = (__s32)id },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = cmd },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -16 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 16 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sys_bpf },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int program, ret;

	program = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "own", "GPL", code,
				sizeof(code) / sizeof(code[0]), &opts);
	if (program < 0)
		return -broken("a syscall program");
	ret = bpf_prog_test_run_opts(program, &run);
	close(program);
	return ret ? -broken("running it") : (int)run.retval;
}

static int program_calls(void)
{
	__u32 id = 0;

	while (!bpf_map_get_next_id(id, &id)) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = call_bpf(BPF_MAP_GET_FD_BY_ID, id), ret = ENOENT;

		if (fd == -EACCES)
			return EACCES;
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return -fd;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "active"))
			ret = lock_switch_off(fd);
		close(fd);
		if (ret != ENOENT)
			return ret;
	}
	return failed("the map is not there");
}

/* --- 92: a switch for all programs on functions of the kernel --- */

static int write_switch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return errno;
	ret = pwrite(fd, "0\n", 2, 0) == 2 ? 0 : errno;
	if (!ret)
		ret = lock_policy_is_off();
	if (pwrite(fd, "1\n", 2, 0) != 2)
		ret = ret ?: broken(path);
	close(fd);
	return ret;
}

static int ftrace_off(void)
{
	return write_switch("/proc/sys/kernel/ftrace_enabled");
}

static int ftrace_off_elsewhere(void)
{
	static const char at[] = BYPASS_DIR "/proc";
	int ret;

	mkdir(at, 0755);
	if (mount("proc", at, "proc", 0, NULL))
		return broken("mount of proc");
	ret = write_switch(BYPASS_DIR "/proc/sys/kernel/ftrace_enabled");
	umount2(at, MNT_DETACH);
	return ret;
}

/* --- the manager's program --- */

static int write_manager(void)
{
	int fd = open(GMEMCTL, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int truncate_manager(void)
{
	struct stat st;

	/* As long as it is: it has to work afterwards. */
	if (stat(GMEMCTL, &st))
		return broken(GMEMCTL);
	return result_of(truncate(GMEMCTL, st.st_size));
}

/* Another loader for it, in a mount namespace: its file, and foreign code. */
static int foreign_manager(int peer)
{
	char loader[256];

	(void)peer;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !realpath("/lib64/ld-linux-x86-64.so.2", loader) ||
	    mount(EVIL, loader, NULL, MS_BIND, NULL))
		return broken("bind mount");
	execl(GMEMCTL, GMEMCTL, "status", NULL);
	return broken(GMEMCTL);
}

static int with_opener(int (*fn)(void))
{
	int fd = open(EVIL_OPENS, O_CREAT | O_WRONLY | O_CLOEXEC, 0644), ret = evil_ready();

	if (fd < 0)
		return broken(EVIL_OPENS);
	close(fd);
	ret = ret ?: fn();
	unlink(EVIL_OPENS);
	return ret;
}

/* What it begins with is not let in: it does not get as far as its first instruction. */
static int start_foreign_manager(void)
{
	int ret = play(WHO_x, foreign_manager);

	return ret == ENDED_KILLED ? EACCES : ret;
}

static int manager_in_own_mounts(void)
{
	return with_opener(start_foreign_manager);
}

/* --- 95: the manager does what it is told --- */

static int other_policy(void)
{
	int ret;

	if (lock_write_policy("", "manager: m\n"
				  "subjects: { m: { exe: " GMEMCTL " } }\n"
				  "rules: [ { name: all, allow: all, subjects: any } ]\n"))
		return ENDED_BROKEN;
	ret = gmemctl("load %s --accept-default-change %s", lock_is_on() ? "--lock" : "",
		      LOCK_POLICY);
	ret = ret ? failed("gmemctl load: %d", ret) : lock_policy_is_off();
	if (lock_usual_policy("") ||
	    gmemctl("load %s %s", lock_is_on() ? "--lock" : "", LOCK_POLICY))
		return failed("gmemctl load");
	return ret;
}

/* --- what must go on --- */

static int own_objects(void)
{
	int map = own_map(), again, program = lsm_program("file_open", 0, BPF_LSM_MAC), link;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (map < 0 || program < 0 || bpf_obj_get_info_by_fd(map, &info, &len))
		return errno;
	again = bpf_map_get_fd_by_id(info.id);
	if (again < 0)
		return errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		return errno;
	close(link);
	close(program);
	close(again);
	close(map);
	return 0;
}

static int own_pins(void)
{
	int map = own_map(), ret;

	if (map < 0)
		return broken("bpf_map_create");
	ret = mkdir("/sys/fs/bpf/own", 0700) || bpf_obj_pin(map, "/sys/fs/bpf/own/a") ||
	      rename("/sys/fs/bpf/own/a", "/sys/fs/bpf/own/b") ||
	      chmod("/sys/fs/bpf/own/b", 0644) || unlink("/sys/fs/bpf/own/b") ||
	      rmdir("/sys/fs/bpf/own");
	ret = ret ? errno : 0;
	close(map);
	return ret;
}

static int other_sysctl(void)
{
	int fd = open("/proc/sys/kernel/hostname", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return errno;
	ret = write(fd, "gmem-lab", 8) == 8 ? 0 : errno;
	close(fd);
	return ret;
}

#define REFUSED_AS_STOPPED EVERYWHERE(STOPPED(EACCES))

const struct bypass_case bypass_lock_objects[] = {
	LOCK_CASE("40", "lock: unlink of the pins", unlink_pins, REFUSED_AS_STOPPED),
	LOCK_CASE("40b", "lock: rename of the pins", rename_pins, REFUSED_AS_STOPPED),
	LOCK_CASE("40c", "lock: a pin exchanged for another", exchange_pin, REFUSED_AS_STOPPED),
	LOCK_CASE("40f", "lock: rename over a pin", rename_over_pin, REFUSED_AS_STOPPED),
	LOCK_CASE("40g", "lock: BPF_OBJ_GET of a map, and an update", open_map, REFUSED_AS_STOPPED),
	LOCK_CASE("40h", "lock: BPF_MAP_GET_FD_BY_ID, and an update", map_by_id,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("40i", "lock: BPF_PROG_GET_FD_BY_ID", program_by_id, REFUSED_AS_STOPPED),
	LOCK_CASE("40j", "lock: BPF_LINK_GET_FD_BY_ID", link_by_id, REFUSED_AS_STOPPED),
	LOCK_CASE("40k", "lock: BPF_LINK_DETACH of a pinned link", detach_link,
		  EVERYWHERE(REFUSED(EOPNOTSUPP))),
	LOCK_CASE("40l", "lock: BPF_LINK_UPDATE of a pinned link", update_link,
		  EVERYWHERE(REFUSED(EINVAL))),
	LOCK_CASE("136", "lock: mode of a directory of pins", chmod_pins, REFUSED_AS_STOPPED),
	LOCK_CASE("136b", "lock: owner of a pin", chown_pin, REFUSED_AS_STOPPED),
	LOCK_CASE("137", "lock: BPF_OBJ_PIN among the pins", pin_there, REFUSED_AS_STOPPED),
	LOCK_CASE("137b", "lock: mkdir among the pins", mkdir_there, REFUSED_AS_STOPPED),
	LOCK_CASE("41", "lock: fmod_ret on security_bpf_map", modify_bpf_map, REFUSED_AS_STOPPED),
	LOCK_CASE("42", "lock: fmod_ret on security_file_receive", modify_receive,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("42b", "lock: fmod_ret on security_sb_umount", modify_umount, REFUSED_AS_STOPPED),
	LOCK_CASE("99", "lock: fmod_ret on security_task_alloc, which tags", modify_fork,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("42c", "lock: an LSM program of a cgroup on bpf_map", cgroup_program,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("42d", "lock: an LSM program that returns 1", positive_program,
		  EVERYWHERE(REFUSED(EINVAL))),
	LOCK_CASE("96", "lock: bpf(2) out of a program (bpf_sys_bpf)", program_calls,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("92", "lock: kernel.ftrace_enabled=0", ftrace_off, REFUSED_AS_STOPPED),
	LOCK_CASE("92b", "lock: the same in another mount of proc", ftrace_off_elsewhere,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("138", "lock: the manager's file opened for writing", write_manager,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("138b", "lock: the manager's file truncated", truncate_manager,
		  REFUSED_AS_STOPPED),
	LOCK_CASE("94", "lock: the manager with another loader, in a mount namespace",
		  manager_in_own_mounts, REFUSED_AS_STOPPED),
	LOCK_CASE("95", "lock: a policy that allows all, loaded by the manager", other_policy,
		  .denials = BYPASS_SOME,
		  EVERYWHERE(POSSIBLE("Who starts the manager's executable is the manager, and may "
				      "load another policy, which is locked too."))),
	LOCK_CASE("F83", "lock: maps, programs and links of others", own_objects,
		  EVERYWHERE(ALLOWED)),
	LOCK_CASE("F84", "lock: pins of others beside the policy's", own_pins, EVERYWHERE(ALLOWED)),
	LOCK_CASE("F85", "lock: other files of /proc/sys/kernel", other_sysctl,
		  EVERYWHERE(ALLOWED)),
	{ 0 },
};
