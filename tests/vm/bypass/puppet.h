/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that others reach into, and how they do. */
#ifndef BYPASS_PUPPET_H
#define BYPASS_PUPPET_H

#include <stdint.h>
#include <sys/types.h>

#include "bypass.h"

/* What can be known of it from outside: /proc, its program, its memory's layout. */
struct puppet {
	uint64_t pid;
	uint64_t memory; /* its mapping of an instance where there is such a thing, else its own */
	uint64_t fd;	 /* its instance; not of puppet_without() */
	uint64_t vm;
	uint64_t insn; /* a syscall instruction in it */
	uint64_t args; /* of KVM_CREATE_GUEST_MEMFD */
};

/* The first byte of the memory. */
#define PUPPET_SECRET 42

/* Players: they tell what they are, and wait until their peer is gone. */
int puppet_hold(int peer);
int puppet_without(int peer); /* with a VM, and no instance of it */

/* Return: 0, ENDED_BROKEN. */
int puppet_meet(int peer, struct puppet *p);
int puppet_introduce(int peer, const struct puppet *p);

/* Each: 0: done, the errno. */
int puppet_read(const struct puppet *p);     /* process_vm_readv */
int puppet_open_mem(const struct puppet *p); /* /proc/PID/mem */
int puppet_attach(const struct puppet *p);
int puppet_seize(const struct puppet *p);
int puppet_peek(const struct puppet *p);   /* attached */
int puppet_inject(const struct puppet *p); /* attached: create an instance in its name */
int puppet_detach(const struct puppet *p);
int puppet_getfd(const struct puppet *p, uint64_t fd);

/* --- foreign code (evil/evil.c), as a library or a loader --- */

#define EVIL	   BYPASS_DIR "/evil.so"
#define EVIL_TAME  BYPASS_DIR "/tame"  /* where this is it does nothing */
#define EVIL_WAITS BYPASS_DIR "/waits" /* see there */
#define EVIL_OPENS BYPASS_DIR "/opens" /* where this is it opens a map of the policy */

/* Put it there; of the program itself, not of players. Return: 0 or ENDED_BROKEN. */
int evil_ready(void);

/* A player that would be what it should be. Return: ENDED_NOTHING. */
int idle(int peer);
/* A player that creates an instance. Return: 0, the errno. */
int make(int peer);

#endif
