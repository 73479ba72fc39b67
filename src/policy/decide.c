// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "classes.h"
#include "decide.h"

static const struct gmem_set *gmem_set(const void *pool, __u32 index)
{
	return index < GMEM_POOL_MAX ? (const struct gmem_set *)pool + index : NULL;
}

#include "../../bpf/policy/match.h"

static bool same_or_unknown(__u64 a, __u64 b)
{
	return !a || !b || a == b;
}

bool same_recorded_file(const struct gmem_identity *file, const struct gmem_identity *recorded)
{
	return file->kind == GMEM_BY_INODE && recorded->kind == GMEM_BY_INODE &&
	       file->dev == recorded->dev && file->ino == recorded->ino &&
	       same_or_unknown(file->generation, recorded->generation) &&
	       same_or_unknown(file->changed, recorded->changed) &&
	       same_or_unknown(file->subvolume, recorded->subvolume);
}

static __u32 class_of_recorded(const struct compiled *compiled, const struct who *who)
{
	size_t i;

	for (i = 0; i < compiled->nr_exes; i++) {
		if (compiled->exes[i].known &&
		    same_recorded_file(&compiled->exes[i].identity, &who->exe_identity))
			return class_of_identity(compiled, &compiled->exes[i].identity, who->root);
	}
	return 0;
}

/* A file that the policy names by path and by digest is both: the union of their subjects. */
static void subjects_by_exe(const struct compiled *compiled, const struct who *who,
			    struct gmem_set *subjects)
{
	__u32 classes[3] = { 0 };
	int i, k;

	if (who->exe_recorded)
		classes[0] = class_of_recorded(compiled, who);
	else if (who->has_exe_identity)
		classes[0] = class_of_identity(compiled, &who->exe_identity, who->root);
	if (who->has_verity)
		classes[1] = class_of_identity(compiled, &who->verity, who->root);
	if (who->exe && !who->exe_untrusted_fs && !who->exe_recorded)
		classes[2] = class_of_missing_exe(compiled, who->exe, who->root);
	memset(subjects, 0, sizeof(*subjects));
	for (i = 0; i < 3; i++) {
		for (k = 0; k < GMEM_SET_WORDS; k++)
			subjects->w[k] |= class_set(compiled, GMEM_CLASS_exe, classes[i])->w[k];
	}
}

static __u32 uid_class(const struct compiled *compiled, const struct who *who)
{
	if (who->has_uid)
		return class_of_uid(compiled, who->uid);
	return who->user ? class_of_missing_user(compiled, who->user) : 0;
}

void policy_subjects_by(const struct compiled *compiled, const struct who *who,
			enum gmem_class_dimension dimension, struct gmem_set *subjects)
{
	__u32 class = 0;

	switch (dimension) {
	case GMEM_CLASS_exe: subjects_by_exe(compiled, who, subjects); return;
	case GMEM_CLASS_uid: class = uid_class(compiled, who); break;
	case GMEM_CLASS_cgroup:
		class = who->cgroup ? class_of_cgroup(compiled, who->cgroup) : 0;
		break;
	case GMEM_CLASS_MAX: break;
	}
	*subjects = *class_set(compiled, dimension, class);
}

void policy_rules_of(const struct compiled *compiled, const struct gmem_set *subjects,
		     struct gmem_set *mine)
{
	const struct gmem_set *rules;
	__u64 left;
	int i, k;

	*mine = compiled->pool[GMEM_POOL_ANY];
	for (i = 0; i < GMEM_SET_WORDS; i++) {
		for (left = subjects->w[i]; left; left &= left - 1) {
			rules = compiled->pool + GMEM_POOL_SUBJECT + i * 64 + gmem_lowest(left);
			for (k = 0; k < GMEM_SET_WORDS; k++)
				mine->w[k] |= rules->w[k];
		}
	}
}

void policy_rules_for(const struct compiled *compiled, const struct who *who, struct gmem_set *mine)
{
	struct gmem_set subjects, by;
	int d, k;

	policy_subjects_by(compiled, who, GMEM_CLASS_exe, &subjects);
	for (d = GMEM_CLASS_exe + 1; d < GMEM_CLASS_MAX; d++) {
		policy_subjects_by(compiled, who, (enum gmem_class_dimension)d, &by);
		for (k = 0; k < GMEM_SET_WORDS; k++)
			subjects.w[k] &= by.w[k];
	}
	policy_rules_of(compiled, &subjects, mine);
}

struct gmem_decision policy_decide(const struct compiled *compiled, const struct who *who,
				   const struct gmem_request *request)
{
	struct gmem_set mine;

	policy_rules_for(compiled, who, &mine);
	return gmem_decide(&compiled->head, compiled->pool, &mine, request);
}

const char *decision_rule(const struct policy *policy, __u32 rule)
{
	if (rule < policy->nr_rules)
		return policy->rules[rule].name;
	if (rule >= GMEM_RULE_DEFAULT(0) && rule < GMEM_RULE_DEFAULT(GMEM_DO_MAX))
		return "default";
	return "?";
}
