// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/log.h"
#include "drop_ins.h"
#include "policy_file.h"

#define SUFFIX ".yaml"

static bool has_suffix(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static int is_drop_in(const struct dirent *entry)
{
	return *entry->d_name != '.' && has_suffix(entry->d_name);
}

static int read_part(struct drop_ins *drop_ins, const char *name)
{
	struct part *part = &drop_ins->parts[drop_ins->nr];
	char *path, *text;
	int ret;

	if (asprintf(&path, "%s/%s", drop_ins->directory, name) < 0)
		return log_error(-ENOMEM, NULL, NULL, "read %s", name);
	ret = policy_read_text(path, &text, &part->len);
	if (ret) {
		free(path);
		return ret;
	}
	part->path = path;
	part->name = path + strlen(drop_ins->directory) + 1;
	part->text = text;
	drop_ins->nr++;
	return 0;
}

int drop_ins_read(const char *path, struct drop_ins *drop_ins)
{
	struct dirent **entries = NULL;
	int nr, i, ret = 0;

	memset(drop_ins, 0, sizeof(*drop_ins));
	if (!strcmp(path, "-") || !has_suffix(path))
		return 0;
	if (asprintf(&drop_ins->directory, "%.*s.d", (int)(strlen(path) - strlen(SUFFIX)), path) <
	    0) {
		drop_ins->directory = NULL;
		return log_error(-ENOMEM, NULL, NULL, "read the drop-ins of %s", path);
	}
	nr = scandir(drop_ins->directory, &entries, is_drop_in, alphasort);
	if (nr < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : log_error(-errno, NULL, NULL, "read the drop-ins in %s",
					   drop_ins->directory);
	drop_ins->parts = calloc((size_t)nr + 1, sizeof(*drop_ins->parts));
	if (!drop_ins->parts)
		ret = log_error(-ENOMEM, NULL, NULL, "read the drop-ins of %s", path);
	for (i = 0; i < nr; i++) {
		if (!ret)
			ret = read_part(drop_ins, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

void drop_ins_free(struct drop_ins *drop_ins)
{
	size_t i;

	for (i = 0; i < drop_ins->nr; i++) {
		free((char *)drop_ins->parts[i].path);
		free((char *)drop_ins->parts[i].text);
	}
	free(drop_ins->parts);
	free(drop_ins->directory);
	free(drop_ins->path);
	free(drop_ins->text);
	memset(drop_ins, 0, sizeof(*drop_ins));
}
