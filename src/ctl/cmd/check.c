// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl check: is this a valid policy? */
#include <errno.h>
#include <stdio.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../../policy/compile.h"
#include "../kernel/policy_file.h"

static int print_json(const struct policy_file *file)
{
	struct json json = { 0 };

	report_begin(&json, REPORT_check);
	json_str(&json, "file", file->policy->file);
	json_bool(&json, "valid", !file->diags.nr_errors);
	json_u64(&json, "errors", file->diags.nr_errors);
	json_u64(&json, "warnings", file->diags.nr_warnings);
	json_str(&json, "name", file->policy->name);
	json_str(&json, "mode", file->policy->enforce ? "enforce" : "audit");
	json_u64(&json, "subjects", file->policy->nr_subjects);
	json_u64(&json, "rules", file->policy->nr_rules);
	diags_json(&file->diags, &json);
	return report_end(&json);
}

/* A number of things, with an s where there is not one of them. */
static const char *counted(char text[48], size_t nr, const char *what)
{
	snprintf(text, 48, "%zu %s%s", nr, what, nr == 1 ? "" : "s");
	return text;
}

static void print_text(const struct policy_file *file)
{
	char a[48], b[48], c[48];

	const struct policy *policy = file->policy;

	diags_print(&file->diags, stderr);
	if (file->diags.nr_errors)
		fprintf(stderr, "%s: invalid: %s, %s\n", policy->shown_file,
			counted(a, file->diags.nr_errors, "error"),
			counted(b, file->diags.nr_warnings, "warning"));
	else
		printf("%s: valid: policy %s, %s, %s, %s, %s\n", policy->shown_file, policy->name,
		       policy->enforce ? "enforce" : "audit",
		       counted(a, policy->nr_subjects, "subject"),
		       counted(b, policy->nr_rules, "rule"),
		       counted(c, file->diags.nr_warnings, "warning"));
}

int ctl_check(const struct ctl_options *opts)
{
	struct policy_file file;
	int ret, printed = 0;

	if (!opts->file)
		return log_error(-EINVAL, "a file is missing", "see --help", "check");
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
