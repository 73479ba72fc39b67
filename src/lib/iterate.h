/* SPDX-License-Identifier: GPL-2.0-only */
/* What a BPF iterator writes. */
#ifndef GMEM_LIB_ITERATE_H
#define GMEM_LIB_ITERATE_H

#include <stddef.h>

/**
 * iterate - run an iterator to its end
 * @program: its fd
 * @tid: of the iterators over tasks: the one to look at, 0: all
 * @out: all that it writes, to be freed
 *
 * Return: 0 or a negative errno.
 */
int iterate(int program, int tid, char **out, size_t *len);

#endif /* GMEM_LIB_ITERATE_H */
