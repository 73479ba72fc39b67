/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the digest share. */
#ifndef GMEM_DIGEST_INNER_H
#define GMEM_DIGEST_INNER_H

#include "digest.h"

/* What was counted until the last frame. */
struct digest_before {
	uint64_t c[GMEM_VM_MAX], inst[GMEM_INST_MAX];
	uint64_t denials;
	struct gmem_errno err[GMEM_OP_MAX][GMEM_ERRNOS];
	uint64_t err_other[GMEM_OP_MAX];
	struct gmem_heat heat;
	bool has_heat;
	uint64_t phase_count[GMEM_PHASE_MAX], phase_ns[GMEM_PHASE_MAX];
};

/* Counters are unsigned: what would be less than nothing is nothing. */
static inline uint64_t increase(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/*
 * Is it the same conversion, in two frames? Each frame reads two clocks, so that its time differs
 * by the time between the two.
 */
static inline bool slow_is_same(const struct model_slow *a, const struct model_slow *b)
{
	uint64_t apart = a->now.exit_ns > b->now.exit_ns ? a->now.exit_ns - b->now.exit_ns
							 : b->now.exit_ns - a->now.exit_ns;

	return a->vcpu == b->vcpu && a->now.gfn == b->now.gfn && apart < 100000000 &&
	       a->now.ns[GMEM_PHASE_total] == b->now.ns[GMEM_PHASE_total];
}

/* @count: false: the frame is the base. Return: 0 or -ENOMEM. */
int digest_phases(struct digest *digest, struct digest_vm *vm, const struct frames *frames,
		  const struct model *model, bool count);

#endif /* GMEM_DIGEST_INNER_H */
