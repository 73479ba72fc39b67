/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases of the lock. A lock lasts until the kernel ends, so these are the last cases of a run: all
 * attempts are made without it first, on a policy that is not locked.
 */
#ifndef BYPASS_LOCK_H
#define BYPASS_LOCK_H

#include "../lib/strangers.h"
#include "bypass.h"

#define ACTIVE_PIN PINS "/maps/active"
#define GMEMCTL	   BYPASS_DIR "/gmemctl" /* the manager */

#define LOCK GMEM_DO_GUARD(GMEM_GUARD_lock)

/*
 * Run the manager with these arguments, which blanks separate. Return: its exit status; 128 and the
 * signal that ended it; ENDED_BROKEN if it could not be run.
 */
int gmemctl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What the last gmemctl() wrote, to standard output and standard error. */
extern char gmemctl_output[16384];

/**
 * gmemctl_refused - require that a run that failed failed as documented
 * @status: what gmemctl() returned
 * @wanted: the exit status of the refusal (src/lib/exits.h)
 * @words: a part of its message that no other failure has
 *
 * Return: EACCES; 0: the run did what it was asked; ENDED_BROKEN: it failed otherwise, which has
 * been reported.
 */
int gmemctl_refused(int status, int wanted, const char *words);

/* Write @text to the file of policies that are locked. */
#define LOCK_POLICY BYPASS_DIR "/locked.yaml"
int lock_write_policy(const char *head, const char *rules);
/* The usual one: A may all, the manager is GMEMCTL. */
int lock_usual_policy(const char *head);

/* A policy that is not locked, in force. Return: 0 or ENDED_BROKEN. */
int lock_load_unlocked(void);

/* Before an attempt: a policy in force, locked or not; what others broke is mended where it can be.
 */
int lock_ready(void);
/* The judgement of cases that have one. */
int lock_check_outcome(const struct bypass_case *c);

/*
 * Attempts without the lock destroy the policy, and the first load after that takes seconds. While
 * descriptors of its maps and programs are kept, the policy can be pinned and attached again
 * without the verifier; attempts notice no difference, since the links, which keep it attached, are
 * held by pins only. In the process that all cases are children of; nothing may be kept when the
 * lock comes. Return: 0 or ENDED_BROKEN.
 */
int lock_keep(void);
void lock_keep_end(void);
/* Return: 0: it is in force again; -1: nothing is kept; ENDED_BROKEN. */
int lock_put_back(void);

/* What the manager reported at last, if nothing has happened since; for all cases, see lock_keep().
 */
struct lock_account {
	int64_t lock_denied; /* denials of the guard `lock` */
	int64_t denied;	     /* of all operations and guards, `lock` among them */
	int64_t events;
	bool known;
};

extern struct lock_account *lock_last_account;

bool lock_is_on(void);
void lock_is_on_now(void);

/* Is X allowed what the policy denies it? Return: 0: it is; ENDED_NOTHING. */
int lock_policy_is_off(void);
/* The same of one whose last pin is gone: waits for it. */
int lock_policy_ends(void);

/* Store 0 as what is in force: no policy. Return: 0 or an errno. */
int lock_switch_off(int active_fd);

/* A program for uprobes that takes its stack from who comes by. Return: as bpf_prog_load(). */
int lock_registers_program(void);

/* An iterator over a map of the policy, whose program stores 0. Return: a link, -ENDED_BROKEN. */
int lock_iterator(int map);
/* Let it run. Return: as lock_policy_is_off(). */
int lock_iterate(int link);

/* A load takes seconds, and more where the machine has other things to do. */
#define LOCK_LIMIT 200

/*
 * .denials, here of the guard `lock`: 0: one if the attempt ends with EACCES, else none; a number:
 * as many, however it ends; BYPASS_SOME: one at least; BYPASS_NONE: none.
 */
/* clang-format off */
#define LOCK_FIELDS(number, what, fn) \
	.id = number, .path = what, .op = LOCK, .attempt = fn, \
	.whole = lock_check_outcome, .share = lock_keep, .limit = LOCK_LIMIT, \
	.not_falsified = "every run tries the path without the lock first, and it counts as " \
			 "stopped only if it succeeded then"
#define LOCK_CASE(number, what, fn, ...) \
	{ LOCK_FIELDS(number, what, fn), .prepare = lock_ready, __VA_ARGS__ }
/* clang-format on */

/* What becomes of most of them. */
#define LOCKED EVERYWHERE(STOPPED(EACCES))

#endif
