// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two accounts of the same events, compared as records: those of the kernel and those of the
 * workload.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <json-c/json.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"

#define MAX_ARGS  32
#define MAX_SHOWN 20

extern char **environ;

const char *workload = "build/tests/gmem-workload";
const char *scenarios = "tests/workload/scenarios";

void differs(struct verdict *v, const char *fmt, ...)
{
	va_list args;

	if (v->failed++ >= MAX_SHOWN)
		return;
	fputs("  ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	fputc('\n', stdout);
}

void expect_number(struct verdict *v, const char *what, uint64_t is, uint64_t wanted)
{
	v->compared++;
	if (is != wanted)
		differs(v, "%s: %llu, should be %llu", what, (unsigned long long)is,
			(unsigned long long)wanted);
}

int64_t json_number(struct json_object *obj, const char *path)
{
	char copy[128], *save, *word;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save)) {
		if (!json_object_object_get_ex(obj, word, &obj))
			return 0;
	}
	return json_object_get_int64(obj);
}

/* Where the number of guest faults is a lower bound, only first touches and failures can be
 * compared. */
static bool comparable(struct json_object *list, const struct record *r)
{
	struct json_object *vm, *exact;

	if (r->id != EV_GUEST_FAULT || r->vm < 0)
		return r->vm >= 0;
	vm = json_object_array_get_idx(list, r->vm);
	json_object_object_get_ex(vm, "guest_faults_exact", &exact);
	return json_object_get_boolean(exact) || r->field[GUEST_FAULT_ZEROED] ||
	       r->field[GUEST_FAULT_RET];
}

static void prepare(struct json_object *list, struct records *records, bool far_known)
{
	struct record *r;
	size_t i, kept = 0;

	for (i = 0; i < records->nr; i++) {
		r = &records->r[i];
		if (!comparable(list, r))
			continue;
		if (r->id == EV_ALLOCATE && (int64_t)r->field[ALLOCATE_RET] == -EINTR && !far_known)
			r->field[ALLOCATE_NR_PAGES] = -1;
		record_text(r);
		records->r[kept++] = *r;
	}
	records->nr = kept;
	records_sort(records);
}

void compare_records(struct verdict *v, struct json_object *list, struct records *log,
		     struct records *trace)
{
	size_t i, l = 0, t = 0;
	bool far_known = true;
	int order;

	for (i = 0; i < log->nr; i++) {
		if (log->r[i].id == EV_ALLOCATE &&
		    (int64_t)log->r[i].field[ALLOCATE_NR_PAGES] == -1)
			far_known = false;
	}
	prepare(list, log, far_known);
	prepare(list, trace, far_known);
	while (l < log->nr || t < trace->nr) {
		v->compared++;
		if (l == log->nr)
			order = 1;
		else if (t == trace->nr)
			order = -1;
		else if (log->r[l].vm != trace->r[t].vm)
			order = log->r[l].vm < trace->r[t].vm ? -1 : 1;
		else
			order = strcmp(log->r[l].text, trace->r[t].text);
		if (order < 0) {
			v->missed++;
			differs(v, "VM %d did, but no event says: %s", log->r[l].vm,
				log->r[l].text);
		} else if (order > 0) {
			v->invented++;
			differs(v, "VM %d did not, but an event says: %s", trace->r[t].vm,
				trace->r[t].text);
		}
		l += order <= 0;
		t += order >= 0;
	}
}

/* A sum over everything that a VM did, whatever its order. */
static uint64_t fingerprint(const struct records *records, int vm, uint64_t key, bool by_key)
{
	uint64_t sum = 0, hash;
	const char *c;
	size_t i;

	for (i = 0; i < records->nr; i++) {
		const struct record *r = &records->r[i];

		if (by_key ? r->key != key || r->pid != vm : r->vm != vm)
			continue;
		/* What differs between the two for a reason. */
		if (r->id == EV_GUEST_FAULT ||
		    (r->id == EV_ALLOCATE && (int64_t)r->field[ALLOCATE_RET] == -EINTR))
			continue;
		for (hash = 14695981039346656037ULL, c = r->text; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
		sum += hash;
	}
	return sum;
}

/*
 * Give every event the index of its VM: by the pid; where a process carries several VMs, the one
 * that did the same (any that is left, if none did: then the comparison shows it).
 */
void assign_vms(struct json_object *list, struct records *log, struct records *trace)
{
	uint64_t keys[MAX_VMS];
	bool taken[MAX_VMS] = { false };
	size_t i, j, nr = json_object_array_length(list), best;
	uint64_t print;

	for (i = 0; i < log->nr; i++)
		record_text(&log->r[i]);
	for (i = 0; i < trace->nr; i++) {
		record_text(&trace->r[i]);
		trace->r[i].vm = -1;
	}
	for (i = 0; i < trace->nr; i++) {
		struct record *r = &trace->r[i];

		for (j = 0, best = nr; j < nr; j++) {
			if (json_number(json_object_array_get_idx(list, j), "pid") == r->pid &&
			    taken[j] && keys[j] == r->key)
				break;
		}
		if (j < nr) {
			r->vm = (int)j;
			continue;
		}
		print = nr > 1 ? fingerprint(trace, r->pid, r->key, true) : 0;
		for (j = 0; j < nr; j++) {
			if (taken[j] ||
			    json_number(json_object_array_get_idx(list, j), "pid") != r->pid)
				continue;
			best = best == nr ? j : best;
			if (nr > 1 && fingerprint(log, (int)j, 0, false) == print) {
				best = j;
				break;
			}
		}
		if (best == nr)
			continue;
		taken[best] = true;
		keys[best] = r->key;
		r->vm = (int)best;
	}
}

/* Run the workload; its JSON comes back, NULL if it failed. */
struct json_object *run_workload(const char *args, const char *log)
{
	char copy[512], output[] = "/tmp/trace_test.XXXXXX";
	char *argv[MAX_ARGS], *save, *word;
	char path[MAX_ARGS][256];
	posix_spawn_file_actions_t actions;
	struct json_object *report = NULL;
	int argc = 0, status = -1, fd;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	argv[argc++] = (char *)workload;
	argv[argc++] = "-l";
	argv[argc++] = (char *)log;
	for (word = strtok_r(copy, " ", &save); word && argc < MAX_ARGS - 1;
	     word = strtok_r(NULL, " ", &save)) {
		snprintf(path[argc], sizeof(path[argc]), "%s%s", *word == '@' ? scenarios : "",
			 *word == '@' ? word + 1 : word);
		argv[argc] = path[argc];
		argc++;
	}
	argv[argc] = NULL;
	fd = mkstemp(output);
	if (fd < 0)
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	if (!posix_spawn(&pid, workload, &actions, NULL, argv, environ))
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		report = json_object_from_file(output);
	else
		printf("  %s %s failed (%#x)\n", workload, args, status);
	unlink(output);
	return report;
}
