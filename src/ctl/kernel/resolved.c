// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/cgroup.h"
#include "../../lib/log.h"
#include "find.h"
#include "resolved.h"
#include "policy_file.h"

const char *const resolved_names[RESOLVED_MAX] = {
#define X(name, text) [RESOLVED_##name] = #name,
	RESOLVED_STATES(X)
#undef X
};

const char *const resolved_texts[RESOLVED_MAX] = {
#define X(name, text) [RESOLVED_##name] = text,
	RESOLVED_STATES(X)
#undef X
};

const char *const cgroup_names[CGROUP_MAX] = {
#define X(name, text) [CGROUP_##name] = #name,
	CGROUP_STATES(X)
#undef X
};

const char *const cgroup_texts[CGROUP_MAX] = {
#define X(name, text) [CGROUP_##name] = text,
	CGROUP_STATES(X)
#undef X
};

struct reading {
	const struct store *store;
	unsigned int slot;
	const struct policy *policy;
	struct resolved *list;
	int cgroups; /* the root, or a negative errno */
};

/* Is the subject among those of the class? */
static bool is_in(const struct reading *r, enum gmem_class_dimension dimension, __u32 class,
		  size_t subject)
{
	if (class > GMEM_MAX_SUBJECTS)
		return false;
	return set_has(r->store->pool + r->slot * GMEM_POOL_MAX + GMEM_POOL_CLASS +
			       dimension * (GMEM_MAX_SUBJECTS + 1) + class,
		       (unsigned int)subject);
}

static int take_exe(struct reading *r, const void *key, __u32 class)
{
	const struct gmem_identity *exe = key;
	struct gmem_identity *larger;
	struct resolved *resolved;
	size_t i;

	for (i = 0; i < r->policy->nr_subjects; i++) {
		const struct policy_subject *subject = &r->policy->subjects[i];

		if (exe->root != GMEM_ROOT_host ||
		    (exe->kind == GMEM_BY_INODE ? !subject->exe : !subject->has_verity) ||
		    !is_in(r, GMEM_CLASS_exe, GMEM_CLASS(class), i))
			continue;
		resolved = &r->list[i];
		if (!(class & GMEM_EXE_REPLACED)) {
			resolved->exe = *exe;
			continue;
		}
		larger = reallocarray(resolved->was, resolved->replaced + 1, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		resolved->was = larger;
		resolved->was[resolved->replaced++] = *exe;
	}
	return 0;
}

static int take_uid(struct reading *r, const void *key, __u32 class)
{
	const struct gmem_uid_key *uid = key;
	struct resolved *resolved;
	__u32 *larger;
	size_t i;

	for (i = 0; i < r->policy->nr_subjects; i++) {
		if (!r->policy->subjects[i].nr_uids || !is_in(r, GMEM_CLASS_uid, class, i))
			continue;
		resolved = &r->list[i];
		larger = reallocarray(resolved->uids, resolved->nr_uids + 1, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		resolved->uids = larger;
		resolved->uids[resolved->nr_uids++] = uid->uid;
	}
	return 0;
}

/* A cgroup's class is also that of subjects of the cgroups that it is in. */
static int take_cgroup(struct reading *r, const void *key, __u32 class)
{
	const struct gmem_cgroup_key *cgroup = key;
	char path[PATH_MAX] = "";
	bool gone;
	size_t i;

	gone = r->cgroups < 0 || cgroup_path(r->cgroups, cgroup->id, path, sizeof(path));
	for (i = 0; i < r->policy->nr_subjects; i++) {
		const struct policy_subject *subject = &r->policy->subjects[i];

		if (!subject->cgroup || !is_in(r, GMEM_CLASS_cgroup, class, i))
			continue;
		if (gone ? !r->list[i].cgroup : !strcmp(path, subject->cgroup))
			r->list[i].cgroup = cgroup->id;
	}
	return 0;
}

static int each(struct reading *r, enum pinned_map map, size_t slot_at,
		int (*take)(struct reading *r, const void *key, __u32 class))
{
	char key[sizeof(struct gmem_identity)], next[sizeof(key)];
	int fd = r->store->fd[map], ret = 0;
	__u32 class, slot;
	bool more;

	for (more = !bpf_map_get_next_key(fd, NULL, key); more && !ret;
	     memcpy(key, next, sizeof(key))) {
		memcpy(&slot, key + slot_at, sizeof(slot));
		if (slot == r->slot && !bpf_map_lookup_elem(fd, key, &class))
			ret = take(r, key, class);
		memcpy(next, key, sizeof(next));
		more = !bpf_map_get_next_key(fd, key, next);
	}
	return ret;
}

static bool same_file(const struct gmem_identity *a, const struct gmem_identity *b)
{
	return a->kind == b->kind && a->ino == b->ino && a->dev == b->dev &&
	       a->generation == b->generation && a->changed == b->changed &&
	       a->subvolume == b->subvolume;
}

/* As the kernel names what the paths stand for now: stat(2) does not say that everywhere. */
static int compare_with_now(const struct pins *pins, const struct policy_file *file,
			    struct resolved *list)
{
	const struct compiled *compiled = &file->compiled;
	struct gmem_identity *now;
	struct finder finder;
	size_t i, j;
	bool known;

	now = calloc(compiled->nr_exes + 1, sizeof(*now));
	if (!now)
		return -ENOMEM;
	finder_open(&finder, pins);
	known = !find_identities(&finder, compiled, now);
	finder_close(&finder);
	for (i = 0; i < file->policy->nr_subjects; i++) {
		const struct policy_subject *subject = &file->policy->subjects[i];
		const char *exe = subject->exe;

		list[i].exe_now = !known || !exe ? RESOLVED_unknown
				  : subject->exe_known || subject->exe_untrusted_fs
					  ? RESOLVED_made_up
					  : RESOLVED_missing;
		for (j = 0; known && exe && j < compiled->nr_exes; j++) {
			if (!compiled->exes[j].path || strcmp(compiled->exes[j].path, exe) ||
			    !now[j].kind)
				continue;
			list[i].exe_now = same_file(&now[j], &list[i].exe) ? RESOLVED_same
									   : RESOLVED_other;
		}
	}
	free(now);
	return 0;
}

int resolved_read(const struct store *store, unsigned int slot, const struct policy_file *file,
		  struct resolved **list)
{
	struct reading r = { .store = store, .slot = slot, .policy = file->policy };
	int ret;

	r.list = calloc(file->policy->nr_subjects + 1, sizeof(*r.list));
	if (!r.list)
		return -ENOMEM;
	r.cgroups = cgroup_root();
	ret = each(&r, MAP_exes, offsetof(struct gmem_identity, slot), take_exe);
	ret = ret ?: each(&r, MAP_uids, offsetof(struct gmem_uid_key, slot), take_uid);
	ret = ret ?: each(&r, MAP_cgroups, offsetof(struct gmem_cgroup_key, slot), take_cgroup);
	ret = ret ?: compare_with_now(store->pins, file, r.list);
	if (r.cgroups >= 0)
		close(r.cgroups);
	if (ret) {
		resolved_free(r.list, file->policy->nr_subjects);
		r.list = NULL;
	}
	*list = r.list;
	return ret;
}

int resolved_in_force(const char *dir, __u64 word, const struct policy_file *file,
		      struct resolved **list)
{
	struct store store;
	struct pins pins;
	int ret;

	ret = store_open_dir(&store, &pins, dir);
	if (ret)
		return ret;
	ret = resolved_read(&store, GMEM_ACTIVE_SLOT(word), file, list);
	if (!ret && store_active(&store) != word)
		ret = -EAGAIN;
	if (ret)
		ret = log_error(ret, NULL, NULL, "read the subjects of the policy in force");
	store_close(&store);
	return ret;
}

static void apply_to_compiled(const char *path, const struct gmem_identity *identity,
			      struct compiled *compiled)
{
	size_t i;

	for (i = 0; i < compiled->nr_exes; i++) {
		if (!compiled->exes[i].path || strcmp(compiled->exes[i].path, path))
			continue;
		compiled->exes[i].identity = *identity;
		compiled->exes[i].known = identity->kind;
	}
}

void resolved_apply(const struct resolved *list, struct policy_file *file)
{
	struct gmem_identity identity;
	size_t i;

	for (i = 0; i < file->policy->nr_subjects; i++) {
		struct policy_subject *subject = &file->policy->subjects[i];

		if (!subject->exe)
			continue;
		identity = list[i].exe;
		identity.slot = 0;
		identity.root = GMEM_ROOT_host;
		subject->exe_identity = identity;
		subject->exe_known = identity.kind == GMEM_BY_INODE;
		apply_to_compiled(subject->exe, &identity, &file->compiled);
	}
}

enum cgroup_state cgroup_now(const struct policy_subject *subject, const struct resolved *resolved)
{
	if (!subject->cgroup_known)
		return CGROUP_gone;
	return subject->cgroup_id == resolved->cgroup ? CGROUP_same : CGROUP_again;
}

void resolved_free(struct resolved *list, size_t nr)
{
	size_t i;

	for (i = 0; list && i < nr; i++) {
		free(list[i].uids);
		free(list[i].was);
	}
	free(list);
}
