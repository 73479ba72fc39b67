// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around a policy while it changes: policies that take turns, and loads that are killed. Who
 * may is let in all the time, and who may not never is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock.h"
#include "race.h"
#include "turns.h"

/* --- 45: policies that take turns --- */

/* The one who may is the first subject of one policy and the second of the other. */
#define TURN_ONE                                                      \
	"subjects:\n"                                                 \
	"  x: { exe: " BYPASS_DIR "/x }\n"                            \
	"  a: { exe: " BYPASS_DIR "/a }\n"                            \
	"rules:\n"                                                    \
	"  - { name: not-x, deny: [create, punch], subjects: [x] }\n" \
	"  - { name: a, allow: all, subjects: [a] }\n"
#define TURN_TWO                                       \
	"subjects:\n"                                  \
	"  a: { exe: " BYPASS_DIR "/a }\n"             \
	"  x: { exe: " BYPASS_DIR "/x }\n"             \
	"rules:\n"                                     \
	"  - { name: a, allow: all, subjects: [a] }\n" \
	"  - { name: not-x, deny: [create, punch], subjects: [x] }\n"

static int punch_left(struct vmm *v)
{
	(void)v;
	return punch_hole(LEFT_INSTANCE);
}

static int x_asks(int peer)
{
	return ask_until_gone(peer, ASKED_x, punch_left, NULL);
}

/* A has an instance, and a child with it that becomes X. The socket is for both. */
static int both_ask(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);
	pid_t pid;

	ret = ret ?: leave_open(v.fd, LEFT_INSTANCE);
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		_exit(become(WHO_x, x_asks, peer));
	ret = ask_until_gone(peer, ASKED_a, punch_left, NULL);
	return ret ?: player_wait(pid);
}

/* How often a decision was not made because the policy was replaced under it. */
static int undecided(uint64_t *n)
{
	struct gmem_hits hits[GMEM_SLOTS];
	struct store store;
	struct pins pins;
	int ret = pins_open(&pins, NULL, false);

	*n = 0;
	ret = ret ?: store_open(&store, &pins);
	if (ret)
		return failed("the counters: %s", strerror(-ret));
	for (unsigned int slot = 0; slot < GMEM_SLOTS && !ret; slot++) {
		ret = store_hits(&store, MAP_rule_hits, slot * GMEM_RULE_MAX + GMEM_RULE_BROKEN, 1,
				 &hits[slot]);
		*n += hits[slot].n[GMEM_VERDICT_denied];
	}
	store_close(&store);
	return ret ? failed("the counters: %s", strerror(-ret)) : 0;
}

/* One turn is a store, as of a rollback. */
static int turn_by_rollback(struct turns *t, unsigned long n)
{
	struct store *store = &t->store;
	int slot = store_previous(store);

	(void)n;
	if (slot < 0)
		return failed("nothing to roll back to");
	store_activate(store, (unsigned int)slot, store_next_generation(store), true);
	return 0;
}

typedef int (*turn_fn)(struct turns *t, unsigned long n);

/* A is denied at most once in so many requests; measured: once in 2,600 at most. */
#define ONE_UNDECIDED_IN 100

/*
 * X is never allowed. A is denied only where the policy was replaced twice while one of its
 * requests was being decided. It asks one after the other: that is once in two of the @turns at
 * most. @exact: the kernel counted as many of these.
 */
static int check_turns(const struct asked *asked, unsigned long turns, bool exact, uint64_t before)
{
	uint64_t broken_ones = 0;
	unsigned long a_denied = asked[ASKED_a].denied, a_allowed = asked[ASKED_a].allowed;

	race_say("A: %lu allowed, %lu denied; X: %lu allowed, %lu denied\n", a_allowed, a_denied,
		 asked[ASKED_x].allowed, asked[ASKED_x].denied);
	if (!a_allowed)
		return failed("A was never allowed");
	if (asked[ASKED_x].allowed) {
		bypass_is(BYPASS_allowed);
		return 0;
	}
	if (!asked[ASKED_x].denied)
		return failed("X never asked");
	if (exact && (undecided(&broken_ones) || a_denied > broken_ones - before))
		return failed("A was denied %lu times, %llu decisions were not made", a_denied,
			      (unsigned long long)(broken_ones - before));
	if (a_denied > turns / 2 || a_denied > 1 + a_allowed / ONE_UNDECIDED_IN)
		return failed("A was denied %lu times and allowed %lu times in %lu turns", a_denied,
			      a_allowed, turns);
	bypass_is(BYPASS_stopped);
	return EACCES;
}

/* Both were answered, once at least. */
static bool both_asked(const struct asked *asked)
{
	return answers(asked + ASKED_a) && answers(asked + ASKED_x);
}

/*
 * One sweep in so many is gone with who asks on another CPU: that is slow, but there a turn comes
 * in the midst of a program too, which most kernels do not interrupt for another process.
 */
#define ELSEWHERE 16

/*
 * Who asks, by how often A was answered, is the other side of the race. A round is a turn; where a
 * turn takes longer than many answers (@by_answers) it is an answer. However few the rounds are,
 * each length of the pause comes once.
 */
static int turn_round(turn_fn turn, bool by_answers, char *const texts[2], struct asked *asked,
		      unsigned long *nr_turns)
{
	unsigned long n = 0, done = 0, all;
	struct turns turns = { 0 };
	struct race_pace p[2];
	unsigned int cpu = 0;
	int ret = turns_open(&turns, texts, 2) ?: race_go_first();

	for (int i = 0; i < 2; i++)
		race_pace_init(&p[i], &asked[ASKED_a].allowed);
	while (!ret && race_goes_on(done, both_asked(asked) && n >= RACE_SWEEP)) {
		if (n % RACE_SWEEP == 0) {
			cpu = n / RACE_SWEEP % ELSEWHERE == ELSEWHERE - 1;
			p[cpu].last = asked[ASKED_a].allowed;
			asked[ASKED_a].cpu = asked[ASKED_x].cpu = cpu;
		}
		ret = turn(&turns, n++);
		race_pace(&p[cpu]);
		all = asked[ASKED_a].allowed + asked[ASKED_x].denied;
		done = !by_answers ? n : all < n * 64 ? all : n * 64;
	}
	race_say("%lu turns\n", n);
	*nr_turns = n;
	turns_close(&turns);
	return ret;
}

static int take_turns(turn_fn turn, bool exact)
{
	struct bypass_case first = { .policy = TURN_ONE, .op = BYPASS_NO_OP };
	struct bypass_case second = { .policy = TURN_TWO, .op = BYPASS_NO_OP };
	char *texts[2] = { stage_policy(&first), stage_policy(&second) };
	struct asked *asked = asked_make();
	unsigned long turns = 0;
	uint64_t go, before = 0;
	int pair[2], ret;
	pid_t pid;

	if (!asked)
		return broken("memfd");
	if (stage_load_flags(texts[0], true, 0) || stage_load_flags(texts[1], true, 0))
		return failed("load");
	ret = socket_pair(pair) ?: race_on_one_cpu();
	if (!ret && exact && !bypass_run.falsify)
		ret = undecided(&before);
	if (ret)
		return ret;
	pid = player_start(WHO_a, both_ask, pair[1]);
	close(pair[1]);
	ret = hear(pair[0], &go) ?: hear(pair[0], &go);
	if (bypass_run.falsify)
		wait_for_answers(asked + ASKED_x);
	else
		ret = ret ?: turn_round(turn, !exact, texts, asked, &turns);
	close(pair[0]);
	ret = player_wait(pid) ?: ret;
	ret = ret ?: check_turns(asked, turns, exact && !bypass_run.falsify, before);
	drop_events();
	return ret;
}

static int rollbacks(const struct bypass_case *c)
{
	(void)c;
	return take_turns(turn_by_rollback, true);
}

static int loads(const struct bypass_case *c)
{
	(void)c;
	return take_turns(turn_by_load, false);
}

/* --- 44: while gmemctl loads, and is killed --- */

/*
 * X comes in between whatever gmemctl does, on its CPU, and leaves it as much time as it takes: so
 * there is an attempt about every so many instructions of a load.
 */
static int create_and_rest(struct vmm *v)
{
	static long n;
	long start = race_now_ns();
	int ret = vmm_create(v);

	if (!ret)
		close(v->fd);
	race_sleep((race_now_ns() - start) * 2 * (++n % RACE_SWEEP) / RACE_SWEEP);
	return ret;
}

static int x_creates(int peer)
{
	struct vmm v;
	int ret = vmm_open(&v, PLAIN) ?: race_on_one_cpu() ?: race_go_first();

	return ret ?: ask_until_gone(peer, ASKED_x, create_and_rest, &v);
}

/* So many at least: every other one is killed. */
#define LOADS 16
/* On a machine that has other things to do, X can be late for a few. */
#define SILENT 12
/* With so many killed, some of them were before the policy was in force, and some after. */
#define KILLED_ON_BOTH_SIDES 64

struct loads {
	unsigned long n, killed, in_force; /* in_force: killed when the policy was, already */
	unsigned long whole, asked; /* those that were not killed, and attempts during them */
};

/* @kill_after: attempts, -1: not. Return: 0, ENDED_BROKEN. */
static int load_once(struct asked *x, long kill_after, bool *killed)
{
	unsigned long start = answers(x);
	siginfo_t info;
	int status;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		if (race_on_one_cpu())
			_exit(ENDED_BROKEN);
		execl(GMEMCTL, GMEMCTL, "load", "--accept-default-change", LOCK_POLICY, NULL);
		_exit(ENDED_BROKEN);
	}
	if (pid < 0)
		return broken("fork");
	if (kill_after >= 0) {
		x->kill_at = start + (unsigned long)kill_after;
		x->victim = pid;
	}
	/* Nobody else has its number while X may still kill it. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT))
		return broken("waitid");
	x->victim = 0;
	waitpid(pid, &status, 0);
	*killed = WIFSIGNALED(status);
	return *killed || !status ? 0 : failed("gmemctl load ends with %#x", (unsigned int)status);
}

/*
 * Where in a load the @n-th kill is, in attempts: spread evenly from its begin to its end, however
 * many come.
 */
static long kill_moment(unsigned long n, const struct loads *l)
{
	return (long)(l->asked / l->whole * (uint32_t)(n * 2654435769UL) >> 32);
}

static int load_and_kill(const struct store *store, struct asked *x, struct loads *l)
{
	unsigned long asked, silent = 0;
	bool kill_it, killed = false;
	__u64 before;
	int ret = 0;

	for (; !ret && (l->n < LOADS || race_goes_on(answers(x), answers(x))); l->n++) {
		kill_it = l->n % 2;
		before = store_active(store);
		asked = answers(x);
		ret = load_once(x, kill_it ? kill_moment(l->n / 2, l) : -1, &killed);
		asked = answers(x) - asked;
		silent = asked ? 0 : silent + 1;
		if (!ret && silent == SILENT)
			ret = failed("nobody asked during %d loads", SILENT);
		l->asked += kill_it ? 0 : asked;
		l->whole += !kill_it;
		l->killed += killed;
		l->in_force += killed && store_active(store) != before;
	}
	race_say("%lu attempts, %lu loads, %lu attempts in each that was not killed; "
		 "%lu killed, %lu of them in force\n",
		 answers(x), l->n, l->asked / l->whole, l->killed, l->in_force);
	return ret;
}

static int check_loads(const struct loads *l)
{
	if (!l->killed)
		return failed("none of %lu loads was killed", l->n);
	if (l->killed >= KILLED_ON_BOTH_SIDES && (!l->in_force || l->in_force == l->killed))
		return failed("%lu loads were killed, %lu of them when the policy was in force",
			      l->killed, l->in_force);
	return 0;
}

static int loads_under_way(struct asked *x)
{
	struct loads l = { 0 };
	struct store store;
	struct pins pins;
	int ret = pins_open(&pins, NULL, false) ?: store_open(&store, &pins);

	if (ret)
		return failed("the policy: %s", strerror(-ret));
	ret = load_and_kill(&store, x, &l) ?: check_loads(&l);
	store_close(&store);
	pins_close(&pins);
	return ret;
}

static int uninterrupted(const struct bypass_case *c)
{
	struct asked *asked = asked_make();
	struct counts before, after;
	int pair[2], ret;
	uint64_t go, counted;
	pid_t pid;

	(void)c;
	if (!asked || socket_pair(pair))
		return broken("memfd");
	if (!bypass_run.falsify &&
	    (lock_usual_policy("") || gmemctl("load --accept-default-change " LOCK_POLICY)))
		return failed("gmemctl load: %s", gmemctl_output);
	counts_read(&before);
	pid = player_start(WHO_x, x_creates, pair[1]);
	close(pair[1]);
	ret = hear(pair[0], &go);
	if (bypass_run.falsify)
		wait_for_answers(asked + ASKED_x);
	else
		ret = ret ?: loads_under_way(asked + ASKED_x);
	close(pair[0]);
	ret = player_wait(pid) ?: ret;
	counts_read(&after);
	drop_events();
	if (asked[ASKED_x].allowed) {
		bypass_is(BYPASS_possible);
		return 0;
	}
	counted = after.denied[GMEM_DO_create] - before.denied[GMEM_DO_create];
	if (!ret && (!asked[ASKED_x].denied || counted < asked[ASKED_x].denied))
		return failed("%lu attempts, %llu denials", asked[ASKED_x].denied,
			      (unsigned long long)counted);
	if (!ret)
		bypass_is(BYPASS_stopped);
	return ret ?: EACCES;
}

const struct bypass_case bypass_races_loads[] = {
	{ .id = "45",
	  .path = "policies that take turns by rollback while A and X ask",
	  .op = GMEM_DO_punch,
	  .whole = rollbacks,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "118",
	  .path = "the same by loads, each into a slot that was used",
	  .op = GMEM_DO_punch,
	  .whole = loads,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "44",
	  .path = "attempts all the time while gmemctl loads and is killed",
	  .whole = uninterrupted,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
