/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was decided before, for the next request that is decided as it was. As bpf/policy/match.h it
 * is compiled for the kernel and for user space, where it is tested.
 */
#ifndef GMEM_POLICY_CACHE_H
#define GMEM_POLICY_CACHE_H

#include "match.h"
#include "../abi/policy_maps.h"

/* The values that are in the same interval as this one. */
static __always_inline void gmem_interval_of(const struct gmem_head *head, __u32 op,
					     __u32 dimension, __u64 value, struct gmem_span *span)
{
	const __u64 *bounds = head->bounds[dimension];
	__u32 at;

	span->first = 0;
	span->last = ~0ULL;
	if (!(head->by[dimension] >> (op & 31) & 1))
		return;
	at = gmem_interval(bounds, value);
	if (at > 0)
		span->first = bounds[(at - 1) & GMEM_MAX_BOUNDS];
	if (at < GMEM_MAX_BOUNDS)
		span->last = bounds[at] - 1;
}

/**
 * gmem_remember - keep a decision for what is decided like it
 * @seen: of the operation, for who asked
 * @kind: of the request, by gmem_kind()
 *
 * One for want of something is not kept.
 */
GMEM_APART int gmem_remember(struct gmem_seen *seen, const struct gmem_head *head,
			     const struct gmem_request *r, const struct gmem_decision *d,
			     __u32 kind)
{
	if (!seen || !head || !r || !d)
		return 0;
	seen->kind = GMEM_KIND_MAX;
	if (d->rule == GMEM_RULE_BROKEN)
		return 0;
#define X(name, ...) \
	gmem_interval_of(head, r->op, GMEM_BY_##name, r->name, &seen->by[GMEM_BY_##name]);
	GMEM_INTERVALS(X)
#undef X
	seen->rule = d->rule | (d->deny ? GMEM_SEEN_DENY : 0);
	seen->trial = d->trial == GMEM_RULE_NONE ? GMEM_SEEN_NONE
						 : d->trial | (d->trial_deny ? GMEM_SEEN_DENY : 0);
	seen->kind = kind;
	return 0;
}

/* Is a request decided as the one before? @kind: its own */
static __always_inline bool gmem_as_seen(const struct gmem_seen *seen, const struct gmem_request *r,
					 __u32 kind)
{
	bool as = seen->kind == kind;

#define X(name, ...)                                            \
	as = as && r->name >= seen->by[GMEM_BY_##name].first && \
	     r->name <= seen->by[GMEM_BY_##name].last;
	GMEM_INTERVALS(X)
#undef X
	return as;
}

static __always_inline void gmem_recall(const struct gmem_seen *seen, struct gmem_decision *d)
{
	d->rule = seen->rule & ~GMEM_SEEN_DENY;
	d->deny = !!(seen->rule & GMEM_SEEN_DENY);
	d->trial = GMEM_RULE_NONE;
	d->trial_deny = 0;
	if (seen->trial != GMEM_SEEN_NONE) {
		d->trial = seen->trial & ~GMEM_SEEN_DENY;
		d->trial_deny = !!(seen->trial & GMEM_SEEN_DENY);
	}
}

#endif /* GMEM_POLICY_CACHE_H */
