/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which policy is in force, and whether what was read is all of that policy. Included by the
 * objects of policy/ and lock/ only.
 */
#ifndef GMEM_POLICY_IN_FORCE_H
#define GMEM_POLICY_IN_FORCE_H

#include "../kernel/opaque.h"
#include "maps.h"

/*
 * Orders all memory accesses before it against all after it, on every architecture: an atomic
 * operation that returns a value does. BPF has no barrier that older kernels and compilers know,
 * and barrier() only stops the compiler.
 */
static __always_inline void full_barrier(void)
{
	__u64 here = 0, value = 0;

	/* Opaque, so that the compiler can neither leave it out nor use the form without a value. */
	GMEM_OPAQUE(value);
	value = __sync_fetch_and_add(&here, value);
	GMEM_OPAQUE(value);
}

/*
 * Was everything that was read of a slot of the policy that @word of the map `active` means?
 *
 * A slot is read as under a sequence counter, which is the generation in its head. The writer
 * (src/ctl/kernel/store.c) stores generation 0, issues a full barrier, fills the slot, and stores
 * the new generation with release semantics; then it stores `active`. A reader loads `active`, and
 * everything else by addresses that follow from its value, which arm64 orders as well. What it
 * loaded is of the old policy if the generation, loaded last, is the old one: a value of the new
 * policy was stored after the 0, so that a load of the generation that comes after it, which the
 * barrier here makes sure of, finds the 0 or something newer. Generations are never given twice.
 */
static __always_inline bool is_still_in(const struct gmem_head *head, __u64 word)
{
	full_barrier();
	return *(volatile __u64 *)&head->generation == GMEM_ACTIVE_GENERATION(word);
}

/* The word of the map `active`; 0: no policy is in force. */
static __always_inline __u64 policy_word(void)
{
	__u32 zero = 0;
	__u64 *active_word = bpf_map_lookup_elem(&gmem_active, &zero);

	return active_word ? *(volatile __u64 *)active_word : 0;
}

/*
 * Was everything that was read since policy_word() of that policy? A task can be preempted until
 * the slot has been filled again, and then finds none of the executables that the policy names. A
 * guard that would allow for this reason repeats the question with the policy that is in force by
 * then; after GUARD_TRIES such replacements in a row it applies.
 */
static __noinline bool was_in_force(__u64 word)
{
	__u32 slot = GMEM_ACTIVE_SLOT(word);
	const struct gmem_head *head;

	if (!word)
		return true;
	head = bpf_map_lookup_elem(&gmem_heads, &slot);
	return head && is_still_in(head, word);
}

#ifndef GUARD_TRIES
#define GUARD_TRIES 3
#endif

#endif /* GMEM_POLICY_IN_FORCE_H */
