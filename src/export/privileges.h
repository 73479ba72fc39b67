/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that keeps only the capabilities that it needs. */
#ifndef GMEM_PRIVILEGES_H
#define GMEM_PRIVILEGES_H

#include <stdint.h>

/* A capability as a bit. */
#define CAP_BIT(cap) (1ULL << (cap))

/**
 * privileges_drop - give up all capabilities but these, for good
 * @keep: their bits; what the process does not have it does not get
 *
 * Also for programs that it might run (no_new_privs, bounding set). Of the calling thread, so
 * before there are others.
 *
 * Return: 0 or a negative errno, explained.
 */
int privileges_drop(uint64_t keep);

#endif /* GMEM_PRIVILEGES_H */
