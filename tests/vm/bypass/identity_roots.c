// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: the host's executable with another loader and other libraries, and the layouts of
 * namespaces in which a VMM runs on real hosts. Built by hand as container managers build them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "puppet.h"

#define ROOT   BYPASS_DIR "/root"
#define LOADER ARCH_LOADER
#define POD    "/sys/fs/cgroup/bypass-pod"

/* The capabilities that Docker and Podman leave to root of a container by default. */
#define CONTAINER_CAPS                                                                          \
	(CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(KILL) | CAP(SETGID) | \
	 CAP(SETUID) | CAP(SETPCAP) | CAP(NET_BIND_SERVICE) | CAP(NET_RAW) | CAP(SYS_CHROOT) |  \
	 CAP(MKNOD) | CAP(AUDIT_WRITE) | CAP(SETFCAP))
#define CAP(name) (1ULL << CAP_##name)

static int drop_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!(CONTAINER_CAPS >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return broken("PR_CAPBSET_DROP");
	}
	for (int i = 0; i < 2; i++) {
		data[i].permitted = (__u32)(CONTAINER_CAPS >> 32 * i);
		data[i].effective = data[i].permitted;
	}
	return syscall(SYS_capset, &header, data) ? broken("capset") : 0;
}

static int own_mount_namespace(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return broken("unshare");
	return 0;
}

/* What a container manager does, as root of the host: a root of its own, with the VMM in it. */
static int make_tree(void)
{
	int ret = own_mount_namespace();

	return ret
		       ?: shell("mkdir -p " ROOT " && mount -t tmpfs tmpfs " ROOT " && cd " ROOT
				" && mkdir -p etc dev proc host tmp/bypass && "
				"mount --bind " BYPASS_DIR
				" tmp/bypass && mount --rbind /dev dev && "
				"mount -t proc proc proc && "
				"for d in usr bin sbin lib lib64; do "
				"if [ -L /$d ]; then ln -s $(readlink /$d) $d; "
				"elif [ -d /$d ]; then mkdir $d && mount --rbind /$d $d; fi; done");
}

/* What root of the container does: all programs of the container load this. */
static int preload_for_all(const char *etc)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/ld.so.preload", etc);
	return put_text(path, EVIL "\n", 0644);
}

static int change_root(const char *to)
{
	return chroot(to) || chdir("/") ? broken("chroot") : 0;
}

static int pivot_to(const char *to)
{
	if (chdir(to) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/"))
		return broken("pivot_root");
	return 0;
}

/* --- 170 to 176: the host's VMM with the container's libraries --- */

static int with_preload_file(int peer)
{
	int ret = make_tree() ?: preload_for_all(ROOT "/etc") ?: change_root(ROOT) ?: drop_caps();

	(void)peer;
	return ret ?: become(WHO_a, idle, -1);
}

static int with_loader_of_tree(int peer)
{
	char loader[256];
	int ret = make_tree() ?: change_root(ROOT);

	(void)peer;
	if (ret || !realpath(LOADER, loader))
		return ENDED_BROKEN;
	if (mount(EVIL, loader, NULL, MS_BIND, NULL))
		return broken("bind mount");
	return drop_caps() ?: become(WHO_a, idle, -1);
}

static int after_pivot_root(int peer)
{
	int ret = make_tree() ?: preload_for_all(ROOT "/etc");
	pid_t pid;

	(void)peer;
	if (ret)
		return ret;
	if (unshare(CLONE_NEWPID))
		return broken("unshare");
	pid = fork();
	if (pid)
		return player_wait(pid);
	_exit(pivot_to(ROOT) ?: drop_caps() ?: become(WHO_a, idle, -1));
}

static int by_descriptor(int peer)
{
	int fd = open(who_paths[WHO_a], O_RDONLY), ret;
	char path[64];

	(void)peer;
	fd = fcntl(fd, F_DUPFD, 100);
	ret = make_tree() ?: preload_for_all(ROOT "/etc") ?: change_root(ROOT) ?: drop_caps();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return ret ?: become_file(path, idle, -1);
}

/* The host's root directory below the container's root, with an /etc that is not the host's. */
static int in_host_directory(int peer)
{
	int ret = make_tree()
			  ?: shell("mount --rbind / " ROOT "/host && mount -t tmpfs tmpfs " ROOT
				   "/host/etc");

	(void)peer;
	ret = ret ?: preload_for_all(ROOT "/host/etc") ?: change_root(ROOT) ?: drop_caps();
	return ret ?: change_root("/host") ?: become(WHO_a, idle, -1);
}

/* The same where the host's root directory is mounted at the root of another mount. */
static int in_host_directory_on_mount(int peer)
{
	int ret = make_tree()
			  ?: shell("mount -t tmpfs tmpfs " ROOT "/host && mount --rbind / " ROOT
				   "/host && mount -t tmpfs tmpfs " ROOT "/host/etc");

	(void)peer;
	ret = ret ?: preload_for_all(ROOT "/host/etc") ?: change_root(ROOT) ?: drop_caps();
	return ret ?: change_root("/host") ?: become(WHO_a, idle, -1);
}

static int in_nested_namespace(int peer)
{
	int ret = make_tree() ?: preload_for_all(ROOT "/etc") ?: change_root(ROOT);

	(void)peer;
	return ret ?: own_mount_namespace() ?: drop_caps() ?: become(WHO_a, idle, -1);
}

/* A chroot on the host, in the host's own mounts. */
static int in_plain_chroot(int peer)
{
	static const char in[] = ROOT "-plain";
	int ret = shell("rm -rf %s && mkdir -p %s" BYPASS_DIR " %s/etc %s/dev %s" ARCH_LOADER_DIR
			" && "
			"cp -L " BYPASS_DIR "/a " BYPASS_DIR "/evil.so %s" BYPASS_DIR
			" && cp -L " EVIL " %s" LOADER " && mknod %s/dev/kvm c 10 232",
			in, in, in, in, in, in, in, in);
	int fd = open(who_paths[WHO_a], O_PATH);
	char role[PLAYER_ROLE];
	char *argv[] = { "a", "--play", role, "0", NULL };

	(void)peer;
	player_role(idle, role);
	if (ret || fd < 0 || chroot(in))
		return broken("chroot");
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return broken("execveat");
}

/* --- 177: in a container since before there was a policy --- */

static int make_when_told(int peer)
{
	uint64_t go;

	return tell(peer, 0) ?: hear(peer, &go) ?: make(-1);
}

static int wait_in_container(int peer)
{
	return make_tree() ?: change_root(ROOT) ?: drop_caps() ?:
	       become(WHO_a, make_when_told, peer);
}

static int container_before_policy(const struct bypass_case *c)
{
	struct counts before;
	uint64_t ready;
	int pair[2], ret;
	pid_t pid;

	stage_unload();
	if (socket_pair(pair))
		return ENDED_BROKEN;
	pid = player_start(WHO_x, wait_in_container, pair[0]);
	if (hear(pair[1], &ready) || stage_begin(c, &before) || tell(pair[1], 0))
		return ENDED_BROKEN;
	ret = player_wait(pid);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return check_ledger(&before, GMEM_DO_create, ret ? 1 : 0) ? ENDED_BROKEN : ret;
}

/* --- what must continue to work --- */

/* libvirt: a namespace of its own for each VM, with a /dev that has only what the VM needs. */
static int as_under_libvirt(int peer)
{
	(void)peer;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return broken("unshare");
	return shell("mkdir -p " ROOT " && mount -t tmpfs tmpfs " ROOT " && "
		     "cp -a /dev/kvm /dev/null " ROOT " && mount --move " ROOT " /dev")
		       ?: become(WHO_a, make, -1);
}

/* systemd: the host's root once more, what is read-only or private mounted in it, pivot_root. */
static int as_in_unit(int peer)
{
	int ret = own_mount_namespace()
			  ?: shell("mkdir -p " ROOT " && mount --rbind / " ROOT " && "
				   "mount --bind " ROOT "/usr " ROOT "/usr && "
				   "mount -o remount,bind,ro " ROOT "/usr && "
				   "mount -t tmpfs tmpfs " ROOT "/var/tmp");

	(void)peer;
	return ret ?: pivot_to(ROOT) ?: become(WHO_a, make, -1);
}

static int as_in_podman(int peer)
{
	(void)peer;
	return make_tree() ?: pivot_to(ROOT) ?: drop_caps() ?: become(WHO_a, make, -1);
}

/* With a user namespace: no executable identifies it, user and cgroup do. */
static int as_in_rootless_podman(int peer)
{
	(void)peer;
	if (enter_cgroup(POD) || setresgid(OTHER_USER, OTHER_USER, OTHER_USER) ||
	    setresuid(OTHER_USER, OTHER_USER, OTHER_USER))
		return broken("setresuid");
	/* The user may write to its own files in /proc again. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return own_mounts() ?: become(WHO_a, make, -1);
}

static int pod_ready(void)
{
	return mkdir(POD, 0755) && errno != EEXIST ? broken(POD) : 0;
}

/* Kata: the shim runs the VMM on the host, in the pod's network namespace and cgroup. */
static int as_under_kata(int peer)
{
	(void)peer;
	if (enter_cgroup(POD) || unshare(CLONE_NEWNET) || own_mount_namespace())
		return broken("unshare");
	return become(WHO_a, make, -1);
}

/* A process that comes back to the host's root runs with the host's libraries. */
static int back_at_host(int peer)
{
	int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)peer;
	if (make_tree() || preload_for_all(ROOT "/etc") || change_root(ROOT) || fchdir(host) ||
	    chroot("."))
		return broken("chroot");
	return become(WHO_a, make, -1);
}

#define A_WITH(more)                                                       \
	.policy = "subjects: { a: { exe: " BYPASS_DIR "/a, " more " } }\n" \
		  "rules: [ { name: a, allow: all, subjects: [a] } ]\n"

/* clang-format off */
#define ROOTS(number, what, fn)                                                          \
	{                                                                                \
		.id = number, .path = what, .op = GMEM_DO_create, .prepare = evil_ready, \
		PLAYER(x, fn), EVERYWHERE(STOPPED(EACCES))                               \
	}
/* clang-format on */

const struct bypass_case bypass_identity_roots[] = {
	ROOTS("170", "container without user namespace, own /etc/ld.so.preload", with_preload_file),
	ROOTS("171", "container without user namespace, own loader", with_loader_of_tree),
	ROOTS("172", "the same after pivot_root by another process", after_pivot_root),
	ROOTS("173", "in the container by a descriptor from before it", by_descriptor),
	ROOTS("174", "chroot to the host's root, mounted in the container", in_host_directory),
	ROOTS("174b", "the same, mounted over another mount of the container",
	      in_host_directory_on_mount),
	ROOTS("175", "a mount namespace in the container's", in_nested_namespace),
	ROOTS("176", "chroot in the host's mounts, own loader", in_plain_chroot),
	{ .id = "177",
	  .path = "in a container since before the first policy",
	  .whole = container_before_policy,
	  .first_load = true,
	  .op = GMEM_DO_create,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ FINE("F90", "A in libvirt's mount namespace", PLAYER(x, as_under_libvirt)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F91", "A in a unit with ProtectSystem and PrivateTmp", PLAYER(x, as_in_unit)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F92", "A in a container, by root: any", PLAYER(x, as_in_podman)),
	  A_WITH("root: any"), EVERYWHERE(ALLOWED) },
	{ FINE("F93", "A in a rootless container, by user and cgroup",
	       PLAYER(x, as_in_rootless_podman)),
	  .prepare = pod_ready,
	  .policy = "subjects: { a: { uid: [1002], cgroup: /bypass-pod } }\n"
		    "rules: [ { name: a, allow: all, subjects: [a] } ]\n",
	  EVERYWHERE(ALLOWED) },
	{ FINE("F94", "A on the host, in a pod's namespaces and cgroup", PLAYER(x, as_under_kata)),
	  .prepare = pod_ready, A_WITH("cgroup: /bypass-pod"), EVERYWHERE(ALLOWED) },
	{ FINE("F95", "A from a container that came back to the host's root",
	       PLAYER(x, back_at_host)),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
