// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root around the programs of a locked policy: others that answer instead, and switches. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/arch.h"
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

/* What system calls come to, for whom the program likes; this one lets all of them be. */
static int modify_call(void)
{
	return modify(ARCH_CALL(bpf), 0);
}

static int override_call(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_override_return },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "own", "GPL", code,
				    sizeof(code) / sizeof(code[0]), NULL);

	if (program < 0)
		return errno;
	close(program);
	return 0;
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
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "gmem_active"))
			ret = lock_switch_off(fd);
		close(fd);
		if (ret != ENOENT)
			return ret;
	}
	return failed("the map is not there");
}

/* --- 142: the manager's registers, by a program on an instruction of it --- */

/* Where the manager begins, as an offset in its file; 0: it cannot be told. */
static uint64_t entry_of(const char *path)
{
	uint64_t at = 0;
	Elf64_Phdr part;
	Elf64_Ehdr head;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		head.e_phnum = 0;
	for (int i = 0; i < head.e_phnum && !at; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)(head.e_phoff + i * sizeof(part))) !=
		    sizeof(part))
			break;
		if (part.p_type == PT_LOAD && head.e_entry - part.p_vaddr < part.p_filesz)
			at = head.e_entry - part.p_vaddr + part.p_offset;
	}
	close(fd);
	return at;
}

/* On each task that comes by there: its stack is nowhere. */
int lock_registers_program(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_0,
		  .off = ARCH_STACK_POINTER },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "own", "GPL", code,
			     sizeof(code) / sizeof(code[0]), NULL);
}

static int registers_of_manager(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	int program = lock_registers_program(), event, ret;
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");

	if (!f || fscanf(f, "%u", &attr.type) != 1)
		return broken("uprobe");
	fclose(f);
	/* Older verifiers let no program write there. */
	if (program < 0)
		return errno == EACCES && !lock_is_on() ? ENDED_ABSENT : errno;
	attr.config1 = (uintptr_t)GMEMCTL;
	attr.config2 = entry_of(GMEMCTL);
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_SET_BPF, program) ||
	    ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return broken("a uprobe");
	ret = gmemctl("--help");
	close(event);
	close(program);
	/* As a shell has it that a signal ended it. */
	return ret == 128 + SIGSEGV ? 0 : ret ? failed("gmemctl: %d", ret) : ENDED_NOTHING;
}

/* --- 150: the manager's memory, by a program that writes to that of whoever it is called in --- */

static int write_memory(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8, .imm = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 8 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_write_user },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	volatile __u64 mine = 0;
	__u64 where = (uintptr_t)&mine;
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &where, .ctx_size_in = sizeof(where));
	int program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "own", "GPL", code,
				    sizeof(code) / sizeof(code[0]), NULL);

	if (program < 0)
		return errno;
	if (bpf_prog_test_run_opts(program, &run))
		return broken("running it");
	close(program);
	return mine ? 0 : ENDED_NOTHING;
}

/* --- 143: a token, which root hands to a user namespace --- */

/* What these have of it, with what younger kernels know; headers of distributions may be older. */
#define BPF_TOKEN_CREATE_CMD 36
#define BPF_F_TOKEN_FD_FLAG  (1U << 16)

struct token_attr {
	__u32 flags, bpffs_fd;
};

struct load_attr {
	__u32 prog_type, insn_cnt;
	__u64 insns, license;
	__u32 log_level, log_size;
	__u64 log_buf;
	__u32 kern_version, prog_flags;
	char prog_name[16];
	__u32 prog_ifindex, expected_attach_type, prog_btf_fd, func_info_rec_size;
	__u64 func_info;
	__u32 func_info_cnt, line_info_rec_size;
	__u64 line_info;
	__u32 line_info_cnt, attach_btf_id, attach_btf_obj_fd, core_relo_cnt;
	__u64 fd_array, core_relos;
	__u32 core_relo_rec_size, log_true_size;
	__s32 prog_token_fd;
	__u32 pad;
};

/* In the namespace: its BPF file system goes to root, and comes back as one that may all. */
static int use_token(int peer)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static const char license[] = "GPL";
	struct load_attr load = { .prog_type = BPF_PROG_TYPE_TRACING,
				  .insn_cnt = 2,
				  .insns = (uintptr_t)code,
				  .license = (uintptr_t)license,
				  .prog_flags = BPF_F_TOKEN_FD_FLAG,
				  .expected_attach_type = BPF_MODIFY_RETURN };
	struct token_attr token = { 0 };
	int context, mount_fd, id, ret;

	id = libbpf_find_vmlinux_btf_id("security_bpf_map", BPF_MODIFY_RETURN);
	if (id < 0 || own_mounts())
		return broken("security_bpf_map");
	load.attach_btf_id = (__u32)id;
	context = (int)syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC);
	if (context < 0)
		return broken("fsopen");
	ret = send_fd(peer, context);
	mount_fd = ret ? -1 : recv_fd(peer, 0);
	if (mount_fd < 0)
		return ENDED_BROKEN;
	token.bpffs_fd = (__u32)openat(mount_fd, ".", O_RDONLY | O_CLOEXEC);
	load.prog_token_fd = (int)syscall(SYS_bpf, BPF_TOKEN_CREATE_CMD, &token, sizeof(token));
	if (load.prog_token_fd < 0)
		return broken("a token");
	return result_of(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load)));
}

/* Root: delegates everything to it. */
static int delegate(int peer)
{
	static const char *const what[] = { "delegate_cmds", "delegate_maps", "delegate_progs",
					    "delegate_attachs" };
	int context = recv_fd(peer, 0), mount_fd;

	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, what[i], "any", 0))
			return broken(what[i]);
	}
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return broken("fsconfig");
	mount_fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mount_fd < 0)
		return broken("fsmount");
	return send_fd(peer, mount_fd);
}

static int by_token(void)
{
	return play_two(WHO_b, delegate, WHO_x, use_token);
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
	LOCK_CASE("158", "lock: fmod_ret on the system call bpf(2)", modify_call,
		  LANES(STOPPED(EACCES), STOPPED(EACCES), STOPPED(EACCES), REFUSED(EINVAL)),
		  .by_config = true),
	LOCK_CASE("158b", "lock: a kprobe that says what a call comes to", override_call,
		  LANES(STOPPED(EACCES), STOPPED(EACCES), REFUSED(EINVAL), REFUSED(EINVAL))),
	LOCK_CASE("42c", "lock: an LSM program of a cgroup on bpf_map", cgroup_program, LOCKED),
	LOCK_CASE("42d", "lock: an LSM program that returns 1", positive_program,
		  EVERYWHERE(REFUSED(EINVAL))),
	LOCK_CASE("96", "lock: bpf(2) out of a program (bpf_sys_bpf)", program_calls, LOCKED),
	LOCK_CASE("142", "lock: a uprobe on the manager that changes its registers",
		  registers_of_manager,
		  LANES(STOPPED(EACCES), STOPPED(EACCES), STOPPED(EACCES), ABSENT)),
	LOCK_CASE("150", "lock: a program that writes to the memory of processes", write_memory,
		  EVERYWHERE(STOPPED(EINVAL)), .denials = BYPASS_SOME),
	LOCK_CASE("143", "lock: fmod_ret by a BPF token, in a user namespace", by_token, LOCKED),
	LOCK_CASE("92", "lock: kernel.ftrace_enabled=0", ftrace_off, LOCKED),
	LOCK_CASE("92b", "lock: the same in another mount of proc", ftrace_off_elsewhere, LOCKED),
	LOCK_CASE("F85", "lock: other files of /proc/sys/kernel", other_sysctl,
		  EVERYWHERE(ALLOWED)),
	{ 0 },
};
