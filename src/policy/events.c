// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE /* strchrnul */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "../lib/log.h"
#include "../lib/input.h"
#include "events.h"
#include "value.h"

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
 * One denial of gmemctl monitor is explained by the identity that the kernel decided by. Recordings
 * can be from another host, where inodes have other numbers, and policies name paths: for them
 * the path is used, unless the path is that of a deleted file.
 */
static void read_exe(json_object *record, json_object *from, bool by_path, struct who *who)
{
	struct gmem_identity identity;

	if (!read_identity(member(from, "exe_inode"), &identity) ||
	    ((by_path || !text_of(record, "operation")) && !is_deleted(who->exe)))
		return;
	who->exe_recorded = who->has_exe_identity = true;
	who->exe_identity = identity;
}

static void read_who(json_object *record, const struct who_lookup *lookup, bool by_path,
		     struct who *who)
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
	read_exe(record, from, by_path, who);
	if (number_of(from, "uid", &uid)) {
		who->has_uid = true;
		who->uid = (__u32)uid;
	}
}

/* --- denials --- */

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

#define REQUEST_FIELD "GMEM_REQUEST_"

/*
 * A field of the journal as the member of an object: GMEM_REQUEST_VM_TYPE is "vm-type". The values
 * of a request are texts as in the language; elsewhere digits are a number.
 */
static void add_field(json_object *object, const char *prefix, const char *field, const char *value)
{
	bool request = !strcmp(prefix, REQUEST_FIELD);
	char name[64], *c;

	snprintf(name, sizeof(name), "%s", field + strlen(prefix));
	for (c = name; *c; c++)
		*c = *c == '_' && request ? '-' : (char)tolower(*c);
	if (!request && *value && strspn(value, "0123456789") == strlen(value))
		json_object_object_add(object, name,
				       json_object_new_uint64(strtoull(value, NULL, 10)));
	else
		json_object_object_add(object, name, json_object_new_string(value));
}

/* A record of the journal as the report that it was made of, or NULL if it is none of a denial. */
static json_object *read_journal_record(json_object *record)
{
	json_object *denial, *who, *request, *inode, *instance;

	if (!text_of(record, "GMEM_VERDICT"))
		return NULL;
	denial = json_object_new_object();
	who = json_object_new_object();
	request = json_object_new_object();
	inode = json_object_new_object();
	instance = json_object_new_object();
	json_object_object_foreach(record, name, field)
	{
		const char *value = json_object_is_type(field, json_type_string)
					    ? json_object_get_string(field)
					    : NULL;

		if (!value)
			continue;
		if (!strncmp(name, REQUEST_FIELD, strlen(REQUEST_FIELD)))
			add_field(request, REQUEST_FIELD, name, value);
		else if (!strncmp(name, "GMEM_EXE_INODE_", 15))
			add_field(inode, "GMEM_EXE_INODE_", name, value);
		else if (!strncmp(name, "GMEM_INSTANCE_", 14))
			add_field(instance, "GMEM_INSTANCE_", name, value);
		else if (!strcmp(name, "GMEM_UID") || !strcmp(name, "GMEM_EXE") ||
			 !strcmp(name, "GMEM_CGROUP") || !strcmp(name, "GMEM_ROOT") ||
			 !strcmp(name, "GMEM_PID"))
			add_field(who, "GMEM_", name, value);
		else if (!strncmp(name, "GMEM_", 5))
			add_field(denial, "GMEM_", name, value);
		else if (!strcmp(name, "_HOSTNAME"))
			json_object_object_add(denial, "host", json_object_new_string(value));
	}
	json_object_object_add(denial, "who", who);
	json_object_object_add(denial, "request", request);
	json_object_object_add(denial, "instance", instance);
	if (json_object_object_length(inode))
		json_object_object_add(who, "exe_inode", inode);
	else
		json_object_put(inode);
	return denial;
}

/* --- all events --- */

#define CACHED 64

/* What the host knows of executables; most events have one of few. */
struct cached_exe {
	char *path;
	struct who who;
};

struct reader {
	const struct who_lookup *lookup;
	event_fn fn;
	void *data;
	struct event_counts *counts;
	const char *path, *host;
	struct cached_exe cache[CACHED];
};

/* who_lookup has no argument for it. */
static struct reader *reading;

static void exe_of_cache(const char *path, struct who *who)
{
	struct cached_exe *cached;
	unsigned int hash = 0;
	const char *c;

	for (c = path; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	cached = &reading->cache[hash % CACHED];
	if (!cached->path || strcmp(cached->path, path)) {
		free(cached->path);
		cached->path = strdup(path);
		memset(&cached->who, 0, sizeof(cached->who));
		reading->lookup->exe(path, &cached->who);
	}
	who->has_exe_identity = cached->who.has_exe_identity;
	who->exe_identity = cached->who.exe_identity;
	who->exe_untrusted_fs = cached->who.exe_untrusted_fs;
	who->has_verity = cached->who.has_verity;
	who->verity = cached->who.verity;
}

static int user_of_host(const char *name, __u32 *uid)
{
	return reading->lookup->user(name, uid);
}

static const struct who_lookup cached_lookup = { .user = user_of_host, .exe = exe_of_cache };

/* The head of a recording: operations without a source were not recorded. */
static void take_sources(struct reader *reader, json_object *sources)
{
	__u32 recorded = 0;

#define X(name, op)                  \
	if (text_of(sources, #name)) \
		recorded |= 1U << GMEM_DO_##op;
	RECORDED(X)
#undef X
	reader->counts->absent |= OPS_ALL & ~recorded;
}

static bool says(json_object *record, const char *name, const char *text)
{
	const char *value = text_of(record, name);

	return value && strstr(value, text);
}

static enum event_outcome outcome_of(json_object *record)
{
	const char *verdict = text_of(record, "verdict");
	__u64 error = 0;

	if (verdict)
		return strcmp(verdict, "denied") ? EVENT_DONE : EVENT_DENIED;
	number_of(record, "errno", &error);
	if (error == EACCES || error == EPERM || says(record, "result", "SIGBUS"))
		return EVENT_DENIED;
	return error ? EVENT_FAILED : EVENT_DONE;
}

/* A refusal that KVM never saw. mprotect is the operation mmap, see gmem-policy(5). */
static int operation_denied(json_object *record)
{
	const char *name = text_of(record, "operation");

	if (!name)
		return -1;
	if (!strcmp(name, "mprotect"))
		return GMEM_DO_mmap;
	if (!strcmp(name, "fallocate"))
		return GMEM_DO_punch;
	return value_number(VALUE_OPERATION, name);
}

static void read_context(struct reader *reader, json_object *record, struct event *event)
{
	json_object *instance = member(record, "instance");
	const char *dev = text_of(instance, "dev");
	__u64 number;

	event->outcome = outcome_of(record);
	event->host = text_of(record, "host") ?: reader->host;
	event->vm = text_of(member(record, "vm"), "name");
	if (number_of(member(record, "who"), "pid", &number))
		event->pid = (__u32)number;
	number_of(record, "seq", &event->seq);
	if (dev && number_of(instance, "ino", &number))
		snprintf(event->instance, sizeof(event->instance), "%s/%llu", dev, number);
}

/* Return: 1 if it is an event that a policy decides, 0, or a negative errno of read_denial(). */
static int read_request_of(struct reader *reader, json_object *record, struct event *event)
{
	const char *name = text_of(record, "event");
	int op;

	if (!name) {
		if (!text_of(record, "verdict") || text_of(record, "guard"))
			return 0;
		return read_denial(record, &event->request) ?: 1;
	}
	op = strcmp(name, "deny") ? operation_of(name) : operation_denied(record);
	if (op < 0)
		return 0;
	if (!read_request(record, op, &event->request)) {
		reader->counts->unplaced++;
		return -ENODATA;
	}
	return 1;
}

static int take_record(struct reader *reader, json_object *record)
{
	json_object *sources = member(member(record, "stream"), "sources");
	json_object *from_journal;
	struct event event = { 0 };
	__u64 lost;
	int ret;

	if (sources)
		take_sources(reader, sources);
	if (number_of(member(record, "lost"), "events", &lost))
		reader->counts->lost += lost;
	from_journal = read_journal_record(record);
	if (from_journal)
		record = from_journal;
	ret = read_request_of(reader, record, &event);
	if (ret == 1) {
		read_who(record, reader->lookup ? &cached_lookup : NULL, true, &event.who);
		read_context(reader, record, &event);
		reader->counts->events++;
		ret = reader->fn(&event, reader->data);
	} else {
		/* Something that a decision needs is missing: that was counted. */
		if (!ret && (text_of(record, "event") || text_of(record, "guard")))
			reader->counts->skipped++;
		else if (ret && ret != -ENODATA)
			reader->counts->unplaced++;
		ret = 0;
	}
	json_object_put(from_journal);
	return ret;
}

static int read_records(struct reader *reader, FILE *in)
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
			log_note("%s, line %llu: cut off, and left out", reader->path, number);
		else if (!json_object_is_type(record, json_type_object))
			ret = log_error(-EIO, "not a JSON object",
					"it wants what `gmemtop events --json`, `gmemctl monitor "
					"-o json` or `journalctl -o json` writes",
					"read %s, line %llu", reader->path, number);
		else if (take_record(reader, record))
			ret = log_error(-ENOMEM, NULL, NULL, "read %s", reader->path);
		json_object_put(record);
	}
	/* Also where there is no memory for a line. */
	if (!ret && !feof(in))
		ret = input_failed(reader->path);
	free(line);
	return ret;
}

static int read_file(struct reader *reader, const char *path, const char *host)
{
	FILE *in;
	int ret;

	ret = input_open(path, &in);
	if (ret)
		return ret;
	reader->path = path;
	reader->host = host;
	reader->counts->files++;
	ret = read_records(reader, in);
	input_close(in);
	return ret;
}

/* @root: how much of the path is the directory that was given; the rest names the host. */
static int read_directory(struct reader *reader, const char *path, size_t root)
{
	struct dirent **entries;
	char name[4096];
	struct stat st;
	int nr, i, ret = 0;

	nr = scandir(path, &entries, NULL, alphasort);
	if (nr < 0)
		return log_error(-errno, NULL, NULL, "read the directory %s", path);
	for (i = 0; i < nr; i++) {
		if (!ret && *entries[i]->d_name != '.') {
			if ((size_t)snprintf(name, sizeof(name), "%s/%s", path,
					     entries[i]->d_name) >= sizeof(name))
				ret = log_error(-ENAMETOOLONG, NULL, NULL, "read %s", path);
			else if (stat(name, &st))
				ret = log_error(-errno, NULL, NULL, "read %s", name);
			else if (S_ISDIR(st.st_mode))
				ret = read_directory(reader, name, root);
			else
				ret = read_file(reader, name, name + root + 1);
			reader->counts->hosts += !ret && S_ISREG(st.st_mode);
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int events_read(const char *path, bool directories, const struct who_lookup *lookup, event_fn fn,
		void *data, struct event_counts *counts)
{
	struct reader *reader;
	struct stat st;
	int i, ret;

	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return log_error(-ENOMEM, NULL, NULL, "read %s", path);
	reader->lookup = lookup;
	reader->fn = fn;
	reader->data = data;
	reader->counts = counts;
	reading = reader;
	if (directories && strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode))
		ret = read_directory(reader, path, strlen(path));
	else
		ret = read_file(reader, path, NULL);
	for (i = 0; i < CACHED; i++)
		free(reader->cache[i].path);
	free(reader);
	reading = NULL;
	return ret;
}

/* --- one event --- */

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
		read_who(question->json, lookup, false, &question->who);
	return ret;
}

void event_question_free(struct event_question *question)
{
	json_object_put(question->json);
	question->json = NULL;
}
