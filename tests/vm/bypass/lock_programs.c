// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root around the programs of a locked policy: others that answer instead, and switches. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../lib/strangers.h"
#include "lock.h"

/* --- 41, 42: programs that answer instead --- */

static int modify(const char *function, int returns)
{
	int program = stranger_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, function, returns),
	    ret, link;

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
	int program = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, "bpf_map", 0);

	if (program < 0)
		return errno == ENOENT ? broken("bpf_map") : errno;
	close(program);
	return 0;
}

/* An LSM program that says more than 0: to some who ask that is yes. */
static int positive_program(void)
{
	int program = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_receive", 1);

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

/* --- what must go on --- */

static int other_sysctl(void)
{
	int fd = open("/proc/sys/kernel/hostname", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return errno;
	ret = write(fd, "gmem-lab", 8) == 8 ? 0 : errno;
	close(fd);
	return ret;
}

const struct bypass_case bypass_lock_programs[] = {
	LOCK_CASE("41", "lock: fmod_ret on security_bpf_map", modify_bpf_map, LOCKED),
	LOCK_CASE("42", "lock: fmod_ret on security_file_receive", modify_receive, LOCKED),
	LOCK_CASE("42b", "lock: fmod_ret on security_sb_umount", modify_umount, LOCKED),
	LOCK_CASE("99", "lock: fmod_ret on security_task_alloc, which tags", modify_fork, LOCKED),
	LOCK_CASE("42c", "lock: an LSM program of a cgroup on bpf_map", cgroup_program, LOCKED),
	LOCK_CASE("42d", "lock: an LSM program that returns 1", positive_program,
		  EVERYWHERE(REFUSED(EINVAL))),
	LOCK_CASE("96", "lock: bpf(2) out of a program (bpf_sys_bpf)", program_calls, LOCKED),
	LOCK_CASE("92", "lock: kernel.ftrace_enabled=0", ftrace_off, LOCKED),
	LOCK_CASE("92b", "lock: the same in another mount of proc", ftrace_off_elsewhere, LOCKED),
	LOCK_CASE("F85", "lock: other files of /proc/sys/kernel", other_sysctl,
		  EVERYWHERE(ALLOWED)),
	{ 0 },
};
