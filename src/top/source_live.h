/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames from the running kernel. */
#ifndef GMEM_SOURCE_LIVE_H
#define GMEM_SOURCE_LIVE_H

#include "frames.h"

struct source_bpf;

struct live {
	struct frames frames; /* first */
	struct source_bpf *source;
	int cgroups; /* as of cgroup_root() */
};

/* Make frames of an open source, which stays the caller's; frames.close() ends them. */
void live_init(struct live *live, struct source_bpf *source);

#endif /* GMEM_SOURCE_LIVE_H */
