// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop count right? Two gmemtops with different intervals watch while the workload runs
 * scenario after scenario; then every count that this kernel offers is compared, per VM, with the
 * workload's own account. Equal, not near. At the end gmemtop is killed at random moments: nothing
 * may stay loaded.
 *
 * Usage: gmemtop_test [--falsify] [CASE...]
 * --falsify changes one number of each case before comparing: then every case must fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* One file to compile, as every test here. */
#include "lib/counts.c"
#include "lib/wanted.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define GMEMTOP	      "build/gmemtop"
#define WORKLOAD      "build/tests/gmem-workload"
#define SCENARIOS     "tests/workload/scenarios/"
#define MAX_ARGS      32
#define MAX_VMS	      256
#define WATCHERS      2
#define PATIENCE_S    30
#define KILLS	      20
#define MISSED_TRIES  3

extern char **environ;

/* What the kernel must be able to do. */
enum needs {
	NOTHING,
	BIND, /* default VMs that bind */
	SW,   /* software-protected VMs */
};

struct test_case {
	const char *name;
	const char *args;
	bool middle; /* gmemtop starts between the set-up of the VMs and their work */
	enum needs needs;
};

static const struct test_case cases[] = {
	{ "all-ops", "-S " SCENARIOS "all-ops.gmem", false, SW },
	{ "all-ops-8-vms", "-S " SCENARIOS "all-ops.gmem -n 8", false, SW },
	{ "all-ops-8-vms-2-processes", "-S " SCENARIOS "all-ops.gmem -n 8 --vms-per-process 4",
	  false, SW },
	{ "host-faults", "-S " SCENARIOS "host-faults.gmem -t default", false, BIND },
	{ "host-faults-8-vms", "-S " SCENARIOS "host-faults.gmem -t default -n 8 -c 4", false,
	  BIND },
	{ "interrupted", "-S " SCENARIOS "interrupted.gmem", false, SW },
	{ "poisoned", "-S " SCENARIOS "poisoned.gmem -t default", false, SW },
	{ "killed-8-vms", "-S " SCENARIOS "killed.gmem -n 8 -c 4", false, SW },
	{ "exited-8-vms", "-S " SCENARIOS "exited.gmem -n 8", false, SW },
	{ "vcpus-8-vms", "-S " SCENARIOS "vcpus.gmem -c 8 -n 8 -s 8M", false, SW },
	{ "conversions", "-S " SCENARIOS "conversions.gmem", false, SW },
	{ "mix-100000", "-o 100000 -m convert:8,redundant:1,invalid:1", false, SW },
	{ "mix-64-vms", "-o 200 -n 64 --seed 7", false, SW },
	{ "mix-8-vcpus", "-o 500 -c 8", false, SW },
	{ "mix-default",
	  "-o 1000 -t default -f mmap,init-shared -m touch:4,host-touch:2,allocate:1,punch:2,invalid:1",
	  false, BIND },
	{ "mix-kill", "-o 300 -n 4 --teardown kill", false, SW },
	{ "default-vms",
	  "-n 4 -t default -e create;bind;start;allocate_size=64K;punch_size=32K;punch", false,
	  BIND },
	{ "unbound-vms",
	  "-n 4 -t default -e create;start;allocate_size=64K;punch_size=32K;create_inst=x_size=0_expect=EINVAL",
	  false, NOTHING },
	{ "middle-8-vms", "-o 300 -n 8", true, SW },
	{ "middle-all-ops", "-S " SCENARIOS "all-ops.gmem", true, SW },
};

/* A gmemtop that runs, and all VMs that it has shown, each as last seen. */
struct watcher {
	pid_t pid;
	FILE *out;
	struct json_object *vms[4096];
	size_t nr_vms, frames;
	bool missed; /* by its own account */
};

static pid_t start(char **argv, int *in, FILE **out)
{
	posix_spawn_file_actions_t actions;
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		abort();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ)) {
		printf("cannot start %s: %s\n", argv[0], strerror(errno));
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	*out = fdopen(from[0], "r");
	if (in)
		*in = to[1];
	else
		close(to[1]);
	return pid;
}

static void keep(struct watcher *w, struct json_object *vm)
{
	int64_t id = number(vm, "id");
	size_t i;

	for (i = 0; i < w->nr_vms; i++) {
		if (number(w->vms[i], "id") == id)
			break;
	}
	if (i == ARRAY_SIZE(w->vms))
		return;
	if (i < w->nr_vms)
		json_object_put(w->vms[i]);
	else
		w->nr_vms++;
	w->vms[i] = json_object_get(vm);
}

/* Read one frame. */
static bool watch(struct watcher *w)
{
	struct json_object *frame, *vms;
	char *line = NULL;
	size_t size = 0, i;

	if (getline(&line, &size, w->out) < 0)
		return false;
	frame = json_tokener_parse(line);
	free(line);
	if (!frame)
		return false;
	vms = member(frame, "vms");
	for (i = 0; i < json_object_array_length(vms); i++)
		keep(w, json_object_array_get_idx(vms, i));
	json_object_object_foreach(member(frame, "lost"), reason, count)
	{
		if (json_object_get_int64(count) && !strcmp(reason, "missed"))
			w->missed = true;
		if (json_object_get_int64(count))
			printf("  gmemtop lost %s: %s\n", reason, json_object_get_string(count));
	}
	json_object_put(frame);
	w->frames++;
	return true;
}

static void watcher_start(struct watcher *w, const char *delay, const char *option)
{
	char *argv[] = { GMEMTOP, "--json", "-i", "-d", (char *)delay, (char *)option, NULL };

	memset(w, 0, sizeof(*w));
	w->pid = start(argv, NULL, &w->out);
	if (!watch(w)) {
		printf("gmemtop shows nothing\n");
		exit(1);
	}
}

static bool watcher_stop(struct watcher *w)
{
	int status = -1;
	size_t i;

	kill(w->pid, SIGTERM);
	fclose(w->out);
	waitpid(w->pid, &status, 0);
	for (i = 0; i < w->nr_vms; i++)
		json_object_put(w->vms[i]);
	w->nr_vms = 0;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Until as many VMs of each process are gone as the workload had. */
static bool all_gone(const struct watcher *w, struct json_object *list)
{
	size_t i, gone = 0, j, nr = json_object_array_length(list);
	int64_t pid;

	for (i = 0; i < w->nr_vms; i++) {
		pid = number(w->vms[i], "pid");
		for (j = 0; j < nr; j++) {
			if (number(json_object_array_get_idx(list, j), "pid") == pid)
				break;
		}
		gone += j < nr && json_object_get_boolean(member(w->vms[i], "gone"));
	}
	return gone >= nr;
}

/* The VM of gmemtop that fits best among those of the process. */
static void compare(struct verdict *v, struct watcher *w, struct json_object *list, bool middle)
{
	bool taken[ARRAY_SIZE(w->vms)] = { false };
	size_t i, j, best, least;
	struct json_object *told;

	for (i = 0; i < json_object_array_length(list); i++) {
		told = json_object_array_get_idx(list, i);
		best = w->nr_vms;
		least = SIZE_MAX;
		for (j = 0; j < w->nr_vms; j++) {
			struct verdict trial = { .quiet = true };

			if (taken[j] || number(w->vms[j], "pid") != number(told, "pid"))
				continue;
			compare_vm(&trial, told, w->vms[j], middle);
			if (trial.failed < least) {
				least = trial.failed;
				best = j;
			}
		}
		if (best == w->nr_vms) {
			v->compared++;
			differs(v, "VM %zu was not seen", i);
			continue;
		}
		taken[best] = true;
		compare_vm(v, told, w->vms[best], middle);
		if (strcmp(json_object_get_string(member(w->vms[best], "type")),
			   json_object_get_string(member(told, "type"))))
			differs(v, "VM %zu is %s, gmemtop says %s", i,
				json_object_get_string(member(told, "type")),
				json_object_get_string(member(w->vms[best], "type")));
	}
}

/* What stood there before gmemtop came must be in its first frame. */
static void compare_existing(struct verdict *v, const struct watcher *w, size_t nr)
{
	size_t i;

	v->compared++;
	if (w->nr_vms != nr)
		differs(v, "of %zu VMs that were there the first frame shows %zu", nr, w->nr_vms);
	for (i = 0; i < w->nr_vms; i++) {
		struct json_object *insts = member(w->vms[i], "instance_list"), *inst;

		v->compared++;
		if (json_object_array_length(insts) != 1) {
			differs(v, "the first frame shows %zu instances of a VM that had one",
				json_object_array_length(insts));
			continue;
		}
		inst = json_object_array_get_idx(insts, 0);
		if (number(inst, "size_pages") != 4096 ||
		    !json_object_get_boolean(member(inst, "existed")))
			differs(v, "an instance of 4096 pages is shown as %s",
				json_object_to_json_string(inst));
	}
}

/* Return: whether all is equal; *missed: gmemtop says that the kernel left a program out. */
static bool run_case(const struct test_case *c, struct watcher *watchers, bool *missed)
{
	char args[512], *argv[MAX_ARGS] = { WORKLOAD, "-j" }, *save, *word, *s, *line = NULL;
	struct json_object *report = NULL, *list = NULL, *tmp;
	struct watcher late, *first = watchers;
	size_t size = 0, nr = WATCHERS, i;
	struct verdict v = { 0 };
	int argc = 2, in, status = -1;
	time_t until;
	FILE *out;
	pid_t pid;

	snprintf(args, sizeof(args), "%s%s", c->args, c->middle ? " -w" : "");
	for (word = strtok_r(args, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		/* In a scenario of one word _ stands for a blank. */
		for (s = word; strchr(word, ';') && *s; s++)
			*s = *s == '_' ? ' ' : *s;
		argv[argc++] = word;
	}
	for (i = 0; i < WATCHERS; i++)
		watchers[i].missed = false;
	pid = start(argv, &in, &out);
	if (c->middle) {
		/* It says when everything is set up, and waits. */
		if (getline(&line, &size, out) < 0)
			goto out;
		watcher_start(&late, "0.2", "--redundant");
		first = &late;
		nr = 1;
		compare_existing(&v, &late, strstr(c->args, "-n 8") ? 8 : 1);
		if (write(in, "\n", 1) != 1)
			goto out;
	}
	close(in);
	while (getline(&line, &size, out) >= 0) {
		tmp = json_tokener_parse(line);
		if (tmp && member(tmp, "vms")) {
			json_object_put(report);
			report = json_object_get(tmp);
		}
		json_object_put(tmp);
	}
	list = member(report, "vms");
out:
	fclose(out);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) || !list) {
		printf("FAIL %s: the workload failed (%#x)\n", c->name, status);
		return false;
	}
	for (i = 0; i < nr; i++) {
		until = time(NULL) + PATIENCE_S;
		while (!all_gone(&first[i], list) && time(NULL) < until) {
			if (!watch(&first[i]))
				break;
		}
		compare(&v, &first[i], list, c->middle);
		*missed |= first[i].missed;
	}
	if (c->middle && !watcher_stop(&late))
		differs(&v, "gmemtop did not end well");
	printf("%s %s: %zu VMs, %zu comparisons, %zu differ, %zu not offered by this kernel\n",
	       v.failed ? "FAIL" : "ok", c->name, json_object_array_length(list), v.compared,
	       v.failed, v.not_offered);
	fflush(stdout);
	json_object_put(report);
	free(line);
	return !v.failed;
}

/*
 * Kernels that preempt leave a program out now and then, and gmemtop says so: what it shows then is
 * a lower bound, and what is equal is to be seen without. Where it says nothing there is no second
 * try.
 */
static bool passes(const struct test_case *c, struct watcher *watchers)
{
	bool missed = true, equal = false;
	int tries;

	for (tries = 0; tries < MISSED_TRIES && missed && !equal; tries++) {
		if (tries)
			printf("%s again: programs were left out\n", c->name);
		missed = false;
		equal = run_case(c, watchers, &missed);
	}
	return equal;
}

static size_t nr_programs(void)
{
	size_t nr = 0;
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id))
		nr++;
	return nr;
}

/* The kernel frees programs late. */
static bool programs_back_to(size_t nr)
{
	int tries;

	for (tries = 0; tries < 100 && nr_programs() > nr; tries++)
		usleep(50000);
	return nr_programs() <= nr;
}

static bool test_kill(size_t before)
{
	char *argv[] = { GMEMTOP, "--json", NULL };
	bool ok = true;
	FILE *out;
	pid_t pid;
	int i;

	srand(1);
	for (i = 0; i < KILLS; i++) {
		pid = start(argv, NULL, &out);
		usleep((useconds_t)(rand() % 2000000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		fclose(out);
	}
	ok = programs_back_to(before);
	printf("%s killed: %d times, %zu programs before, %zu after\n", ok ? "ok" : "FAIL", KILLS,
	       before, nr_programs());
	return ok;
}

/* Can this kernel do it? Software-protected VMs are only in kernels that were built with them. */
static bool can(const char *type, const char *scenario)
{
	char *argv[] = { WORKLOAD, "-j", "-t", (char *)type, "-e", (char *)scenario, NULL };
	int status = -1;
	FILE *out;
	pid_t pid;

	pid = start(argv, NULL, &out);
	while (fgetc(out) != EOF)
		;
	fclose(out);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	size_t i, passed = 0, failed = 0, skipped = 0, before = nr_programs();
	static struct watcher watchers[WATCHERS];
	bool convert = can("software-protected", "create;start");
	bool bind = can("default", "create;bind;start");

	if (argc > 1 && !strcmp(argv[1], "--falsify")) {
		falsify = true;
		argv++;
	}
	watcher_start(&watchers[0], "0.2", "--redundant");
	watcher_start(&watchers[1], "1", NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!wanted(cases[i].name, argv + 1))
			continue;
		if ((cases[i].needs == SW && !convert) || (cases[i].needs == BIND && !bind))
			skipped++;
		else if (passes(&cases[i], watchers))
			passed++;
		else
			failed++;
	}
	for (i = 0; i < WATCHERS; i++) {
		if (!watcher_stop(&watchers[i])) {
			printf("FAIL gmemtop did not end well\n");
			failed++;
		}
	}
	if (!falsify && wanted("killed", argv + 1)) {
		if (test_kill(before))
			passed++;
		else
			failed++;
	}
	printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
	return failed || !passed;
}
