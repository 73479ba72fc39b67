// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"

#define HASH_SIZE (4 * GMEM_MAX_SUBJECTS) /* a power of two */

/* What one subject names, while the same ones are brought together. */
struct item {
	unsigned int subject;
	bool known;
	union {
		struct {
			struct gmem_identity identity;
			const char *path;
		};
		struct {
			__u32 uid;
			const char *name;
		};
		struct {
			__u64 id;
			const char *cgroup;
		};
	};
};

static void set_narrow(struct gmem_set *set, const struct gmem_set *by)
{
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++)
		set->w[k] &= by->w[k];
}

/* --- executables --- */

static int compare_identities(const struct item *a, const struct item *b)
{
	if (a->known != b->known)
		return a->known ? -1 : 1;
	return a->known ? memcmp(&a->identity, &b->identity, sizeof(a->identity))
			: strcmp(a->path, b->path);
}

static int compare_exes(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int order = compare_identities(a, b);

	return order || !a->path || !b->path ? order : strcmp(a->path, b->path);
}

/*
 * The classes of one executable: of tasks with the host's root directory, and of tasks with another
 * one, if a subject takes these. Where all its subjects do, both are the same class, so there are
 * never more classes than subjects.
 */
static __u32 give_exe_classes(struct compiled *compiled, const struct item *first,
			      const struct item *end, __u32 *last, __u32 *other)
{
	const struct gmem_set *none = class_set(compiled, GMEM_CLASS_exe, 0);
	const struct policy_subject *subjects = compiled->policy->subjects;
	__u32 class = ++*last;
	const struct item *item;
	bool any = false, all = true;

	*class_set(compiled, GMEM_CLASS_exe, class) = *none;
	for (item = first; item < end && !compare_identities(first, item); item++) {
		set_add(class_set(compiled, GMEM_CLASS_exe, class), item->subject);
		any |= subjects[item->subject].any_root;
		all &= subjects[item->subject].any_root;
	}
	*other = !any ? 0 : all ? class : ++*last;
	if (!any || all)
		return class;
	*class_set(compiled, GMEM_CLASS_exe, *other) = *none;
	while (item-- > first) {
		if (subjects[item->subject].any_root)
			set_add(class_set(compiled, GMEM_CLASS_exe, *other), item->subject);
	}
	return class;
}

static int fill_exes(struct compiled *compiled, struct item *items)
{
	const struct policy *policy = compiled->policy;
	struct gmem_set *none = class_set(compiled, GMEM_CLASS_exe, 0);
	struct item *item, *end = items;
	struct compiled_exe *exe;
	__u32 class = 0, other = 0, last = 0;
	unsigned int i;

	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		if (!subject->exe && !subject->has_verity) {
			set_add(none, i);
			continue;
		}
		memset(end, 0, sizeof(*end));
		end->subject = i;
		end->path = subject->exe;
		end->known = subject->has_verity || subject->exe_known;
		if (end->known)
			end->identity = subject->has_verity ? subject->verity
							    : subject->exe_identity;
		end++;
	}
	qsort(items, (size_t)(end - items), sizeof(*items), compare_exes);
	compiled->exes = calloc((size_t)(end - items) + 1, sizeof(*compiled->exes));
	if (!compiled->exes)
		return -ENOMEM;
	for (item = items; item < end; item++) {
		if (item == items || compare_identities(item - 1, item))
			class = give_exe_classes(compiled, item, end, &last, &other);
		set_narrow(&compiled->implied[item->subject],
			   class_set(compiled, GMEM_CLASS_exe, class));
		if (policy->subjects[item->subject].any_root)
			set_narrow(&compiled->implied[item->subject],
				   class_set(compiled, GMEM_CLASS_exe, other));
		if (item == items || compare_exes(item - 1, item)) {
			exe = &compiled->exes[compiled->nr_exes++];
			exe->identity = item->identity;
			exe->known = item->known;
			exe->path = item->path;
			exe->class = class;
			exe->class_other = other;
		}
	}
	for (i = 0; i < policy->nr_subjects; i++) {
		if (set_has(none, i))
			set_narrow(&compiled->implied[i], none);
	}
	return 0;
}

/* --- users --- */

static int compare_users(const struct item *a, const struct item *b)
{
	if (a->known != b->known)
		return a->known ? -1 : 1;
	if (!a->known)
		return strcmp(a->name, b->name);
	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static int compare_user_names(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int order = compare_users(a, b);

	return order ? order : strcmp(a->name, b->name);
}

/* Classes by their sets: users with the same subjects have the same class. */
struct set_hash {
	__u16 classes[HASH_SIZE];
};

static __u32 *class_in(struct compiled *compiled, struct set_hash *hash, const struct gmem_set *set,
		       __u32 *nr, __u32 *class)
{
	__u64 h = 0;
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++)
		h = (h ^ set->w[k]) * 0x9e3779b97f4a7c15ULL;
	for (h >>= 32;; h++) {
		*class = hash->classes[h % HASH_SIZE];
		if (*class &&
		    !memcmp(class_set(compiled, GMEM_CLASS_uid, *class), set, sizeof(*set)))
			return class;
		if (!*class)
			break;
	}
	if (*nr == GMEM_MAX_SUBJECTS)
		return NULL;
	*class = ++*nr;
	hash->classes[h % HASH_SIZE] = (__u16)(*class);
	*class_set(compiled, GMEM_CLASS_uid, *class) = *set;
	return class;
}

static size_t collect_users(const struct policy *policy, struct item *items, struct gmem_set *none)
{
	struct item *end = items;
	unsigned int i;
	size_t k;

	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		if (!subject->nr_uids)
			set_add(none, i);
		for (k = 0; k < subject->nr_uids; k++) {
			const struct policy_uid *uid = &subject->uids[k];

			end->subject = i;
			end->known = uid->known;
			end->uid = uid->uid;
			end->name = uid->name;
			end++;
		}
	}
	qsort(items, (size_t)(end - items), sizeof(*items), compare_user_names);
	return (size_t)(end - items);
}

static int fill_uids(struct compiled *compiled, struct item *items, struct diags *diags)
{
	struct gmem_set *none = class_set(compiled, GMEM_CLASS_uid, 0), set;
	__u32 nr_classes = 0, class, users = 0;
	size_t nr, i, group, next;
	struct set_hash *hash;
	int ret = 0;

	nr = collect_users(compiled->policy, items, none);
	compiled->uids = calloc(nr + 1, sizeof(*compiled->uids));
	hash = calloc(1, sizeof(*hash));
	if (!compiled->uids || !hash) {
		free(hash);
		return -ENOMEM;
	}
	for (i = 0; i < compiled->policy->nr_subjects; i++) {
		if (set_has(none, (unsigned int)i))
			set_narrow(&compiled->implied[i], none);
	}
	for (group = 0; group < nr; group = next) {
		set = *none;
		for (next = group; next < nr && !compare_users(&items[group], &items[next]); next++)
			set_add(&set, items[next].subject);
		if (++users > GMEM_MAX_UIDS ||
		    !class_in(compiled, hash, &set, &nr_classes, &class)) {
			diag_error(diags, (struct place){ 0 }, NULL,
				   "a policy names %d users, in %d different ways, at most",
				   GMEM_MAX_UIDS, GMEM_MAX_SUBJECTS);
			ret = -EBADMSG;
			break;
		}
		for (i = group; i < next; i++) {
			struct compiled_uid *uid;

			set_narrow(&compiled->implied[items[i].subject], &set);
			if (i > group && !strcmp(items[i].name, items[i - 1].name))
				continue;
			uid = &compiled->uids[compiled->nr_uids++];
			uid->uid = items[i].uid;
			uid->known = items[i].known;
			uid->name = items[i].name;
			uid->class = class;
		}
	}
	free(hash);
	return ret;
}

/* --- cgroups --- */

bool is_below(const char *path, const char *ancestor)
{
	size_t len = strlen(ancestor);

	if (!strcmp(ancestor, "/"))
		return true;
	return !strncmp(path, ancestor, len) && (!path[len] || path[len] == '/');
}

/* Descendants of a cgroup follow it directly: '/' sorts before all other characters. */
static int compare_cgroups(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	const unsigned char *p = (const void *)a->cgroup, *q = (const void *)b->cgroup;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	if (*p == *q)
		return 0;
	if (!*p || !*q)
		return *p ? 1 : -1;
	if (*p == '/' || *q == '/')
		return *p == '/' ? -1 : 1;
	return *p < *q ? -1 : 1;
}

static int fill_cgroups(struct compiled *compiled, struct item *items)
{
	const struct policy *policy = compiled->policy;
	struct gmem_set *none = class_set(compiled, GMEM_CLASS_cgroup, 0), *set;
	struct compiled_cgroup *above[GMEM_MAX_SUBJECTS], *cgroup;
	struct item *item, *end = items;
	size_t depth = 0;
	unsigned int i;

	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		if (!subject->cgroup) {
			set_add(none, i);
			continue;
		}
		end->subject = i;
		end->known = subject->cgroup_known;
		end->id = subject->cgroup_id;
		end->cgroup = subject->cgroup;
		end++;
	}
	qsort(items, (size_t)(end - items), sizeof(*items), compare_cgroups);
	compiled->cgroups = calloc((size_t)(end - items) + 1, sizeof(*compiled->cgroups));
	if (!compiled->cgroups)
		return -ENOMEM;
	for (item = items; item < end; item++) {
		cgroup = &compiled->cgroups[compiled->nr_cgroups];
		if (item == items || strcmp(item[-1].cgroup, item->cgroup)) {
			cgroup->id = item->id;
			cgroup->known = item->known;
			cgroup->path = item->cgroup;
			cgroup->class = (__u32)++compiled->nr_cgroups;
			while (depth && !is_below(cgroup->path, above[depth - 1]->path))
				depth--;
			set = class_set(compiled, GMEM_CLASS_cgroup,
					depth ? above[depth - 1]->class : 0);
			*class_set(compiled, GMEM_CLASS_cgroup, cgroup->class) = *set;
			above[depth++] = cgroup;
		} else {
			cgroup--;
		}
		set_add(class_set(compiled, GMEM_CLASS_cgroup, cgroup->class), item->subject);
	}
	for (i = 0; i < policy->nr_subjects; i++) {
		if (set_has(none, i))
			set_narrow(&compiled->implied[i], none);
	}
	for (item = items, cgroup = compiled->cgroups; item < end; item++) {
		if (strcmp(cgroup->path, item->cgroup))
			cgroup++;
		set_narrow(&compiled->implied[item->subject],
			   class_set(compiled, GMEM_CLASS_cgroup, cgroup->class));
	}
	return 0;
}

int classes_fill(struct compiled *compiled, struct diags *diags)
{
	const struct policy *policy = compiled->policy;
	size_t nr_uids = 0, i, most;
	struct item *items;
	int ret;

	for (i = 0; i < policy->nr_subjects; i++)
		nr_uids += policy->subjects[i].nr_uids;
	most = nr_uids > policy->nr_subjects ? nr_uids : policy->nr_subjects;
	items = malloc((most + 1) * sizeof(*items));
	compiled->implied = malloc((policy->nr_subjects + 1) * sizeof(*compiled->implied));
	if (!items || !compiled->implied) {
		free(items);
		return -ENOMEM;
	}
	memset(compiled->implied, 0xff, (policy->nr_subjects + 1) * sizeof(*compiled->implied));
	ret = fill_exes(compiled, items);
	if (!ret)
		ret = fill_uids(compiled, items, diags);
	if (!ret)
		ret = fill_cgroups(compiled, items);
	free(items);
	return ret;
}

/* --- the class of a task's properties --- */

static __u32 class_by_root(const struct compiled_exe *exe, enum gmem_root root)
{
	return root == GMEM_ROOT_host ? exe->class : exe->class_other;
}

__u32 class_of_missing_exe(const struct compiled *compiled, const char *path, enum gmem_root root)
{
	size_t i;

	for (i = 0; i < compiled->nr_exes; i++) {
		if (!compiled->exes[i].known && !strcmp(compiled->exes[i].path, path))
			return class_by_root(&compiled->exes[i], root);
	}
	return 0;
}

__u32 class_of_identity(const struct compiled *compiled, const struct gmem_identity *identity,
			enum gmem_root root)
{
	size_t i;

	for (i = 0; i < compiled->nr_exes; i++) {
		if (compiled->exes[i].known &&
		    !memcmp(&compiled->exes[i].identity, identity, sizeof(*identity)))
			return class_by_root(&compiled->exes[i], root);
	}
	return 0;
}

__u32 class_of_uid(const struct compiled *compiled, __u32 uid)
{
	size_t i;

	for (i = 0; i < compiled->nr_uids; i++) {
		if (compiled->uids[i].known && compiled->uids[i].uid == uid)
			return compiled->uids[i].class;
	}
	return 0;
}

__u32 class_of_missing_user(const struct compiled *compiled, const char *name)
{
	size_t i;

	for (i = 0; i < compiled->nr_uids; i++) {
		if (!compiled->uids[i].known && !strcmp(compiled->uids[i].name, name))
			return compiled->uids[i].class;
	}
	return 0;
}

__u32 class_of_cgroup(const struct compiled *compiled, const char *path)
{
	__u32 class = 0;
	size_t i;

	/* A cgroup follows its ancestors: the last match is the innermost. */
	for (i = 0; i < compiled->nr_cgroups; i++) {
		if (is_below(path, compiled->cgroups[i].path))
			class = compiled->cgroups[i].class;
	}
	return class;
}
