// SPDX-License-Identifier: GPL-2.0-only
/* What can be read of a policy in the kernel, see loader.h. Nothing here takes the lock. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/log.h"
#include "programs.h"
#include "loader.h"
#include "lock.h"

static void read_status(const struct store *store, struct loader_status *status)
{
	unsigned int slot;

	status->word = store_active(store);
	status->journal = *store->journal;
	status->previous = store_previous(store);
	if (status->previous >= 0)
		memcpy(status->previous_name, store->heads[status->previous].name,
		       sizeof(status->previous_name));
	if (!status->word)
		return;
	slot = GMEM_ACTIVE_SLOT(status->word);
	status->head = store->heads[slot];
	status->how = store->slots[slot];
	memcpy(status->name, status->head.name, sizeof(status->name));
}

/* Without it the kernel calls no programs on its functions. */
bool loader_is_silenced(void)
{
	FILE *file = fopen("/proc/sys/kernel/ftrace_enabled", "re");
	int c = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return c == '0';
}

static void name_manager(const struct store *store, struct loader_status *status)
{
	struct policy *policy = NULL;
	struct diags *diags;
	char *text;
	size_t len;

	if (!status->word || !status->head.manager ||
	    store_source(store, GMEM_ACTIVE_SLOT(status->word), &text, &len))
		return;
	diags = calloc(1, sizeof(*diags));
	if (diags && !policy_parse(text, len, "the policy in force", &policy, diags) &&
	    status->head.manager <= policy->nr_subjects)
		snprintf(status->manager, sizeof(status->manager), "%s",
			 policy->subjects[status->head.manager - 1].name);
	policy_free(policy);
	if (diags)
		diags_free(diags);
	free(diags);
	free(text);
}

/* What cannot be read stays unknown: it differs. */
static void read_programs(const struct pins *pins, struct loader_status *status)
{
	unsigned int i;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (status->programs & PROG_BIT(i))
			program_read(pins, (enum gmem_policy_program)i, &status->info[i]);
	}
}

int loader_status(const char *dir, struct loader_status *status)
{
	struct store store;
	struct pins pins;
	__u32 knows;
	int ret, locked;

	memset(status, 0, sizeof(*status));
	status->previous = -1;
	ret = pins_open(&pins, dir, false);
	if (ret)
		return ret;
	ret = pins_exist(&pins);
	if (ret < 0)
		return log_error(ret, NULL, "be root", "look at %s", pins.dir);
	if (!ret)
		return attached_elsewhere(&pins, &status->elsewhere);
	ret = store_open(&store, &pins);
	if (ret)
		return ret;
	status->loaded = true;
	status->programs = pins_programs(&pins);
	status->upgrading = pins_new_programs(&pins);
	read_programs(&pins, status);
	status->silenced = loader_is_silenced();
	read_status(&store, status);
	locked = lock_is_held(&store);
	if (locked < 0) {
		store_close(&store);
		return locked;
	}
	status->locked = locked;
	knows = store.loads->knows;
	name_manager(&store, status);
	ret = store_hits(&store, MAP_op_hits, 0, GMEM_DO_MAX, status->ops);
	ret = ret ?: store_hits(&store, MAP_guard_hits, 0, GMEM_GUARD_MAX, status->guards);
	store_close(&store);
	if (ret)
		return log_error(ret, NULL, NULL, "read the counters");
	ret = attached_elsewhere(&pins, &status->elsewhere);
	if (ret)
		return ret;
	ret = hooks_probe(&status->hooks);
	if (ret)
		return ret;
	/* What is not attached guarantees nothing, whatever the kernel could; nor does what the
	 * attached programs do not know.
	 */
	programs_limit(&status->hooks, knows);
	status->hooks.refused = status->hooks.present & ~status->programs;
	hooks_plan(&status->hooks, NULL, status->how.strict, &status->plan);
	status->plan.guards = status->head.guards;
	return 0;
}

int loader_elsewhere(const char *dir, struct attached *elsewhere)
{
	struct pins pins;
	int ret;

	memset(elsewhere, 0, sizeof(*elsewhere));
	ret = pins_open(&pins, dir, false);
	return ret ?: attached_elsewhere(&pins, elsewhere);
}

void loader_status_free(struct loader_status *status)
{
	attached_free(&status->elsewhere);
}

int loader_show(const char *dir, struct loader_shown *shown)
{
	struct store store;
	struct pins pins;
	unsigned int slot;
	int ret;

	memset(shown, 0, sizeof(*shown));
	ret = store_open_dir(&store, &pins, dir);
	if (ret)
		return ret;
	do {
		free(shown->source);
		shown->source = NULL;
		shown->word = store_active(&store);
		if (!shown->word)
			break;
		slot = GMEM_ACTIVE_SLOT(shown->word);
		shown->head = store.heads[slot];
		shown->how = store.slots[slot];
		ret = store_source(&store, slot, &shown->source, &shown->source_len);
		ret = ret
			      ?: store_hits(&store, MAP_rule_hits, slot * GMEM_RULE_MAX,
					    GMEM_RULE_MAX, shown->rules);
		ret = ret ?: store_hits(&store, MAP_op_hits, 0, GMEM_DO_MAX, shown->ops);
		ret = ret ?: store_hits(&store, MAP_guard_hits, 0, GMEM_GUARD_MAX, shown->guards);
		/* Replaced meanwhile: then this can be a mixture. */
	} while (store_active(&store) != shown->word);
	if (!shown->word)
		ret = log_error(-ENOENT, "no policy is in force", "gmemctl load FILE", "look at %s",
				pins.dir);
	else if (ret)
		ret = log_error(ret, NULL, "load it again", "read the policy in force");
	store_close(&store);
	if (ret)
		loader_shown_free(shown);
	return ret;
}

void loader_shown_free(struct loader_shown *shown)
{
	free(shown->source);
	shown->source = NULL;
}
