// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "query.h"

/* Rules that were searched already, by hash: most classes of tasks have the rules of another one. */
struct seen {
	struct gmem_set (*sets)[POLICIES_MAX];
	size_t *notes; /* of the caller, by set; 0: the slot is free */
	size_t room;
};

static int seen_open(struct seen *seen, size_t nr)
{
	seen->room = 2 * nr + 1;
	seen->sets = calloc(seen->room, sizeof(*seen->sets));
	seen->notes = calloc(seen->room, sizeof(*seen->notes));
	return seen->sets && seen->notes ? 0 : -ENOMEM;
}

static void seen_close(struct seen *seen)
{
	free(seen->sets);
	free(seen->notes);
}

static void seen_clear(struct seen *seen)
{
	memset(seen->notes, 0, seen->room * sizeof(*seen->notes));
}

/* The note of these rules, 0 if they are new. The caller sets it then. */
static size_t *seen_note(struct seen *seen, const struct gmem_set mine[POLICIES_MAX])
{
	const __u64 *words = mine[0].w;
	__u64 hash = 0;
	size_t at;
	int i;

	for (i = 0; i < POLICIES_MAX * GMEM_SET_WORDS; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	for (at = (hash >> 24) % seen->room; seen->notes[at]; at = (at + 1) % seen->room) {
		if (!memcmp(seen->sets[at], mine, sizeof(*seen->sets)))
			break;
	}
	memcpy(seen->sets[at], mine, sizeof(*seen->sets));
	return &seen->notes[at];
}

/* The rules of a class of tasks that decide an operation. */
static void rules_of(const struct search *search, const struct task_class *class, __u32 op,
		     struct gmem_set mine[POLICIES_MAX])
{
	unsigned int p;

	for (p = 0; p < search->nr; p++)
		policy_rules_of(search->policies[p], &class->subjects[p], &mine[p]);
	search_narrow(search, op, mine);
}

/* --- differences --- */

/* The first task, in the order of the classes, and its smallest request. */
static int find_difference(struct search *search, const struct task_classes *classes,
			   struct seen *seen, __u32 op, struct policy_diff *diff)
{
	struct difference *to = &diff->list[diff->nr];
	struct gmem_set mine[POLICIES_MAX];
	unsigned int p;
	size_t i, *note;
	int ret;

	seen_clear(seen);
	for (i = 0; i < classes->nr; i++) {
		rules_of(search, &classes->list[i], op, mine);
		note = seen_note(seen, mine);
		if (*note)
			continue;
		*note = 1;
		ret = search_request(search, op, mine, &to->request);
		if (ret < 0)
			return ret;
		if (!ret)
			continue;
		to->who = classes->list[i].who;
		for (p = 0; p < POLICIES_MAX; p++)
			to->decisions[p] =
				policy_decide(search->policies[p], &to->who, &to->request);
		diff->nr++;
		return 0;
	}
	return 0;
}

static void diff_managers(const struct task_classes *classes,
			  const struct compiled *const policies[POLICIES_MAX],
			  struct policy_diff *diff)
{
	bool is[POLICIES_MAX];
	unsigned int p;
	size_t i;

	for (i = 0; i < classes->nr && !diff->manager; i++) {
		const struct task_class *class = &classes->list[i];

		for (p = 0; p < POLICIES_MAX; p++)
			is[p] = policies[p]->head.manager && class->who.root == GMEM_ROOT_host &&
				set_has(&class->subjects[p], policies[p]->head.manager - 1);
		if (is[0] == is[1])
			continue;
		diff->manager = true;
		diff->manager_who = class->who;
		memcpy(diff->is_manager, is, sizeof(is));
	}
}

/* A policy guards the processes whose executable a subject names, whatever else it requires. */
static __u32 guards_of(const struct compiled *compiled, const struct who *who)
{
	struct gmem_set by_exe;
	size_t i;

	policy_subjects_by(compiled, who, GMEM_CLASS_exe, &by_exe);
	for (i = 0; i < compiled->policy->nr_subjects; i++) {
		const struct policy_subject *subject = &compiled->policy->subjects[i];

		if ((subject->exe || subject->has_verity) && set_has(&by_exe, (unsigned int)i))
			return compiled->head.guards;
	}
	return 0;
}

static void diff_guards(const struct compiled *const policies[POLICIES_MAX],
			struct policy_diff *diff)
{
	struct who who;
	__u32 guards[POLICIES_MAX];
	unsigned int p, q;
	size_t i;

	for (p = 0; p < POLICIES_MAX; p++) {
		const struct policy *policy = policies[p]->policy;

		for (i = 0; i < policy->nr_subjects && !diff->guards; i++) {
			const struct policy_subject *subject = &policy->subjects[i];

			if (!subject->exe && !subject->has_verity)
				continue;
			memset(&who, 0, sizeof(who));
			who.exe = subject->exe;
			who.exe_untrusted_fs = subject->exe_untrusted_fs;
			who.has_exe_identity = subject->exe_known;
			who.exe_identity = subject->exe_identity;
			who.has_verity = subject->has_verity;
			who.verity = subject->verity;
			for (q = 0; q < POLICIES_MAX; q++)
				guards[q] = guards_of(policies[q], &who);
			if (guards[0] == guards[1])
				continue;
			diff->guards = true;
			diff->guards_who = who;
			memcpy(diff->guarded, guards, sizeof(guards));
		}
	}
}

int policy_diff(const struct compiled *a, const struct compiled *b, struct policy_diff *diff)
{
	struct search search = { .policies = { a, b }, .nr = POLICIES_MAX };
	struct task_classes classes = { 0 };
	struct seen seen = { 0 };
	int ret, second;
	__u32 op;

	memset(diff, 0, sizeof(*diff));
	ret = task_classes_find(search.policies, search.nr, &classes);
	ret = ret ?: seen_open(&seen, classes.nr);
	ret = ret ?: search_open(&search);
	for (op = 0; op < GMEM_DO_MAX; op++) {
		for (second = 1; second >= 0 && !ret; second--) {
			search.deny[0] = !second;
			search.deny[1] = second;
			ret = find_difference(&search, &classes, &seen, op, diff);
		}
	}
	if (!ret) {
		diff_managers(&classes, search.policies, diff);
		diff_guards(search.policies, diff);
	}
	diff->classes = classes.nr;
	diff->boxes = search.boxes;
	search_close(&search);
	seen_close(&seen);
	task_classes_free(&classes);
	return ret;
}

/* --- abilities --- */

static bool contains(const struct gmem_set *set, const struct gmem_set *part)
{
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++) {
		if (part->w[k] & ~set->w[k])
			return false;
	}
	return true;
}

static bool meet(const struct gmem_set *a, const struct gmem_set *b)
{
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++) {
		if (a->w[k] & b->w[k])
			return true;
	}
	return false;
}

/* Does the same rule allow it to tasks that are some of these subjects and no others? */
static bool is_implied(const struct abilities *abilities, const struct ability *ability)
{
	const struct ability *other;

	for (other = abilities->list; other < abilities->list + abilities->nr; other++) {
		if (other != ability && other->decision.rule == ability->decision.rule &&
		    contains(&ability->subjects, &other->subjects))
			return true;
	}
	return false;
}

static void remove_implied(struct abilities *abilities)
{
	size_t i = 0;

	while (i < abilities->nr) {
		if (is_implied(abilities, &abilities->list[i])) {
			memmove(abilities->list + i, abilities->list + i + 1,
				(abilities->nr - i - 1) * sizeof(*abilities->list));
			abilities->nr--;
		} else {
			i++;
		}
	}
}

/* While tasks are searched: notes are the indexes of requests plus 2, or 1 if there is none. */
struct who_can {
	struct search search;
	struct seen seen;
	struct abilities *abilities;
	size_t room;
	struct gmem_request *requests;
	size_t nr_requests, room_requests;
};

static int add_request(struct who_can *can, const struct gmem_set mine[POLICIES_MAX], size_t *note)
{
	struct gmem_request request;
	int ret;

	ret = search_request(&can->search, can->search.fixed.op, mine, &request);
	if (ret < 0)
		return ret;
	*note = 1;
	if (!ret)
		return 0;
	ret = grow(&can->requests, &can->room_requests, can->nr_requests + 1,
		   sizeof(*can->requests));
	if (ret)
		return ret;
	can->requests[can->nr_requests] = request;
	*note = 2 + can->nr_requests++;
	return 0;
}

static int look_at(struct who_can *can, const struct task_class *class)
{
	struct ability ability = { .subjects = class->subjects[0], .who = class->who };
	struct gmem_set mine[POLICIES_MAX];
	size_t *note;
	int ret = 0;

	rules_of(&can->search, class, can->search.fixed.op, mine);
	note = seen_note(&can->seen, mine);
	if (!*note)
		ret = add_request(can, mine, note);
	if (ret || *note == 1)
		return ret;
	ability.request = can->requests[*note - 2];
	ability.decision = policy_decide(can->search.policies[0], &ability.who, &ability.request);
	if (is_implied(can->abilities, &ability))
		return 0;
	ret = grow(&can->abilities->list, &can->room, can->abilities->nr + 1,
		   sizeof(*can->abilities->list));
	if (!ret)
		can->abilities->list[can->abilities->nr++] = ability;
	return ret;
}

int policy_who_can(const struct compiled *compiled, const struct gmem_request *wanted, __u32 given,
		   const struct gmem_set *except, struct abilities *abilities)
{
	struct who_can can = {
		.search = { .policies = { compiled }, .nr = 1, .fixed = *wanted, .given = given },
		.abilities = abilities
	};
	struct task_classes classes = { 0 };
	size_t i;
	int ret;

	memset(abilities, 0, sizeof(*abilities));
	ret = task_classes_find(can.search.policies, can.search.nr, &classes);
	ret = ret ?: seen_open(&can.seen, classes.nr);
	ret = ret ?: search_open(&can.search);
	for (i = 0; i < classes.nr && !ret; i++) {
		if (!meet(&classes.list[i].subjects[0], except))
			ret = look_at(&can, &classes.list[i]);
	}
	remove_implied(abilities);
	abilities->classes = classes.nr;
	abilities->boxes = can.search.boxes;
	search_close(&can.search);
	seen_close(&can.seen);
	free(can.requests);
	task_classes_free(&classes);
	return ret;
}

void abilities_free(struct abilities *abilities)
{
	free(abilities->list);
	memset(abilities, 0, sizeof(*abilities));
}
