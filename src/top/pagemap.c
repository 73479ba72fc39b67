// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pagemap.h"

#define PAGE_SHIFT 12
#define REGIONS	   256

/* From linux/fs.h, which is older than this in some distributions. */
#define SCAN_FILE    (1ULL << 2) /* a page of a file, or of shared anonymous memory */
#define SCAN_PRESENT (1ULL << 3)
#define SCAN_ZERO    (1ULL << 5)

struct scan_region {
	uint64_t start, end, categories;
};

struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, all_of, any_of, told;
};

#define SCAN _IOWR('f', 16, struct scan)

static void set_bits(uint64_t *mask, uint64_t from, uint64_t to)
{
	for (; from < to && from & 63; from++)
		mask[from / 64] |= 1ULL << (from & 63);
	for (; from + 64 <= to; from += 64)
		mask[from / 64] = ~0ULL;
	for (; from < to; from++)
		mask[from / 64] |= 1ULL << (from & 63);
}

int pagemap_mask(int fd, uint64_t address, uint64_t pages, bool copies, uint64_t *mask)
{
	struct scan_region regions[REGIONS];
	struct scan scan = {
		.size = sizeof(scan),
		.start = address,
		.end = address + (pages << PAGE_SHIFT),
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.inverted = SCAN_ZERO | (copies ? SCAN_FILE : 0),
		.all_of = SCAN_PRESENT | SCAN_ZERO | (copies ? SCAN_FILE : 0),
		.told = SCAN_PRESENT,
	};
	int n, i;

	memset(mask, 0, (pages + 63) / 64 * sizeof(*mask));
	while (scan.start < scan.end) {
		n = ioctl(fd, SCAN, &scan);
		if (n < 0)
			return -errno;
		for (i = 0; i < n; i++)
			set_bits(mask, (regions[i].start - address) >> PAGE_SHIFT,
				 (regions[i].end - address) >> PAGE_SHIFT);
		if (scan.walk_end <= scan.start)
			return -EIO;
		scan.start = scan.walk_end;
	}
	return 0;
}

int pagemap_open(uint32_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool pagemap_works(void)
{
	uint64_t mask[2] = { 0 };
	int fd, ret;

	fd = pagemap_open((uint32_t)getpid());
	if (fd < 0)
		return false;
	ret = pagemap_mask(fd, (uintptr_t)mask & ~0xfffULL, 1, false, mask);
	close(fd);
	return !ret && mask[0] == 1;
}
