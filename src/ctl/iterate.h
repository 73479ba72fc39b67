/* SPDX-License-Identifier: GPL-2.0-only */
/* What a BPF iterator writes. */
#ifndef GMEM_CTL_ITERATE_H
#define GMEM_CTL_ITERATE_H

#include <stddef.h>

struct bpf_program;

/**
 * iterate - run an iterator to its end
 * @tid: of the iterators over tasks: the one to look at, 0: all
 * @out: all that it writes, to be freed
 *
 * Return: 0 or a negative errno.
 */
int iterate(const struct bpf_program *program, int tid, void **out, size_t *len);

#endif /* GMEM_CTL_ITERATE_H */
