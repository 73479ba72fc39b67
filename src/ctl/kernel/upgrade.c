// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "../../lib/log.h"
#include "lock.h"
#include "programs.h"
#include "upgrade.h"
#include "verify.h"

/* The programs that are to go. */
struct leaving {
	__u32 ids[GMEM_PROG_MAX];
	size_t nr;
};

static void note_leaving(const struct pins *pins, uint64_t programs, struct leaving *leaving)
{
	struct program_info info;
	unsigned int i;

	leaving->nr = 0;
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (programs & PROG_BIT(i) &&
		    !program_read(pins, (enum gmem_policy_program)i, &info) && info.id)
			leaving->ids[leaving->nr++] = info.id;
	}
}

/* The new programs take the places of the old ones. */
static int replace_links(const struct pins *pins)
{
	uint64_t programs = pins_new_programs(pins);
	struct leaving leaving;
	unsigned int i;
	size_t left;
	int ret = 0;

	note_leaving(pins, programs, &leaving);
	for (i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (programs & PROG_BIT(i))
			ret = pins_replace(pins, (enum gmem_policy_program)i);
	}
	left = ret ? 0 : programs_wait(leaving.ids, leaving.nr);
	if (left)
		log_note("%zu replaced programs are still loaded: others hold them or their links",
			 left);
	return ret ? log_error(ret, NULL, NULL, "replace the links in %s/links", pins->dir) : 0;
}

static int remove_new(const struct pins *pins)
{
	uint64_t programs = pins_new_programs(pins);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (programs & PROG_BIT(i))
			ret = pins_remove_new(pins, (enum gmem_policy_program)i) ?: ret;
	}
	return ret ? log_error(ret, NULL, NULL, "remove the links %s/links/" PINS_NEW "*",
			       pins->dir)
		   : 0;
}

int upgrade_finish(struct store *store)
{
	if (!pins_new_programs(store->pins))
		return 0;
	/* They count: so they had been proved. */
	if (GMEM_ACTIVE_COUNTS(store_programs(store)))
		return replace_links(store->pins);
	return remove_new(store->pins);
}

/* The next number whose set the word of `active` can tell from the one that is attached. */
static __u32 next_serial(struct store *store)
{
	__u32 attached;

	programs_differ(store->pins, &attached);
	do {
		store->loads->serial++;
	} while (!store->loads->serial ||
		 GMEM_SET_OF(store->loads->serial) == GMEM_SET_OF(attached));
	return store->loads->serial;
}

/* Do the new programs deny? The kernel calls them before the old ones. */
static int prove_new(const struct store *store, __u32 serial)
{
	__u32 denied_by = serial;
	int ret;

	if (!store_active(store))
		return 0;
	ret = verify(store, &denied_by);
	if (ret < 0)
		return ret;
	if (ret == PROOF_untested)
		return 0;
	if (ret == PROOF_allowed || ret == PROOF_other)
		return log_error(-EPROTO, proof_texts[ret], NULL, "replace the programs");
	if (denied_by != serial)
		return log_error(-EPROTO,
				 "the kernel calls the old programs first, so that the new ones "
				 "cannot be tried",
				 "gmemctl unload, then load the policy again",
				 "replace the programs");
	return 0;
}

int upgrade(struct store *store, struct hooks *hooks, uint64_t programs, bool locked, bool dry_run)
{
	const struct pins *pins = store->pins;
	__u32 serial;
	int ret;

	if (dry_run)
		return attach_beside(pins, hooks, programs, store->loads->serial, true);
	serial = next_serial(store);
	/* They lead from the moment when they are attached, and do not count yet. */
	store_set_programs(store, serial, false);
	ret = attach_beside(pins, hooks, programs, serial, false);
	if (ret)
		return ret;
	if (locked)
		ret = lock_extend(store);
	ret = ret ?: prove_new(store, serial);
	if (ret) {
		remove_new(pins);
		return ret;
	}
	store_set_programs(store, serial, true);
	ret = replace_links(pins);
	if (!ret)
		store->loads->knows = programs_know(hooks);
	return ret;
}
