/* SPDX-License-Identifier: GPL-2.0-only */
/* What has to be asked of the kernel before a policy can be loaded. */
#ifndef GMEM_CTL_KERNEL_FIND_H
#define GMEM_CTL_KERNEL_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "../../../bpf/abi/inspect.h"

struct compiled;
struct gmem_inspect_bpf;
struct pins;

/*
 * The programs that ask the kernel. To load them takes as long as all the rest of a load: what each
 * load needs is pinned, and the others are loaded when they are asked for.
 */
struct finder {
	struct gmem_inspect_bpf *skel; /* NULL: not loaded */
	int name_files;		       /* fd of the one that is pinned, -1: is not */
};

/* @pins: where a program may be pinned, or NULL. Nothing is loaded yet, so nothing fails. */
void finder_open(struct finder *finder, const struct pins *pins);
void finder_close(struct finder *finder);

/* Pin what the next load needs, unless it is. Return: 0, a negative errno that was explained. */
int finder_keep(struct finder *finder, const struct pins *pins);

extern const char *const held_by_names[GMEM_HELD_BY_MAX];

struct found_list {
	struct gmem_found *list; /* by instance; a task can be there more than once */
	size_t nr;
};

/**
 * find_identities - executables as the kernel names them
 * @identities: compiled->nr_exes of them; kind 0 for what is not here, or is by what no task has an
 * identity (see is_untrusted_fs() in bpf/kernel/file_identity.h)
 *
 * stat(2) does not say it: on overlayfs and btrfs it names another device than the inode's, and
 * the generation is not told everywhere.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int find_identities(struct finder *finder, const struct compiled *compiled,
		    struct gmem_identity *identities);

/**
 * find_instances - the instances that there are
 * @found: the result, to be freed with found_free(): every place that holds one, bindings too
 *
 * Return: 0 or a negative errno that has been explained.
 */
int find_instances(struct finder *finder, struct found_list *found);
void found_free(struct found_list *found);

/* A binding, and whose. */
struct found_binding {
	__u64 kvm;
	struct gmem_binding binding;
};

struct found_holders {
	struct found_list found; /* those of VMs too; no place twice */
	struct found_binding *bindings;
	size_t nr_bindings;
	bool knows_kvm; /* if not, VMs and bindings are not known, nor are flags */
	size_t unread;	/* VMs whose bindings could not be read */
};

/**
 * find_holders - who holds instances, and what is bound
 * @holders: the result, to be given to holders_free()
 *
 * Needs no policy, no LSM and no patch, but root.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int find_holders(struct finder *finder, struct found_holders *holders);
void holders_free(struct found_holders *holders);

#endif /* GMEM_CTL_KERNEL_FIND_H */
