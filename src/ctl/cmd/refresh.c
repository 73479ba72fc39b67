// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl refresh: the executables of the policy in force, after an upgrade replaced them. */
#include <errno.h>
#include <stdio.h>

#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../print.h"
#include "../interrupt.h"
#include "../kernel/refresh.h"

#define INODE_TEXT 64

static char *inode_text(const struct gmem_identity *exe, char text[INODE_TEXT])
{
	char dev[DEV_TEXT];

	snprintf(text, INODE_TEXT, "%s/%llu", dev_text(exe->dev, dev), exe->ino);
	return text;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_subject(const struct policy_subject *subject,
			  const struct refresh_subject *report)
{
	char before[INODE_TEXT] = "-", now[INODE_TEXT] = "-";

	if (subject->exe) {
		if (report->before.kind)
			inode_text(&report->before, before);
		if (report->now.kind)
			inode_text(&report->now, now);
		printf("%s: exe %s: %s", subject->name, subject->exe, refresh_texts[report->state]);
		if (report->state == REFRESH_replaced)
			printf(" (inode %s, before %s)", now, before);
		if (report->kept)
			printf("; %zu file%s that it was count%s too", report->kept,
			       plural(report->kept), report->kept == 1 ? "s" : "");
		putchar('\n');
	}
	if (report->users_differ)
		printf("%s: its users have other numbers now, or are not there: those in the "
		       "kernel stay until the policy is loaded again\n",
		       subject->name);
	if (report->cgroup != CGROUP_same)
		printf("%s: cgroup %s %s\n", subject->name, subject->cgroup,
		       cgroup_texts[report->cgroup]);
}

static void print_text(const struct refresh_report *report)
{
	const struct policy *policy = report->file.policy;
	size_t i;

	for (i = 0; i < policy->nr_subjects; i++)
		print_subject(&policy->subjects[i], &report->subjects[i]);
	if (report->forgotten)
		printf("%zu file%s count%s no more: processes that run them are not recognised\n",
		       report->forgotten, plural(report->forgotten),
		       report->forgotten == 1 ? "s" : "");
	if (!report->changed)
		printf("policy %s: nothing has changed (generation %llu)\n", policy->name,
		       report->generation);
	else
		printf("policy %s: %s, %s (generation %llu)\n", policy->name,
		       report->enforce ? "enforcing" : "audit only, nothing is denied",
		       proof_texts[report->proof], report->generation);
}

static int print_json(const struct refresh_report *report)
{
	const struct policy *policy = report->file.policy;
	struct json json = { 0 };
	size_t i;

	report_begin(&json, REPORT_refresh);
	json_str(&json, "policy", policy->name);
	json_bool(&json, "changed", report->changed);
	json_u64(&json, "generation", report->generation);
	json_str(&json, "mode", report->enforce ? "enforce" : "audit");
	json_str(&json, "proof", report->changed ? proof_names[report->proof] : NULL);
	json_u64(&json, "forgotten", report->forgotten);
	json_open(&json, "subjects", '[');
	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];
		const struct refresh_subject *refreshed = &report->subjects[i];

		json_open(&json, NULL, '{');
		json_str(&json, "name", subject->name);
		json_str(&json, "exe", subject->exe);
		json_str(&json, "state", subject->exe ? refresh_names[refreshed->state] : NULL);
		json_identity(&json, "exe_inode_before", &refreshed->before);
		json_identity(&json, "exe_inode", &refreshed->now);
		json_u64(&json, "kept", refreshed->kept);
		json_bool(&json, "users_differ", refreshed->users_differ);
		json_str(&json, "cgroup_now",
			 subject->cgroup ? cgroup_names[refreshed->cgroup] : NULL);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	return report_end(&json);
}

int ctl_refresh(const struct ctl_options *opts)
{
	struct refresh_report report;
	int ret;

	interrupts_hold();
	ret = loader_refresh(opts->pins, opts->forget, opts->trust_running, &report);
	if (ret != -EINTR)
		interrupts_report();
	if (!ret && opts->json)
		ret = print_json(&report);
	else if (!ret)
		print_text(&report);
	refresh_report_free(&report);
	return ret;
}
