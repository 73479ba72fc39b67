// SPDX-License-Identifier: GPL-2.0-only
/*
 * More ways to begin as one who may, in the neighbourhood of identity.c: what the environment says,
 * what stays over an exec, files without a name, namespaces that others made.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "puppet.h"

#define PRELOAD GMEM_DO_GUARD(GMEM_GUARD_preload)
#define LOADER	ARCH_LOADER
#define REPORT	BYPASS_DIR "/report"

/* --- 240: variables by which code is loaded later --- */

/* A plugin by its name alone. */
static int load_plugin(int peer)
{
	(void)peer;
	dlopen("evil.so", RTLD_NOW);
	return ENDED_NOTHING;
}

static int with_library_path(int peer)
{
	(void)peer;
	return setenv("LD_LIBRARY_PATH", BYPASS_DIR, 1) ? broken("setenv")
							: become(WHO_a, load_plugin, -1);
}

/* A character set, for which the C library has modules. */
static int convert_text(int peer)
{
	(void)peer;
	iconv_open("EVIL", "UTF-8");
	return ENDED_NOTHING;
}

static int with_gconv_path(int peer)
{
	(void)peer;
	if (put_text(BYPASS_DIR "/gconv-modules", "module INTERNAL EVIL// evil 1\n", 0644) ||
	    setenv("GCONV_PATH", BYPASS_DIR, 1))
		return broken("gconv-modules");
	return become(WHO_a, convert_text, -1);
}

/* The loader writes with the rights of who may, where the variable says. */
static int with_report(int peer)
{
	(void)peer;
	if (setenv("LD_DEBUG", "statistics", 1) || setenv("LD_DEBUG_OUTPUT", REPORT, 1))
		return broken("setenv");
	return become(WHO_a, idle, -1);
}

static int x_wants_report(void)
{
	int ret = play(WHO_x, with_report);

	if (ret != ENDED_NOTHING)
		return ret;
	ret = system("ls " REPORT ".* >/dev/null 2>&1") ? ENDED_NOTHING : 0;
	return shell("rm -f " REPORT ".*") ?: ret;
}

/* --- 241: what was set before the exec --- */

/* A page at 0, and no random places. */
static int look_at_zero(int peer)
{
	unsigned char resident;

	(void)peer;
	return mincore(NULL, 4096, &resident) ? ENDED_NOTHING : 0;
}

static int with_personality(int peer)
{
	(void)peer;
	if (personality(MMAP_PAGE_ZERO | ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC) < 0)
		return broken("personality");
	return become(WHO_a, look_at_zero, -1);
}

static int zero_page_by_other(void)
{
	return play_as(OTHER_USER, WHO_x, with_personality);
}

/* Files without execution stay so: that rule allows to read, and no more is asked for. */
static int map_readable(int peer)
{
	struct vmm v;
	int ret;

	(void)peer;
	return vmm_map(&v, PROT_READ, &ret) ? 0 : ret;
}

static int read_implies_exec(int peer)
{
	(void)peer;
	if (personality(READ_IMPLIES_EXEC) < 0)
		return broken("personality");
	return become(WHO_a, map_readable, -1);
}

/* --- 242: files without a name, and names of other files --- */

static int run_descriptor(int fd)
{
	char role[PLAYER_ROLE];
	char *argv[] = { "a", "--play", role, "0", NULL };

	player_role(make, role);
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return broken("execveat");
}

static int nameless(int peer)
{
	int from = open(who_paths[WHO_a], O_RDONLY | O_CLOEXEC), to, fd;
	char path[64];
	struct stat st;

	(void)peer;
	to = open(BYPASS_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0755);
	if (to < 0 && errno == EOPNOTSUPP)
		return ENDED_ABSENT;
	if (from < 0 || to < 0 || fstat(from, &st))
		return broken("O_TMPFILE");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n <= 0)
			return broken("sendfile");
		left -= n;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	fd = open(path, O_PATH | O_CLOEXEC);
	close(to);
	return run_descriptor(fd);
}

/* Another file in its place, by an exchange: the name is that of who may. */
static int exchanged(void)
{
	static const char twin[] = BYPASS_DIR "/twin";
	int ret = copy_file(who_paths[WHO_x], twin);

	ret = ret
		      ?: syscall(SYS_renameat2, AT_FDCWD, twin, AT_FDCWD, who_paths[WHO_a],
				 RENAME_EXCHANGE)
			 ? broken("RENAME_EXCHANGE")
			 : play(WHO_a, make);
	if (syscall(SYS_renameat2, AT_FDCWD, twin, AT_FDCWD, who_paths[WHO_a], RENAME_EXCHANGE))
		return broken("RENAME_EXCHANGE");
	unlink(twin);
	return ret;
}

/* What runs says that it is its own file, under the name of who may. */
static int from_self(int peer)
{
	(void)peer;
	return become_file("/proc/self/exe", make, -1);
}

/* --- 243: a user's namespaces, entered by another process --- */

static int lend_namespaces(int peer)
{
	char loader[256];

	if (own_mounts() || !realpath(LOADER, loader) || mount(EVIL, loader, NULL, MS_BIND, NULL))
		return broken("bind mount");
	if (tell(peer, (uint64_t)getpid()))
		return ENDED_BROKEN;
	wait_gone(peer);
	return 0;
}

/* @what: of which namespaces */
static int enter_and_begin(int peer, int what)
{
	uint64_t pid;
	int fd;

	if (hear(peer, &pid))
		return ENDED_BROKEN;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0 || setns(fd, what))
		return broken("setns");
	return become(WHO_a, idle, -1);
}

static int enter_both(int peer)
{
	return enter_and_begin(peer, CLONE_NEWUSER | CLONE_NEWNS);
}

/* Root of the host may enter the mounts alone. */
static int enter_mounts(int peer)
{
	return enter_and_begin(peer, CLONE_NEWNS);
}

static int enter_user(int peer)
{
	return enter_and_begin(peer, CLONE_NEWUSER);
}

/* --- 244: mounts of the loader by the new calls, in a user namespace --- */

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

static int move_over_loader(int peer)
{
	char loader[256];
	int tree;

	(void)peer;
	if (own_mounts() || !realpath(LOADER, loader))
		return ENDED_BROKEN;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, EVIL, OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree < 0 ||
	    syscall(SYS_move_mount, tree, "", AT_FDCWD, loader, MOVE_MOUNT_F_EMPTY_PATH))
		return broken("move_mount");
	return become(WHO_a, idle, -1);
}

/* clang-format off */
#define STOPPED_PRELOAD(number, what, does, n, ...)                                             \
	{                                                                                       \
		.id = number, .path = what, .op = PRELOAD, .prepare = evil_ready, .denials = n, \
		PLAYER(x, does), __VA_ARGS__                                                    \
	}
/* clang-format on */

#define MAY_READ                                                                \
	"subjects: { a: { exe: " BYPASS_DIR "/a } }\nrules:\n"                  \
	"  - { name: r, allow: mmap, subjects: [a], when: { prot: [read] } }\n" \
	"  - { name: b, deny: mmap, subjects: any }\n"                          \
	"  - { name: a, allow: all, subjects: [a] }\n"

const struct bypass_case bypass_near_entry[] = {
	STOPPED_PRELOAD("240", "LD_LIBRARY_PATH, and A loads a plugin by name", with_library_path,
			0, EVERYWHERE(STOPPED(ENDED_NOTHING))),
	STOPPED_PRELOAD("240b", "GCONV_PATH, and A converts a text", with_gconv_path, BYPASS_NONE,
			EVERYWHERE(STOPPED(ENDED_NOTHING))),
	{ .id = "240c",
	  .path = "LD_DEBUG_OUTPUT: A writes a file where X says",
	  .op = PRELOAD,
	  .denials = BYPASS_NONE,
	  .attempt = x_wants_report,
	  EVERYWHERE(STOPPED(ENDED_NOTHING)) },
	{ .id = "241",
	  .path = "X sets a personality with a page at 0, then executes A",
	  .op = BYPASS_NO_OP,
	  .attempt = zero_page_by_other,
	  EVERYWHERE(REFUSED(ENDED_NOTHING)) },
	{ FINE("F135", "A maps what it may read, where that is to imply execution",
	       PLAYER(x, read_implies_exec)),
	  .policy = MAY_READ, WITH_MMAP(ALLOWED) },
	{ .id = "242",
	  .path = "a copy of A without a name (O_TMPFILE), by execveat",
	  .op = GMEM_DO_create,
	  PLAYER(x, nameless),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "242b",
	  .path = "another file under the name of A, by an exchange of names",
	  .op = GMEM_DO_create,
	  .attempt = exchanged,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "242c",
	  .path = "X executes /proc/self/exe",
	  .op = GMEM_DO_create,
	  PLAYER(x, from_self),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "243",
	  .path = "X enters a user's user and mount namespaces with own loader (setns)",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYERS(b, lend_namespaces, x, enter_both),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "243b",
	  .path = "the same, the mount namespace alone",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYERS(b, lend_namespaces, x, enter_mounts),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "243c",
	  .path = "the same, the user namespace alone: the host's loader",
	  .op = BYPASS_NO_OP,
	  .prepare = evil_ready,
	  PLAYERS(b, lend_namespaces, x, enter_user),
	  EVERYWHERE(REFUSED(ENDED_NOTHING)) },
	{ .id = "244",
	  .path = "own loader by open_tree and move_mount, in a user namespace",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, move_over_loader),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
