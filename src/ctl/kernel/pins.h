/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The directory in the BPF file system that holds what is in force: maps/NAME, links/PROGRAM,
 * source-SLOT, the policy's text, and name-files, a program that loads need. What was begun and not
 * finished has another name, and is swept away by the next one who comes.
 */
#ifndef GMEM_CTL_KERNEL_PINS_H
#define GMEM_CTL_KERNEL_PINS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../../bpf/abi/policy_maps.h"

#define ADVICE_FOREIGN \
	"what stands there is not gmemctl's: remove it, or name another directory with --pins"
#define PINS_DEFAULT "/sys/fs/bpf/gmem"

struct bpf_object;

struct pins {
	char dir[PATH_MAX - 64];
	int lock; /* fd, -1: not held */
};

enum pinned_map {
#define X(name, kernel) MAP_##name,
	GMEM_POLICY_MAPS(X)
#undef X
		MAP_MAX
};

extern const char *const map_names[MAP_MAX];	    /* of pins */
extern const char *const map_kernel_names[MAP_MAX]; /* as `bpftool map` shows them */

/**
 * pins_open - begin to work with the directory
 * @dir: its name; NULL is PINS_DEFAULT
 * @lock: take the lock, so that nobody else changes what is there, and sweep
 *
 * Return: 0 or a negative errno that has been explained; then nothing needs to be closed.
 */
int pins_open(struct pins *pins, const char *dir, bool lock);
void pins_close(struct pins *pins);

/* Is there a directory, so that programs are attached? Return: 1, 0 or a negative errno. */
int pins_exist(const struct pins *pins);

/* The pinned map as an fd of the caller's, or a negative errno. */
int pins_map(const struct pins *pins, enum pinned_map map);
int pins_source(const struct pins *pins, unsigned int slot);
/* The pinned program that names files, the same way. */
int pins_finder(const struct pins *pins);

/* The link of a program that is pinned, the same way. */
int pins_link(const struct pins *pins, enum gmem_policy_program program);

/* Which programs are pinned: bits of enum gmem_policy_program. */
uint64_t pins_programs(const struct pins *pins);

/*
 * Links that are to replace those of the same programs are pinned beside them, as links/new-NAME:
 * see upgrade.h. The lock lets the manager rename and remove pins of these names.
 */
#define PINS_NEW GMEM_PINS_NEW
uint64_t pins_new_programs(const struct pins *pins);
int pins_add_new(const struct pins *pins, enum gmem_policy_program program, int link_fd);
/* In one step it is the link of the program; the one before is detached. */
int pins_replace(const struct pins *pins, enum gmem_policy_program program);
int pins_remove_new(const struct pins *pins, enum gmem_policy_program program);

/* Where a new set of pins is made, to be published as a whole. Return: 0, a negative errno. */
int pins_begin(struct pins *draft, const struct pins *pins);
int pins_publish(const struct pins *draft, const struct pins *pins);

void pins_discard(const struct pins *draft);

/* Pin under @pins; an older pin of that name is replaced. Return: 0, a negative errno. */
int pins_add_map(const struct pins *pins, enum pinned_map map, int fd);
int pins_add_program(const struct pins *pins, enum gmem_policy_program program, int link_fd);
int pins_add_source(const struct pins *pins, unsigned int slot, int fd);
int pins_add_finder(const struct pins *pins, int program_fd);

/* A pin that is there to be tried, see verify_lock(). Return: 0, a negative errno. */
#define PINS_PROOF "proof"
int pins_add_proof(const struct pins *pins, int fd);
void pins_remove_proof(const struct pins *pins);

/* Take everything away, so that the programs are detached. Return: 0, a negative errno. */
int pins_remove(const struct pins *pins);

#endif /* GMEM_CTL_KERNEL_PINS_H */
