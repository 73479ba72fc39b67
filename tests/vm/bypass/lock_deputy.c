// SPDX-License-Identifier: GPL-2.0-only
/*
 * The manager of a locked policy as a deputy: who may start it chooses its arguments, the files
 * that it meets on its way, and what its system calls come to. What it may do must not become his.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../../bpf/abi/lock.h"
#include "../../../src/ctl/kernel/probe.h"
#include "../../../src/lib/exits.h"
#include "lock.h"
#include "puppet.h"

/* A refusal by gmemctl itself, which knows of the lock; and one by the kernel, under the lock. */
#define BY_GMEMCTL "the policy is locked until the next boot"
#define BY_KERNEL  "the policy is locked, and this process is not its manager"

/* --- 152: whether it is locked the manager asks the kernel --- */

/* Every look into a map fails, for everybody. */
static int deny_lookups(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP32 | BPF_JNE | BPF_K,
		  .dst_reg = BPF_REG_1,
		  .off = 1,
		  .imm = BPF_MAP_LOOKUP_ELEM },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -EPERM },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_LSM_MAC);
	int program, link;

	opts.attach_btf_id = (__u32)libbpf_find_vmlinux_btf_id("bpf", BPF_LSM_MAC);
	program = bpf_prog_load(BPF_PROG_TYPE_LSM, "own", "GPL", code,
				sizeof(code) / sizeof(code[0]), &opts);
	link = program < 0 ? -1 : bpf_raw_tracepoint_open(NULL, program);
	if (program >= 0)
		close(program);
	return link;
}

static int without_lookups(void)
{
	int link = deny_lookups(), ret;

	if (link < 0)
		return broken("an LSM program");
	ret = gmemctl("unload");
	close(link);
	return gmemctl_refused(ret, GMEM_EXIT_PERMISSION, BY_GMEMCTL) ?: lock_policy_is_off();
}

/* The same by a filter: each look comes to nothing, and is said to have been one. */
static int filtered_manager(int peer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_LOOKUP_ELEM, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	(void)peer;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return broken("seccomp");
	return gmemctl_refused(gmemctl("unload"), GMEM_EXIT_PERMISSION, BY_KERNEL);
}

static int with_filter(void)
{
	return play(WHO_x, filtered_manager) ?: lock_policy_is_off();
}

/* --- 153: other directories of pins --- */

#define OTHER	   "/sys/fs/bpf/gmem-other-pins"
#define OTHER_MAPS OTHER "/maps/"

static const char *const maps[] = {
#define X(name, kernel) #name,
	GMEM_POLICY_MAPS(X)
#undef X
};

static void remove_other(void)
{
	if (system("rm -rf " OTHER "*"))
		broken("rm");
}

/* The policy's maps under other names, but for one, that nobody has locked. */
static int make_other(bool own_lock)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	char from[128], to[128];
	int fd;

	remove_other();
	if (mkdir(OTHER, 0700) || mkdir(OTHER "/maps", 0700) || mkdir(OTHER "/links", 0700))
		return broken(OTHER);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		snprintf(from, sizeof(from), PINS "/maps/%s", maps[i]);
		snprintf(to, sizeof(to), OTHER_MAPS "%s", maps[i]);
		if (own_lock && !strcmp(maps[i], "locked")) {
			fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "locked", 4,
					    sizeof(struct gmem_lock), 1, &opts);
			if (fd < 0 || bpf_obj_pin(fd, to))
				return broken(to);
			close(fd);
		} else if (symlink(from, to)) {
			return broken(to);
		}
	}
	return 0;
}

static int by_other_pins(void)
{
	int ret = make_other(true);

	if (ret)
		return ret;
	ret = gmemctl_refused(gmemctl("unload --pins " OTHER), GMEM_EXIT_PERMISSION, BY_GMEMCTL);
	ret = ret ?: lock_policy_is_off();
	remove_other();
	return ret;
}

/* What is left of a load that was killed the next one removes: that is mounted there. */
#define DRAFT PINS "-draft-1"

static int by_draft(void)
{
	int ret;

	if ((mkdir(DRAFT, 0700) || mkdir(DRAFT "/pins", 0700)) && errno != EEXIST)
		return broken(DRAFT);
	if (mount(PINS, DRAFT "/pins", NULL, MS_BIND, NULL))
		return broken("bind mount");
	ret = gmemctl("set-mode enforce");
	umount2(DRAFT "/pins", MNT_DETACH);
	rmdir(DRAFT "/pins");
	rmdir(DRAFT);
	if (ret)
		return failed("gmemctl set-mode enforce: %s", gmemctl_output);
	if (!access(PINS "/links/tag_exec", F_OK))
		return access(PINS "/name-files", F_OK) ? failed("some pins are gone") : EXDEV;
	return lock_policy_ends();
}

/*
 * A load under the lock, by a directory whose links are somebody else's: then those that there are
 * must not be let go of.
 */
static int by_other_links(void)
{
	char to[128];
	int ret = make_other(false);

	for (int i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		snprintf(to, sizeof(to), OTHER "/links/%s", program_names[i]);
		ret = symlink(PINS "/links/tag_fork", to) ? broken(to) : 0;
	}
	if (ret)
		return ret;
	ret = gmemctl("load %s --pins " OTHER " %s", lock_is_on() ? "--lock" : "", LOCK_POLICY);
	if (lock_is_on())
		ret = gmemctl_refused(ret, GMEM_EXIT_PERMISSION, BY_GMEMCTL) == EACCES ? 0 : 1;
	remove_other();
	if (ret)
		return failed("gmemctl load --pins " OTHER ": %s", gmemctl_output);
	/* The text of what it loaded went with that. */
	if (!lock_is_on() && gmemctl("load %s", LOCK_POLICY))
		return failed("gmemctl load: %s", gmemctl_output);
	return result_of(unlink(PINS "/links/punch"));
}

/* --- 154: a library that has no code: its functions are anywhere in that of others --- */

#define CODELESS BYPASS_DIR "/codeless.so"

static int codeless_ready(void)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	int fd;

	if (evil_ready() || copy_file(EVIL, CODELESS))
		return ENDED_BROKEN;
	fd = open(CODELESS, O_RDWR | O_CLOEXEC);
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return broken(CODELESS);
	for (int i = 0; i < head.e_phnum; i++) {
		off_t at = (off_t)(head.e_phoff + (size_t)i * sizeof(part));

		if (pread(fd, &part, sizeof(part), at) != sizeof(part))
			return broken(CODELESS);
		part.p_flags &= ~(unsigned int)PF_X;
		if (pwrite(fd, &part, sizeof(part), at) != sizeof(part))
			return broken(CODELESS);
	}
	close(fd);
	return 0;
}

/* Where a library is that the manager has too. */
static int library(char *path, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], *at = NULL;

	while (f && !at && fgets(line, sizeof(line), f))
		at = strstr(line, "libjson-c") ? strchr(line, '/') : NULL;
	if (f)
		fclose(f);
	if (!at)
		return broken("libjson-c");
	at[strcspn(at, "\n")] = '\0';
	snprintf(path, size, "%s", at);
	return 0;
}

static int codeless_manager(int peer)
{
	char path[512];

	(void)peer;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    library(path, sizeof(path)) || mount(CODELESS, path, NULL, MS_BIND, NULL))
		return broken("bind mount");
	/* What the loader says of it. */
	if (!bypass_run.verbose)
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
	execl(GMEMCTL, GMEMCTL, "--help", NULL);
	return broken(GMEMCTL);
}

/* The loader calls what it says, and is where no code is. */
static int codeless(void)
{
	int ret = codeless_ready();

	if (ret)
		return ret;
	ret = play(WHO_x, codeless_manager);
	return ret == ENDED_KILLED ? 0 : ret == 127 ? EACCES : failed("gmemctl: %d", ret);
}

/* --- 155: the child that shows that a stranger is kept out has no identity: what does it have? ---
 */

/* Of one that is not guarded: its descriptors. */
static int rob(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), ret = ENDED_NOTHING, fd;

	for (int i = 1; pidfd >= 0 && i < 64 && ret == ENDED_NOTHING; i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);

		fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    !strcmp(info.name, "gmem_active"))
			ret = lock_switch_off(fd);
		if (fd >= 0)
			close(fd);
	}
	close(pidfd);
	return ret;
}

static bool is_child(pid_t pid)
{
	char path[64], name[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(fd);
	return !strncmp(name, "gmemctl-verify", 14);
}

/* The number of the process that was made last. */
static pid_t last_pid(void)
{
	FILE *f = fopen("/proc/loadavg", "re");
	int pid = 0;

	if (!f || fscanf(f, "%*s %*s %*s %*s %d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* Reports that it has met a child, and goes on until the other side hangs up. */
static int rob_children(int peer)
{
	int ret = ENDED_NOTHING, last;
	bool met = false;
	char byte;

	while (ret == ENDED_NOTHING && recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0) {
		last = last_pid();
		for (pid_t pid = last; pid > last - 8 && ret == ENDED_NOTHING; pid--) {
			if (!is_child(pid))
				continue;
			ret = rob(pid);
			if (!met && tell(peer, 0))
				return ENDED_BROKEN;
			met = true;
		}
	}
	return ret;
}

/* A child lives as long as its process gets no CPU otherwise: one load or two are enough. */
#define LOADS_TO_MEET 20

static int children(void)
{
	int pair[2], ret = 0, n;
	bool met = false;
	uint64_t sign;
	pid_t x;

	/* Without a lock nobody needs them. */
	if (!lock_is_on())
		return lock_switch_off(bpf_obj_get(ACTIVE_PIN));
	if (socket_pair(pair))
		return ENDED_BROKEN;
	x = player_start(WHO_x, rob_children, pair[0]);
	for (n = 0; n < LOADS_TO_MEET && !met && !ret; n++) {
		if (gmemctl("load --lock %s", LOCK_POLICY))
			ret = failed("gmemctl load --lock: %s", gmemctl_output);
		met = recv(pair[1], &sign, sizeof(sign), MSG_DONTWAIT) == sizeof(sign);
	}
	close(pair[0]);
	if (!ret && !met)
		ret = failed("no child of %d loads was met", n);
	/* Which ends it. */
	close(pair[1]);
	n = player_wait(x);
	return ret ?: n;
}

/* --- 156: another file where the manager was, and the manager looks for itself --- */

static int switch_off_as_manager(int peer)
{
	int fd = bpf_obj_get(ACTIVE_PIN);

	(void)peer;
	return fd < 0 ? errno : lock_switch_off(fd);
}

static int exchanged(void)
{
	pid_t pid;
	int ret;

	if (rename(GMEMCTL, GMEMCTL "-kept") || copy_file(who_paths[WHO_x], GMEMCTL) ||
	    chmod(GMEMCTL, 0755))
		return broken(GMEMCTL);
	ret = run_program(GMEMCTL "-kept refresh");
	if (ret)
		return failed("gmemctl refresh, with another file in its place");
	pid = fork();
	if (!pid)
		_exit(become_file(GMEMCTL, switch_off_as_manager, -1));
	ret = player_wait(pid);
	if (rename(GMEMCTL "-kept", GMEMCTL) || gmemctl("refresh"))
		return failed("gmemctl refresh: %s", gmemctl_output);
	return ret == ENDED_KILLED ? EACCES : ret;
}

/* --- 159: a uprobe counts in the manager's memory --- */

/* In its file: a word that is written to, and an instruction. */
static int places(uint64_t *word, uint64_t *at)
{
	int fd = open(GMEMCTL, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr head;
	Elf64_Phdr part;

	*word = *at = 0;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return broken(GMEMCTL);
	for (int i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part),
			  (off_t)(head.e_phoff + (size_t)i * sizeof(part))) != sizeof(part))
			return broken(GMEMCTL);
		if (part.p_type != PT_LOAD)
			continue;
		if (head.e_entry - part.p_vaddr < part.p_filesz)
			*at = head.e_entry - part.p_vaddr + part.p_offset;
		if (part.p_flags & PF_W)
			*word = (part.p_offset + part.p_filesz - 8) & ~7UL;
	}
	close(fd);
	return *word && *at ? 0 : broken(GMEMCTL);
}

static int counted(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	uint64_t word, at;
	int event, ret;

	if (!f || fscanf(f, "%u", &attr.type) != 1 || places(&word, &at))
		return broken("uprobe");
	fclose(f);
	attr.config = word << 32;
	attr.config1 = (uintptr_t)GMEMCTL;
	attr.config2 = at;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return broken("a uprobe");
	ret = gmemctl("status");
	close(event);
	return gmemctl_refused(ret, GMEM_EXIT_PERMISSION, BY_KERNEL);
}

#define DEPUTY(number, what, fn, ...) LOCK_CASE(number, what, fn, __VA_ARGS__)

/*
 * What a load or a refresh proves under the lock are four denials more: of 155, which loads until a
 * child is met, and of 156, which refreshes twice.
 */
const struct bypass_case bypass_lock_deputy[] = {
	DEPUTY("152", "lock: gmemctl unload, while no map can be looked into", without_lookups,
	       LOCKED, .denials = BYPASS_NONE),
	DEPUTY("152b", "lock: gmemctl unload under a filter by which that fails", with_filter,
	       LOCKED),
	DEPUTY("153", "lock: gmemctl unload --pins, with another map that says whether",
	       by_other_pins, LOCKED),
	DEPUTY("153b", "lock: the pins mounted where gmemctl removes what was left", by_draft,
	       EVERYWHERE(REFUSED(EXDEV))),
	DEPUTY("153c", "lock: gmemctl load --lock --pins, with other links", by_other_links,
	       LOCKED),
	DEPUTY("154", "lock: the manager with a library that has no code", codeless, LOCKED),
	DEPUTY("155", "lock: descriptors of the child that shows that it holds", children,
	       EVERYWHERE(STOPPED(ENDED_NOTHING)), .denials = BYPASS_NONE),
	DEPUTY("156", "lock: another file for the manager's, and gmemctl refresh", exchanged,
	       LOCKED),
	DEPUTY("159", "lock: a uprobe that counts in the manager's memory", counted, LOCKED),
	{ 0 },
};
