/* SPDX-License-Identifier: GPL-2.0-only */
/* How `gmemctl explain` prints a decision: which rule decides, and why not those before it. */
#ifndef GMEM_CTL_CMD_EXPLAIN_H
#define GMEM_CTL_CMD_EXPLAIN_H

#include <stdbool.h>

#include "../../lib/json.h"
#include "../../policy/eval.h"
#include "../../policy/events.h"
#include "../print.h"

/* What the kernel knows of the process that is asked for, where its policy is in force. */
struct in_kernel {
	bool asked;
	bool tagged;
	struct gmem_identity exe;
	struct gmem_decision decision;
};

struct explain {
	const struct policy *policy;
	const struct in_kernel *kernel;
	const struct event_question *event; /* whose request it is, or NULL */
	unsigned int pid;
	const struct who *who;
	const struct gmem_request *request;
	struct gmem_decision decision;
	struct json json;
	bool as_json;
	struct rows rows;		/* conditions: of one rule in JSON, of all in text */
	const struct policy_rule *rule; /* that is being shown */
	bool rule_begins;
};

/* As text or as JSON. Return: 0 or a negative errno. */
int explain_print(struct explain *explain);

/* No rule decides what a guard keeps off. Return: 0 or a negative errno. */
int explain_guard(const struct event_question *event, bool as_json);

#endif /* GMEM_CTL_CMD_EXPLAIN_H */
