// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "denial_names.h"
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
static struct policy *read_policy(const struct store *store, __u64 generation)
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
	names->texts[i].policy = read_policy(store, generation);
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
	denial.exe = exe_of(names, denial.policy, event, &denial.exe_certain);
	if (names->cgroups >= 0 && event->cgroup &&
	    !cgroup_path(names->cgroups, event->cgroup, names->cgroup, sizeof(names->cgroup)))
		denial.cgroup = names->cgroup;
	return denial;
}
