// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around a policy by being quick: what is asked for changes under the kernel's eyes, or there
 * are more denials than can be told. --rounds says how hard. Where the policy is what changes:
 * races_loads.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"
#include "race.h"

/*
 * How many requests must have changed between their begin and the kernel's copy: one at least, and
 * one in so many. Measured: one in 65 to 3,200.
 */
#define ONE_MEETS_IN 10000

static atomic_bool enough;
static atomic_ulong done; /* rounds of who is raced against */

static void pause_for(unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; i++)
		;
}

/* --- 4, 61: flags of a creation that change --- */

#define BOTH_FLAGS (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

static struct kvm_create_guest_memfd wanted_instance = { .size = INSTANCE_SIZE };

static void *flip_flags(void *unused)
{
	struct race_pace p;

	(void)unused;
	if (race_go_first())
		return NULL;
	race_pace_init(&p, &done);
	while (!enough) {
		race_pace(&p);
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
 * mapped. Return: 0: one was; the errno that kept them all off.
 */
static int create_flipping(int peer)
{
	struct created c = { 0 };
	struct vmm v;
	pthread_t t;
	bool met = false;
	int ret;

	(void)peer;
	ret = vmm_open(&v, VIEW) ?: race_on_one_cpu() ?: race_against(&t, flip_flags);
	if (ret)
		return ret;
	for (done = 0; race_goes_on(done, met); done++) {
		create_once(v.vm, &c);
		met = c.plain && (c.mapped || c.refused) && c.met > done / ONE_MEETS_IN;
	}
	enough = true;
	pthread_join(t, NULL);
	race_say("%lu rounds: %lu plain, %lu mapped, %lu refused; %lu changed under way\n", done,
		 c.plain, c.mapped, c.refused, c.met);
	if (!met)
		return failed("too few of %lu creations met a change: %lu without the flags, %lu "
			      "with, %lu changed under way",
			      done, c.plain, c.mapped + c.refused, c.met);
	return c.mapped ? 0 : c.why;
}

/* --- 66: the rights of a place where the mapping comes and goes --- */

static char *place;
static atomic_ulong granted, refusals;

static void *protect_all_the_time(void *unused)
{
	struct race_pace p;

	(void)unused;
	if (race_go_first())
		return NULL;
	race_pace_init(&p, &done);
	while (!enough) {
		race_pace(&p);
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
	bool met = false;
	struct vmm v;
	pthread_t t;
	char *mem;

	(void)peer;
	place = vmm_map(&v, PROT_READ, &ret);
	if (!place)
		return ret;
	if (race_on_one_cpu() || race_against(&t, protect_all_the_time))
		return ENDED_BROKEN;
	for (done = 0; race_goes_on(done, met); done++) {
		if (mmap(place, INSTANCE_SIZE, PROT_READ, fixed, -1, 0) == MAP_FAILED)
			return broken("mmap of memory");
		pause_for((unsigned int)(done % RACE_SWEEP));
		if (mmap(place, INSTANCE_SIZE, PROT_READ, MAP_FIXED | MAP_SHARED, v.fd, 0) ==
		    MAP_FAILED)
			return broken("mmap of the instance");
		pause_for((unsigned int)(done / RACE_SWEEP % RACE_SWEEP));
		/* Without a policy nothing is refused: it is enough that it was written. */
		met = granted && (refusals || place[0] == 'x');
	}
	enough = true;
	pthread_join(t, NULL);
	race_say("%lu rounds: mprotect %lu times granted, %lu refused\n", done, granted, refusals);
	if (!met)
		return failed("the two have not met in %lu rounds: mprotect %lu times granted, "
			      "%lu refused",
			      done, granted, refusals);
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
	{ .id = "52",
	  .path = "a flood of denials",
	  .op = GMEM_DO_create,
	  .whole = flood,
	  .limit = 600,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
