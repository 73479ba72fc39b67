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

/* Run the manager: as a format of its arguments. Return: its exit status, ENDED_BROKEN. */
int gmemctl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

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
int lock_judge(const struct bypass_case *c);

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

/* clang-format off */
#define LOCK_CASE(number, what, fn, ...) \
	{ .id = number, .path = what, .op = LOCK, .prepare = lock_ready, .attempt = fn, \
	  .whole = lock_judge, .limit = LOCK_LIMIT, __VA_ARGS__ }
/* clang-format on */

/* What becomes of most of them. */
#define LOCKED EVERYWHERE(STOPPED(EACCES))

#endif
