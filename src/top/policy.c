// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/abi/policy.h"
#include "../lib/json.h"
#include "policy.h"

/* Other places are for those who ask gmemctl. */
#define MAPS "/sys/fs/bpf/gmem/maps/"

_Static_assert(POLICY_OPERATIONS == GMEM_DO_MAX, "operations");

const char *const policy_operation_names[GMEM_DO_MAX] = {
#define X(name, ...) [GMEM_DO_##name] = #name,
	GMEM_OPERATIONS(X)
#undef X
};

/* It is locked, and each more question would be one more denial in its log. */
static bool locked_out;

/* A map of the layout that is known here, or -1. */
static int open_map(const char *path, size_t value, __u32 entries)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd;

	fd = bpf_obj_get(path);
	if (fd < 0) {
		locked_out = errno == EACCES;
		return -1;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.value_size != value ||
	    info.max_entries != entries) {
		close(fd);
		return -1;
	}
	return fd;
}

static int add_up(int fd, struct policy_counts *counts)
{
	int cpus = libbpf_num_possible_cpus(), cpu, ret = 0;
	struct gmem_hits *hits;
	__u32 op;

	hits = cpus > 0 ? calloc((size_t)cpus, sizeof(*hits)) : NULL;
	if (!hits)
		return -1;
	for (op = 0; op < GMEM_DO_MAX && !ret; op++) {
		ret = bpf_map_lookup_elem(fd, &op, hits);
		for (cpu = 0; cpu < cpus && !ret; cpu++) {
			counts->denied[op] += hits[cpu].n[GMEM_VERDICT_denied];
			counts->would_deny[op] += hits[cpu].n[GMEM_VERDICT_would_deny];
		}
	}
	free(hits);
	return ret;
}

void policy_counts_read(struct policy_counts *counts)
{
	__u32 zero = 0;
	__u64 word;
	int active, hits;

	memset(counts, 0, sizeof(*counts));
	if (locked_out)
		return;
	active = open_map(MAPS "active", sizeof(word), 1);
	if (active < 0)
		return;
	hits = open_map(MAPS "op_hits", sizeof(struct gmem_hits), GMEM_DO_MAX);
	if (hits >= 0 && !bpf_map_lookup_elem(active, &zero, &word) && !add_up(hits, counts)) {
		counts->known = true;
		counts->in_force = word;
		counts->enforce = GMEM_ACTIVE_ENFORCES(word);
		counts->generation = GMEM_ACTIVE_GENERATION(word);
	}
	if (hits >= 0)
		close(hits);
	close(active);
}

__u64 policy_denied(const struct policy_counts *counts)
{
	__u64 sum = 0;
	int op;

	for (op = 0; op < GMEM_DO_MAX; op++)
		sum += counts->denied[op];
	return sum;
}

void policy_counts_json(const struct policy_counts *counts, struct json *json)
{
	int op;

	if (!counts->known) {
		json_null(json, "policy");
		return;
	}
	json_open(json, "policy", '{');
	json_str(json, "mode", !counts->in_force ? NULL : counts->enforce ? "enforce" : "audit");
	json_u64(json, "generation", counts->generation);
	json_open(json, "denied", '{');
	for (op = 0; op < GMEM_DO_MAX; op++)
		json_u64(json, policy_operation_names[op], counts->denied[op]);
	json_close(json, '}');
	json_open(json, "would_deny", '{');
	for (op = 0; op < GMEM_DO_MAX; op++)
		json_u64(json, policy_operation_names[op], counts->would_deny[op]);
	json_close(json, '}');
	json_close(json, '}');
}
