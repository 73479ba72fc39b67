/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of gmemctl, and their options. The tables of both are in gmemctl.c. */
#ifndef GMEM_CTL_H
#define GMEM_CTL_H

#include <stdbool.h>
#include <stdint.h>

struct ctl_options {
	/* of all commands */
	const char *output; /* text or json */
	bool json;	    /* it is json */
	int verbose;
	bool help;

	const char *file; /* operand */
	const char *policy, *events;

	/* who asks, and for what: explain */
	uint64_t pid;
	const char *op, *exe, *verity, *uid, *cgroup;
	const char *size, *flags, *prot, *direction, *range, *vm_type;
};

/*
 * Commands. They explain their errors themselves.
 * Return: 0, a status of lib/exits.h, or a negative errno.
 */
int ctl_check(const struct ctl_options *opts);
int ctl_test(const struct ctl_options *opts);
int ctl_explain(const struct ctl_options *opts);

#endif /* GMEM_CTL_H */
