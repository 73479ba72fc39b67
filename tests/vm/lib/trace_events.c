// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracefs in an instance of its own, and the two parsers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_events.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TRACEFS	      "/sys/kernel/tracing"
#define INSTANCE      TRACEFS "/instances/gmem_trace_test"
#define PREFIX	      "kvm_gmem_"

struct event_desc {
	const char *name;
	const char *field[MAX_FIELDS];
	const char *word;
};

static const struct event_desc event_descs[NR_EVENTS] = {
	[EV_CREATE] = { "create", { "size", "flags", "ret" }, NULL },
	[EV_RELEASE] = { "release", { "nrpages" }, NULL },
	[EV_BIND] = { "bind", { "slot", "gpa", "size", "offset", "ret" }, NULL },
	[EV_UNBIND] = { "unbind", { "slot", "gpa", "size", "offset" }, NULL },
	[EV_ALLOCATE] = { "allocate", { "mode", "offset", "len", "nr_pages", "ret" }, NULL },
	[EV_INVALIDATE] = { "invalidate", { "start", "end", "nr_pages" }, "reason" },
	[EV_GUEST_FAULT] = { "guest_fault", { "slot", "gfn", "pgoff", "zeroed", "ret" }, NULL },
	[EV_HOST_FAULT] = { "host_fault", { "pgoff" }, "result" },
	[EV_MMAP] = { "mmap", { "size", "pgoff", "ret" }, NULL },
	[EV_CONVERT] = { "convert", { "gpa", "size", "attributes", "changed", "ret" }, NULL },
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/**
 * trace_open - make a trace instance and switch the events on in it
 * @buffer_kb: size of the buffer of each CPU
 *
 * Return: how many events there are, or -errno.
 */
int trace_open(unsigned int buffer_kb)
{
	struct dirent *entry;
	char path[512];
	int events = 0, ret;
	DIR *dir;

	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%u", buffer_kb);
	ret = write_file(INSTANCE "/tracing_on", "0");
	if (!ret)
		ret = write_file(INSTANCE "/buffer_size_kb", path);
	dir = opendir(INSTANCE "/events/kvm");
	if (!dir)
		return ret ? ret : -errno;
	while (!ret && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			continue;
		snprintf(path, sizeof(path), INSTANCE "/events/kvm/%s/enable", entry->d_name);
		ret = write_file(path, "1");
		events++;
	}
	closedir(dir);
	return ret ? ret : events;
}

/* Begin with an empty buffer. */
int trace_start(void)
{
	int ret = write_file(INSTANCE "/trace", "");

	return ret ? ret : write_file(INSTANCE "/tracing_on", "1");
}

/* The sum of a line of per_cpu/cpuN/stats over all CPUs. */
static int64_t stat_sum(const char *name)
{
	char path[512], line[128];
	struct dirent *entry;
	int64_t sum = 0;
	size_t len = strlen(name);
	FILE *file;
	DIR *dir;

	dir = opendir(INSTANCE "/per_cpu");
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), INSTANCE "/per_cpu/%s/stats", entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			if (!strncmp(line, name, len) && line[len] == ':')
				sum += strtoll(line + len + 1, NULL, 10);
		}
		if (file)
			fclose(file);
	}
	closedir(dir);
	return sum;
}

/**
 * trace_stop - stop tracing
 *
 * Return: 0, -ENOBUFS if an event was lost, or another -errno.
 */
int trace_stop(void)
{
	int ret = write_file(INSTANCE "/tracing_on", "0");

	if (!ret &&
	    (stat_sum("overrun") || stat_sum("commit overrun") || stat_sum("dropped events")))
		ret = -ENOBUFS;
	return ret;
}

void trace_close(void)
{
	write_file(INSTANCE "/events/enable", "0");
	rmdir(INSTANCE);
}

struct record *records_append(struct records *records)
{
	size_t room = records->room ? records->room * 2 : 1024;
	struct record *r;

	if (records->nr == records->room) {
		r = reallocarray(records->r, room, sizeof(*r));
		if (!r)
			return NULL;
		records->r = r;
		records->room = room;
	}
	r = &records->r[records->nr++];
	memset(r, 0, sizeof(*r));
	r->inst = -1;
	return r;
}

/* The value of " key=" in a line, or NULL. */
static const char *find(const char *line, const char *key)
{
	size_t len = strlen(key);
	const char *at = line;

	while ((at = strstr(at, key))) {
		if (at > line && at[-1] == ' ' && at[len] == '=')
			return at + len + 1;
		at++;
	}
	return NULL;
}

static uint64_t number_in(const char *line, const char *key, bool *missing)
{
	const char *at = find(line, key);

	if (!at) {
		*missing = true;
		return 0;
	}
	return *at == '-' ? (uint64_t)strtoll(at, NULL, 0) : strtoull(at, NULL, 0);
}

static void copy_word(char *to, size_t size, const char *from)
{
	size_t len = strcspn(from, " \n");

	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = 0;
}

/* The fields of an event; in a trace the size of a mapping is the distance of its ends. */
static int parse_fields(struct record *r, const char *line, bool trace)
{
	const struct event_desc *d = &event_descs[r->id];
	bool missing = false;
	const char *word;
	int i;

	for (i = 0; i < MAX_FIELDS && d->field[i]; i++) {
		if (trace && r->id == EV_MMAP && i == MMAP_SIZE)
			r->field[i] = number_in(line, "end", &missing) -
				      number_in(line, "start", &missing);
		else
			r->field[i] = number_in(line, d->field[i], &missing);
	}
	/* The kernel's number of a new fd is nobody's business. */
	if (r->id == EV_CREATE && (int64_t)r->field[CREATE_RET] > 0)
		r->field[CREATE_RET] = 0;
	word = d->word ? find(line, d->word) : NULL;
	if (word)
		copy_word(r->word, sizeof(r->word), word);
	if (missing || (d->word && !word)) {
		fprintf(stderr, "trace_test: fields are missing in: %s", line);
		return -EINVAL;
	}
	return 0;
}

int event_id_of(const char *name)
{
	size_t len = strcspn(name, " :\n");
	int i;

	for (i = 0; i < NR_EVENTS; i++) {
		if (strlen(event_descs[i].name) == len && !strncmp(event_descs[i].name, name, len))
			return i;
	}
	return -EINVAL;
}

/* The instances that were created so far. */
struct creation {
	uint64_t key, ino;
	int pid;
	int64_t inst;
};

/* Which instance of its VM it is, by its inode's number; numbered in the order of creation. */
int number_instance(struct creations *creations, struct record *r, uint64_t ino)
{
	struct creation *c;
	int64_t older = 0;
	size_t i;

	if (!ino)
		return 0;
	for (i = 0; i < creations->nr; i++) {
		c = &creations->c[i];
		if (c->pid != r->pid || c->key != r->key)
			continue;
		older++;
		if (c->ino == ino)
			r->inst = c->inst;
	}
	if (r->id != EV_CREATE)
		return 0;
	c = reallocarray(creations->c, creations->nr + 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	creations->c = c;
	r->inst = older;
	c[creations->nr++] = (struct creation){ r->key, ino, r->pid, older };
	return 0;
}

/* Which VM and which instance. */
static int parse_identity(struct creations *creations, struct record *r, const char *line)
{
	bool missing = false;
	uint64_t ino = 0;

	r->key = number_in(line, "vm", &missing);
	r->pid = (int)number_in(line, "pid", &missing);
	if (r->id != EV_CONVERT)
		ino = number_in(line, "ino", &missing);
	if (missing) {
		fprintf(stderr, "trace_test: no VM or instance in: %s", line);
		return -EINVAL;
	}
	return number_instance(creations, r, ino);
}

/**
 * trace_read - read the events that were traced
 * @records: where to put them
 */
int trace_read(struct records *records)
{
	FILE *file = fopen(INSTANCE "/trace", "r");
	struct creations creations = { 0 };
	const char *at;
	struct record *r;
	char *line = NULL;
	size_t size = 0;
	int ret = 0, id;

	if (!file)
		return -errno;
	while (!ret && getline(&line, &size, file) > 0) {
		if (strstr(line, "LOST")) {
			ret = -ENOBUFS;
			break;
		}
		at = *line == '#' ? NULL : strstr(line, ": " PREFIX);
		if (!at)
			continue;
		at += strlen(": " PREFIX);
		id = event_id_of(at);
		if (id < 0)
			continue;
		r = records_append(records);
		if (!r) {
			ret = -ENOMEM;
			break;
		}
		r->id = id;
		ret = parse_fields(r, at, true);
		if (!ret)
			ret = parse_identity(&creations, r, at);
	}
	free(creations.c);
	free(line);
	fclose(file);
	return ret;
}

/**
 * log_read - read the workload's log of operations
 * @path: its name
 * @records: where to put them
 */
int log_read(const char *path, struct records *records)
{
	FILE *file = fopen(path, "r");
	struct record *r;
	char *line = NULL;
	size_t size = 0;
	int ret = 0, vm, at, id;
	bool missing;

	if (!file)
		return -errno;
	while (!ret && getline(&line, &size, file) > 0) {
		if (sscanf(line, "vm=%d %n", &vm, &at) != 1) {
			ret = -EINVAL;
			break;
		}
		id = event_id_of(line + at);
		r = id < 0 ? NULL : records_append(records);
		if (!r) {
			ret = id < 0 ? -EINVAL : -ENOMEM;
			break;
		}
		r->id = id;
		r->vm = vm;
		missing = false;
		r->inst = (int64_t)number_in(line + at, "inst", &missing);
		if (missing)
			r->inst = -1;
		ret = parse_fields(r, line + at, false);
	}
	if (ret)
		fprintf(stderr, "trace_test: bad line in the workload's log: %s", line);
	free(line);
	fclose(file);
	return ret;
}

/**
 * record_text - the canonical form of a record
 * @record: the record
 */
void record_text(struct record *record)
{
	const struct event_desc *d = &event_descs[record->id];
	char *at = record->text, *end = at + sizeof(record->text);
	int i;

	at += snprintf(at, end - at, "%s", d->name);
	for (i = 0; i < MAX_FIELDS && d->field[i]; i++) {
		if (!strcmp(d->field[i], "ret") || !strcmp(d->field[i], "nr_pages"))
			at += snprintf(at, end - at, " %s=%lld", d->field[i],
				       (long long)record->field[i]);
		else
			at += snprintf(at, end - at, " %s=%#llx", d->field[i],
				       (unsigned long long)record->field[i]);
	}
	if (d->word)
		at += snprintf(at, end - at, " %s=%s", d->word, record->word);
	if (record->inst >= 0)
		snprintf(at, end - at, " inst=%lld", (long long)record->inst);
}

static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->vm != y->vm ? (x->vm < y->vm ? -1 : 1) : strcmp(x->text, y->text);
}

/* Sort by VM and canonical form. */
void records_sort(struct records *records)
{
	if (records->nr)
		qsort(records->r, records->nr, sizeof(*records->r), compare);
}

void records_free(struct records *records)
{
	free(records->r);
	memset(records, 0, sizeof(*records));
}
