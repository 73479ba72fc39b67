// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <unistd.h>

#include "../lib/attached.h"
#include "../lib/json.h"
#include "fields.h"
#include "policy.h"

/* The default directory in which gmemctl pins a policy. */
#define PINS "/sys/fs/bpf/gmem"

_Static_assert(POLICY_OPERATIONS == GMEM_DO_MAX, "operations");

const char *const policy_operation_names[GMEM_DO_MAX] = {
#define X(name, ...) [GMEM_DO_##name] = #name,
	GMEM_OPERATIONS(X)
#undef X
};

/* Loaded when there is a policy for the first time: hosts without one pay nothing for it. */
static struct gmem_attached_bpf *reader;
static bool refused;

static bool open_reader(void)
{
	if (!reader && !refused && !access(PINS, F_OK))
		refused = attached_open(&reader);
	return reader;
}

void policy_counts_prepare(void)
{
	if (!reader && !refused)
		refused = attached_open(&reader);
}

/* The policy that decides, if several are attached; NULL: none is. */
static const struct gmem_attached *choose(const struct attached *attached)
{
	const struct gmem_attached *best = NULL, *policy;
	size_t i;

	for (i = 0; i < attached->nr; i++) {
		policy = &attached->list[i].first;
		if (!best || (policy->word && (!best->word || GMEM_ACTIVE_ENFORCES(policy->word))))
			best = policy;
	}
	return best;
}

void policy_counts_read(struct policy_counts *counts)
{
	const struct gmem_attached *policy;
	struct attached attached = { 0 };
	int op;

	memset(counts, 0, sizeof(*counts));
	if (!open_reader() || attached_list(reader, &attached))
		return;
	policy = choose(&attached);
	if (policy) {
		counts->known = true;
		counts->in_force = policy->word;
		counts->enforce = GMEM_ACTIVE_ENFORCES(policy->word);
		counts->generation = GMEM_ACTIVE_GENERATION(policy->word);
		for (op = 0; op < GMEM_DO_MAX; op++) {
			counts->denied[op] = policy->journal.denied[op];
			counts->would_deny[op] = policy->journal.would_deny[op];
		}
	}
	attached_free(&attached);
}

__u64 policy_denied(const struct policy_counts *counts)
{
	__u64 sum = 0;
	int op;

	for (op = 0; op < GMEM_DO_MAX; op++)
		sum += counts->denied[op];
	return sum;
}

void policy_counts_json(const struct policy_counts *counts, const char *name, struct json *json)
{
	int op;

	if (!counts->known) {
		json_null(json, name);
		return;
	}
	json_open(json, name, '{');
	json_str(json, FIELD(policy, mode),
		 !counts->in_force ? NULL
		 : counts->enforce ? "enforce"
				   : "audit");
	json_u64(json, FIELD(policy, generation), counts->generation);
	json_open(json, FIELD(policy, denied), '{');
	for (op = 0; op < GMEM_DO_MAX; op++)
		json_u64(json, policy_operation_names[op], counts->denied[op]);
	json_close(json, '}');
	json_open(json, FIELD(policy, would_deny), '{');
	for (op = 0; op < GMEM_DO_MAX; op++)
		json_u64(json, policy_operation_names[op], counts->would_deny[op]);
	json_close(json, '}');
	json_close(json, '}');
}
