/* SPDX-License-Identifier: GPL-2.0-only */
/* The exit statuses of gmemtop and gmemctl. */
#ifndef GMEM_EXITS_H
#define GMEM_EXITS_H

#include <errno.h>

/* X(name, status, meaning) */
#define GMEM_EXITS(X)                           \
	X(OK, 0, "done")                        \
	X(FAILURE, 1, "failed")                 \
	X(USAGE, 2, "wrong usage")              \
	X(POLICY, 3, "invalid policy")          \
	X(KERNEL, 4, "the kernel cannot do it") \
	X(PERMISSION, 5, "not permitted")       \
	X(FOUND, 6, "tests failed; denials or differences found")

enum gmem_exit {
#define X(name, status, ...) GMEM_EXIT_##name = status,
	GMEM_EXITS(X)
#undef X
};

/* The exit status for what a function returned, 0 or a negative errno. */
static inline enum gmem_exit exit_status(int ret)
{
	switch (ret) {
	case 0: return GMEM_EXIT_OK;
	case -EPERM:
	case -EACCES: return GMEM_EXIT_PERMISSION;
	case -EOPNOTSUPP: return GMEM_EXIT_KERNEL;
	case -EINVAL: return GMEM_EXIT_USAGE;
	default: return GMEM_EXIT_FAILURE;
	}
}

#endif /* GMEM_EXITS_H */
