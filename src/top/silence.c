// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>

#include "silence.h"

#define PATH "/proc/sys/kernel/ftrace_enabled"

/* Kernels without ftrace have no such file, and no programs at functions either. */
static bool ftrace_is_off(void)
{
	static int fd = -2;
	char value = '1';

	if (fd == -2)
		fd = open(PATH, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, &value, 1, 0) == 1 && value == '0';
}

bool silence_check(struct features *features)
{
	uint32_t silent = 0;
	enum gmem_fact f;

	for (f = 0; f < GMEM_FACT_MAX; f++) {
		if (features_from_function(features, f))
			silent |= 1U << f;
	}
	features->silenced = silent && ftrace_is_off();
	features->facts |= features->quiet;
	features->quiet = features->silenced ? silent & features->facts : 0;
	features->facts &= ~features->quiet;
	return features->silenced;
}
