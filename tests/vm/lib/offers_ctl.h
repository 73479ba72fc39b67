/* SPDX-License-Identifier: GPL-2.0-only */
/* What gmemctl can enforce against the lane's column in offers.h. */
#ifndef VM_OFFERS_CTL_H
#define VM_OFFERS_CTL_H

#include "../../../src/ctl/kernel/probe.h"
#include "offers.h"

/* The guarantee that gmemctl must give for an operation in this lane, without --strict-ioctl. */
static inline enum guarantee offer_guarantee(int op)
{
	static const enum guarantee guarantees[GMEM_DO_MAX][OFFER_LANE_MAX] = {
#define X(name, p, v, s7, s6, p6, a7)                                        \
	[GMEM_DO_##name] = { GUARANTEE_##p,  GUARANTEE_##v,  GUARANTEE_##s7, \
			     GUARANTEE_##s6, GUARANTEE_##p6, GUARANTEE_##a7 },
		OFFER_OPERATIONS(X)
#undef X
	};

	return guarantees[op][offer_lane()];
}

/* Can gmemctl decide the operation in this lane? */
static inline bool offer_carried(int op)
{
	enum guarantee guarantee = offer_guarantee(op);

	return guarantee == GUARANTEE_enforced || guarantee == GUARANTEE_limited;
}

/**
 * offers_check_ctl - compare gmemctl's plan for this kernel with the lane's column
 * @plan: for no policy, without --strict-ioctl
 *
 * Return: the number of differences, each of which is printed.
 */
static inline unsigned int offers_check_ctl(const struct plan *plan)
{
	unsigned int differ = 0;
	int op, guard;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (plan->guarantee[op] == offer_guarantee(op))
			continue;
		printf("%s is '%s' on this kernel, in lane %s it must be '%s'%s%s\n",
		       operation_names[op], guarantee_names[plan->guarantee[op]], getenv("LANE"),
		       guarantee_names[offer_guarantee(op)], *plan->why[op] ? ": " : "",
		       plan->why[op]);
		differ++;
	}
	/* Every lane carries every guard. */
	for (guard = 0; guard < GMEM_GUARD_MAX; guard++) {
		if (!*plan->guard_why[guard])
			continue;
		printf("guard %s cannot be enforced: %s\n", guard_names[guard],
		       plan->guard_why[guard]);
		differ++;
	}
	return differ;
}

#endif /* VM_OFFERS_CTL_H */
