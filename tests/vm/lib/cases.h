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

/* The cases among @names, or all where there are none. Return: the test's exit status. */
static inline int run_cases(const char *test, const struct test_case *cases, size_t nr,
			    char **names)
{
	int before;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!wanted(cases[i].name, names))
			continue;
		before = failures;
		cases[i].run();
		printf("%s: %s\n", cases[i].name, failures == before ? "ok" : "FAILED");
	}
	printf("%s: %d checks, %d failed\n", test, checks, failures);
	return failures ? 1 : 0;
}

#endif
