/* SPDX-License-Identifier: GPL-2.0-only */
/* What races against loads have in common: who asks all the time, and policies that take turns. */
#ifndef BYPASS_TURNS_H
#define BYPASS_TURNS_H

#include <stdatomic.h>

#include "../../../src/ctl/kernel/policy_file.h"
#include "../../../src/ctl/kernel/store.h"
#include "../../../src/policy/compile.h"
#include "bypass.h"

/* What A and X were answered, in memory that both and the case have. */
struct asked {
	atomic_ulong allowed, denied;
	atomic_int victim;    /* to be killed by who asks, 0: nobody */
	atomic_ulong kill_at; /* after as many answers */
	atomic_uint cpu;      /* where to ask */
};

enum { ASKED_a, ASKED_x, ASKED_MAX };

/* For the players that come. */
struct asked *asked_make(void);
struct asked *asked_map(void);
unsigned long answers(const struct asked *who);

/* Asks once. Return: 0, EACCES or EPERM, or else it does not work. */
typedef int (*ask_fn)(struct vmm *v);

/* Until the other side of the socket hangs up. */
int ask_until_gone(int peer, int who, ask_fn ask, struct vmm *v);
/* Without a policy: until one at least was asked for. */
void wait_for_answers(const struct asked *who);

#define TURNS_MAX 3

/* The policies that take turns, as they are put in force: their own loads come first. */
struct turns {
	struct pins pins;
	struct store store;
	unsigned int nr;
	struct policy_file files[TURNS_MAX];
	struct gmem_identity *identities[TURNS_MAX];
};

int turns_open(struct turns *t, char *const *texts, unsigned int nr);
void turns_close(struct turns *t);

/* One turn fills a slot that was in force two turns before, as a load does. */
int turn_by_load(struct turns *t, unsigned long n);
/* Policy @n is put into the slot that was in force two turns before, and never in force. */
int turn_by_failed_load(struct turns *t, unsigned long n);

#endif /* BYPASS_TURNS_H */
