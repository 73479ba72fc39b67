// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a policy ends: cgroups that others may move processes to, and the kernel's own view of all
 * memory.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "puppet.h"

/* --- cgroups --- */

#define GROUP "/sys/fs/cgroup/bypass-vmm"

#define GROUP_POLICY                     \
	"subjects:\n"                    \
	"  g: { cgroup: /bypass-vmm }\n" \
	"rules:\n"                       \
	"  - { name: g, allow: all, subjects: [g] }\n"

static int make_in_group(int peer)
{
	int ret = enter_cgroup(GROUP) ?: make(peer);

	return enter_cgroup("/sys/fs/cgroup") ?: ret;
}

static int make_below_group(int peer)
{
	int ret;

	if (mkdir(GROUP "/below", 0755) && errno != EEXIST)
		return broken(GROUP "/below");
	ret = enter_cgroup(GROUP "/below") ?: make(peer);
	if (enter_cgroup("/sys/fs/cgroup") || rmdir(GROUP "/below"))
		return broken(GROUP "/below");
	return ret;
}

static int group_ready(void)
{
	return mkdir(GROUP, 0755) && errno != EEXIST ? broken(GROUP) : 0;
}

/* Who may write to cgroup.procs is who may. */
/* Another one of the same name. */
static int made_again(const struct bypass_case *c)
{
	struct counts before;
	int ret;

	if (group_ready() || stage_begin(c, &before))
		return ENDED_BROKEN;
	if (play(WHO_x, make_in_group))
		return failed("the first cgroup may not");
	if (rmdir(GROUP) || group_ready())
		return broken(GROUP);
	drop_events();
	counts_read(&before);
	ret = play(WHO_x, make_in_group);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

/* --- the kernel's view --- */

/* The physical address of a page that is in memory. */
static uint64_t physical(const char *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / KVM_PAGE * sizeof(entry))) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 ? (entry & ((1ULL << 55) - 1)) * KVM_PAGE : 0;
}

/* The byte at a physical address, through the direct map. */
static int read_direct(uint64_t address, char *byte)
{
	int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC), ret = ENDED_BROKEN;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	if (fd < 0)
		return errno == ENOENT ? ENDED_ABSENT : errno;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		head.e_phnum = 0;
	for (int i = 0; i < head.e_phnum && ret == ENDED_BROKEN; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)(head.e_phoff + i * sizeof(part))) !=
		    sizeof(part))
			break;
		if (part.p_type != PT_LOAD || part.p_paddr == (Elf64_Addr)-1 ||
		    address < part.p_paddr || address >= part.p_paddr + part.p_memsz)
			continue;
		ret = pread(fd, byte, 1, (off_t)(part.p_offset + address - part.p_paddr)) == 1
			      ? 0
			      : errno;
	}
	close(fd);
	return ret;
}

/* In the process of A, to know where its page is: what matters is that it is there to be read. */
static int see_direct(int peer)
{
	struct vmm v;
	char *mem, byte = 0;
	uint64_t address;
	int ret = vmm_make(&v, VIEW);

	(void)peer;
	if (ret)
		return ret;
	mem = map_instance(v.fd, PROT_READ | PROT_WRITE);
	if (!mem || touch_write(mem, PUPPET_SECRET))
		return broken("a page");
	address = physical(mem);
	if (!address)
		return broken("/proc/self/pagemap");
	return read_direct(address, &byte) ?: byte == PUPPET_SECRET ? 0 : ENDED_NOTHING;
}

const struct bypass_case bypass_limits[] = {
	{ .id = "140",
	  .path = "moving to the cgroup that may, by who may write to it",
	  .op = GMEM_DO_create,
	  .policy = GROUP_POLICY,
	  .prepare = group_ready,
	  PLAYER(x, make_in_group),
	  EVERYWHERE(POSSIBLE(
		  "Any process that can write to the cgroup's cgroup.procs can join the subject.")) },
	{ .id = "140b",
	  .path = "a cgroup made again under the name of one that may",
	  .policy = GROUP_POLICY,
	  .whole = made_again,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "141",
	  .path = "root reads the page through /proc/kcore",
	  .op = BYPASS_NO_OP,
	  PLAYER(a, see_direct),
	  LANES(ABSENT, ABSENT,
		POSSIBLE("the pages of a guest stay in the host's direct map: a policy "
			 "controls the host's programs, not its kernel."),
		ABSENT) },
	{ .id = "F70",
	  .path = "a cgroup below the one that may",
	  .op = BYPASS_NO_OP,
	  .policy = GROUP_POLICY,
	  .prepare = group_ready,
	  PLAYER(x, make_below_group),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
