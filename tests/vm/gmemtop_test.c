// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop count right? Two gmemtops with different intervals watch while the workload runs
 * scenario after scenario; then every count that this lane must offer (lib/offers.h) is compared,
 * per VM, with the workload's own account. Equal, not near: only where gmemtop reports that the
 * kernel left out n runs of its programs, the counts may lack n operations. kill_test ends
 * gmemtop at random moments.
 *
 * Usage: gmemtop_test [--falsify] [CASE...]
 * --falsify then changes each count that gmemtop showed by one: the comparison must notice each.
 * Exit status: 0 all passed, 1 a case failed or cannot run in this lane although it was named,
 * 77 no case can run in this lane.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/* One file to compile, as every test here. */
#include "lib/counts.c"
#include "lib/offers_top.h"
#include "lib/reported.h"
#include "lib/wanted.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define GMEMTOP	      "build/gmemtop"
#define WORKLOAD      "build/tests/gmem-workload"
#define SCENARIOS     "tests/workload/scenarios/"
#define MAX_ARGS      32
#define MAX_VMS	      256
#define WATCHERS      2
#define RECORDING     "/tmp/gmemtop_test.recording"
#define PATIENCE_S    30
#define SKIPPED	      77

extern char **environ;

/* What the kernel must be able to do. */
enum needs {
	NOTHING,
	BIND,  /* default VMs that bind instances which the host can map */
	PLAIN, /* and those that it cannot map */
	SW,    /* software-protected VMs */
};

/* When gmemtop looks. */
enum watch {
	WHOLE,	  /* before the VMs are made, until they have ended */
	MIDDLE,	  /* it starts between the set-up of the VMs and their work */
	TOGETHER, /* it is stopped as long as they live: all end within one frame */
	RECORDED, /* it records, and what it recorded is read afterwards */
	REPORTED, /* as RECORDED; live frames and the report must show the same */
	CHURN,	  /* as WHOLE, and its frames are read all the time */
};

struct test_case {
	const char *name;
	const char *args;
	enum watch watch;
	enum needs needs;
};

static const struct test_case cases[] = {
	{ "all-ops", "-S " SCENARIOS "all-ops.gmem", WHOLE, SW },
	{ "all-ops-8-vms", "-S " SCENARIOS "all-ops.gmem -n 8", WHOLE, SW },
	{ "all-ops-8-vms-2-processes", "-S " SCENARIOS "all-ops.gmem -n 8 --vms-per-process 4",
	  WHOLE, SW },
	{ "host-faults", "-S " SCENARIOS "host-faults.gmem -t default", WHOLE, PLAIN },
	{ "host-faults-8-vms", "-S " SCENARIOS "host-faults.gmem -t default -n 8 -c 4", WHOLE,
	  PLAIN },
	{ "shared", "-S " SCENARIOS "shared.gmem -t default", WHOLE, BIND },
	{ "shared-8-vms", "-S " SCENARIOS "shared.gmem -t default -n 8 -c 2 --serial", WHOLE,
	  BIND },
	{ "interrupted", "-S " SCENARIOS "interrupted.gmem", WHOLE, SW },
	{ "poisoned", "-S " SCENARIOS "poisoned.gmem -t default", WHOLE, SW },
	{ "killed-8-vms", "-S " SCENARIOS "killed.gmem -n 8 -c 4", WHOLE, SW },
	{ "exited-8-vms", "-S " SCENARIOS "exited.gmem -n 8", WHOLE, SW },
	{ "vcpus-8-vms", "-S " SCENARIOS "vcpus.gmem -c 8 -n 8 -s 8M", WHOLE, SW },
	{ "conversions", "-S " SCENARIOS "conversions.gmem", WHOLE, SW },
	{ "mix-100000", "-o 100000 -m convert:8,redundant:1,invalid:1", WHOLE, SW },
	{ "mix-64-vms", "-o 200 -n 64 --seed 7", WHOLE, SW },
	{ "mix-8-vcpus", "-o 500 -c 8", WHOLE, SW },
	{ "mix-default",
	  "-o 1000 -t default -f mmap,init-shared -m touch:4,host-touch:2,allocate:1,punch:2,invalid:1",
	  WHOLE, BIND },
	{ "mix-kill", "-o 300 -n 4 --teardown kill", WHOLE, SW },
	{ "default-vms",
	  "-n 4 -t default -e create;bind;start;allocate_size=64K;punch_size=32K;punch", WHOLE,
	  PLAIN },
	{ "unbound-vms",
	  "-n 4 -t default -e create;start;allocate_size=64K;punch_size=32K;create_inst=x_size=0_expect=EINVAL",
	  WHOLE, NOTHING },
	{ "ended-together", "-o 5 -n 64 --vms-per-process 1 -s 2M", TOGETHER, SW },
	{ "ended-together-default",
	  "-n 64 --vms-per-process 1 -s 2M -t default -e create;bind;start;allocate_size=64K;punch_size=32K;punch",
	  TOGETHER, PLAIN },
	{ "ended-together-shared",
	  "-n 64 --vms-per-process 1 -s 2M -t default -f mmap,init-shared "
	  "-e create;bind;start;allocate_size=64K;punch_size=32K;punch",
	  TOGETHER, BIND },
	{ "recorded-shared", "-S " SCENARIOS "shared.gmem -t default -n 4", RECORDED, BIND },
	{ "recorded-8-vms", "-S " SCENARIOS "all-ops.gmem -n 8", RECORDED, SW },
	{ "recorded-default", "-S " SCENARIOS "host-faults.gmem -t default -n 4", RECORDED, PLAIN },
	{ "report-live-8-vms", "-S " SCENARIOS "all-ops.gmem -n 8", REPORTED, SW },
	{ "report-live-default", "-S " SCENARIOS "host-faults.gmem -t default -n 4", REPORTED,
	  PLAIN },
	/* With as many hash buckets as VMs. */
	{ "ended-together-1000", "-o 2 -n 1000 --vms-per-process 50 -s 64K", TOGETHER, SW },
	/* VMs that come and go all the time: some at once, and 200 at once for minutes. */
	{ "churn", "-n 60 --stagger 60 -o 0 --duration 1000 --rate 50 -s 1M", CHURN, SW },
	{ "churn-200", "-n 1600 --stagger 100 -o 0 --duration 20000 --rate 4 -s 1M", CHURN, SW },
	{ "middle-8-vms", "-o 300 -n 8", MIDDLE, SW },
	{ "middle-all-ops", "-S " SCENARIOS "all-ops.gmem", MIDDLE, SW },
};

/* A gmemtop that runs, and all VMs that it has shown, each as last seen. */
struct watcher {
	pid_t pid;
	FILE *out;
	struct json_object *vms[16384];
	size_t nr_vms, frames;
	struct json_object *host;	/* what all VMs did, as of the last frame */
	bool redundant;			/* it runs with --redundant */
	uint64_t missed, missed_before; /* runs left out: in all, and when the case began */
	uint64_t ends, ends_before;	/* the same of ends that were not seen */
};

static bool falsify;

/*
 * The workload runs under SCHED_FIFO. A thread that the kernel preempts in a program makes it leave
 * out the runs of all others on that CPU until the thread goes on (__bpf_prog_enter_recur()): as
 * many as the machine's load has it. Threads of one real-time priority do not preempt each other.
 */
static void be_fifo(posix_spawnattr_t *attr)
{
	const struct sched_param priority = { .sched_priority = 1 };

	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSCHEDULER);
	posix_spawnattr_setschedpolicy(attr, SCHED_FIFO);
	posix_spawnattr_setschedparam(attr, &priority);
}

static pid_t start(char **argv, int *in, FILE **out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		abort();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	posix_spawnattr_init(&attr);
	if (!strcmp(argv[0], WORKLOAD))
		be_fifo(&attr);
	if (posix_spawn(&pid, argv[0], &actions, &attr, argv, environ)) {
		printf("cannot start %s: %s\n", argv[0], strerror(errno));
		exit(1);
	}
	posix_spawnattr_destroy(&attr);
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

	/* Those that live are the last ones. */
	for (i = w->nr_vms; i > 0; i--) {
		if (number(w->vms[i - 1], "id") == id)
			break;
	}
	if (i > 0) {
		json_object_put(w->vms[i - 1]);
		w->vms[i - 1] = json_object_get(vm);
	} else if (w->nr_vms < ARRAY_SIZE(w->vms)) {
		w->vms[w->nr_vms++] = json_object_get(vm);
	} else {
		printf("  more VMs than this test keeps\n");
		exit(1);
	}
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
		if (!strcmp(reason, "missed"))
			w->missed = json_object_get_uint64(count);
		else if (!strcmp(reason, "ends"))
			w->ends = json_object_get_uint64(count);
		else if (json_object_get_int64(count))
			printf("  gmemtop lost %s: %s\n", reason, json_object_get_string(count));
	}
	json_object_put(w->host);
	w->host = json_object_get(member(frame, "host"));
	json_object_put(frame);
	w->frames++;
	return true;
}

/* @more: another option, or NULL */
static void watcher_start(struct watcher *w, const char *delay, const char *option,
			  const char *more)
{
	char *argv[] = { GMEMTOP,	"--json",	"-i",	      "-d",
			 (char *)delay, (char *)option, (char *)more, NULL };

	memset(w, 0, sizeof(*w));
	w->redundant = option;
	w->pid = start(argv, NULL, &w->out);
	if (!watch(w)) {
		printf("gmemtop shows nothing\n");
		exit(1);
	}
}

/* Return: it has ended well. */
static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A gmemtop that records. It reports on standard error when it has begun. */
static void recorder_start(struct watcher *w)
{
	char *argv[] = {
		GMEMTOP, "record", "-i", "-d", "0.2", "--redundant", "-o", RECORDING, NULL
	};
	char line[256];
	int out[2];
	FILE *err;

	memset(w, 0, sizeof(*w));
	w->redundant = true;
	unlink(RECORDING);
	if (pipe2(out, O_CLOEXEC))
		abort();
	fflush(NULL);
	w->pid = fork();
	if (!w->pid) {
		dup2(out[1], 2);
		execv(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	err = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), err) && !strstr(line, "recording to " RECORDING))
		printf("  %s", line);
	fclose(err);
}

/* It ends, and another gmemtop reads what it has recorded. Return: it ended well. */
static bool recorder_end(struct watcher *w)
{
	char *argv[] = { GMEMTOP, "--replay", RECORDING, "--json", "-i", NULL };
	bool well;

	kill(w->pid, SIGTERM);
	well = ended_well(w->pid);
	w->pid = start(argv, NULL, &w->out);
	while (watch(w))
		;
	return well;
}

static bool watcher_stop(struct watcher *w)
{
	bool well;
	size_t i;

	kill(w->pid, SIGTERM);
	fclose(w->out);
	well = ended_well(w->pid);
	for (i = 0; i < w->nr_vms; i++)
		json_object_put(w->vms[i]);
	w->nr_vms = 0;
	json_object_put(w->host);
	return well;
}

static int by_number(const void *a, const void *b)
{
	const int64_t *first = a, *second = b;

	return *first < *second ? -1 : *first > *second;
}

/* Until as many VMs of each process are gone as the workload had. */
static bool all_gone(const struct watcher *w, struct json_object *list)
{
	size_t i, gone = 0, nr = json_object_array_length(list);
	int64_t *pids = calloc(nr + 1, sizeof(*pids)), pid;

	if (!pids)
		abort();
	for (i = 0; i < nr; i++)
		pids[i] = number(json_object_array_get_idx(list, i), "pid");
	qsort(pids, nr, sizeof(*pids), by_number);
	for (i = 0; i < w->nr_vms; i++) {
		if (!vm_is(w->vms[i], "gone"))
			continue;
		pid = number(w->vms[i], "pid");
		gone += bsearch(&pid, pids, nr, sizeof(*pids), by_number) != NULL;
	}
	free(pids);
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
			struct verdict trial = { .quiet = true, .redundant = w->redundant };

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
		if (falsify)
			falsify_each(v, told, w->vms[best], middle);
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

/* All VMs of the case have ended: what they did is in the totals of the host. */
static void compare_host(struct verdict *v, const struct watcher *w, struct json_object *list)
{
	size_t i, vm, nr = json_object_array_length(list);
	struct json_object *value;
	int64_t told;

	for (i = 0; i < COUNT_OF(pairs); i++) {
		value = member(member(w->host, "counters"), pairs[i].shown);
		if (!value)
			continue;
		told = 0;
		for (vm = 0; vm < nr; vm++)
			told += number(member(json_object_array_get_idx(list, vm), "counts"),
				       pairs[i].told);
		v->compared++;
		if (json_object_get_int64(value) != told && !v->missed)
			differs(v, "host: %s should be %lld, gmemtop shows %lld", pairs[i].shown,
				(long long)told, (long long)json_object_get_int64(value));
	}
}

/* Every VM of the case, as one gmemtop showed it. Return: runs of programs that were left out. */
static uint64_t compare_watcher(struct verdict *v, struct watcher *w, struct json_object *list,
				bool middle)
{
	time_t until = time(NULL) + PATIENCE_S;

	while (!all_gone(w, list) && time(NULL) < until) {
		if (!watch(w))
			break;
	}
	v->redundant = w->redundant;
	v->missed = w->missed - w->missed_before;
	v->unseen_ends = w->ends - w->ends_before;
	v->lacks = 0;
	compare(v, w, list, middle);
	check_missed(v);
	return v->missed;
}

/* What is reported of a recording: the workload's account, and what its replay showed at the end. */
static void compare_report(struct verdict *v, struct watcher *replay, struct json_object *list)
{
	struct watcher *report = calloc(1, sizeof(*report));
	struct json_object *told = reported_read(RECORDING), *vms = member(told, "vms"), *vm;
	size_t i;

	if (!report || !vms) {
		differs(v, "there is no report");
		free(report);
		return;
	}
	v->compared++;
	if (json_object_array_length(vms) != replay->nr_vms)
		differs(v, "%zu VMs in the report, %zu in the replay",
			json_object_array_length(vms), replay->nr_vms);
	for (i = 0; i < replay->nr_vms; i++) {
		vm = reported_vm(vms, member(replay->vms[i], "key"));
		reported_equal(v, "VM", replay->vms[i], vm);
		if (vm)
			keep(report, vm);
	}
	report->redundant = true;
	report->host = member(told, "host");
	reported_equal(v, "host", replay->host, report->host);
	compare(v, report, list, false);
	compare_host(v, report, list);
	for (i = 0; i < report->nr_vms; i++)
		json_object_put(report->vms[i]);
	free(report);
	json_object_put(told);
}

/* Until the workload writes something: so that no gmemtop waits for its reader. */
static void watch_until(FILE *out, struct watcher *watchers)
{
	struct pollfd fds[WATCHERS + 1];
	size_t i;

	for (i = 0; i < WATCHERS; i++)
		fds[i] = (struct pollfd){ .fd = fileno(watchers[i].out), .events = POLLIN };
	fds[i] = (struct pollfd){ .fd = fileno(out), .events = POLLIN };
	while (poll(fds, WATCHERS + 1, -1) > 0 && !fds[WATCHERS].revents) {
		for (i = 0; i < WATCHERS; i++) {
			if (fds[i].revents && !watch(&watchers[i]))
				return;
		}
	}
}

/* Return: whether all is equal. */
static bool run_case(const struct test_case *c, struct watcher *watchers)
{
	char args[512], *argv[MAX_ARGS] = { WORKLOAD, "-j" }, *save, *word, *s, *line = NULL;
	struct json_object *report = NULL, *list = NULL, *tmp;
	struct watcher own, *first = watchers;
	size_t size = 0, nr = WATCHERS, i;
	bool middle = c->watch == MIDDLE;
	struct verdict v = { 0 };
	int argc = 2, in, status = -1;
	uint64_t missed = 0;
	FILE *out;
	pid_t pid;

	if (c->watch == TOGETHER) {
		/* With no more hash buckets than VMs, so that what has ended shares them. */
		snprintf(args, sizeof(args), "--max-vms=%d", atoi(strstr(c->args, "-n ") + 3));
		watcher_start(&own, "0.2", "--redundant", args);
		kill(own.pid, SIGSTOP);
	}
	snprintf(args, sizeof(args), "%s%s", c->args, middle ? " -w" : "");
	for (word = strtok_r(args, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		/* In a scenario of one word _ stands for a blank. */
		for (s = word; strchr(word, ';') && *s; s++)
			*s = *s == '_' ? ' ' : *s;
		argv[argc++] = word;
	}
	for (i = 0; i < WATCHERS; i++) {
		watchers[i].missed_before = watchers[i].missed;
		watchers[i].ends_before = watchers[i].ends;
	}
	if (c->watch == RECORDED || c->watch == REPORTED)
		recorder_start(&own);
	pid = start(argv, &in, &out);
	if (middle) {
		/* It says when everything is set up, and waits. */
		if (getline(&line, &size, out) < 0)
			goto out;
		watcher_start(&own, "0.2", "--redundant", NULL);
		compare_existing(&v, &own, strstr(c->args, "-n 8") ? 8 : 1);
		if (write(in, "\n", 1) != 1)
			goto out;
	}
	close(in);
	while (true) {
		if (c->watch == CHURN)
			watch_until(out, watchers);
		if (getline(&line, &size, out) < 0)
			break;
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
	if (c->watch == TOGETHER)
		kill(own.pid, SIGCONT);
	if ((c->watch == RECORDED || c->watch == REPORTED) && !recorder_end(&own))
		differs(&v, "the recorder did not end well");
	if (!WIFEXITED(status) || WEXITSTATUS(status) || !list) {
		printf("FAIL %s: the workload failed (%#x)\n", c->name, status);
		return false;
	}
	if (c->watch != WHOLE && c->watch != CHURN) {
		first = &own;
		nr = 1;
	}
	for (i = 0; i < nr; i++)
		missed += compare_watcher(&v, &first[i], list, middle);
	if (c->watch == TOGETHER || c->watch == RECORDED || c->watch == REPORTED)
		compare_host(&v, &own, list);
	if (c->watch == REPORTED) {
		compare_report(&v, &own, list);
		for (i = 0; i < WATCHERS; i++)
			missed += compare_watcher(&v, &watchers[i], list, middle);
	}
	if (first == &own && !watcher_stop(&own))
		differs(&v, "gmemtop did not end well");
	printf("%s %s: %zu VMs, %zu comparisons, %zu differ, %zu not offered in this lane, "
	       "%llu runs left out\n",
	       v.failed ? "FAIL" : "ok", c->name, json_object_array_length(list), v.compared,
	       v.failed, v.not_offered, (unsigned long long)missed);
	fflush(stdout);
	json_object_put(report);
	free(line);
	return !v.failed;
}

/* Can the workload do it on this kernel? */
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

/* Kernel and gmemtop must offer what lib/offers.h says of this lane. Return: differences. */
static size_t check_lane(void)
{
	size_t differ = offers_check_top(false) + offers_check_top(true);

	if (can("software-protected", "create;start") != offer_can(OFFER_software_protected)) {
		printf("  software-protected VMs: not as in tests/vm/lib/offers.h\n");
		differ++;
	}
	if (can("default", "create flags=mmap,init-shared;bind;start") != offer_can(OFFER_mapped)) {
		printf("  default VMs that bind what the host can map: not as in tests/vm/lib/offers.h\n");
		differ++;
	}
	if (can("default", "create;bind;start") != offer_can(OFFER_plain)) {
		printf("  default VMs that bind what the host cannot map: not as in tests/vm/lib/offers.h\n");
		differ++;
	}
	printf("%s offers: %zu differences from tests/vm/lib/offers.h\n", differ ? "FAIL" : "ok",
	       differ);
	return differ;
}

static bool possible(enum needs needs)
{
	switch (needs) {
	case BIND: return offer_can(OFFER_mapped);
	case PLAIN: return offer_can(OFFER_plain);
	case SW: return offer_can(OFFER_software_protected);
	default: return true;
	}
}

int main(int argc, char **argv)
{
	size_t i, passed = 0, failed, skipped = 0;
	static struct watcher watchers[WATCHERS];

	if (argc > 1 && !strcmp(argv[1], "--falsify")) {
		falsify = true;
		argv++;
	}
	WANTED_CHECK(argv + 1, cases, ARRAY_SIZE(cases));
	failed = check_lane();
	watcher_start(&watchers[0], "0.2", "--redundant", NULL);
	watcher_start(&watchers[1], "1", NULL, NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!wanted(cases[i].name, argv + 1))
			continue;
		if (!possible(cases[i].needs)) {
			printf("%s %s: lane %s has no VMs for it\n", argv[1] ? "FAIL" : "skipped",
			       cases[i].name, getenv("LANE"));
			failed += !!argv[1];
			skipped++;
		} else if (run_case(&cases[i], watchers)) {
			passed++;
		} else {
			failed++;
		}
	}
	for (i = 0; i < WATCHERS; i++) {
		if (!watcher_stop(&watchers[i])) {
			printf("FAIL gmemtop did not end well\n");
			failed++;
		}
	}
	printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
	if (!failed && !passed)
		printf("no case can run in lane %s; lane patched runs all of them\n",
		       getenv("LANE"));
	if (failed)
		return 1;
	return passed ? 0 : SKIPPED;
}
