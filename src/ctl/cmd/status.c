// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl status, probe: what is in force, and what this kernel can carry. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../lib/exits.h"
#include "../../lib/json.h"
#include "../../lib/log.h"
#include "../../lib/version.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/digest.h"
#include "../kernel/in_force.h"
#include "../kernel/loader.h"
#include "../kernel/policy_file.h"
#include "../kernel/resolved.h"
#include "../kernel/trial.h"
#include "../kernel/writable.h"

static const char *mode_in_force(__u64 word)
{
	if (!word)
		return NULL;
	return GMEM_ACTIVE_ENFORCES(word) ? "enforce" : "audit";
}

/* Is each request decided by a policy, as far as the hook knows it? */
static bool is_decided(enum guarantee guarantee)
{
	return guarantee == GUARANTEE_enforced || guarantee == GUARANTEE_limited ||
	       guarantee == GUARANTEE_command;
}

/* What is not enforced now would be by a policy, or in the other mode. */
static const char *guarantee_text(enum guarantee guarantee, bool enforced, char text[64])
{
	snprintf(text, 64, "%s%s", is_decided(guarantee) && !enforced ? "would be " : "",
		 guarantee_texts[guarantee]);
	return text;
}

/* Without counters: nothing is attached. */
#define HITS_HIDDEN(first) (7U << (first))

/* @json: NULL: as text; @enforced: a policy decides, and not in audit mode */
static void print_operations(struct json *json, const struct plan *plan,
			     const struct gmem_hits *hits, bool enforced)
{
	static const struct field fields[] = {
		{ "OPERATION", NULL, FIELD_TEXT }, { "GUARANTEE", NULL, FIELD_TEXT },
		{ NULL, "guarantee", FIELD_TEXT }, { NULL, "enforced", FIELD_BOOL },
		{ "HOOK", "hook", FIELD_TEXT },	   FIELDS_OF_HITS,
		{ "WHY", "why", FIELD_TEXT },
	};
	const unsigned int nr = sizeof(fields) / sizeof(fields[0]);
	const struct gmem_hits none = { 0 };
	struct rows rows;
	unsigned int op;
	char text[64];

	rows_begin(&rows, json, "operations", '{', fields, nr,
		   hits ? 0 : HITS_HIDDEN(5) | 1U << 8 | 1U << 3);
	for (op = 0; op < GMEM_DO_MAX; op++) {
		row_begin(&rows, operation_names[op]);
		row_text(&rows, operation_names[op]);
		row_text(&rows, guarantee_text(plan->guarantee[op], enforced, text));
		row_text(&rows, guarantee_names[plan->guarantee[op]]);
		row_bool(&rows, enforced && is_decided(plan->guarantee[op]));
		row_text(&rows,
			 plan->way[op] < 0
				 ? NULL
				 : program_hooks[__builtin_ctz(ways[plan->way[op]].programs)]);
		row_hits(&rows, hits ? &hits[op] : &none, GMEM_VERDICT_MAX);
		row_text(&rows, plan->why[op][0] ? plan->why[op] : NULL);
		row_end(&rows);
	}
	rows_end(&rows);
}

/* What becomes of a guard, in a word. @in_force: of a policy; not: on this kernel */
static const char *guard_state(const struct plan *plan, unsigned int guard, bool in_force)
{
	if (plan->guard_why[guard][0])
		return "impossible";
	if (!in_force)
		return "possible";
	return plan->guards >> guard & 1 ? "up" : "down";
}

/* @hits: NULL: none are counted, since nothing is attached */
static void print_guards(struct json *json, const struct plan *plan, const struct gmem_hits *hits)
{
	static const struct field fields[] = {
		{ "GUARD", NULL, FIELD_TEXT },
		{ "STATE", "state", FIELD_TEXT },
		FIELDS_OF_HITS_3,
		{ "WHY", "why", FIELD_TEXT },
	};
	const unsigned int nr = sizeof(fields) / sizeof(fields[0]);
	const struct gmem_hits none = { 0 };
	struct rows rows;
	unsigned int guard;

	rows_begin(&rows, json, "guards", '{', fields, nr, hits ? 0 : HITS_HIDDEN(2));
	for (guard = 0; guard < GMEM_GUARD_lock; guard++) {
		row_begin(&rows, guard_names[guard]);
		row_text(&rows, guard_names[guard]);
		row_text(&rows, guard_state(plan, guard, hits));
		row_hits(&rows, hits ? &hits[guard] : &none, GMEM_VERDICT_would_allow);
		row_text(&rows, plan->guard_why[guard][0] ? plan->guard_why[guard] : NULL);
		row_end(&rows);
	}
	rows_end(&rows);
}

/* How an attached program differs from the one that this gmemctl has; NULL: it does not. */
static const char *difference(const struct program_info *info)
{
	if (!info->differs)
		return NULL;
	if (!info->build.serial)
		return "unknown";
	return strcmp(info->build.version, gmem_version) ? "version" : "build";
}

static void print_programs(struct json *json, const struct loader_status *status)
{
	static const struct field fields[] = {
		{ "PROGRAM", NULL, FIELD_TEXT },	 { "TAG", "tag", FIELD_TEXT },
		{ "VERSION", "version", FIELD_TEXT },	 { "OBJECT", "object", FIELD_TEXT },
		{ "DIFFERS BY", "differs", FIELD_TEXT },
	};
	const struct program_info *info;
	struct rows rows;
	unsigned int i, byte;
	char tag[2 * sizeof(info->tag) + 1];

	rows_begin(&rows, json, "programs", '{', fields, sizeof(fields) / sizeof(fields[0]), 0);
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!(status->programs & PROG_BIT(i)))
			continue;
		info = &status->info[i];
		for (byte = 0; byte < sizeof(info->tag); byte++)
			snprintf(tag + 2 * (size_t)byte, 3, "%02x", info->tag[byte]);
		row_begin(&rows, program_names[i]);
		row_text(&rows, program_names[i]);
		row_text(&rows, info->id ? tag : NULL);
		row_text(&rows, info->build.serial ? info->build.version : NULL);
		row_text(&rows, info->build.serial ? info->build.object : NULL);
		row_text(&rows, difference(info));
		row_end(&rows);
	}
	rows_end(&rows);
}

/* How many attached programs are not those of this gmemctl. */
static unsigned int nr_differing(const struct loader_status *status)
{
	unsigned int i, n = 0;

	for (i = 0; i < GMEM_PROG_MAX; i++)
		n += status->programs & PROG_BIT(i) && status->info[i].differs;
	return n;
}

/* Attempts to change a locked policy, or to look into it; the proof of each load is among them. */
static unsigned long long lock_denied(const struct loader_status *status)
{
	return status->guards[GMEM_GUARD_lock].n[GMEM_VERDICT_denied];
}

/* Does the policy of this directory deny what it says? */
static bool is_enforcing(const struct loader_status *status)
{
	return status->loaded && status->word && GMEM_ACTIVE_ENFORCES(status->word) &&
	       !status->silenced;
}

static void report_elsewhere(struct json *json, const struct attached *elsewhere)
{
	const struct gmem_attached *first;
	char text[ATTACHED_TEXT];
	size_t i;

	fact_list(json, "elsewhere");
	for (i = 0; i < elsewhere->nr; i++) {
		first = &elsewhere->list[i].first;
		fact_line(json, "ATTACHED FROM ELSEWHERE: %s",
			  attached_text(&elsewhere->list[i], text));
		fact_object(json);
		fact_str(json, "policy", *first->policy ? first->policy : NULL);
		fact_u64(json, "generation", GMEM_ACTIVE_GENERATION(first->word));
		fact_str(json, "mode", mode_in_force(first->word));
		fact_u64(json, "programs", elsewhere->list[i].nr_programs);
		fact_u64(json, "map_id", first->map);
		fact_object_end(json);
	}
	fact_list_end(json);
}

static int report_writable_exe(const char *exe, const char *why, void *data)
{
	struct json *json = data;

	fact_line(json, "exe %s can be replaced by others than root: %s; " WRITABLE_ADVICE, exe,
		  why);
	fact_object(json);
	fact_str(json, "exe", exe);
	fact_str(json, "why", why);
	fact_object_end(json);
	return 0;
}

/* What others can write of the executables that the policy in force names. */
static void report_writable(const struct ctl_options *opts, struct json *json)
{
	struct in_force force;

	if (in_force_open(&force, opts->pins))
		return;
	if (force.policy)
		exes_writable(force.policy, report_writable_exe, json);
	in_force_close(&force);
}

/* Cgroups of the policy in force whose path does not stand for the same cgroup any more. */
static void report_cgroups(const struct ctl_options *opts, __u64 word, struct json *json)
{
	struct loader_shown *shown = calloc(1, sizeof(*shown));
	struct policy_file file = { 0 };
	struct resolved *list = NULL;
	enum cgroup_state now;
	size_t i;

	if (!shown || loader_show(opts->pins, shown))
		goto out;
	if (policy_open_text(shown->source, shown->source_len, "in force", false, &file) ||
	    resolved_in_force(opts->pins, word, &file, &list))
		goto out;
	for (i = 0; i < file.policy->nr_subjects; i++) {
		const struct policy_subject *subject = &file.policy->subjects[i];

		now = subject->cgroup ? cgroup_now(subject, &list[i]) : CGROUP_same;
		if (now == CGROUP_same)
			continue;
		fact_line(json, "subject %s: cgroup %s %s", subject->name, subject->cgroup,
			  cgroup_texts[now]);
		fact_object(json);
		fact_str(json, "subject", subject->name);
		fact_str(json, "cgroup", subject->cgroup);
		fact_str(json, "cgroup_now", cgroup_names[now]);
		fact_object_end(json);
	}
out:
	if (file.policy)
		resolved_free(list, file.policy->nr_subjects);
	policy_close(&file);
	if (shown)
		loader_shown_free(shown);
	free(shown);
}

/* What is in force, in a line. */
static void print_state(const struct loader_status *status)
{
	time_t loaded = (time_t)status->how.loaded_s;
	char when[64], digest[DIGEST_TEXT];

	if (!status->loaded || !status->word) {
		printf("NOT ENFORCING: %s\n",
		       status->loaded	      ? "programs are attached, but no policy is in force"
		       : status->elsewhere.nr ? "no policy is loaded here"
					      : "no policy is loaded");
		return;
	}
	strftime(when, sizeof(when), "%F %T", localtime(&loaded));
	printf("%s: policy %s, generation %llu, %u rules, loaded %s, %s\n",
	       GMEM_ACTIVE_ENFORCES(status->word) ? "enforcing" : "NOT ENFORCING (audit mode)",
	       status->name, (unsigned long long)GMEM_ACTIVE_GENERATION(status->word),
	       status->head.nr_rules, when, digest_text(status->how.digest, digest));
}

static void report_state(struct json *json, const struct loader_status *status)
{
	bool active = status->loaded && status->word;
	char digest[DIGEST_TEXT];

	fact_bool(json, "loaded", status->loaded);
	fact_bool(json, "enforcing", is_enforcing(status));
	fact_str(json, "mode", mode_in_force(active ? status->word : 0));
	fact_str(json, "policy", active ? status->name : NULL);
	fact_u64(json, "generation", GMEM_ACTIVE_GENERATION(status->word));
	fact_u64(json, "rules", status->head.nr_rules);
	fact_u64(json, "loaded_seconds", status->how.loaded_s);
	fact_str(json, "digest", active ? digest_text(status->how.digest, digest) : NULL);
	fact_bool(json, "strict_ioctl", status->how.strict);
	if (!json)
		print_state(status);
}

static void report_lock(struct json *json, const struct loader_status *status)
{
	fact_bool(json, "locked", status->locked);
	fact_str(json, "manager", status->manager[0] ? status->manager : NULL);
	fact_u64(json, "lock_denied", lock_denied(status));
	if (status->locked)
		fact_line(json,
			  "locked until the next boot: only the subject %s may change it; denied "
			  "to others: %llu",
			  status->manager, lock_denied(status));
	else if (status->manager[0])
		fact_line(json, "not locked (its manager would be the subject %s)",
			  status->manager);
	else
		fact_line(json, "not locked: root may change it");
}

static void report_versions(struct json *json, const struct loader_status *status)
{
	unsigned int differing = nr_differing(status);

	fact_u64(json, "programs_differing", differing);
	fact_bool(json, "upgrading", status->upgrading);
	if (differing)
		fact_line(json,
			  "%u of %d programs are not of this gmemctl (%s); the next load replaces "
			  "them",
			  differing, __builtin_popcountll(status->programs), gmem_version);
	if (status->upgrading)
		fact_line(json, "a load that replaces programs is at work, or was killed; then the "
				"next load completes it");
}

static void report_account(struct json *json, const struct loader_status *status)
{
	const struct gmem_journal *journal = &status->journal;

	fact_u64(json, "events", journal->events);
	fact_u64(json, "events_lost", journal->lost);
	fact_u64(json, "no_memory", journal->no_memory);
	fact_u64(json, "forks_refused", journal->forks_refused);
	fact_line(json, "events: %llu, of these lost: %llu", (unsigned long long)journal->events,
		  (unsigned long long)journal->lost);
	if (journal->no_memory)
		fact_line(json,
			  "no memory for a tag: %llu times; forks of guarded processes that failed "
			  "for it: %llu",
			  (unsigned long long)journal->no_memory,
			  (unsigned long long)journal->forks_refused);
}

/* @json: NULL: as text */
static void report_trial(struct json *json, const struct loader_status *status)
{
	bool trial = status->word && status->how.trial_until_ns;
	int64_t left = trial ? trial_left(&status->how) : 0;
	const char *back = trial && status->how.trial_back ? status->previous_name : NULL;

	fact_bool(json, "on_trial", trial);
	fact_u64(json, "trial_seconds_left", left > 0 ? (uint64_t)left / 1000000000 : 0);
	fact_str(json, "trial_back", back);
	if (!trial)
		return;
	if (left > 0)
		fact_line(json, "on trial for %lld s more (gmemctl confirm); then in force: %s%s",
			  (long long)left / 1000000000, back ? "policy " : "", back ?: "no policy");
	else
		fact_line(json, "ON TRIAL, AND ITS TIME IS OVER: gmemctl rollback --unconfirmed "
				"restores what was before");
}

/* @json: NULL: as text */
static void report_status(struct json *json, const struct loader_status *status,
			  const struct ctl_options *opts)
{
	bool previous = status->previous >= 0;

	report_state(json, status);
	report_elsewhere(json, &status->elsewhere);
	fact_bool(json, "silenced", status->silenced);
	if (!json && !status->loaded)
		return;
	if (status->silenced)
		fact_line(json,
			  "NOT ENFORCING: kernel.ftrace_enabled is 0, and the kernel calls no "
			  "programs");
	report_lock(json, status);
	report_trial(json, status);
	fact_list(json, "writable_executables");
	if (status->word)
		report_writable(opts, json);
	fact_list_end(json);
	fact_list(json, "cgroups");
	if (status->word)
		report_cgroups(opts, status->word, json);
	fact_list_end(json);
	report_versions(json, status);
	fact_str(json, "previous", previous ? status->previous_name : NULL);
	if (previous)
		fact_line(json, "before it: policy %s (gmemctl rollback)", status->previous_name);
	report_account(json, status);
	if (!status->loaded)
		return;
	print_operations(json, &status->plan, status->ops, is_enforcing(status));
	fact_line(json, "%s", "");
	print_guards(json, &status->plan, status->guards);
	fact_line(json, "%s", "");
	print_programs(json, status);
}

/* Operations and guards together. */
static unsigned long long denied_by(const struct gmem_attached *policy)
{
	unsigned long long sum = 0;
	unsigned int op;

	for (op = 0; op < GMEM_DO_GUARD(GMEM_GUARD_MAX); op++)
		sum += policy->journal.denied[op];
	return sum;
}

/* When a policy was loaded. */
static char *loaded_text(const struct gmem_slot *how, char when[64])
{
	time_t loaded = (time_t)how->loaded_s;

	strftime(when, 64, "%F %T", localtime(&loaded));
	return when;
}

/* A line for each policy, of which no map is opened. */
static void print_attached(const struct attached_policy *attached)
{
	const struct gmem_attached *policy = &attached->first;
	char text[ATTACHED_TEXT], when[64], digest[DIGEST_TEXT];

	printf("%s%s", attached_text(attached, text), policy->locked ? ", locked" : "");
	if (*policy->policy)
		printf(", loaded %s, %s", loaded_text(&policy->how, when),
		       digest_text(policy->how.digest, digest));
	printf(", %llu denied, %llu events\n", denied_by(policy),
	       (unsigned long long)policy->journal.events);
}

static void json_attached(struct json *json, const struct gmem_attached *policy)
{
	char digest[DIGEST_TEXT];

	json_open(json, NULL, '{');
	json_str(json, "policy", *policy->policy ? policy->policy : NULL);
	json_str(json, "mode", mode_in_force(policy->word));
	json_u64(json, "generation", GMEM_ACTIVE_GENERATION(policy->word));
	json_bool(json, "locked", policy->locked);
	json_u64(json, "loaded_seconds", policy->how.loaded_s);
	json_str(json, "digest", *policy->policy ? digest_text(policy->how.digest, digest) : NULL);
	json_u64(json, "denied", denied_by(policy));
	json_u64(json, "events", policy->journal.events);
	json_u64(json, "events_lost", policy->journal.lost);
	json_close(json, '}');
}

/* Everything that is attached, wherever it is pinned. No map is opened: it is no denial. */
static int check_attached(const struct ctl_options *opts)
{
	struct attached attached;
	struct json json = { 0 };
	bool enforcing = false, silenced = loader_is_silenced();
	size_t i;
	int ret;

	ret = attached_read(&attached);
	if (ret)
		return ret;
	for (i = 0; i < attached.nr; i++)
		enforcing |= attached.list[i].first.word &&
			     GMEM_ACTIVE_ENFORCES(attached.list[i].first.word) && !silenced;
	report_begin(&json, REPORT_attached);
	json_bool(&json, "enforcing", enforcing);
	json_bool(&json, "silenced", silenced);
	json_open(&json, "policies", '[');
	if (!opts->json)
		printf("%s\n", enforcing ? "enforcing" : "NOT ENFORCING");
	for (i = 0; i < attached.nr; i++) {
		const struct gmem_attached *policy = &attached.list[i].first;

		json_attached(&json, policy);
		if (!opts->json)
			print_attached(&attached.list[i]);
	}
	json_close(&json, ']');
	if (opts->json)
		ret = report_end(&json);
	else
		json_free(&json);
	attached_free(&attached);
	return ret ?: enforcing ? GMEM_EXIT_OK : GMEM_EXIT_FAILURE;
}

int ctl_status(const struct ctl_options *opts)
{
	struct loader_status status;
	struct json json = { 0 };
	int ret;

	if (opts->check)
		return check_attached(opts);

	ret = loader_status(opts->pins, &status);
	if (ret)
		return ret;
	if (opts->json)
		report_begin(&json, REPORT_status);
	report_status(opts->json ? &json : NULL, &status, opts);
	if (opts->json)
		ret = report_end(&json);
	loader_status_free(&status);
	return ret;
}

int ctl_probe(const struct ctl_options *opts)
{
	struct json json = { 0 };
	struct hooks hooks;
	struct plan plan;
	int ret;

	ret = hooks_probe(&hooks);
	if (ret)
		return ret;
	hooks_plan(&hooks, NULL, opts->strict_ioctl, &plan);
	if (!opts->json) {
		if (!hooks.lsm_known)
			log_note(
				"whether bpf is among the LSMs cannot be read: is securityfs mounted?");
		print_operations(NULL, &plan, NULL, true);
		putchar('\n');
		print_guards(NULL, &plan, NULL);
		return 0;
	}
	report_begin(&json, REPORT_probe);
	if (hooks.lsm_known)
		json_bool(&json, "lsm_bpf", hooks.lsm_active);
	else
		json_null(&json, "lsm_bpf");
	json_bool(&json, "kvm", hooks.kvm);
	json_bool(&json, "kvm_types", hooks.knows_kvm);
	json_bool(&json, "fs_verity", hooks.has_verity);
	print_operations(&json, &plan, NULL, false);
	print_guards(&json, &plan, NULL);
	return report_end(&json);
}
