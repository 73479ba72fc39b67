// SPDX-License-Identifier: GPL-2.0-only
/* The ways in which who may is started and lives on real hosts: it must stay who it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "puppet.h"

#define OTHER_NAME BYPASS_DIR "/other-name"

/* --- F61, F62: by a descriptor, by another name --- */

static int by_descriptor(int peer)
{
	char path[64];

	(void)peer;
	/* become() closes the lowest one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 fcntl(open(who_paths[WHO_a], O_PATH), F_DUPFD, 100));
	return become_file(path, make, -1);
}

static int by_other_name(int peer)
{
	(void)peer;
	return become_file(OTHER_NAME, make, -1);
}

static int a_by_link(void)
{
	int ret;

	if (link(who_paths[WHO_a], OTHER_NAME))
		return broken("link");
	ret = play(WHO_x, by_other_name);
	unlink(OTHER_NAME);
	return ret;
}

/* --- F63, F64: in namespaces that root made --- */

static int in_mount_namespace(int peer)
{
	int fd = open(OTHER_NAME, O_CREAT | O_CLOEXEC | O_WRONLY, 0755);

	(void)peer;
	if (fd < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(who_paths[WHO_a], OTHER_NAME, NULL, MS_BIND, NULL))
		return broken("bind mount");
	close(fd);
	return become_file(OTHER_NAME, make, -1);
}

static int a_by_bind_mount(void)
{
	int ret = play(WHO_x, in_mount_namespace);

	unlink(OTHER_NAME);
	return ret;
}

static int in_namespaces(int peer)
{
	static const int kinds[] = { CLONE_NEWPID, CLONE_NEWNET,    CLONE_NEWIPC,
				     CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWNS };

	(void)peer;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		/* Not every kernel has all. */
		if (unshare(kinds[i]) && errno != EINVAL)
			return broken("unshare");
	}
	return play(WHO_a, make);
}

/* --- F65 to F67: who executes --- */

static void *execute(void *unused)
{
	(void)unused;
	_exit(become(WHO_a, make, -1));
}

static int in_thread(int peer)
{
	pthread_t thread;

	(void)peer;
	if (pthread_create(&thread, NULL, execute, NULL))
		return broken("pthread_create");
	pthread_join(thread, NULL);
	return ENDED_BROKEN; /* the thread is the process now */
}

static int spawn(int peer)
{
	char role[PLAYER_ROLE];
	char *argv[] = { (char *)who_paths[WHO_a], "--play", role, "0", NULL };
	pid_t pid;

	(void)peer;
	player_role(make, role);
	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ))
		return broken("posix_spawn");
	return player_wait(pid);
}

/* --- F68: what it does itself --- */

static int leave_user_namespace(int peer)
{
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return broken("unshare");
	return vmm_create(&v);
}

static int undumpable(int peer)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return broken("PR_SET_DUMPABLE");
	return make(peer);
}

const struct bypass_case bypass_harmless[] = {
	{ FINE("F61", "who may, executed by a descriptor (O_PATH)", PLAYER(x, by_descriptor)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F62", "who may, by a hard link: the same file", .attempt = a_by_link),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F63", "who may, by a bind mount in root's namespace", .attempt = a_by_bind_mount),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F64", "who may in pid, net, ipc, uts, cgroup namespaces", PLAYER(x, in_namespaces)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F65", "who may, executed by a thread", PLAYER(x, in_thread)), EVERYWHERE(ALLOWED) },
	{ FINE("F66", "who may by posix_spawn", PLAYER(x, spawn)), EVERYWHERE(ALLOWED) },
	{ FINE("F67", "who may by posix_spawn, from the same", PLAYER(a, spawn)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F68", "who may makes itself a user namespace", PLAYER(a, leave_user_namespace)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F69", "who may makes itself undumpable", PLAYER(a, undumpable)),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
