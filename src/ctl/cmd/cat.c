// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl cat: the text of a policy with its drop-ins, as it would be loaded. */
#include <errno.h>
#include <stdio.h>

#include "../../lib/exits.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/drop_ins.h"
#include "../kernel/policy_file.h"

#define DEFAULT_FILE "/etc/gmem/policy.yaml"

static int print_json(const struct policy_file *file)
{
	struct json json = { 0 };
	size_t i;

	report_begin(&json, REPORT_cat);
	json_str(&json, "file", file->policy->file);
	json_str(&json, "policy", file->policy->name);
	json_open(&json, "drop_ins", '[');
	for (i = 0; file->drop_ins && i < file->drop_ins->nr; i++)
		json_str(&json, NULL, file->drop_ins->parts[i].path);
	json_close(&json, ']');
	json_str(&json, "source", file->policy->source);
	return report_end(&json);
}

int ctl_cat(const struct ctl_options *opts)
{
	const struct policy *policy;
	struct policy_file file;
	int ret;

	ret = policy_open(opts->file ?: DEFAULT_FILE, false, &file);
	if (ret == -EBADMSG) {
		diags_report(&file.diags, opts->json);
		ret = GMEM_EXIT_POLICY;
	} else if (!ret && opts->json) {
		ret = print_json(&file);
	} else if (!ret) {
		policy = file.policy;
		if (fwrite(policy->source, 1, policy->source_len, stdout) != policy->source_len)
			ret = -errno;
	}
	policy_close(&file);
	return ret;
}
