// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel reports in files: of the host, of cgroups, of VMMs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/cgroup.h"
#include "../lib/vm_name.h"
#include "memledger.h"

#define FILE_MAX_BYTES 16384

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const meminfo_names[] = {
#define X(member, name) name,
	LEDGER_MEMINFO(X)
#undef X
};

static const char *const memstat_names[] = {
#define X(member, name) name,
	LEDGER_MEMSTAT(X)
#undef X
};

_Static_assert(sizeof(struct memledger_meminfo) == 8 * COUNT(meminfo_names), "one number each");
_Static_assert(sizeof(struct memledger_memstat) == 8 * COUNT(memstat_names), "one number each");

/* Return: 0 or a negative errno. */
static int read_file(int dir, const char *path, char *buf, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	n = n < 0 ? -errno : 0;
	close(fd);
	buf[len] = '\0';
	return (int)n;
}

static void read_cgroup(struct memledger_cgroup *cgroup, int root)
{
	char path[PATH_MAX], buf[FILE_MAX_BYTES];
	int dir;

	if (root < 0 || cgroup_path(root, cgroup->id, path, sizeof(path)))
		return;
	cgroup->path = strdup(path);
	dir = cgroup_open(root, path);
	if (dir < 0)
		return;
	if (!read_file(dir, "memory.current", buf, sizeof(buf)))
		cgroup->current = strtoull(buf, NULL, 10);
	if (!read_file(dir, "memory.stat", buf, sizeof(buf)))
		memledger_parse(buf, memstat_names, (uint64_t *)&cgroup->stat,
				COUNT(memstat_names));
	close(dir);
}

/* Several VMs of one process share what it has beside them: it is counted for the first. */
static bool is_first(const struct model *model, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++) {
		if (model->vms[i]->now.tgid == model->vms[at]->now.tgid && !model->vms[i]->gone)
			return false;
	}
	return true;
}

static uint64_t known_pages(uint64_t n)
{
	return n == GMEM_UNKNOWN ? 0 : n;
}

static void read_vmm(struct memledger *ledger, const struct model *model, size_t at)
{
	static const char *const names[] = { "RssAnon" };
	const struct model_vm *of = model->vms[at], *other;
	uint64_t anonymous = GMEM_UNKNOWN, backing = 0;
	struct memledger_vm *vm = memledger_vm(ledger, of->now.id);
	char buf[FILE_MAX_BYTES];
	ssize_t len;
	size_t i;

	if (!vm || of->now.vmm_gone || !is_first(model, at))
		return;
	len = vm_read_proc(of->now.tgid, "status", buf, sizeof(buf) - 1);
	if (len <= 0)
		return;
	buf[len] = '\0';
	memledger_parse(buf, names, &anonymous, 1);
	for (i = 0; i < model->nr_vms; i++) {
		other = model->vms[i];
		if (other->now.tgid != of->now.tgid || other->gone)
			continue;
		backing += known_pages(other->backing[GMEM_BACKING_anonymous]) +
			   known_pages(other->backing[GMEM_BACKING_copies]);
	}
	if (anonymous != GMEM_UNKNOWN)
		vm->own = anonymous > backing * PAGE_BYTES ? anonymous - backing * PAGE_BYTES : 0;
}

/*
 * Free pages that wait on the lists of CPUs are neither in MemFree nor in another line of
 * /proc/meminfo. Return: bytes, GMEM_UNKNOWN: unknown.
 */
static uint64_t read_cpu_lists(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	unsigned long long pages, sum = 0;
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return GMEM_UNKNOWN;
	while (getline(&line, &size, file) > 0) {
		if (sscanf(line, " count: %llu", &pages) == 1)
			sum += pages;
	}
	free(line);
	fclose(file);
	return sum * PAGE_BYTES;
}

/* The first number of a file, or the one behind @name. Return: false: it cannot be read. */
static bool read_number(const char *path, const char *name, uint64_t *value)
{
	char buf[256], *at = buf, *end;

	if (read_file(AT_FDCWD, path, buf, sizeof(buf)))
		return false;
	if (name) {
		at = strstr(buf, name);
		if (!at)
			return false;
		at += strlen(name);
	}
	*value = strtoull(at, &end, 10);
	return end != at;
}

/*
 * The kernel takes these page by page at boot. Drivers allocate from the pools in interrupts where
 * memory may have to be decrypted first. Return: bytes, GMEM_UNKNOWN: unknown.
 */
static uint64_t read_dma_pools(void)
{
	static const char *const paths[] = {
		"/sys/kernel/debug/dma_pools/pool_size_dma",
		"/sys/kernel/debug/dma_pools/pool_size_dma32",
		"/sys/kernel/debug/dma_pools/pool_size_kernel",
	};
	uint64_t sum = 0, one;
	bool known = false;
	size_t i;

	for (i = 0; i < COUNT(paths); i++) {
		if (!read_number(paths[i], NULL, &one))
			continue;
		known = true;
		sum += one;
	}
	return known ? sum : GMEM_UNKNOWN;
}

/* A record for each function that can be traced, and the buffers. */
static uint64_t read_tracing(void)
{
	uint64_t pages = 0, kib = 0;
	bool known;

	known = read_number("/sys/kernel/tracing/dyn_ftrace_total_info", "pages:", &pages);
	known |= read_number("/sys/kernel/tracing/buffer_total_size_kb", NULL, &kib);
	return known ? pages * PAGE_BYTES + kib * 1024 : GMEM_UNKNOWN;
}

int memledger_read(struct memledger *ledger, const struct model *model, int cgroups)
{
	char buf[FILE_MAX_BYTES];
	size_t i;
	int ret;

	ret = memledger_sum_cgroups(ledger);
	if (ret)
		return ret;
	for (i = 0; i < ledger->nr_cgroups; i++)
		read_cgroup(&ledger->cgroups[i], cgroups);
	for (i = 0; i < model->nr_vms; i++) {
		if (!model->vms[i]->gone && model->vms[i]->now.tgid)
			read_vmm(ledger, model, i);
	}
	ret = read_file(AT_FDCWD, "/proc/meminfo", buf, sizeof(buf));
	if (ret)
		return ret;
	memledger_parse(buf, meminfo_names, (uint64_t *)&ledger->meminfo, COUNT(meminfo_names));
	ledger->cpu_lists = read_cpu_lists();
	ledger->dma_pools = read_dma_pools();
	ledger->tracing = read_tracing();
	memledger_balance(ledger, model);
	return 0;
}
