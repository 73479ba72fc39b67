// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner.h"

void *must(void *allocation)
{
	if (!allocation) {
		fprintf(stderr, "runner: out of memory\n");
		exit(1);
	}
	return allocation;
}

int make_dirs(const char *path)
{
	char *copy = must(strdup(path));
	int ret = 0;

	for (char *p = copy + 1; !ret; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			ret = -errno;
		*p = c;
		if (!c)
			break;
	}
	if (ret)
		fprintf(stderr, "runner: cannot make %s: %s\n", path, strerror(-ret));
	free(copy);
	return ret;
}

void last_line(const char *path, char *text, size_t size)
{
	char *line = NULL;
	size_t capacity = 0;
	FILE *f = fopen(path, "re");

	text[0] = '\0';
	if (!f)
		return;
	while (getline(&line, &capacity, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0])
			snprintf(text, size, "%s", line);
	}
	free(line);
	fclose(f);
}
