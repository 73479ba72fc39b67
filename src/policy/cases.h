/* SPDX-License-Identifier: GPL-2.0-only */
/* Cases that test a policy: requests with the expected decisions. gmem-policy(5) has the format. */
#ifndef GMEM_POLICY_CASES_H
#define GMEM_POLICY_CASES_H

#include "request.h"

struct policy_case {
	const char *name;
	struct place place;
	struct who who;
	struct gmem_request request;
	bool deny;	   /* expected */
	const char *rule;  /* expected to decide, or NULL */
	const char *audit; /* rule in audit mode expected to come before, "none", or NULL */
};

struct policy_cases {
	const char *policy; /* file, as it is written; NULL if the cases name none */
	struct policy_case *cases;
	size_t nr;
	struct arena *arena; /* owns all of it */
};

/**
 * cases_parse - read a file of cases
 * @text: borrowed until diags_free(), @len bytes; @file its name
 * @lookup: for the users and executables of the cases, or NULL
 * @cases: to be given to cases_free(), also on error
 *
 * Return: 0, -EBADMSG if @diags has errors, -ENOMEM.
 */
int cases_parse(const char *text, size_t len, const char *file, const struct who_lookup *lookup,
		struct policy_cases *cases, struct diags *diags);
void cases_free(struct policy_cases *cases);

#endif /* GMEM_POLICY_CASES_H */
