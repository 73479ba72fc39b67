/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who could still reach into a policy that is being locked: descriptors and mappings of its maps,
 * programs that use them or decide in its place. And where its directories are to the kernel.
 */
#ifndef GMEM_CTL_KERNEL_CENSUS_H
#define GMEM_CTL_KERNEL_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

#include "../../../bpf/abi/census.h"

struct gmem_census_bpf;

struct census_map {
	__u32 id;
	unsigned int pins;     /* that hold it */
	unsigned int programs; /* of the policy that use it */
	const char *name;
};

/* What belongs to the policy: filled in by who calls, the lists are its own. */
struct census_subject {
	struct census_map *maps;
	size_t nr_maps;
	const __u32 *programs; /* ids */
	size_t nr_programs;
	const __u32 *functions; /* BTF ids that no program may stand in for */
	size_t nr_functions;
	__u32 btf; /* id of the kernel's own BTF */
	/*
	 * Is a process the policy's manager, which may open all of it anyway? NULL: there is no
	 * lock yet, and every holder is in its way.
	 */
	bool (*is_manager)(unsigned int pid, const void *data);
	const void *data;
};

/* Load the programs that ask. Return: 0 or a negative errno that has been explained. */
int census_open(struct gmem_census_bpf **skel);
void census_close(struct gmem_census_bpf *skel);

/**
 * census_dirs - directories, and files, as the kernel knows them
 * @fds: open descriptors of this process (O_PATH will do)
 * @dirs: the result, in the same order
 *
 * Return: 0 or a negative errno that has been explained.
 */
int census_dirs(struct gmem_census_bpf *skel, const int *fds, size_t nr,
		struct gmem_census_dir *dirs);

/**
 * census_maps - which maps there are
 * @ids: the result, to be freed
 *
 * Return: 0 or a negative errno that has been explained.
 */
/*
 * The files that this process runs code of, as they are mapped; @code is to be freed. Returns as
 * census_dirs().
 */
int census_code(struct gmem_census_bpf *skel, struct gmem_census_code **code, size_t *nr);

int census_maps(struct gmem_census_bpf *skel, __u32 **ids, size_t *nr);

/**
 * census_take - is anybody in the way of a lock?
 *
 * References are compared with what this process, the policy's manager and the policy itself
 * explain: so also those are found that no process shows, as descriptors in flight. Each one found
 * is explained.
 *
 * Return: 0, -EBUSY if there is one, or another negative errno that has been explained.
 */
int census_take(struct gmem_census_bpf *skel, const struct census_subject *subject);

#endif /* GMEM_CTL_KERNEL_CENSUS_H */
