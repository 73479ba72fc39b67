// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE /* strchrnul */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../lib/log.h"
#include "../lib/input.h"
#include "replay.h"
#include "request.h"
#include "value.h"

#define BUCKETS 4096

struct replay {
	const struct compiled *compiled;
	const struct who_lookup *lookup;
	const char *path;
	struct events_report *report;
	struct event_group *buckets[BUCKETS];
	struct event_group **last;
};

/* X(event of gmemtop, operation) */
#define RECORDED(X)          \
	X(create, create)    \
	X(bind, bind)        \
	X(mmap, mmap)        \
	X(host_fault, fault) \
	X(convert, convert)  \
	X(allocate, punch)   \
	X(punch, punch)

static int operation_of(const char *event)
{
#define X(name, op)                \
	if (!strcmp(event, #name)) \
		return GMEM_DO_##op;
	RECORDED(X)
#undef X
	return -1;
}

/* --- members of a record: NULL, -1 and false if it has none --- */

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;

	if (object && json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

static const char *text_of(json_object *object, const char *name)
{
	json_object *value = member(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool number_of(json_object *object, const char *name, __u64 *number)
{
	json_object *value = member(object, name);

	if (!json_object_is_type(value, json_type_int))
		return false;
	*number = json_object_get_uint64(value);
	return true;
}

/* --- from a record to a request --- */

static __u32 type_of(json_object *vm)
{
	const char *name = text_of(vm, "type");
	int type = name ? value_number(VALUE_TYPE, name) : -1;

	return type >= 0 ? (__u32)type : GMEM_TYPE_unknown;
}

static void read_instance(json_object *record, int op, struct gmem_request *request)
{
	json_object *from = op == GMEM_DO_create ? record : member(record, "instance");
	__u64 flags;

	number_of(from, "size", &request->size);
	if (number_of(from, "flags", &flags))
		request->flags = GMEM_FLAGS_OF(flags);
}

/* Return: false if the record does not have what the decision needs. */
static bool read_request(json_object *record, int op, struct gmem_request *request)
{
	const char *direction;
	__u64 number, start;

	memset(request, 0, sizeof(*request));
	request->op = (__u32)op;
	request->type = type_of(member(record, "vm"));
	request->flags = GMEM_FLAGS_unknown;
	request->direction = GMEM_DIR_other;
	request->size = request->start = request->end = POLICY_VALUE_UNKNOWN;
	request->offset = request->offset_end = POLICY_VALUE_UNKNOWN;
	if (op != GMEM_DO_convert)
		read_instance(record, op, request);
	if (op == GMEM_DO_mmap) {
		if (!number_of(record, "prot", &number))
			return false;
		request->prot = number & (GMEM_PROT_MAX - 1);
	}
	if (op == GMEM_DO_fault) {
		if (!json_object_is_type(member(record, "write"), json_type_boolean))
			return false;
		request->prot = json_object_get_boolean(member(record, "write")) ? 1U << 1 : 1U;
	}
	if ((op == GMEM_DO_bind || op == GMEM_DO_convert) &&
	    number_of(record, op == GMEM_DO_bind ? "gpa" : "start", &start) &&
	    number_of(record, "size", &number)) {
		request->start = start;
		request->end = start + number;
	}
	if (op == GMEM_DO_bind && number_of(record, "offset", &start) &&
	    number_of(record, "size", &number)) {
		request->offset = start;
		request->offset_end = start + number;
	}
	direction = op == GMEM_DO_convert ? text_of(record, "direction") : NULL;
	if (direction && !strcmp(direction, "to_private"))
		request->direction = GMEM_DIR_to_private;
	else if (direction && !strcmp(direction, "to_shared"))
		request->direction = GMEM_DIR_to_shared;
	return true;
}

/* The file that the process ran, as the kernel identified it. */
static bool read_identity(json_object *from, struct gmem_identity *identity)
{
	const char *dev = text_of(from, "dev");
	unsigned int major, minor;
	__u64 number;

	memset(identity, 0, sizeof(*identity));
	if (!dev || sscanf(dev, "%u:%u", &major, &minor) != 2 || !number_of(from, "ino", &number) ||
	    !number)
		return false;
	identity->kind = GMEM_BY_INODE;
	identity->dev = major << 20 | minor;
	identity->ino = number;
	if (number_of(from, "generation", &number))
		identity->generation = (__u32)number;
	if (number_of(from, "changed", &number))
		identity->changed = number;
	if (number_of(from, "subvolume", &number))
		identity->subvolume = number;
	return true;
}

/* What /proc appends to the path of a file that was removed or replaced. */
#define DELETED " (deleted)"

static bool is_deleted(const char *path)
{
	size_t len = path ? strlen(path) : 0;

	return len > strlen(DELETED) && !strcmp(path + len - strlen(DELETED), DELETED);
}

/*
 * gmemctl monitor reports the identity that the kernel decided by, so the identity is used. A
 * recording can be from another host, where inodes have other numbers: for it the path is used,
 * unless the path is that of a deleted file.
 */
static void read_exe(json_object *record, json_object *from, struct who *who)
{
	struct gmem_identity identity;

	if (!read_identity(member(from, "exe_inode"), &identity) ||
	    (!text_of(record, "operation") && !is_deleted(who->exe)))
		return;
	who->exe_recorded = who->has_exe_identity = true;
	who->exe_identity = identity;
}

static void read_who(json_object *record, const struct who_lookup *lookup, struct who *who)
{
	json_object *from = member(record, "who");
	struct request_error error;
	struct who_text text = { 0 };
	__u64 uid;

	text.root = text_of(from, "root");
	text.exe = text_of(from, "exe");
	text.cgroup = text_of(from, "cgroup");
	if (text.cgroup && *text.cgroup != '/')
		text.cgroup = NULL;
	who_parse(&text, lookup, who, &error);
	read_exe(record, from, who);
	if (number_of(from, "uid", &uid)) {
		who->has_uid = true;
		who->uid = (__u32)uid;
	}
}

/* --- denials, grouped --- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static size_t hash_text(size_t hash, const char *text)
{
	while (text && *text)
		hash = hash * 33 + (unsigned char)*text++;
	return hash;
}

static struct event_group *group_of(struct replay *replay, __u32 op, __u32 rule,
				    const struct who *who, const char *vm)
{
	__s64 uid = who->has_uid ? (__s64)who->uid : -1;
	struct event_group *group, **bucket;
	size_t hash = op * 31 + rule;

	hash = hash_text(hash_text(hash_text(hash, who->exe), who->cgroup), vm) + (size_t)uid;
	bucket = &replay->buckets[hash % BUCKETS];
	for (group = *bucket; group; group = group->next_in_bucket) {
		if (group->op == op && group->rule == rule && group->uid == uid &&
		    same_text(group->exe, who->exe) && same_text(group->cgroup, who->cgroup) &&
		    same_text(group->vm, vm))
			return group;
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->op = op;
	group->rule = rule;
	group->uid = uid;
	group->exe = who->exe ? strdup(who->exe) : NULL;
	group->cgroup = who->cgroup ? strdup(who->cgroup) : NULL;
	group->vm = vm ? strdup(vm) : NULL;
	group->next_in_bucket = *bucket;
	*bucket = group;
	*replay->last = group;
	replay->last = &group->next;
	return group;
}

static int decide(struct replay *replay, json_object *record, int op)
{
	struct gmem_decision decision;
	struct gmem_request request;
	struct event_group *group;
	struct who who;
	__u64 seq = 0;

	if (!read_request(record, op, &request)) {
		replay->report->unplaced++;
		return 0;
	}
	read_who(record, replay->lookup, &who);
	replay->report->events++;
	decision = policy_decide(replay->compiled, &who, &request);
	if (!decision.deny) {
		replay->report->would += decision.audit_rule != GMEM_RULE_NONE &&
					 decision.audit_deny;
		return 0;
	}
	replay->report->denied++;
	group = group_of(replay, request.op, decision.rule, &who,
			 text_of(member(record, "vm"), "name"));
	if (!group)
		return -ENOMEM;
	number_of(record, "seq", &seq);
	if (!group->count++)
		group->first_seq = seq;
	return 0;
}

/* The head of a recording: operations without a source were not recorded. */
static void take_sources(struct replay *replay, json_object *sources)
{
	__u32 recorded = 0;

#define X(name, op)                  \
	if (text_of(sources, #name)) \
		recorded |= 1U << GMEM_DO_##op;
	RECORDED(X)
#undef X
	replay->report->absent |= OPS_ALL & ~recorded;
}

static int take_record(struct replay *replay, json_object *record)
{
	json_object *sources = member(member(record, "stream"), "sources");
	const char *event = text_of(record, "event");
	__u64 lost;
	int op;

	if (sources)
		take_sources(replay, sources);
	if (number_of(member(record, "lost"), "events", &lost))
		replay->report->lost += lost;
	if (!event)
		return 0;
	op = operation_of(event);
	if (op >= 0)
		return decide(replay, record, op);
	replay->report->skipped++;
	return 0;
}

static int read_records(struct replay *replay, FILE *in)
{
	unsigned long long number = 0;
	json_object *record;
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, in) > 0) {
		number++;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		record = json_tokener_parse(line);
		if (!json_object_is_type(record, json_type_object) && !strchr(line, '\n'))
			log_note("%s, line %llu: cut off, and left out", replay->path, number);
		else if (!json_object_is_type(record, json_type_object))
			ret = log_error(-EIO, "not a JSON object",
					"it wants what `gmemtop events --json` writes",
					"read %s, line %llu", replay->path, number);
		else if (take_record(replay, record))
			ret = log_error(-ENOMEM, NULL, NULL, "read %s", replay->path);
		json_object_put(record);
	}
	/* Also where there is no memory for a line. */
	if (!ret && !feof(in))
		ret = input_failed(replay->path);
	free(line);
	return ret;
}

int events_decide(const struct compiled *compiled, const struct who_lookup *lookup,
		  const char *path, struct events_report *report)
{
	struct replay *replay;
	FILE *in;
	int ret;

	memset(report, 0, sizeof(*report));
	ret = input_open(path, &in);
	if (ret)
		return ret;
	replay = calloc(1, sizeof(*replay));
	if (!replay) {
		input_close(in);
		return log_error(-ENOMEM, NULL, NULL, "read %s", path);
	}
	replay->compiled = compiled;
	replay->lookup = lookup;
	replay->path = path;
	replay->report = report;
	replay->last = &report->first;
	ret = read_records(replay, in);
	input_close(in);
	free(replay);
	return ret;
}

void events_report_free(struct events_report *report)
{
	struct event_group *group = report->first, *next;

	for (; group; group = next) {
		next = group->next;
		free(group->exe);
		free(group->cgroup);
		free(group->vm);
		free(group);
	}
	memset(report, 0, sizeof(*report));
}

/* --- one event --- */

/* A denial as `gmemctl monitor` writes it: its request is written as in the language. */
static int read_denial(json_object *record, struct gmem_request *request)
{
	struct request_text text = { .op = text_of(record, "operation") };
	const char **members[POLICY_IF_MAX] = {
#define X(name, ...) [POLICY_IF_##name] = &text.name,
		POLICY_CONDITIONS(X)
#undef X
	};
	json_object *from = member(record, "request");
	struct request_error error;
	unsigned int i;

	for (i = 0; i < POLICY_IF_MAX; i++) {
		*members[i] = text_of(from, value_name(VALUE_CONDITION, i));
		if (*members[i] && !strcmp(*members[i], "unknown"))
			*members[i] = NULL;
	}
	return request_parse(&text, request, &error);
}

static int read_question(json_object *record, struct event_question *question)
{
	const char *event = text_of(record, "event");
	int op;

	question->guard = text_of(record, "guard");
	question->verdict = text_of(record, "verdict");
	question->why = text_of(member(record, "by"), "why");
	number_of(record, "generation", &question->generation);
	if (question->guard)
		return 0;
	if (text_of(record, "operation"))
		return read_denial(record, &question->request);
	op = event ? operation_of(event) : -1;
	if (op < 0)
		return -ENOENT;
	return read_request(record, op, &question->request) ? 0 : -EINVAL;
}

int event_question_read(const char *text, const struct who_lookup *lookup,
			struct event_question *question)
{
	json_object *record;
	int ret = -ENOENT;
	const char *end;
	char *line;

	memset(question, 0, sizeof(*question));
	for (; ret == -ENOENT && *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		line = strndup(text, (size_t)(end - text));
		record = line ? json_tokener_parse(line) : NULL;
		free(line);
		if (!json_object_is_type(record, json_type_object)) {
			json_object_put(record);
			return -EINVAL;
		}
		ret = read_question(record, question);
		if (ret)
			json_object_put(record);
		else
			question->json = record;
	}
	if (!ret)
		read_who(question->json, lookup, &question->who);
	return ret;
}

void event_question_free(struct event_question *question)
{
	json_object_put(question->json);
	question->json = NULL;
}
