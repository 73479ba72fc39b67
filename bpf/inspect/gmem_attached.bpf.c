// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which policies are attached to this kernel, wherever they are pinned, and what they decide.
 *
 * A policy is found by its links and read from the kernel's memory, not from its pins: they can be
 * in another mount namespace or another BPF file system. The maps are not opened, so that a locked
 * policy can be read without a denial.
 */
#include <stdbool.h>

#include "../kernel/types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "../abi/attached.h"
#include "../abi/policy_maps.h"
#include "../kernel/lock_types.h"

char LICENSE[] SEC("license") = "GPL";

/* More maps than the programs of any version have. */
#define MAX_MAPS 32

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_prog_aux___attached {
	struct bpf_map___attached **used_maps;
	unsigned int used_map_cnt;
	unsigned int id;
	char name[16];
};

struct bpf_prog___attached {
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	unsigned char tag[8];
	struct bpf_prog_aux___attached *aux;
};

struct bpf_link___attached {
	unsigned int id;
	struct bpf_prog___attached *prog;
};

struct bpf_map___attached {
	enum bpf_map_type map_type;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int id;
	char name[16];
};

struct bpf_array {
	char value[0];
};

struct bpf_iter__bpf_link {
	struct bpf_iter_meta *meta;
	struct bpf_link *link;
};

#pragma clang attribute pop

/*
 * What is being read: the record, and the maps of the program as far as they are read here; NULL:
 * it does not use that map. Not on the stack, where the verifier would follow every combination.
 */
struct reading {
	struct gmem_attached found;
	struct bpf_map___attached *active, *heads, *slots, *journal, *locked;
	struct bpf_map___attached **used;
	__u32 nr_used;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reading);
} gmem_readings SEC(".maps");

static __always_inline bool is_array_of(struct bpf_map___attached *map, __u32 value, __u32 entries)
{
	return BPF_CORE_READ(map, map_type) == BPF_MAP_TYPE_ARRAY &&
	       BPF_CORE_READ(map, value_size) == value &&
	       BPF_CORE_READ(map, max_entries) == entries;
}

static __always_inline bool is_called(struct bpf_map___attached *map, const char *name)
{
	char have[16] = "";

	BPF_CORE_READ_STR_INTO(&have, map, name);
	return !bpf_strncmp(have, sizeof(have), name);
}

static long note_map(__u32 i, struct reading **at)
{
	struct reading *reading = *at;
	struct bpf_map___attached *map = NULL;

	if (i >= reading->nr_used)
		return 1;
	if (bpf_probe_read_kernel(&map, sizeof(map), reading->used + i) || !map)
		return 0;
	if (is_called(map, "gmem_active") && is_array_of(map, sizeof(__u64), 1))
		reading->active = map;
	else if (is_called(map, "gmem_heads") &&
		 is_array_of(map, sizeof(struct gmem_head), GMEM_SLOTS))
		reading->heads = map;
	else if (is_called(map, "gmem_slots") &&
		 is_array_of(map, sizeof(struct gmem_slot), GMEM_SLOTS))
		reading->slots = map;
	else if (is_called(map, "gmem_journal") && is_array_of(map, sizeof(struct gmem_journal), 1))
		reading->journal = map;
	else if (is_called(map, "gmem_locked") && is_array_of(map, sizeof(struct gmem_lock), 1))
		reading->locked = map;
	return 0;
}

/* The address of an entry of an array. Entries are rounded up to eight bytes. */
static __always_inline void *entry_of(struct bpf_map___attached *map, __u32 index, __u32 size)
{
	return (void *)map + bpf_core_field_offset(struct bpf_array, value) +
	       (__u64)index * ((size + 7) & ~7U);
}

static __always_inline void read_policy(struct reading *reading)
{
	struct bpf_map___attached *active = reading->active;
	struct gmem_attached *found = &reading->found;
	__u32 slot;

	found->map = BPF_CORE_READ(active, id);
	bpf_probe_read_kernel(&found->word, sizeof(found->word),
			      entry_of(active, 0, sizeof(found->word)));
	if (reading->journal)
		bpf_probe_read_kernel(&found->journal, sizeof(found->journal),
				      entry_of(reading->journal, 0, sizeof(found->journal)));
	if (reading->locked)
		bpf_probe_read_kernel(&found->locked, sizeof(found->locked),
				      entry_of(reading->locked, 0, sizeof(struct gmem_lock)));
	slot = GMEM_ACTIVE_SLOT(found->word);
	/* Another version has other maps: then its policy has no name here. */
	if (!found->word || !reading->heads || !reading->slots)
		return;
	bpf_probe_read_kernel(&found->policy, sizeof(found->policy),
			      entry_of(reading->heads, slot, sizeof(struct gmem_head)) +
				      __builtin_offsetof(struct gmem_head, name));
	bpf_probe_read_kernel(&found->how, sizeof(found->how),
			      entry_of(reading->slots, slot, sizeof(struct gmem_slot)));
}

SEC("iter/bpf_link")
int gmem_attached(struct bpf_iter__bpf_link *ctx)
{
	struct bpf_link___attached *link = (void *)ctx->link;
	struct bpf_prog___attached *prog;
	struct reading *reading;
	__u32 zero = 0;

	reading = bpf_map_lookup_elem(&gmem_readings, &zero);
	if (!link || !reading)
		return 0;
	prog = BPF_CORE_READ(link, prog);
	if (!prog || BPF_CORE_READ(prog, type) != BPF_PROG_TYPE_LSM)
		return 0;
	__builtin_memset(reading, 0, sizeof(*reading));
	reading->used = BPF_CORE_READ(prog, aux, used_maps);
	reading->nr_used = BPF_CORE_READ(prog, aux, used_map_cnt);
	bpf_loop(MAX_MAPS, note_map, &reading, 0);
	if (!reading->active)
		return 0;
	reading->found.link = BPF_CORE_READ(link, id);
	reading->found.program = BPF_CORE_READ(prog, aux, id);
	BPF_CORE_READ_INTO(&reading->found.tag, prog, tag);
	BPF_CORE_READ_STR_INTO(&reading->found.name, prog, aux, name);
	read_policy(reading);
	bpf_seq_write(ctx->meta->seq, &reading->found, sizeof(reading->found));
	return 0;
}
