// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl load, try, confirm, set-mode, rollback, unload: what is in force. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../../lib/utf8.h"
#include "../ctl.h"
#include "../print.h"
#include "../interrupt.h"
#include "../kernel/loader.h"
#include "../../policy/compile.h"
#include "../kernel/resolve.h"
#include "../kernel/policy_file.h"

/* A mode as it is written. Return: 1 enforce, 0 audit, -EINVAL. */
static int parse_mode(const char *text)
{
	if (text && !strcmp(text, "enforce"))
		return 1;
	if (text && !strcmp(text, "audit"))
		return 0;
	return log_error(-EINVAL, "there is no such mode", "enforce or audit", "mode '%s'",
			 text ?: "");
}

static const char *mode_name(bool enforce)
{
	return enforce ? "enforce" : "audit";
}

static void json_existing(struct json *json, const struct load_report *report)
{
	size_t i;

	json_open(json, "existing", '[');
	for (i = 0; i < report->existing.nr; i++) {
		const struct existing_process *process = &report->existing.list[i];

		json_open(json, NULL, '{');
		json_inode(json, "instance", process->place.dev, process->place.ino);
		json_u64(json, "size", process->place.size);
		json_u64(json, "pid", process->place.tgid);
		json_str(json, "comm", process->place.comm);
		json_str(json, "vm", *process->vm ? process->vm : NULL);
		json_str(json, "held_by", held_by_names[process->place.how]);
		json_str(json, "subjects", *process->subjects ? process->subjects : NULL);
		json_bool(json, "may_create", process->adoptable);
		json_str(json, "by", process->rule);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* Files of FUSE were reported when the policy was read; only the kernel knows the others. */
static void report_untrusted_fs(struct policy_file *file, const struct load_report *report,
				bool as_json)
{
	struct diags diags = { .file = file->diags.file,
			       .text = file->diags.text,
			       .len = file->diags.len };
	size_t i, j;

	for (i = 0; i < file->policy->nr_subjects; i++) {
		struct policy_subject *subject = &file->policy->subjects[i];

		for (j = 0; subject->exe && j < report->nr_untrusted_fs; j++) {
			if (strcmp(report->made_up[j], subject->exe))
				continue;
			subject->exe_untrusted_fs = true;
			diag_warning(&diags, subject->exe_place, EXE_MADE_UP_ADVICE,
				     "exe %s is in a file system that was mounted in a user "
				     "namespace, whose owner chooses inode numbers: it identifies "
				     "no task",
				     subject->exe);
		}
	}
	diags_report(&diags, as_json);
	diags_free(&diags);
}

static void json_untrusted_fs(struct json *json, const struct policy *policy)
{
	size_t i;

	json_open(json, "without_identity", '[');
	for (i = 0; i < policy->nr_subjects; i++) {
		const struct policy_subject *subject = &policy->subjects[i];

		if (!subject->exe_untrusted_fs)
			continue;
		json_open(json, NULL, '{');
		json_str(json, "subject", subject->name);
		json_str(json, "exe", subject->exe);
		json_u64(json, "line", subject->exe_place.line);
		json_close(json, '}');
	}
	json_close(json, ']');
}

#define NS_PER_S 1000000000ULL

static int print_load_json(const struct ctl_options *opts, const struct policy_file *file,
			   const struct load_report *report)
{
	struct json json = { 0 };
	unsigned int op;

	report_begin(&json, REPORT_load);
	json_str(&json, "policy", file->policy->name);
	json_bool(&json, "dry_run", opts->dry_run);
	json_u64(&json, "generation", report->generation);
	json_bool(&json, "programs_replaced", report->replaced);
	json_str(&json, "mode", mode_name(report->enforce));
	json_str(&json, "proof", proof_names[report->proof]);
	json_bool(&json, "locked", report->locked);
	if (opts->confirm)
		json_fixed(&json, "trial_seconds", opts->confirm / 1000);
	else
		json_null(&json, "trial_seconds");
	json_open(&json, "guarantees", '{');
	for (op = 0; op < GMEM_DO_MAX; op++)
		json_str(&json, operation_names[op], guarantee_names[report->plan.guarantee[op]]);
	json_close(&json, '}');
	json_u64(&json, "tagged_tasks", report->tagged);
	json_u64(&json, "denied_instances", report->unlabelled);
	json_existing(&json, report);
	json_untrusted_fs(&json, file->policy);
	return report_end(&json);
}

/* One line for each process and instance. */
static void print_existing(const struct ctl_options *opts, const struct existing *existing)
{
	size_t i;

	if (!existing->nr)
		return;
	fprintf(stderr,
		"gmemctl: these instances existed before the policy. Everything is denied for them "
		"(bind, mmap, fault, convert, punch, receive)%s:\n",
		opts->adopt ? ", unless they are adopted"
			    : "; --adopt takes in those that the policy allows");
	for (i = 0; i < existing->nr; i++) {
		const struct existing_process *process = &existing->list[i];

		fputs("  VM ", stderr);
		utf8_print(*process->vm ? process->vm : "without a name",
			   strlen(*process->vm ? process->vm : "without a name"), stderr);
		fputs(", process ", stderr);
		utf8_print(process->place.comm,
			   strnlen(process->place.comm, sizeof(process->place.comm)), stderr);
		fprintf(stderr, "[%u], %s%s: inode %llu, %llu bytes, held by %s; %s (%s)\n",
			process->place.tgid, *process->subjects ? "subject " : "no subject",
			process->subjects, (unsigned long long)process->place.ino,
			(unsigned long long)process->place.size, held_by_names[process->place.how],
			!process->adoptable ? "not adoptable: the policy denies its creation"
			: opts->adopt	    ? "adopted"
					    : "adoptable",
			process->rule);
	}
}

static int print_load(const struct ctl_options *opts, const struct policy_file *file,
		      const struct load_report *report)
{
	if (opts->json)
		return print_load_json(opts, file, report);
	if (opts->dry_run)
		printf("policy %s can be loaded here\n", file->policy->name);
	else
		printf("policy %s: %s, %s%s%s (generation %llu)\n", file->policy->name,
		       report->enforce ? "enforcing" : "audit only, nothing is denied",
		       proof_texts[report->proof],
		       report->replaced ? "; programs of another version or kernel were replaced"
					: "",
		       report->locked
			       ? "; locked, verified: a child that is not the manager was denied"
			       : "",
		       (unsigned long long)report->generation);
	if (opts->confirm)
		printf("on trial: what was before is in force again in %.4g s, unless gmemctl "
		       "confirm keeps this policy\n",
		       (double)opts->confirm / NS_PER_S);
	return 0;
}

/* Of a trial if opts->confirm is not 0. */
static int load(const struct ctl_options *opts)
{
	struct load_options load = {
		.dir = opts->pins,
		.dry_run = opts->dry_run,
		.strict = opts->strict_ioctl,
		.adopt = opts->adopt,
		.deny_existing = opts->deny_existing,
		.accept_default_change = opts->accept_default_change,
		.lock = opts->lock,
		.trust_running = opts->trust_running,
		.trial_ns = opts->confirm,
	};
	struct load_report report = { 0 };
	struct policy_file file;
	int ret, mode = -1;

	if (!opts->file)
		return log_error(-EINVAL, "it wants a file", "see --help", "load");
	if (opts->mode) {
		mode = parse_mode(opts->mode);
		if (mode < 0)
			return mode;
	}
	ret = policy_open(opts->file, true, &file);
	if (file.policy && (!ret || ret == -EBADMSG))
		diags_report(&file.diags, opts->json);
	if (!ret) {
		load.enforce = mode < 0 ? file.compiled.enforce : mode;
		interrupts_hold();
		ret = loader_load(&file.compiled, &load, &report);
		if (ret != -EINTR)
			interrupts_report();
		if (!opts->json)
			print_existing(opts, &report.existing);
		report_untrusted_fs(&file, &report, opts->json);
		if (!ret)
			ret = print_load(opts, &file, &report);
		else if (opts->json && report.existing.nr)
			print_load(opts, &file, &report);
		load_report_free(&report);
	}
	policy_close(&file);
	return ret == -EBADMSG ? GMEM_EXIT_POLICY : ret;
}

int ctl_load(const struct ctl_options *opts)
{
	struct ctl_options own = *opts;

	own.confirm = 0;
	return load(&own);
}

int ctl_try(const struct ctl_options *opts)
{
	if (!opts->confirm)
		return log_error(-EINVAL, "a trial needs time", "write it as 90s or 10m",
				 "--confirm 0");
	return load(opts);
}

static int print_done(const struct ctl_options *opts, const char *text, const char *mode,
		      const char *proof, __u64 generation)
{
	struct json json = { 0 };

	if (!opts->json) {
		puts(text);
		return 0;
	}
	report_begin(&json, REPORT_done);
	json_str(&json, "done", text);
	if (mode)
		json_str(&json, "mode", mode);
	if (proof)
		json_str(&json, "proof", proof);
	if (generation)
		json_u64(&json, "generation", generation);
	return report_end(&json);
}

/*
 * Instances that do not belong to the policy that is to be enforced: as before a load, they are
 * adopted, left to be denied, or a reason to stop.
 */
static int check_existing(const struct ctl_options *opts, bool previous)
{
	struct existing_wish wish = { .adopt = opts->adopt,
				      .deny = opts->deny_existing,
				      .previous = previous };
	struct existing existing;
	int ret;

	ret = existing_check(opts->pins, &wish, &existing);
	if (!opts->json)
		print_existing(opts, &existing);
	existing_free(&existing);
	return ret;
}

int ctl_set_mode(const struct ctl_options *opts)
{
	enum proof proof;
	char text[160];
	int ret, mode;

	mode = parse_mode(opts->file);
	if (mode < 0)
		return mode;
	ret = mode ? check_existing(opts, false) : 0;
	if (ret)
		return ret;
	interrupts_hold();
	ret = loader_set_mode(opts->pins, mode, opts->trust_running, &proof);
	if (ret != -EINTR)
		interrupts_report();
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "mode %s, %s", mode_name(mode), proof_texts[proof]);
	return print_done(opts, text, mode_name(mode), proof_names[proof], 0);
}

int ctl_confirm(const struct ctl_options *opts)
{
	char name[64], text[128];
	int ret = loader_confirm(opts->pins, name);

	if (ret)
		return ret;
	snprintf(text, sizeof(text), "policy %s stays in force", name);
	return print_done(opts, text, NULL, NULL, 0);
}

/* A trial was begun with the consent to all of this: it must end whatever has begun to run since. */
static int end_trial(const struct ctl_options *opts)
{
	static const char *const texts[] = {
		[TRIAL_none] = "no policy is on trial",
		[TRIAL_back] = "not confirmed: the policy before is in force again",
		[TRIAL_unload] = "not confirmed: unloaded, no policy is in force, as before",
	};
	enum trial_outcome outcome;
	int ret = loader_end_trial(opts->pins, &outcome);

	return ret ?: print_done(opts, texts[outcome], NULL, NULL, 0);
}

int ctl_rollback(const struct ctl_options *opts)
{
	__u64 generation;
	enum proof proof;
	char text[160];
	int ret;

	if (opts->unconfirmed)
		return end_trial(opts);

	/* Whatever mode the policy before has: it may be enforced. */
	ret = check_existing(opts, true);
	if (ret)
		return ret;
	interrupts_hold();
	ret = loader_rollback(opts->pins, opts->trust_running, &generation, &proof);
	if (ret != -EINTR)
		interrupts_report();
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "the policy before is in force again, %s (generation %llu)",
		 proof_texts[proof], (unsigned long long)generation);
	return print_done(opts, text, NULL, proof_names[proof], generation);
}

/* What goes on after an unload: programs of other directories, or that a process still holds. */
static int print_left(const struct ctl_options *opts, const struct attached *left)
{
	char text[ATTACHED_TEXT], line[ATTACHED_TEXT + 64];
	bool decides = false;
	size_t i;

	for (i = 0; i < left->nr; i++) {
		decides |= left->list[i].first.word != 0;
		log_note("still attached, from elsewhere: %s", attached_text(&left->list[i], text));
	}
	snprintf(line, sizeof(line), "unloaded: %s",
		 decides ? "another policy is still in force"
			 : "no policy is in force, everything is allowed");
	return print_done(opts, line, NULL, NULL, 0);
}

int ctl_unload(const struct ctl_options *opts)
{
	struct attached left;
	int ret;

	interrupts_hold();
	ret = loader_unload(opts->pins);
	ret = ret ?: loader_elsewhere(opts->pins, &left);
	if (ret != -EINTR)
		interrupts_report();
	if (ret)
		return ret;
	ret = print_left(opts, &left);
	attached_free(&left);
	return ret;
}
