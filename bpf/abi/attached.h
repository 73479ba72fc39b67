/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpf/inspect/gmem_attached.bpf.c writes. */
#ifndef GMEM_ABI_ATTACHED_H
#define GMEM_ABI_ATTACHED_H

#include "policy_maps.h"

/* A program that is attached to an LSM hook and uses the map `active` of a policy. */
struct gmem_attached {
	__u32 link, program, map; /* ids; the map is `active`, which each policy has one of */
	__u32 locked;		  /* by --lock */
	__u8 tag[8];		  /* of the program: a hash of its code */
	char name[16];
	__u64 word;	 /* of the map `active`, 0: nothing is in force */
	char policy[64]; /* its name, "": nothing is in force, or another version's maps */
	struct gmem_slot how;
	struct gmem_journal journal;
};

#endif /* GMEM_ABI_ATTACHED_H */
