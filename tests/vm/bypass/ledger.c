// SPDX-License-Identifier: GPL-2.0-only
/* Policies of cases, and what became of requests under them: counters and events. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "../../../src/ctl/kernel/store.h"
#include "../lib/policies.h"
#include "bypass.h"

_Static_assert(GMEM_DO_MAX + GMEM_GUARD_MAX <= DENIABLE_MAX, "deniable");

/* --- counters --- */

static int open_store(struct store *store, struct pins *pins)
{
	int ret;

	ret = pins_open(pins, NULL, false);
	if (ret)
		return ret;
	ret = pins_exist(pins);
	if (ret <= 0)
		return ret ?: -ENOENT;
	return store_open(store, pins);
}

static void note(struct counts *counts, int op, const struct gmem_hits *hits)
{
	counts->allowed[op] = hits->n[GMEM_VERDICT_allowed];
	counts->denied[op] = hits->n[GMEM_VERDICT_denied];
	counts->would_deny[op] = hits->n[GMEM_VERDICT_would_deny];
}

void counts_read(struct counts *counts)
{
	struct gmem_hits ops[GMEM_DO_MAX], guards[GMEM_GUARD_MAX];
	struct store store;
	struct pins pins;
	int ret;

	memset(counts, 0, sizeof(*counts));
	ret = open_store(&store, &pins);
	if (ret == -ENOENT)
		return;
	if (!ret)
		ret = store_hits(&store, MAP_op_hits, 0, GMEM_DO_MAX, ops);
	if (!ret)
		ret = store_hits(&store, MAP_guard_hits, 0, GMEM_GUARD_MAX, guards);
	if (ret) {
		fprintf(stderr, "reading the counters: %s\n", strerror(-ret));
		exit(ENDED_BROKEN);
	}
	for (int op = 0; op < GMEM_DO_MAX; op++)
		note(counts, op, &ops[op]);
	for (int guard = 0; guard < GMEM_GUARD_MAX; guard++)
		note(counts, GMEM_DO_GUARD(guard), &guards[guard]);
	counts->events = store.journal->events;
	counts->lost = store.journal->lost;
	counts->loaded = store_active(&store);
	store_close(&store);
}

uint64_t counts_denied(const struct counts *before, const struct counts *after)
{
	uint64_t sum = 0;

	for (int op = 0; op < DENIABLE_MAX; op++)
		sum += after->denied[op] - before->denied[op] + after->would_deny[op] -
		       before->would_deny[op];
	return sum;
}

/* --- events --- */

#define EVENTS_SHOWN 8

struct taken {
	int op;
	uint64_t n, others;
};

static int take(void *data, void *event, size_t size)
{
	const struct gmem_denial *denial = event;
	struct taken *taken = data;

	if (size == sizeof(*denial) && denial->request.op == (unsigned int)taken->op &&
	    denial->verdict == GMEM_VERDICT_denied && denial->pid)
		taken->n++;
	else
		taken->others++;
	if (bypass_run.verbose && taken->n + taken->others <= EVENTS_SHOWN)
		fprintf(stderr, "event: op %u verdict %u rule %u pid %u uid %u %s\n",
			denial->request.op, denial->verdict, denial->rule, denial->pid, denial->uid,
			denial->comm);
	return 0;
}

static int take_events(struct taken *taken)
{
	struct ring_buffer *ring;
	struct store store;
	struct pins pins;
	int ret;

	ret = open_store(&store, &pins);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ring = ring_buffer__new(store.fd[MAP_denials], take, taken, NULL);
	ret = ring ? ring_buffer__consume(ring) : -errno;
	ring_buffer__free(ring);
	store_close(&store);
	return ret < 0 ? ret : 0;
}

void drop_events(void)
{
	struct taken taken = { .op = -1 };

	take_events(&taken);
}

int check_ledger(const struct counts *before, int op, int n)
{
	struct taken taken = { .op = op };
	uint64_t denied, lost;
	struct counts after;
	int ret;

	if (n == BYPASS_NONE)
		n = 0;
	counts_read(&after);
	denied = counts_denied(before, &after);
	lost = after.lost - before->lost;
	ret = take_events(&taken);
	if (ret)
		return failed("reading the events: %s", strerror(-ret)), -1;
	if (n == BYPASS_SOME ? !denied : denied != (uint64_t)n)
		return failed("%llu denials, wanted %d", (unsigned long long)denied, n), -1;
	if (denied && (op < 0 || after.denied[op] - before->denied[op] != denied))
		return failed("%llu denials, not all of operation %d", (unsigned long long)denied,
			      op),
		       -1;
	if (after.events - before->events != denied || taken.n + lost != denied || taken.others)
		return failed("%llu denials; %llu events, %llu came, %llu of others, %llu lost",
			      (unsigned long long)denied,
			      (unsigned long long)(after.events - before->events),
			      (unsigned long long)taken.n, (unsigned long long)taken.others,
			      (unsigned long long)lost),
		       -1;
	return 0;
}

/* --- policies --- */

char *stage_policy(const struct bypass_case *c)
{
	unsigned int deny = bypass_run.carried;
	char may[256] = "";

	if (c->strict && c->op >= 0)
		deny |= 1U << c->op;
	if (c->policy)
		return policy_text(deny, "%s%s", c->head ?: "", c->policy);
	if (c->x_may)
		snprintf(may, sizeof(may), "  - { name: x-may, allow: [%s], subjects: [x] }\n",
			 c->x_may);
	return policy_text(deny,
			   "%ssubjects:\n"
			   "  a: { exe: %s }\n%s"
			   "rules:\n"
			   "%s%s"
			   "  - { name: a, allow: all, subjects: [a] }\n",
			   c->head ?: "", who_paths[WHO_a],
			   c->x_may || c->rules ? "  x: { exe: " BYPASS_DIR "/x }\n" : "",
			   c->rules ?: "", may);
}

/* What is in force, as this run put it there. */
static char *in_force;

void stage_forget(void)
{
	free(in_force);
	in_force = NULL;
}

int stage_load_flags(const char *text, bool enforce, unsigned int flags)
{
	if (bypass_run.falsify)
		return 0;
	stage_forget();
	return policy_load(text, enforce, flags);
}

int stage_load(const char *text, bool strict)
{
	static bool was_strict;
	int ret;

	if (in_force && strict == was_strict && !strcmp(in_force, text))
		return 0;
	ret = stage_load_flags(text, true, strict ? POLICY_STRICT : 0);
	if (!ret && !bypass_run.falsify)
		in_force = strdup(text);
	was_strict = strict;
	return ret;
}

int stage_load_for(const char *path)
{
	char rules[512], *text;
	int ret;

	snprintf(rules, sizeof(rules),
		 "subjects: { c: { exe: %s } }\n"
		 "rules: [ { name: c, allow: all, subjects: [c] } ]\n",
		 path);
	text = policy_text(bypass_run.carried, "%s", rules);
	ret = stage_load(text, false);
	free(text);
	return ret ? failed("load: %d", ret) : 0;
}

int stage_begin(const struct bypass_case *c, struct counts *before)
{
	char *text = stage_policy(c);
	int ret = stage_load(text, c->strict);

	free(text);
	if (ret)
		return failed("%s: load: %d", c->id, ret);
	drop_events();
	counts_read(before);
	return 0;
}

void stage_unload(void)
{
	if (bypass_run.now && !bypass_run.now->first_load) {
		failed("%s unloads the policy, and does not say so: first_load",
		       bypass_run.now->id);
		abort();
	}
	stage_forget();
	policy_unload();
}
