/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy on trial (gmemctl try): in force until its time is over, unless it is confirmed.
 *
 * The slot of a policy says that it is on trial, so that a trial ends with each change of what is
 * in force. Another process ends it: a timer of systemd, or where systemd does not run, a child
 * that belongs to no terminal. It exists before the policy is in force, and runs `gmemctl rollback
 * --unconfirmed`, which does nothing if no policy is on trial by then.
 */
#ifndef GMEM_CTL_KERNEL_TRIAL_H
#define GMEM_CTL_KERNEL_TRIAL_H

#include "store.h"

/**
 * trial_begin - have the policy in a slot, which is not in force yet, on trial
 * @ns: how long
 * @back: a policy is in force now, to which the end of the trial goes back
 *
 * Return: 0 or a negative errno that has been explained: nothing would end the trial.
 */
int trial_begin(struct store *store, unsigned int slot, uint64_t ns, bool back);

/* May a policy be tried? @locked: the policy in force is. Return: as above. */
int trial_allowed(const struct store *store, bool locked);

/* Is the policy in force on trial? */
bool trial_on(const struct store *store);

/* Nanoseconds until a trial ends, at most 0 if it should have ended. @how: with a trial */
int64_t trial_left(const struct gmem_slot *how);

/* The policy in a slot stays. */
void trial_end(struct store *store, unsigned int slot);

#endif /* GMEM_CTL_KERNEL_TRIAL_H */
