// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl check: is this a valid policy? */
#include <errno.h>
#include <stdio.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../../policy/compile.h"
#include "../kernel/policy_file.h"

static int print_json(const struct policy_file *file)
{
	struct json json = { 0 };
	int ret;

	json_open(&json, NULL, '{');
	json_str(&json, "file", file->policy->file);
	json_bool(&json, "valid", !file->diags.nr_errors);
	json_u64(&json, "errors", file->diags.nr_errors);
	json_u64(&json, "warnings", file->diags.nr_warnings);
	json_str(&json, "name", file->policy->name);
	json_str(&json, "mode", file->policy->enforce ? "enforce" : "audit");
	json_u64(&json, "subjects", file->policy->nr_subjects);
	json_u64(&json, "rules", file->policy->nr_rules);
	diags_json(&file->diags, &json);
	json_close(&json, '}');
	ret = json_flush_line(&json, stdout);
	json_free(&json);
	return ret;
}

static void print_text(const struct policy_file *file)
{
	const struct policy *policy = file->policy;

	diags_print(&file->diags, stderr);
	if (file->diags.nr_errors)
		fprintf(stderr, "%s: invalid: %zu errors, %zu warnings\n", policy->shown_file,
			file->diags.nr_errors, file->diags.nr_warnings);
	else
		printf("%s: valid: policy %s, %s, %zu subjects, %zu rules, %zu warnings\n",
		       policy->shown_file, policy->name, policy->enforce ? "enforce" : "audit",
		       policy->nr_subjects, policy->nr_rules, file->diags.nr_warnings);
}

int ctl_check(const struct ctl_options *opts)
{
	struct policy_file file;
	int ret, printed = 0;

	if (!opts->file)
		return log_error(-EINVAL, "it wants a file", "see --help", "check");
	ret = policy_open(opts->file, false, &file);
	if (file.policy && (!ret || ret == -EBADMSG)) {
		if (opts->json)
			printed = print_json(&file);
		else
			print_text(&file);
	}
	policy_close(&file);
	return ret == -EBADMSG ? GMEM_EXIT_POLICY : ret ?: printed;
}
