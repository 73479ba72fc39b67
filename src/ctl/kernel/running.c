// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/log.h"
#include "probe.h"
#include "processes.h"
#include "running.h"

struct search {
	const struct store *store;
	unsigned int slot;
	__u32 guards; /* of the policy: bits */
	bool trust, all;
	unsigned int changed;
};

/* Those of some guards that were not enforced, in words. */
static char *guards_text(__u32 guards, char text[64])
{
	unsigned int guard;
	size_t len = 0;

	text[0] = '\0';
	for (guard = 0; guard < GMEM_GUARD_MAX && len < 64; guard++) {
		if (guards >> guard & 1)
			len += (size_t)snprintf(text + len, 64 - len, "%s%s", len ? ", " : "",
						guard_names[guard]);
	}
	return text;
}

static int look_at_process(unsigned int pid, void *data)
{
	char comm[PROCESS_COMM], guards[64];
	struct search *search = data;
	struct gmem_tag tag;
	__u32 missing;
	int ret;

	ret = process_tag(search->store, pid, &tag);
	if (ret <= 0)
		return ret;
	missing = search->guards & ~tag.enforced;
	if (!missing || tag.flags & GMEM_TAG_TRACED ||
	    (!identity_class(search->store, search->slot, &tag.exe) &&
	     !identity_class(search->store, search->slot, &tag.verity)))
		return 0;
	if (search->trust) {
		tag.enforced |= missing;
		search->changed++;
		return process_set_tag(search->store, pid, &tag);
	}
	log_note("process %u (%s) has no executable for the policy: it began, or was controlled, "
		 "while these guards were not enforced: %s; start it again, or use --trust-running",
		 pid, process_comm(pid, comm), guards_text(missing, guards));
	return 0;
}

static int search(struct search *search)
{
	int ret;

	search->guards = search->store->heads[search->slot].guards & GMEM_GUARDS_BY_POLICY;
	if (!search->guards)
		return 0;
	if (search->trust && !search->all)
		ret = look_at_process((unsigned int)getpid(), search);
	else
		ret = access("/proc/self/task", F_OK)
			      ? -errno
			      : numbers_each("/proc", look_at_process, search);
	if (ret)
		ret = log_error(ret, NULL, NULL, "look for processes that the policy names");
	return ret;
}

int running_trust(const struct store *store, unsigned int slot, bool all, unsigned int *changed)
{
	struct search s = { .store = store, .slot = slot, .trust = true, .all = all };
	int ret = search(&s);

	if (changed)
		*changed = s.changed;
	return ret;
}

int running_report(const struct store *store)
{
	struct search s = { .store = store, .slot = GMEM_ACTIVE_SLOT(store_active(store)) };

	return search(&s);
}
