// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/log.h"
#include "../../lib/vm_name.h"
#include "../../policy/compile.h"
#include "../../policy/eval.h"
#include "existing.h"
#include "labels.h"
#include "who.h"

/* The first place that is about another instance than place @i. */
static size_t next_instance(const struct found_list *found, size_t i)
{
	const struct gmem_found *first = &found->list[i];

	while (i < found->nr && found->list[i].ino == first->ino &&
	       found->list[i].dev == first->dev)
		i++;
	return i;
}

/* Leave those that belong to the policy out of a list that is sorted by instance. */
static void keep_unlabelled(const struct store *store, struct found_list *found)
{
	size_t i, j, next, nr = 0;
	int ret;

	for (i = 0; i < found->nr; i = next) {
		next = next_instance(found, i);
		ret = -ENOENT;
		/* Not every place can be opened to look at the instance. */
		for (j = i; j < next && ret < 0; j++)
			ret = label_read(store, &found->list[j], true);
		for (j = i; j < next && ret <= 0; j++)
			found->list[nr++] = found->list[j];
	}
	found->nr = nr;
}

int existing_find(struct finder *finder, const struct store *store, bool any,
		  struct found_list *found)
{
	int ret;

	found_free(found);
	ret = find_instances(finder, found);
	if (!ret && any)
		keep_unlabelled(store, found);
	return ret;
}

static __u32 type_of(const struct gmem_found *place)
{
	if (!place->kvm)
		return GMEM_TYPE_unknown;
	switch (place->type) {
#define X(name, number) \
	case number: return GMEM_TYPE_##name;
		GMEM_VM_TYPES(X)
#undef X
	}
	return GMEM_TYPE_other;
}

/* The creation of an instance like this one. */
static struct gmem_request creation_of(const struct gmem_found *place)
{
	struct gmem_request request = {
		.op = GMEM_DO_create,
		.flags = place->flags == GMEM_UNKNOWN ? GMEM_FLAGS_unknown
						      : GMEM_FLAGS_OF(place->flags),
		.type = type_of(place),
		.size = place->size ?: POLICY_VALUE_UNKNOWN,
	};

	return request;
}

static void add_name(char *names, const char *name)
{
	size_t len = strlen(names);

	snprintf(names + len, EXISTING_NAMES - len, "%s%s", len ? ", " : "", name);
}

/* The same as the kernel sees the process, by the policy in a slot that is not in force yet. */
static struct gmem_decision ask_kernel(const struct compiled *compiled,
				       const struct in_force *kernel, const struct who_process *who,
				       const struct gmem_request *request,
				       struct existing_process *process)
{
	struct gmem_decision denied = { .deny = 1, .rule = GMEM_RULE_BROKEN };
	struct standing standing;
	unsigned int i;

	if (in_force_resolve(kernel, process->place.tgid, who->who.uid,
			     *who->cgroup ? who->cgroup : NULL, &standing))
		return denied;
	for (i = 0; i < compiled->policy->nr_subjects; i++) {
		if (set_has(&standing.subjects, i))
			add_name(process->subjects, compiled->policy->subjects[i].name);
	}
	return in_force_decide(kernel, &standing, true, request);
}

static struct gmem_decision ask_proc(const struct compiled *compiled, const struct who_process *who,
				     const struct gmem_request *request,
				     struct existing_process *process)
{
	const struct policy *policy = compiled->policy;
	size_t i;

	for (i = 0; i < policy->nr_subjects; i++) {
		if (eval_subject(&policy->subjects[i], &who->who).holds)
			add_name(process->subjects, policy->subjects[i].name);
	}
	return policy_decide(compiled, &who->who, request);
}

/* A process that holds many instances is read once. @before: the line before, or NULL */
static void describe(const struct compiled *compiled, const struct in_force *kernel,
		     struct who_process *who, const struct existing_process *before,
		     struct existing_process *process)
{
	struct gmem_decision decision = { .deny = 1, .rule = GMEM_RULE_BROKEN };
	struct gmem_request request = creation_of(&process->place), last;

	if (before && before->place.tgid == process->place.tgid) {
		last = creation_of(&before->place);
		if (!memcmp(&last, &request, sizeof(last))) {
			memcpy(process->vm, before->vm, sizeof(process->vm));
			memcpy(process->subjects, before->subjects, sizeof(process->subjects));
			memcpy(process->rule, before->rule, sizeof(process->rule));
			process->adoptable = before->adoptable;
			return;
		}
	}
	vm_name_of(process->place.tgid, process->vm, sizeof(process->vm));
	if (!who_of_process(process->place.tgid, who))
		decision = kernel ? ask_kernel(compiled, kernel, who, &request, process)
				  : ask_proc(compiled, who, &request, process);
	process->adoptable = !decision.deny;
	snprintf(process->rule, sizeof(process->rule), "%s",
		 decision_rule(compiled->policy, decision.rule));
}

static bool same_instance(const struct gmem_found *a, const struct gmem_found *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

/* An instance is adoptable if all its processes are. */
static void sum_up(struct existing *existing)
{
	size_t i, j, next;
	bool whole;

	for (i = 0; i < existing->nr; i = next) {
		whole = true;
		for (next = i; next < existing->nr &&
			       same_instance(&existing->list[i].place, &existing->list[next].place);
		     next++)
			whole = whole && existing->list[next].adoptable;
		for (j = i; j < next; j++)
			existing->list[j].whole = whole;
		existing->instances++;
		existing->adoptable += whole;
	}
}

int existing_list(const struct compiled *compiled, const struct found_list *found,
		  const struct in_force *kernel, struct existing *existing)
{
	const struct gmem_found *place, *before;
	struct existing_process *process;
	struct who_process *who;
	size_t i;

	memset(existing, 0, sizeof(*existing));
	if (!found->nr)
		return 0;
	who = malloc(sizeof(*who));
	existing->list = calloc(found->nr, sizeof(*existing->list));
	if (!who || !existing->list) {
		free(who);
		existing_free(existing);
		return log_error(-ENOMEM, NULL, NULL, "list the instances that exist");
	}
	for (i = 0; i < found->nr; i++) {
		place = &found->list[i];
		before = i ? &found->list[i - 1] : NULL;
		/* Sorted by instance and process: one line for each. */
		if (before && same_instance(before, place) && before->tgid == place->tgid)
			continue;
		process = &existing->list[existing->nr++];
		process->place = *place;
		describe(compiled, kernel, who, existing->nr > 1 ? process - 1 : NULL, process);
	}
	free(who);
	sum_up(existing);
	return 0;
}

void existing_free(struct existing *existing)
{
	free(existing->list);
	memset(existing, 0, sizeof(*existing));
}

int existing_adopt(const struct store *store, struct existing *existing)
{
	size_t i, j, next;
	bool done, gone;
	int ret;

	for (i = 0; i < existing->nr; i = next) {
		done = false;
		gone = true;
		for (next = i; next < existing->nr &&
			       same_instance(&existing->list[i].place, &existing->list[next].place);
		     next++) {
			if (!existing->list[next].whole || done)
				continue;
			ret = label_adopt(store, &existing->list[next].place);
			if (ret == -ENOMEM || ret == -EACCES || ret == -EPERM)
				return ret;
			done = ret > 0;
			gone = gone && ret == -ENOENT;
		}
		if (!existing->list[i].whole || done)
			continue;
		existing->adoptable--;
		existing->instances -= gone;
		for (j = i; j < next; j++)
			existing->list[j].whole = false;
	}
	return 0;
}

int existing_allow(const struct existing *existing, bool adopt, bool deny)
{
	size_t left = existing->instances - (adopt ? existing->adoptable : 0);
	char why[256];

	if (!left || deny)
		return 0;
	if (adopt)
		snprintf(
			why, sizeof(why),
			"%zu %s held by processes that the policy does not allow to create %s, and "
			"everything would be denied for %s",
			left, left == 1 ? "existing instance is" : "existing instances are",
			left == 1 ? "it" : "them", left == 1 ? "it" : "them");
	else
		snprintf(why, sizeof(why),
			 "%zu %s before the policy, and everything would be denied for %s", left,
			 left == 1 ? "instance existed" : "instances existed",
			 left == 1 ? "it" : "them");
	return log_error(-EOPNOTSUPP, why,
			 adopt ? "add --deny-existing if that is meant"
			       : "use --adopt, which takes in those that the policy allows, or "
				 "--deny-existing",
			 "enforce the policy");
}

/*
 * The policy that is to be enforced: the one in force, or the one before it in the mode that it
 * had. Return: whether there is one.
 */
static bool choose(struct in_force *force, bool previous)
{
	int slot;

	if (!previous)
		return force->policy;
	slot = store_previous(&force->store);
	if (slot < 0 || !force->store.slots[slot].enforce)
		return false;
	force->slot = (unsigned int)slot;
	policy_free(force->policy);
	force->policy = in_force_policy(&force->store, force->slot);
	return force->policy;
}

int existing_check(const char *dir, const struct existing_wish *wish, struct existing *existing)
{
	struct compiled compiled = { 0 };
	struct found_list found = { 0 };
	struct in_force force;
	struct finder finder;
	int ret;

	memset(existing, 0, sizeof(*existing));
	ret = in_force_open(&force, dir);
	if (ret)
		return ret;
	if (!force.word || GMEM_ACTIVE_ENFORCES(force.word) || !choose(&force, wish->previous))
		goto out;
	compiled.policy = force.policy;
	finder_open(&finder, NULL);
	ret = existing_find(&finder, &force.store, true, &found);
	finder_close(&finder);
	ret = ret ?: existing_list(&compiled, &found, &force, existing);
	ret = ret ?: existing_allow(existing, wish->adopt, wish->deny);
	if (!ret && wish->adopt)
		ret = existing_adopt(&force.store, existing);
	/* Not all of those that are adoptable can be labelled. */
	if (!ret && wish->adopt)
		ret = existing_allow(existing, true, wish->deny);
	found_free(&found);
out:
	in_force_close(&force);
	return ret;
}
