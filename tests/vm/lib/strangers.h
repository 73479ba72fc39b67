/* SPDX-License-Identifier: GPL-2.0-only */
/* What strangers do on a host where a policy is locked: what is refused, and what must go on. */
#ifndef VM_STRANGERS_H
#define VM_STRANGERS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#define PINS "/sys/fs/bpf/gmem"

/* To be done in this order, each in a process of its own. */
struct attempt {
	const char *name;
	int (*go)(void); /* returns 0 or an errno */
	bool refused;	 /* with EACCES, counted once; else it must go on, and is not counted */
};

extern const struct attempt attempts[];
extern const size_t nr_attempts;

/* The executable of the manager: set by who makes the attempts. */
extern char manager_path[4096];

/*
 * A program that returns a number, for a function or a hook of the kernel. Return: an fd; -1 and
 * errno, ENOENT: there is no such function.
 */
int stranger_program(enum bpf_prog_type type, enum bpf_attach_type attach, const char *function,
		     int returns);

#endif
