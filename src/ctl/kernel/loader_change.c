// SPDX-License-Identifier: GPL-2.0-only
/* Changes of what is in force: mode, rollback, unload; see loader.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/log.h"
#include "../../lib/namespaces.h"
#include "../interrupt.h"
#include "attached.h"
#include "loader.h"
#include "lock.h"
#include "running.h"

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

int loader_rollback(const char *dir, bool trust_running, __u64 *generation, enum proof *proof)
{
	struct store store;
	struct pins pins;
	__u64 before;
	int ret, slot;

	ret = namespaces_check("roll back");
	ret = ret ?: begin(&pins, &store, dir);
	if (ret)
		return ret;
	slot = store_previous(&store);
	if (slot < 0) {
		ret = log_error(-ENOENT, "there was no policy before this one", NULL, "roll back");
	} else {
		ret = lock_allows_slot(&store, (unsigned int)slot, store.slots[slot].enforce,
				       "roll back to a policy that cannot be locked");
		ret = ret ?: lock_is_held(&store);
		if (ret > 0)
			ret = lock_check_self(&store, (unsigned int)slot);
	}
	ret = ret ?: interrupted("roll back");
	if (!ret && store.slots[slot].enforce)
		ret = running_trust(&store, (unsigned int)slot, trust_running, NULL);
	if (!ret) {
		before = store_active(&store);
		*generation = store_next_generation(&store);
		store_activate(&store, (unsigned int)slot, *generation, store.slots[slot].enforce);
		ret = prove(&store, trust_running, proof);
		*generation = GMEM_ACTIVE_GENERATION(store_active(&store));
		if (ret)
			store_put_back(&store, before);
	}
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

int loader_unload(const char *dir)
{
	struct store store;
	struct pins pins;
	int ret;

	ret = pins_open(&pins, dir, true);
	if (ret)
		return ret;
	ret = pins_exist(&pins);
	if (ret <= 0) {
		ret = ret ? log_error(ret, NULL, ret == -EACCES ? "be root" : NULL,
				      "unload from %s", pins.dir)
			  : nothing_to_unload(&pins);
		goto out;
	}
	ret = store_open(&store, &pins);
	if (!ret) {
		ret = lock_allows(&store, NULL, false, false);
		ret = ret ?: interrupted("unload the policy");
		if (!ret)
			store_deactivate(&store);
		store_close(&store);
		if (ret)
			goto out;
	}
	/*
	 * What another version has left can be taken away too. Whatever else keeps it from being
	 * opened, as descriptors that the caller has limited: it may be locked.
	 */
	if (ret && ret != -EPROTO && ret != -ENOENT)
		goto out;
	ret = pins_remove(&pins);
	if (ret)
		ret = log_error(ret, NULL, ret == -EPERM || ret == -EACCES ? "be root" : NULL,
				"remove %s", pins.dir);
out:
	pins_close(&pins);
	return ret;
}
