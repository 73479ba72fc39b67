/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reference implementation: evaluates a policy rule by rule and condition by condition, as it
 * is written, and explains each step. Decisions are made by the kernel's matcher (decide.h); tests
 * compare the two.
 */
#ifndef GMEM_POLICY_EVAL_H
#define GMEM_POLICY_EVAL_H

#include "decide.h"
#include "model.h"

/* The result of a condition. */
enum eval_result {
	EVAL_ABSENT, /* not set, or does not apply to the operation */
	EVAL_TRUE,
	EVAL_FALSE,
};

struct eval_subject {
	enum eval_result exe, root, uid, cgroup; /* root: only where it is not the host's */
	bool holds;				 /* all of them */
};

struct eval_rule {
	bool operation;
	bool subject; /* one of its subjects, or any */
	enum eval_result conditions[POLICY_IF_MAX];
	bool matches; /* all of them */
};

struct eval_subject eval_subject(const struct policy_subject *subject, const struct who *who);

struct eval_rule eval_rule(const struct policy *policy, const struct policy_rule *rule,
			   const struct who *who, const struct gmem_request *request);

/* As policy_decide(). */
struct gmem_decision policy_eval(const struct policy *policy, const struct who *who,
				 const struct gmem_request *request);

#endif /* GMEM_POLICY_EVAL_H */
