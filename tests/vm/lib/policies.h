/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies as tests make them: from text, loaded as gmemctl loads them, and what became of it. */
#ifndef VM_POLICIES_H
#define VM_POLICIES_H

#include <stdbool.h>

#include "../../../src/ctl/kernel/loader.h"

/* For policy_load() */
#define POLICY_STRICT	    1
#define POLICY_ADOPT	    2
#define POLICY_DRY_RUN	    4
#define POLICY_SAME_DEFAULT 8 /* refuse it if the defaults change */
#define POLICY_LOCK	    16
#define POLICY_NO_TRUST	    32 /* processes that run are not trusted, as gmemctl has it */
#define POLICY_STOP	    64 /* where instances exist that would be denied */

/* What the last load said. */
extern struct load_report policy_report;

/* What the last policy_read_events() read. */
extern struct gmem_denial policy_events[256];

/**
 * policy_text - a policy
 * @deny: operations that are denied by default: bits
 * @fmt: subjects and rules; "": none
 *
 * Return: the text, to be freed.
 */
char *policy_text(unsigned int deny, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Return: 0, -EBADMSG or what loader_load() returned. */
int policy_load(const char *text, bool enforce, unsigned int flags);
void policy_unload(void);

void policy_status(struct loader_status *status);
__u64 policy_rule_hits(unsigned int rule, enum gmem_verdict verdict);

/* Take all events that there are. Return: how many. */
unsigned int policy_read_events(void);

#endif
