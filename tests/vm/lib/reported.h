/* SPDX-License-Identifier: GPL-2.0-only */
/* What gmemtop report says of a recording, beside what its replay showed last. */
#ifndef VM_REPORTED_H
#define VM_REPORTED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "counts.h"

/* The report of a recording, with every VM. NULL: it failed, and has said why. */
static inline struct json_object *reported_read(const char *path)
{
	struct json_object *report = NULL;
	char command[256], *line = NULL;
	size_t size = 0;
	FILE *out;

	snprintf(command, sizeof(command), "build/gmemtop report --json -n 1000000 %s", path);
	out = popen(command, "r");
	if (out && getline(&line, &size, out) > 0)
		report = json_tokener_parse(line);
	free(line);
	if (!out || pclose(out)) {
		json_object_put(report);
		return NULL;
	}
	return report;
}

/* The VM with that key in a list. */
static inline struct json_object *reported_vm(struct json_object *list, struct json_object *key)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *vm = json_object_array_get_idx(list, i);

		if (json_object_equal(member(vm, "key"), key))
			return vm;
	}
	return NULL;
}

/* Members that must be the same, number by number and bucket by bucket. */
static inline void reported_equal(struct verdict *v, const char *what, struct json_object *replayed,
				  struct json_object *reported)
{
	static const char *const paths[] = {
		"counters",
		"errors",
		"errors_by_operation",
		"latency.to_private.histogram",
		"latency.to_private.p99_ns",
		"latency.to_private.max_ns",
		"latency.to_shared.histogram",
		"latency.to_shared.p99_ns",
		"latency.to_shared.max_ns",
	};
	struct json_object *a, *b;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		a = member(replayed, paths[i]);
		b = member(reported, paths[i]);
		v->compared++;
		if (!json_object_equal(a, b))
			differs(v, "%s: %s is %s in the replay, %s in the report", what, paths[i],
				json_object_to_json_string(a), json_object_to_json_string(b));
	}
}

#endif /* VM_REPORTED_H */
