// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around the guards while policies are loaded. A guard that has read which policy is in force
 * can be preempted until the slot of that policy has been filled again, with a policy that names
 * nobody and is never in force: what it finds there then must not count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "puppet.h"
#include "race.h"
#include "turns.h"

#define TRACE  GMEM_DO_GUARD(GMEM_GUARD_trace)
#define SQPOLL GMEM_DO_GUARD(GMEM_GUARD_sqpoll)

/* Both that are in force name A. */
#define NAMES_A                                        \
	"subjects: { a: { exe: " BYPASS_DIR "/a } }\n" \
	"rules: [ { name: a, allow: all, subjects: [a] } ]\n"
#define NAMES_A_AND_B                                                                \
	"subjects: { a: { exe: " BYPASS_DIR "/a }, b: { exe: " BYPASS_DIR "/b } }\n" \
	"rules: [ { name: a, allow: all, subjects: [a, b] } ]\n"
#define NAMES_NOBODY "rules: []\n"

/* One of these is the last in its slot, and never in force. */
enum { TURN_a, TURN_a_and_b, TURN_nobody };

static struct puppet puppet; /* of who reads */

static int read_puppet(struct vmm *v)
{
	(void)v;
	return puppet_read(&puppet);
}

static int x_reads(int peer)
{
	struct puppet p;

	/* From the puppet; all that follows is from the case. */
	if (puppet_meet(LEFT_INSTANCE, &p))
		return ENDED_BROKEN;
	puppet = p;
	return race_on_one_cpu() ?: ask_until_gone(peer, ASKED_x, read_puppet, NULL);
}

static int make_ring(struct vmm *v)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	(void)v;
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int a_makes_rings(int peer)
{
	return race_on_one_cpu() ?: ask_until_gone(peer, ASKED_x, make_ring, NULL);
}

/*
 * A round is two loads and a third that fails; the pause behind it sweeps over what the other side
 * does. Every other sweep the other side is on another CPU: most kernels do not interrupt a BPF
 * program for another process, so that a round comes into the middle of one only from there.
 */
static int turn_round(char *const texts[TURNS_MAX], struct asked *asked, bool may)
{
	const atomic_ulong *count = may ? &asked->allowed : &asked->denied;
	struct turns turns = { 0 };
	struct race_pace pace[2];
	unsigned int cpu = 0;
	unsigned long n;
	int ret = turns_open(&turns, texts, TURNS_MAX) ?: race_go_first();

	race_pace_init(&pace[0], count);
	race_pace_init(&pace[1], count);
	for (n = 0; !ret && race_goes_on(n, answers(asked) && n >= 2 * RACE_SWEEP); n++) {
		if (n % RACE_SWEEP == 0) {
			cpu = n / RACE_SWEEP % 2;
			pace[cpu].last = *count;
			asked->cpu = cpu;
		}
		ret = turn_by_load(&turns, TURN_a) ?: turn_by_load(&turns, TURN_a_and_b) ?:
		      turn_by_failed_load(&turns, TURN_nobody);
		race_pace(&pace[cpu]);
	}
	race_say("%lu rounds; %lu allowed, %lu denied\n", n, asked->allowed, asked->denied);
	turns_close(&turns);
	return ret;
}

/* What the other side was answered. @code: how it is denied; @may: it must never be */
static int check_answers(const struct asked *asked, bool may, int code)
{
	if (may && asked->denied)
		return failed("denied %lu times, allowed %lu times", asked->denied, asked->allowed);
	if (!may && asked->allowed) {
		race_say("allowed %lu times, denied %lu times\n", asked->allowed, asked->denied);
		bypass_is(BYPASS_possible);
		return 0;
	}
	if (!answers(asked))
		return failed("nothing was asked for");
	bypass_is(may ? BYPASS_allowed : BYPASS_stopped);
	return may ? 0 : code;
}

/* @who does @fn all the time, with @held as the puppet; it may, or it must be denied with @code. */
static int while_loading(enum who held, enum who who, player_fn fn, bool may, int code)
{
	struct bypass_case cases[TURNS_MAX] = {
		[TURN_a] = { .policy = NAMES_A, .op = BYPASS_NO_OP },
		[TURN_a_and_b] = { .policy = NAMES_A_AND_B, .op = BYPASS_NO_OP },
		[TURN_nobody] = { .policy = NAMES_NOBODY, .op = BYPASS_NO_OP },
	};
	struct asked *asked = asked_make();
	int pair[2], strings[2], ret;
	char *texts[TURNS_MAX];
	struct puppet met;
	pid_t pid, pid2;
	uint64_t go;

	if (!asked)
		return broken("memfd");
	asked += ASKED_x;
	for (unsigned int i = 0; i < TURNS_MAX; i++)
		texts[i] = stage_policy(&cases[i]);
	if (stage_load_flags(texts[TURN_a], true, 0) ||
	    stage_load_flags(texts[TURN_a_and_b], true, 0))
		return failed("load");
	ret = socket_pair(pair) ?: socket_pair(strings) ?: race_on_one_cpu();
	if (ret)
		return ret;
	pid2 = player_start(held, puppet_without, strings[0]);
	close(strings[0]);
	/* It introduces itself before the race, which may be over soon; who reads gets it again. */
	if (recv(strings[1], &met, sizeof(met), MSG_PEEK | MSG_WAITALL) != sizeof(met))
		return broken("no puppet");
	/* Only who reads has the other end besides this process: with them the puppet ends. */
	ret = leave_open(strings[1], LEFT_INSTANCE);
	pid = player_start(who, fn, pair[1]);
	close(pair[1]);
	ret = ret ?: hear(pair[0], &go);
	if (bypass_run.falsify)
		wait_for_answers(asked);
	else
		ret = ret ?: turn_round(texts, asked, may);
	close(pair[0]);
	ret = player_wait(pid) ?: ret;
	close(strings[1]);
	close(LEFT_INSTANCE);
	ret = player_wait(pid2) ?: ret;
	ret = ret ?: check_answers(asked, may, code);
	for (unsigned int i = 0; i < TURNS_MAX; i++)
		free(texts[i]);
	drop_events();
	return ret;
}

static int reads_a(const struct bypass_case *c)
{
	(void)c;
	return while_loading(WHO_a, WHO_x, x_reads, false, EPERM);
}

static int reads_x(const struct bypass_case *c)
{
	(void)c;
	return while_loading(WHO_x, WHO_x, x_reads, true, 0);
}

static int makes_rings(const struct bypass_case *c)
{
	(void)c;
	return while_loading(WHO_x, WHO_a, a_makes_rings, false, EACCES);
}

const struct bypass_case bypass_races_guards[] = {
	{ .id = "220",
	  .path = "process_vm_readv of who may, all the time while policies are loaded",
	  .op = TRACE,
	  .whole = reads_a,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "221",
	  .path = "a ring with SQPOLL of who may, all the time while policies are loaded",
	  .op = SQPOLL,
	  .whole = makes_rings,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "F122",
	  .path = "process_vm_readv of who is in no policy, while policies are loaded",
	  .op = BYPASS_NO_OP,
	  .whole = reads_x,
	  .limit = 600,
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
