/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that a policy names and that did not begin under its enforced guards: what was loaded
 * into them, or controls them, is unknown. The kernel does not accept their executable.
 */
#ifndef GMEM_CTL_KERNEL_RUNNING_H
#define GMEM_CTL_KERNEL_RUNNING_H

#include "store.h"

/**
 * running_trust - take the guards of a policy for enforced on processes that run
 * @slot: the policy, in force or not
 * @all: all processes that it names; else this process only, which loads the policy
 * @changed: how many tags changed, or NULL
 *
 * Return: 0 or a negative errno that has been explained.
 */
int running_trust(const struct store *store, unsigned int slot, bool all, unsigned int *changed);

/**
 * running_report - report each process that the policy in force names and does not accept
 *
 * Return: 0 or a negative errno that has been explained.
 */
int running_report(const struct store *store);

#endif /* GMEM_CTL_KERNEL_RUNNING_H */
