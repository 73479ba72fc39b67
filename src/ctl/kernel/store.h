/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of what is in force: slots are filled, one of them is activated by the store of one
 * word, counters are read. See bpf/abi/policy.h for how a decision stays whole meanwhile.
 */
#ifndef GMEM_CTL_KERNEL_STORE_H
#define GMEM_CTL_KERNEL_STORE_H

#include <stddef.h>

#include "pins.h"

struct compiled;

struct store {
	const struct pins *pins;
	int fd[MAP_MAX];
	__u64 *active;
	struct gmem_slot *slots;
	struct gmem_head *heads;
	struct gmem_set *pool;
	struct gmem_journal *journal;
	struct gmem_loads *loads;
};

/**
 * store_open - map what is pinned
 * @pins: where, must live longer
 *
 * Return: 0 or a negative errno that has been explained: -ENOENT where nothing is loaded.
 */
int store_open(struct store *store, const struct pins *pins);

/* The same for a directory (NULL: PINS_DEFAULT), only to read. @pins: filled in, must live longer */
int store_open_dir(struct store *store, struct pins *pins, const char *dir);
void store_close(struct store *store);

/* The word that says what is in force; 0: nothing is. */
__u64 store_active(const struct store *store);

/* The slot of the policy that was in force before, or -1. */
int store_previous(const struct store *store);

/* The slot to be filled next. */
unsigned int store_free_slot(const struct store *store);
/* A new generation. Each call returns another one, also after a load that failed or was killed. */
__u64 store_next_generation(struct store *store);

/* Take everything out of a slot that is not in use. Return: 0 or a negative errno. */
int store_empty(struct store *store, unsigned int slot);

/**
 * store_fill - put a policy into a slot that is not in use
 * @identities: of compiled->exes, as the kernel knows them; kind 0: cannot be told
 * @how: source_size is set here
 * @generation: becomes the slot's at the end, when all is in it
 *
 * Return: 0 or a negative errno that has been explained; then the slot is empty.
 */
int store_fill(struct store *store, unsigned int slot, __u64 generation,
	       const struct compiled *compiled, const struct gmem_identity *identities,
	       const struct gmem_slot *how);

/* Put a slot in force, under a generation that is its own from then on. */
void store_activate(struct store *store, unsigned int slot, __u64 generation, bool enforce);
/*
 * The newest set of programs, by its serial number, and whether it counts requests that it allows:
 * see bpf/policy/turns.h.
 */
void store_set_programs(struct store *store, __u32 serial, bool counts);
/* The same as GMEM_SET() has it. */
__u64 store_programs(const struct store *store);

/* Change the mode of what is in force. */
void store_set_mode(struct store *store, bool enforce);
/* What a slot was filled with comes to nothing, and nobody can roll back to it. */
void store_drop(struct store *store, unsigned int slot);
/*
 * What was put in force failed: what was before (@word, of store_active()) is in force again. The
 * slot that failed is as it was: store_drop() it where nobody is to roll back to it.
 */
void store_put_back(struct store *store, __u64 word);
/* Nothing is in force any more: everything is allowed. */
void store_deactivate(struct store *store);

/**
 * store_hits - read counters, summed up over the CPUs
 * @map: MAP_rule_hits, MAP_op_hits or MAP_guard_hits
 * @first: number of the first
 * @nr: how many
 *
 * Return: 0 or a negative errno.
 */
int store_hits(const struct store *store, enum pinned_map map, unsigned int first, unsigned int nr,
	       struct gmem_hits *hits);

/* The text of the policy in a slot; to be freed. Return: 0 or a negative errno. */
int store_source(const struct store *store, unsigned int slot, char **text, size_t *len);

#endif /* GMEM_CTL_KERNEL_STORE_H */
