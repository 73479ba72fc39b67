// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around a policy by being quick: what is asked for changes under the kernel's eyes, the policy
 * changes under the request, or there are more denials than can be told. --rounds says how hard.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/ctl/loader.h"
#include "../lib/kvm.h"
#include "bypass.h"

#define SWEEP 64 /* lengths of a pause between two changes */
#define MEET  64 /* times the rounds, until the two threads have met */

static atomic_bool enough;

/*
 * Two threads take turns on one CPU: at each yield, and in the middle of a request when its time is
 * up. On two CPUs they would need the luck to run at the same time, which emulators do not have.
 */
static int on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? broken("sched_setaffinity") : 0;
}

static void pause_for(unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; i++)
		;
}

/* --- 4, 61: flags of a creation that change --- */

static struct kvm_create_guest_memfd wanted_instance = { .size = INSTANCE_SIZE };

static void *flip_flags(void *unused)
{
	(void)unused;
	for (unsigned int n = 0; !enough; n++) {
		wanted_instance.flags ^= GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
		atomic_thread_fence(memory_order_seq_cst);
		pause_for(n / 16 % SWEEP);
		if (n % 5 == 0)
			sched_yield();
	}
	return NULL;
}

/*
 * Create all the time, and map what is got: only an instance that was created with the flags can be
 * mapped. Return: 0: one was; the errno that kept them all off; ENDED_NOTHING: there was none.
 */
static int create_flipping(int peer)
{
	int ret, fd, kept_off = ENDED_NOTHING, mapped = 0, plain = 0;
	struct vmm v;
	pthread_t t;
	char *mem;

	(void)peer;
	ret = vmm_open(&v, VIEW) ?: on_one_cpu();
	if (ret)
		return ret;
	if (pthread_create(&t, NULL, flip_flags, NULL))
		return broken("pthread_create");
	/* Until there was one of each kind, at least. */
	for (unsigned long n = 0;
	     n < bypass_run.rounds ||
	     (n < MEET * bypass_run.rounds && (!plain || (!mapped && kept_off == ENDED_NOTHING)));
	     n++) {
		pause_for((unsigned int)(n % SWEEP));
		if (n % 2)
			sched_yield();
		fd = ioctl(v.vm, KVM_CREATE_GUEST_MEMFD, &wanted_instance);
		if (fd < 0) {
			kept_off = errno;
			continue;
		}
		mem = map_instance(fd, PROT_READ);
		if (!mem && errno == ENODEV)
			plain++;
		else if (!mem)
			kept_off = errno;
		if (mem) {
			mapped++;
			munmap(mem, INSTANCE_SIZE);
		}
		close(fd);
	}
	enough = true;
	pthread_join(t, NULL);
	if (bypass_run.verbose)
		fprintf(stderr, "%d plain, %d mapped, errno %d\n", plain, mapped, kept_off);
	return mapped ? 0 : kept_off;
}

/* --- 66: the rights of a place where the mapping comes and goes --- */

static char *place;
static atomic_ulong granted, refusals;

static void *protect_all_the_time(void *unused)
{
	(void)unused;
	while (!enough) {
		if (mprotect(place, INSTANCE_SIZE, PROT_READ | PROT_WRITE)) {
			refusals++;
			sched_yield();
			continue;
		}
		granted++;
		/* Whatever is there now. */
		touch_write(place, 'x');
	}
	return NULL;
}

static int protect_swapping(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, VIEW), fixed = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
	pthread_t t;
	char *mem;

	(void)peer;
	if (ret)
		return ret;
	place = map_instance(v.fd, PROT_READ);
	if (!place)
		return errno;
	if (on_one_cpu() || pthread_create(&t, NULL, protect_all_the_time, NULL))
		return broken("pthread_create");
	for (unsigned long n = 0;
	     n < bypass_run.rounds || (n < MEET * bypass_run.rounds && (!granted || !refusals));
	     n++) {
		/* Without a policy nothing is refused: it is enough that it was written. */
		if (n >= bypass_run.rounds && place[0] == 'x')
			break;
		if (mmap(place, INSTANCE_SIZE, PROT_READ, fixed, -1, 0) == MAP_FAILED)
			return broken("mmap of memory");
		pause_for((unsigned int)(n % SWEEP));
		if (n % 2)
			sched_yield();
		if (mmap(place, INSTANCE_SIZE, PROT_READ, MAP_FIXED | MAP_SHARED, v.fd, 0) ==
		    MAP_FAILED)
			return broken("mmap of the instance");
		pause_for((unsigned int)(n / SWEEP % SWEEP));
		if (n % 3)
			sched_yield();
	}
	enough = true;
	pthread_join(t, NULL);
	if (!granted)
		return failed("mprotect was never granted, the two did not meet");
	mem = map_instance(v.fd, PROT_READ);
	if (!mem)
		return errno;
	return mem[0] == 'x' ? 0 : EACCES;
}

/* --- 52: more denials than there is room for --- */

static int create_all_the_time(int peer)
{
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	(void)peer;
	for (unsigned long n = 0; !ret && n < bypass_run.rounds / 2; n++) {
		if (vmm_create(&v) != EACCES)
			return 0;
	}
	return ret ?: EACCES;
}

static int flood(const struct bypass_case *c)
{
	unsigned long n = bypass_run.rounds / 2 * 2;
	struct counts before;
	char *text = stage_policy(c);
	pid_t one, two;
	int ret, ret2;

	ret = stage_load_flags(text, true, 0) ? ENDED_BROKEN : 0;
	free(text);
	if (ret)
		return ret;
	drop_events();
	counts_read(&before);
	one = player_start(WHO_x, create_all_the_time, -1);
	two = player_start(WHO_b, create_all_the_time, -1);
	ret = player_wait(one);
	ret2 = player_wait(two);
	if (ret != EACCES || ret2 != EACCES) {
		bypass_is(BYPASS_allowed);
		return ret == EACCES ? ret2 : ret;
	}
	if (check_ledger(&before, GMEM_DO_create, (int)n))
		return ENDED_BROKEN;
	bypass_is(BYPASS_stopped);
	return EACCES;
}

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

/* What A and X were answered, in memory that both and the case have. */
struct asked {
	atomic_ulong allowed, denied;
};

enum { ASKED_a, ASKED_x, ASKED_MAX };

static struct asked *asked_map(void)
{
	struct asked *asked = mmap(NULL, ASKED_MAX * sizeof(*asked), PROT_READ | PROT_WRITE,
				   MAP_SHARED, LEFT_PARAMS, 0);

	return asked == MAP_FAILED ? NULL : asked;
}

/* Ask until the other side of the socket hangs up. */
static int punch_until_gone(int peer, struct asked *asked)
{
	char byte;
	int ret;

	if (!asked)
		return broken("mmap");
	ret = tell(peer, 0);
	while (!ret && recv(peer, &byte, 1, MSG_DONTWAIT) < 0) {
		switch (punch_hole(LEFT_INSTANCE)) {
		case 0: asked->allowed++; break;
		case EACCES: asked->denied++; break;
		default: ret = broken("punch");
		}
	}
	return ret;
}

static int x_asks(int peer)
{
	return punch_until_gone(peer, asked_map() + ASKED_x);
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
	ret = punch_until_gone(peer, asked_map() + ASKED_a);
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

/* One turn is a store, by rollback. */
static int turn_by_rollback(unsigned long n)
{
	__u64 generation;

	(void)n;
	return bypass_run.falsify ? 0 : loader_rollback(NULL, &generation);
}

static char *turn_texts[2];

/* One turn fills a slot that was in force two turns before. */
static int turn_by_load(unsigned long n)
{
	return n % 50 ? 0 : stage_load_flags(turn_texts[n / 50 % 2], true, 0);
}

/*
 * X is never allowed. A is denied only where the policy was replaced twice while it was being
 * decided; @exact: the kernel counted as many of these.
 */
static int judge_turns(const struct asked *asked, bool exact, uint64_t before)
{
	uint64_t broken_ones = 0;
	unsigned long a_denied = asked[ASKED_a].denied, turns = bypass_run.rounds;

	if (bypass_run.verbose)
		fprintf(stderr, "A: %lu allowed, %lu denied; X: %lu allowed, %lu denied\n",
			asked[ASKED_a].allowed, a_denied, asked[ASKED_x].allowed,
			asked[ASKED_x].denied);
	if (!asked[ASKED_a].allowed)
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
	if (a_denied > turns)
		return failed("A was denied %lu times in %lu turns", a_denied, turns);
	bypass_is(BYPASS_stopped);
	return EACCES;
}

static int take_turns(int (*turn)(unsigned long n), bool exact)
{
	struct bypass_case first = { .policy = TURN_ONE, .op = BYPASS_NO_OP };
	struct bypass_case second = { .policy = TURN_TWO, .op = BYPASS_NO_OP };
	int pair[2], ret, fd = memfd_create("asked", 0);
	uint64_t go, before = 0;
	pid_t pid;

	turn_texts[0] = stage_policy(&first);
	turn_texts[1] = stage_policy(&second);
	if (fd < 0 || ftruncate(fd, ASKED_MAX * sizeof(struct asked)))
		return broken("memfd");
	if (stage_load_flags(turn_texts[0], true, 0) || stage_load_flags(turn_texts[1], true, 0))
		return failed("load");
	ret = leave_open(fd, LEFT_PARAMS) ?: socket_pair(pair);
	if (!ret && exact && !bypass_run.falsify)
		ret = undecided(&before);
	if (ret)
		return ret;
	pid = player_start(WHO_a, both_ask, pair[1]);
	close(pair[1]);
	ret = hear(pair[0], &go) ?: hear(pair[0], &go);
	for (unsigned long n = 0; n < bypass_run.rounds && !ret; n++)
		ret = turn(n) ? failed("a turn") : 0;
	close(pair[0]);
	ret = player_wait(pid) ?: ret;
	ret = ret ?: judge_turns(asked_map(), exact && !bypass_run.falsify, before);
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

const struct bypass_case bypass_races[] = {
	{ .id = "4",
	  .path = "flags of a creation that another thread changes",
	  .op = GMEM_DO_create,
	  .denials = BYPASS_SOME,
	  PLAYER(x, create_flipping),
	  .rules = "  - { name: plain, allow: [create], subjects: [x], when: { flags: [] } }\n",
	  .x_may = "mmap",
	  .limit = 600,
	  LANES(STOPPED(EACCES), UNLOADABLE, UNLOADABLE, ABSENT) },
	{ .id = "61",
	  .path = "the same, where mmap looks at the flags that were used",
	  .op = GMEM_DO_mmap,
	  .denials = BYPASS_SOME,
	  PLAYER(x, create_flipping),
	  .rules = "  - { name: plain, allow: [mmap], subjects: [x], when: { flags: [] } }\n",
	  .x_may = "create",
	  .limit = 600,
	  WITH_MMAP(STOPPED(EACCES)) },
	{ .id = "66",
	  .path = "mprotect to write while the mapping comes and goes",
	  .op = GMEM_DO_mmap,
	  .denials = BYPASS_SOME,
	  PLAYER(x, protect_swapping),
	  .rules = "  - { name: x-reads, allow: [mmap], subjects: [x], when: { prot: [read] } }\n",
	  .x_may = "create, fault",
	  .limit = 600,
	  WITH_MMAP(STOPPED(EACCES)) },
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
	{ .id = "52",
	  .path = "a flood of denials",
	  .op = GMEM_DO_create,
	  .whole = flood,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
