// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/cgroup.h"
#include "../../lib/log.h"
#include "attached.h"
#include "digest.h"
#include "programs.h"
#include "../interrupt.h"
#include "labels.h"
#include "loader.h"
#include "lock.h"
#include "../../lib/namespaces.h"
#include "running.h"
#include "trial.h"
#include "upgrade.h"
#include "../../policy/compile.h"

#define ADVICE_UNMET                                                                                  \
	"load it with --mode audit, or let its default allow the operation, as the example policies " \
	"*-stock.yaml do"

/* A kernel that refuses a program is asked again with one less. */
#define ATTEMPTS 4

/* Guards that the policy asks for by name are as its rules. */
static int check_guards(const struct plan *plan, bool enforce)
{
	unsigned int guard;

	for (guard = 0; guard < GMEM_GUARD_MAX; guard++) {
		if (!(plan->guards_unmet >> guard & 1))
			continue;
		if (enforce && plan->guards_written >> guard & 1)
			return log_error(-EOPNOTSUPP, plan->guard_why[guard],
					 "allow it in the policy, or load with --mode audit",
					 "have the guard %s", guard_names[guard]);
		log_note("the guard %s has no effect here: %s", guard_names[guard],
			 plan->guard_why[guard]);
	}
	return 0;
}

/* What the policy wants and this kernel cannot: an error where it is to be enforced. */
static int check_plan(const struct plan *plan, bool enforce)
{
	unsigned int op;
	int ret = 0;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (!(plan->unmet >> op & 1))
			continue;
		if (enforce)
			ret = log_error(-EOPNOTSUPP, plan->why[op], ADVICE_UNMET,
					"enforce the rules for %s", operation_names[op]);
		else
			log_note("rules for %s have no effect here: %s", operation_names[op],
				 plan->why[op]);
	}
	return ret ?: check_guards(plan, enforce);
}

/* Replace the attached programs by those of this gmemctl. @programs: that the policy needs */
static int upgrade_programs(const struct pins *pins, uint64_t programs, bool dry_run,
			    struct load_report *report)
{
	struct store store;
	int ret;

	programs |= pins_programs(pins) & ~report->hooks.refused;
	ret = store_open(&store, pins);
	if (ret)
		return ret;
	ret = upgrade(&store, &report->hooks, programs, report->was_locked, dry_run);
	store_close(&store);
	return ret;
}

/* Are the attached programs to be replaced? Ends what a gmemctl that was killed has left. */
static int find_replaced(const struct pins *pins, __u32 knows, bool dry_run,
			 struct load_report *report)
{
	struct store store;
	__u32 serial;
	int ret = 0;

	if (!dry_run && pins_new_programs(pins)) {
		ret = store_open(&store, pins);
		if (ret)
			return ret;
		ret = upgrade_finish(&store);
		store_close(&store);
	}
	report->replaced = programs_differ(pins, &serial) || programs_know(&report->hooks) & ~knows;
	return ret;
}

static int attach_programs(const struct pins *pins, const struct compiled *compiled,
			   const struct load_options *opts, struct load_report *report)
{
	uint64_t programs;
	int ret, attempt;

	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		hooks_plan(&report->hooks, compiled->policy, opts->strict, &report->plan);
		ret = check_plan(&report->plan, opts->enforce);
		if (!ret && opts->lock)
			ret = lock_plan(&report->hooks, &report->plan);
		if (ret)
			return ret;
		programs = report->plan.programs;
		if (report->first)
			ret = attach_first(pins, &report->hooks, programs, opts->dry_run,
					   &report->tagged);
		else if (report->replaced)
			ret = upgrade_programs(pins, programs, opts->dry_run, report);
		else
			ret = attach_more(pins, &report->hooks, programs, opts->dry_run);
		if (ret != -EAGAIN)
			return ret;
	}
	return log_error(-EOPNOTSUPP, "the kernel refuses too many of them", NULL,
			 "load the programs into the kernel");
}

/* What is not said aloud by any rule must not change unnoticed. */
static int check_defaults(const struct store *store, const struct compiled *compiled)
{
	__u64 word = store_active(store);
	__u32 changed;
	unsigned int op;

	if (!word)
		return 0;
	changed = store->heads[GMEM_ACTIVE_SLOT(word)].default_deny ^ compiled->head.default_deny;
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (changed >> op & 1)
			return log_error(
				-EBADMSG, "the default would change",
				"say --accept-default-change if this is meant",
				"replace the policy: %s is %s by default now", operation_names[op],
				compiled->head.default_deny >> op & 1 ? "allowed" : "denied");
	}
	return 0;
}

/*
 * What is in force before: may it be replaced, and is there anything at all? @how: it was loaded
 */
static int check_before(const struct pins *pins, const struct compiled *compiled,
			const struct load_options *opts, bool *any, struct gmem_slot *how,
			__u32 *knows, bool *locked)
{
	struct store store;
	int ret = 0;

	ret = store_open(&store, pins);
	if (ret)
		return ret;
	*any = store_active(&store);
	if (*any)
		*how = store.slots[GMEM_ACTIVE_SLOT(store_active(&store))];
	*knows = store.loads->knows;
	ret = lock_is_held(&store);
	if (ret > 0)
		*locked = true;
	if (ret >= 0)
		ret = lock_allows(&store, compiled, opts->lock, opts->enforce);
	if (!ret && opts->trial_ns)
		ret = trial_allowed(&store, *locked);
	if (!ret && !opts->accept_default_change)
		ret = check_defaults(&store, compiled);
	store_close(&store);
	return ret;
}

/* Does a policy begin to be enforced that was not before? Then VMs that run could break. */
static bool begins_to_enforce(const struct load_options *opts, const struct gmem_slot *before)
{
	return opts->enforce && !before->enforce;
}

/* Before anything changes: by what /proc shows of the processes. */
static int check_existing(struct finder *finder, const struct pins *pins, bool any,
			  const struct compiled *compiled, const struct load_options *opts,
			  const struct gmem_slot *before, struct load_report *report)
{
	struct store store;
	int ret = 0;

	if (any) {
		ret = store_open(&store, pins);
		if (ret)
			return ret;
	}
	ret = existing_find(finder, any ? &store : NULL, any, &report->found);
	if (any)
		store_close(&store);
	ret = ret ?: existing_list(compiled, &report->found, NULL, &report->existing);
	if (!ret && begins_to_enforce(opts, before))
		ret = existing_allow(&report->existing, opts->adopt, opts->deny_existing);
	return ret;
}

/* The same with the policy in its slot: by what the kernel knows of the processes. */
static int settle_existing(struct finder *finder, const struct store *store, unsigned int slot,
			   bool any, const struct compiled *compiled,
			   const struct load_options *opts, struct load_report *report)
{
	struct in_force force = {
		.loaded = true, .word = 1, .slot = slot, .pins = *store->pins, .store = *store
	};
	int ret;

	ret = existing_find(finder, store, any, &report->found);
	if (ret)
		return ret;
	existing_free(&report->existing);
	force.cgroup_root = cgroup_root();
	ret = existing_list(compiled, &report->found, &force, &report->existing);
	if (force.cgroup_root >= 0)
		close(force.cgroup_root);
	if (!ret && opts->adopt)
		ret = existing_adopt(store, &report->existing);
	report->unlabelled = (unsigned int)(report->existing.instances -
					    (opts->adopt ? report->existing.adoptable : 0));
	return ret;
}

__u32 loader_looks_at(const struct policy *policy, enum policy_condition condition)
{
	__u32 ops = 0;
	size_t i;

	for (i = 0; i < policy->nr_rules; i++) {
		if (policy->rules[i].conditions >> condition & 1)
			ops |= policy->rules[i].ops & condition_ops[condition];
	}
	return ops;
}

static __u32 decided_by_number(const struct plan *plan)
{
	__u32 ops = 0;
	unsigned int op;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (plan->guarantee[op] == GUARANTEE_command)
			ops |= 1U << op;
	}
	return ops;
}

static int put_in_force(struct store *store, const struct compiled *compiled,
			const struct gmem_identity *identities, const struct load_options *opts,
			struct finder *finder, const struct gmem_slot *was,
			struct load_report *report)
{
	struct gmem_slot how = {
		.loaded_s = (__u64)time(NULL),
		.strict = decided_by_number(&report->plan),
		.uid = getuid(),
		.enforce = opts->enforce,
		.unmet = report->plan.unmet |
			 (report->plan.guards_unmet & report->plan.guards_written) << GMEM_DO_MAX,
		.by_flags = loader_looks_at(compiled->policy, POLICY_IF_flags),
		.by_type = loader_looks_at(compiled->policy, POLICY_IF_vm_type),
	};
	unsigned int slot = store_free_slot(store);
	__u64 generation = store_next_generation(store), before = store_active(store);
	int ret;

	hooks_remember(&report->hooks, &how);
	ret = digest_of(compiled->policy->source, compiled->policy->source_len, how.digest);
	if (ret)
		return log_error(ret, "libgcrypt does not provide SHA-256", NULL,
				 "compute the digest of the policy");
	ret = store_fill(store, slot, generation, compiled, identities, &how);
	if (!ret && (!before || opts->adopt || begins_to_enforce(opts, was)))
		ret = settle_existing(finder, store, slot, before, compiled, opts, report);
	if (!ret && begins_to_enforce(opts, was))
		ret = existing_allow(&report->existing, opts->adopt, opts->deny_existing);
	/* This process, older than the guards as it may be, is who decides here. */
	if (!ret && opts->enforce)
		ret = running_trust(store, slot, false, NULL);
	if (!ret && opts->lock)
		ret = lock_check_self(store, slot);
	ret = ret ?: interrupted("load the policy");
	if (!ret && opts->enforce && opts->trust_running)
		ret = running_trust(store, slot, true, NULL);
	if (!ret && opts->trial_ns)
		ret = trial_begin(store, slot, opts->trial_ns, before);
	if (ret) {
		store_drop(store, slot);
		return ret;
	}
	store_activate(store, slot, generation, opts->enforce);
	report->enforce = opts->enforce;
	ret = prove(store, opts->trust_running, &report->proof);
	report->generation = GMEM_ACTIVE_GENERATION(store_active(store));
	if (ret) {
		store_put_back(store, before);
		store_drop(store, slot);
	}
	if (ret || !opts->lock)
		return ret;
	/* What cannot be locked stays in force without: it is more than what was before. */
	ret = lock_hold(store, compiled, identities);
	report->locked = !ret;
	return ret;
}

/* What is here, and yet has no name in the kernel. */
static int note_untrusted_fs(const struct compiled *compiled,
			     const struct gmem_identity *identities, struct load_report *report)
{
	size_t i;

	report->made_up = calloc(compiled->nr_exes + 1, sizeof(*report->made_up));
	if (!report->made_up)
		return log_error(-ENOMEM, NULL, NULL, "load the policy");
	for (i = 0; i < compiled->nr_exes; i++) {
		if (compiled->exes[i].known && !identities[i].kind)
			report->made_up[report->nr_untrusted_fs++] = compiled->exes[i].path;
	}
	return 0;
}

static int load_locked(const struct pins *pins, const struct compiled *compiled,
		       const struct load_options *opts, struct load_report *report)
{
	struct gmem_identity *identities = NULL;
	struct gmem_slot before = { 0 };
	struct finder finder;
	bool any = false;
	__u32 knows = 0;
	struct store store;
	int ret;

	ret = pins_exist(pins);
	if (ret < 0)
		return log_error(ret, NULL,
				 ret == -EACCES || ret == -EPERM ? "be root" : ADVICE_FOREIGN,
				 "look at %s", pins->dir);
	report->first = !ret;
	if (report->first)
		ret = lock_allows(NULL, compiled, opts->lock, opts->enforce);
	else
		ret = check_before(pins, compiled, opts, &any, &before, &knows,
				   &report->was_locked);
	ret = ret ?: attached_refuse(pins);
	ret = ret ?: hooks_recall(&report->hooks, &before);
	if (ret)
		return ret;
	if (!report->first)
		ret = find_replaced(pins, knows, opts->dry_run, report);
	if (ret)
		return ret;
	identities = calloc(compiled->nr_exes + 1, sizeof(*identities));
	if (!identities)
		return log_error(-ENOMEM, NULL, NULL, "load the policy");
	finder_open(&finder, report->first || report->replaced ? NULL : pins);
	ret = find_identities(&finder, compiled, identities);
	ret = ret ?: note_untrusted_fs(compiled, identities, report);
	if (!ret && (!any || opts->adopt || begins_to_enforce(opts, &before)))
		ret = check_existing(&finder, pins, any, compiled, opts, &before, report);
	ret = ret ?: attach_programs(pins, compiled, opts, report);
	if (ret || opts->dry_run)
		goto out;
	ret = finder_keep(&finder, pins);
	if (ret)
		goto out;
	ret = store_open(&store, pins);
	if (ret)
		goto out;
	/* Two first loads into different directories can have passed the first check together. */
	if (report->first)
		ret = attached_refuse(pins);
	/* A first load that was killed has attached the programs, and no policy has decided yet. */
	ret = ret ?: put_in_force(&store, compiled, identities, opts, &finder, &before, report);
	/* Of a first load that failed nothing stays. */
	if (ret && !store_active(&store) && pins_remove(pins))
		log_note("gmemctl unload takes away what is left in %s", pins->dir);
	store_close(&store);
out:
	finder_close(&finder);
	free(identities);
	return ret;
}

int loader_load(const struct compiled *compiled, const struct load_options *opts,
		struct load_report *report)
{
	struct pins pins;
	int ret;

	memset(report, 0, sizeof(*report));
	ret = namespaces_check("load the policy");
	ret = ret ?: pins_open(&pins, opts->dir, true);
	if (ret)
		return ret;
	ret = load_locked(&pins, compiled, opts, report);
	pins_close(&pins);
	return ret;
}

void load_report_free(struct load_report *report)
{
	found_free(&report->found);
	existing_free(&report->existing);
	free(report->made_up);
	report->made_up = NULL;
}
