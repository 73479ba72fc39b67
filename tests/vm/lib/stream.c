// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "stream.h"

#define GMEMTOP	    "build/gmemtop"
#define PATIENCE_MS 30000
#define STREAM_ARGS 32
#define PAGE_BITS   12

extern char **environ;

/* Until the first line is there. */
static bool wait_for_head(struct stream *s)
{
	char c;
	int fd, ms;

	for (ms = 0; ms < PATIENCE_MS; ms += 10) {
		fd = open(s->path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, &c, 1) == 1) {
			close(fd);
			return true;
		}
		close(fd);
		if (waitpid(s->pid, &s->status, WNOHANG) == s->pid) {
			s->pid = 0;
			return false;
		}
		usleep(10000);
	}
	return false;
}

bool stream_start(struct stream *s, const char *args)
{
	char copy[512], *argv[STREAM_ARGS] = { GMEMTOP, "events", "--json" }, *save, *word;
	posix_spawn_file_actions_t actions;
	int argc = 3, fd, ret;

	memset(s, 0, sizeof(*s));
	strcpy(s->path, "/tmp/stream.XXXXXX");
	fd = mkstemp(s->path);
	if (fd < 0)
		return false;
	snprintf(copy, sizeof(copy), "%s", args);
	for (word = strtok_r(copy, " ", &save); word && argc < STREAM_ARGS - 1;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	ret = posix_spawn(&s->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
	if (!ret && wait_for_head(s))
		return true;
	printf("  %s events --json %s does not start (%#x)\n", GMEMTOP, args, s->status);
	unlink(s->path);
	return false;
}

static bool take_line(struct stream *s, const char *line)
{
	struct json_object *obj = json_tokener_parse(line), *member;

	if (!obj)
		return false;
	if (json_object_object_get_ex(obj, "event", &member))
		json_object_array_add(s->events, json_object_get(obj));
	else if (json_object_object_get_ex(obj, "lost", &member))
		json_object_array_add(s->lost, json_object_get(member));
	else if (json_object_object_get_ex(obj, "stream", &member))
		s->head = json_object_get(member);
	else if (json_object_object_get_ex(obj, "summary", &member))
		s->summary = json_object_get(member);
	else
		member = NULL;
	json_object_put(obj);
	return member;
}

bool stream_end(struct stream *s, int sig)
{
	char *line = NULL;
	size_t size = 0;
	bool ok = true;
	FILE *file;

	if (sig)
		kill(s->pid, sig);
	waitpid(s->pid, &s->status, 0);
	s->events = json_object_new_array();
	s->lost = json_object_new_array();
	file = fopen(s->path, "re");
	unlink(s->path);
	while (file && ok && getline(&line, &size, file) > 0) {
		ok = take_line(s, line);
		if (!ok)
			printf("  not what gmemtop should write: %s", line);
	}
	if (file)
		fclose(file);
	free(line);
	return ok && s->head;
}

void stream_forget(struct stream *s)
{
	json_object_put(s->head);
	json_object_put(s->events);
	json_object_put(s->lost);
	json_object_put(s->summary);
}

struct json_object *stream_member(struct json_object *obj, const char *path)
{
	char copy[128], *save, *word;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save)) {
		if (!json_object_object_get_ex(obj, word, &obj))
			return NULL;
	}
	return obj;
}

static uint64_t value_of(struct json_object *obj, const char *name)
{
	return json_object_get_uint64(stream_member(obj, name));
}

/* What is null is -1: it is unknown. */
static uint64_t value_or_unknown(struct json_object *obj, const char *name)
{
	struct json_object *member = stream_member(obj, name);

	return member ? json_object_get_uint64(member) : (uint64_t)-1;
}

static uint64_t pages_of(struct json_object *obj, const char *name)
{
	return value_of(obj, name) >> PAGE_BITS;
}

static void take_allocate(struct record *r, struct json_object *obj, uint64_t ret)
{
	r->id = EV_ALLOCATE;
	r->field[ALLOCATE_MODE] = value_of(obj, "mode");
	r->field[ALLOCATE_OFFSET] = value_of(obj, "offset");
	r->field[ALLOCATE_LEN] = value_of(obj, "size");
	r->field[ALLOCATE_NR_PAGES] = value_or_unknown(obj, "pages");
	r->field[ALLOCATE_RET] = ret;
}

static void take_punch(struct record *r, struct json_object *obj, uint64_t ret)
{
	if (ret) {
		take_allocate(r, obj, ret);
		r->field[ALLOCATE_NR_PAGES] = 0;
		return;
	}
	r->id = EV_INVALIDATE;
	r->field[INVALIDATE_START] = pages_of(obj, "offset");
	r->field[INVALIDATE_END] = pages_of(obj, "offset") + pages_of(obj, "size");
	r->field[INVALIDATE_NR_PAGES] = value_or_unknown(obj, "pages");
	strcpy(r->word, "punch");
}

static void take_invalidate(struct record *r, struct json_object *obj)
{
	r->id = EV_INVALIDATE;
	snprintf(r->word, sizeof(r->word), "%s",
		 json_object_get_string(stream_member(obj, "reason")));
	r->field[INVALIDATE_START] = pages_of(obj, "offset");
	r->field[INVALIDATE_END] = -1;
	r->field[INVALIDATE_NR_PAGES] = -1;
	/* The log has it as the tracepoint has it: to the end of everything. */
	if (strcmp(r->word, "release") && stream_member(obj, "size"))
		r->field[INVALIDATE_END] = pages_of(obj, "offset") + pages_of(obj, "size");
}

static void take_bind(struct record *r, struct json_object *obj, uint64_t ret)
{
	r->field[BIND_SLOT] = value_of(obj, "slot");
	r->field[BIND_GPA] = value_of(obj, "gpa");
	r->field[BIND_SIZE] = value_of(obj, "size");
	r->field[BIND_OFFSET] = value_of(obj, "offset");
	if (r->id == EV_BIND)
		r->field[BIND_RET] = ret;
}

static void take_guest_fault(struct record *r, struct json_object *obj, uint64_t ret)
{
	struct json_object *first = stream_member(obj, "first_touch");

	r->field[GUEST_FAULT_SLOT] = value_of(obj, "slot");
	r->field[GUEST_FAULT_GFN] = value_of(obj, "gfn");
	r->field[GUEST_FAULT_PGOFF] = pages_of(obj, "offset");
	r->field[GUEST_FAULT_ZEROED] = first ? (uint64_t)json_object_get_boolean(first)
					     : (uint64_t)-1;
	r->field[GUEST_FAULT_RET] = ret;
}

static void take_convert(struct record *r, struct json_object *obj, uint64_t ret)
{
	r->field[CONVERT_GPA] = value_of(obj, "start");
	r->field[CONVERT_SIZE] = value_of(obj, "size");
	r->field[CONVERT_ATTRIBUTES] = value_of(obj, "attributes");
	r->field[CONVERT_CHANGED] = value_or_unknown(obj, "changed_pages");
	r->field[CONVERT_RET] = ret;
}

static int take_fields(struct record *r, struct json_object *obj, const char *event)
{
	uint64_t ret = -value_of(obj, "errno");

	if (!strcmp(event, "punch")) {
		take_punch(r, obj, ret);
		return 0;
	}
	r->id = (enum event_id)event_id_of(event);
	switch (r->id) {
	case EV_CREATE:
		r->field[CREATE_SIZE] = value_of(obj, "size");
		r->field[CREATE_FLAGS] = value_of(obj, "flags");
		r->field[CREATE_RET] = ret;
		return 0;
	case EV_RELEASE: r->field[RELEASE_NRPAGES] = value_of(obj, "resident_pages"); return 0;
	case EV_BIND:
	case EV_UNBIND: take_bind(r, obj, ret); return 0;
	case EV_ALLOCATE: take_allocate(r, obj, ret); return 0;
	case EV_INVALIDATE: take_invalidate(r, obj); return 0;
	case EV_GUEST_FAULT: take_guest_fault(r, obj, ret); return 0;
	case EV_HOST_FAULT:
		r->field[HOST_FAULT_PGOFF] = pages_of(obj, "offset");
		snprintf(r->word, sizeof(r->word), "%s",
			 json_object_get_string(stream_member(obj, "result")));
		return 0;
	case EV_MMAP:
		r->field[MMAP_SIZE] = value_of(obj, "size");
		r->field[MMAP_PGOFF] = pages_of(obj, "offset");
		r->field[MMAP_RET] = ret;
		return 0;
	case EV_CONVERT: take_convert(r, obj, ret); return 0;
	default: return -EINVAL;
	}
}

int stream_records(const struct stream *s, struct records *records)
{
	struct creations creations = { 0 };
	struct json_object *obj;
	struct record *r;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_object_array_length(s->events); i++) {
		obj = json_object_array_get_idx(s->events, i);
		r = records_append(records);
		if (!r) {
			ret = -ENOMEM;
			break;
		}
		r->key = value_of(stream_member(obj, "vm"), "id");
		r->pid = (int)value_of(stream_member(obj, "vm"), "pid");
		ret = take_fields(r, obj, json_object_get_string(stream_member(obj, "event")));
		if (!ret)
			ret = number_instance(&creations, r,
					      value_of(stream_member(obj, "instance"), "ino"));
		if (ret)
			printf("  not understood: %s\n", json_object_to_json_string(obj));
	}
	free(creations.c);
	return ret;
}

bool stream_is(struct json_object *obj, const char *path, const char *text)
{
	struct json_object *member = stream_member(obj, path);

	return member && !strcmp(json_object_get_string(member), text);
}

void stream_account(struct verdict *v, const struct stream *s, bool lost)
{
	size_t nr = json_object_array_length(s->events), i;
	uint64_t told = 0, emitted = 0;

	v->compared++;
	if (!s->summary) {
		differs(v, "there is no summary (%#x)", s->status);
		return;
	}
	for (i = 0; i < json_object_array_length(s->lost); i++)
		told += value_of(json_object_array_get_idx(s->lost, i), "events");
	json_object_object_foreach(stream_member(s->summary, "events"), name, counts)
	{
		(void)name;
		emitted += value_of(counts, "emitted");
	}
	if (value_of(s->summary, "shown") != nr || value_of(s->summary, "not_read") ||
	    value_of(s->summary, "emitted") != emitted ||
	    emitted != nr + value_of(s->summary, "lost") + value_of(s->summary, "filtered_by_vm") ||
	    told != value_of(s->summary, "lost") || value_of(s->summary, "missed") ||
	    (!lost && told))
		differs(v, "%zu events, %llu told as lost: %s", nr, (unsigned long long)told,
			json_object_to_json_string(s->summary));
	if (!WIFEXITED(s->status) || WEXITSTATUS(s->status))
		differs(v, "it ended with %#x", s->status);
}

/* Can this kernel do it? Software-protected VMs are only in kernels that were built with them. */
bool stream_possible(const char *args)
{
	struct json_object *report;
	bool possible;
	int out = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	dup2(null, 1);
	report = run_workload(args, "/dev/null");
	fflush(stdout);
	dup2(out, 1);
	close(out);
	close(null);
	possible = report;
	json_object_put(report);
	return possible;
}
