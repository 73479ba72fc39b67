/* SPDX-License-Identifier: GPL-2.0-only */
/* What a command left: the policy in force, and nothing that was begun. After test.h. */
#ifndef GMEM_TEST_IN_FORCE_H
#define GMEM_TEST_IN_FORCE_H

#include <glob.h>
#include <stdbool.h>
#include <string.h>

#include "../test.h"
#include "policies.h"

/* Cases take over the policy of the case before: the first load takes the verifier seconds. */
#define LOAD   "gmemctl load --accept-default-change deny.yaml"
#define UNLOAD "if [ -e /sys/fs/bpf/gmem ]; then gmemctl unload; fi"

/* Also at once, before anybody sweeps. */
static inline void no_drafts(const char *after)
{
	glob_t found;

	CHECK(glob("/sys/fs/bpf/*-draft-*", 0, NULL, &found) == GLOB_NOMATCH, "after %s", after);
	globfree(&found);
}

/* @policy: "": none */
static inline void in_force(const char *after, const char *policy, bool enforcing)
{
	struct loader_status status;

	policy_status(&status);
	CHECK(!strcmp(status.word ? status.name : "", policy), "after %s: %s", after, status.name);
	if (*policy)
		CHECK(GMEM_ACTIVE_ENFORCES(status.word) == enforcing, "after %s", after);
	no_drafts(after);
}

static inline void deny_in_force(const char *after)
{
	in_force(after, "deny", true);
}

#endif /* GMEM_TEST_IN_FORCE_H */
