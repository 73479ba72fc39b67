// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl explain: whose request it is, and what the kernel knows of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/exits.h"
#include "../../lib/log.h"
#include "../ctl.h"
#include "../kernel/in_force.h"
#include "../../lib/namespaces.h"
#include "../kernel/loader.h"
#include "../../policy/eval.h"
#include "../../policy/events.h"
#include "../../policy/request.h"
#include "../kernel/resolved.h"
#include "../kernel/policy_file.h"
#include "../kernel/who.h"
#include "explain.h"

static int explain_request(const struct policy_file *file, const struct who *who,
			   const struct event_question *question, const struct ctl_options *opts,
			   const struct in_kernel *kernel)
{
	const struct gmem_request *request = &question->request;
	struct explain explain = { .policy = file->policy,
				   .kernel = kernel,
				   .event = opts->file ? question : NULL,
				   .pid = (unsigned int)opts->pid,
				   .who = who,
				   .request = request,
				   .as_json = opts->json };
	struct gmem_decision plain;

	explain.decision = policy_decide(&file->compiled, who, request);
	/* What is told of the rules must be why the kernel's matcher decides so. */
	plain = policy_eval(file->policy, who, request);
	if (plain.rule != explain.decision.rule || plain.deny != explain.decision.deny)
		return log_error(-EPROTO, "the rules one by one say something else",
				 "this is a bug, please report it", "explain rule %s",
				 decision_rule(file->policy, explain.decision.rule));
	return explain_print(&explain);
}

/* The process as the policy in force knows it. An instance that it asks for is a new one. */
static int ask_kernel(const struct ctl_options *opts, const struct who_process *process,
		      const struct gmem_request *request, struct in_kernel *kernel)
{
	struct standing standing;
	struct in_force force;
	int ret;

	if (!opts->pid || opts->policy)
		return 0;
	ret = namespaces_check("explain what a process may do");
	ret = ret ?: in_force_open(&force, opts->pins);
	if (ret)
		return ret;
	ret = in_force_resolve(&force, (unsigned int)opts->pid, process->who.uid,
			       *process->cgroup ? process->cgroup : NULL, &standing);
	if (ret) {
		ret = log_error(ret, NULL, NULL, "ask the kernel for process %llu",
				(unsigned long long)opts->pid);
	} else if (force.word) {
		kernel->asked = true;
		kernel->tagged = standing.tagged;
		kernel->exe = standing.exe;
		kernel->decision = in_force_decide(&force, &standing, true, request);
	}
	in_force_close(&force);
	return ret;
}

/*
 * An event is of a file by its identity. If it is one that a subject's executable was before an
 * upgrade, and which still counts, the task is that subject.
 */
static void recall_replaced(const struct resolved *list, size_t nr, struct who *who)
{
	size_t i, j;

	for (i = 0; i < nr && who->exe_recorded; i++) {
		for (j = 0; j < list[i].replaced; j++) {
			if (!same_recorded_file(&list[i].was[j], &who->exe_identity))
				continue;
			who->exe_identity = list[i].exe;
			return;
		}
	}
}

/* The policy that was asked for, or the one that is in force, with the files that the kernel knows.
 */
static int open_policy(const struct ctl_options *opts, struct policy_file *file, struct who *who)
{
	struct resolved *list = NULL;
	__u64 word;
	int ret = policy_open_asked(opts->policy, opts->pins, file, &word);

	/* Options and --pid ask for the file that is there now. */
	if (ret || !word || !who->exe_recorded)
		return ret;
	ret = resolved_in_force(opts->pins, word, file, &list);
	if (list) {
		resolved_apply(list, file);
		recall_replaced(list, file->policy->nr_subjects, who);
		resolved_free(list, file->policy->nr_subjects);
	}
	return ret;
}

static int read_who(const struct ctl_options *opts, struct who_process *process,
		    struct request_error *error)
{
	struct who_text text = { opts->exe, opts->verity, opts->uid, opts->cgroup, NULL };
	int ret;

	if (!opts->pid)
		return who_parse(&text, &who_of_host, &process->who, error);
	if (opts->exe || opts->verity || opts->uid || opts->cgroup)
		return log_error(-EINVAL, "it says all of that", NULL,
				 "--pid with --exe, --verity, --uid or --cgroup");
	ret = opts->pid > ~0U ? -ESRCH : who_of_process((unsigned int)opts->pid, process);
	if (ret)
		ret = log_error(ret, NULL, NULL, "look at process %llu",
				(unsigned long long)opts->pid);
	return ret;
}

/* What an event asked: the text itself, or a file that has it. */
static int read_event(const struct ctl_options *opts, struct event_question *question)
{
	char *text = NULL;
	size_t len;
	int ret = 0;

	memset(question, 0, sizeof(*question));
	if (opts->op || opts->pid || opts->exe || opts->verity || opts->uid || opts->cgroup ||
	    opts->size || opts->flags || opts->prot || opts->direction || opts->range ||
	    opts->offset || opts->vm_type)
		return log_error(-EINVAL, "it says all of that", NULL,
				 "an event with other options than --policy");
	if (*opts->file != '{')
		ret = policy_read_text(opts->file, &text, &len);
	if (!ret)
		ret = event_question_read(text ? text : opts->file, &who_of_host, question);
	else
		return ret;
	free(text);
	if (ret)
		log_error(-EINVAL, "there is no event in it that a policy decides",
			  "it wants what gmemctl monitor -o json or gmemtop events --json writes",
			  "explain %s", *opts->file == '{' ? "the event" : opts->file);
	return ret ? -EINVAL : 0;
}

static int read_options(const struct ctl_options *opts, struct gmem_request *request,
			struct who_process *process)
{
	struct request_text text = { opts->op,	      opts->size,  opts->flags,	 opts->prot,
				     opts->direction, opts->range, opts->offset, opts->vm_type };
	struct request_error error = { 0 };
	int ret;

	ret = request_parse(&text, request, &error);
	if (!ret)
		ret = read_who(opts, process, &error);
	if (error.name)
		log_error(ret, error.why, NULL, "--%s%s%s", error.name, *error.value ? " " : "",
			  error.value);
	return ret;
}

int ctl_explain(const struct ctl_options *opts)
{
	struct event_question question = { 0 };
	struct in_kernel kernel = { 0 };
	struct who_process *process;
	struct policy_file file;
	int ret;

	process = calloc(1, sizeof(*process));
	if (!process)
		return log_error(-ENOMEM, NULL, NULL, "explain");
	ret = opts->file ? read_event(opts, &question)
			 : read_options(opts, &question.request, process);
	if (!ret && question.guard) {
		ret = explain_guard(&question, opts->json);
	} else if (!ret) {
		ret = open_policy(opts, &file, &question.who);
		if (ret == -EBADMSG)
			diags_report(&file.diags, opts->json);
		ret = ret ?: ask_kernel(opts, process, &question.request, &kernel);
		if (!ret)
			ret = explain_request(&file, opts->file ? &question.who : &process->who,
					      &question, opts, &kernel);
		policy_close(&file);
	}
	event_question_free(&question);
	free(process);
	return ret == -EBADMSG ? GMEM_EXIT_POLICY : ret;
}
