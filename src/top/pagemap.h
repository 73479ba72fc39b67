/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages of a process are in memory, asked of the kernel (PAGEMAP_SCAN, Linux 6.7). */
#ifndef GMEM_PAGEMAP_H
#define GMEM_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Can this kernel be asked? */
bool pagemap_works(void);

/* Return: a descriptor for the process, the caller closes it, or a negative errno. */
int pagemap_open(uint32_t pid);

/**
 * pagemap_mask - the pages of a range that take memory; those that are all the zero page do not
 * @fd: from pagemap_open()
 * @address: where the range begins
 * @pages: how many
 * @copies: only pages that are no page of a file: the private copies in a mapping of a file
 * @mask: the result, a bit for each page; (pages + 63) / 64 words
 *
 * Return: 0 or a negative errno.
 */
int pagemap_mask(int fd, uint64_t address, uint64_t pages, bool copies, uint64_t *mask);

#endif /* GMEM_PAGEMAP_H */
