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
#include "pins.h"
#include "probe.h"

/* The kernel detaches programs a little after their pins were removed. */
#define PATIENCE 100
#define PAUSE_NS 20000000

static int open_reader(struct gmem_attached_bpf **reader)
{
	int ret = attached_open(reader);

	return ret ? log_error(ret, NULL,
			       ret == -EPERM || ret == -EACCES ? "be root"
							       : "-v shows what the kernel says",
			       "load the program that lists attached policies into the kernel")
		   : 0;
}

static int read_explained(struct gmem_attached_bpf *reader, struct attached *attached)
{
	int ret = attached_list(reader, attached);

	return ret ? log_error(ret, NULL, NULL, "list the attached policies") : 0;
}

int attached_read(struct attached *attached)
{
	struct gmem_attached_bpf *reader;
	int ret;

	memset(attached, 0, sizeof(*attached));
	ret = open_reader(&reader);
	if (ret)
		return ret;
	ret = read_explained(reader, attached);
	attached_close(reader);
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
	struct attached_policy *policy = attached_find(attached, own);

	if (policy)
		*policy = attached->list[--attached->nr];
	if (!attached->nr)
		attached_free(attached);
}

int attached_elsewhere(const struct pins *pins, struct attached *attached)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct gmem_attached_bpf *reader;
	int ret, tries;
	__u32 own;

	memset(attached, 0, sizeof(*attached));
	ret = own_map(pins, &own);
	if (ret)
		return log_error(ret, NULL, NULL, "open %s/maps/%s", pins->dir,
				 map_names[MAP_active]);
	if (only_own(pins))
		return 0;
	ret = open_reader(&reader);
	if (ret)
		return ret;
	for (tries = 0; tries < PATIENCE; tries++) {
		attached_free(attached);
		ret = read_explained(reader, attached);
		remove_own(attached, own);
		if (ret || !attached->nr)
			break;
		nanosleep(&pause, NULL);
	}
	attached_close(reader);
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
