/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a policy in the kernel: load, mode, rollback, unload, and what can be read of it.
 *
 * All of it survives the death of any process at any moment: what is in force changes by one store,
 * and is either the old or the new one.
 */
#ifndef GMEM_CTL_KERNEL_LOADER_H
#define GMEM_CTL_KERNEL_LOADER_H

#include "attached.h"
#include "existing.h"
#include "find.h"
#include "probe.h"
#include "programs.h"
#include "../../policy/model.h"
#include "store.h"
#include "verify.h"

struct compiled;

struct load_options {
	const char *dir;    /* of the pins, NULL: PINS_DEFAULT */
	bool enforce;	    /* the mode, which the caller took from the policy or from --mode */
	bool dry_run;	    /* everything but to put it in force */
	bool strict;	    /* --strict-ioctl */
	bool adopt;	    /* existing instances that the policy allows belong to it */
	bool deny_existing; /* the others do not keep the policy from being enforced */
	bool accept_default_change;
	bool lock;	    /* from then on its manager alone may change it */
	bool trust_running; /* processes that began before the guards were enforced */
	uint64_t trial_ns;  /* it is on trial for so long, see trial.h; 0: it is not */
};

struct load_report {
	struct hooks hooks;
	struct plan plan;
	struct found_list found;  /* instances that existed before the policy */
	struct existing existing; /* the processes that hold these */
	bool first;		  /* the programs were attached now */
	bool replaced;		  /* instead of others: of another version, or that knew less of
				   * the kernel */
	bool was_locked;
	__u64 generation; /* 0: dry run */
	bool enforce;
	enum proof proof;
	bool locked;
	unsigned int tagged;	 /* tasks that were there already */
	unsigned int unlabelled; /* instances for which everything is denied */
	const char **made_up; /* paths of the policy that only the kernel knows to be of a made up
			       * file, see policy_resolve.h */
	size_t nr_untrusted_fs;
};

/**
 * loader_load - put a policy in force
 * @report: filled in, also on error as far as it came; to be given to load_report_free()
 *
 * Return: 0 or a negative errno that has been explained: -EOPNOTSUPP if this kernel cannot carry
 * the policy, -EPERM. After an error the policy before is in force, but for -EPROTO: then
 * the new one is, and a child that it must deny was not denied. Where it was to be locked and could
 * not (-EBUSY and others), the new one is in force without a lock: report->generation is set.
 */
int loader_load(const struct compiled *compiled, const struct load_options *opts,
		struct load_report *report);

/* The operations for which a rule has this condition: bits, as in struct gmem_slot. */
__u32 loader_looks_at(const struct policy *policy, enum policy_condition condition);
void load_report_free(struct load_report *report);

struct loader_status {
	bool loaded;	  /* programs are attached */
	__u64 word;	  /* what is in force, 0: nothing */
	char name[64];	  /* of the policy */
	bool locked;	  /* until the next boot, by the manager only */
	char manager[64]; /* the subject, "": none is named */
	bool silenced;	  /* kernel.ftrace_enabled=0: the kernel calls no programs */
	int previous;	  /* the slot that rollback puts in force, -1: none */
	char previous_name[64];
	struct gmem_slot how;
	uint64_t programs;			 /* attached: bits of enum gmem_policy_program */
	struct program_info info[GMEM_PROG_MAX]; /* of these */
	uint64_t upgrading; /* programs of another set that are attached beside these: bits */
	struct gmem_head head;
	struct gmem_journal journal;
	struct gmem_hits ops[GMEM_DO_MAX];
	struct gmem_hits guards[GMEM_GUARD_MAX];
	struct hooks hooks;
	struct plan plan;	   /* guarantees by what is attached, not by what could be */
	struct attached elsewhere; /* policies of other directories */
};

/*
 * Return: 0 (with nothing loaded too) or a negative errno that has been explained; @status is to be
 * given to loader_status_free().
 */
int loader_status(const char *dir, struct loader_status *status);
void loader_status_free(struct loader_status *status);

/* Is kernel.ftrace_enabled 0, so that the kernel calls no programs? */
bool loader_is_silenced(void);

/*
 * The policies that are attached and not of this directory; to be given to attached_free(). Return:
 * 0 or a negative errno that has been explained.
 */
int loader_elsewhere(const char *dir, struct attached *elsewhere);

/* The policy in force, with its counters. */
struct loader_shown {
	struct gmem_head head;
	struct gmem_slot how;
	__u64 word;
	char *source; /* its text, @source_len bytes and a NUL */
	size_t source_len;
	struct gmem_hits rules[GMEM_RULE_MAX]; /* by rule, see bpf/abi/policy.h */
	struct gmem_hits ops[GMEM_DO_MAX];     /* since the programs were attached */
	struct gmem_hits guards[GMEM_GUARD_MAX];
};

/* Return: 0, -ENOENT if nothing is in force, a negative errno; explained. */
int loader_show(const char *dir, struct loader_shown *shown);
void loader_shown_free(struct loader_shown *shown);

/* All of these return 0 or a negative errno that has been explained. */
int loader_set_mode(const char *dir, bool enforce, bool trust_running, enum proof *proof);
int loader_rollback(const char *dir, bool trust_running, __u64 *generation, enum proof *proof);
int loader_unload(const char *dir);

/* The policy in force, which is on trial, stays. @name: of it; -ENOENT if none is on trial */
int loader_confirm(const char *dir, char name[64]);

/* What became of a trial: */
enum trial_outcome {
	TRIAL_none,   /* no policy is on trial */
	TRIAL_back,   /* the policy before is in force again */
	TRIAL_unload, /* there was none before: the policy was removed */
};

/* End a trial that was not confirmed in time. If it has time left, this waits for its end. */
int loader_end_trial(const char *dir, enum trial_outcome *outcome);

#endif /* GMEM_CTL_KERNEL_LOADER_H */
