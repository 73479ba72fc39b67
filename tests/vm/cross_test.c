// SPDX-License-Identifier: GPL-2.0-only
/*
 * While KVM's own selftests run, several of them and with several vCPUs each, does gmemtop count
 * what ftrace saw of the same tracepoints? None of the three knows of the others. Most VMs live for
 * less than gmemtop's interval, so that they start and end between two frames. Equal, not near, for
 * each process.
 *
 * Usage: cross_test [--falsify]
 * --falsify then drops one event of each kind in turn: the comparison must notice each.
 * Exit status: 0 all is equal, 1 it is not, 77 this lane has no tracepoints to compare with.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One file to compile, as every test here. */
#include "lib/counts.c"
#include "lib/offers_top.h"
#include "lib/trace_events.c"
#include "lib/wanted.h"

#define GMEMTOP		  "build/gmemtop"
#define BUFFER_KB	  98304
#define MAX_VMS		  4096
#define ERRNO_MAX	  134
#define PATIENCE_FRAMES	  60
#define ATTRIBUTE_PRIVATE 8
#define PAGE_SHIFT	  12
#define SKIPPED		  77

extern char **environ;

/* Each in a process of its own, all at once. */
static const char *const selftests[][6] = {
	{ "private_mem_conversions_test", "-n", "3" },
	{ "private_mem_conversions_test", "-n", "2", "-m", "2" },
	{ "private_mem_conversions_test", "-s", "anonymous_thp" },
	{ "guest_memfd_test" },
	{ "private_mem_kvm_exits_test" },
	{ "pre_fault_memory_test" },
};

/* clang-format off */

/* X(gmemtop's name, kind): what both sides count */
#define COUNTS(X) \
	X(creates, OPERATION) \
	X(created_pages, PAGES) \
	X(releases, OPERATION) \
	X(released_pages, PAGES) \
	X(binds, OPERATION) \
	X(bound_pages, PAGES) \
	X(unbinds, OPERATION) \
	X(unbound_pages, PAGES) \
	X(allocates, OPERATION) \
	X(allocated_pages, PAGES) \
	X(punches, OPERATION) \
	X(punched_pages, PAGES) \
	X(memory_failures, OPERATION) \
	X(mmaps, OPERATION) \
	X(mmapped_pages, PAGES) \
	X(guest_faults, OPERATION) \
	X(first_touches, PART) \
	X(host_faults, OPERATION) \
	X(host_faults_refused, OPERATION) \
	X(to_private, OPERATION) \
	X(to_private_pages, PAGES) \
	X(to_private_changed_pages, PAGES) \
	X(to_private_redundant, PART) \
	X(to_shared, OPERATION) \
	X(to_shared_pages, PAGES) \
	X(to_shared_changed_pages, PAGES) \
	X(to_shared_redundant, PART)

#define ERRORS(X) \
	X(create) \
	X(bind) \
	X(allocate) \
	X(punch) \
	X(mmap) \
	X(guest_fault) \
	X(convert_private) \
	X(convert_shared) \
	X(convert_other)

/* clang-format on */

enum count {
#define X(name, kind) C_##name,
	COUNTS(X)
#undef X
		NR_COUNTS
};

enum error {
#define X(name) E_##name,
	ERRORS(X)
#undef X
		NR_ERRORS
};

static const struct {
	const char *name;
	enum count_kind kind;
} counts[NR_COUNTS] = {
#define X(name, kind) { #name, kind },
	COUNTS(X)
#undef X
};

static const char *const error_names[NR_ERRORS] = {
#define X(name) #name,
	ERRORS(X)
#undef X
};

struct tally {
	int64_t c[NR_COUNTS];
	int64_t err[NR_ERRORS][ERRNO_MAX];
};

/* gmemtop, and every VM that it has shown, as last seen. */
struct watcher {
	pid_t pid;
	FILE *out;
	struct json_object *vms[MAX_VMS];
	size_t nr_vms, brief; /* brief: that were gone when they were first shown */
	uint64_t missed;      /* runs of its programs that the kernel left out */
	bool lost;	      /* anything else */
};

/* --- what ftrace saw --- */

static void add(struct tally *t, enum count count, int64_t pages_or_1)
{
	t->c[count] += pages_or_1;
}

/* Counts a failure; returns whether it was one. */
static bool failed(struct tally *t, enum error error, uint64_t ret)
{
	int64_t err = -(int64_t)ret;

	if (err <= 0)
		return false;
	t->err[error][err < ERRNO_MAX ? err : 0]++;
	return true;
}

static void tally_convert(struct tally *t, const uint64_t *f)
{
	bool private = f[CONVERT_ATTRIBUTES] == ATTRIBUTE_PRIVATE;
	enum count first = private ? C_to_private : C_to_shared;
	enum error error = private ? E_convert_private : E_convert_shared;

	if (!private && f[CONVERT_ATTRIBUTES])
		error = E_convert_other;
	if (failed(t, error, f[CONVERT_RET]) || error == E_convert_other)
		return;
	add(t, first, 1);
	add(t, first + C_to_private_pages - C_to_private, f[CONVERT_SIZE] >> PAGE_SHIFT);
	add(t, first + C_to_private_changed_pages - C_to_private, f[CONVERT_CHANGED]);
	add(t, first + C_to_private_redundant - C_to_private, !f[CONVERT_CHANGED]);
}

static void tally_invalidate(struct tally *t, const struct record *r)
{
	if (!strcmp(r->word, "punch")) {
		add(t, C_punches, 1);
		add(t, C_punched_pages, r->field[INVALIDATE_NR_PAGES]);
	} else if (!strcmp(r->word, "error")) {
		add(t, C_memory_failures, 1);
	}
}

static void tally_record(struct tally *t, const struct record *r)
{
	const uint64_t *f = r->field;

	switch (r->id) {
	case EV_CREATE:
		if (failed(t, E_create, f[CREATE_RET]))
			break;
		add(t, C_creates, 1);
		add(t, C_created_pages, f[CREATE_SIZE] >> PAGE_SHIFT);
		break;
	case EV_RELEASE:
		add(t, C_releases, 1);
		add(t, C_released_pages, f[RELEASE_NRPAGES]);
		break;
	case EV_BIND:
		if (failed(t, E_bind, f[BIND_RET]))
			break;
		add(t, C_binds, 1);
		add(t, C_bound_pages, f[BIND_SIZE] >> PAGE_SHIFT);
		break;
	case EV_UNBIND:
		add(t, C_unbinds, 1);
		add(t, C_unbound_pages, f[BIND_SIZE] >> PAGE_SHIFT);
		break;
	case EV_ALLOCATE:
		if (failed(t, f[ALLOCATE_MODE] & FALLOC_FL_PUNCH_HOLE ? E_punch : E_allocate,
			   f[ALLOCATE_RET]))
			break;
		add(t, C_allocates, 1);
		add(t, C_allocated_pages, f[ALLOCATE_NR_PAGES]);
		break;
	case EV_INVALIDATE: tally_invalidate(t, r); break;
	case EV_GUEST_FAULT:
		if (failed(t, E_guest_fault, f[GUEST_FAULT_RET]))
			break;
		add(t, C_guest_faults, 1);
		add(t, C_first_touches, f[GUEST_FAULT_ZEROED]);
		break;
	case EV_HOST_FAULT:
		add(t, strcmp(r->word, "SIGBUS") ? C_host_faults : C_host_faults_refused, 1);
		break;
	case EV_MMAP:
		if (failed(t, E_mmap, f[MMAP_RET]))
			break;
		add(t, C_mmaps, 1);
		add(t, C_mmapped_pages, f[MMAP_SIZE] >> PAGE_SHIFT);
		break;
	case EV_CONVERT: tally_convert(t, f); break;
	default: break;
	}
}

/* --- what gmemtop says --- */

static void tally_vm(struct tally *t, struct json_object *vm)
{
	struct json_object *counters = member(vm, "counters"),
			   *failed_ops = member(vm, "errors_by_operation");
	int i, e;

	for (i = 0; i < NR_COUNTS; i++)
		t->c[i] += number(counters, counts[i].name);
	for (i = 0; i < NR_ERRORS; i++) {
		struct json_object *op = member(failed_ops, error_names[i]);

		for (e = 1; e < ERRNO_MAX; e++) {
			if (strerrorname_np(e))
				t->err[i][e] += number(op, strerrorname_np(e));
		}
		t->err[i][0] += number(op, "other");
	}
}

static void keep(struct watcher *w, struct json_object *vm)
{
	int64_t id = number(vm, "id");
	size_t i;

	for (i = 0; i < w->nr_vms && number(w->vms[i], "id") != id; i++)
		;
	if (i == MAX_VMS) {
		printf("more than %d VMs\n", MAX_VMS);
		exit(1);
	}
	if (i == w->nr_vms) {
		w->nr_vms++;
		w->brief += vm_is(vm, "gone");
	} else {
		json_object_put(w->vms[i]);
	}
	w->vms[i] = json_object_get(vm);
}

/* Read a frame. Return: how many VMs in it live, or -1. */
static int watch(struct watcher *w)
{
	struct json_object *frame, *vms;
	char *line = NULL;
	size_t size = 0, i;
	int live = 0;

	if (getline(&line, &size, w->out) < 0)
		return -1;
	frame = json_tokener_parse(line);
	free(line);
	vms = member(frame, "vms");
	if (!vms)
		return -1;
	for (i = 0; i < json_object_array_length(vms); i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);

		keep(w, vm);
		live += !vm_is(vm, "gone");
	}
	json_object_object_foreach(member(frame, "lost"), reason, count)
	{
		if (!strcmp(reason, "missed")) {
			w->missed = json_object_get_uint64(count);
		} else if (json_object_get_int64(count)) {
			printf("gmemtop lost %s: %s\n", reason, json_object_get_string(count));
			w->lost = true;
		}
	}
	json_object_put(frame);
	return live;
}

static pid_t start(char *const *argv, int *out)
{
	posix_spawn_file_actions_t actions;
	int from[2];
	pid_t pid;

	if (pipe2(from, O_CLOEXEC))
		abort();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ)) {
		printf("cannot start %s: %s\n", argv[0], strerror(errno));
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	close(from[1]);
	*out = from[0];
	return pid;
}

static void watcher_start(struct watcher *w)
{
	char *const argv[] = { GMEMTOP, "--json", "-d", "2", NULL };
	int out;

	w->pid = start(argv, &out);
	w->out = fdopen(out, "r");
	if (!w->out || watch(w) < 0) {
		printf("gmemtop shows nothing\n");
		exit(1);
	}
}

/* --- the selftests --- */

/* Start all; nobody reads what they print, which is less than a pipe holds. */
static bool selftests_start(pid_t *pids, int *outs)
{
	const char *kernel = getenv("LAB_KERNEL");
	char path[512], *argv[ARRAY_SIZE(selftests[0]) + 1];
	size_t i, a;

	for (i = 0; i < ARRAY_SIZE(selftests); i++) {
		snprintf(path, sizeof(path), "%s/selftests/%s", kernel ? kernel : ".",
			 selftests[i][0]);
		if (access(path, X_OK)) {
			printf("%s: %s\n", path, strerror(errno));
			return false;
		}
		argv[0] = path;
		for (a = 1; a <= ARRAY_SIZE(selftests[0]); a++)
			argv[a] = a < ARRAY_SIZE(selftests[0]) ? (char *)selftests[i][a] : NULL;
		pids[i] = start(argv, &outs[i]);
	}
	return true;
}

/* Each must pass: one that the kernel makes skip would leave its operations out of the test. */
static bool selftests_wait(const pid_t *pids, const int *outs)
{
	bool ok = true;
	int status;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(selftests); i++) {
		waitpid(pids[i], &status, 0);
		close(outs[i]);
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		printf("%s failed (%#x)\n", selftests[i][0], status);
		ok = false;
	}
	return ok;
}

/* --- the comparison --- */

static void compare_tallies(struct verdict *v, const struct tally *traced,
			    const struct tally *shown, const char *who)
{
	char what[128];
	int i, e;

	for (i = 0; i < NR_COUNTS; i++) {
		snprintf(what, sizeof(what), "%s: %s", who, counts[i].name);
		compare_count(v, counts[i].kind, what, traced->c[i], shown->c[i], false);
	}
	for (i = 0; i < NR_ERRORS; i++) {
		for (e = 0; e < ERRNO_MAX; e++) {
			snprintf(what, sizeof(what), "%s: %s: errno %d", who, error_names[i], e);
			compare_count(v, OPERATION, what, traced->err[i][e], shown->err[i][e],
				      false);
		}
	}
}

static void compare_pid(struct verdict *v, pid_t pid, const char *name, const struct records *trace,
			const struct watcher *w)
{
	struct tally traced = { 0 }, shown = { 0 };
	size_t i, events = 0, vms = 0, before = v->failed;
	char who[64];

	for (i = 0; i < trace->nr; i++) {
		if (trace->r[i].pid != pid)
			continue;
		tally_record(&traced, &trace->r[i]);
		events++;
	}
	for (i = 0; i < w->nr_vms; i++) {
		if (number(w->vms[i], "pid") != pid)
			continue;
		tally_vm(&shown, w->vms[i]);
		vms++;
	}
	snprintf(who, sizeof(who), "%s (%d)", name, pid);
	compare_tallies(v, &traced, &shown, who);
	v->compared += events;
	if (v->quiet)
		return;
	printf("%s %s: %zu events, %zu VMs, %lld conversions, %lld guest faults, %zu differ\n",
	       v->failed > before ? "FAIL" : "ok", who, events, vms,
	       (long long)(shown.c[C_to_private] + shown.c[C_to_shared]),
	       (long long)shown.c[C_guest_faults], v->failed - before);
}

/* All processes. Return: how many numbers differ; quiet: with those that are explained. */
static size_t compare_all(const pid_t *pids, const struct records *trace, const struct watcher *w,
			  bool quiet)
{
	struct verdict v = { .quiet = quiet, .missed = w->missed };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(selftests); i++)
		compare_pid(&v, pids[i], selftests[i][0], trace, w);
	check_missed(&v);
	return quiet ? v.failed + v.lacks : v.failed;
}

/* Drop the first event of each kind in turn. Return: how many kinds were not noticed. */
static size_t falsify_each_kind(const pid_t *pids, struct records *trace, const struct watcher *w)
{
	size_t real = compare_all(pids, trace, w, true), i, unnoticed = 0;
	struct record dropped;
	int id;

	for (id = 0; id < NR_EVENTS; id++) {
		/* The end of an instance is an invalidation that gmemtop does not count. */
		for (i = 0; i < trace->nr; i++) {
			if ((int)trace->r[i].id == id && strcmp(trace->r[i].word, "release"))
				break;
		}
		if (i == trace->nr) {
			printf("FAIL no event %d in the trace\n", id);
			unnoticed++;
			continue;
		}
		dropped = trace->r[i];
		trace->r[i].pid = 0;
		if (compare_all(pids, trace, w, true) == real) {
			printf("FAIL a dropped event is not noticed: %s\n", dropped.text);
			unnoticed++;
		}
		trace->r[i] = dropped;
	}
	printf("%s falsified: %zu of %d kinds of events not noticed\n", unnoticed ? "FAIL" : "ok",
	       unnoticed, NR_EVENTS);
	return unnoticed;
}

/* Events of processes that are none of the selftests must not be lost to the comparison. */
static size_t strangers(const pid_t *pids, const struct records *trace)
{
	size_t i, p, nr = 0;

	for (i = 0; i < trace->nr; i++) {
		for (p = 0; p < ARRAY_SIZE(selftests) && pids[p] != trace->r[i].pid; p++)
			;
		nr += p == ARRAY_SIZE(selftests);
	}
	return nr;
}

static bool run(struct watcher *w, struct records *trace, pid_t *pids)
{
	int outs[ARRAY_SIZE(selftests)], tries, ret;
	bool ok;

	watcher_start(w);
	ret = trace_start();
	if (ret || !selftests_start(pids, outs))
		return false;
	ok = selftests_wait(pids, outs);
	for (tries = 0; tries < PATIENCE_FRAMES && watch(w) > 0; tries++)
		;
	/* What ended after that frame began is in the next. */
	watch(w);
	ret = trace_stop();
	if (!ret)
		ret = trace_read(trace);
	if (ret)
		printf("tracing: %s\n", ret == -ENOBUFS ? "events were lost" : strerror(-ret));
	return ok && !ret && !w->lost;
}

int main(int argc, char **argv)
{
	bool falsify = argc > 1 && !strcmp(argv[1], "--falsify");
	pid_t pids[ARRAY_SIZE(selftests)];
	struct records trace = { 0 };
	static struct watcher w;
	size_t differ = 0, other;
	bool ok;
	int ret;

	wanted_no_more(argv[argc > 1 ? 1 + falsify : 1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (offer_source("create") != OFFER_TRACEPOINT) {
		printf("lane %s has no kvm_gmem tracepoints, lane patched has them\n",
		       getenv("LANE"));
		return SKIPPED;
	}
	differ = offers_check_top(false);
	ret = trace_open(BUFFER_KB);
	if (ret <= 0) {
		printf("%s\n", ret ? strerror(-ret) : "this kernel has no kvm_gmem tracepoints");
		trace_close();
		return 1;
	}
	ok = run(&w, &trace, pids);
	kill(w.pid, SIGTERM);
	waitpid(w.pid, NULL, 0);
	trace_close();
	if (ok)
		differ += compare_all(pids, &trace, &w, false);
	other = strangers(pids, &trace);
	printf("%zu events, %zu VMs of which %zu came and went between two frames, %zu events of "
	       "others, %zu numbers differ, %llu runs left out\n",
	       trace.nr, w.nr_vms, w.brief, other, differ, (unsigned long long)w.missed);
	if (falsify && ok)
		differ += falsify_each_kind(pids, &trace, &w);
	return ok && !differ && !other && trace.nr && w.brief ? 0 : 1;
}
