// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/log.h"
#include "attached.h"
#include "gmem_attached.skel.h"
#include "iterate.h"
#include "pins.h"
#include "probe.h"

/* The kernel detaches programs a little after their pins were removed. */
#define PATIENCE 100
#define PAUSE_NS 20000000

static bool is_ours(const char name[16])
{
	unsigned int i;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!strncmp(program_names[i], name, 15))
			return true;
	}
	return false;
}

static struct attached_policy *policy_of(struct attached *attached, __u32 map)
{
	size_t i;

	for (i = 0; i < attached->nr; i++) {
		if (attached->list[i].first.map == map)
			return &attached->list[i];
	}
	return NULL;
}

static int read_all(struct gmem_attached_bpf *skel, struct attached *attached)
{
	const struct gmem_attached *found;
	struct attached_policy *policy;
	char *out = NULL;
	size_t len = 0;
	__u32 locked;
	int ret;

	ret = iterate(bpf_program__fd(skel->progs.list_attached), 0, &out, &len);
	if (ret)
		return ret;
	attached->list = calloc(len / sizeof(*found) + 1, sizeof(*attached->list));
	if (!attached->list)
		ret = -ENOMEM;
	for (found = (const void *)out; !ret && (const char *)(found + 1) <= out + len; found++) {
		if (!is_ours(found->name))
			continue;
		policy = policy_of(attached, found->map);
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

static int open_reader(struct gmem_attached_bpf **skel)
{
	int ret;

	*skel = gmem_attached_bpf__open();
	ret = *skel ? gmem_attached_bpf__load(*skel) : -errno;
	if (!ret)
		return 0;
	gmem_attached_bpf__destroy(*skel);
	return log_error(ret, NULL,
			 ret == -EPERM || ret == -EACCES ? "be root"
							 : "-v shows what the kernel says",
			 "load the program that lists attached policies into the kernel");
}

static int read_explained(struct gmem_attached_bpf *skel, struct attached *attached)
{
	int ret = read_all(skel, attached);

	return ret ? log_error(ret, NULL, NULL, "list the attached policies") : 0;
}

int attached_read(struct attached *attached)
{
	struct gmem_attached_bpf *skel;
	int ret;

	memset(attached, 0, sizeof(*attached));
	ret = open_reader(&skel);
	if (ret)
		return ret;
	ret = read_explained(skel, attached);
	gmem_attached_bpf__destroy(skel);
	return ret;
}

/* The id of the directory's map `active`, 0: it has none. */
static int own_map(const struct pins *pins, __u32 *id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = pins_map(pins, MAP_active), ret = 0;

	*id = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		ret = -errno;
	close(fd);
	*id = info.id;
	return ret;
}

/* The ids of the directory's links. Return: how many. */
static size_t own_links(const struct pins *pins, __u32 ids[GMEM_PROG_MAX])
{
	struct bpf_link_info info;
	size_t nr = 0;
	unsigned int i;
	__u32 len;
	int fd;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		fd = pins_link(pins, (enum gmem_policy_program)i);
		if (fd < 0)
			continue;
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (!bpf_obj_get_info_by_fd(fd, &info, &len))
			ids[nr++] = info.id;
		close(fd);
	}
	return nr;
}

/*
 * Are there no links in this kernel but the directory's? Then there is no policy elsewhere, and the
 * program that lists policies, which takes more than all the rest of a load, is not needed. Others'
 * links are not opened to see what they are: a lock would refuse that, and count it as a denial.
 */
static bool only_own(const struct pins *pins)
{
	__u32 own[GMEM_PROG_MAX], id = 0;
	size_t nr = own_links(pins, own), i;

	while (!bpf_link_get_next_id(id, &id)) {
		for (i = 0; i < nr && own[i] != id; i++)
			;
		if (i == nr)
			return false;
	}
	return errno == ENOENT;
}

static void remove_own(struct attached *attached, __u32 own)
{
	struct attached_policy *policy = policy_of(attached, own);

	if (policy)
		*policy = attached->list[--attached->nr];
	if (!attached->nr)
		attached_free(attached);
}

int attached_elsewhere(const struct pins *pins, struct attached *attached)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct gmem_attached_bpf *skel;
	int ret, tries;
	__u32 own;

	memset(attached, 0, sizeof(*attached));
	ret = own_map(pins, &own);
	if (ret)
		return log_error(ret, NULL, NULL, "open %s/maps/%s", pins->dir,
				 map_names[MAP_active]);
	if (only_own(pins))
		return 0;
	ret = open_reader(&skel);
	if (ret)
		return ret;
	for (tries = 0; tries < PATIENCE; tries++) {
		attached_free(attached);
		ret = read_explained(skel, attached);
		remove_own(attached, own);
		if (ret || !attached->nr)
			break;
		nanosleep(&pause, NULL);
	}
	gmem_attached_bpf__destroy(skel);
	return ret;
}

int attached_refuse(const struct pins *pins)
{
	char text[ATTACHED_TEXT], why[ATTACHED_TEXT + 64];
	struct attached attached;
	int ret;

	ret = attached_elsewhere(pins, &attached);
	if (!ret && attached.nr) {
		snprintf(why, sizeof(why), "attached from elsewhere: %s",
			 attached_text(&attached.list[0], text));
		ret = log_error(-EBUSY, why,
				"unload that policy first, where it was loaded (gmemctl unload "
				"--pins DIR, in the mount namespace that has its pins)",
				"load a policy into %s", pins->dir);
	}
	attached_free(&attached);
	return ret;
}

void attached_free(struct attached *attached)
{
	free(attached->list);
	memset(attached, 0, sizeof(*attached));
}

static char *programs_text(unsigned int nr, char text[32])
{
	snprintf(text, 32, nr == 1 ? "%u program" : "%u programs", nr);
	return text;
}

char *attached_text(const struct attached_policy *policy, char text[ATTACHED_TEXT])
{
	const struct gmem_attached *first = &policy->first;
	char programs[32];

	if (!first->word)
		snprintf(text, ATTACHED_TEXT, "%s without a policy (map id %u)",
			 programs_text(policy->nr_programs, programs), first->map);
	else
		snprintf(text, ATTACHED_TEXT, "policy %s, generation %llu, %s (%s, map id %u)",
			 *first->policy ? first->policy : "of another version of gmemctl",
			 (unsigned long long)GMEM_ACTIVE_GENERATION(first->word),
			 GMEM_ACTIVE_ENFORCES(first->word) ? "enforcing" : "in audit mode",
			 programs_text(policy->nr_programs, programs), first->map);
	return text;
}
