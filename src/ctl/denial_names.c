// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../lib/cgroup.h"
#include "denial_names.h"
#include "kernel/probe.h"
#include "kernel/resolve.h"

#define NS_PER_S 1000000000ULL

int denial_names_new(struct denial_names **names)
{
	*names = calloc(1, sizeof(**names));
	if (!*names)
		return -ENOMEM;
	(*names)->cgroups = cgroup_root();
	return 0;
}

static void forget(struct denial_names *names)
{
	unsigned int i;

	for (i = 0; i < DENIAL_TEXTS; i++) {
		policy_free(names->texts[i].policy);
		names->texts[i].policy = NULL;
		names->texts[i].generation = 0;
	}
}

void denial_names_free(struct denial_names *names)
{
	if (!names)
		return;
	forget(names);
	if (names->cgroups >= 0)
		close(names->cgroups);
	free(names);
}

/* The text that is in the kernel for a generation, parsed; NULL if it is not there any more. */
static struct policy *read_policy(const struct store *store, __u64 generation,
				  char digest[DIGEST_TEXT])
{
	struct policy *policy = NULL;
	struct diags *diags;
	unsigned int slot;
	char *text;
	size_t len;

	for (slot = 0; slot < GMEM_SLOTS; slot++) {
		if (__atomic_load_n(&store->heads[slot].generation, __ATOMIC_ACQUIRE) == generation)
			break;
	}
	if (slot == GMEM_SLOTS || store_source(store, slot, &text, &len))
		return NULL;
	digest_text(store->slots[slot].digest, digest);
	diags = calloc(1, sizeof(*diags));
	/* Replaced meanwhile: then it may be another one's. */
	if (diags &&
	    __atomic_load_n(&store->heads[slot].generation, __ATOMIC_ACQUIRE) == generation &&
	    policy_parse(text, len, "the policy in force", &policy, diags)) {
		policy_free(policy);
		policy = NULL;
	}
	if (diags)
		diags_free(diags);
	free(diags);
	free(text);
	return policy;
}

const struct policy *denial_policy(struct denial_names *names, const struct store *store,
				   __u64 generation)
{
	unsigned int i;

	if (!generation) {
		forget(names);
		return NULL;
	}
	for (i = 0; i < DENIAL_TEXTS; i++) {
		if (names->texts[i].generation == generation)
			return names->texts[i].policy;
	}
	i = names->next_text++ % DENIAL_TEXTS;
	policy_free(names->texts[i].policy);
	names->texts[i].policy = read_policy(store, generation, names->texts[i].digest);
	names->texts[i].generation = generation;
	return names->texts[i].policy;
}

static bool same_file(const struct gmem_identity *a, const struct gmem_identity *b)
{
	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino &&
	       (a->subvolume == b->subvolume || !a->subvolume || !b->subvolume);
}

/* The process may run it still: then the link says where it is. */
static bool exe_by_process(const struct gmem_denial *event, char path[PATH_MAX], bool *certain)
{
	char link[64];
	struct stat st;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%u/exe", event->tgid);
	len = readlink(link, path, PATH_MAX - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	/* Who has a user namespace can change the link, but not to a file that is this one. */
	*certain = !stat(link, &st) && st.st_ino == event->exe.ino &&
		   (major(st.st_dev) << 20 | minor(st.st_dev)) == event->exe.dev;
	return true;
}

static bool exe_by_policy(const struct policy *policy, const struct gmem_identity *identity,
			  char path[PATH_MAX])
{
	struct gmem_identity here;
	size_t i;

	for (i = 0; policy && i < policy->nr_subjects; i++) {
		if (!policy->subjects[i].exe || resolve_exe(policy->subjects[i].exe, &here) ||
		    !same_file(&here, identity))
			continue;
		snprintf(path, PATH_MAX, "%s", policy->subjects[i].exe);
		return true;
	}
	return false;
}

static const char *exe_of(struct denial_names *names, const struct policy *policy,
			  const struct gmem_denial *event, bool *certain)
{
	struct denial_exe *exe = &names->exes[event->exe.ino % DENIAL_EXES];

	if (!event->exe_known)
		return NULL;
	if (!exe->path[0] || !same_file(&exe->identity, &event->exe)) {
		exe->identity = event->exe;
		exe->certain = true;
		if (!exe_by_policy(policy, &event->exe, exe->path) &&
		    !exe_by_process(event, exe->path, &exe->certain))
			exe->path[0] = '\0';
	}
	*certain = exe->certain;
	return exe->path[0] ? exe->path : NULL;
}

/* The text's digest; NULL where the text is gone. */
static const char *digest_of_policy(const struct denial_names *names, __u64 generation)
{
	unsigned int i;

	for (i = 0; i < DENIAL_TEXTS; i++) {
		if (names->texts[i].generation == generation && names->texts[i].policy)
			return names->texts[i].digest;
	}
	return NULL;
}

static __u32 id_of_map(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static const char *name_of_map(const struct store *store, __u64 id)
{
	unsigned int map;

	for (map = 0; map < MAP_MAX; map++) {
		if (id_of_map(store->fd[map]) == id)
			return map_names[map];
	}
	return NULL;
}

/* @id: of the program, or of its link */
static const char *name_of_program(const struct store *store, __u64 id, bool of_link)
{
	struct bpf_link_info info;
	unsigned int i;
	__u32 len;
	int fd, ret;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		fd = pins_link(store->pins, (enum gmem_policy_program)i);
		if (fd < 0)
			continue;
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		ret = bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
		if (!ret && (of_link ? info.id : info.prog_id) == id)
			return program_names[i];
	}
	return NULL;
}

/* A directory of pins, or one on the way to them. */
static const char *name_of_dir(struct denial_names *names, const struct store *store, __u64 ino)
{
	static const char *const below[] = { "/maps", "/links", "" };
	struct stat st;
	char *slash;
	size_t i;

	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(names->object, sizeof(names->object), "%s%s", store->pins->dir, below[i]);
		if (!stat(names->object, &st) && st.st_ino == ino)
			return names->object;
	}
	while ((slash = strrchr(names->object, '/'))) {
		slash[slash == names->object] = '\0';
		if (!stat(names->object, &st) && st.st_ino == ino)
			return names->object;
		if (slash == names->object)
			break;
	}
	return NULL;
}

/* What a lock refused to open or to change. The monitor is the manager, and may look. */
static const char *object_of(struct denial_names *names, const struct store *store,
			     const struct gmem_request *request)
{
	if (request->op != GMEM_DO_GUARD(GMEM_GUARD_lock) || !request->start)
		return NULL;
	switch (lock_object_kind(request->action)) {
	case GMEM_LOCKED_map: return name_of_map(store, request->start);
	case GMEM_LOCKED_program: return name_of_program(store, request->start, false);
	case GMEM_LOCKED_link: return name_of_program(store, request->start, true);
	case GMEM_LOCKED_dir: return name_of_dir(names, store, request->start);
	default: return NULL;
	}
}

static __u64 now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (__u64)ts.tv_sec * NS_PER_S + (__u64)ts.tv_nsec;
}

struct denial denial_named(struct denial_names *names, const struct store *store,
			   const struct gmem_denial *event)
{
	struct denial denial = { .event = event };

	denial.policy = denial_policy(names, store, event->generation);
	denial.time_ns = now(CLOCK_REALTIME) - now(CLOCK_BOOTTIME) + event->time_ns;
	denial.digest = digest_of_policy(names, event->generation);
	denial.object = object_of(names, store, &event->request);
	denial.exe = exe_of(names, denial.policy, event, &denial.exe_certain);
	if (names->cgroups >= 0 && event->cgroup &&
	    !cgroup_path(names->cgroups, event->cgroup, names->cgroup, sizeof(names->cgroup)))
		denial.cgroup = names->cgroup;
	return denial;
}
