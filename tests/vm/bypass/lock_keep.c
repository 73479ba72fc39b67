// SPDX-License-Identifier: GPL-2.0-only
/* A policy that attempts destroy, and that is put back without being loaded again, see lock.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../../src/ctl/kernel/probe.h"
#include "../../../src/ctl/kernel/pins.h"
#include "lock.h"

static struct {
	bool any;
	__u64 active; /* what was in force: gmemctl unload stores 0 */
	int maps[MAP_MAX];
	int sources[GMEM_SLOTS]; /* -1: there is none */
	int finder;
	uint64_t links; /* programs that were attached: bits */
	int programs[GMEM_PROG_MAX];
} kept;

/* The program of a pinned link, or -1. */
static int program_of_link(unsigned int program)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	char path[128];
	int link, ret;

	snprintf(path, sizeof(path), PINS "/links/%s", program_names[program]);
	link = bpf_obj_get(path);
	if (link < 0)
		return -1;
	ret = bpf_obj_get_info_by_fd(link, &info, &len);
	close(link);
	return ret ? -1 : bpf_prog_get_fd_by_id(info.prog_id);
}

static int keep_all(const struct pins *pins)
{
	bool all = true;

	for (unsigned int i = 0; i < MAP_MAX; i++)
		all &= (kept.maps[i] = pins_map(pins, (enum pinned_map)i)) >= 0;
	for (unsigned int slot = 0; slot < GMEM_SLOTS; slot++)
		kept.sources[slot] = pins_source(pins, slot);
	all &= (kept.finder = pins_finder(pins)) >= 0;
	kept.links = pins_programs(pins);
	for (unsigned int i = 0; i < GMEM_PROG_MAX; i++) {
		if (kept.links >> i & 1)
			all &= (kept.programs[i] = program_of_link(i)) >= 0;
	}
	if (!all || bpf_map_lookup_elem(kept.maps[MAP_active], &(__u32){ 0 }, &kept.active))
		return failed("a pin of the policy cannot be opened");
	return 0;
}

int lock_keep(void)
{
	struct pins pins;

	if (!lock_last_account)
		lock_last_account = mmap(NULL, sizeof(*lock_last_account), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lock_last_account == MAP_FAILED)
		return broken("mmap");
	if (kept.any || lock_is_on())
		return 0;
	if (lock_load_unlocked() || pins_open(&pins, NULL, false))
		return ENDED_BROKEN;
	kept.any = true;
	return keep_all(&pins);
}

static void close_one(int fd)
{
	if (fd >= 0)
		close(fd);
}

void lock_keep_end(void)
{
	if (!kept.any)
		return;
	for (unsigned int i = 0; i < MAP_MAX; i++)
		close_one(kept.maps[i]);
	for (unsigned int slot = 0; slot < GMEM_SLOTS; slot++)
		close_one(kept.sources[slot]);
	close_one(kept.finder);
	for (unsigned int i = 0; i < GMEM_PROG_MAX; i++) {
		if (kept.links >> i & 1)
			close_one(kept.programs[i]);
	}
	kept.any = false;
}

/* The kernel detaches a program somewhat later than its link's last pin is gone. */
#define PATIENCE_MS 10000

/* A new link. Return: its descriptor, or a negative errno. */
static int attach_program(int program)
{
	int link = bpf_raw_tracepoint_open(NULL, program);

	for (int ms = 0; link < 0 && errno == EBUSY && ms < PATIENCE_MS; ms += 5) {
		usleep(5000);
		link = bpf_raw_tracepoint_open(NULL, program);
	}
	return link < 0 ? -errno : link;
}

/* Programs that are loaded and not attached: a new link for each, which its pin holds. */
static int attach_again(const struct pins *draft)
{
	int ret = 0, link;

	for (unsigned int i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (!(kept.links >> i & 1))
			continue;
		link = attach_program(kept.programs[i]);
		ret = link < 0 ? link : pins_add_program(draft, (enum gmem_policy_program)i, link);
		close_one(link);
	}
	return ret;
}

int lock_put_back(void)
{
	struct pins pins, draft;
	int ret;

	if (!kept.any)
		return -1;
	ret = pins_open(&pins, NULL, true);
	if (ret)
		return ENDED_BROKEN;
	ret = pins_begin(&draft, &pins);
	for (unsigned int i = 0; i < MAP_MAX && !ret; i++)
		ret = pins_add_map(&draft, (enum pinned_map)i, kept.maps[i]);
	for (unsigned int slot = 0; slot < GMEM_SLOTS && !ret; slot++) {
		if (kept.sources[slot] >= 0)
			ret = pins_add_source(&draft, slot, kept.sources[slot]);
	}
	ret = ret ?: pins_add_finder(&draft, kept.finder);
	ret = ret ?: attach_again(&draft);
	ret = ret ?: pins_publish(&draft, &pins);
	if (!ret &&
	    bpf_map_update_elem(kept.maps[MAP_active], &(__u32){ 0 }, &kept.active, BPF_ANY))
		ret = -errno;
	pins_close(&pins);
	return ret ? failed("the policy cannot be put back: %s", strerror(-ret)) : 0;
}
