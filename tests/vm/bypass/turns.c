// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/find.h"
#include "race.h"
#include "turns.h"

/* --- who asks --- */

struct asked *asked_map(void)
{
	struct asked *asked = mmap(NULL, ASKED_MAX * sizeof(*asked), PROT_READ | PROT_WRITE,
				   MAP_SHARED, LEFT_PARAMS, 0);

	return asked == MAP_FAILED ? NULL : asked;
}

struct asked *asked_make(void)
{
	int fd = memfd_create("asked", 0);

	if (fd < 0 || ftruncate(fd, ASKED_MAX * sizeof(struct asked)) ||
	    leave_open(fd, LEFT_PARAMS))
		return NULL;
	return asked_map();
}

unsigned long answers(const struct asked *who)
{
	return who->allowed + who->denied;
}

static void kill_in_time(struct asked *who)
{
	pid_t victim;

	if (!who->victim || answers(who) < who->kill_at)
		return;
	victim = atomic_exchange(&who->victim, 0);
	if (victim)
		kill(victim, SIGKILL);
}

int ask_until_gone(int peer, int who, ask_fn ask, struct vmm *v)
{
	struct asked *asked = asked_map();
	unsigned int cpu = 0;
	char byte;
	int ret;

	if (!asked)
		return broken("mmap");
	asked += who;
	ret = tell(peer, 0);
	while (!ret && recv(peer, &byte, 1, MSG_DONTWAIT) < 0) {
		if (cpu != asked->cpu) {
			cpu = asked->cpu;
			race_on_cpu(cpu); /* there may be only one */
		}
		ret = ask(v);
		if (ret && ret != EACCES && ret != EPERM)
			return failed("what was asked for: %s", strerror(ret));
		if (ret)
			asked->denied++;
		else
			asked->allowed++;
		kill_in_time(asked);
		ret = 0;
	}
	return ret;
}

void wait_for_answers(const struct asked *who)
{
	while (race_goes_on(bypass_run.rounds, answers(who)))
		race_sleep(1000000);
}

/* --- policies that take turns --- */

int turns_open(struct turns *t, char *const *texts, unsigned int nr)
{
	struct finder finder;
	int ret = pins_open(&t->pins, NULL, true) ?: store_open(&t->store, &t->pins);

	for (t->nr = 0; t->nr < nr && !ret; t->nr++) {
		unsigned int i = t->nr;

		ret = policy_open_text(texts[i], strlen(texts[i]), "turn.yaml", true, &t->files[i]);
		t->identities[i] =
			calloc(t->files[i].compiled.nr_exes + 1, sizeof(**t->identities));
		finder_open(&finder, &t->pins);
		ret = ret ?: find_identities(&finder, &t->files[i].compiled, t->identities[i]);
		finder_close(&finder);
	}
	return ret ? failed("turns: %s", strerror(-ret)) : 0;
}

void turns_close(struct turns *t)
{
	for (unsigned int i = 0; i < t->nr; i++) {
		policy_close(&t->files[i]);
		free(t->identities[i]);
	}
	store_close(&t->store);
	pins_close(&t->pins);
}

/* Fill the free slot with policy @n, as a load does. */
static int fill(struct turns *t, unsigned long n, unsigned int slot, __u64 generation)
{
	struct gmem_slot how = { .enforce = true };
	int ret = store_fill(&t->store, slot, generation, &t->files[n].compiled, t->identities[n],
			     &how);

	return ret ? failed("filling a slot: %s", strerror(-ret)) : 0;
}

int turn_by_load(struct turns *t, unsigned long n)
{
	unsigned int slot = store_free_slot(&t->store);
	__u64 generation = store_next_generation(&t->store);
	int ret = fill(t, n % 2, slot, generation);

	if (!ret)
		store_activate(&t->store, slot, generation, true);
	return ret;
}

int turn_by_failed_load(struct turns *t, unsigned long n)
{
	unsigned int slot = store_free_slot(&t->store);
	int ret = fill(t, n, slot, store_next_generation(&t->store));

	store_drop(&t->store, slot);
	return ret;
}
