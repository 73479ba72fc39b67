/* SPDX-License-Identifier: GPL-2.0-only */
/* Cases that a test was asked for by name. */
#ifndef WANTED_H
#define WANTED_H

#include <stdbool.h>
#include <string.h>

/* Is @name among the NULL-terminated @names? With no names at all everything is wanted. */
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

#endif
