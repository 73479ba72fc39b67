/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instances that exist before a policy is enforced: everything would be denied for them, so that
 * running VMs would break. A load stops there, unless it is told what to do with them.
 */
#ifndef GMEM_CTL_KERNEL_EXISTING_H
#define GMEM_CTL_KERNEL_EXISTING_H

#include "find.h"
#include "in_force.h"

struct compiled;

#define EXISTING_NAMES 256

/* A process that holds such an instance. */
struct existing_process {
	struct gmem_found place;       /* the first one: instance, process, how it is held */
	char vm[128];		       /* the name of the VM, "": it has none */
	char subjects[EXISTING_NAMES]; /* what the process is in the policy, "": no subject */
	bool adoptable; /* the policy allows the process to create such an instance */
	char rule[128]; /* that decided that */
	bool whole;	/* all processes that hold the instance are allowed that */
};

struct existing {
	struct existing_process *list; /* by instance */
	size_t nr;
	size_t instances, adoptable; /* an instance is, if all its processes are */
};

/**
 * existing_find - the instances that do not belong to the policy in force
 * @any: a policy is in force; before the first one no instance belongs to it, and @store is not used
 * @found: the result, to be given to found_free(); what it had is freed
 *
 * Return: 0 or a negative errno that has been explained.
 */
int existing_find(struct finder *finder, const struct store *store, bool any,
		  struct found_list *found);

/**
 * existing_list - who holds instances, and whether the policy allows these instances
 * @found: where instances are held, sorted by instance
 * @kernel: the policy as it is in the kernel, which knows the processes; NULL: go by /proc
 * @existing: the result, to be given to existing_free()
 *
 * Return: 0 or a negative errno that has been explained.
 */
int existing_list(const struct compiled *compiled, const struct found_list *found,
		  const struct in_force *kernel, struct existing *existing);
void existing_free(struct existing *existing);

/**
 * existing_adopt - label the instances that the policy allows all of their holders to create
 * @existing: what could not be labelled is not adoptable afterwards, as an instance that is in
 * flight in a socket
 *
 * Return: 0 or a negative errno that has been explained.
 */
int existing_adopt(const struct store *store, struct existing *existing);

/**
 * existing_allow - may a policy be enforced, with the instances that there are?
 * @adopt: those that the policy allows are taken in
 * @deny: everything is denied for the others
 *
 * Return: 0, or -EOPNOTSUPP, which has been explained.
 */
int existing_allow(const struct existing *existing, bool adopt, bool deny);

struct existing_wish {
	bool adopt, deny; /* as of existing_allow() */
	bool previous;	  /* the policy before is to be enforced, not the one in force */
};

/**
 * existing_check - may a policy be enforced, where the one in force is in audit mode?
 * @existing: who would be denied, to be given to existing_free()
 *
 * With wish->adopt the instances that the policy allows belong to it afterwards.
 *
 * Return: 0, -EOPNOTSUPP, or another negative errno; each has been explained.
 */
int existing_check(const char *dir, const struct existing_wish *wish, struct existing *existing);

#endif /* GMEM_CTL_KERNEL_EXISTING_H */
