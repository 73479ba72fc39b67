/* SPDX-License-Identifier: GPL-2.0-only */
/* The cases of a test, by name. */
#ifndef CASES_H
#define CASES_H

#include <stddef.h>

#include "../test.h"
#include "wanted.h"

struct test_case {
	const char *name;
	void (*run)(void);
};

#define CASES_SKIPPED 77 /* exit status: no case can run in this lane */

/* Why the case that runs checks nothing in this lane, and which lane runs it; NULL: it must check. */
static const char *case_skipped;

static inline void skip_case(const char *why)
{
	case_skipped = why;
}

/* Return: did it pass? A case that neither checks anything nor says why it does not has failed. */
static inline bool run_case(const struct test_case *c)
{
	int failures_before = failures, checks_before = checks;

	case_skipped = NULL;
	c->run();
	if (checks == checks_before) {
		printf("%s: %s%s\n", c->name, case_skipped ? "skipped: " : "FAILED",
		       case_skipped ? case_skipped : ", it checked nothing");
		return case_skipped;
	}
	printf("%s: %s\n", c->name, failures == failures_before ? "ok" : "FAILED");
	return failures == failures_before;
}

/* Run the cases among @names, or all if there are no names. Return: the test's exit status. */
static inline int run_cases(const char *test, const struct test_case *cases, size_t nr,
			    char **names)
{
	const char *why = NULL;
	int failed = 0, ran = 0;
	size_t i;

	WANTED_CHECK(names, cases, nr);
	for (i = 0; i < nr; i++) {
		if (!wanted(cases[i].name, names))
			continue;
		ran++;
		failed += !run_case(&cases[i]);
		why = case_skipped ? case_skipped : why;
	}
	printf("%s: %d checks in %d cases, %d failed in %d\n", test, checks, ran, failures, failed);
	if (failed || checks)
		return failed || failures ? 1 : 0;
	printf("%s\n", why ? why : "no case was run");
	return why ? CASES_SKIPPED : 1;
}

#endif
