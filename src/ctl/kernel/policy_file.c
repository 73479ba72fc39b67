// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/log.h"
#include "../../lib/input.h"
#include "drop_ins.h"
#include "policy_file.h"
#include "resolve.h"

int policy_read_text(const char *path, char **text, size_t *len)
{
	/* At most one byte more than a policy may have, so that one that is too large is seen to
	 * be. */
	size_t room = GMEM_MAX_SOURCE + 1;
	FILE *in;
	int ret;

	*text = NULL;
	*len = 0;
	ret = input_open(path, &in);
	if (ret)
		return ret;
	*text = malloc(room + 1);
	if (!*text) {
		ret = log_error(-ENOMEM, NULL, NULL, "read %s", input_name(path));
		goto out;
	}
	errno = 0;
	*len = fread(*text, 1, room, in);
	(*text)[*len] = '\0';
	if (!ferror(in))
		goto out;
	ret = input_failed(path);
	free(*text);
	*text = NULL;
out:
	input_close(in);
	return ret;
}

/* The policy must be valid without its drop-ins, so that its errors are shown in its own text. */
static int check_alone(const char *text, size_t len, const char *name, struct policy_file *file)
{
	int ret = policy_parse(text, len, name, &file->policy, &file->diags);

	if (!ret) {
		diags_free(&file->diags);
		memset(&file->diags, 0, sizeof(file->diags));
	}
	return ret;
}

static int merge(struct policy_file *file, const char *path, bool required, char *text, size_t len)
{
	struct part policy = { .path = path, .name = path, .text = text, .len = len };
	struct drop_ins *drop_ins = file->drop_ins;
	char *merged = NULL, name[4096 + 32];
	size_t merged_len;
	int ret;

	ret = check_alone(text, len, path, file);
	if (!ret)
		ret = policy_merge(&policy, drop_ins->parts, drop_ins->nr, &file->diags, &merged,
				   &merged_len);
	if (!ret) {
		policy_free(file->policy);
		/* Its lines are those that `gmemctl cat` prints. */
		snprintf(name, sizeof(name), "%s with drop-ins", path);
		ret = policy_open_text(merged, merged_len, name, required, file);
		file->drop_ins = drop_ins;
	} else if (ret == -ENOMEM) {
		ret = log_error(ret, NULL, NULL, "read policy %s", path);
	}
	free(merged);
	return ret;
}

int policy_open(const char *path, bool required, struct policy_file *file)
{
	struct drop_ins *drop_ins;
	char *text;
	size_t len;
	int ret;

	memset(file, 0, sizeof(*file));
	ret = policy_read_text(path, &text, &len);
	if (ret)
		return ret;
	drop_ins = calloc(1, sizeof(*drop_ins));
	ret = drop_ins ? drop_ins_read(path, drop_ins)
		       : log_error(-ENOMEM, NULL, NULL, "read policy %s", path);
	if (ret || !drop_ins->nr) {
		if (!ret)
			ret = policy_open_text(text, len, input_name(path), required, file);
		free(text);
		if (drop_ins)
			drop_ins_free(drop_ins);
		free(drop_ins);
		return ret;
	}
	file->drop_ins = drop_ins;
	drop_ins->text = text; /* which diagnostics may show */
	return merge(file, path, required, text, len);
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
		ret = log_error(ret, NULL, NULL, "read policy %s", name);
	return ret;
}

void policy_close(struct policy_file *file)
{
	compiled_free(&file->compiled);
	policy_free(file->policy);
	diags_free(&file->diags);
	if (file->drop_ins)
		drop_ins_free(file->drop_ins);
	free(file->drop_ins);
	memset(file, 0, sizeof(*file));
}
