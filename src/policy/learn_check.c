// SPDX-License-Identifier: GPL-2.0-only
/* The proposal against its evidence, and against what was denied: it is refined until both agree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "classes.h"
#include "learned.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Nothing of the host is looked up: names are compared as they are written. */
static int compile(const char *text, size_t len, struct policy **policy, struct compiled *compiled)
{
	struct diags *diags = calloc(1, sizeof(*diags));
	int ret;

	memset(compiled, 0, sizeof(*compiled));
	*policy = NULL;
	if (!diags)
		return -ENOMEM;
	ret = policy_parse(text, len, "the proposal", policy, diags);
	ret = ret ?: policy_compile(*policy, compiled, diags);
	if (ret == -EBADMSG) {
		diags_print(diags, stderr);
		ret = -EPROTO;
	}
	diags_free(diags);
	free(diags);
	return ret;
}

static struct who who_of(const struct learned_subject *subject, const char *cgroup)
{
	return (struct who){ .exe = subject->exe,
			     .root = subject->root,
			     .has_uid = subject->uid >= 0,
			     .uid = (__u32)subject->uid,
			     .cgroup = cgroup ?: subject->cgroup };
}

static bool is_evident(const struct learned_op *op, const struct gmem_request *request)
{
	size_t i;

	for (i = 0; i < op->nr_done; i++) {
		if (!memcmp(&op->done[i].request, request, sizeof(*request)))
			return true;
	}
	return false;
}

static bool is_allowed(const struct compiled *compiled, const struct learned_subject *subject,
		       const struct observed *observed)
{
	struct who who = who_of(subject, observed->cgroup);

	return !policy_decide(compiled, &who, &observed->request).deny;
}

/* Does the proposal deny anything of what this subject did? */
static bool denies_evidence(const struct compiled *compiled, const struct learned_subject *subject,
			    const struct learned_op *op)
{
	size_t i;

	for (i = 0; i < op->nr_done; i++) {
		if (!is_allowed(compiled, subject, &op->done[i]))
			return true;
	}
	return false;
}

/* Return: 1 if the exception is new, 0 or -ENOMEM. */
static int add_exception(struct learn *learn, const struct exception *wanted)
{
	struct exception *exception;
	size_t i;

	for (i = 0; i < learn->nr_exceptions; i++) {
		exception = &learn->exceptions[i];
		if (exception->subject == wanted->subject &&
		    same_text(exception->cgroup, wanted->cgroup) &&
		    exception->request.op == wanted->request.op &&
		    (wanted->cgroup ||
		     !memcmp(&exception->request, &wanted->request, sizeof(wanted->request))))
			return 0;
	}
	if (grow(&learn->exceptions, &learn->room_exceptions, learn->nr_exceptions + 1,
		 sizeof(*learn->exceptions)))
		return -ENOMEM;
	learn->exceptions[learn->nr_exceptions++] = *wanted;
	return 1;
}

/* Did a process of the same executable and user do anything below a cgroup? */
static bool was_done_below(const struct learn *learn, const struct learned_subject *subject,
			   const char *cgroup)
{
	const struct learned_subject *other;
	size_t i;

	for (other = learn->subjects; other; other = other->next) {
		if (!same_text(other->exe, subject->exe) || other->uid != subject->uid)
			continue;
		for (i = 0; i < other->nr_done_in; i++) {
			if (is_below(other->done_in[i], cgroup))
				return true;
		}
		if (other->nr_done_in == LEARN_KEPT)
			return true;
	}
	return false;
}

/* A step closer for one operation of a subject. Return: 1 if anything changed, 0 or -ENOMEM. */
static int refine(struct learn *learn, const struct compiled *compiled,
		  const struct learned_subject *subject, struct learned_op *op)
{
	int ret, changed = 0;
	size_t i;

	for (i = 0; i < op->nr_denied; i++) {
		const struct observed *denied = &op->denied[i];
		struct exception exception = { .subject = subject, .request = denied->request };
		bool elsewhere = !learned_in(subject, denied->cgroup ?: "");

		if (!is_allowed(compiled, subject, denied) ||
		    (!elsewhere && is_evident(op, &denied->request)))
			continue;
		if (!elsewhere && op->count && !op->exact) {
			op->exact = true;
			return 1;
		}
		if (elsewhere)
			exception.cgroup = denied->cgroup;
		/* It would deny what was done, or not all of that was kept. */
		exception.useless = elsewhere ? was_done_below(learn, subject, denied->cgroup)
					      : op->nr_done == LEARN_KEPT;
		ret = add_exception(learn, &exception);
		if (ret < 0)
			return ret;
		changed |= ret;
	}
	return changed;
}

static int refine_all(struct learn *learn, const struct compiled *compiled)
{
	struct learned_subject *subject;
	int op, ret, changed = 0;

	for (subject = learn->subjects; subject; subject = subject->next) {
		for (op = 0; op < GMEM_DO_MAX; op++) {
			ret = refine(learn, compiled, subject, &subject->ops[op]);
			if (ret < 0)
				return ret;
			changed |= ret;
		}
	}
	return changed;
}

/* An exception that can deny what a subject does: of the same executable and user. */
static struct exception *exception_to(struct learn *learn, const struct learned_subject *subject,
				      __u32 op)
{
	struct exception *exception;
	size_t i;

	for (i = learn->nr_exceptions; i > 0; i--) {
		exception = &learn->exceptions[i - 1];
		if (!exception->useless && exception->request.op == op &&
		    same_text(exception->subject->exe, subject->exe) &&
		    exception->subject->uid == subject->uid)
			return exception;
	}
	return NULL;
}

/* Take out an exception that denies what was done. Return: 1 if there was one, 0 or -EPROTO. */
static int check_evidence(struct learn *learn, const struct compiled *compiled)
{
	struct learned_subject *subject;
	struct exception *exception;
	int op;

	for (subject = learn->subjects; subject; subject = subject->next) {
		for (op = 0; op < GMEM_DO_MAX; op++) {
			if (!denies_evidence(compiled, subject, &subject->ops[op]))
				continue;
			exception = exception_to(learn, subject, (__u32)op);
			if (!exception)
				return -EPROTO;
			/* The proposal that was compiled has it still. */
			exception->useless = true;
			return 1;
		}
	}
	return 0;
}

static void count(struct learn *learn, const struct policy *policy)
{
	size_t i;

	learn->report.rules = policy->nr_rules;
	learn->report.subjects = policy->nr_subjects;
	learn->report.overlaps = 0;
	for (i = 0; i < learn->nr_exceptions; i++)
		learn->report.overlaps += learn->exceptions[i].useless;
}

int learn_propose(struct learn *learn, char **text, size_t *len, struct learn_report *report)
{
	struct compiled compiled;
	struct policy *policy;
	int ret, again;

	*text = NULL;
	if (!learn->report.events) {
		*report = learn->report;
		return -ENODATA;
	}
	do {
		free(*text);
		again = 0;
		ret = learned_write(learn, true, text, len);
		if (ret)
			return ret;
		ret = compile(*text, *len, &policy, &compiled);
		if (!ret)
			ret = check_evidence(learn, &compiled) ?: refine_all(learn, &compiled);
		if (ret >= 0) {
			again = ret;
			ret = 0;
			count(learn, policy);
		}
		compiled_free(&compiled);
		policy_free(policy);
	} while (again);
	if (!ret && learn->options.base) {
		free(*text);
		ret = learned_write(learn, false, text, len);
	}
	*report = learn->report;
	return ret;
}
