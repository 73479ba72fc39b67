/* SPDX-License-Identifier: GPL-2.0-only */
/* What hooks.bpf.c and hooks_test.c share. */
#ifndef HOOKS_H
#define HOOKS_H

#include <linux/types.h>

enum hook {
	HOOK_CREATE,
	HOOK_BIND,
	HOOK_ATTRIBUTES,
	HOOK_FAULT,
	HOOK_ANON,
	HOOK_COMPAT,
	HOOK_MAX,
};

/* The last call of a hook for the judged process, and how many there were. */
struct hook_call {
	__u64 count;
	__u64 ino;
	__u64 arg[3];
};

#endif
