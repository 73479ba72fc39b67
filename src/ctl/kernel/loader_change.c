// SPDX-License-Identifier: GPL-2.0-only
/* Changes of what is in force: mode, rollback, unload; see loader.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/log.h"
#include "../../lib/namespaces.h"
#include "../interrupt.h"
#include "attached.h"
#include "loader.h"
#include "lock.h"
#include "running.h"
#include "trial.h"

/* Lock, and open what is loaded. */
static int begin(struct pins *pins, struct store *store, const char *dir)
{
	int ret;

	ret = pins_open(pins, dir, true);
	if (ret)
		return ret;
	ret = store_open(store, pins);
	if (ret)
		pins_close(pins);
	return ret;
}

static void end(struct pins *pins, struct store *store)
{
	store_close(store);
	pins_close(pins);
}

static int need_active(const struct store *store)
{
	if (store_active(store))
		return 0;
	return log_error(-ENOENT, "no policy is in force", "gmemctl load FILE", "look at %s",
			 store->pins->dir);
}

/* Nothing can be enforced that no hook carries, also if audit mode was content with it. */
static int check_enforceable(const struct store *store, unsigned int slot)
{
	__u32 unmet = store->slots[slot].unmet;

	if (!unmet)
		return 0;
	return log_error(-EOPNOTSUPP, "no hook of this kernel sees what its rules look at",
			 "gmemctl load --mode enforce says which hook is missing", "enforce %s %s",
			 unmet & OPS_ALL ? "the rules for" : "the guard",
			 subject_of_event((uint32_t)__builtin_ctz(unmet)));
}

int loader_set_mode(const char *dir, bool enforce, bool trust_running, enum proof *proof)
{
	struct store store;
	struct pins pins;
	unsigned int slot;
	bool before;
	int ret;

	*proof = PROOF_none;
	ret = namespaces_check("set the mode");
	ret = ret ?: begin(&pins, &store, dir);
	if (ret)
		return ret;
	ret = need_active(&store);
	slot = GMEM_ACTIVE_SLOT(store_active(&store));
	if (!ret)
		ret = lock_allows_slot(&store, slot, enforce, "set the mode audit");
	if (!ret && enforce)
		ret = check_enforceable(&store, slot);
	ret = ret ?: interrupted("set the mode");
	if (!ret && enforce)
		ret = running_trust(&store, slot, trust_running, NULL);
	if (ret)
		goto out;
	before = GMEM_ACTIVE_ENFORCES(store_active(&store));
	store.slots[slot].enforce = enforce;
	store_set_mode(&store, enforce);
	ret = prove(&store, trust_running, proof);
	if (ret) {
		store.slots[slot].enforce = before;
		store_set_mode(&store, before);
	}
out:
	end(&pins, &store);
	return ret;
}

/* @generation: that it got, 0: none */
static int roll_back(struct store *store, bool trust_running, __u64 *generation, enum proof *proof)
{
	int ret, slot = store_previous(store);
	__u64 before;

	if (slot < 0) {
		ret = log_error(-ENOENT, "there was no policy before this one", NULL, "roll back");
	} else {
		ret = lock_allows_slot(store, (unsigned int)slot, store->slots[slot].enforce,
				       "roll back to a policy that cannot be locked");
		ret = ret ?: lock_is_held(store);
		if (ret > 0)
			ret = lock_check_self(store, (unsigned int)slot);
	}
	ret = ret ?: interrupted("roll back");
	if (!ret && store->slots[slot].enforce)
		ret = running_trust(store, (unsigned int)slot, trust_running, NULL);
	if (ret)
		return ret;
	before = store_active(store);
	/* Whoever goes back to a policy that was on trial wants it to stay. */
	trial_end(store, (unsigned int)slot);
	*generation = store_next_generation(store);
	store_activate(store, (unsigned int)slot, *generation, store->slots[slot].enforce);
	ret = prove(store, trust_running, proof);
	*generation = GMEM_ACTIVE_GENERATION(store_active(store));
	if (ret)
		store_put_back(store, before);
	return ret;
}

int loader_rollback(const char *dir, bool trust_running, __u64 *generation, enum proof *proof)
{
	struct store store;
	struct pins pins;
	int ret;

	ret = namespaces_check("roll back");
	ret = ret ?: begin(&pins, &store, dir);
	if (ret)
		return ret;
	ret = roll_back(&store, trust_running, generation, proof);
	end(&pins, &store);
	return ret;
}

static int nothing_to_unload(const struct pins *pins)
{
	char text[ATTACHED_TEXT], why[ATTACHED_TEXT + 64];
	struct attached attached;
	int ret;

	ret = attached_elsewhere(pins, &attached);
	if (ret)
		return ret;
	if (!attached.nr)
		return log_error(-ENOENT, "no policy is loaded", NULL, "unload from %s", pins->dir);
	snprintf(why, sizeof(why), "its pins are elsewhere: %s",
		 attached_text(&attached.list[0], text));
	attached_free(&attached);
	return log_error(-ENOENT, why,
			 "use --pins DIR, in the mount namespace where the policy was loaded",
			 "unload from %s", pins->dir);
}

/* Remove the policy and its programs. */
static int unload(const struct pins *pins)
{
	struct store store;
	int ret;

	ret = store_open(&store, pins);
	if (!ret) {
		ret = lock_allows(&store, NULL, false, false);
		ret = ret ?: interrupted("unload the policy");
		if (!ret)
			store_deactivate(&store);
		store_close(&store);
		if (ret)
			return ret;
	}
	/*
	 * What another version has left can be taken away too. Whatever else keeps it from being
	 * opened, as descriptors that the caller has limited: it may be locked.
	 */
	if (ret && ret != -EPROTO && ret != -ENOENT)
		return ret;
	ret = pins_remove(pins);
	return ret ? log_error(ret, NULL, ret == -EPERM || ret == -EACCES ? "be root" : NULL,
			       "remove %s", pins->dir)
		   : 0;
}

int loader_unload(const char *dir)
{
	struct pins pins;
	int ret;

	ret = pins_open(&pins, dir, true);
	if (ret)
		return ret;
	ret = pins_exist(&pins);
	if (ret > 0)
		ret = unload(&pins);
	else
		ret = ret ? log_error(ret, NULL, ret == -EACCES ? "be root" : NULL,
				      "unload from %s", pins.dir)
			  : nothing_to_unload(&pins);
	pins_close(&pins);
	return ret;
}

int loader_confirm(const char *dir, char name[64])
{
	struct store store;
	struct pins pins;
	unsigned int slot;
	int ret;

	ret = begin(&pins, &store, dir);
	if (ret)
		return ret;
	ret = need_active(&store);
	slot = GMEM_ACTIVE_SLOT(store_active(&store));
	if (!ret && !trial_on(&store))
		ret = log_error(-ENOENT, "the policy in force is not on trial", NULL,
				"confirm policy %s", store.heads[slot].name);
	if (!ret) {
		trial_end(&store, slot);
		memcpy(name, store.heads[slot].name, 64);
	}
	end(&pins, &store);
	return ret;
}

/*
 * One attempt to end a trial. @left: it has time left, in nanoseconds. Return: 0, -EBUSY if another
 * gmemctl is at work, a negative errno; explained.
 */
static int end_trial(const char *dir, enum trial_outcome *outcome, int64_t *left)
{
	const struct gmem_slot *how;
	struct store store;
	struct pins pins;
	enum proof proof;
	__u64 generation;
	bool back;
	int ret;

	*left = 0;
	*outcome = TRIAL_none;
	ret = pins_open(&pins, dir, true);
	if (ret)
		return ret;
	ret = pins_exist(&pins);
	if (ret > 0)
		ret = store_open(&store, &pins);
	else
		goto out;
	if (ret || !trial_on(&store))
		goto close;
	how = &store.slots[GMEM_ACTIVE_SLOT(store_active(&store))];
	*left = trial_left(how);
	if (*left > 0)
		goto close;
	*left = 0;
	back = how->trial_back;
	if (back) {
		ret = roll_back(&store, false, &generation, &proof);
		*outcome = ret ? TRIAL_none : TRIAL_back;
	}
	store_close(&store);
	if (!back) {
		ret = unload(&pins);
		*outcome = ret ? TRIAL_none : TRIAL_unload;
	}
	goto out;
close:
	store_close(&store);
out:
	pins_close(&pins);
	return ret;
}

int loader_end_trial(const char *dir, enum trial_outcome *outcome)
{
	struct timespec pause;
	int64_t left;
	int ret;

	for (;;) {
		ret = end_trial(dir, outcome, &left);
		if (ret != -EBUSY && left <= 0)
			return ret;
		/* Another gmemctl does not keep a trial from its end, however long it takes. */
		pause = (struct timespec){ .tv_sec = 1 };
		if (left > 0)
			pause = (struct timespec){ .tv_sec = left / 1000000000,
						   .tv_nsec = left % 1000000000 };
		nanosleep(&pause, NULL);
	}
}
