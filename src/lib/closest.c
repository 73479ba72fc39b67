// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <string.h>

#include "closest.h"

#define LONGEST_NAME 64

/* How many letters must be changed, added, removed or swapped with the next. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LONGEST_NAME + 1], *before = rows[0], *last = rows[1], *now = rows[2],
					  *spare;
	size_t la = strlen(a), lb = strlen(b), i, j, d;

	if (la > LONGEST_NAME || lb > LONGEST_NAME)
		return LONGEST_NAME;
	for (j = 0; j <= lb; j++)
		last[j] = j;
	for (i = 1; i <= la; i++) {
		now[0] = i;
		for (j = 1; j <= lb; j++) {
			d = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

/* Is it one of the parts of a name, between its dashes? As snp of sev-snp. */
static bool is_part(const char *part, const char *name)
{
	size_t len = strlen(part);
	const char *at;

	for (at = name; len && (at = strstr(at, part)); at++) {
		if ((at == name || at[-1] == '-') && (!at[len] || at[len] == '-'))
			return true;
	}
	return false;
}

const char *closest_name(const char *name, const char *const *names, size_t nr)
{
	size_t best = strlen(name) / 3 + 1, d, i;
	const char *closest = NULL;

	for (i = 0; i < nr; i++) {
		d = is_part(name, names[i]) ? 1 : distance(name, names[i]);
		/* A name of which nothing is left is none. */
		if (d < best + !closest && d < strlen(names[i])) {
			best = d;
			closest = names[i];
		}
	}
	return closest;
}
