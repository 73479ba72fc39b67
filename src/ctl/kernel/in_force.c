// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/cgroup.h"
#include "in_force.h"
#include "labels.h"
#include "loader.h"

static const struct gmem_set *gmem_set(const void *pool, __u32 index)
{
	return index < GMEM_POOL_MAX ? (const struct gmem_set *)pool + index : NULL;
}

#include "../../../bpf/policy/match.h"

struct policy *in_force_policy(const struct store *store, unsigned int slot)
{
	struct diags *diags = calloc(1, sizeof(*diags));
	struct policy *policy = NULL;
	char *text;
	size_t len;

	if (!diags || store_source(store, slot, &text, &len)) {
		free(diags);
		return NULL;
	}
	if (policy_parse(text, len, "the policy in force", &policy, diags)) {
		policy_free(policy);
		policy = NULL;
	}
	diags_free(diags);
	free(diags);
	free(text);
	return policy;
}

int policy_open_asked(const char *path, const char *dir, struct policy_file *file, __u64 *word)
{
	struct loader_shown *shown = NULL;
	int ret;

	if (word)
		*word = 0;
	memset(file, 0, sizeof(*file));
	if (path)
		return policy_open(path, false, file);
	shown = calloc(1, sizeof(*shown));
	if (!shown)
		return -ENOMEM;
	ret = loader_show(dir, shown);
	if (!ret) {
		ret = policy_open_text(shown->source, shown->source_len, "the policy in force",
				       false, file);
		if (!ret)
			file->policy->enforce = GMEM_ACTIVE_ENFORCES(shown->word);
		if (word)
			*word = shown->word;
		loader_shown_free(shown);
	}
	free(shown);
	return ret;
}

int in_force_open(struct in_force *force, const char *dir)
{
	int ret;

	memset(force, 0, sizeof(*force));
	ret = pins_open(&force->pins, dir, false);
	if (ret)
		return ret;
	if (!pins_exist(&force->pins))
		return 0;
	ret = store_open(&force->store, &force->pins);
	if (ret)
		return ret;
	force->loaded = true;
	force->word = store_active(&force->store);
	force->slot = GMEM_ACTIVE_SLOT(force->word);
	if (force->word)
		force->policy = in_force_policy(&force->store, force->slot);
	force->cgroup_root = cgroup_root();
	return 0;
}

void in_force_close(struct in_force *force)
{
	if (force->loaded) {
		store_close(&force->store);
		if (force->cgroup_root >= 0)
			close(force->cgroup_root);
	}
	policy_free(force->policy);
	memset(force, 0, sizeof(*force));
}

static const struct gmem_set *pool_of(const struct in_force *force)
{
	return force->store.pool + force->slot * GMEM_POOL_MAX;
}

static __u32 class_in(const struct in_force *force, enum pinned_map map, const void *key)
{
	__u32 class;

	return bpf_map_lookup_elem(force->store.fd[map], key, &class) ? 0 : class;
}

static __u32 class_of_exe(const struct in_force *force, const struct gmem_identity *identity)
{
	struct gmem_identity key = *identity;

	if (!identity->kind)
		return 0;
	key.slot = force->slot;
	return GMEM_CLASS(class_in(force, MAP_exes, &key));
}

/* The innermost one that a subject names, from the cgroup up to the root. */
static __u32 class_of_cgroup(const struct in_force *force, const char *cgroup)
{
	struct gmem_cgroup_key key = { .slot = force->slot };
	char path[4096];
	__u32 class = 0;
	uint64_t id;
	char *end;

	if (!cgroup || force->cgroup_root < 0 ||
	    snprintf(path, sizeof(path), "%s", cgroup) >= (int)sizeof(path))
		return 0;
	while (!class) {
		if (!cgroup_id(force->cgroup_root, path, &id)) {
			key.id = id;
			class = class_in(force, MAP_cgroups, &key);
		}
		end = strrchr(path, '/');
		if (!end || !path[1])
			break;
		*end = '\0';
	}
	return class;
}

static const struct gmem_set *class_set(const struct in_force *force,
					enum gmem_class_dimension dimension, __u32 class)
{
	return pool_of(force) + GMEM_POOL_CLASS + dimension * (GMEM_MAX_SUBJECTS + 1) + class;
}

/* As resolve() in bpf/policy/subject.h. */
static void find_rules(const struct in_force *force, const struct gmem_tag *tag, __u32 uid,
		       const char *cgroup, struct standing *standing)
{
	struct gmem_uid_key key = { .slot = force->slot, .uid = uid };
	const struct gmem_set *exe, *verity, *uids, *cgroups, *rules;
	/* As executable_counts() in bpf/policy/subject.h. */
	bool counts =
		!GMEM_ACTIVE_ENFORCES(store_active(&force->store)) ||
		!(force->store.heads[force->slot].guards & GMEM_GUARDS_BY_POLICY & ~tag->enforced);
	int i, k;

	exe = class_set(force, GMEM_CLASS_exe, counts ? class_of_exe(force, &tag->exe) : 0);
	verity = class_set(force, GMEM_CLASS_exe, counts ? class_of_exe(force, &tag->verity) : 0);
	uids = class_set(force, GMEM_CLASS_uid, class_in(force, MAP_uids, &key));
	cgroups = class_set(force, GMEM_CLASS_cgroup, class_of_cgroup(force, cgroup));
	standing->by[GMEM_CLASS_uid] = *uids;
	standing->by[GMEM_CLASS_cgroup] = *cgroups;
	for (i = 0; i < GMEM_SET_WORDS; i++)
		standing->by[GMEM_CLASS_exe].w[i] = exe->w[i] | verity->w[i];
	standing->rules = *gmem_set(pool_of(force), GMEM_POOL_ANY);
	for (i = 0; i < GMEM_SET_WORDS; i++) {
		__u64 left = (exe->w[i] | verity->w[i]) & uids->w[i] & cgroups->w[i];

		standing->subjects.w[i] = left;
		for (; left; left &= left - 1) {
			rules = pool_of(force) + GMEM_POOL_SUBJECT + i * 64 + gmem_lowest(left);
			for (k = 0; k < GMEM_SET_WORDS; k++)
				standing->rules.w[k] |= rules->w[k];
		}
	}
}

int in_force_resolve(const struct in_force *force, unsigned int pid, __u32 uid, const char *cgroup,
		     struct standing *standing)
{
	struct gmem_tag *tag;
	int pidfd, ret = 0;

	memset(standing, 0, sizeof(*standing));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	tag = calloc(1, sizeof(*tag));
	if (!tag) {
		close(pidfd);
		return -ENOMEM;
	}
	if (!bpf_map_lookup_elem(force->store.fd[MAP_tags], &pidfd, tag)) {
		standing->tagged = !(tag->flags & GMEM_TAG_TRACED);
		standing->exe = tag->exe;
		if (standing->tagged)
			find_rules(force, tag, uid, cgroup, standing);
	} else if (errno != ENOENT) {
		ret = -errno;
	}
	free(tag);
	close(pidfd);
	return ret;
}

int in_force_knows(const struct in_force *force, const struct held_instance *instance)
{
	bool enforce = GMEM_ACTIVE_ENFORCES(force->word);
	int ret = -ENOENT;
	size_t i, j;

	for (i = 0; i < instance->nr && ret < 0; i++) {
		for (j = 0; j < instance->holders[i].nr && ret < 0; j++)
			ret = label_read(&force->store, &instance->holders[i].places[j], enforce);
	}
	return ret;
}

struct gmem_decision in_force_decide(const struct in_force *force, const struct standing *standing,
				     bool known, const struct gmem_request *request)
{
	struct gmem_decision d = gmem_broken();

	if (!known) {
		d.rule = GMEM_RULE_UNKNOWN;
		return d;
	}
	/* As decide_for_nobody() in bpf/policy/evaluate.h. */
	d = gmem_decide(&force->store.heads[force->slot], pool_of(force),
			standing->tagged ? &standing->rules
					 : gmem_set(pool_of(force), GMEM_POOL_ANY),
			request);
	if (!standing->tagged && !d.deny) {
		d.deny = 1;
		d.rule = GMEM_RULE_BROKEN;
	}
	return d;
}
