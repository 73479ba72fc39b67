/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The matcher: which rule decides a request. Compiled for the kernel and for user space, so that
 * `gmemctl test` decides as the kernel does. If a map entry is missing, the decision is a denial by
 * GMEM_RULE_BROKEN.
 *
 * An includer with a verifier defines GMEM_APART: the functions are then global, the verifier
 * checks each of them once, and follows one path after a call, with an unknown result, instead of
 * one path for each result.
 */
#ifndef GMEM_POLICY_MATCH_H
#define GMEM_POLICY_MATCH_H

#include "../abi/policy.h"
#include "../kernel/opaque.h"

#ifndef GMEM_APART
#define GMEM_APART static inline
#endif

#ifdef __clang__
#define GMEM_UNROLL _Pragma("unroll")
#define GMEM_ROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")
#else
#define GMEM_UNROLL
#define GMEM_ROLLED
#endif

/* Defined by the includer: the set with this index in the pool of a slot, or NULL. */
static const struct gmem_set *gmem_set(const void *pool, __u32 index);

/* 1 if any bit is set, otherwise 0. */
static __always_inline __u64 gmem_any_bit(__u64 w)
{
	return gmem_top_bit(w | -w);
}

/* 1 if a is at most b, otherwise 0. */
static __always_inline __u64 gmem_not_above(__u64 a, __u64 b)
{
	__u64 borrow = (~b & a) | ((~b | a) & (b - a));

	return gmem_top_bit(~borrow);
}

/* By multiplication with a de Bruijn sequence: any six consecutive bits occur once. */
static const __u8 gmem_lowest_bit[64] = {
	0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
};

/* The index of the lowest bit that is set; 0 for 0. */
static __always_inline __u32 gmem_lowest(__u64 w)
{
	__u64 lowest = w & -w;

	GMEM_OPAQUE(lowest);
	return gmem_lowest_bit[(lowest * 0x03f79d71b4cb0a89ULL) >> 58];
}

static __always_inline __u32 gmem_kind(const struct gmem_request *r)
{
	__u32 type = r->type < GMEM_TYPE_MAX ? r->type : GMEM_TYPE_unknown;
	__u32 detail = 0;

	if (r->op == GMEM_DO_mmap || r->op == GMEM_DO_fault)
		detail = r->prot & (GMEM_PROT_MAX - 1);
	else if (r->op == GMEM_DO_convert)
		detail = r->direction < GMEM_DIR_MAX ? r->direction : GMEM_DIR_other;
	detail = detail * GMEM_KINDS_PER_DETAIL + type;
	switch (r->op) {
#define X(name, details) \
	case GMEM_DO_##name: return GMEM_KIND_##name + detail;
		GMEM_KINDS(X)
#undef X
	}
	return GMEM_KIND_MAX;
}

static __always_inline __u32 gmem_flags_class(__u32 flags)
{
	if (flags < GMEM_FLAGS_NAMED)
		return flags;
	return flags == GMEM_FLAGS_unknown ? GMEM_FLAGS_CLASS_unknown : GMEM_FLAGS_CLASS_other;
}

/* Kind and class of the flags as one number. */
static __always_inline __u32 gmem_sort(const struct gmem_request *r)
{
	return gmem_kind(r) + gmem_flags_class(r->flags) * (GMEM_KIND_MAX + 1);
}

/* The interval of a value: the number of bounds up to it. All values cost the same. */
static __always_inline __u32 gmem_interval(const __u64 *bounds, __u64 value)
{
	__u32 at = 0;

	GMEM_ROLLED
	for (__u32 step = (GMEM_MAX_BOUNDS + 1) / 2; step; step /= 2)
		at += step * gmem_not_above(bounds[(at + step - 1) & GMEM_MAX_BOUNDS], value);
	return at & GMEM_MAX_BOUNDS;
}

/* The operations for which any dimension matters: bits. */
static __always_inline __u32 gmem_by_intervals(const struct gmem_head *head)
{
	__u32 ops = 0;

#define X(name, ...) ops |= head->by[GMEM_BY_##name];
	GMEM_INTERVALS(X)
#undef X
	return ops;
}

GMEM_APART __u32 gmem_index_of_kind(const struct gmem_request *r)
{
	return GMEM_POOL_KIND + (r ? gmem_kind(r) : GMEM_KIND_MAX);
}

/* The set of the rules whose flags match. @otherwise: the set if no rule names flags */
GMEM_APART __u32 gmem_index_by_flags(const struct gmem_head *head, const struct gmem_request *r,
				     __u32 otherwise)
{
	if (!head || !r || !(head->by_flags >> (r->op & 31) & 1))
		return otherwise;
	return GMEM_POOL_FLAGS + gmem_flags_class(r->flags);
}

/* The set of the rules that do not test the value, or whose bounds contain it. */
GMEM_APART __u32 gmem_index_by(const struct gmem_head *head, __u32 op, __u32 dimension, __u64 value,
			       __u32 otherwise)
{
	if (!head || dimension >= GMEM_BY_MAX || !(head->by[dimension] >> (op & 31) & 1))
		return otherwise;
	return GMEM_POOL_INTERVAL + dimension * (GMEM_MAX_BOUNDS + 1) +
	       gmem_interval(head->bounds[dimension], value);
}

static __always_inline struct gmem_decision gmem_broken(void)
{
	return (struct gmem_decision){ .deny = 1,
				       .rule = GMEM_RULE_BROKEN,
				       .audit_rule = GMEM_RULE_NONE };
}

/* The rules of word i that match. */
#define GMEM_MATCHING(i)                                                                   \
	(mine->w[i] & kind->w[i] & flags->w[i] & by[0]->w[i] & by[1]->w[i] & by[2]->w[i] & \
	 by[3]->w[i] & by[4]->w[i])
_Static_assert(GMEM_BY_MAX == 5, "all dimensions are matched");

/*
 * The rule that decides: the first one in the order of the file that names the operation and a
 * subject of the task, and whose conditions hold. Rules in audit mode do not decide; the first of
 * them that matches before is reported.
 * @mine: the rules for the subjects of the task
 *
 * All sets are read completely, so that one rule costs as much as a thousand.
 */
static __always_inline struct gmem_decision gmem_decide(const struct gmem_head *head,
							const void *pool,
							const struct gmem_set *mine,
							const struct gmem_request *r)
{
	struct gmem_decision d = { .audit_rule = GMEM_RULE_NONE };
	__u32 at, bit, op = r->op & 31, index = gmem_index_of_kind(r);
	const struct gmem_set *kind = gmem_set(pool, index);
	const struct gmem_set *flags = gmem_set(pool, gmem_index_by_flags(head, r, index));
	const struct gmem_set *deny = gmem_set(pool, GMEM_POOL_DENY);
	const struct gmem_set *audit = gmem_set(pool, GMEM_POOL_AUDIT);
	const struct gmem_set *by[GMEM_BY_MAX];
	const __u64 value[GMEM_BY_MAX] = {
#define X(name, ...) [GMEM_BY_##name] = r->name,
		GMEM_INTERVALS(X)
#undef X
	};
	__u64 decides = 0, tries = 0; /* words of the sets in which a rule matches: bits */

	if (!kind || !flags || !deny || !audit || r->op >= GMEM_DO_MAX)
		return gmem_broken();
	GMEM_UNROLL
	for (int i = 0; i < GMEM_BY_MAX; i++) {
		by[i] = gmem_set(pool, gmem_index_by(head, op, i, value[i], index));
		if (!by[i])
			return gmem_broken();
	}
	GMEM_ROLLED
	for (int i = 0; i < GMEM_SET_WORDS; i++) {
		__u64 w = GMEM_MATCHING(i);

		decides |= gmem_any_bit(w & ~audit->w[i]) << i;
		tries |= gmem_any_bit(w & audit->w[i]) << i;
	}
	if (decides) {
		at = gmem_lowest(decides) & (GMEM_SET_WORDS - 1);
		bit = gmem_lowest(GMEM_MATCHING(at) & ~audit->w[at]);
		d.rule = at * 64 + bit;
		d.deny = deny->w[at] >> bit & 1;
	} else {
		d.rule = GMEM_RULE_DEFAULT(op);
		d.deny = head->default_deny >> op & 1;
	}
	if (tries) {
		at = gmem_lowest(tries) & (GMEM_SET_WORDS - 1);
		bit = gmem_lowest(GMEM_MATCHING(at) & audit->w[at]);
		if (at * 64 + bit < d.rule) {
			d.audit_rule = at * 64 + bit;
			d.audit_deny = deny->w[at] >> bit & 1;
		}
	}
	return d;
}

#endif /* GMEM_POLICY_MATCH_H */
