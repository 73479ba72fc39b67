/* SPDX-License-Identifier: GPL-2.0-only */
/* Executables that users other than root can replace or change. */
#ifndef GMEM_CTL_KERNEL_WRITABLE_H
#define GMEM_CTL_KERNEL_WRITABLE_H

#include <stdbool.h>

#include "../../policy/model.h"

#define WRITABLE_WHY	(4096 + 128)
#define WRITABLE_ADVICE "make root the owner, and let no other user write there"

/**
 * exe_writable - can others than root decide what runs by this path?
 * @why: says what they can write, if so: "the directory /opt/x belongs to user 1000"
 *
 * Looks at the file, at its loader, and at all directories that lead to them, by their owners,
 * modes and access lists. Libraries are not looked at: which ones are loaded is up to the loader.
 * What cannot be looked at is not writable.
 */
bool exe_writable(const char *path, char why[WRITABLE_WHY]);

/* For each executable of a policy that is writable, once. Return: what @each returned, if not 0. */
int exes_writable(const struct policy *policy,
		  int (*each)(const char *path, const char *why, void *data), void *data);

#endif /* GMEM_CTL_KERNEL_WRITABLE_H */
