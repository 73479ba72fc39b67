// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around a policy by being quick: what is asked for changes under the kernel's eyes, the policy
 * changes under the request, or there are more denials than can be told. --rounds says how hard.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/ctl/find.h"
#include "../../../src/ctl/policy_compile.h"
#include "../../../src/ctl/store.h"
#include "../lib/kvm.h"
#include "bypass.h"

#define SWEEP 64 /* lengths of a pause between two changes */
#define MEET  64 /* times the rounds, until the two threads have met */
/* One in some thousands of requests changes between its begin and the kernel's copy. */
#define MUST_MEET 200000

static atomic_bool enough;
static atomic_ulong done; /* rounds of who is raced against */

/*
 * Both sides of a race share one CPU. On two they would need the luck to run at the same time,
 * which emulators do not have.
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

/*
 * One side comes in between whatever the other does, in the middle of a system call too: it goes
 * first whenever its timer says so, and that is a little later each time. How long it sleeps follows
 * how fast the other side gets on: one to four of its rounds for each of ours, on any machine.
 */
struct pace {
	const atomic_ulong *others;
	unsigned long last, n;
	long span; /* nanoseconds */
};

static void go_first(struct pace *p, const atomic_ulong *others)
{
	struct sched_param first = { .sched_priority = 1 };

	*p = (struct pace){ .others = others, .span = 20000 };
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		broken("SCHED_FIFO");
}

static void pace(struct pace *p)
{
	struct timespec ts = { 0 };
	unsigned long now;

	if (++p->n % SWEEP == 0) {
		now = *p->others;
		if (now - p->last < SWEEP && p->span < 50000000)
			p->span += p->span / 2;
		if (now - p->last > 4UL * SWEEP && p->span > 4000)
			p->span -= p->span / 4;
		p->last = now;
	}
	ts.tv_nsec = p->span * (long)(p->n % SWEEP + 1) / SWEEP;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* How it went, for who wants to know how hard it was tried. */
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list args;

	if (!bypass_run.verbose)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

/* --- 4, 61: flags of a creation that change --- */

#define BOTH_FLAGS (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

static struct kvm_create_guest_memfd wanted_instance = { .size = INSTANCE_SIZE };

static void *flip_flags(void *unused)
{
	struct pace p;

	(void)unused;
	go_first(&p, &done);
	while (!enough) {
		pace(&p);
		wanted_instance.flags ^= BOTH_FLAGS;
		atomic_thread_fence(memory_order_seq_cst);
	}
	return NULL;
}

/* What came of creations; that with the flags is the one that can be mapped. */
struct created {
	unsigned long plain, mapped, refused;
	unsigned long met; /* the flags were others when the kernel took them than just before */
	int why;	   /* of the last one refused */
};

static void create_once(int vm, struct created *c)
{
	bool asked = *(volatile __u64 *)&wanted_instance.flags, got;
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &wanted_instance);
	char *mem;

	if (fd < 0) {
		c->refused++;
		c->why = errno;
		c->met += !asked;
		return;
	}
	mem = map_instance(fd, PROT_READ);
	got = mem || errno != ENODEV;
	c->met += got != asked;
	if (!got)
		c->plain++;
	else if (mem)
		c->mapped++;
	else
		c->refused++;
	if (got && !mem)
		c->why = errno;
	if (mem)
		munmap(mem, INSTANCE_SIZE);
	close(fd);
}

/*
 * Create all the time, and map what is got: only an instance that was created with the flags can be
 * mapped. Return: 0: one was; the errno that kept them all off; ENDED_NOTHING: there was none.
 */
static int create_flipping(int peer)
{
	struct created c = { .why = ENDED_NOTHING };
	unsigned long rounds = bypass_run.rounds;
	struct vmm v;
	pthread_t t;
	int ret;

	(void)peer;
	ret = vmm_open(&v, VIEW) ?: on_one_cpu();
	if (ret)
		return ret;
	if (pthread_create(&t, NULL, flip_flags, NULL))
		return broken("pthread_create");
	/* Until there was one of each kind, at least. */
	for (done = 0;
	     done < rounds || (done < MEET * rounds && (!c.plain || (!c.mapped && !c.refused)));
	     done++)
		create_once(v.vm, &c);
	enough = true;
	pthread_join(t, NULL);
	say("%lu rounds: %lu plain, %lu mapped, %lu refused; %lu changed under way\n", done,
	    c.plain, c.mapped, c.refused, c.met);
	if (!c.met && done >= MUST_MEET)
		return failed("no request changed under way");
	return c.mapped ? 0 : c.why;
}

/* --- 66: the rights of a place where the mapping comes and goes --- */

static char *place;
static atomic_ulong granted, refusals;

static void *protect_all_the_time(void *unused)
{
	struct pace p;

	(void)unused;
	go_first(&p, &done);
	while (!enough) {
		pace(&p);
		if (mprotect(place, INSTANCE_SIZE, PROT_READ | PROT_WRITE)) {
			refusals++;
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
	int ret, fixed = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long rounds = bypass_run.rounds;
	struct vmm v;
	pthread_t t;
	char *mem;

	(void)peer;
	place = vmm_map(&v, PROT_READ, &ret);
	if (!place)
		return ret;
	if (on_one_cpu() || pthread_create(&t, NULL, protect_all_the_time, NULL))
		return broken("pthread_create");
	for (done = 0; done < rounds || (done < MEET * rounds && (!granted || !refusals)); done++) {
		/* Without a policy nothing is refused: it is enough that it was written. */
		if (done >= rounds && place[0] == 'x')
			break;
		if (mmap(place, INSTANCE_SIZE, PROT_READ, fixed, -1, 0) == MAP_FAILED)
			return broken("mmap of memory");
		pause_for((unsigned int)(done % SWEEP));
		if (mmap(place, INSTANCE_SIZE, PROT_READ, MAP_FIXED | MAP_SHARED, v.fd, 0) ==
		    MAP_FAILED)
			return broken("mmap of the instance");
		pause_for((unsigned int)(done / SWEEP % SWEEP));
	}
	enough = true;
	pthread_join(t, NULL);
	say("%lu rounds: mprotect %lu times granted, %lu refused\n", done, granted, refusals);
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

/* The policies that take turns, as they are put in force: their own loads come first. */
struct turns {
	struct pins pins;
	struct store store;
	struct policy_file files[2];
	struct gmem_identity *identities[2];
};

static int turns_open(struct turns *t, char *const texts[2])
{
	struct finder finder;
	int ret = pins_open(&t->pins, NULL, true) ?: store_open(&t->store, &t->pins);

	for (int i = 0; i < 2 && !ret; i++) {
		ret = policy_open_text(texts[i], strlen(texts[i]), "turn.yaml", true, &t->files[i]);
		t->identities[i] =
			calloc(t->files[i].compiled.nr_exes + 1, sizeof(**t->identities));
		finder_open(&finder, &t->pins);
		ret = ret ?: find_identities(&finder, &t->files[i].compiled, t->identities[i]);
		finder_close(&finder);
	}
	return ret ? failed("turns: %s", strerror(-ret)) : 0;
}

static void turns_close(struct turns *t)
{
	for (int i = 0; i < 2; i++) {
		policy_close(&t->files[i]);
		free(t->identities[i]);
	}
	store_close(&t->store);
	pins_close(&t->pins);
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

/* One turn fills a slot that was in force two turns before, as a load does. */
static int turn_by_load(struct turns *t, unsigned long n)
{
	unsigned int slot = store_free_slot(&t->store);
	__u64 generation = store_next_generation(&t->store);
	struct gmem_slot how = { .enforce = true };
	int ret = store_fill(&t->store, slot, generation, &t->files[n % 2].compiled,
			     t->identities[n % 2], &how);

	if (ret)
		return failed("filling a slot: %s", strerror(-ret));
	store_activate(&t->store, slot, generation, true);
	return 0;
}

typedef int (*turn_fn)(struct turns *t, unsigned long n);

/*
 * X is never allowed. A is denied only where the policy was replaced twice while it was being
 * decided; @exact: the kernel counted as many of these.
 */
static int judge_turns(const struct asked *asked, bool exact, uint64_t before)
{
	uint64_t broken_ones = 0;
	unsigned long a_denied = asked[ASKED_a].denied, turns = bypass_run.rounds;

	say("A: %lu allowed, %lu denied; X: %lu allowed, %lu denied\n", asked[ASKED_a].allowed,
	    a_denied, asked[ASKED_x].allowed, asked[ASKED_x].denied);
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

/*
 * Who asks, by how often A was answered, is the other side of the race. A round is a turn; where a
 * turn takes longer than many answers (@by_answers) it is an answer.
 */
static int turn_round(turn_fn turn, bool by_answers, char *const texts[2], struct asked *asked)
{
	unsigned long rounds = bypass_run.rounds, n = 0;
	struct turns turns = { 0 };
	struct pace p;
	int ret = turns_open(&turns, texts);

	go_first(&p, &asked[ASKED_a].allowed);
	for (; !ret && (by_answers ? n < rounds / 64 ||
					     asked[ASKED_a].allowed + asked[ASKED_x].denied < rounds
				   : n < rounds);
	     n++) {
		ret = turn(&turns, n);
		pace(&p);
	}
	say("%lu turns\n", n);
	turns_close(&turns);
	return ret;
}

static int take_turns(turn_fn turn, bool exact)
{
	struct bypass_case first = { .policy = TURN_ONE, .op = BYPASS_NO_OP };
	struct bypass_case second = { .policy = TURN_TWO, .op = BYPASS_NO_OP };
	char *texts[2] = { stage_policy(&first), stage_policy(&second) };
	int pair[2], ret, fd = memfd_create("asked", 0);
	uint64_t go, before = 0;
	pid_t pid;

	if (fd < 0 || ftruncate(fd, ASKED_MAX * sizeof(struct asked)))
		return broken("memfd");
	if (stage_load_flags(texts[0], true, 0) || stage_load_flags(texts[1], true, 0))
		return failed("load");
	ret = leave_open(fd, LEFT_PARAMS) ?: socket_pair(pair) ?: on_one_cpu();
	if (!ret && exact && !bypass_run.falsify)
		ret = undecided(&before);
	if (ret)
		return ret;
	pid = player_start(WHO_a, both_ask, pair[1]);
	close(pair[1]);
	ret = hear(pair[0], &go) ?: hear(pair[0], &go);
	if (bypass_run.falsify)
		usleep(100000);
	else
		ret = ret ?: turn_round(turn, !exact, texts, asked_map());
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
