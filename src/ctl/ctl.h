/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of gmemctl, and their options. The tables of both are in gmemctl.c. */
#ifndef GMEM_CTL_H
#define GMEM_CTL_H

#include <stdbool.h>
#include <stdint.h>

/* How long a policy is on trial unless it is said. */
#define CTL_TRIAL_NS 60000000000ULL

struct ctl_options {
	/* of all commands */
	const char *output; /* text or json */
	bool json;	    /* it is json */
	int verbose;
	bool help;

	const char *file;  /* operand */
	const char *other; /* second operand */
	const char *policy, *events, *except;

	/* what is in force: load and the like */
	const char *pins, *mode;
	bool dry_run, strict_ioctl, adopt, deny_existing, accept_default_change, lock;
	bool trust_running;
	uint64_t confirm; /* try: nanoseconds */
	bool unconfirmed;
	bool source, check;
	bool forget;

	/* learn */
	const char *base;
	uint64_t duration; /* nanoseconds, 0: not given */
	bool exact;

	/* changes */
	const char *contains;

	/* monitor */
	uint64_t count; /* end after so many, 0: never */
	/* Records of the journal, of the audit system; then nothing on standard output. */
	bool journal, audit;

	/* who asks, and for what: explain, monitor */
	uint64_t pid;
	const char *op, *exe, *verity, *uid, *cgroup;
	const char *size, *flags, *prot, *direction, *range, *offset, *vm_type;
};

/*
 * Commands. They explain their errors themselves.
 * Return: 0, a status of lib/exits.h, or a negative errno.
 */
int ctl_check(const struct ctl_options *opts);
int ctl_test(const struct ctl_options *opts);
int ctl_test_events(const struct ctl_options *opts);
int ctl_explain(const struct ctl_options *opts);
int ctl_diff(const struct ctl_options *opts);
int ctl_who_can(const struct ctl_options *opts);
int ctl_simulate(const struct ctl_options *opts);
int ctl_cat(const struct ctl_options *opts);
int ctl_learn(const struct ctl_options *opts);
int ctl_changes(const struct ctl_options *opts);
int ctl_load(const struct ctl_options *opts);
int ctl_try(const struct ctl_options *opts);
int ctl_confirm(const struct ctl_options *opts);
int ctl_status(const struct ctl_options *opts);
int ctl_show(const struct ctl_options *opts);
int ctl_monitor(const struct ctl_options *opts);
int ctl_holders(const struct ctl_options *opts);
int ctl_refresh(const struct ctl_options *opts);
int ctl_set_mode(const struct ctl_options *opts);
int ctl_rollback(const struct ctl_options *opts);
int ctl_unload(const struct ctl_options *opts);
int ctl_probe(const struct ctl_options *opts);

#endif /* GMEM_CTL_H */
