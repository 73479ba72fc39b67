// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <string.h>

#include "../../bpf/trace/buckets.h"
#include "fields.h"
#include "replay_values.h"

#define MAX_ERRNO 133

uint32_t replay_errno(const char *name)
{
	const char *known;
	uint32_t err;

	for (err = 1; err <= MAX_ERRNO; err++) {
		known = strerrorname_np((int)err);
		if (known && !strcmp(known, name))
			return err;
	}
	return (uint32_t)strtoul(name, NULL, 10);
}

void replay_errors(struct json_object *errors, struct sample_errors *to, uint32_t *op,
		   uint32_t *err)
{
	struct json_object *counts;
	int i, n;

	for (i = 0; i < GMEM_OP_MAX; i++) {
		counts = member(errors, op_names[i]);
		if (!counts || !json_object_is_type(counts, json_type_object))
			continue;
		n = 0;
		json_object_object_foreach(counts, name, count)
		{
			if (!strcmp(name, FIELD(operation, other)) || n == GMEM_ERRNOS) {
				to->other[i] += json_object_get_uint64(count);
				continue;
			}
			*err = to->err[i][n].err = replay_errno(name);
			*op = (uint32_t)i;
			to->err[i][n++].count = (__u32)json_object_get_uint64(count);
		}
	}
}

/* The number of a bucket at 32 bits, as in a record; what is above goes to @wraps. */
static void read_histogram(struct json_object *list, struct gmem_latency *latency, uint32_t *wraps)
{
	struct json_object *pair;
	uint64_t ns, nr;
	size_t i;

	for (i = 0; i < length(list); i++) {
		pair = json_object_array_get_idx(list, i);
		if (length(pair) != 2)
			continue;
		ns = json_object_get_uint64(json_object_array_get_idx(pair, 0));
		nr = json_object_get_uint64(json_object_array_get_idx(pair, 1));
		latency->hist[gmem_bucket(ns)] = (__u32)nr;
		wraps[gmem_bucket(ns)] = (uint32_t)(nr >> 32);
	}
}

void replay_latency(struct json_object *latency, struct sample_vm *vm, uint32_t *wraps)
{
	struct json_object *one;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		one = member(latency, direction_names[d]);
		vm->latency[d].max_ns = number(one, columns[COLUMN_max_ns].name);
		read_histogram(member(one, FIELD(direction, histogram)), &vm->latency[d],
			       wraps + d * GMEM_HIST_BUCKETS);
	}
}

void replay_durations(struct json_object *object, struct latency *latency)
{
	struct json_object *list = member(object, FIELD(direction, histogram)), *pair;
	size_t i;

	*latency = (struct latency){ .max_ns = number(object, columns[COLUMN_max_ns].name),
				     .high = GMEM_HIST_BUCKETS };
	for (i = 0; i < length(list); i++) {
		pair = json_object_array_get_idx(list, i);
		if (length(pair) == 2)
			latency->hist[gmem_bucket(
				json_object_get_uint64(json_object_array_get_idx(pair, 0)))] =
				json_object_get_uint64(json_object_array_get_idx(pair, 1));
	}
}

void replay_heat(struct json_object *object, struct gmem_heat *heat)
{
	uint64_t pages = number(object, FIELD(heat, cell_pages));
	struct json_object *list = member(object, FIELD(heat, pages));
	size_t i;

	heat->shift = pages ? (__u32)__builtin_ctzll(pages) : 0;
	heat->elsewhere = number(object, FIELD(heat, elsewhere));
	for (i = 0; i < GMEM_HEAT_CELLS && i < length(list); i++)
		heat->pages[i] = json_object_get_uint64(json_object_array_get_idx(list, i));
}

void replay_policy(struct policy_counts *counts, struct json_object *policy)
{
	struct json_object *denied = member(policy, FIELD(policy, denied)),
			   *would_deny = member(policy, FIELD(policy, would_deny));
	char mode[16] = "";
	int op;

	memset(counts, 0, sizeof(*counts));
	if (!json_object_is_type(policy, json_type_object))
		return;
	text(policy, FIELD(policy, mode), mode, sizeof(mode));
	counts->known = true;
	counts->in_force = *mode;
	counts->enforce = !strcmp(mode, "enforce");
	counts->generation = number(policy, FIELD(policy, generation));
	for (op = 0; op < POLICY_OPERATIONS; op++) {
		counts->denied[op] = number(denied, policy_operation_names[op]);
		counts->would_deny[op] = number(would_deny, policy_operation_names[op]);
	}
}
