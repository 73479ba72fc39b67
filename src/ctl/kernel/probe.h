/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this kernel can enforce: which hooks it has, what each of them knows of a request, and which
 * programs a policy wants. Nothing is guessed from a version.
 */
#ifndef GMEM_CTL_KERNEL_PROBE_H
#define GMEM_CTL_KERNEL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../../bpf/abi/policy_maps.h"

struct policy;

#define PROG(name)     (1ULL << GMEM_PROG_##name)
#define PROG_BIT(prog) (1ULL << (prog))

/* Programs that each kernel must carry, whatever the policy. */
#define PROGS_TAG (PROG(tag_exec) | PROG(tag_fork))

/* All programs of the lock: bits. They are an object of their own. */
#define PROGS_LOCK_BIT(name, ...) PROG(name) |
#define PROGS_LOCK		  (GMEM_LOCK_PROGRAMS(PROGS_LOCK_BIT) 0)
#define PROGS_ALL		  (PROG_BIT(GMEM_PROG_MAX) - 1)

/* X(name, how it is shown, meaning): what becomes of an operation */
#define GMEM_GUARANTEES(X)                                                                    \
	X(enforced, "enforced", "each request is decided, by the values that are used")       \
	X(limited, "enforced, in part", "each request is decided, by what the hook knows")    \
	X(command, "by command", "decided by the number of the ioctl alone (--strict-ioctl)") \
	X(moot, "not needed", "this kernel has no such operation")                            \
	X(impossible, "impossible", "no hook of this kernel sees it")

enum guarantee {
#define X(name, ...) GUARANTEE_##name,
	GMEM_GUARANTEES(X)
#undef X
		GUARANTEE_MAX
};

extern const char *const guarantee_names[GUARANTEE_MAX]; /* as in JSON */
extern const char *const guarantee_texts[GUARANTEE_MAX]; /* as in tables */

extern const char *const program_names[GMEM_PROG_MAX];	      /* of pins */
extern const char *const program_kernel_names[GMEM_PROG_MAX]; /* as `bpftool prog` shows them */
extern const char *const program_hooks[GMEM_PROG_MAX];
extern const char *const operation_names[GMEM_DO_MAX];
extern const char *const guard_names[GMEM_GUARD_MAX];

/* The name of what an event is about: an operation, or a guard; "?" if it is neither. */
const char *subject_of_event(uint32_t op);

/* One way to decide an operation: all of its programs are needed. */
struct way {
	enum gmem_operation op;
	enum guarantee guarantee;
	uint64_t programs;
	uint32_t knows; /* bits of enum policy_condition */
};

extern const struct way ways[];
extern const unsigned int nr_ways;

struct hooks {
	uint64_t present; /* programs whose hook the kernel has: bits */
	uint64_t refused; /* of these, programs that the kernel did not take: bits */
	int refused_with; /* the errno of one of them; 0: they are only not attached */
	bool lsm_known;	  /* whether bpf is among the kernel's LSMs could be read */
	bool lsm_active;  /* it is */
	bool knows_kvm;
	bool has_verity, has_task_from_pid;
	bool kvm;	 /* /dev/kvm works */
	bool no_mmap;	 /* instances cannot be mapped here */
	bool no_convert; /* VMs and instances of this kernel have no memory attributes */
};

/* What a policy gets on this kernel. */
struct plan {
	uint64_t programs;    /* to be attached: bits */
	int way[GMEM_DO_MAX]; /* index into ways, or -1 */
	enum guarantee guarantee[GMEM_DO_MAX];
	uint32_t unmet; /* operations that the policy restricts, and which cannot be: bits */
	char why[GMEM_DO_MAX][200]; /* for each unmet or impossible operation: the missing hook */
	uint32_t guards;	    /* that the policy wants: bits of enum gmem_guard */
	uint32_t guards_written;    /* of all guards, what the policy says itself */
	uint32_t guards_unmet;	    /* of these, what cannot be */
	char guard_why[GMEM_GUARD_MAX][200]; /* of each that cannot be, wanted or not */
};

/**
 * hooks_probe - look at the kernel
 *
 * Return: 0, or a negative errno that has been explained: -EOPNOTSUPP where it can do nothing.
 */
int hooks_probe(struct hooks *hooks);

/*
 * What was found is kept with the policy that is loaded, and is true until the kernel is another
 * one: then nothing is pinned any more. Returns as hooks_probe().
 */
void hooks_remember(const struct hooks *hooks, struct gmem_slot *slot);
int hooks_recall(struct hooks *hooks, const struct gmem_slot *slot);

/**
 * hooks_plan - which programs, and what they guarantee
 * @policy: the policy, NULL: any
 * @strict: --strict-ioctl
 *
 * Looks at nothing but its arguments.
 */
void hooks_plan(const struct hooks *hooks, const struct policy *policy, bool strict,
		struct plan *plan);

#endif /* GMEM_CTL_KERNEL_PROBE_H */
