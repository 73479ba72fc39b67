// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop events print every event once, with the right fields? The stream runs while the
 * workload runs a scenario; then each event is compared with the workload's own log. A field that
 * this lane does not offer (lib/offers.h) must be null in the stream, and one that it offers must
 * not.
 *
 * Usage: events_test [--falsify] [CASE...]
 * --falsify drops one event of each scenario before comparing: then the comparison must miss it.
 * Exit status: 0 all passed, 1 a case failed or cannot run in this lane although it was named,
 * 77 no case can run in this lane.
 */
#define _GNU_SOURCE
#include <json-c/json.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One file to compile, as every test here. */
#include "lib/compare.c"
#include "lib/offers_top.h"
#include "lib/stream.c"
#include "lib/trace_events.c"
#include "lib/wanted.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NS_PER_S      1000000000ULL
#define SKIPPED	      77

static bool falsify;

/* --- scenarios, event by event --- */

struct scenario {
	const char *name, *args;
	bool sudden;   /* the VMM is gone before it can be asked who it is */
	bool software; /* needs software-protected VMs */
};

static const struct scenario scenarios_told[] = {
	{ "all-ops", "-S @/all-ops.gmem", false, true },
	{ "all-ops-8-vms", "-S @/all-ops.gmem -n 8", false, true },
	{ "all-ops-8-vms-2-processes", "-S @/all-ops.gmem -n 8 --vms-per-process 4", false, true },
	{ "host-faults", "-S @/host-faults.gmem -t default", false, false },
	{ "interrupted", "-S @/interrupted.gmem", false, true },
	{ "poisoned", "-S @/poisoned.gmem -t default", false, true },
	{ "killed-8-vms", "-S @/killed.gmem -n 8 -c 4", true, true },
	{ "exited-8-vms", "-S @/exited.gmem -n 8", true, true },
	{ "vcpus-serial", "-S @/vcpus.gmem -c 4 --serial", false, true },
	{ "conversions", "-S @/conversions.gmem", false, true },
	{ "mix-8-vms-4-vcpus", "-o 300 -n 8 -c 4 --seed 7", false, true },
	{ "mix-default",
	  "-o 1000 -t default -f mmap,init-shared -m touch:4,host-touch:2,allocate:1,punch:2,invalid:1",
	  false, false },
};

/* X(event, the fact in offers.h that brings it) */
#define EVENT_FACTS(X)                \
	X(create, create)             \
	X(release, release)           \
	X(bind, bind)                 \
	X(unbind, unbind)             \
	X(allocate, allocate)         \
	X(punch, allocate)            \
	X(invalidate, memory_failure) \
	X(guest_fault, guest_fault)   \
	X(host_fault, host_fault)     \
	X(mmap, mmap)                 \
	X(populate, populate)         \
	X(convert, convert)           \
	X(deny, deny)

/* The stream's first line says where each event comes from: as offers.h has it for this lane. */
static void check_sources(struct verdict *v, const struct stream *s)
{
	static const char *const events[][2] = {
#define X(event, fact) { #event, #fact },
		EVENT_FACTS(X)
#undef X
	};
	struct json_object *sources = stream_member(s->head, "sources"), *source;
	int nr = sources ? json_object_object_length(sources) : 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		source = stream_member(sources, events[i][0]);
		v->compared++;
		if (!offers_source_is("event", events[i][1],
				      source ? json_object_get_string(source) : NULL, false))
			differs(v, "the source of event %s", events[i][0]);
	}
	if (nr != (int)ARRAY_SIZE(events))
		differs(v, "the stream has %d sources, this test knows %zu", nr,
			ARRAY_SIZE(events));
}

static bool traced(const char *fact)
{
	return offer_source(fact) == OFFER_TRACEPOINT;
}

/* Take out of the log what only the tracepoints of kernel-patches/ bring. */
static void forget_unknown(struct record *r)
{
	switch (r->id) {
	case EV_CONVERT:
		if (!traced("changed") && r->field[CONVERT_CHANGED])
			r->field[CONVERT_CHANGED] = -1;
		break;
	case EV_GUEST_FAULT:
		if (!traced("first_touch"))
			r->field[GUEST_FAULT_ZEROED] = -1;
		break;
	case EV_ALLOCATE:
		if (!traced("allocate") && r->field[ALLOCATE_RET] &&
		    !(r->field[ALLOCATE_MODE] & FALLOC_FL_PUNCH_HOLE))
			r->field[ALLOCATE_NR_PAGES] = -1;
		break;
	case EV_BIND:
		if (!traced("bind") && r->field[BIND_RET])
			r->inst = -1;
		break;
	case EV_INVALIDATE:
		/* gmemtop reports it of holes. */
		if (!traced("punched") || strcmp(r->word, "punch"))
			r->field[INVALIDATE_NR_PAGES] = -1;
		if (!traced("memory_failure") && !strcmp(r->word, "error"))
			r->field[INVALIDATE_END] = -1;
		break;
	default: break;
	}
}

/* No number is missing or there twice, as long as nothing was lost. */
static void check_numbers(struct verdict *v, const struct stream *s)
{
	size_t nr = json_object_array_length(s->events), i;
	bool *seen = calloc(nr + 1, sizeof(*seen));
	uint64_t seq;

	for (i = 0; seen && i < nr; i++) {
		seq = value_of(json_object_array_get_idx(s->events, i), "seq");
		v->compared++;
		if (seq >= nr || seen[seq])
			differs(v, "sequence number %llu of %zu events", (unsigned long long)seq,
				nr);
		else
			seen[seq] = true;
	}
	free(seen);
}

/* What every event says of who did it, and when. */
static void check_who(struct verdict *v, const struct stream *s, bool sudden, uint64_t from,
		      uint64_t to)
{
	char exe[PATH_MAX] = "";
	struct json_object *obj;
	uint64_t time;
	size_t i;

	if (!realpath(workload, exe))
		differs(v, "no %s", workload);
	for (i = 0; i < json_object_array_length(s->events); i++) {
		obj = json_object_array_get_idx(s->events, i);
		time = value_of(obj, "time_ns");
		v->compared++;
		/* The workload is one program, and all of its processes are root's. */
		if (!(stream_is(obj, "who.exe", exe) ||
		      (sudden && !stream_member(obj, "who.exe"))) ||
		    !stream_is(obj, "who.comm", "gmem-workload") ||
		    !stream_is(obj, "who.cgroup", "/") || value_of(obj, "who.uid") ||
		    !value_of(obj, "who.pid") || !value_of(obj, "who.tid") ||
		    !stream_is(obj, "vm.name", "gmem-workload") || time < from || time > to)
			differs(v, "who or when: %s", json_object_to_json_string(obj));
	}
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void drop_one(struct records *records)
{
	size_t at = records->nr / 2;

	memmove(&records->r[at], &records->r[at + 1], (records->nr - at - 1) * sizeof(*records->r));
	records->nr--;
}

static bool run_scenario(const struct scenario *c)
{
	char log_path[] = "/tmp/events_test.log.XXXXXX";
	struct records told = { 0 }, log = { 0 };
	struct json_object *report, *list = NULL;
	struct verdict v = { 0 };
	struct stream s;
	uint64_t from;
	size_t i;
	int fd;

	fd = mkstemp(log_path);
	if (fd < 0 || !stream_start(&s, "-e all --buffer 64"))
		return false;
	close(fd);
	from = realtime_ns();
	report = run_workload(c->args, log_path);
	if (!stream_end(&s, SIGTERM) || !report || stream_records(&s, &told) ||
	    log_read(log_path, &log)) {
		v.failed++;
		goto out;
	}
	json_object_object_get_ex(report, "vms", &list);
	check_sources(&v, &s);
	stream_account(&v, &s, false);
	check_numbers(&v, &s);
	check_who(&v, &s, c->sudden, from, realtime_ns());
	for (i = 0; i < log.nr; i++)
		forget_unknown(&log.r[i]);
	if (falsify && told.nr)
		drop_one(&told);
	assign_vms(list, &log, &told);
	compare_records(&v, list, &log, &told);
	if (!told.nr)
		differs(&v, "there was no event at all");
out:
	printf("%s %s: %zu events, %zu comparisons, %zu differ\n",
	       falsify == (v.failed > 0) ? "ok" : "FAIL", c->name, told.nr, v.compared, v.failed);
	fflush(stdout);
	json_object_put(report);
	stream_forget(&s);
	records_free(&told);
	records_free(&log);
	unlink(log_path);
	return falsify ? v.missed == 1 && !v.invented : !v.failed;
}

/* The kernel must have the VMs that lib/offers.h says. Return: differences. */
static size_t check_lane(void)
{
	size_t differ = 0;

	differ += stream_possible("-t software-protected -e create;start") !=
		  offer_can(OFFER_software_protected);
	differ += stream_possible("-t default -e create;bind;start") != offer_can(OFFER_mapped);
	if (differ)
		printf("FAIL the VMs of this kernel are not those of tests/vm/lib/offers.h\n");
	return differ;
}

int main(int argc, char **argv)
{
	size_t i, passed = 0, failed, skipped = 0;

	if (argc > 1 && !strcmp(argv[1], "--falsify")) {
		falsify = true;
		argv++;
	}
	WANTED_CHECK(argv + 1, scenarios_told, ARRAY_SIZE(scenarios_told));
	failed = check_lane();
	for (i = 0; i < ARRAY_SIZE(scenarios_told); i++) {
		const struct scenario *c = &scenarios_told[i];

		if (!wanted(c->name, argv + 1))
			continue;
		/* A default VM binds what can be mapped, and nothing else. */
		if ((strstr(c->args, "-t default") && !offer_can(OFFER_mapped)) ||
		    (c->software && !offer_can(OFFER_software_protected))) {
			printf("%s %s: lane %s has no VMs for it\n", argv[1] ? "FAIL" : "skipped",
			       c->name, getenv("LANE"));
			failed += !!argv[1];
			skipped++;
		} else if (run_scenario(c)) {
			passed++;
		} else {
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
