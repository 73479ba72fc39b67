/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF objects of the kernel by their ids, to find what somebody left. The kernel numbers each
 * kind in ascending order, and frees late: an object that a program before has closed may still be
 * there at first and gone afterwards. So what counts is which objects are newer than a moment,
 * never how many there are.
 */
#ifndef VM_BPF_OBJECTS_H
#define VM_BPF_OBJECTS_H

#include <stddef.h>

#include <bpf/bpf.h>

static const struct bpf_objects_kind {
	const char *name;
	int (*next)(__u32 start, __u32 *next);
} bpf_objects_kinds[] = {
	{ "program", bpf_prog_get_next_id },
	{ "map", bpf_map_get_next_id },
	{ "link", bpf_link_get_next_id },
	{ "BTF", bpf_btf_get_next_id },
};

#define BPF_OBJECTS_KINDS (sizeof(bpf_objects_kinds) / sizeof(bpf_objects_kinds[0]))

/* A moment: the largest id of each kind; 0 where there is none. */
struct bpf_objects {
	__u32 newest[BPF_OBJECTS_KINDS];
};

/* Remember the moment. */
static inline void bpf_objects_now(struct bpf_objects *moment)
{
	size_t k;

	for (k = 0; k < BPF_OBJECTS_KINDS; k++) {
		moment->newest[k] = 0;
		for (__u32 id = 0; !bpf_objects_kinds[k].next(id, &id);)
			moment->newest[k] = id;
	}
}

/* How many objects of a kind are there that were not at that moment. */
static inline size_t bpf_objects_newer(const struct bpf_objects *moment, size_t kind)
{
	size_t nr = 0;

	for (__u32 id = moment->newest[kind]; !bpf_objects_kinds[kind].next(id, &id);)
		nr++;
	return nr;
}

/* The same of all kinds together. */
static inline size_t bpf_objects_all_newer(const struct bpf_objects *moment)
{
	size_t k, nr = 0;

	for (k = 0; k < BPF_OBJECTS_KINDS; k++)
		nr += bpf_objects_newer(moment, k);
	return nr;
}

#endif /* VM_BPF_OBJECTS_H */
