// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "arch.h"
#include "strangers.h"

#define PLACE "/tmp/place"

char manager_path[4096];

/* --- what is refused --- */

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

int stranger_program(enum bpf_prog_type type, enum bpf_attach_type attach, const char *function,
		     int returns)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = returns },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int id = libbpf_find_vmlinux_btf_id(function, attach);

	if (id < 0) {
		errno = ENOENT;
		return -1;
	}
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
	other = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bprm_committed_creds", 0);
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
	return closed(
		stranger_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, "security_bpf_map", 1));
}

static int modify_file_permission(void)
{
	return closed(stranger_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN,
				       "security_file_permission", 1));
}

static int cgroup_bpf_map(void)
{
	return closed(stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, "bpf_map", 1));
}

static int write_ftrace_enabled(void)
{
	return closed(open("/proc/sys/kernel/ftrace_enabled", O_WRONLY));
}

static int write_library(void)
{
	return closed(open(ARCH_LIBRARIES "/libc.so.6", O_WRONLY));
}

static int truncate_library(void)
{
	return result(truncate(ARCH_LIBRARIES "/libc.so.6", 0));
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
	int fd = stranger_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open", 0), link;

	if (fd < 0)
		return errno;
	link = bpf_raw_tracepoint_open(NULL, fd);
	return closed(link);
}

static int own_tracing_program(void)
{
	int fd = stranger_program(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "security_file_open", 0);

	return fd < 0 ? errno : closed(bpf_raw_tracepoint_open(NULL, fd));
}

static int modify_something_else(void)
{
	return closed(stranger_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN,
				       "security_socket_create", 0));
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

	snprintf(aside, sizeof(aside), "%s.aside", manager_path);
	if (rename(manager_path, aside) || closed(open(manager_path, O_CREAT | O_WRONLY, 0700)) ||
	    rename(aside, manager_path))
		return errno;
	return 0;
}

const struct attempt attempts[] = {
/* clang-format off */
#define REFUSED(name) { #name, name, true }
#define GOES_ON(name) { #name, name, false }
	/* clang-format on */
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

const size_t nr_attempts = sizeof(attempts) / sizeof(attempts[0]);
