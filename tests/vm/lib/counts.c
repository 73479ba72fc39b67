// SPDX-License-Identifier: GPL-2.0-only
/* Count by count: the workload's account of a VM against what gmemtop shows of it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "counts.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_SHOWN   10

/* What the workload calls it, and what gmemtop does. */
static const struct pair {
	const char *told, *shown;
} pairs[] = {
	{ "create.ok", "creates" },
	{ "create.pages", "created_pages" },
	{ "release.ok", "releases" },
	{ "release.pages", "released_pages" },
	{ "bind.ok", "binds" },
	{ "bind.pages", "bound_pages" },
	{ "unbind.ok", "unbinds" },
	{ "unbind.pages", "unbound_pages" },
	{ "allocate.ok", "allocates" },
	{ "allocate.pages", "allocated_pages" },
	{ "punch.ok", "punches" },
	{ "punch.pages", "punched_pages" },
	{ "guest_fault.ok", "guest_faults" },
	{ "guest_fault.first_touches", "first_touches" },
	{ "host_fault.ok", "host_faults" },
	{ "host_fault.refused", "host_faults_refused" },
	{ "mmap.ok", "mmaps" },
	{ "mmap.pages", "mmapped_pages" },
	{ "poison.ok", "memory_failures" },
	{ "convert.sum.to_private.ok", "to_private" },
	{ "convert.sum.to_private.pages", "to_private_pages" },
	{ "convert.sum.to_private.pages_changed", "to_private_changed" },
	{ "convert.sum.to_private.redundant", "to_private_redundant" },
	{ "convert.sum.to_shared.ok", "to_shared" },
	{ "convert.sum.to_shared.pages", "to_shared_pages" },
	{ "convert.sum.to_shared.pages_changed", "to_shared_changed" },
	{ "convert.sum.to_shared.redundant", "to_shared_redundant" },
};

static const struct pair errors[] = {
	{ "convert.sum.to_private.failed", "convert_private" },
	{ "convert.sum.to_shared.failed", "convert_shared" },
	{ "convert.sum.to_invalid.failed", "convert_other" },
	{ "create.failed", "create" },
	{ "bind.failed", "bind" },
	{ "allocate.failed", "allocate" },
	{ "punch.failed", "punch" },
	{ "mmap.failed", "mmap" },
	{ "guest_fault.failed", "guest_fault" },
};

bool falsify;

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

static void compare_errors(struct verdict *v, struct json_object *told, struct json_object *shown,
			   bool middle)
{
	struct json_object *op;
	char path[128];
	int64_t a, b;
	size_t i;
	int e;

	for (i = 0; i < COUNT_OF(errors); i++) {
		op = member(member(shown, "errors"), errors[i].shown);
		if (!op) {
			v->not_offered++;
			continue;
		}
		v->compared++;
		for (e = 1; e < 134; e++) {
			if (!strerrorname_np(e))
				continue;
			snprintf(path, sizeof(path), "%s.%s", errors[i].told, strerrorname_np(e));
			a = told_number(told, path, middle);
			b = number(op, strerrorname_np(e));
			if (a != b)
				differs(v, "%s: the workload says %lld, gmemtop %lld", path,
					(long long)a, (long long)b);
		}
	}
}

static void compare_latency(struct verdict *v, struct json_object *shown, const char *direction)
{
	struct json_object *histogram;
	char path[64];
	int64_t sum = 0;
	size_t i;

	snprintf(path, sizeof(path), "latency.%s.histogram", direction);
	histogram = member(shown, path);
	if (!histogram)
		return;
	for (i = 0; i < json_object_array_length(histogram); i++)
		sum += json_object_get_int64(json_object_array_get_idx(histogram, i));
	v->compared++;
	if (sum != number(member(shown, "counters"), direction))
		differs(v, "latency of %lld conversions %s, which were %lld", (long long)sum,
			direction, (long long)number(member(shown, "counters"), direction));
}

void compare_vm(struct verdict *v, struct json_object *told, struct json_object *shown, bool middle)
{
	bool exact = json_object_get_boolean(member(told, "guest_faults_exact"));
	struct json_object *value;
	int64_t a, b;
	size_t i;

	for (i = 0; i < COUNT_OF(pairs); i++) {
		value = member(member(shown, "counters"), pairs[i].shown);
		if (!value) {
			v->not_offered++;
			continue;
		}
		v->compared++;
		a = told_number(told, pairs[i].told, middle);
		b = json_object_get_int64(value) + (falsify && !i);
		if (!strcmp(pairs[i].told, "guest_fault.ok") && !exact ? b < a : a != b)
			differs(v, "%s: the workload says %lld, gmemtop %lld", pairs[i].told,
				(long long)a, (long long)b);
	}
	value = member(shown, "private_pages");
	if (value) {
		v->compared++;
		if (json_object_get_int64(value) != number(told, "private_pages"))
			differs(v, "private_pages: the workload says %lld, gmemtop %lld",
				(long long)number(told, "private_pages"),
				(long long)json_object_get_int64(value));
	} else {
		v->not_offered++;
	}
	compare_errors(v, told, shown, middle);
	compare_latency(v, shown, "to_private");
	compare_latency(v, shown, "to_shared");
}
