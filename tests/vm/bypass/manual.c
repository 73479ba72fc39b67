// SPDX-License-Identifier: GPL-2.0-only
/* Whether the manual names a limit that a case shows. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bypass.h"

static const char *const manuals[] = { "man/gmem-policy.5.scd", "man/gmemctl.8.scd" };

#define MANUALS (sizeof(manuals) / sizeof(manuals[0]))

/* Without markup, and with one blank for what separates words. */
static char *plain(const char *text)
{
	char *to = malloc(strlen(text) + 2), *at = to;

	for (; *text; text++) {
		if (strchr("*_\\", *text))
			continue;
		if (!isspace((unsigned char)*text))
			*at++ = *text;
		else if (at == to || at[-1] != ' ')
			*at++ = ' ';
	}
	*at = '\0';
	return to;
}

static char *read_manual(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, *words;
	size_t size = 0;

	if (!f || getdelim(&text, &size, '\0', f) < 0) {
		perror(path);
		exit(1);
	}
	fclose(f);
	words = plain(text);
	free(text);
	return words;
}

bool manual_says(const char *sentence)
{
	static char *known[MANUALS];
	char *looked_for = plain(sentence);
	bool says = false;

	for (size_t i = 0; i < MANUALS && !says; i++) {
		if (!known[i])
			known[i] = read_manual(manuals[i]);
		says = strstr(known[i], looked_for);
	}
	free(looked_for);
	return says;
}
