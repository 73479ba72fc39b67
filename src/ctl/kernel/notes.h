/* SPDX-License-Identifier: GPL-2.0-only */
/* What belongs to a policy: everything that a lock keeps, as the kernel's programs look for it. */
#ifndef GMEM_CTL_KERNEL_NOTES_H
#define GMEM_CTL_KERNEL_NOTES_H

#include "census.h"
#include "store.h"

struct compiled;

struct notes {
	struct gmem_locked_key *keys;
	size_t nr_keys, room;
	struct gmem_lock lock; /* without `on` */
	struct census_subject subject;
	__u32 *programs, *functions; /* the lists of @subject */
	char **names;		     /* of maps */
	size_t nr_names;
	__u32 *there; /* ids of all maps that the kernel has */
	size_t nr_there;
};

/**
 * notes_take - note pins, what they stand for, and what they stand on
 * @skel: as of census_open()
 * @notes: the result, to be given to notes_free(), also on error
 *
 * Return: 0 or a negative errno that has been explained.
 */
int notes_take(struct notes *notes, struct gmem_census_bpf *skel, const struct pins *pins);

/* Note the executables of the manager too. Return: 0 or -ENOMEM, explained. */
int notes_take_manager(struct notes *notes, const struct compiled *compiled,
		       const struct gmem_identity *identities);

/* Had the kernel a map with this id? */
bool notes_map_is_there(const struct notes *notes, __u64 id);

void notes_free(struct notes *notes);

#endif /* GMEM_CTL_KERNEL_NOTES_H */
