/* SPDX-License-Identifier: GPL-2.0-only */
/* "Did you mean": the name that is nearest to what was written. */
#ifndef GMEM_CLOSEST_H
#define GMEM_CLOSEST_H

#include <stddef.h>

/**
 * closest_name - the name that was probably meant
 * @name: what was written
 * @names: what there is, @nr of them
 *
 * Return: one of @names, or NULL if none is near.
 */
const char *closest_name(const char *name, const char *const *names, size_t nr);

#endif /* GMEM_CLOSEST_H */
