// SPDX-License-Identifier: GPL-2.0-only
/* Count by count: the workload's account of a VM against what gmemtop shows of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "counts.h"
#include "offers.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_SHOWN   10

/* The workload's name, gmemtop's name, and the fact (offers.h) that brings it. */
static const struct pair {
	const char *told, *shown, *fact;
	enum count_kind kind;
} pairs[] = {
	{ "create.ok", "creates", "create", OPERATION },
	{ "create.pages", "created_pages", "create", PAGES },
	{ "release.ok", "releases", "release", OPERATION },
	{ "release.pages", "released_pages", "release", PAGES },
	{ "bind.ok", "binds", "bind", OPERATION },
	{ "bind.pages", "bound_pages", "bind", PAGES },
	{ "unbind.ok", "unbinds", "unbind", OPERATION },
	{ "unbind.pages", "unbound_pages", "unbind", PAGES },
	{ "allocate.ok", "allocates", "allocate", OPERATION },
	{ "allocate.pages", "allocated_pages", "allocate", PAGES },
	{ "punch.ok", "punches", "allocate", OPERATION },
	{ "punch.pages_freed", "punched_pages", "punched", PAGES },
	{ "guest_fault.ok", "guest_faults", "guest_fault", OPERATION },
	{ "guest_fault.first_touches", "first_touches", "first_touch", PART },
	{ "host_fault.ok", "host_faults", "host_fault", OPERATION },
	{ "host_fault.refused", "host_faults_refused", "host_fault", OPERATION },
	{ "mmap.ok", "mmaps", "mmap", OPERATION },
	{ "mmap.pages", "mmapped_pages", "mmap", PAGES },
	{ "poison.ok", "memory_failures", "memory_failure", OPERATION },
	{ "convert.sum.to_private.ok", "to_private", "convert", OPERATION },
	{ "convert.sum.to_private.pages", "to_private_pages", "convert", PAGES },
	{ "convert.sum.to_private.pages_changed", "to_private_changed_pages", "changed", PAGES },
	{ "convert.sum.to_private.redundant", "to_private_redundant", "redundant", PART },
	{ "convert.sum.to_shared.ok", "to_shared", "convert", OPERATION },
	{ "convert.sum.to_shared.pages", "to_shared_pages", "convert", PAGES },
	{ "convert.sum.to_shared.pages_changed", "to_shared_changed_pages", "changed", PAGES },
	{ "convert.sum.to_shared.redundant", "to_shared_redundant", "redundant", PART },
};

static const struct pair errors[] = {
	{ "convert.sum.to_private.failed", "convert_private", "convert", OPERATION },
	{ "convert.sum.to_shared.failed", "convert_shared", "convert", OPERATION },
	{ "convert.sum.to_invalid.failed", "convert_other", "convert", OPERATION },
	{ "create.failed", "create", "create", OPERATION },
	{ "bind.failed", "bind", "bind", OPERATION },
	{ "allocate.failed", "allocate", "allocate", OPERATION },
	{ "punch.failed", "punch", "allocate", OPERATION },
	{ "mmap.failed", "mmap", "mmap", OPERATION },
	{ "guest_fault.failed", "guest_fault", "guest_fault", OPERATION },
};

static const struct pair private_pages = { "private_pages", "private_pages", "private_pages",
					   OPERATION };

#define PRIVATE_PAGES (COUNT_OF(pairs) + COUNT_OF(errors))
#define NR_FALSIFIED  (PRIVATE_PAGES + 1)

/* For falsify_each(): which count gmemtop shows wrong, and by how much. */
static size_t falsified = NR_FALSIFIED;
static int falsified_by;

struct json_object *member(struct json_object *obj, const char *path)
{
	char copy[128], *save, *word;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save)) {
		if (!json_object_object_get_ex(obj, word, &obj))
			return NULL;
	}
	return obj;
}

int64_t number(struct json_object *obj, const char *path)
{
	return json_object_get_int64(member(obj, path));
}

bool vm_is(struct json_object *vm, const char *state)
{
	struct json_object *value = member(vm, "state");

	return value && !strcmp(json_object_get_string(value), state);
}

void differs(struct verdict *v, const char *fmt, ...)
{
	va_list args;

	if (v->failed++ >= MAX_SHOWN || v->quiet)
		return;
	va_start(args, fmt);
	fputs("  ", stdout);
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
}

/* The workload's number, without what was before the start if gmemtop came then. */
static int64_t told_number(struct json_object *vm, const char *path, bool middle)
{
	int64_t told = number(member(vm, "counts"), path);

	return told - (middle ? number(member(vm, "before_start"), path) : 0);
}

/* The error that the count is falsified by has an errno that no operation returns. */
#define FALSE_ERRNO ENOTUNIQ

/* When gmemtop came, to the VM's instances. */
enum seen {
	SEEN_WHOLE,  /* before them */
	SEEN_PART,   /* after them */
	SEEN_UNSURE, /* before them, but the kernel left out the run that counts a creation */
};

static enum seen how_seen(const struct verdict *v, struct json_object *told,
			  struct json_object *shown, bool middle)
{
	if (middle)
		return SEEN_PART;
	if (v->missed && number(shown, "counters.creates") < number(told, "counts.create.ok"))
		return SEEN_UNSURE;
	return SEEN_WHOLE;
}

static bool is_known_from_binds(const struct pair *pair)
{
	return !strcmp(pair->fact, "unbind") && offer_source(pair->fact) == OFFER_FUNCTION;
}

/*
 * Must gmemtop show the count? What it shows and should not, or the other way, is a difference.
 * KVM's functions do not report how many bindings end with an instance; that is known from those
 * that began, and of an instance that is older than gmemtop it has not seen all. An instance whose
 * creation was left out is older to gmemtop if something is counted in it afterwards.
 */
static bool offered(struct verdict *v, const struct pair *pair, struct json_object *value,
		    enum seen seen)
{
	bool known_from_binds = is_known_from_binds(pair);
	bool must = offer_fact(pair->fact, v->redundant) &&
		    !(known_from_binds && seen == SEEN_PART);

	v->compared++;
	v->not_offered += !must;
	if (known_from_binds && seen == SEEN_UNSURE)
		return value;
	if (must != !!value)
		differs(v, "%s is %s, tests/vm/lib/offers.h says that this lane %s it", pair->shown,
			value ? "shown" : "null", must ? "offers" : "does not offer");
	return must && value;
}

void compare_count(struct verdict *v, enum count_kind kind, const char *what, int64_t wanted,
		   int64_t shown, bool lower)
{
	int64_t lacks = wanted - shown;

	if (kind == OPERATION)
		v->operation_lacks = 0;
	if (lacks > 0 && v->missed && (kind != PAGES || v->operation_lacks)) {
		if (kind != PAGES && (uint64_t)lacks > v->operation_lacks) {
			v->lacks += (uint64_t)lacks - v->operation_lacks;
			v->operation_lacks = (uint64_t)lacks;
		}
		return;
	}
	if (lower ? lacks > 0 : lacks != 0)
		differs(v, "%s: should be %lld, gmemtop shows %lld", what, (long long)wanted,
			(long long)shown);
}

static void compare_errors(struct verdict *v, struct json_object *told, struct json_object *shown,
			   bool middle, enum seen seen)
{
	struct json_object *op;
	char path[128];
	int64_t a, b;
	size_t i;
	int e;

	for (i = 0; i < COUNT_OF(errors); i++) {
		op = member(member(shown, "errors_by_operation"), errors[i].shown);
		if (!offered(v, &errors[i], op, seen))
			continue;
		for (e = 1; e < 134; e++) {
			if (!strerrorname_np(e))
				continue;
			snprintf(path, sizeof(path), "%s.%s", errors[i].told, strerrorname_np(e));
			a = told_number(told, path, middle);
			b = number(op, strerrorname_np(e));
			if (falsified == COUNT_OF(pairs) + i && e == FALSE_ERRNO)
				b += falsified_by;
			compare_count(v, OPERATION, path, a, b, false);
		}
	}
}

static void compare_latency(struct verdict *v, struct json_object *shown, const char *direction)
{
	struct json_object *histogram;
	char path[64];
	int64_t sum = 0;
	size_t i;

	if (!offer_fact("convert", v->redundant))
		return;
	snprintf(path, sizeof(path), "latency.%s.histogram", direction);
	histogram = member(shown, path);
	for (i = 0; histogram && i < json_object_array_length(histogram); i++)
		sum += json_object_get_int64(
			json_object_array_get_idx(json_object_array_get_idx(histogram, i), 1));
	v->compared++;
	if (!histogram || sum != number(member(shown, "counters"), direction))
		differs(v, "latency of %lld conversions %s, which were %lld", (long long)sum,
			direction, (long long)number(member(shown, "counters"), direction));
}

void compare_vm(struct verdict *v, struct json_object *told, struct json_object *shown, bool middle)
{
	bool exact = json_object_get_boolean(member(told, "guest_faults_exact")), lower;
	enum seen seen = how_seen(v, told, shown, middle);
	struct json_object *value;
	enum count_kind kind;
	uint64_t explained = 0; /* ends of bindings that cannot have been counted */
	int64_t a, b;
	size_t i;

	for (i = 0; i < COUNT_OF(pairs); i++) {
		value = member(member(shown, "counters"), pairs[i].shown);
		if (!offered(v, &pairs[i], value, seen))
			continue;
		a = told_number(told, pairs[i].told, middle);
		b = json_object_get_int64(value) + (falsified == i ? falsified_by : 0);
		lower = !strcmp(pairs[i].told, "guest_fault.ok") && !exact;
		/*
		 * A binding that was not counted has no end either, and neither have those of an
		 * instance whose release was not counted: the run is one.
		 */
		kind = pairs[i].kind;
		if (kind == OPERATION && is_known_from_binds(&pairs[i])) {
			kind = PART;
			v->operation_lacks = explained;
		} else if (a > b && (!strcmp(pairs[i].told, "release.ok") ||
				     !strcmp(pairs[i].told, "bind.ok"))) {
			explained += (uint64_t)(a - b);
		}
		compare_count(v, kind, pairs[i].told, a, b, lower);
	}
	compare_errors(v, told, shown, middle, seen);
	compare_latency(v, shown, "to_private");
	compare_latency(v, shown, "to_shared");
	/*
	 * Read from the kernel when the VM ends, not counted: a run of a program can only be
	 * missing in it where that end was not seen.
	 */
	value = member(shown, "private_pages");
	if (!value && v->unseen_ends && offer_fact(private_pages.fact, v->redundant)) {
		v->unseen_ends--;
		return;
	}
	if (!offered(v, &private_pages, value, seen))
		return;
	a = number(told, "private_pages");
	b = json_object_get_int64(value) + (falsified == PRIVATE_PAGES ? falsified_by : 0);
	if (a != b)
		differs(v, "private_pages: the workload says %lld, gmemtop %lld", (long long)a,
			(long long)b);
}

void check_missed(struct verdict *v)
{
	v->compared++;
	if (v->lacks > v->missed)
		differs(v,
			"%llu operations are not counted, the kernel left out %llu runs of programs",
			(unsigned long long)v->lacks, (unsigned long long)v->missed);
	if (v->missed > MISSED_MAX)
		differs(v, "the kernel left out %llu runs of programs, more than %d",
			(unsigned long long)v->missed, MISSED_MAX);
}

/* A count by its number, as falsify_each() goes through them. */
static const struct pair *count_at(size_t i)
{
	if (i == PRIVATE_PAGES)
		return &private_pages;
	return i < COUNT_OF(pairs) ? &pairs[i] : &errors[i - COUNT_OF(pairs)];
}

void falsify_each(struct verdict *v, struct json_object *told, struct json_object *shown,
		  bool middle)
{
	const struct verdict how = { .quiet = true, .redundant = v->redundant };
	bool exact = json_object_get_boolean(member(told, "guest_faults_exact"));
	struct verdict trial = how;
	size_t before;
	int by;

	compare_vm(&trial, told, shown, middle);
	before = trial.failed;
	for (falsified = 0; falsified < NR_FALSIFIED; falsified++) {
		const struct pair *pair = count_at(falsified);

		if (!offer_fact(pair->fact, v->redundant))
			continue;
		for (by = -1; by <= 1; by += 2) {
			/* One more than a lower bound is no error. */
			if (by > 0 && !exact && !strcmp(pair->told, "guest_fault.ok"))
				continue;
			falsified_by = by;
			trial = how;
			compare_vm(&trial, told, shown, middle);
			v->compared++;
			if (trial.failed == before)
				differs(v, "%s: %+d is not noticed", pair->told, by);
		}
	}
}
