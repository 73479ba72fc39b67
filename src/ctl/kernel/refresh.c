// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules, users and cgroups are taken over as they are in the kernel, into another slot: what is not
 * compiled again cannot come out differently. Only executables and their classes are new.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/log.h"
#include "find.h"
#include "../interrupt.h"
#include "loader.h"
#include "lock.h"
#include "../../lib/namespaces.h"
#include "refresh.h"
#include "resolved.h"
#include "policy_file.h"
#include "running.h"
#include "trial.h"

const char *const refresh_names[REFRESH_MAX] = {
#define X(name, text) [REFRESH_##name] = #name,
	REFRESH_STATES(X)
#undef X
};

const char *const refresh_texts[REFRESH_MAX] = {
#define X(name, text) [REFRESH_##name] = text,
	REFRESH_STATES(X)
#undef X
};

/* A file, and the subjects whose executable it is (with those that name none). */
struct entry {
	struct gmem_identity identity; /* slot 0 */
	struct gmem_set subjects;
	__u32 class;	/* 0: not known yet */
	bool current;	/* a path of the policy stands for it */
	bool forgotten; /* no subject's any more: processes that run it stay guarded */
};

struct entries {
	struct entry *list;
	size_t nr, room;
};

struct refresh {
	struct store *store;
	struct refresh_report *report;
	unsigned int from, to;		  /* slots */
	struct gmem_identity *identities; /* of compiled->exes, now */
	struct entries before, now;
};

static const struct gmem_set *class_set_of(const struct refresh *r, __u32 class)
{
	return r->store->pool + r->from * GMEM_POOL_MAX + GMEM_POOL_CLASS +
	       GMEM_CLASS_exe * (GMEM_MAX_SUBJECTS + 1) + class;
}

static bool same_file(const struct gmem_identity *a, const struct gmem_identity *b)
{
	return a->kind == b->kind && a->root == b->root &&
	       !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static struct entry *find(const struct entries *entries, const struct gmem_identity *identity)
{
	size_t i;

	for (i = 0; i < entries->nr; i++) {
		if (same_file(&entries->list[i].identity, identity))
			return &entries->list[i];
	}
	return NULL;
}

static struct entry *add(struct entries *entries, const struct gmem_identity *identity)
{
	struct entry *larger, *entry;

	if (entries->nr == entries->room) {
		entries->room = entries->room ? 2 * entries->room : 64;
		larger = reallocarray(entries->list, entries->room, sizeof(*larger));
		if (!larger)
			return NULL;
		entries->list = larger;
	}
	entry = &entries->list[entries->nr++];
	memset(entry, 0, sizeof(*entry));
	entry->identity = *identity;
	entry->identity.slot = 0;
	return entry;
}

/* What the kernel goes by. */
static int read_entries(struct refresh *r)
{
	struct gmem_identity key, next;
	int fd = r->store->fd[MAP_exes];
	struct entry *entry;
	__u32 value;
	bool more;

	for (more = !bpf_map_get_next_key(fd, NULL, &key); more; key = next) {
		next = key;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (key.slot != r->from || bpf_map_lookup_elem(fd, &key, &value))
			continue;
		if (GMEM_CLASS(value) > GMEM_MAX_SUBJECTS)
			return -EPROTO;
		entry = add(&r->before, &key);
		if (!entry)
			return -ENOMEM;
		entry->class = GMEM_CLASS(value);
		entry->subjects = *class_set_of(r, entry->class);
		entry->current = !(value & GMEM_EXE_REPLACED);
		entry->forgotten = !entry->class;
	}
	return 0;
}

/* Where a path leads now; kind 0: nowhere. */
static struct gmem_identity identity_of(const struct refresh *r, const char *path)
{
	const struct compiled *compiled = &r->report->file.compiled;
	size_t i;

	for (i = 0; i < compiled->nr_exes; i++) {
		if (compiled->exes[i].path && !strcmp(compiled->exes[i].path, path))
			return r->identities[i];
	}
	return (struct gmem_identity){ 0 };
}

/* The files from before that still count, each for those whose it was. */
static int keep_entries(struct refresh *r, bool forget)
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < r->before.nr; i++) {
		const struct entry *old = &r->before.list[i];

		entry = add(&r->now, &old->identity);
		if (!entry)
			return -ENOMEM;
		entry->forgotten = old->forgotten ||
				   (forget && old->identity.kind == GMEM_BY_INODE);
		entry->subjects = entry->forgotten ? *class_set_of(r, 0) : old->subjects;
		entry->current = old->identity.kind != GMEM_BY_INODE;
	}
	return 0;
}

/* A path that leads nowhere leads where it did: it may come back. */
static void keep_current(struct refresh *r, unsigned int subject)
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < r->before.nr; i++) {
		if (!r->before.list[i].current || !set_has(&r->before.list[i].subjects, subject))
			continue;
		entry = find(&r->now, &r->before.list[i].identity);
		if (entry)
			entry->current = true;
	}
}

/* A file is the executable of a subject, for tasks with this root directory. */
static int add_entry(struct refresh *r, struct gmem_identity identity, enum gmem_root root,
		     unsigned int subject)
{
	struct entry *entry;

	identity.root = root;
	entry = find(&r->now, &identity);
	if (!entry) {
		entry = add(&r->now, &identity);
		if (!entry)
			return -ENOMEM;
		entry->subjects = *class_set_of(r, 0);
	}
	set_add(&entry->subjects, subject);
	entry->current = true;
	entry->forgotten = false;
	return 0;
}

static int add_entries(struct refresh *r)
{
	const struct policy *policy = r->report->file.policy;
	struct refresh_subject *subject;
	unsigned int i;
	int ret;

	for (i = 0; i < policy->nr_subjects; i++) {
		if (!policy->subjects[i].exe)
			continue;
		subject = &r->report->subjects[i];
		subject->now = identity_of(r, policy->subjects[i].exe);
		if (!subject->now.kind) {
			/* What is here, and has no name in the kernel, is made up too. */
			subject->state = policy->subjects[i].exe_known ||
							 policy->subjects[i].exe_untrusted_fs
						 ? REFRESH_made_up
						 : REFRESH_missing;
			keep_current(r, i);
			continue;
		}
		ret = add_entry(r, subject->now, GMEM_ROOT_host, i);
		if (!ret && policy->subjects[i].any_root)
			ret = add_entry(r, subject->now, GMEM_ROOT_other, i);
		if (ret)
			return ret;
		subject->state = same_file(&subject->now, &subject->before) ? REFRESH_same
									    : REFRESH_replaced;
	}
	return 0;
}

static bool is_as_before(const struct refresh *r)
{
	const struct entry *now, *old;
	size_t i;

	if (r->now.nr != r->before.nr)
		return false;
	for (i = 0; i < r->now.nr; i++) {
		now = &r->now.list[i];
		old = find(&r->before, &now->identity);
		if (!old || old->current != now->current || old->forgotten != now->forgotten ||
		    memcmp(&old->subjects, &now->subjects, sizeof(now->subjects)))
			return false;
	}
	return true;
}

/* Sets of subjects that there were keep their classes; others get those behind them. */
static int give_classes(struct refresh *r)
{
	struct entry *entry;
	__u32 class, last = 0;
	size_t i, j;

	for (i = 0; i < r->before.nr; i++) {
		if (r->before.list[i].class > last)
			last = r->before.list[i].class;
	}
	for (i = 0; i < r->now.nr; i++) {
		entry = &r->now.list[i];
		if (entry->forgotten)
			continue;
		for (class = 1; class <= last && !entry->class; class += 1) {
			if (!memcmp(class_set_of(r, class), &entry->subjects,
				    sizeof(entry->subjects)))
				entry->class = class;
		}
		for (j = 0; j < i && !entry->class; j++) {
			if (!memcmp(&r->now.list[j].subjects, &entry->subjects,
				    sizeof(entry->subjects)))
				entry->class = r->now.list[j].class;
		}
		if (!entry->class && ++last > GMEM_MAX_SUBJECTS)
			return -E2BIG;
		entry->class = entry->class ?: last;
	}
	return 0;
}

/* The entries of a slot once more, for another one. */
static int copy_entries(const struct refresh *r, enum pinned_map map, size_t slot_at)
{
	char key[sizeof(struct gmem_identity)], next[sizeof(key)], copy[sizeof(key)];
	int fd = r->store->fd[map];
	__u32 slot, class;
	bool more;

	for (more = !bpf_map_get_next_key(fd, NULL, key); more; memcpy(key, next, sizeof(key))) {
		memcpy(next, key, sizeof(next));
		more = !bpf_map_get_next_key(fd, key, next);
		memcpy(&slot, key + slot_at, sizeof(slot));
		if (slot != r->from || bpf_map_lookup_elem(fd, key, &class))
			continue;
		memcpy(copy, key, sizeof(copy));
		memcpy(copy + slot_at, &r->to, sizeof(r->to));
		if (bpf_map_update_elem(fd, copy, &class, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int put_entries(const struct refresh *r)
{
	struct gmem_identity key;
	__u32 value;
	size_t i;

	for (i = 0; i < r->now.nr; i++) {
		key = r->now.list[i].identity;
		key.slot = r->to;
		value = r->now.list[i].class;
		if (!r->now.list[i].current)
			value |= GMEM_EXE_REPLACED;
		if (bpf_map_update_elem(r->store->fd[MAP_exes], &key, &value, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* The text is the same: another pin of the same map. */
static int copy_source(const struct refresh *r)
{
	int fd = pins_source(r->store->pins, r->from), ret;

	if (fd < 0)
		return fd;
	ret = pins_add_source(r->store->pins, r->to, fd);
	close(fd);
	return ret;
}

static int fill(struct refresh *r)
{
	struct gmem_head *to = &r->store->heads[r->to], *from = &r->store->heads[r->from];
	struct gmem_set *pool = r->store->pool + r->to * GMEM_POOL_MAX;
	struct gmem_slot *how = &r->store->slots[r->to];
	size_t i;
	int ret;

	ret = give_classes(r);
	ret = ret ?: store_empty(r->store, r->to);
	ret = ret ?: copy_entries(r, MAP_uids, offsetof(struct gmem_uid_key, slot));
	ret = ret ?: copy_entries(r, MAP_cgroups, offsetof(struct gmem_cgroup_key, slot));
	ret = ret ?: put_entries(r);
	ret = ret ?: copy_source(r);
	if (ret)
		return log_error(ret, ret == -E2BIG ? "too many files were replaced" : NULL,
				 ret == -E2BIG ? "gmemctl refresh --forget" : NULL,
				 "put the policy into the kernel");
	memcpy(pool, r->store->pool + r->from * GMEM_POOL_MAX, GMEM_POOL_MAX * sizeof(*pool));
	for (i = 0; i < r->now.nr; i++)
		pool[GMEM_POOL_CLASS + GMEM_CLASS_exe * (GMEM_MAX_SUBJECTS + 1) +
		     r->now.list[i].class] = r->now.list[i].subjects;
	memcpy((char *)to + sizeof(to->generation), (char *)from + sizeof(from->generation),
	       sizeof(*to) - sizeof(to->generation));
	*how = r->store->slots[r->from];
	how->loaded_s = (__u64)time(NULL);
	how->uid = getuid();
	return 0;
}

static bool has_uid(const struct resolved *resolved, __u32 uid)
{
	size_t i;

	for (i = 0; i < resolved->nr_uids; i++) {
		if (resolved->uids[i] == uid)
			return true;
	}
	return false;
}

/* Are the users by other numbers in the kernel? */
static bool users_differ(const struct policy_subject *subject, const struct resolved *resolved)
{
	size_t i, j, distinct = 0;

	for (i = 0; i < subject->nr_uids; i++) {
		if (!subject->uids[i].known || !has_uid(resolved, subject->uids[i].uid))
			return true;
		for (j = 0; j < i && subject->uids[j].uid != subject->uids[i].uid; j++)
			;
		distinct += j == i;
	}
	return distinct != resolved->nr_uids;
}

static void report_before(struct refresh *r, const struct resolved *list)
{
	const struct policy *policy = r->report->file.policy;
	size_t i;

	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];
		struct refresh_subject *report = &r->report->subjects[i];

		report->before = list[i].exe;
		report->before.slot = 0;
		report->users_differ = users_differ(subject, &list[i]);
		report->cgroup = subject->cgroup ? cgroup_now(subject, &list[i]) : CGROUP_same;
	}
}

static void report_after(struct refresh *r)
{
	const struct policy *policy = r->report->file.policy;
	size_t i, k;

	for (k = 0; k < r->now.nr; k++) {
		if (r->now.list[k].identity.root != GMEM_ROOT_host)
			continue;
		for (i = 0; i < policy->nr_subjects; i++)
			r->report->subjects[i].kept +=
				!r->now.list[k].current && policy->subjects[i].exe &&
				set_has(&r->now.list[k].subjects, (unsigned int)i);
	}
	for (k = 0; k < r->before.nr; k++) {
		const struct entry *old = &r->before.list[k];
		const struct entry *now = find(&r->now, &old->identity);

		r->report->forgotten += old->identity.root == GMEM_ROOT_host && !old->forgotten &&
					(!now || now->forgotten);
	}
}

/* The policy in force as it was written, and what its names stand for now. */
static int read_policy(struct refresh *r)
{
	struct refresh_report *report = r->report;
	struct resolved *list = NULL;
	struct finder finder;
	char *text = NULL;
	size_t len;
	int ret;

	ret = store_source(r->store, r->from, &text, &len);
	ret = ret ?: policy_open_text(text, len, "the policy in force", false, &report->file);
	free(text);
	if (ret)
		return log_error(ret, NULL, "load it again", "read the policy in force");
	report->subjects = calloc(report->file.policy->nr_subjects + 1, sizeof(*report->subjects));
	r->identities = calloc(report->file.compiled.nr_exes + 1, sizeof(*r->identities));
	if (!report->subjects || !r->identities)
		return log_error(-ENOMEM, NULL, NULL, "refresh the policy");
	finder_open(&finder, r->store->pins);
	ret = find_identities(&finder, &report->file.compiled, r->identities);
	finder_close(&finder);
	if (ret)
		return ret;
	ret = resolved_read(r->store, r->from, &report->file, &list);
	if (ret)
		return log_error(ret, NULL, NULL, "read the subjects of the policy in force");
	report_before(r, list);
	resolved_free(list, report->file.policy->nr_subjects);
	return 0;
}

static int activate(struct refresh *r, bool locked, bool trust_running)
{
	struct refresh_report *report = r->report;
	__u64 before = store_active(r->store);
	int ret;

	ret = interrupted("refresh the policy");
	if (!ret && report->enforce)
		ret = running_trust(r->store, r->to, trust_running, NULL);
	if (ret)
		return ret;
	report->generation = store_next_generation(r->store);
	store_activate(r->store, r->to, report->generation, report->enforce);
	ret = prove(r->store, trust_running, &report->proof);
	report->generation = GMEM_ACTIVE_GENERATION(store_active(r->store));
	if (ret) {
		store_put_back(r->store, before);
		store_drop(r->store, r->to);
		return ret;
	}
	return locked ? lock_hold(r->store, &report->file.compiled, r->identities) : 0;
}

static int refresh(struct store *store, bool forget, bool trust_running,
		   struct refresh_report *report)
{
	struct refresh r = { .store = store, .report = report };
	__u64 word = store_active(store);
	int locked, ret;

	if (!word)
		return log_error(-ENOENT, "no policy is in force", "gmemctl load FILE",
				 "look at %s", store->pins->dir);
	/* It would be what the end of the trial goes back to. */
	if (trial_on(store))
		return log_error(-EBUSY, "it is on trial",
				 "gmemctl confirm or gmemctl rollback first", "refresh the policy");
	r.from = GMEM_ACTIVE_SLOT(word);
	r.to = store_free_slot(store);
	report->enforce = GMEM_ACTIVE_ENFORCES(word);
	report->generation = GMEM_ACTIVE_GENERATION(word);
	locked = lock_is_held(store);
	ret = locked > 0 ? lock_check_self(store, r.from) : locked;
	ret = ret ?: read_policy(&r);
	if (ret)
		goto out;
	ret = read_entries(&r);
	ret = ret ?: keep_entries(&r, forget);
	ret = ret ?: add_entries(&r);
	if (ret) {
		ret = log_error(ret, NULL, NULL, "refresh the policy");
		goto out;
	}
	report_after(&r);
	report->changed = !is_as_before(&r);
	if (report->changed)
		ret = fill(&r) ?: activate(&r, locked, trust_running);
out:
	free(r.before.list);
	free(r.now.list);
	free(r.identities);
	return ret;
}

int loader_refresh(const char *dir, bool forget, bool trust_running, struct refresh_report *report)
{
	struct store store;
	struct pins pins;
	int ret;

	memset(report, 0, sizeof(*report));
	ret = namespaces_check("refresh the policy");
	ret = ret ?: pins_open(&pins, dir, true);
	if (ret)
		return ret;
	ret = store_open(&store, &pins);
	if (!ret) {
		ret = refresh(&store, forget, trust_running, report);
		store_close(&store);
	}
	pins_close(&pins);
	return ret;
}

void refresh_report_free(struct refresh_report *report)
{
	free(report->subjects);
	report->subjects = NULL;
	policy_close(&report->file);
}
