/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cases that a test's arguments select by name. An argument that selects nothing is an error:
 * a misspelt name must not pass as a test of which nothing failed.
 */
#ifndef WANTED_H
#define WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANTED_EXIT_USAGE 2

/* Is @name among the NULL-terminated @names? Without names every case is wanted. */
static inline bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

/**
 * wanted_check - require that every argument is the name of a case
 * @names: the arguments, NULL-terminated
 * @first: the name of the first case; the others follow, each @stride bytes after the one before
 * @nr: number of cases
 * @more: one more name, or NULL
 *
 * Ends the program with exit status 2 if an argument is not a name.
 */
static inline void wanted_check(char **names, const char *const *first, size_t nr, size_t stride,
				const char *more)
{
	bool bad = false, known;

	for (; *names; names++) {
		known = more && !strcmp(*names, more);
		for (size_t i = 0; i < nr && !known; i++)
			known = !strcmp(*names,
					*(const char *const *)((const char *)first + i * stride));
		if (!known)
			fprintf(stderr, "'%s' is not the name of a case\n", *names);
		bad |= !known;
	}
	if (!bad)
		return;
	fprintf(stderr, "the cases are:");
	for (size_t i = 0; i < nr; i++)
		fprintf(stderr, " %s", *(const char *const *)((const char *)first + i * stride));
	fprintf(stderr, "%s%s\n", more ? " " : "", more ? more : "");
	exit(WANTED_EXIT_USAGE);
}

/* The same for an array of structures with a member `name`. */
#define WANTED_CHECK(names, cases, nr) \
	wanted_check(names, &(cases)[0].name, nr, sizeof((cases)[0]), NULL)

/* An argument that must be a number above 0. Ends the program with exit status 2 if it is not. */
static inline unsigned long wanted_number(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || !number || *text == '-') {
		fprintf(stderr, "'%s' is not a number above 0\n", text);
		exit(WANTED_EXIT_USAGE);
	}
	return number;
}

/* Nothing may follow. Ends the program with exit status 2 if something does. */
static inline void wanted_no_more(const char *argument)
{
	if (!argument)
		return;
	fprintf(stderr, "the argument '%s' is not expected\n", argument);
	exit(WANTED_EXIT_USAGE);
}

#endif
