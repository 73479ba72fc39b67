// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel stores for processes: where its memory is charged, what happens where there is
 * none, and what is left of a process that lost its identity.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/refresh.h"
#include "../lib/policies.h"
#include "puppet.h"

#define ROOT_CGROUP "/sys/fs/cgroup"
#define LOADER	    ROOT_CGROUP "/loader"
#define VMM	    ROOT_CGROUP "/vmm"
#define STARTS	    10

static int make_cgroup(const char *dir)
{
	return shell("echo +memory >" ROOT_CGROUP "/cgroup.subtree_control && mkdir -p %s && "
		     "echo max >%s/memory.max",
		     dir, dir);
}

/* Tags that take what the kernel has charged in advance; their processes end with the case. */
#define SPARE 300

/* What is charged to it afterwards fails. */
static int fill_cgroup(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.max", dir);
	if (put_text(path, "4096", 0))
		return broken(path);
	for (int i = 0; i < SPARE; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return broken("fork");
		if (!pid) {
			close_range(3, ~0U, 0);
			pause();
			_exit(0);
		}
	}
	return 0;
}

/* The first load, in a cgroup of its own. @alone: it cannot reach the root of the cgroups */
static int load_in_cgroup(const struct bypass_case *c, bool alone)
{
	char *text = stage_policy(c);
	pid_t pid;
	int ret;

	stage_unload();
	if (make_cgroup(LOADER))
		return ENDED_BROKEN;
	pid = fork();
	if (!pid) {
		if (enter_cgroup(LOADER) || unshare(CLONE_NEWNS) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(broken("unshare"));
		if (alone && umount2(ROOT_CGROUP, MNT_DETACH))
			_exit(broken("umount"));
		_exit(-stage_load(text, false));
	}
	free(text);
	ret = player_wait(pid);
	return ret ? failed("load: %d", ret) : 0;
}

/* --- F100: the cgroup that gmemctl ran in is full --- */

static int full_loader(const struct bypass_case *c)
{
	int ret = load_in_cgroup(c, false), denied = 0;

	ret = ret ?: fill_cgroup(LOADER);
	for (int i = 0; i < STARTS && !ret; i++)
		denied += play(WHO_a, make) != 0;
	if (ret)
		return ret;
	stage_unload();
	bypass_is(denied ? BYPASS_stopped : BYPASS_allowed);
	return denied ? failed("%d of %d denied", denied, STARTS) : 0;
}

/* --- F101: the VMM's own cgroup is full --- */

#define CHILDREN 200
#define CHUNK	 (256 << 10)

static int child_of_full(void)
{
	char *memory = malloc(CHUNK);

	if (put_text("/proc/self/oom_score_adj", "1000", 0) || !memory)
		return broken("oom_score_adj");
	memset(memory, 1, CHUNK);
	usleep(10000);
	return make(-1);
}

/* Children are ended, or cannot be made; those that there are must be what their parent is. */
static int fork_storm(int peer)
{
	pid_t pids[CHILDREN];
	int denied = 0, made = 0, ret;

	(void)peer;
	if (enter_cgroup(VMM) || put_text(VMM "/memory.max", "16777216", 0) ||
	    put_text("/proc/self/oom_score_adj", "-1000", 0))
		return broken(VMM);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(child_of_full());
	}
	for (int i = 0; i < CHILDREN; i++) {
		if (pids[i] < 0)
			continue;
		ret = player_wait(pids[i]);
		denied += ret == EACCES;
		made += !ret;
	}
	if (!made)
		return failed("no child worked");
	return denied ? EACCES : 0;
}

static int full_vmm(void)
{
	int ret = make_cgroup(VMM) ?: play(WHO_a, fork_storm);

	rmdir(VMM);
	return ret;
}

/* --- 190: no memory for the tag of a child --- */

/* Each CPU has tags in store, and those of processes that end come back to it. */
#define MANY 4000

/*
 * As many children as it is told, or as there can be; they have its memory. Tell what the last one
 * is, and why there are no more.
 */
static int fork_on_word(int peer)
{
	static char secret = PUPPET_SECRET;
	struct puppet p = { .memory = (uint64_t)&secret };
	uint64_t wanted = 0, i;
	pid_t pid = 0;

	if (tell(peer, 0) || hear(peer, &wanted))
		return ENDED_BROKEN;
	for (i = 0; i < wanted && pid >= 0; i++) {
		pid = fork();
		if (!pid) {
			wait_gone(peer);
			_exit(0);
		}
		if (pid > 0)
			p.pid = (uint64_t)pid;
	}
	if (tell(peer, pid < 0 ? (uint64_t)errno : 0) || puppet_introduce(peer, &p))
		return ENDED_BROKEN;
	wait_gone(peer);
	return 0;
}

static int fork_untagged(const struct bypass_case *c)
{
	int pair[2], ret = bypass_run.falsify ? 0 : load_in_cgroup(c, true);
	struct loader_status status;
	uint64_t ready, why;
	struct puppet p;
	pid_t a;

	if (ret || socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start(WHO_a, fork_on_word, pair[0]);
	close(pair[0]);
	if (hear(pair[1], &ready) || (!bypass_run.falsify && fill_cgroup(LOADER)) ||
	    tell(pair[1], bypass_run.falsify ? 1 : MANY) || hear(pair[1], &why) ||
	    puppet_meet(pair[1], &p))
		return ENDED_BROKEN;
	/* Those that there are have a tag. */
	ret = p.pid ? puppet_read(&p) : EPERM;
	if (ret == EPERM)
		ret = why ? (int)why : failed("%d children, and each has a tag", MANY);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	if (!bypass_run.falsify && put_text(LOADER "/memory.max", "max", 0))
		return broken("memory.max");
	policy_status(&status);
	if (ret && !status.journal.no_memory)
		ret = failed("the loss was not counted");
	close(pair[1]);
	player_wait(a);
	stage_unload();
	return ret;
}

/* --- 191, 192: without identity, and with what it had mapped --- */

static int read_forgotten(const struct bypass_case *c)
{
	struct refresh_report report;
	struct counts before;
	struct puppet p;
	int pair[2], ret;
	pid_t a;

	if (stage_begin(c, &before) || socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start(WHO_a, puppet_hold, pair[0]);
	close(pair[0]);
	if (puppet_meet(pair[1], &p) || shell("cp %s %s.new && mv %s.new %s", who_paths[WHO_a],
					      who_paths[WHO_a], who_paths[WHO_a], who_paths[WHO_a]))
		return ENDED_BROKEN;
	if (!bypass_run.falsify && loader_refresh(NULL, true, true, &report))
		return broken("refresh");
	drop_events();
	counts_read(&before);
	ret = puppet_read(&p);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	close(pair[1]);
	player_wait(a);
	if (check_ledger(&before, GMEM_DO_GUARD(GMEM_GUARD_trace), ret ? 1 : 0))
		ret = ENDED_BROKEN;
	stage_unload();
	return ret;
}

/* The policy in force names it no more. */
static int read_unnamed(const struct bypass_case *c)
{
	struct counts before;
	struct puppet p;
	int pair[2], ret;
	pid_t a;

	if (stage_begin(c, &before) || socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start(WHO_a, puppet_hold, pair[0]);
	close(pair[0]);
	if (puppet_meet(pair[1], &p) || stage_load_for(who_paths[WHO_b]))
		return ENDED_BROKEN;
	drop_events();
	counts_read(&before);
	ret = puppet_read(&p);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	close(pair[1]);
	player_wait(a);
	if (check_ledger(&before, GMEM_DO_GUARD(GMEM_GUARD_trace), ret ? 1 : 0))
		ret = ENDED_BROKEN;
	return ret;
}

/* Its tracer was there before the policy, and has gone. */
static int trace_and_go(int peer)
{
	struct puppet p;
	uint64_t go;

	return puppet_meet(peer, &p) ?: puppet_attach(&p) ?: tell(peer, 0) ?:
	       hear(peer, &go) ?: puppet_detach(&p);
}

static int read_once_traced(const struct bypass_case *c)
{
	int with_a[2], with_x[2], ret;
	struct counts before;
	struct puppet p;
	uint64_t ready;
	pid_t a, x;

	if (stage_load_for(who_paths[WHO_b]) || socket_pair(with_a) || socket_pair(with_x))
		return ENDED_BROKEN;
	a = player_start(WHO_a, puppet_without, with_a[0]);
	x = player_start(WHO_x, trace_and_go, with_x[0]);
	close(with_a[0]);
	if (puppet_meet(with_a[1], &p) || puppet_introduce(with_x[1], &p) ||
	    hear(with_x[1], &ready) || stage_begin(c, &before) || tell(with_x[1], 0) ||
	    player_wait(x))
		return ENDED_BROKEN;
	ret = puppet_read(&p);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	close(with_a[1]);
	player_wait(a);
	if (check_ledger(&before, GMEM_DO_GUARD(GMEM_GUARD_trace), ret ? 1 : 0))
		ret = ENDED_BROKEN;
	return ret;
}

const struct bypass_case bypass_tags[] = {
	{ .id = "190",
	  .path = "no memory for the tag of a VMM's child, which X reads",
	  .whole = fork_untagged,
	  .first_load = true,
	  EVERYWHERE(STOPPED(ENOMEM)) },
	{ .id = "191",
	  .path = "process_vm_readv of a VMM that was forgotten",
	  .whole = read_forgotten,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "191b",
	  .path = "process_vm_readv of a VMM that the next policy does not name",
	  .whole = read_unnamed,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "192",
	  .path = "process_vm_readv of a VMM whose tracer has gone",
	  .whole = read_once_traced,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "F100",
	  .path = "VMMs start while the cgroup that gmemctl ran in is full",
	  .op = BYPASS_NO_OP,
	  .whole = full_loader,
	  .first_load = true,
	  EVERYWHERE(ALLOWED) },
	{ .id = "F101",
	  .path = "a VMM forks in its own full cgroup",
	  .op = BYPASS_NO_OP,
	  .attempt = full_vmm,
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
