/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policies that are attached to the kernel, wherever they are pinned: read from the kernel's
 * memory, so that no map of a policy is opened, which under a lock would be a denial.
 */
#ifndef GMEM_LIB_ATTACHED_H
#define GMEM_LIB_ATTACHED_H

#include <stddef.h>

#include "../../bpf/abi/attached.h"

struct gmem_attached_bpf;

struct attached_policy {
	struct gmem_attached first; /* one of its programs; word, name and so on are the policy's */
	unsigned int nr_programs;
};

struct attached {
	struct attached_policy *list;
	size_t nr;
};

/**
 * attached_open - load the program that lists attached policies
 * @reader: the result, to be given to attached_close()
 *
 * Return: 0 or a negative errno.
 */
int attached_open(struct gmem_attached_bpf **reader);
void attached_close(struct gmem_attached_bpf *reader);

/**
 * attached_list - list the policies that are attached now
 * @attached: the result, to be given to attached_free()
 *
 * Return: 0 or a negative errno.
 */
int attached_list(struct gmem_attached_bpf *reader, struct attached *attached);
void attached_free(struct attached *attached);

/* The policy whose map `active` has this id, NULL: there is none. */
struct attached_policy *attached_find(struct attached *attached, __u32 map);

#endif /* GMEM_LIB_ATTACHED_H */
