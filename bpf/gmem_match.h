/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The matcher: which rule decides a request. Compiled for the kernel and for user space, so that
 * `gmemctl test` decides as the kernel does. The includer defines, before:
 *
 *   static const struct gmem_set *gmem_set(const void *pool, __u32 index);
 *
 * the set of that number in the pool of a slot, or NULL. Every path that lacks something ends in a
 * denial by GMEM_RULE_BROKEN.
 */
#ifndef GMEM_MATCH_H
#define GMEM_MATCH_H

#include "gmem_policy.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#ifdef __clang__
#define GMEM_UNROLL _Pragma("unroll")
#else
#define GMEM_UNROLL
#endif

/* The lowest bit of a word that is not 0, without an instruction that BPF does not have. */
static __always_inline __u32 gmem_lowest(__u64 w)
{
	__u32 n = 0;

	w &= -w;
	n += !!(w & 0xaaaaaaaaaaaaaaaaULL);
	n += !!(w & 0xccccccccccccccccULL) << 1;
	n += !!(w & 0xf0f0f0f0f0f0f0f0ULL) << 2;
	n += !!(w & 0xff00ff00ff00ff00ULL) << 3;
	n += !!(w & 0xffff0000ffff0000ULL) << 4;
	n += !!(w & 0xffffffff00000000ULL) << 5;
	return n;
}

static __always_inline __u32 gmem_kind(const struct gmem_request *r)
{
	__u32 flags = r->flags < GMEM_FLAGS_MAX ? r->flags : GMEM_FLAGS_unknown;
	__u32 type = r->type < GMEM_TYPE_MAX ? r->type : GMEM_TYPE_unknown;
	__u32 detail = 0;

	if (r->op == GMEM_DO_mmap || r->op == GMEM_DO_fault)
		detail = r->prot & (GMEM_PROT_MAX - 1);
	else if (r->op == GMEM_DO_convert)
		detail = r->direction < GMEM_DIR_MAX ? r->direction : GMEM_DIR_other;
	detail = detail * GMEM_KINDS_PER_DETAIL + flags * GMEM_TYPE_MAX + type;
	switch (r->op) {
#define X(name, details) \
	case GMEM_DO_##name: return GMEM_KIND_##name + detail;
		GMEM_KINDS(X)
#undef X
	}
	return GMEM_KIND_MAX;
}

/* The interval in which a value lies: how many bounds are not above it. The same cost for all. */
static __always_inline __u32 gmem_interval(const __u64 *bounds, __u64 value)
{
	__u32 at = 0;

	GMEM_UNROLL
	for (__u32 step = (GMEM_MAX_BOUNDS + 1) / 2; step; step /= 2)
		at += bounds[(at + step - 1) & GMEM_MAX_BOUNDS] <= value ? step : 0;
	return at & GMEM_MAX_BOUNDS;
}

static __always_inline struct gmem_decision gmem_broken(void)
{
	return (struct gmem_decision){ .deny = 1,
				       .rule = GMEM_RULE_BROKEN,
				       .trial = GMEM_RULE_NONE };
}

/*
 * The rule that decides: the first one, in the order of the file, that names the operation and a
 * subject that the task is, and whose conditions hold. Rules in audit mode do not decide; the first
 * of those that would have is named.
 * @mine: the rules for what the task is
 *
 * All sets are walked whole, so that one rule costs what a thousand cost.
 */
static __always_inline struct gmem_decision gmem_decide(const struct gmem_head *head,
							const void *pool,
							const struct gmem_set *mine,
							const struct gmem_request *r)
{
	struct gmem_decision d = { .trial = GMEM_RULE_NONE };
	const struct gmem_set *kind = gmem_set(pool, GMEM_POOL_KIND + gmem_kind(r));
	const struct gmem_set *deny = gmem_set(pool, GMEM_POOL_DENY);
	const struct gmem_set *trial = gmem_set(pool, GMEM_POOL_TRIAL);
	const struct gmem_set *by[GMEM_BY_MAX] = { kind, kind, kind };
	const __u64 value[GMEM_BY_MAX] = { r->size, r->start, r->end };
	__u64 word = 0, trial_word = 0;
	__u32 at = 0, trial_at = 0, op = r->op & 31;

	if (!kind || !deny || !trial || r->op >= GMEM_DO_MAX)
		return gmem_broken();
	GMEM_UNROLL
	for (int i = 0; i < GMEM_BY_MAX; i++) {
		if (!(head->by[i] >> op & 1))
			continue;
		by[i] = gmem_set(pool, GMEM_POOL_INTERVAL + i * (GMEM_MAX_BOUNDS + 1) +
					       gmem_interval(head->bounds[i], value[i]));
		if (!by[i])
			return gmem_broken();
	}
	GMEM_UNROLL
	for (int i = GMEM_SET_WORDS - 1; i >= 0; i--) {
		__u64 w = mine->w[i] & kind->w[i] & by[0]->w[i] & by[1]->w[i] & by[2]->w[i];
		__u64 on_trial = w & trial->w[i];

		w &= ~trial->w[i];
		if (w) {
			word = w;
			at = i;
		}
		if (on_trial) {
			trial_word = on_trial;
			trial_at = i;
		}
	}
	if (word) {
		__u32 bit = gmem_lowest(word);

		d.rule = at * 64 + bit;
		d.deny = deny->w[at & (GMEM_SET_WORDS - 1)] >> bit & 1;
	} else {
		d.rule = GMEM_RULE_DEFAULT(op);
		d.deny = head->default_deny >> op & 1;
	}
	if (trial_word) {
		__u32 bit = gmem_lowest(trial_word);

		if (trial_at * 64 + bit < d.rule) {
			d.trial = trial_at * 64 + bit;
			d.trial_deny = deny->w[trial_at & (GMEM_SET_WORDS - 1)] >> bit & 1;
		}
	}
	return d;
}

#endif /* GMEM_MATCH_H */
