// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passing for another program: what lies between an exec and the code that runs then. In the first
 * part it is not the other program at all; in the second it is, and runs what somebody else put
 * there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "puppet.h"

#define LOADER ARCH_LOADER
#define BINFMT BYPASS_DIR "/binfmt"

/* --- 32: by way of another program --- */

static int by_loader(int peer)
{
	char role[PLAYER_ROLE];

	(void)peer;
	player_role(make, role);
	execl(LOADER, LOADER, who_paths[WHO_a], "--play", role, "0", NULL);
	return broken(LOADER);
}

/* The name of the script is what the interpreter gets: it is the role. */
static int by_script(int peer)
{
	char role[PLAYER_ROLE], text[128];

	(void)peer;
	player_role(make, role);
	snprintf(text, sizeof(text), "#!%s --play\n", who_paths[WHO_a]);
	if (chdir(BYPASS_DIR) || put_text(role, text, 0755))
		return broken(role);
	execl(role, role, "0", NULL);
	return broken(role);
}

/* --- 33: what /proc says the executable is --- */

struct own_map {
	char *start, *end;
	int prot;
};

/* The mappings of one's own program. Return: how many. */
static int own_maps(struct own_map *maps, int max)
{
	char line[512], prot[8], exe[256];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	int n = 0;

	if (len < 0 || !f)
		return 0;
	exe[len] = '\0';
	while (n < max && fgets(line, sizeof(line), f)) {
		if (!strstr(line, exe) || sscanf(line, "%lx-%lx %7s", &start, &end, prot) != 3)
			continue;
		maps[n++] = (struct own_map){ (char *)start, (char *)end,
					      (prot[0] == 'r' ? PROT_READ : 0) |
						      (prot[1] == 'w' ? PROT_WRITE : 0) |
						      (prot[2] == 'x' ? PROT_EXEC : 0) };
	}
	fclose(f);
	return n;
}

/* The same bytes at the same place, but from no file: then the file can be exchanged. */
static int leave_own_file(void)
{
	struct own_map maps[32];
	int n = own_maps(maps, 32);

	for (int i = 0; i < n; i++) {
		size_t size = (size_t)(maps[i].end - maps[i].start);
		char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (copy == MAP_FAILED)
			return broken("mmap");
		memcpy(copy, maps[i].start, size);
		if (mprotect(copy, size, maps[i].prot) ||
		    mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, maps[i].start) ==
			    MAP_FAILED)
			return broken("mremap");
	}
	return n ? 0 : broken("/proc/self/maps");
}

/* The numbers of /proc/PID/stat behind the name: field 3 is the first. */
static int read_stat(unsigned long *fields, int from, int to)
{
	char text[2048], *at;
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 3; at && field <= to; field++) {
		at = strchr(at + 1, ' ');
		if (at && field >= from)
			fields[field - from] = strtoul(at + 1, NULL, 10);
	}
	return at ? 0 : broken("/proc/self/stat");
}

/* In a user namespace whoever made it may say what its executable is. */
static int spoof(int peer)
{
	struct prctl_mm_map map = { .exe_fd = (__u32)-1 };
	unsigned long f[52 - 26];
	char link[256] = "";
	struct vmm v;
	int ret;

	(void)peer;
	ret = vmm_open(&v, PLAIN) ?: read_stat(f, 26, 51) ?: leave_own_file();
	if (ret)
		return ret;
	if (unshare(CLONE_NEWUSER))
		return broken("unshare");
	map.start_code = f[0];
	map.end_code = f[1];
	map.start_stack = f[2];
	map.start_data = f[45 - 26];
	map.end_data = f[46 - 26];
	map.start_brk = f[47 - 26];
	map.brk = (__u64)sbrk(0);
	map.arg_start = f[48 - 26];
	map.arg_end = f[49 - 26];
	map.env_start = f[50 - 26];
	map.env_end = f[51 - 26];
	map.exe_fd = (__u32)open(who_paths[WHO_a], O_RDONLY | O_CLOEXEC);
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0))
		return broken("PR_SET_MM_MAP");
	if (readlink("/proc/self/exe", link, sizeof(link) - 1) < 0 ||
	    strcmp(link, who_paths[WHO_a]))
		return broken(link);
	return vmm_create(&v);
}

/* --- 80: user and mount namespaces: another loader, other libraries at the same paths --- */

static int with_own_loader(int peer)
{
	char loader[256];

	(void)peer;
	if (own_mounts() || !realpath(LOADER, loader))
		return ENDED_BROKEN;
	if (mount(EVIL, loader, NULL, MS_BIND, NULL))
		return broken("bind mount");
	return become(WHO_a, idle, -1);
}

/* --- 81, 82: binfmt_misc, which user namespaces have of their own --- */

static int own_binfmt(const char *entry)
{
	if (own_mounts())
		return ENDED_BROKEN;
	if (mkdir(BINFMT, 0755) && errno != EEXIST)
		return broken(BINFMT);
	if (mount("binfmt_misc", BINFMT, "binfmt_misc", 0, NULL))
		return errno == ENODEV ? ENDED_ABSENT : broken("mount of binfmt_misc");
	return put_text(BINFMT "/register", entry, 0600);
}

static int substituted_loader(int peer)
{
	int ret = own_binfmt(":evil:M::\\x7fELF::" EVIL ":L");

	(void)peer;
	if (ret)
		return ret == EINVAL ? ENDED_ABSENT : ret; /* no flag L */
	return become(WHO_a, idle, -1);
}

/* Who may is the interpreter, and "credentials" are those of the file that it is to interpret. */
static int as_interpreter(player_fn fn)
{
	char role[PLAYER_ROLE];

	player_role(fn, role);
	if (chdir(BYPASS_DIR) || put_text("--play", "EVIL.\n", 0755))
		return broken("--play");
	execl("--play", "--play", role, "0", NULL);
	return broken("--play");
}

static int interpreter_with_preload(int peer)
{
	int ret = own_binfmt(":evil:M::EVIL.::" BYPASS_DIR "/a:C");

	(void)peer;
	if (ret)
		return ret;
	return setenv("LD_PRELOAD", EVIL, 1) ? broken("setenv") : as_interpreter(idle);
}

#define HOST_BINFMT "/proc/sys/fs/binfmt_misc"

static int interpreter_of_the_host(int peer)
{
	(void)peer;
	return setenv("LD_PRELOAD", EVIL, 1) ? broken("setenv") : as_interpreter(idle);
}

/* The same where root has made the entry, for everybody. */
static int a_as_interpreter_of_the_host(void)
{
	int ret;

	if (access(HOST_BINFMT "/register", F_OK))
		return ENDED_ABSENT;
	ret = evil_ready()
		      ?: put_text(HOST_BINFMT "/register",
				  ":gmem-evil:M::EVIL.::" BYPASS_DIR "/a:C", 0600);
	if (ret)
		return ret;
	ret = play(WHO_x, interpreter_of_the_host);
	put_text(HOST_BINFMT "/gmem-evil", "-1", 0600);
	return ret;
}

/* --- 84: one that can change the working directory under it --- */

static int with_shared_fs(int peer)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, 0);

	(void)peer;
	if (!pid)
		_exit(become(WHO_a, make, -1));
	return player_wait(pid);
}

/* --- 85: traced before there was a policy that names it --- */

/* Attach, say so, wait for the policy, and use it. */
static int early_tracer(int peer)
{
	struct puppet p;
	uint64_t go;
	int ret;

	ret = puppet_meet(peer, &p) ?: puppet_attach(&p);
	if (ret)
		return ret;
	ret = tell(peer, 0) ?: hear(peer, &go) ?: puppet_inject(&p);
	return puppet_detach(&p) ?: ret;
}

static int traced_before(const struct bypass_case *c)
{
	int with_a[2], with_x[2], ret;
	struct counts before;
	struct puppet p;
	uint64_t ready;
	pid_t a, x;

	if (stage_load_for(who_paths[WHO_b]) || socket_pair(with_a) || socket_pair(with_x))
		return ENDED_BROKEN;
	a = player_start(WHO_a, puppet_without, with_a[0]);
	x = player_start(WHO_x, early_tracer, with_x[0]);
	if (puppet_meet(with_a[1], &p) || puppet_introduce(with_x[1], &p) ||
	    hear(with_x[1], &ready))
		return ENDED_BROKEN;
	if (stage_begin(c, &before))
		return ENDED_BROKEN;
	if (tell(with_x[1], 0))
		return ENDED_BROKEN;
	ret = player_wait(x);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	close(with_a[0]);
	close(with_a[1]);
	player_wait(a);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	return ret;
}

/* --- 181, 182: a hand in it since before the first load --- */

static void *make_in_thread(void *peer)
{
	uint64_t go;

	return (void *)(intptr_t)(hear((int)(intptr_t)peer, &go) ?: make(-1));
}

/* The first thread does nothing, and is traced; the other one makes an instance when told. */
static int with_thread(int peer)
{
	struct puppet me = { .pid = (uint64_t)getpid() };
	pthread_t thread;
	void *ret;

	if (puppet_introduce(peer, &me) ||
	    pthread_create(&thread, NULL, make_in_thread, (void *)(intptr_t)peer) ||
	    pthread_join(thread, &ret))
		return broken("thread");
	return (int)(intptr_t)ret;
}

/* It has been taken over if this is not 0 any more. */
static volatile int taken_over;

static int make_if_taken_over(int peer)
{
	struct puppet me = { .pid = (uint64_t)getpid(), .memory = (uint64_t)&taken_over };
	uint64_t go;
	int ret = puppet_introduce(peer, &me) ?: hear(peer, &go);

	return ret ?: taken_over ? make(-1) : ENDED_NOTHING;
}

static int trace_leader(int peer)
{
	struct puppet p;
	uint64_t go;
	int ret = puppet_meet(peer, &p) ?: puppet_seize(&p);

	return ret ?: tell(peer, 0) ?: hear(peer, &go);
}

static int write_by_descriptor(int peer)
{
	struct puppet p;
	char path[64];
	int ret = puppet_meet(peer, &p), one = 1, fd;
	uint64_t go;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)p.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ret = ret ?: tell(peer, 0) ?: hear(peer, &go);
	if (ret || pwrite(fd, &one, sizeof(one), (off_t)p.memory) != sizeof(one))
		return broken(path);
	return tell(peer, 0) ?: hear(peer, &go);
}

/* A runs since before the first load, and X has a hand in it. May A do what X wants? */
static int before_first_load(const struct bypass_case *c, player_fn victim, player_fn stranger)
{
	int with_a[2], with_x[2], ret;
	struct counts before;
	struct puppet p;
	uint64_t ready;
	pid_t a, x;

	stage_unload();
	if (socket_pair(with_a) || socket_pair(with_x))
		return ENDED_BROKEN;
	a = player_start(WHO_a, victim, with_a[0]);
	x = player_start(WHO_x, stranger, with_x[0]);
	if (puppet_meet(with_a[1], &p) || puppet_introduce(with_x[1], &p) ||
	    hear(with_x[1], &ready) || stage_begin(c, &before) || tell(with_x[1], 0))
		return ENDED_BROKEN;
	if (stranger == write_by_descriptor && hear(with_x[1], &ready))
		return ENDED_BROKEN;
	if (tell(with_a[1], 0))
		return ENDED_BROKEN;
	ret = player_wait(a);
	if (stranger == write_by_descriptor && tell(with_x[1], 0))
		return ENDED_BROKEN;
	player_wait(x);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return check_ledger(&before, GMEM_DO_create, ret ? 1 : 0) ? ENDED_BROKEN : ret;
}

static int leader_traced_before(const struct bypass_case *c)
{
	return before_first_load(c, with_thread, trace_leader);
}

static int memory_open_before(const struct bypass_case *c)
{
	return before_first_load(c, make_if_taken_over, write_by_descriptor);
}

const struct bypass_case bypass_identity[] = {
	{ .id = "32",
	  .path = "the loader, by hand, runs who may",
	  .op = GMEM_DO_create,
	  PLAYER(x, by_loader),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "32b",
	  .path = "a script whose interpreter is who may",
	  .op = GMEM_DO_create,
	  PLAYER(x, by_script),
	  EVERYWHERE(POSSIBLE("A script is never the executable; its interpreter is.")) },
	{ .id = "33",
	  .path = "another executable by PR_SET_MM, in a user namespace",
	  .op = GMEM_DO_create,
	  PLAYER(x, spoof),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "80",
	  .path = "own loader at its path, by user and mount namespaces",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, with_own_loader),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "81",
	  .path = "own loader by binfmt_misc of a user namespace, flag L",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, substituted_loader),
	  LANES(STOPPED(EACCES), STOPPED(EACCES), STOPPED(EACCES), ABSENT) },
	{ .id = "82",
	  .path = "LD_PRELOAD into it as interpreter, flag C, in a user namespace",
	  .op = GMEM_DO_create,
	  .prepare = evil_ready,
	  PLAYER(x, interpreter_with_preload),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "82b",
	  .path = "LD_PRELOAD into it as interpreter, flag C, of the host",
	  .op = GMEM_DO_GUARD(GMEM_GUARD_preload),
	  .attempt = a_as_interpreter_of_the_host,
	  EVERYWHERE(STOPPED(ENDED_NOTHING)) },
	{ .id = "84",
	  .path = "exec with the working directory shared (CLONE_FS)",
	  .op = GMEM_DO_create,
	  PLAYER(x, with_shared_fs),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "85",
	  .path = "traced before a policy named it",
	  .whole = traced_before,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "181",
	  .path = "only the first thread traced since before the first load",
	  .whole = leader_traced_before,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "182",
	  .path = "written to by a /proc/PID/mem that was opened before the first load",
	  .whole = memory_open_before,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
