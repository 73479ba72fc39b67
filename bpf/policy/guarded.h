/* SPDX-License-Identifier: GPL-2.0-only */
/* Which processes are guarded, see bpf/policy/guards.h. Included by gmem_policy.bpf.c only. */
#ifndef GMEM_POLICY_GUARDED_H
#define GMEM_POLICY_GUARDED_H

#include "maps.h"

/* Does the policy in a slot name it, or did it before `refresh --forget`? */
static __noinline bool is_named(const struct gmem_identity *identity, __u32 slot)
{
	struct gmem_identity key;

	if (!identity || !identity->kind)
		return false;
	key = *identity;
	key.slot = slot;
	return bpf_map_lookup_elem(&gmem_exes, &key);
}

/* Is the process guarded? Also without the identity that decisions are made by. */
static __noinline bool is_guarded(const struct gmem_tag *tag, __u32 slot)
{
	return tag && (tag->flags & GMEM_TAG_GUARDED || is_named(&tag->exe, slot) ||
		       is_named(&tag->verity, slot));
}

#endif /* GMEM_POLICY_GUARDED_H */
