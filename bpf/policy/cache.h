/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was decided before, for the next request that is decided as it was. As bpf/policy/match.h it
 * is compiled for the kernel and for user space, where it is tested.
 */
#ifndef GMEM_POLICY_CACHE_H
#define GMEM_POLICY_CACHE_H

#include <stdbool.h>

#include "../abi/policy_maps.h"
#include "match.h"

/* The values that are in the same interval as this one. */
GMEM_APART int gmem_interval_of(const struct gmem_head *head, __u32 op, __u32 dimension,
				__u64 value, struct gmem_span *span)
{
	const __u64 *bounds;
	__u32 at;

	if (!head || !span || dimension >= GMEM_BY_MAX)
		return 0;
	bounds = head->bounds[dimension];
	span->first = 0;
	span->last = ~0ULL;
	if (!(head->by[dimension] >> (op & 31) & 1))
		return 0;
	at = gmem_interval(bounds, value);
	if (at > 0)
		span->first = bounds[(at - 1) & GMEM_MAX_BOUNDS];
	if (at < GMEM_MAX_BOUNDS)
		span->last = bounds[at] - 1;
	return 0;
}

/**
 * gmem_remember - keep a decision for what is decided like it
 * @cached: of the operation, for who asked
 * @work: with the request and the decision
 * @kind: of the request, by gmem_sort()
 *
 * One for want of something is not kept.
 */
GMEM_APART int gmem_remember(struct gmem_cached *cached, const struct gmem_head *head,
			     const struct gmem_work *work, __u32 kind)
{
	const struct gmem_decision *d;
	const struct gmem_request *r;

	if (!cached || !head || !work)
		return 0;
	r = &work->request;
	d = &work->decision;
	cached->kind = GMEM_KIND_MAX;
	if (d->rule == GMEM_RULE_BROKEN || d->rule == GMEM_RULE_NO_MEMORY)
		return 0;
#define X(name, ...) \
	gmem_interval_of(head, r->op, GMEM_BY_##name, r->name, &cached->by[GMEM_BY_##name]);
	GMEM_INTERVALS(X)
#undef X
	cached->rule = d->rule | (d->deny ? GMEM_CACHED_DENY : 0);
	cached->audit_rule = d->audit_rule == GMEM_RULE_NONE
				     ? GMEM_CACHED_NONE
				     : d->audit_rule | (d->audit_deny ? GMEM_CACHED_DENY : 0);
	cached->kind = kind;
	return 0;
}

/* Is a request decided as the one before? @kind: its own */
static __always_inline bool gmem_is_cached(const struct gmem_cached *cached,
					   const struct gmem_request *r, __u32 kind)
{
	bool as = cached->kind == kind;

#define X(name, ...)                                              \
	as = as && r->name >= cached->by[GMEM_BY_##name].first && \
	     r->name <= cached->by[GMEM_BY_##name].last;
	GMEM_INTERVALS(X)
#undef X
	return as;
}

static __always_inline void gmem_recall(const struct gmem_cached *cached, struct gmem_decision *d)
{
	d->rule = cached->rule & ~GMEM_CACHED_DENY;
	d->deny = !!(cached->rule & GMEM_CACHED_DENY);
	d->audit_rule = GMEM_RULE_NONE;
	d->audit_deny = 0;
	if (cached->audit_rule != GMEM_CACHED_NONE) {
		d->audit_rule = cached->audit_rule & ~GMEM_CACHED_DENY;
		d->audit_deny = !!(cached->audit_rule & GMEM_CACHED_DENY);
	}
}

#endif /* GMEM_POLICY_CACHE_H */
