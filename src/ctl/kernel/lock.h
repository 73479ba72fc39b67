/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of a policy (--lock): from then on its manager alone, a subject that it names, opens,
 * changes or removes what belongs to it, until the next boot. What the kernel's programs keep
 * (bpf/lock/lock.h) is noted here.
 */
#ifndef GMEM_CTL_KERNEL_LOCK_H
#define GMEM_CTL_KERNEL_LOCK_H

#include <stdbool.h>

#include "probe.h"
#include "store.h"

struct compiled;

/*
 * Is what is in force locked? Return: 1, 0, or a negative errno that has been explained: then
 * nothing may be done that a lock forbids.
 */
int lock_is_held(const struct store *store);

/**
 * lock_allows - may this be put in force?
 * @compiled: the policy, NULL: none
 * @store: what is in force, NULL: nothing
 * @lock: it is to be locked
 * @enforce: it is to be enforced
 *
 * Return: 0 or a negative errno that has been explained: -EBADMSG for a policy that cannot be
 * locked, -EPERM for what a lock forbids.
 */
int lock_allows(const struct store *store, const struct compiled *compiled, bool lock,
		bool enforce);

/* The same for a policy that is in a slot already. @what: for the message */
int lock_allows_slot(const struct store *store, unsigned int slot, bool enforce, const char *what);

/* Add the programs of the lock. Return: 0, -EOPNOTSUPP with the hook that is missing, explained. */
int lock_plan(const struct hooks *hooks, struct plan *plan);

/**
 * lock_check_self - is this process the manager of the policy in a slot, and may it lock here?
 *
 * Return: 0; -EPERM if it is not, with what differs; another negative errno. Explained.
 */
int lock_check_self(const struct store *store, unsigned int slot);

/**
 * lock_hold - note what there is, hold the lock, and see that it holds
 * @store: of the policy that is in force, with the programs of the lock attached
 * @identities: of compiled->exes
 *
 * Also to be called when what is there has changed under a lock. Where it fails, a lock that was
 * not held before is not held afterwards.
 *
 * Return: 0 or a negative errno that has been explained: -EBUSY where somebody would not be locked
 * out, -EPROTO where somebody was not.
 */
int lock_hold(const struct store *store, const struct compiled *compiled,
	      const struct gmem_identity *identities);

/**
 * lock_extend - have a lock that is held keep programs that were attached since
 *
 * Return: 0 or a negative errno that has been explained.
 */
int lock_extend(const struct store *store);

#endif /* GMEM_CTL_KERNEL_LOCK_H */
