/* SPDX-License-Identifier: GPL-2.0-only */
/* The processes of this host and their tags, see struct gmem_tag. */
#ifndef GMEM_CTL_KERNEL_PROCESSES_H
#define GMEM_CTL_KERNEL_PROCESSES_H

#include "store.h"

/* What the kernel says of a process that has ended, by its number or in /proc. */
bool process_is_gone(int error);

/**
 * numbers_each - call a function for each number that a directory of /proc contains
 *
 * Return: what @take returned, which other than 0 ends it, 0 or a negative errno.
 */
int numbers_each(const char *path, int (*take)(unsigned int number, void *data), void *data);

/* Return: 1, 0: it has no tag or has ended, or a negative errno. */
int process_tag(const struct store *store, unsigned int pid, struct gmem_tag *tag);

/* Replace the tag of a process. Return: 0 (also if it has ended) or a negative errno. */
int process_set_tag(const struct store *store, unsigned int pid, const struct gmem_tag *tag);

/* The class of an executable or digest in a slot; 0: no subject names it. */
__u32 identity_class(const struct store *store, unsigned int slot,
		     const struct gmem_identity *identity);

#define PROCESS_COMM 32

/* The command of a process as its own name says, "?" if it has ended. */
char *process_comm(unsigned int pid, char comm[PROCESS_COMM]);

#endif /* GMEM_CTL_KERNEL_PROCESSES_H */
