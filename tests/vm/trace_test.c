// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the guest_memfd tracepoints tell the truth? Runs the workload with many scenarios, reads the
 * events through tracefs (no BPF) and compares them with the workload's own account: each event
 * with all its values against the log of operations, and each count, per VM and in total, against
 * the JSON. Equal, not near.
 *
 * Usage: trace_test [--falsify] [--workload FILE] [--scenarios DIR] [CASE...]
 * --falsify drops one event of each case before comparing: then the comparison must miss exactly it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One file to compile, as every test here. */
#include "lib/compare.c"
#include "lib/offers.h"
#include "lib/trace_events.c"
#include "lib/wanted.h"

#define BUFFER_KB	  49152
#define ERRNO_MAX	  134
#define ATTRIBUTE_PRIVATE 8
#define SKIPPED		  77

struct test_case {
	const char *name;
	const char *args; /* @ is the directory of scenarios */
};

static const struct test_case cases[] = {
	{ "all-ops", "-S @/all-ops.gmem" },
	{ "all-ops-4-vcpus", "-S @/all-ops.gmem -c 4" },
	{ "all-ops-8-vms", "-S @/all-ops.gmem -n 8" },
	{ "all-ops-8-vms-2-processes", "-S @/all-ops.gmem -n 8 --vms-per-process 4" },
	{ "host-faults", "-S @/host-faults.gmem -t default" },
	{ "host-faults-8-vms", "-S @/host-faults.gmem -t default -n 8 -c 4" },
	{ "interrupted", "-S @/interrupted.gmem" },
	{ "poisoned", "-S @/poisoned.gmem -t default" },
	{ "killed", "-S @/killed.gmem" },
	{ "killed-8-vms", "-S @/killed.gmem -n 8 -c 4" },
	{ "exited-8-vms", "-S @/exited.gmem -n 8" },
	{ "vcpus", "-S @/vcpus.gmem -c 4" },
	{ "vcpus-serial", "-S @/vcpus.gmem -c 4 --serial" },
	{ "vcpus-8-vms", "-S @/vcpus.gmem -c 4 -n 8 -s 8M" },
	{ "conversions", "-S @/conversions.gmem" },
	{ "mix", "-o 10000 --serial" },
	{ "mix-8-vms-4-vcpus", "-o 500 -n 8 -c 4 --seed 7" },
	{ "mix-64-vms-8-vcpus", "-o 50 -n 64 -c 8 -s 1M" },
	{ "conversions-100000", "-o 12500 -c 8 -m convert:4,redundant:1" },
	{ "mix-default",
	  "-o 1000 -t default -f mmap,init-shared -m touch:4,host-touch:2,allocate:1,punch:2,invalid:1" },
	{ "mix-exit", "-o 300 -n 4 --teardown exit" },
	{ "mix-kill", "-o 300 -n 4 --teardown kill" },
};

static bool falsify;

static void expect(struct verdict *v, int vm, struct json_object *counts, const char *path,
		   int64_t traced)
{
	int64_t told = json_number(counts, path);

	v->compared++;
	if (told == traced)
		return;
	if (vm < 0)
		differs(v, "total %s: the workload says %lld, the events %lld", path,
			(long long)told, (long long)traced);
	else
		differs(v, "VM %d %s: the workload says %lld, the events %lld", vm, path,
			(long long)told, (long long)traced);
}

/* One operation as the events count it. */
struct tally {
	int64_t ok, pages, changed, redundant;
	int64_t failed[ERRNO_MAX];
};

enum tally_id {
	T_CREATE,
	T_RELEASE,
	T_BIND,
	T_UNBIND,
	T_ALLOCATE,
	T_PUNCH,
	T_GUEST_FAULT,
	T_HOST_FAULT,
	T_MMAP,
	T_POISON,
	T_PRIVATE,
	T_SHARED,
	T_INVALID,
	NR_TALLIES,
};

/* NULL: the events do not tell, or only together with something else. */
static const struct {
	const char *path, *pages, *changed, *redundant;
} tally_descs[NR_TALLIES] = {
	[T_CREATE] = { "create", "pages", NULL, NULL },
	[T_RELEASE] = { "release", "pages", NULL, NULL },
	[T_BIND] = { "bind", "pages", NULL, NULL },
	[T_UNBIND] = { "unbind", "pages", NULL, NULL },
	[T_ALLOCATE] = { "allocate", "pages", NULL, NULL },
	[T_PUNCH] = { "punch", "pages", "pages_freed", NULL },
	[T_GUEST_FAULT] = { "guest_fault", NULL, "first_touches", NULL },
	[T_HOST_FAULT] = { "host_fault", NULL, NULL, "refused" },
	[T_MMAP] = { "mmap", "pages", NULL, NULL },
	[T_POISON] = { "poison", NULL, NULL, NULL },
	[T_PRIVATE] = { "convert.sum.to_private", "pages", "pages_changed", "redundant" },
	[T_SHARED] = { "convert.sum.to_shared", "pages", "pages_changed", "redundant" },
	[T_INVALID] = { "convert.sum.to_invalid", "pages", "pages_changed", "redundant" },
};

static void add(struct tally *t, int64_t ret, uint64_t pages, uint64_t changed)
{
	if (ret < 0) {
		if (ret > -ERRNO_MAX)
			t->failed[-ret]++;
		return;
	}
	t->ok++;
	t->pages += pages;
	t->changed += changed;
}

static void tally_convert(struct tally *tallies, const struct record *r)
{
	struct tally *t = &tallies[T_INVALID];
	int64_t ret = r->field[CONVERT_RET];

	if (!r->field[CONVERT_ATTRIBUTES])
		t = &tallies[T_SHARED];
	else if (r->field[CONVERT_ATTRIBUTES] == ATTRIBUTE_PRIVATE)
		t = &tallies[T_PRIVATE];
	add(t, ret, r->field[CONVERT_SIZE] >> 12, r->field[CONVERT_CHANGED]);
	t->redundant += !ret && !r->field[CONVERT_CHANGED];
}

static void tally_record(struct tally *t, const struct record *r)
{
	const uint64_t *f = r->field;

	switch (r->id) {
	case EV_CREATE: add(&t[T_CREATE], f[CREATE_RET], f[CREATE_SIZE] >> 12, 0); break;
	case EV_RELEASE: add(&t[T_RELEASE], 0, f[RELEASE_NRPAGES], 0); break;
	case EV_BIND: add(&t[T_BIND], f[BIND_RET], f[BIND_SIZE] >> 12, 0); break;
	case EV_UNBIND: add(&t[T_UNBIND], 0, f[BIND_SIZE] >> 12, 0); break;
	case EV_ALLOCATE:
		add(&t[f[ALLOCATE_MODE] & FALLOC_FL_PUNCH_HOLE ? T_PUNCH : T_ALLOCATE],
		    f[ALLOCATE_RET], f[ALLOCATE_NR_PAGES], 0);
		break;
	case EV_INVALIDATE:
		if (!strcmp(r->word, "punch"))
			add(&t[T_PUNCH], 0, f[INVALIDATE_END] - f[INVALIDATE_START],
			    f[INVALIDATE_NR_PAGES]);
		else if (!strcmp(r->word, "error"))
			add(&t[T_POISON], 0, 0, 0);
		break;
	case EV_GUEST_FAULT:
		add(&t[T_GUEST_FAULT], f[GUEST_FAULT_RET], 0, f[GUEST_FAULT_ZEROED]);
		break;
	case EV_HOST_FAULT:
		t[T_HOST_FAULT].ok += !strcmp(r->word, "LOCKED");
		t[T_HOST_FAULT].redundant += !strcmp(r->word, "SIGBUS");
		break;
	case EV_MMAP: add(&t[T_MMAP], f[MMAP_RET], f[MMAP_SIZE] >> 12, 0); break;
	default: tally_convert(t, r);
	}
}

static void tally_sum(struct tally *to, const struct tally *from)
{
	int i, e;

	for (i = 0; i < NR_TALLIES; i++) {
		to[i].ok += from[i].ok;
		to[i].pages += from[i].pages;
		to[i].changed += from[i].changed;
		to[i].redundant += from[i].redundant;
		for (e = 0; e < ERRNO_MAX; e++)
			to[i].failed[e] += from[i].failed[e];
	}
}

static void compare_tallies(struct verdict *v, int vm, struct json_object *counts,
			    const struct tally *t, bool exact)
{
	const char *members[3];
	int64_t values[3];
	char path[128];
	int i, m, e;

	for (i = 0; i < NR_TALLIES; i++) {
		snprintf(path, sizeof(path), "%s.ok", tally_descs[i].path);
		if (i == T_GUEST_FAULT && !exact) {
			v->compared++;
			if (t[i].ok < json_number(counts, path))
				differs(v, "VM %d %s: fewer than the lower bound", vm, path);
		} else {
			expect(v, vm, counts, path, t[i].ok);
		}
		members[0] = tally_descs[i].pages;
		members[1] = tally_descs[i].changed;
		members[2] = tally_descs[i].redundant;
		values[0] = t[i].pages;
		values[1] = t[i].changed;
		values[2] = t[i].redundant;
		for (m = 0; m < 3; m++) {
			snprintf(path, sizeof(path), "%s.%s", tally_descs[i].path, members[m]);
			if (members[m])
				expect(v, vm, counts, path, values[m]);
		}
		for (e = 1; e < ERRNO_MAX; e++) {
			if (!strerrorname_np(e))
				continue;
			snprintf(path, sizeof(path), "%s.failed.%s", tally_descs[i].path,
				 strerrorname_np(e));
			expect(v, vm, counts, path, t[i].failed[e]);
		}
	}
}

static void compare_counts(struct verdict *v, struct json_object *report,
			   const struct records *trace)
{
	struct tally(*tallies)[NR_TALLIES], totals[NR_TALLIES] = { 0 };
	struct json_object *list, *vm, *obj, *stat;
	bool exact = true, vm_exact;
	int64_t private;
	size_t i, nr;

	json_object_object_get_ex(report, "vms", &list);
	nr = json_object_array_length(list);
	tallies = calloc(nr, sizeof(*tallies));
	if (!tallies)
		abort();
	for (i = 0; i < trace->nr; i++) {
		if (trace->r[i].vm >= 0)
			tally_record(tallies[trace->r[i].vm], &trace->r[i]);
	}
	for (i = 0; i < nr; i++) {
		vm = json_object_array_get_idx(list, i);
		if (json_number(vm, "guest_resets"))
			printf("  note: VM %zu: the emulator lost its guest %lld times\n", i,
			       (long long)json_number(vm, "guest_resets"));
		json_object_object_get_ex(vm, "guest_faults_exact", &obj);
		vm_exact = json_object_get_boolean(obj);
		exact = exact && vm_exact;
		json_object_object_get_ex(vm, "counts", &obj);
		compare_tallies(v, (int)i, obj, tallies[i], vm_exact);
		tally_sum(totals, tallies[i]);

		private = tallies[i][T_PRIVATE].changed - tallies[i][T_SHARED].changed;
		expect(v, (int)i, vm, "private_pages", private);
		v->compared++;
		if (!json_object_object_get_ex(vm, "kvm_stat_private_pages", &stat) || !stat)
			differs(v, "VM %zu: KVM has no statistic private_pages", i);
		else if (json_object_get_int64(stat) != private)
			differs(v, "VM %zu: KVM's private_pages is %lld, the events say %lld", i,
				(long long)json_object_get_int64(stat), (long long)private);
	}
	json_object_object_get_ex(report, "totals", &obj);
	compare_tallies(v, -1, obj, totals, exact);
	free(tallies);
}

static void drop_one(struct records *trace)
{
	size_t at = trace->nr / 2;

	memmove(&trace->r[at], &trace->r[at + 1], (trace->nr - at - 1) * sizeof(*trace->r));
	trace->nr--;
}

static bool run_case(const struct test_case *c)
{
	char log_path[] = "/tmp/trace_test.log.XXXXXX";
	struct records trace = { 0 }, log = { 0 };
	struct json_object *report = NULL, *list;
	struct verdict v = { 0 };
	size_t events = 0;
	int fd, ret;

	fd = mkstemp(log_path);
	if (fd < 0)
		return false;
	close(fd);
	ret = trace_start();
	if (!ret) {
		report = run_workload(c->args, log_path);
		ret = trace_stop();
	}
	if (ret)
		printf("  tracing: %s\n", ret == -ENOBUFS ? "events were lost" : strerror(-ret));
	if (ret || !report || trace_read(&trace) || log_read(log_path, &log) ||
	    !json_object_object_get_ex(report, "vms", &list) ||
	    json_object_array_length(list) > MAX_VMS) {
		v.failed++;
		goto out;
	}
	events = trace.nr;
	if (falsify && trace.nr)
		drop_one(&trace);
	assign_vms(list, &log, &trace);
	compare_counts(&v, report, &trace);
	compare_records(&v, list, &log, &trace);
	if (!events)
		differs(&v, "there was no event at all");
	printf("%s %s: %zu events, %zu VMs, %zu comparisons, %zu differ\n",
	       !v.failed != falsify ? "ok" : "FAIL", c->name, events,
	       json_object_array_length(list), v.compared, v.failed);
out:
	if (!v.compared)
		printf("FAIL %s: nothing was compared\n", c->name);
	fflush(stdout);
	json_object_put(report);
	records_free(&trace);
	records_free(&log);
	unlink(log_path);
	return falsify ? v.missed == 1 && !v.invented : !v.failed;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "falsify", no_argument, NULL, 'f' },
		{ "workload", required_argument, NULL, 'w' },
		{ "scenarios", required_argument, NULL, 's' },
		{ 0 },
	};
	size_t i, passed = 0, failed = 0;
	int c, ret;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			falsify = true;
		else if (c == 'w')
			workload = optarg;
		else if (c == 's')
			scenarios = optarg;
		else
			return 2;
	}
	WANTED_CHECK(argv + optind, cases, ARRAY_SIZE(cases));
	if (offer_source("create") != OFFER_TRACEPOINT) {
		printf("lane %s has no kvm_gmem tracepoints, lane patched has them\n",
		       getenv("LANE"));
		return SKIPPED;
	}
	ret = trace_open(BUFFER_KB);
	if (ret <= 0) {
		fprintf(stderr, "trace_test: %s\n",
			ret ? strerror(-ret)
			    : "this kernel has no kvm_gmem tracepoints (kernel-patches/)");
		trace_close();
		return 1;
	}
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!wanted(cases[i].name, argv + optind))
			continue;
		if (run_case(&cases[i]))
			passed++;
		else
			failed++;
	}
	trace_close();
	printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
	return failed || !passed;
}
