// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attached.h"
#include "gmem_attached.skel.h"
#include "iterate.h"

static bool is_ours(const char name[16])
{
	static const char *const names[GMEM_PROG_MAX] = {
#define X(id, program, ...) [GMEM_PROG_##id] = #program,
		GMEM_POLICY_PROGRAMS(X)
#undef X
	};
	unsigned int i;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!strncmp(names[i], name, 15))
			return true;
	}
	return false;
}

struct attached_policy *attached_find(struct attached *attached, __u32 map)
{
	size_t i;

	for (i = 0; i < attached->nr; i++) {
		if (attached->list[i].first.map == map)
			return &attached->list[i];
	}
	return NULL;
}

int attached_list(struct gmem_attached_bpf *reader, struct attached *attached)
{
	const struct gmem_attached *found;
	struct attached_policy *policy;
	char *out = NULL;
	size_t len = 0;
	__u32 locked;
	int ret;

	memset(attached, 0, sizeof(*attached));
	ret = iterate(bpf_program__fd(reader->progs.gmem_attached), 0, &out, &len);
	if (ret)
		return ret;
	attached->list = calloc(len / sizeof(*found) + 1, sizeof(*attached->list));
	if (!attached->list)
		ret = -ENOMEM;
	for (found = (const void *)out; !ret && (const char *)(found + 1) <= out + len; found++) {
		if (!is_ours(found->name))
			continue;
		policy = attached_find(attached, found->map);
		if (!policy) {
			policy = &attached->list[attached->nr++];
			policy->first = *found;
		}
		/* Only programs of a lock use its map. */
		policy->first.locked |= found->locked;
		/* Not each program uses the maps that have the rest. */
		if (!*policy->first.policy) {
			locked = policy->first.locked;
			policy->first = *found;
			policy->first.locked |= locked;
		}
		policy->nr_programs++;
	}
	free(out);
	return ret;
}

int attached_open(struct gmem_attached_bpf **reader)
{
	int ret;

	*reader = gmem_attached_bpf__open();
	ret = *reader ? gmem_attached_bpf__load(*reader) : -errno;
	if (!ret)
		return 0;
	gmem_attached_bpf__destroy(*reader);
	*reader = NULL;
	return ret;
}

void attached_close(struct gmem_attached_bpf *reader)
{
	gmem_attached_bpf__destroy(reader);
}

void attached_free(struct attached *attached)
{
	free(attached->list);
	memset(attached, 0, sizeof(*attached));
}
