// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE /* memmem */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "learned.h"
#include "value.h"

#define CREATORS 65536

/* Who created an instance. */
struct creator {
	char instance[sizeof(((struct event *)0)->instance)];
	__u32 pid;
};

struct learn *learn_new(const struct learn_options *options)
{
	struct learn *learn = calloc(1, sizeof(*learn));

	if (!learn)
		return NULL;
	learn->options = *options;
	learn->last = &learn->subjects;
	learn->creators = calloc(CREATORS, sizeof(*learn->creators));
	if (learn->creators)
		return learn;
	free(learn);
	return NULL;
}

static void names_free(struct names *names)
{
	free(names->first);
	free(names->last);
}

static void observed_free(struct observed *list, size_t nr)
{
	while (nr)
		free(list[--nr].cgroup);
	free(list);
}

void learn_free(struct learn *learn)
{
	struct learned_subject *subject, *next;
	int op;

	for (subject = learn->subjects; subject; subject = next) {
		next = subject->next;
		for (op = 0; op < GMEM_DO_MAX; op++) {
			names_free(&subject->ops[op].vms);
			names_free(&subject->ops[op].hosts);
			observed_free(subject->ops[op].done, subject->ops[op].nr_done);
			observed_free(subject->ops[op].denied, subject->ops[op].nr_denied);
		}
		names_free(&subject->cgroups);
		while (subject->nr_done_in)
			free(subject->done_in[--subject->nr_done_in]);
		free(subject->done_in);
		free(subject->exe);
		free(subject->cgroup);
		free(subject);
	}
	free(learn->exceptions);
	free(learn->creators);
	free(learn);
}

static int names_take(struct names *names, const char *name)
{
	if (!name || (names->last && !strcmp(names->last, name)))
		return 0;
	if (!names->nr++) {
		names->first = strdup(name);
		if (!names->first)
			return -ENOMEM;
	}
	free(names->last);
	names->last = strdup(name);
	return names->last ? 0 : -ENOMEM;
}

/* --- subjects --- */

/* Is it the cgroup of a pod: kubepods-burstable-podUID.slice, or podUID? */
static bool is_pod(const char *name, size_t len)
{
	static const char pod[] = "pod";
	const char *at = memmem(name, len, "-pod", 4);

	if (at)
		at += 1;
	else if (len > strlen(pod) && !strncmp(name, pod, strlen(pod)))
		at = name;
	return at && (size_t)(at - name) + strlen(pod) < len && isxdigit((unsigned char)at[3]);
}

static bool is_slice(const char *name, size_t len)
{
	static const char suffix[] = ".slice";

	return len > strlen(suffix) &&
	       !strncmp(name + len - strlen(suffix), suffix, strlen(suffix));
}

/*
 * The innermost slice that is not that of a pod, or what pods are in: the scopes and services in it
 * come and go with their VMs. Without either the cgroup as it is.
 */
static char *generalise_cgroup(const char *cgroup, bool exact)
{
	const char *end = NULL, *at = cgroup;
	size_t len;

	if (!cgroup || !strcmp(cgroup, "/"))
		return NULL;
	for (; !exact && *at == '/'; at += 1 + len) {
		len = strcspn(at + 1, "/");
		if (is_pod(at + 1, len)) {
			end = at > cgroup ? at : end;
			break;
		}
		if (is_slice(at + 1, len))
			end = at + 1 + len;
	}
	return end ? strndup(cgroup, (size_t)(end - cgroup)) : strdup(cgroup);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* The file name, as far as a name of the language can have it. */
static void name_subject(struct learn *learn, struct learned_subject *subject)
{
	const char *slash = strrchr(subject->exe, '/'), *c = slash ? slash + 1 : subject->exe;
	char name[POLICY_MAX_NAME - 24];
	struct learned_subject *other;
	size_t len = 0;
	unsigned int n = 1;

	for (; *c && len < sizeof(name) - 1; c++)
		name[len++] = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
					      (*c >= '0' && *c <= '9') || strchr("._-", *c)
				      ? *c
				      : '-';
	name[len] = '\0';
	snprintf(subject->name, sizeof(subject->name), "learned-%s", name);
	for (other = learn->subjects; other; other = other->next)
		n += other != subject && other->exe &&
		     !strncmp(other->name, subject->name, 8 + len) &&
		     (!other->name[8 + len] || other->name[8 + len] == '.');
	if (n > 1)
		snprintf(subject->name, sizeof(subject->name), "learned-%s.%u", name, n);
}

#define DELETED " (deleted)"

static struct learned_subject *subject_of(struct learn *learn, const struct who *who)
{
	size_t len = strlen(who->exe), cut = strlen(DELETED);
	__s64 uid = who->has_uid ? (__s64)who->uid : -1;
	char *cgroup, *exe;
	struct learned_subject *subject;

	/* The file that has the name now takes its place, see *refresh* in gmemctl(8). */
	if (len > cut && !strcmp(who->exe + len - cut, DELETED))
		len -= cut;
	exe = strndup(who->exe, len);
	cgroup = generalise_cgroup(who->cgroup, learn->options.exact);
	for (subject = learn->subjects; exe && subject; subject = subject->next) {
		if (subject->uid == uid && subject->root == who->root &&
		    same_text(subject->exe, exe) && same_text(subject->cgroup, cgroup))
			break;
	}
	if (!exe || subject) {
		free(exe);
		free(cgroup);
		return subject;
	}
	subject = calloc(1, sizeof(*subject));
	if (!subject) {
		free(exe);
		free(cgroup);
		return NULL;
	}
	subject->exe = exe;
	subject->cgroup = cgroup;
	subject->uid = uid;
	subject->root = who->root;
	*learn->last = subject;
	learn->last = &subject->next;
	learn->nr_subjects++;
	name_subject(learn, subject);
	return subject;
}

/* --- requests --- */

static int keep(struct observed **list, size_t *nr, size_t *room,
		const struct gmem_request *request, const char *cgroup)
{
	size_t i;

	for (i = *nr; i > 0; i--) {
		if (!memcmp(&(*list)[i - 1].request, request, sizeof(*request)) &&
		    same_text((*list)[i - 1].cgroup, cgroup)) {
			(*list)[i - 1].count++;
			return 0;
		}
	}
	if (*nr == LEARN_KEPT)
		return 0;
	if (grow(list, room, *nr + 1, sizeof(**list)))
		return -ENOMEM;
	(*list)[*nr] = (struct observed){ .request = *request, .count = 1 };
	if (cgroup) {
		(*list)[*nr].cgroup = strdup(cgroup);
		if (!(*list)[*nr].cgroup)
			return -ENOMEM;
	}
	++*nr;
	return 0;
}

/* Of members that do not apply no two requests differ. */
static struct gmem_request only_what_applies(const struct gmem_request *from)
{
	struct gmem_request request = *from;

	if (!(condition_ops[POLICY_IF_size] >> from->op & 1))
		request.size = POLICY_VALUE_UNKNOWN;
	if (!(condition_ops[POLICY_IF_flags] >> from->op & 1))
		request.flags = GMEM_FLAGS_unknown;
	if (!(condition_ops[POLICY_IF_prot] >> from->op & 1))
		request.prot = 0;
	if (!(condition_ops[POLICY_IF_direction] >> from->op & 1))
		request.direction = GMEM_DIR_other;
	if (!(condition_ops[POLICY_IF_range] >> from->op & 1))
		request.start = request.end = POLICY_VALUE_UNKNOWN;
	if (!(condition_ops[POLICY_IF_offset] >> from->op & 1))
		request.offset = request.offset_end = POLICY_VALUE_UNKNOWN;
	return request;
}

static void widen(struct learned_op *op, const struct gmem_request *request)
{
	if (request->size == POLICY_VALUE_UNKNOWN)
		op->unknown |= 1U << POLICY_IF_size;
	else if (request->size > op->size_max)
		op->size_max = request->size;
	if (request->flags >= GMEM_FLAGS_NAMED) {
		op->unknown |= 1U << POLICY_IF_flags;
	} else {
		op->flags_differ |= op->flags_seen && op->flags != request->flags;
		op->flags |= request->flags;
		op->flags_seen = true;
	}
	op->prot |= request->prot;
	if (request->direction == GMEM_DIR_other)
		op->unknown |= 1U << POLICY_IF_direction;
	else
		op->directions |= 1U << request->direction;
	if (request->type == GMEM_TYPE_unknown)
		op->unknown |= 1U << POLICY_IF_vm_type;
	else
		op->types |= 1U << request->type;
	if (request->start == POLICY_VALUE_UNKNOWN || request->end == POLICY_VALUE_UNKNOWN) {
		op->unknown |= 1U << POLICY_IF_range;
	} else {
		if (!op->end || request->start < op->start)
			op->start = request->start;
		if (request->end > op->end)
			op->end = request->end;
	}
}

bool learned_in(const struct learned_subject *subject, const char *cgroup)
{
	size_t i;

	for (i = subject->nr_done_in; i > 0; i--) {
		if (!strcmp(subject->done_in[i - 1], cgroup))
			return true;
	}
	return !*cgroup || subject->nr_done_in == LEARN_KEPT;
}

static int keep_cgroup(struct learned_subject *subject, const char *cgroup)
{
	if (learned_in(subject, cgroup ?: ""))
		return 0;
	if (grow(&subject->done_in, &subject->room_done_in, subject->nr_done_in + 1,
		 sizeof(*subject->done_in)))
		return -ENOMEM;
	subject->done_in[subject->nr_done_in] = strdup(cgroup);
	return subject->done_in[subject->nr_done_in] ? (subject->nr_done_in++, 0) : -ENOMEM;
}

static int take_evidence(struct learned_subject *subject, const struct event *event,
			 const struct gmem_request *request)
{
	struct learned_op *op = &subject->ops[request->op];

	if (!op->count++)
		op->first_seq = event->seq;
	op->last_seq = event->seq;
	subject->count++;
	widen(op, request);
	return keep(&op->done, &op->nr_done, &op->room_done, request, NULL) ?:
	       keep_cgroup(subject, event->who.cgroup) ?:
	       names_take(&op->vms, event->vm) ?:
	       names_take(&op->hosts, event->host) ?:
	       names_take(&subject->cgroups, event->who.cgroup);
}

/* --- who created an instance --- */

static struct creator *creator_of(struct learn *learn, const char *instance)
{
	unsigned int hash = 5381;
	const char *c;

	for (c = instance; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	/* A later instance can take the place of an earlier one: then nothing is inferred. */
	return &learn->creators[hash % CREATORS];
}

static void note_creator(struct learn *learn, const struct event *event)
{
	struct creator *creator;

	if (event->request.op != GMEM_DO_create || !*event->instance || !event->pid)
		return;
	creator = creator_of(learn, event->instance);
	memcpy(creator->instance, event->instance, sizeof(creator->instance));
	creator->pid = event->pid;
}

/*
 * What the base decides. A proposal names executables by path, so the base is asked by path: the
 * inode of a denial is the kernel's, which stat(2) does not show on overlayfs and btrfs.
 */
static struct gmem_decision ask_base(const struct compiled *base, const struct event *event,
				     const struct gmem_request *request)
{
	struct who who = event->who;
	size_t i;

	for (i = 0; who.exe && i < base->policy->nr_subjects; i++) {
		const struct policy_subject *subject = &base->policy->subjects[i];

		if (!subject->exe || strcmp(subject->exe, who.exe))
			continue;
		who.exe_recorded = false;
		who.has_exe_identity = subject->exe_known;
		who.exe_identity = subject->exe_identity;
		break;
	}
	return policy_decide(base, &who, request);
}

/*
 * Receipts are in no recording of gmemtop. A process that uses an instance that another process
 * created has received it, or inherited it over fork.
 */
static int infer_receipt(struct learn *learn, struct learned_subject *subject,
			 const struct event *event)
{
	struct learned_op *op = &subject->ops[GMEM_DO_receive];
	const struct compiled *base = learn->options.base;
	struct gmem_request request = event->request;
	struct gmem_decision decision;
	const struct creator *creator;

	if (!*event->instance || !event->pid || request.op == GMEM_DO_create ||
	    request.op == GMEM_DO_receive || request.op == GMEM_DO_convert)
		return 0;
	creator = creator_of(learn, event->instance);
	if (creator->pid == event->pid || strcmp(creator->instance, event->instance))
		return 0;
	request.op = GMEM_DO_receive;
	request = only_what_applies(&request);
	if (op->count && !op->inferred)
		return 0;
	/* What the base allows needs no rule, and what it denies by a rule gets none. */
	if (base) {
		decision = ask_base(base, event, &request);
		if (!decision.deny || decision.rule < GMEM_MAX_RULES)
			return 0;
	}
	op->inferred = true;
	return take_evidence(subject, event, &request);
}

/* --- events --- */

/* Is it something that the base lacks? */
static bool is_lacking(struct learn *learn, const struct event *event)
{
	struct gmem_decision decision;
	bool unknown;

	if (!learn->options.base)
		return true;
	decision = ask_base(learn->options.base, event, &event->request);
	/* A rule that names a flag changes what other rules mean by unknown flags. */
	unknown = condition_ops[POLICY_IF_flags] >> event->request.op & 1 &&
		  event->request.flags < GMEM_FLAGS_NAMED &&
		  event->request.flags & ~learn->options.base->policy->known_flags;
	if (!decision.deny)
		learn->report.allowed++;
	else if (decision.rule < GMEM_MAX_RULES || unknown)
		learn->report.by_rule++;
	else
		return true;
	return false;
}

int learn_take(const struct event *event, void *data)
{
	struct learn *learn = data;
	struct learned_subject *subject;
	struct gmem_request request = only_what_applies(&event->request);
	struct learned_op *op;

	if (event->outcome == EVENT_FAILED) {
		learn->report.failed++;
		return 0;
	}
	if (event->outcome == EVENT_DONE)
		note_creator(learn, event);
	if (event->outcome == EVENT_DENIED)
		learn->report.denied++;
	else if (!is_lacking(learn, event))
		return 0;
	if (!event->who.exe) {
		learn->report.anonymous++;
		return 0;
	}
	subject = subject_of(learn, &event->who);
	if (!subject)
		return -ENOMEM;
	if (event->outcome == EVENT_DENIED) {
		op = &subject->ops[request.op];
		op->denied_count++;
		return keep(&op->denied, &op->nr_denied, &op->room_denied, &request,
			    event->who.cgroup);
	}
	learn->report.events++;
	return take_evidence(subject, event, &request) ?: infer_receipt(learn, subject, event);
}
