// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "policy_compile.h"

/* At most one byte more than a policy may have, so that one that is too large is seen to be. */
static int read_all(FILE *file, char **text, size_t *len)
{
	size_t room = GMEM_MAX_SOURCE + 1;

	*text = malloc(room + 1);
	if (!*text)
		return -ENOMEM;
	*len = fread(*text, 1, room, file);
	if (ferror(file))
		return errno ? -errno : -EIO;
	(*text)[*len] = '\0';
	return 0;
}

int policy_read_text(const char *path, char **text, size_t *len)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *in = is_stdin ? stdin : fopen(path, "re");
	int ret;

	*text = NULL;
	*len = 0;
	ret = in ? read_all(in, text, len) : -errno;
	if (in && !is_stdin)
		fclose(in);
	if (!ret)
		return 0;
	free(*text);
	*text = NULL;
	return log_error(ret, NULL, NULL, "read %s", path);
}

int policy_open(const char *path, bool required, struct policy_file *file)
{
	char *text;
	size_t len;
	int ret;

	memset(file, 0, sizeof(*file));
	ret = policy_read_text(path, &text, &len);
	if (!ret)
		ret = policy_open_text(text, len, strcmp(path, "-") ? path : "standard input",
				       required, file);
	free(text);
	return ret;
}

int policy_open_text(const char *text, size_t len, const char *name, bool required,
		     struct policy_file *file)
{
	int ret;

	memset(file, 0, sizeof(*file));
	ret = policy_parse(text, len, name, &file->policy, &file->diags);
	/* With errors too, to find them all at once. */
	if (file->policy && (!ret || ret == -EBADMSG)) {
		ret = policy_resolve(file->policy, required, &file->diags);
		if (ret != -ENOMEM)
			ret = policy_compile(file->policy, &file->compiled, &file->diags);
		if (!ret)
			ret = policy_check(&file->compiled, &file->diags);
	}
	diags_sort(&file->diags);
	if (!ret && file->diags.nr_errors)
		ret = -EBADMSG;
	if (ret == -ENOMEM)
		log_error(ret, NULL, NULL, "read policy %s", name);
	return ret;
}

void policy_close(struct policy_file *file)
{
	compiled_free(&file->compiled);
	policy_free(file->policy);
	diags_free(&file->diags);
	memset(file, 0, sizeof(*file));
}
